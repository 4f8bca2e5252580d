"""The latent viewer: a picture, the channels of its latent, and what the decoder makes of them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import traitlets as tr
from einops import rearrange

from lib.widgets.base import STATIC, StaticAnyWidget, bundle, one_of
from lib.widgets.latent_stage import CHANGES, EDITS, LatentStage
from lib.widgets.sheets import columns_for, diverging, sheet

MAX_PICTURES, MAX_STAGES, MAX_BYTES = 12, 6, 1_000_000


class LatentViewer(StaticAnyWidget):
    """Pictures beside the maps of their latents; a place of a map frames the square of pixels that it stands for.

    One channel can be changed everywhere (turned round, taken away, moved), and the decoded picture stands beside.
    With several autoencoders a slider goes from one to the other, and a table compares them.

    Reading and setting from Python: ``w.picture`` (which), ``w.stage`` (label of the autoencoder), ``w.place`` (row
    and column of the maps), ``w.pixel`` (row and column of the picture), ``w.channel``, ``w.edit`` ("", "zero",
    "flip", "-2", "-1", "+1", "+2": standard deviations). Reading: ``w.values``, the latent at the place after the
    change, and ``w.decoded``, the picture after it.

    Args:
        pictures: bytes (N, 3, H, W), 1 to 12.
        stages: label -> what `lib.widgets.latent_stage` made of the latents of these pictures; 1 to 6. Tables hold
            the numbers of the stages side by side.
        names: one for each picture; default "picture 1", ….
        title: what the labels are values of, such as "f" or "autoencoder".
        start: label of the stage to begin with; default the first.
        quality: of pictures and reconstructions: None keeps every byte, 1 to 100 makes the page smaller.
        edit_quality: of the pictures after a change, likewise.

    Raises:
        ValueError: naming the argument that does not fit, or if the pictures need more than 1 MB.
    """

    _esm = bundle("latent_viewer.js")
    _css = StaticAnyWidget._css + "".join((STATIC / name).read_text("utf8") for name in ("diffusion.css", "latent.css"))
    _alt = "A picture, the channels of its latent as maps, and the picture decoded from them"

    picture = tr.Int(0).tag(sync=True)
    stage = tr.Unicode("").tag(sync=True)
    pixel = tr.List(tr.Int()).tag(sync=True)
    channel = tr.Int(0).tag(sync=True)
    edit = tr.Unicode("").tag(sync=True)
    names = tr.List(tr.Unicode()).tag(sync=True)
    title = tr.Unicode("").tag(sync=True)
    shape = tr.List(tr.Int()).tag(sync=True)
    edits = tr.List().tag(sync=True)
    stages = tr.List().tag(sync=True)
    sheets = tr.Dict().tag(sync=True)

    def __init__(
        self,
        pictures: np.ndarray | torch.Tensor,
        stages: Mapping[str, object],
        names: Sequence[str] | None = None,
        *,
        title: str = "f",
        start: str | None = None,
        quality: int | None = None,
        edit_quality: int | None = 90,
    ):
        self._pictures = _checked(pictures)
        self._stages = {str(label): stage for label, stage in stages.items()}
        _check_stages(self._stages, self._pictures)
        names = [f"picture {i + 1}" for i in range(len(self._pictures))] if names is None else list(map(str, names))
        if len(names) != len(self._pictures):
            raise ValueError(f"names must be one for each of {len(self._pictures)} pictures, got {len(names)}")
        super().__init__(
            names=names,
            title=title,
            shape=list(self._pictures.shape[2:]),
            pixel=[side // 2 for side in self._pictures.shape[2:]],
            edits=[[name, *EDITS[name]] for name in EDITS],
            stages=[_told(label, stage, self._pictures) for label, stage in self._stages.items()],
            sheets=_sheets(self._pictures, list(self._stages.values()), quality, edit_quality),
        )
        self.stage = next(iter(self._stages)) if start is None else start
        self.observe(self._keep_channel, "stage")

    def _keep_channel(self, change) -> None:
        self.channel = min(self.channel, len(self._stages[change["new"]].std) - 1)

    @tr.validate("picture")
    def _known_picture(self, proposal):
        return _within("picture", proposal["value"], len(self._pictures))

    @tr.validate("stage")
    def _known_stage(self, proposal):
        return one_of(proposal, self._stages)

    @tr.validate("channel")
    def _known_channel(self, proposal):
        most = max(len(stage.std) for stage in self._stages.values())
        return _within("channel", proposal["value"], len(self._stages[self.stage].std) if self.stage else most)

    @tr.validate("edit")
    def _known_edit(self, proposal):
        return one_of(proposal, EDITS)

    @tr.validate("pixel")
    def _known_pixel(self, proposal):
        return _pair("pixel", proposal["value"], self._pictures.shape[2:])

    @property
    def place(self) -> list[int]:
        """Row and column of the maps."""
        sides = zip(self.pixel, self._cell, strict=True)
        return [pixel // cell for pixel, cell in sides]

    @place.setter
    def place(self, value):
        place = _pair("place", value, self._stages[self.stage].latents.shape[2:])
        self.pixel = [at * cell + cell // 2 for at, cell in zip(place, self._cell, strict=True)]

    @property
    def _cell(self) -> list[int]:
        """Pixels that a place stands for, down and across."""
        maps = self._stages[self.stage].latents.shape[2:]
        return [large // small for large, small in zip(self._pictures.shape[2:], maps, strict=True)]

    @property
    def values(self) -> list[float]:
        """The latent at the place, channel by channel, after the change."""
        return self._latent()[:, self.place[0], self.place[1]].tolist()

    @property
    def decoded(self) -> np.ndarray:
        """What the decoder makes of the latent after the change, bytes (3, H, W)."""
        stage = self._stages[self.stage]
        if not self.edit:
            return stage.decoded[self.picture]
        return stage.edited[self.picture, self.channel, CHANGES.index(self.edit)]

    def _latent(self) -> np.ndarray:
        stage, (factor, shift) = self._stages[self.stage], EDITS[self.edit]
        latent = stage.latents[self.picture].copy()
        latent[self.channel] = factor * latent[self.channel] + shift * stage.std[self.channel]
        return latent

    def preview(self) -> np.ndarray:
        """The picture, the first maps, and what the decoder makes of them."""
        side, latent = 128, self._latent()[:4]
        limit = _limit(self._stages[self.stage])
        tiles = [rearrange(self._pictures[self.picture], "c h w -> h w c"), *(diverging(one, limit) for one in latent)]
        tiles.append(rearrange(self.decoded, "c h w -> h w c"))
        large = [t.repeat(max(1, side // len(t)), 0).repeat(max(1, side // t.shape[1]), 1) for t in tiles]
        height = max(len(t) for t in large)
        parts = [np.pad(t, [(0, height - len(t)), (0, 8), (0, 0)], constant_values=255) for t in large]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))


def _within(name: str, value: int, size: int) -> int:
    if not 0 <= value < size:
        raise ValueError(f"{name} must lie in 0..{size - 1}, got {value!r}")
    return value


def _pair(name: str, value: Sequence[int], sides: Sequence[int]) -> list[int]:
    if len(value) != 2:
        raise ValueError(f"{name} must be a row and a column, got {value!r}")
    return [_within(f"{name}'s {axis}", v, side) for axis, v, side in zip(("row", "column"), value, sides, strict=True)]


def _checked(pictures) -> np.ndarray:
    pictures = pictures.detach().cpu().numpy() if isinstance(pictures, torch.Tensor) else np.asarray(pictures)
    fits = pictures.dtype == np.uint8 and pictures.ndim == 4 and pictures.shape[1] == 3
    if not fits or not 1 <= len(pictures) <= MAX_PICTURES:
        raise ValueError(
            f"pictures must be bytes (1 to {MAX_PICTURES}, 3, H, W), got {pictures.dtype} {pictures.shape}; pictures "
            f"in [-1, 1] become them by ((x.clamp(-1, 1) + 1) * 127.5).round().byte()"
        )
    return pictures


def _check_stages(stages: dict[str, object], pictures: np.ndarray) -> None:
    if not 1 <= len(stages) <= MAX_STAGES:
        raise ValueError(f"stages must be 1 to {MAX_STAGES}, got {len(stages)}")
    for label, stage in stages.items():
        if not isinstance(stage, LatentStage) or stage.decoded.shape != pictures.shape:
            made = stage.decoded.shape if isinstance(stage, LatentStage) else type(stage).__name__
            raise ValueError(f"stages[{label!r}] must be latent_stage(…) of pictures {pictures.shape}, got {made}")


def _limit(stage: LatentStage) -> float:
    """Where colours end: what one value in a hundred exceeds, rounded up to two figures."""
    largest = max(float(np.quantile(np.abs(stage.latents), 0.99)), 1e-6)
    unit = 10.0 ** (math.floor(math.log10(largest)) - 1)
    return float(f"{math.ceil(largest / unit) * unit:.2g}")


def _decibels(one: np.ndarray, other: np.ndarray) -> str:
    """Peak signal-to-noise ratio of two pictures of bytes."""
    error = float(np.square(one.astype(np.float64) - other).mean())
    return f"{10 * math.log10(255**2 / error):.1f}" if error else "∞"


def _told(label: str, stage: LatentStage, pictures: np.ndarray) -> dict:
    """A stage for the page; latents as 16-bit whole numbers of a small unit."""
    num_pixels = pictures[0].size
    unit = float(np.abs(stage.latents).max()) / 32767 or 1.0
    return {
        "label": label,
        "shape": list(stage.latents.shape[1:]),
        "unit": unit,
        "latents": np.round(stage.latents / unit).astype("<i2").tobytes(),
        "std": [float(f"{s:.5g}") for s in stage.std],
        "limit": _limit(stage),
        "psnr": [_decibels(*pair) for pair in zip(pictures, stage.decoded, strict=True)],
        "kept": f"{stage.latents[0].size:,} of {num_pixels:,} ({100 * stage.latents[0].size / num_pixels:.3g} %)",
        "numbers": [[name, value] for name, value in stage.numbers.items()],
    }


def _sheets(pictures: np.ndarray, stages: list[LatentStage], quality: int | None, edit_quality: int | None) -> dict:
    """WebP sheets: the pictures and their reconstructions under each stage, and all pictures after a change."""
    first = np.concatenate([pictures, *(stage.decoded for stage in stages)])
    second = np.concatenate([rearrange(stage.edited, "n c e rgb h w -> (n c e) rgb h w") for stage in stages])
    made, weight = {}, 0
    for name, frames, how in (("picture", first, quality), ("edited", second, edit_quality)):
        columns = columns_for(len(frames))
        made[name] = sheet(frames, columns, how, most=MAX_BYTES, what="pictures")
        made[f"{name}_columns"], weight = columns, weight + len(made[name])
    if weight > MAX_BYTES:
        raise ValueError(
            f"pictures must pack into {MAX_BYTES // 1000} kB, got {weight // 1000} kB; set quality=85, or show fewer"
        )
    return made
