"""What the scene reader believes to see: a few objects, their drawing, and what a further one could explain.

Given a picture X and a drawing R of all other objects, adding an object with coverage T (1 inside, 0 outside, a share
on the edge) and colour c changes the drawing by T·f with f = V·(c - R_behind), where V is the share of each pixel that
the objects in front leave free. With e = X - R the squared error falls by

    gain(T, c) = Σ 2·T·⟨e, f⟩ - T²·⟨f, f⟩,

so two maps for each colour, ``toward`` = ⟨e, f⟩ and ``weight`` = ⟨f, f⟩, hold all that a fit needs, occlusion included.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from einops import rearrange
from torch import Tensor

from lib.data.shape_sample import RADII
from lib.data.shape_scenes import BACKGROUND, PALETTE
from lib.data.shape_sdf import coverage, pixel_centres, shape_sdf

NEGLIGIBLE = 0.1  # squared difference, summed; a single pixel of full colour instead of white counts about 2


@dataclass(frozen=True)
class Objects:
    """n objects in each of B scenes, from back to front."""

    class_idx: Tensor  # (B, n)
    colour_idx: Tensor  # (B, n)
    size_idx: Tensor  # (B, n)
    centre: Tensor  # (B, n, 2)
    rotation: Tensor  # (B, n)
    edge: Tensor  # (B, n): width of the slope at an outline in pixels; 1 as drawn, more where blurred

    @classmethod
    def none(cls, num: int) -> "Objects":
        whole, real = torch.zeros(num, 0, dtype=torch.long), torch.zeros(num, 0)
        return cls(whole, whole, whole, torch.zeros(num, 0, 2), real, real)

    def map(self, function: Callable, *others: "Objects") -> "Objects":
        """Apply a function to every attribute of these objects and of others."""
        names = [field.name for field in fields(self)]
        return Objects(**{name: function(*(getattr(part, name) for part in (self, *others))) for name in names})

    def of(self, scenes: Tensor) -> "Objects":
        """The objects of some of the scenes."""
        return self.map(lambda part: part[scenes])

    def replaced(self, scenes: Tensor, new: "Objects") -> "Objects":
        """The same with the objects of some scenes exchanged."""
        return self.map(lambda part, other: part.index_copy(0, scenes, other), new)

    def without(self, place: int) -> "Objects":
        """The same with one object fewer in every scene."""
        return self.map(lambda part: torch.cat([part[:, :place], part[:, place + 1 :]], 1))

    def insert(self, place: int, other: "Objects") -> "Objects":
        """The same with one object more in every scene."""
        return self.map(lambda part, new: torch.cat([part[:, :place], new, part[:, place:]], 1), other)

    def cover(self, size: int) -> Tensor:
        """Share of each pixel inside each object: (B, n, S, S)."""
        points = pixel_centres(size) - rearrange(self.centre, "b n d -> (b n) 1 1 d")
        distance = shape_sdf(self.class_idx.flatten(), points, RADII[self.size_idx].flatten(), self.rotation.flatten())
        distance = distance / rearrange(self.edge, "b n -> (b n) 1 1")
        return coverage(distance, size).unflatten(0, self.centre.shape[:2])  # einops cannot: B or n may be 0

    def draw(self, size: int) -> Tensor:
        """Pictures of the objects on white: (B, 3, S, S)."""
        return _paint(self.cover(size), self.colour_idx, len(self.centre))

    def error(self, images: Tensor) -> Tensor:
        """Squared difference from pictures, summed: (B,)."""
        return (images - self.draw(images.shape[-1])).square().sum((1, 2, 3))


def closer(images: Tensor, one: Objects, other: Objects) -> Objects:
    """For each picture, the objects whose drawing is closer to it; in a tie ``one``."""
    is_better = other.error(images) < one.error(images)
    return one.map(lambda a, b: torch.where(is_better.view(-1, *[1] * (a.ndim - 1)), b, a), other)


def _paint(cover: Tensor, colour_idx: Tensor, num: int) -> Tensor:
    images = torch.full((num, 3, *cover.shape[-2:]), BACKGROUND)
    for place in range(cover.shape[1]):
        images = torch.lerp(images, PALETTE[colour_idx[:, place], :, None, None], cover[:, place, None])
    return images


def fit_maps(images: Tensor, others: Objects, place: int) -> tuple[Tensor, Tensor]:
    """``toward`` and ``weight`` for an object of each colour between ``others[:place]`` and ``others[place:]``."""
    cover = others.cover(images.shape[-1])
    behind = _paint(cover[:, :place], others.colour_idx, len(images))
    error = images - _paint(cover, others.colour_idx, len(images))
    free = (1 - cover[:, place:]).prod(1, keepdim=True)[:, :, None]  # (B, 1, 1, S, S)
    change = free * (PALETTE[:, :, None, None] - behind[:, None])  # (B, colours, 3, S, S)
    return (change * error[:, None]).sum(2), change.square().sum(2)


def confidence(images: Tensor, objects: Objects, least: float) -> Tensor:
    """For each object, the share of the squared error on its visible pixels that disappears when it is drawn: (B, n).

    From back to front; an object below ``least`` is left out of the drawing before the next is judged, so that of two
    that explain the same pixels one counts.
    """
    cover = objects.cover(images.shape[-1])
    shares = torch.zeros(cover.shape[:2])

    def error() -> Tensor:
        return (images - _paint(cover, objects.colour_idx, len(images))).square().sum(1)

    for place in range(cover.shape[1]):
        this = cover[:, place].clone()
        visible = (this > 0) & (cover[:, place + 1 :] < 1).all(1)
        left = (error() * visible).sum((1, 2))
        cover[:, place] = 0
        whole = (error() * visible).sum((1, 2))
        shares[:, place] = torch.where(whole - left > NEGLIGIBLE, 1 - left / whole, 0.0)
        cover[:, place] = this * (shares[:, place] >= least)[:, None, None]
    return shares
