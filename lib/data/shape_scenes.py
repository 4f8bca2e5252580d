"""Scenes of coloured shapes with exact truth, drawn on demand.

Every picture comes with everything there is to know about it: what each object is, where it is, which pixels show it,
what hides what, and a caption. Some pairs of colour and shape (``HELD_OUT_PAIRS``) and some relations
(``HELD_OUT_RELATIONS``) never occur in training, so one can ask whether a model understood the parts or learned the
wholes by heart.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.data.captions import COLOURS, RELATIONS, SIZES, Caption
from lib.data.shape_sample import MOST_APART, RADII, SPLITS, draw_places, draw_things, relation_between
from lib.data.shape_sdf import CLASSES, coverage, pixel_centres, shape_extent, shape_sdf

PALETTE = torch.tensor(list(COLOURS.values())) * 2 - 1  # (colours, 3) in [-1, 1]
BACKGROUND = 1.0  # white
DRAW_CHUNK = 128  # scenes drawn at a time: small enough for the processor's cache


@dataclass(frozen=True)
class Scenes:
    """B pictures of up to N objects and the truth about them. ``scenes[i]``, a slice or a mask gives a part.

    Positions are fractions of the picture: x to the right, y down, (0, 0) the top left corner of the picture.

    Attributes:
        images: pictures in [-1, 1]; added noise may leave the range.
        class_idx: index into ``CLASSES``; 0 where an object is absent.
        colour_idx: index into ``COLOURS``.
        size_idx: index into ``SIZES``.
        centre: (x, y) of the centre of mass.
        rotation: clockwise angle in radians.
        depth: painting order within the scene; an object hides those with a smaller number.
        present: which of the N places hold an object; the present ones come first.
        masks: pixels whose middle shows the object.
        full_masks: the same as if nothing hid the object.
    """

    images: Float[Tensor, "B 3 S S"]
    class_idx: Int[Tensor, "B N"]
    colour_idx: Int[Tensor, "B N"]
    size_idx: Int[Tensor, "B N"]
    centre: Float[Tensor, "B N 2"]
    rotation: Float[Tensor, "B N"]
    depth: Int[Tensor, "B N"]
    present: Bool[Tensor, "B N"]
    masks: Bool[Tensor, "B N S S"]
    full_masks: Bool[Tensor, "B N S S"]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index) -> "Scenes":
        if isinstance(index, int):
            index = range(len(self))[index]
            index = slice(index, index + 1)
        return replace(self, **{field.name: getattr(self, field.name)[index] for field in fields(self)})

    @property
    def boxes_xyxy(self) -> Float[Tensor, "B N 4"]:
        """Tight box (x_min, y_min, x_max, y_max) of the whole shape, hidden parts included; 0 where absent."""
        extent = shape_extent(self.class_idx, RADII[self.size_idx], self.rotation)
        return (extent + self.centre.repeat(1, 1, 2)) * self.present[..., None]

    @property
    def boxes_cxcywh(self) -> Float[Tensor, "B N 4"]:
        """The same box as its middle and its width and height; the middle of a triangle's box is not its ``centre``."""
        low, high = self.boxes_xyxy.split(2, dim=-1)
        return torch.cat([(low + high) / 2, high - low], dim=-1)

    @property
    def visibility(self) -> Float[Tensor, "B N"]:
        """Share of the pixels of an object that can be seen; 1 if nothing hides it, 0 where absent."""
        return self.masks.sum((2, 3)) / self.full_masks.sum((2, 3)).clamp(min=1)

    @property
    def relations(self) -> Int[Tensor, "B N N"]:
        """Where object i is, seen from object j: index into ``RELATIONS``, -1 where i = j or one is absent."""
        relations = relation_between(self.centre[:, :, None], self.centre[:, None])
        both = self.present[:, :, None] & self.present[:, None] & ~torch.eye(self.present.shape[1], dtype=torch.bool)
        return torch.where(both, relations, -1)

    @cached_property
    def captions(self) -> list[str]:
        """A caption for each scene: the first object, and where it is relative to each of the others."""
        return [str(caption) for caption in describe(self)]


def describe(scenes) -> list[Caption]:
    """What the captions of scenes say, in parts. Takes ``Scenes`` or anything with the same attributes."""
    names = zip(scenes.size_idx.tolist(), scenes.colour_idx.tolist(), scenes.class_idx.tolist(), strict=True)
    counts, first = scenes.present.sum(1).tolist(), scenes.relations[:, 0].tolist()
    sizes, colours = tuple(SIZES), tuple(COLOURS)
    captions = []
    for (size, colour, shape), count, relation in zip(names, counts, first, strict=True):
        things = tuple((sizes[size[i]], colours[colour[i]], CLASSES[shape[i]]) for i in range(count))
        captions.append(Caption(things, tuple(RELATIONS[index] for index in relation[1:count])))
    return captions


def draw_scenes(
    class_idx: Int[Tensor, "B N"],
    colour_idx: Int[Tensor, "B N"],
    size_idx: Int[Tensor, "B N"],
    centre: Float[Tensor, "B N 2"],
    rotation: Float[Tensor, "B N"],
    depth: Int[Tensor, "B N"],
    present: Bool[Tensor, "B N"],
    size: int,
) -> Scenes:
    """Draw pictures of given scenes, ``size`` pixels wide. The arguments are the attributes of ``Scenes``."""
    truth = (class_idx, colour_idx, size_idx, centre, rotation, depth, present)
    parts = [_draw(*chunk, size) for chunk in zip(*(part.split(DRAW_CHUNK) for part in truth), strict=True)]
    images, masks, full_masks = (torch.cat(part) for part in zip(*parts, strict=True))
    return Scenes(images, *truth, masks, full_masks)


def _draw(class_idx, colour_idx, size_idx, centre, rotation, depth, present, size) -> tuple[Tensor, Tensor, Tensor]:
    """Paint from back to front; an object covers what is below it by its share of each pixel."""
    num, most = class_idx.shape
    points = pixel_centres(size) - rearrange(centre, "b n d -> (b n) 1 1 d")
    distance = shape_sdf(class_idx.flatten(), points, RADII[size_idx].flatten(), rotation.flatten())
    distance = rearrange(distance, "(b n) h w -> b n h w", n=most)
    distance = torch.where(present[..., None, None], distance, 1.0)  # far from every outline: invisible
    cover, full_masks = coverage(distance, size), distance < 0
    images = torch.full((num, 3, size, size), BACKGROUND)
    masks, hidden = torch.zeros_like(full_masks), torch.zeros(num, size, size, dtype=torch.bool)
    order, scene = depth.argsort(1), torch.arange(num)
    for place in range(most):  # back to front
        i = order[:, place]
        images.lerp_(PALETTE[colour_idx[scene, i]][..., None, None].expand_as(images), cover[scene, i][:, None])
    for place in reversed(range(most)):  # front to back
        i = order[:, place]
        masks[scene, i] = full_masks[scene, i] & ~hidden
        hidden |= full_masks[scene, i]
    return images, masks, full_masks


def shapes(
    num: int,
    size: int = 32,
    num_objects: int | tuple[int, int] = 2,
    *,
    split: str = "train",
    allow_overlap: bool = False,
    noise_std: float = 0.0,
    max_rotation: float = 0.25,
    seed: int = 0,
    generator: torch.Generator | None = None,
) -> Scenes:
    """Draw ``num`` random scenes.

    The relation between the first object and each of the others is clear: one offset exceeds the other by 0.08.

    Args:
        num: number of scenes.
        size: pixels across the picture.
        num_objects: objects in every scene, or (fewest, most) to draw the number evenly for each scene.
        split: "train" has no held-out pair and no held-out relation; "heldout" has exactly one object with a held-out
            pair in each scene and no held-out relation; "heldout_relation" the reverse, between the first two objects;
            "all" ignores what is held out.
        allow_overlap: whether shapes may hide each other; otherwise they keep more than a pixel apart at 32 pixels.
        noise_std: standard deviation of Gaussian noise added to the picture.
        max_rotation: angles are drawn evenly between minus and plus this many radians.
        seed: the same seed gives the same scenes; used when no generator is given.
        generator: source of all random numbers.

    Raises:
        ValueError: if an argument is out of range, or the objects do not fit.
    """
    fewest, most = (num_objects, num_objects) if isinstance(num_objects, int) else num_objects
    _check(num, size, fewest, most, split, noise_std, max_rotation)
    if most > MOST_APART and not allow_overlap:
        raise ValueError(f"at most {MOST_APART} objects find room; ask for fewer or set allow_overlap=True, got {most}")
    generator = generator or torch.Generator().manual_seed(seed)
    count = torch.randint(fewest, most + 1, (num, 1), generator=generator)
    present = torch.arange(most) < count
    class_idx, colour_idx, wanted = draw_things(present, split, generator)
    rotation = (torch.rand(num, most, generator=generator) * 2 - 1) * max_rotation
    rules = {"split": split, "allow_overlap": allow_overlap, "generator": generator}
    size_idx, centre = draw_places(class_idx, rotation, present, wanted, **rules)
    depth = torch.rand(num, most, generator=generator).argsort(1)
    parts = (part * present for part in (class_idx, colour_idx, size_idx))
    scenes = draw_scenes(*parts, centre * present[..., None], rotation * present, depth, present, size)
    if noise_std:
        scenes.images.add_(torch.randn(scenes.images.shape, generator=generator), alpha=noise_std)
    return scenes


def _check(num, size, fewest, most, split, noise_std, max_rotation):
    """Refuse settings that no scene can have."""
    rules = (
        (num >= 1, f"num must be at least 1, got {num}"),
        (size >= 16, f"size must be at least 16 pixels, or a small shape has no form, got {size}"),
        (1 <= fewest <= most, f"num_objects must be at least 1 and (fewest, most) in order, got {fewest} and {most}"),
        (split in SPLITS, f"split must be one of {', '.join(SPLITS)}, got {split!r}"),
        (split != "heldout_relation" or fewest >= 2, f"a relation needs 2 objects, got num_objects {fewest}"),
        (noise_std >= 0, f"noise_std must not be negative, got {noise_std}"),
        (max_rotation >= 0, f"max_rotation must not be negative, got {max_rotation}"),
    )
    for holds, message in rules:
        if not holds:
            raise ValueError(message)
