"""The schedule laboratory: two noise schedules side by side, on one picture and with the same noise."""

import zlib
from collections.abc import Mapping

import numpy as np
import torch
import traitlets as tr
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from lib.widgets import schedule_curves
from lib.widgets.base import STATIC, StaticAnyWidget, bundle, one_of
from lib.widgets.portable_noise import normals
from lib.widgets.schedule_curves import DRAWN_GAP, DRAWN_LOW, KINDS, PARAMETERS, STEPS, check_drawn, check_parameters

SIZE, MAX_PICTURES = 64, 12
_USUAL = {name: usual for name, (usual, _, _) in PARAMETERS.items()}
_STRAIGHT = [0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.001]
_COLOURS = {"a": (10, 92, 168), "b": (163, 58, 0)}  # as in static/widget.css


class ScheduleLab(StaticAnyWidget):
    """Two schedules, A and B, their curves, and what they do to a picture at any t.

    Each is linear, cosine, sigmoid, or drawn by hand. The reader may load a picture of their own; it stays in the
    browser.

    Reading and setting from Python: ``w.schedule_a`` (one of the four names), ``w.params_a`` (a dict; what it leaves
    out stays), ``w.drawn_a`` (6 to 12 falling values of alpha_bar at evenly spaced times, the last at T), the same with
    _b; ``w.num_steps`` (T), ``w.t``, ``w.picture`` (a name), ``w.seed`` (of the noise). Reading only:
    ``w.alpha_bar("a")``, ``w.x_t("a")``, ``w.eps``. When T becomes smaller than t, t keeps its share of the way.

    Args:
        pictures: name -> (3, 64, 64) in [-1, 1]; 1 to 12 of them.
        a: schedule A.
        b: schedule B.
        num_steps: T, in 10..1000; the same for both.
        t: where to begin, in 0..T; default 40 % of the way.
        params_a: of A, where they differ from the usual: beta_start, beta_end, s, start, end, tau.
        params_b: of B.
        picture: the name to begin with; default the first.
        seed: of the noise; equal in every browser and in Python.

    Raises:
        ValueError: naming the argument that is out of its range.
    """

    _esm = bundle("schedule_lab.js")
    _css = StaticAnyWidget._css + (STATIC / "diffusion.css").read_text("utf8")
    _alt = "Two noise schedules side by side: curves of β, ᾱ and log SNR over t, and a picture noised by each up to t"

    schedule_a = tr.Unicode("linear").tag(sync=True)
    schedule_b = tr.Unicode("cosine").tag(sync=True)
    params_a = tr.Dict(default_value=_USUAL).tag(sync=True)
    params_b = tr.Dict(default_value=_USUAL).tag(sync=True)
    drawn_a = tr.List(default_value=_STRAIGHT).tag(sync=True)
    drawn_b = tr.List(default_value=_STRAIGHT).tag(sync=True)
    num_steps = tr.Int(1000).tag(sync=True)
    t = tr.Int(0).tag(sync=True)
    picture = tr.Unicode().tag(sync=True)
    seed = tr.Int(0).tag(sync=True)
    names = tr.List(tr.Unicode()).tag(sync=True)
    packed = tr.Bytes().tag(sync=True)
    limits = tr.Dict().tag(sync=True)

    def __init__(
        self,
        pictures: Mapping[str, Tensor],
        *,
        a: str = "linear",
        b: str = "cosine",
        num_steps: int = 1000,
        t: int | None = None,
        params_a: Mapping[str, float | int] | None = None,
        params_b: Mapping[str, float | int] | None = None,
        picture: str | None = None,
        seed: int = 0,
    ):
        pixels = _pixels(pictures)
        super().__init__(
            names=[str(name) for name in pictures],
            packed=zlib.compress(pixels.tobytes(), 9),
            limits={name: [low, high] for name, (_, low, high) in PARAMETERS.items()}
            | {"num_steps": list(STEPS), "drawn": [DRAWN_LOW, DRAWN_GAP]},
        )
        self._pictures = dict(zip(self.names, pixels, strict=True))
        self.schedule_a, self.schedule_b, self.num_steps, self.seed = a, b, num_steps, seed
        self.params_a, self.params_b = dict(params_a or {}), dict(params_b or {})
        self.t = round(0.4 * num_steps) if t is None else t
        self.picture = self.names[0] if picture is None else picture

    @tr.validate("schedule_a", "schedule_b")
    def _known_schedule(self, proposal):
        return one_of(proposal, KINDS)

    @tr.validate("params_a", "params_b")
    def _known_parameters(self, proposal):
        name = proposal["trait"].name
        before = proposal["owner"]._trait_values.get(name, _USUAL)
        return {**_USUAL, **before, **check_parameters(name, proposal["value"])}

    @tr.validate("drawn_a", "drawn_b")
    def _falling(self, proposal):
        return check_drawn(proposal["trait"].name, proposal["value"])

    @tr.validate("num_steps")
    def _steps_in_range(self, proposal):
        if not STEPS[0] <= proposal["value"] <= STEPS[1]:
            raise ValueError(f"num_steps must lie in {STEPS[0]}..{STEPS[1]}, got {proposal['value']!r}")
        return proposal["value"]

    @tr.observe("num_steps")
    def _keep_share(self, change):
        if self.t > change["new"]:
            self.t = round(self.t * change["new"] / change["old"])

    @tr.validate("t")
    def _t_in_range(self, proposal):
        if not 0 <= proposal["value"] <= self.num_steps:
            raise ValueError(f"t must lie in 0..{self.num_steps}, got {proposal['value']!r}")
        return proposal["value"]

    @tr.validate("picture")
    def _known_picture(self, proposal):
        return one_of(proposal, self.names)

    @tr.validate("seed")
    def _seed_in_range(self, proposal):
        if not 0 <= proposal["value"] < 2**32:
            raise ValueError(f"seed must lie in 0..2^32 - 1, got {proposal['value']!r}")
        return proposal["value"]

    def alpha_bar(self, which: str) -> Float[Tensor, " levels"]:
        """alpha_bar of schedule "a" or "b": T + 1 numbers, float64.

        Raises:
            ValueError: if ``which`` is neither.
        """
        if which not in ("a", "b"):
            raise ValueError(f'which must be "a" or "b", got {which!r}')
        kind, parameters, drawn = (getattr(self, f"{name}_{which}") for name in ("schedule", "params", "drawn"))
        return schedule_curves.alpha_bar(kind, self.num_steps, parameters, drawn)

    @property
    def eps(self) -> Float[Tensor, "3 64 64"]:
        """The noise on both pictures."""
        return torch.from_numpy(normals(3 * SIZE**2, self.seed)).float().reshape(3, SIZE, SIZE)

    def x_t(self, which: str) -> Float[Tensor, "3 64 64"]:
        """The chosen picture noised by schedule "a" or "b" up to t; the page shows the same, cut off at [-1, 1]."""
        x_0 = torch.from_numpy(self._pictures[self.picture].astype(np.float32)) / 127.5 - 1
        level = self.alpha_bar(which)[self.t]
        return (level.sqrt() * x_0 + (1 - level).sqrt() * self.eps).float()

    def preview(self) -> np.ndarray:
        """alpha_bar of both schedules, and the two pictures."""
        side = 3 * SIZE
        plot = np.full((side, side + 60, 3), 255, np.uint8)
        plot[[0, -1], :] = plot[:, [0, -1]] = 190
        columns = np.linspace(0, self.num_steps, plot.shape[1] - 8).round().astype(int)
        for which, colour in _COLOURS.items():
            values = self.alpha_bar(which).numpy()[columns]
            rows = np.round((1 - values) * (side - 9)).astype(int) + 4
            for thick in (-1, 0, 1):
                plot[np.clip(rows + thick, 0, side - 1), np.arange(4, plot.shape[1] - 4)] = colour
        parts, gap = [plot], np.full((side, 12, 3), 255, np.uint8)
        for which in _COLOURS:
            pixels = ((self.x_t(which).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
            parts += [gap, rearrange(pixels.repeat(3, 1).repeat(3, 2), "c h w -> h w c")]
        return np.concatenate(parts, axis=1)


def _pixels(pictures: Mapping[str, Tensor]) -> np.ndarray:
    """Pictures as bytes, (K, 3, 64, 64)."""
    if not isinstance(pictures, Mapping) or not 1 <= len(pictures) <= MAX_PICTURES:
        raise ValueError(
            f"pictures must be a dict of 1 to {MAX_PICTURES} names with their pictures, got {pictures!r:.60}"
        )
    for name, picture in pictures.items():
        if tuple(picture.shape) != (3, SIZE, SIZE) or not picture.isfinite().all() or picture.abs().max() > 1:
            raise ValueError(
                f"pictures[{name!r}] must have shape (3, {SIZE}, {SIZE}) and values in [-1, 1], got "
                f"{tuple(picture.shape)} with values in [{picture.min():.3g}, {picture.max():.3g}]"
            )
    return ((torch.stack(list(pictures.values())).float() + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
