"""A grid of pictures that were made beforehand, looked at along any of its axes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import traitlets as tr
from einops import rearrange, repeat
from jaxtyping import Shaped, UInt8

from lib.widgets.base import STATIC, StaticAnyWidget, bundle
from lib.widgets.sheets import sheet

MAX_AXES, MAX_PICTURES, MAX_BYTES, MAX_ACROSS = 5, 1200, 1_000_000, 12


class FrameExplorer(StaticAnyWidget):
    """Pictures over several axes (steps, eta, guidance scale, …): a slider or buttons for each, or pictures in a row.

    Reading and setting from Python: ``w.place``, the index on every axis (``w.place = {"eta": 2}`` moves along one and
    leaves the others); ``w.choose(eta=0.5)``, the same by value; ``w.across`` and ``w.down``, the axes whose pictures
    stand side by side and in rows ("" for none). Reading only: ``w.values`` and ``w.picture``.

    Args:
        frames: bytes (A, B, …, C, H, W) with one leading dimension for each axis; C is 1 or 3.
        axes: name -> its values in order (numbers or words); 1 to 5 axes, at most 1,200 pictures in all.
        numbers: label -> array that broadcasts to (A, B, …), shown with the pictures it belongs to.
        titles: name of an axis -> the words that the reader sees for it; default the name.
        across: the axis laid out side by side; default the last one if it has 2 to 12 values.
        down: an axis laid out in rows.
        place: name -> index to begin with; default 0.
        quality: None keeps every byte; 1 to 100 makes the page smaller at the cost of fine detail.

    Raises:
        ValueError: naming the argument that does not fit, or if the pictures need more than 1 MB.
    """

    _esm = bundle("frame_explorer.js")
    _css = StaticAnyWidget._css + "".join((STATIC / name).read_text("utf8") for name in ("diffusion.css", "frames.css"))
    _alt = "Pictures made with several settings, to be compared along each of them"

    place = tr.Dict().tag(sync=True)
    across = tr.Unicode("").tag(sync=True)
    down = tr.Unicode("").tag(sync=True)
    axes = tr.List().tag(sync=True)
    numbers = tr.List().tag(sync=True)
    shape = tr.List(tr.Int()).tag(sync=True)
    columns = tr.Int().tag(sync=True)
    sheet = tr.Bytes().tag(sync=True)

    def __init__(
        self,
        frames: Shaped[np.ndarray, "*axes C H W"] | Shaped[torch.Tensor, "*axes C H W"],
        axes: Mapping[str, Sequence],
        *,
        numbers: Mapping[str, object] | None = None,
        titles: Mapping[str, str] | None = None,
        across: str | None = None,
        down: str = "",
        place: Mapping[str, int] | None = None,
        quality: int | None = None,
    ):
        self._values = {str(name): list(values) for name, values in axes.items()}
        self._frames = _checked(frames, self._values)
        names, lengths = list(self._values), self._frames.shape[:-3]
        columns = lengths[-1] if len(lengths) > 1 else math.ceil(math.sqrt(lengths[-1]))
        titles = _only_known("titles", titles or {}, names)
        super().__init__(
            axes=[_axis(name, titles.get(name, name), values) for name, values in self._values.items()],
            numbers=[_number(str(label), array, lengths) for label, array in (numbers or {}).items()],
            shape=list(self._frames.shape[-3:]),
            columns=columns,
            sheet=sheet(
                self._frames.reshape(-1, *self._frames.shape[-3:]), columns, quality, most=MAX_BYTES, what="frames"
            ),
            place=dict.fromkeys(names, 0),
        )
        if across is None:
            across = names[-1] if 2 <= lengths[-1] <= MAX_ACROSS and names[-1] != down else ""
        self.across, self.down, self.place = across, down, dict(place or {})

    @tr.validate("place")
    def _known_place(self, proposal):
        moved = _only_known("place", proposal["value"], list(self._values))
        for name, index in moved.items():
            last = len(self._values[name]) - 1
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= last:
                raise ValueError(f"place[{name!r}] must be an index in 0..{last}, got {index!r}")
        return {**self.place, **moved}

    @tr.validate("across", "down")
    def _known_axis(self, proposal):
        name, other = proposal["trait"].name, {"across": self.down, "down": self.across}[proposal["trait"].name]
        if proposal["value"] not in ("", *self._values):
            raise ValueError(f'{name} must be "" or one of {list(self._values)}, got {proposal["value"]!r}')
        if proposal["value"] and proposal["value"] == other:
            raise ValueError(f"across and down must be two different axes, got {other!r} for both")
        return proposal["value"]

    def choose(self, **values) -> None:
        """Move along the named axes to the given values: ``w.choose(steps=20, eta=0.5)``.

        Raises:
            ValueError: if there is no such axis or value.
        """
        moved = {}
        for name, value in _only_known("choose", values, list(self._values)).items():
            if value not in self._values[name]:
                raise ValueError(f"{name} must be one of {self._values[name]}, got {value!r}")
            moved[name] = self._values[name].index(value)
        self.place = moved

    @property
    def values(self) -> dict:
        """The value on every axis."""
        return {name: values[self.place[name]] for name, values in self._values.items()}

    @property
    def picture(self) -> UInt8[np.ndarray, "C H W"]:
        """The picture at the place."""
        return self._frames[tuple(self.place[name] for name in self._values)]

    def preview(self) -> np.ndarray:
        """The pictures in view, in rows and columns."""
        at = [slice(None) if name in (self.across, self.down) else self.place[name] for name in self._values]
        shown = self._frames[tuple(at)]
        names = [name for name in self._values if name in (self.across, self.down)]
        if self.down and names[0] != self.down:
            shown = shown.swapaxes(0, 1)
        shown = shown.reshape(-1 if self.down else 1, len(self._values.get(self.across, "1")), *shown.shape[-3:])
        shown = repeat(_colour(shown), "r c rgb h w -> r c rgb (h k) (w l)", k=_scale(shown), l=_scale(shown))
        shown = np.pad(shown, [(0, 0)] * 3 + [(0, 4)] * 2, constant_values=255)
        return np.ascontiguousarray(rearrange(shown, "r c rgb h w -> (r h) (c w) rgb"))


def _checked(frames, values: dict[str, list]) -> np.ndarray:
    frames = frames.detach().cpu().numpy() if isinstance(frames, torch.Tensor) else np.asarray(frames)
    if not 1 <= len(values) <= MAX_AXES or not all(values.values()):
        raise ValueError(f"axes must be 1 to {MAX_AXES} names, each with its values, got {values!r:.80}")
    lengths = [len(entries) for entries in values.values()]
    if frames.dtype != np.uint8 or list(frames.shape[:-3]) != lengths or frames.shape[-3] not in (1, 3):
        raise ValueError(
            f"frames must be bytes ({', '.join(map(str, lengths))}, 1 or 3, H, W) for these axes, got {frames.dtype} "
            f"{frames.shape}; pictures in [-1, 1] become them by ((x.clamp(-1, 1) + 1) * 127.5).round().byte()"
        )
    if math.prod(lengths) > MAX_PICTURES:
        raise ValueError(
            f"frames must be at most {MAX_PICTURES} pictures, got {math.prod(lengths)}; choose fewer values"
        )
    return frames


def _only_known(what: str, given: Mapping, names: list[str]) -> dict:
    for name in given:
        if name not in names:
            raise ValueError(f"{what} must name axes out of {names}, got {name!r}")
    return dict(given)


def _text(value) -> str:
    """A value as a reader sees it: four figures, a true minus sign."""
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    value = float(value)
    if math.isnan(value):
        return "–"
    return (f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.4g}").replace("-", "−")


def _axis(name: str, title: str, values: list) -> dict:
    return {
        "name": name,
        "title": title,
        "labels": [_text(v) for v in values],
        "ordered": not isinstance(values[0], str),
    }


def _number(label: str, array, lengths: tuple[int, ...]) -> dict:
    array = array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    shape = (1,) * (len(lengths) - array.ndim) + array.shape
    if len(shape) != len(lengths) or any(own not in (1, full) for own, full in zip(shape, lengths, strict=True)):
        raise ValueError(f"numbers[{label!r}] must broadcast to the axes' lengths {tuple(lengths)}, got {array.shape}")
    return {"label": label, "lengths": list(shape), "texts": [_text(v) for v in array.flatten().tolist()]}


def _colour(frames: np.ndarray) -> np.ndarray:
    return frames if frames.shape[-3] == 3 else frames.repeat(3, axis=-3)


def _scale(frames: np.ndarray) -> int:
    return max(1, min(96, 720 // frames.shape[1]) // frames.shape[-1])
