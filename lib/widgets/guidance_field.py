"""Guidance in the plane: four fields at one level of noise, and particles that follow the guided one."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import traitlets as tr
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from lib.data import GaussianMixture
from lib.widgets.base import bundle, one_of
from lib.widgets.plane import LevelWidget, SamplerWidget, mixture_numbers

FIELDS = ("unconditional", "conditional", "difference", "guided", "none")
NUM_PARTICLES, MAX_SCALE, MAX_COMPONENTS, STEPS = 160, 10, 24, (10, 200)


class GuidanceField(LevelWidget, SamplerWidget):
    """The exact score without a class, with it, their difference, and the guided one, over a mixture with classes.

    Particles walk from noise to data without fresh noise, through every level, along the guided field; they are drawn
    where they stand at t. What is read off, the share in the wanted class and the spread, belongs to the finished ones.

    Reading and setting from Python: ``w.wanted`` (a class), ``w.guidance_scale`` (s in [0, 10]; 0 is no guidance, 1
    the class alone), ``w.t`` (0..T), ``w.field`` ("unconditional", "conditional", "difference", "guided", "none"),
    ``w.density`` (whether q(x_t) q(y | x_t)^s lies behind) and ``w.seed``. Reading only: ``w.w``, which is s - 1.

    Args:
        mixture: Gaussian mixture in the plane, at most 24 components.
        classes: name -> its components; every component belongs to exactly one of 2 to 8 classes.
        alpha_bar: the schedule, with 10 to 200 steps.
        wanted: the class to begin with; default the first.
        guidance_scale: s to begin with.
        t: level to begin with; default half of T.
        field: which field the arrows show at first.
        density: whether the density lies behind at first.
        seed: of the starting places.

    Raises:
        ValueError: naming the argument that does not fit.

    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6, with s = 1 + w.
    """

    _esm = bundle("guidance_field.js")
    _alt = "Particles in the plane that are guided to one class of a mixture, with arrows that show the guiding field"

    wanted = tr.Unicode().tag(sync=True)
    guidance_scale = tr.Float(1.0).tag(sync=True)
    field = tr.Unicode("guided").tag(sync=True)
    density = tr.Bool(False).tag(sync=True)
    mixture = tr.Dict().tag(sync=True)
    classes = tr.List().tag(sync=True)
    num = tr.Int(NUM_PARTICLES).tag(sync=True)

    def __init__(
        self,
        mixture: GaussianMixture,
        classes: Mapping[str, Sequence[int]],
        alpha_bar: Float[Tensor, " levels"],
        *,
        wanted: str | None = None,
        guidance_scale: float = 1.0,
        t: int | None = None,
        field: str = "guided",
        density: bool = False,
        seed: int = 0,
    ):
        _check(mixture, classes)
        self._mixture = mixture
        self._classes = {str(name): [int(k) for k in components] for name, components in classes.items()}
        draws = mixture.sample(300, torch.Generator().manual_seed(0)).numpy().astype("<f4").tobytes()
        super().__init__(
            alpha_bar,
            STEPS,
            [draws],
            mixture=mixture_numbers(mixture),
            classes=[{"name": name, "components": components} for name, components in self._classes.items()],
            seed=seed,
        )
        self.wanted = next(iter(self._classes)) if wanted is None else wanted
        self.guidance_scale, self.field, self.density = guidance_scale, field, density
        self.t = self.last_level // 2 if t is None else t

    @tr.validate("wanted")
    def _known_class(self, proposal):
        return one_of(proposal, self._classes)

    @tr.validate("guidance_scale")
    def _scale_in_range(self, proposal):
        if not 0 <= proposal["value"] <= MAX_SCALE:
            raise ValueError(f"guidance_scale must lie in [0, {MAX_SCALE}] (1 is off), got {proposal['value']!r}")
        return proposal["value"]

    @tr.validate("field")
    def _known_field(self, proposal):
        return one_of(proposal, FIELDS)

    @property
    def w(self) -> float:
        """The scale in the other convention, in which 0 is the class alone: s - 1."""
        return self.guidance_scale - 1

    def particles(self, t: int | None = None) -> Float[np.ndarray, "N 2"]:
        """The particles at level t, by torch, as the browser shows them; default the level in view."""
        whole, one = self._mixture, self._mixture.select(self._classes[self.wanted])
        x, until = torch.from_numpy(self.x_T), self.t if t is None else t
        for above, below in zip(*(self._alpha_bar[until:].flip(0)[i:] for i in (0, 1)), strict=False):
            apart = one.denoised(x, above), whole.denoised(x, above)
            x_0_hat = apart[1] + self.guidance_scale * (apart[0] - apart[1])
            eps_hat = (x - above.sqrt() * x_0_hat) / (1 - above).sqrt()
            x = below.sqrt() * x_0_hat + (1 - below).sqrt() * eps_hat
        return x.numpy()

    def preview(self) -> np.ndarray:
        """Samples of the mixture, the wanted class darker, and the particles at t."""
        side = 320
        image = Image.new("RGB", (side, side), "white")
        draw, place = ImageDraw.Draw(image), lambda x: self._on_picture(x, side)
        data, owner = self._mixture.sample_with_labels(400, torch.Generator().manual_seed(0))
        for (x, y), k in zip(place(data.numpy()), owner.tolist(), strict=True):
            shade = 110 if k in self._classes[self.wanted] else 200
            draw.rectangle((x - 1, y - 1, x, y), fill=(shade,) * 3)
        for x, y in place(self.particles()):
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(10, 92, 168))
        draw.rectangle((0, 0, side - 1, side - 1), outline=(190, 190, 190))
        return np.asarray(image)


def _check(mixture: GaussianMixture, classes: Mapping[str, Sequence[int]]) -> None:
    count = len(mixture.weights)
    if mixture.means.shape[1] != 2 or count > MAX_COMPONENTS:
        raise ValueError(
            f"mixture must lie in the plane with at most {MAX_COMPONENTS} components, got {tuple(mixture.means.shape)}"
        )
    listed = sorted(int(k) for components in classes.values() for k in components)
    if not 2 <= len(classes) <= 8 or not all(map(len, classes.values())) or listed != list(range(count)):
        raise ValueError(
            f"classes must be 2 to 8 names with their components, each of 0..{count - 1} in exactly one, got {classes}"
        )
