"""Few steps or many, with noise or without: walks from x_T to x_0 in the plane, beside the path they approximate."""

from collections.abc import Mapping

import numpy as np
import torch
import traitlets as tr
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from lib.data import GaussianMixture, PointSet
from lib.widgets.base import bundle, one_of
from lib.widgets.plane import SamplerWidget, SetsWidget

SPACINGS = ("evenly", "quadratic", "leading", "trailing")
NUM_PARTICLES, STEPS = 60, (10, 1000)


class StepsExplorer(SamplerWidget, SetsWidget):
    """Particles led from noise to data by the exact score in S steps, with eta's share of fresh noise; all live.

    Behind the walks stands the path that infinitely many steps without noise would take. One walk is the reader's own:
    its x_T can be put anywhere.

    Reading and setting from Python: ``w.data`` (a name), ``w.num_steps`` (1..T), ``w.eta`` (in [0, 1]), ``w.sigma_hat``
    (the larger noise of the paper in place of eta's), ``w.spacing`` ("evenly", "quadratic", "leading", "trailing"),
    ``w.seed`` (of all noise) and ``w.own`` (x and y of the reader's own x_T).

    Args:
        data: name -> (N, 2) points, N at most 300, or a Gaussian mixture in the plane; 1 to 8 sets.
        alpha_bar: the schedule, with 10 to 1,000 steps.
        num_steps: S to begin with, in 1..T.
        eta: to begin with; 0 is DDIM, 1 is DDPM.
        sigma_hat: whether to begin with the larger noise.
        spacing: which levels are visited, as in `lib.ddim.subsequences`.
        name: the set to begin with; default the first.
        seed: of all noise.

    Raises:
        ValueError: naming the argument that does not fit.

    Source: Song et al. 2020, arXiv:2010.02502, eqs. 12 to 16 and section 5.
    """

    _esm = bundle("steps_explorer.js")
    _alt = "Particles in the plane on their way from noise to data in a few steps, beside the exact path of each"

    num_steps = tr.Int(10).tag(sync=True)
    eta = tr.Float(0.0).tag(sync=True)
    sigma_hat = tr.Bool(False).tag(sync=True)
    spacing = tr.Unicode("evenly").tag(sync=True)
    own = tr.List(default_value=[1.8, 1.6]).tag(sync=True)
    num = tr.Int(NUM_PARTICLES).tag(sync=True)

    def __init__(
        self,
        data: Mapping[str, Tensor | GaussianMixture],
        alpha_bar: Float[Tensor, " levels"],
        *,
        num_steps: int = 10,
        eta: float = 0.0,
        sigma_hat: bool = False,
        spacing: str = "evenly",
        name: str | None = None,
        seed: int = 0,
    ):
        super().__init__(data, alpha_bar, STEPS, name, seed)
        self._data = dict(data)
        self.num_steps, self.eta, self.sigma_hat, self.spacing = num_steps, eta, sigma_hat, spacing

    @tr.validate("num_steps")
    def _steps_in_range(self, proposal):
        if not 1 <= proposal["value"] <= self.last_level:
            raise ValueError(f"num_steps must lie in 1..{self.last_level}, got {proposal['value']!r}")
        return proposal["value"]

    @tr.validate("eta")
    def _eta_in_range(self, proposal):
        if not 0 <= proposal["value"] <= 1:
            raise ValueError(f"eta must lie in [0, 1], got {proposal['value']!r}; see sigma_hat for more noise")
        return proposal["value"]

    @tr.validate("spacing")
    def _known_spacing(self, proposal):
        return one_of(proposal, SPACINGS)

    def preview(self) -> np.ndarray:
        """Walks without noise in the chosen number of even steps, and where they end."""
        side, steps = 320, self.num_steps
        image = Image.new("RGB", (side, side), "white")
        draw, place = ImageDraw.Draw(image), lambda x: self._on_picture(x, side)
        levels = [i * self.last_level // steps for i in range(steps, -1, -1)]
        path = np.stack(_walk(self._data[self.data], self._alpha_bar, levels, torch.from_numpy(self.x_T)))
        for x, y in place(self._start()):
            draw.rectangle((x - 1, y - 1, x, y), fill=(170, 176, 182))
        for walk in place(path).swapaxes(0, 1)[:14]:
            draw.line([tuple(p) for p in walk.tolist()], fill=(120, 160, 200))
        for x, y in place(path[-1]):
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(10, 92, 168))
        draw.rectangle((0, 0, side - 1, side - 1), outline=(190, 190, 190))
        return np.asarray(image)


def _walk(data: Tensor | GaussianMixture, alpha_bar: Tensor, levels: list[int], x: Tensor) -> list[np.ndarray]:
    """x at every level of a deterministic walk."""
    data, states = data if isinstance(data, GaussianMixture) else PointSet(data.double()), [x.numpy()]
    for above, below in zip(alpha_bar[levels[:-1]], alpha_bar[levels[1:]], strict=True):
        x_0_hat = data.denoised(x, above)
        eps_hat = (x - above.sqrt() * x_0_hat) / (1 - above).sqrt()
        x = below.sqrt() * x_0_hat + (1 - below).sqrt() * eps_hat
        states.append(x.numpy())
    return states
