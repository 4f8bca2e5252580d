"""Finding the one shape that explains most of what a drawing leaves unexplained.

Three steps, from coarse to fine: ``search`` correlates the whole picture with twelve upright templates; ``fit_shape``
compares the neighbourhood of the best place with about a thousand templates, turned and moved by half pixels, and then
moves the most promising ones smoothly to the best fit.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn import functional as F

from lib.data.captions import SIZES
from lib.data.shape_sample import RADII
from lib.data.shape_sdf import CLASSES, UNIT_REACH, coverage, shape_sdf
from lib.metrics.scene_objects import Objects, fit_maps

SYMMETRY = (
    0.0,
    torch.pi / 2,
    2 * torch.pi / 3,
    2 * torch.pi / 5,
    0.0,
    torch.pi / 2,
)  # turned by this, a shape is itself
ROTATION_STEP = 0.1  # radians between templates
NUM_PROMISING = 6  # combinations of colour, shape and size that are fitted smoothly
NARROWING = ((2, 2), (4, 1))  # fit so many steps, then keep so many combinations
FINAL_STEPS = 4
EDGE_RANGE = (1.0, 8.0)  # pixels


@dataclass(frozen=True)
class Templates:
    """Coverage of all kinds of shapes around the middle of a patch K pixels wide."""

    class_idx: Tensor  # (M,)
    size_idx: Tensor  # (M,)
    rotation: Tensor  # (M,)
    offset: Tensor  # (M, 2): centre relative to the middle of the patch, in fractions of the picture
    cover: Tensor  # (M, K·K)
    width: int  # K


@lru_cache(maxsize=16)
def templates(size: int, max_rotation: float, fine: bool) -> Templates:
    """All shapes and sizes; with ``fine`` also turned, and moved by half pixels."""
    kinds = []
    for index in range(len(CLASSES)):
        most = min(max_rotation, SYMMETRY[index] / 2) if fine else 0.0
        angles = torch.linspace(-most, most, 1 + int(-(-2 * most // ROTATION_STEP))).tolist() if most else [0.0]
        kinds += [(index, size_idx, angle) for size_idx in range(len(SIZES)) for angle in angles]
    steps = torch.tensor([-0.75, -0.25, 0.25, 0.75] if fine else [0.0]) / size
    offsets = torch.cartesian_prod(steps, steps)
    kinds_apart = (torch.tensor(part) for part in zip(*kinds, strict=True))
    class_idx, size_idx, rotation = (repeat(part, "k -> (k o)", o=len(offsets)) for part in kinds_apart)
    offset = repeat(offsets, "o d -> (k o) d", k=len(kinds))
    half = _half_width(size)
    distance = shape_sdf(class_idx, _patch_points(half, size) - offset[:, None], RADII[size_idx], rotation)
    return Templates(class_idx, size_idx, rotation, offset, coverage(distance, size), 2 * half + 1)


def _half_width(size: int) -> int:
    """Pixels from the middle of a patch to its side, enough for the largest shape."""
    return int(float(RADII.max() * UNIT_REACH.max()) * size + 1.5)


def _patch_points(half: int, size: int) -> Tensor:
    """Middles of the pixels of a patch relative to its own middle: (K·K, 2)."""
    axis = torch.arange(-half, half + 1) / size
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).flatten(0, 1)


def search(toward: Tensor, weight: Tensor) -> Tensor:
    """Centre of the best upright shape of any kind and colour anywhere in the picture: (B, 2), to about a pixel."""
    size, bank = toward.shape[-1], templates(toward.shape[-1], 0.0, False)
    maps = torch.stack([toward, weight], 2).flatten(0, 1)  # (B·colours, 2, S, S)
    cover = rearrange(bank.cover, "m (h w) -> m h w", h=bank.width)
    gain = F.conv2d(maps, torch.stack([2 * cover, -cover.square()], 1), padding=bank.width // 2)
    best = rearrange(gain, "(b c) m h w -> b (h w) (c m)", b=len(toward)).amax(-1).argmax(1)
    return (torch.stack([best % size, best // size], -1) + 0.5) / size


def fit_shape(toward: Tensor, weight: Tensor, centre: Tensor, max_rotation: float, blurred: bool) -> Objects:
    """The best shape near given centres. With ``blurred`` the width of its edge is fitted too."""
    num, size = len(toward), toward.shape[-1]
    bank = templates(size, max_rotation, True)
    for _ in range(2):  # the second time around a better centre
        middle = (centre * size).floor().clamp(0, size - 1)
        patches = [_patches(part, middle.long(), bank.width) for part in (toward, weight)]
        gain = 2 * patches[0] @ bank.cover.T - patches[1] @ bank.cover.square().T  # (B, colours, M)
        centre = (middle + 0.5) / size + bank.offset[gain.amax(1).argmax(1)]
    colour_idx, start = _promising(gain, bank)
    scene = repeat(torch.arange(num), "b -> (b h)", h=NUM_PROMISING)
    kind = bank.class_idx[start], colour_idx, bank.size_idx[start]
    place = torch.cat([bank.offset[start], bank.rotation[start, None], torch.ones(len(start), 1)], -1)
    maps = [patch[scene, colour_idx] for patch in patches]
    for num_steps, kept in NARROWING:
        place, gain = _polish(*maps, kind[0], RADII[kind[2]], place, size, num_steps, blurred)
        ranked = rearrange(gain, "(b h) -> b h", b=num)
        best = ranked.topk(kept, dim=1).indices + torch.arange(num)[:, None] * ranked.shape[1]
        *kind, place, toward, weight = (part[best.flatten()] for part in (*kind, place, *maps))
        maps = toward, weight
    class_idx, colour_idx, size_idx = (part[:, None] for part in kind)
    centre = (middle + 0.5) / size + place[:, :2]
    return Objects(class_idx, colour_idx, size_idx, centre[:, None], place[:, None, 2], place[:, None, 3])


def _promising(gain: Tensor, bank: Templates) -> tuple[Tensor, Tensor]:
    """The best few combinations of colour and kind of shape, and the template to start each from: (B·H,) twice."""
    num, colours, _ = gain.shape
    kind, num_kinds = bank.class_idx * len(SIZES) + bank.size_idx, len(CLASSES) * len(SIZES)
    by_kind = torch.full((num, colours, num_kinds), -torch.inf)
    by_kind = by_kind.scatter_reduce(2, kind.expand(num, colours, -1), gain, "amax")
    chosen = by_kind.flatten(1).topk(NUM_PROMISING, dim=1).indices  # (B, H)
    colour_idx, chosen_kind = chosen // num_kinds, chosen % num_kinds
    rows = gain[torch.arange(num)[:, None], colour_idx]  # (B, H, M)
    start = rows.masked_fill(kind != chosen_kind[..., None], -torch.inf).argmax(-1)
    return colour_idx.flatten(), start.flatten()


def _patches(maps: Tensor, middle: Tensor, width: int) -> Tensor:
    """Cut a patch around a pixel (x, y) out of every map: (B, colours, K·K). Beyond the picture everything is zero."""
    padded, span = F.pad(maps, [width // 2] * 4), torch.arange(width)
    rows, columns = middle[:, 1, None] + span, middle[:, 0, None] + span
    scene = torch.arange(len(maps))[:, None, None]
    cut = padded[scene, :, rows[:, :, None], columns[:, None, :]]
    return rearrange(cut, "b h w c -> b c (h w)")


def _polish(toward, weight, class_idx, radius, place, size, num_steps, blurred) -> tuple[Tensor, Tensor]:
    """Move and turn each shape, and blur it, to the best fit; ``place`` is (x, y, turn, edge). Returns it and its gain.

    Damped Gauss-Newton steps; the slope of the coverage is measured by drawing the shape a quarter pixel to each side.
    """
    points = _patch_points(_half_width(size), size)
    unit = torch.ones_like(place)
    unit[:, :2], unit[:, 2] = 1 / size, 1 / (radius * size)  # what moves the outline by about a pixel
    around = torch.cat([torch.zeros(1, 4), 0.25 * torch.eye(4), -0.25 * torch.eye(4)])  # (9, 4)
    best, best_gain = place, torch.full_like(radius, -torch.inf)
    for _ in range(num_steps):
        cover = _cover_patch(points, class_idx, radius, place[:, None] + around * unit[:, None], size)
        gain = (2 * toward * cover[:, 0] - weight * cover[:, 0].square()).sum(-1)
        better = gain > best_gain
        best, best_gain = torch.where(better[:, None], place, best), torch.where(better, gain, best_gain)
        slope = (cover[:, 1:5] - cover[:, 5:9]) / 0.5  # (B, 4, K·K)
        slope[:, 3] *= blurred
        matrix = (slope * weight[:, None]) @ slope.mT
        damping = 0.01 * matrix.diagonal(dim1=1, dim2=2).amax(1) + 1e-6
        downhill = (slope * (toward - weight * cover[:, 0])[:, None]).sum(-1)
        step = torch.linalg.solve(matrix + damping[:, None, None] * torch.eye(4), downhill)
        place = place + step.clamp(-0.7, 0.7) * unit
        place[:, 3].clamp_(*EDGE_RANGE)
    return best, best_gain


def _cover_patch(points: Tensor, class_idx: Tensor, radius: Tensor, place: Tensor, size: int) -> Tensor:
    """Coverage of the pixels of a patch by m versions of each shape: (B, m, K·K)."""
    many = place.shape[1]
    at = points - rearrange(place[..., :2], "b m d -> (b m) 1 d")
    class_idx, radius = repeat(class_idx, "b -> (b m)", m=many), repeat(radius, "b -> (b m)", m=many)
    distance = shape_sdf(class_idx, at, radius, place[..., 2].flatten()) / place[..., 3].flatten()[:, None]
    return rearrange(coverage(distance, size), "(b m) k -> b m k", m=many)


def polish_objects(images: Tensor, objects: Objects) -> Objects:
    """Fit place, turn and edge of every object once more, kinds and colours kept."""
    size, scene = images.shape[-1], torch.arange(len(images))
    for which in range(objects.centre.shape[1]):
        old, others = objects.map(lambda part: part[:, which : which + 1]), objects.without(which)  # noqa: B023
        middle = (old.centre[:, 0] * size).floor().clamp(0, size - 1)
        maps = (_patches(part, middle.long(), 2 * _half_width(size) + 1) for part in fit_maps(images, others, which))
        maps = (part[scene, old.colour_idx[:, 0]] for part in maps)
        place = torch.cat([old.centre[:, 0] - (middle + 0.5) / size, old.rotation, old.edge], 1)
        place, _ = _polish(*maps, old.class_idx[:, 0], RADII[old.size_idx[:, 0]], place, size, FINAL_STEPS, True)
        centre = (middle + 0.5) / size + place[:, :2]
        new = Objects(old.class_idx, old.colour_idx, old.size_idx, centre[:, None], place[:, 2:3], place[:, 3:4])
        objects = others.insert(which, new)
    return objects
