"""Widgets that stay alive without a kernel.

In JupyterLab a widget is an ordinary ipywidget. Everywhere else (the site, exported pages, slides, a trusted notebook
that has not been run) its ``text/html`` form starts the same front-end module from the same state, with nothing fetched
from anywhere. Where scripts do not run, a picture of the first state stands in.
"""

import base64
import hashlib
import html
import json
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import anywidget
import numpy as np

STATIC = Path(__file__).parent / "static"
_HOST = (STATIC / "host.js").read_text("utf8")
_CORE = frozenset(anywidget.AnyWidget.class_trait_names()) | {"_esm", "_css", "_anywidget_id"}
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.M)


def bundle(name: str) -> str:
    """One module made of ``static/<name>`` and what it imports from the same folder, without comment lines.

    The front end of a widget travels as one text. Its sources stay apart, so that node can test each of them.
    """
    done: list[str] = []

    def collect(part: str, is_main: bool) -> str:
        done.append(part)
        source = (STATIC / part).read_text("utf8")
        before = "".join(collect(other, False) for other in _IMPORT.findall(source) if other not in done)
        source = re.sub(r"^\s*//.*\n", "", _IMPORT.sub("", source), flags=re.M)
        return before + (source if is_main else re.sub(r"^export (?=const|let|function)", "", source, flags=re.M))

    return collect(name, True)


def one_of(proposal: dict, known: Iterable):
    """The value that a trait is to take, for its validator, if it is one of those known.

    Raises:
        ValueError: if it is not.
    """
    known = list(known)
    if proposal["value"] not in known:
        choices = ", ".join(str(choice) or "''" for choice in known)
        raise ValueError(f"{proposal['trait'].name} must be one of {choices}, got {proposal['value']!r}")
    return proposal["value"]


def _plain(value):
    """State as JSON; runs of bytes become ``{"$b64": …}`` at any depth."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$b64": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _script_json(value) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("</", "<\\/").replace("<!--", "\\u003c!--")


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def png(pixels: np.ndarray) -> bytes:
    """PNG file of (height, width, 3) pixels, uint8; the same bytes every time.

    Raises:
        ValueError: if the array is not uint8 of that shape.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be uint8 of shape (height, width, 3), got {pixels.dtype} {pixels.shape}")
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


class StaticAnyWidget(anywidget.AnyWidget):
    """Base of all widgets of the course.

    A subclass gives ``_esm`` (``bundle("name.js")``), ``_alt`` (what the figure shows, in a sentence), its synced
    traits, and ``preview`` (a picture of the first state) or ``preview_html``.
    """

    _alt = "Interactive figure"
    _css = (STATIC / "widget.css").read_text("utf8")

    def preview(self) -> np.ndarray | None:
        """(height, width, 3) uint8 pixels that stand in where scripts do not run."""
        return None

    def preview_html(self) -> str:
        """The stand-in as HTML: the preview picture with its alternative text, or a sentence."""
        pixels = self.preview()
        if pixels is None:
            return f"<p><em>{html.escape(self._alt)}. It moves where scripts may run.</em></p>"
        source = base64.b64encode(png(pixels)).decode("ascii")
        size = f"width:{pixels.shape[1]}px;max-width:100%;height:auto;image-rendering:pixelated"
        return f'<img alt="{html.escape(self._alt)}" src="data:image/png;base64,{source}" style="{size}">'

    def front_end_state(self) -> dict:
        """The synced traits of this widget, as JSON."""
        return {name: _plain(value) for name, value in sorted(self.get_state().items()) if name not in _CORE}

    def static_html(self) -> str:
        """The widget as HTML that needs no kernel and no other file. Equal widgets give equal text."""
        state = _script_json(self.front_end_state())
        esm, css = str(self._esm), str(self._css)
        values = {
            "KEY": _hash(state, esm, css, _HOST, self._alt),
            "ESM_KEY": _hash(esm),
            "CSS_KEY": _hash(css),
            "ESM": esm,
            "CSS": css,
        }
        names = ",\n".join(f"{name}={_script_json(value)}" for name, value in values.items())
        return (
            f'<div class="dw-root" data-dw="{values["KEY"]}" role="group" aria-label="{html.escape(self._alt)}">'
            f"{self.preview_html()}</div>\n<script>(() => {{\nconst STATE={state},\n{names};\n{_HOST}}})();</script>"
        )

    def __repr__(self) -> str:
        """No memory address, so that stored outputs stay equal."""
        return f"{type(self).__name__}()"

    def _repr_mimebundle_(self, **kwargs):
        made = super()._repr_mimebundle_(**kwargs)
        if made is None:
            return None
        data, metadata = made if isinstance(made, tuple) else (made, {})
        return {**data, "text/plain": repr(self), "text/html": self.static_html()}, metadata
