"""Particles in the plane: noised step by step, and brought back by the exact score."""

import math
from collections.abc import Mapping

import numpy as np
import traitlets as tr
from jaxtyping import Float
from torch import Tensor

from lib.data import GaussianMixture
from lib.widgets.base import STATIC, StaticAnyWidget, bundle, one_of
from lib.widgets.plane import LevelWidget, SetsWidget
from lib.widgets.portable_noise import normals

STEPS = (10, 200)
ARROWS = ("score", "step", "none")


class Particles(LevelWidget, SetsWidget):
    """Particles that start as data, become noise, and are led back by the exact score; all of it runs in the browser.

    Moving t up adds noise, moving it down removes noise by ancestral sampling with the exact denoiser; it is another
    walk each time, so particles come back as data but not to where they were. At any t they can be shaken by Langevin
    dynamics. One particle is the reader's own: it can be put anywhere and leaves a trace.

    Reading and setting from Python: ``w.data`` (a name), ``w.t``, ``w.arrows`` ("score", "step": the mean of one step
    back, or "none"), ``w.own`` (x and y of the reader's own particle).

    Args:
        data: name -> (N, 2) points, N at most 300, or a Gaussian mixture in the plane; 1 to 8 sets.
        alpha_bar: the schedule, with 10 to 200 steps.
        t: where to begin, in 0..T.
        name: the set to begin with; default the first.
        arrows: what the arrows show at first.
        seed: of all noise.

    Raises:
        ValueError: naming the argument that does not fit.
    """

    _esm = bundle("particles.js")
    _css = StaticAnyWidget._css + (STATIC / "diffusion.css").read_text("utf8")
    _alt = "Particles in the plane on their way between data and noise, with arrows that show where the score leads"

    arrows = tr.Unicode("score").tag(sync=True)

    def __init__(
        self,
        data: Mapping[str, Tensor | GaussianMixture],
        alpha_bar: Float[Tensor, " levels"],
        *,
        t: int = 0,
        name: str | None = None,
        arrows: str = "score",
        seed: int = 0,
    ):
        super().__init__(data, alpha_bar, STEPS, name, seed)
        self.t, self.arrows = t, arrows

    @tr.validate("arrows")
    def _known_arrows(self, proposal):
        return one_of(proposal, ARROWS)

    def preview(self) -> np.ndarray:
        """The particles at t, noised in one jump."""
        side, start, level = 320, self._start(), self._alpha_bar[self.t].item()
        noise = normals(start.size, self.seed, 1).reshape(-1, 2)
        places = math.sqrt(level) * start + math.sqrt(1 - level) * noise
        pixels = np.full((side, side, 3), 255, np.uint8)
        pixels[[0, -1], :] = pixels[:, [0, -1]] = 190
        spots = np.round(self._on_picture(places, side)).clip(2, side - 3).astype(int)
        for x, y in spots:
            pixels[y - 1 : y + 2, x - 1 : x + 2] = (10, 92, 168)
        return pixels
