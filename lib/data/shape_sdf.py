"""Signed distance functions of the six shapes, and what follows from them: exact boxes and smooth edges.

A signed distance function (SDF) gives, for every point of the plane, the distance to the nearest point of an outline:
negative inside, positive outside, zero on the outline. One formula then serves for everything: the sign is the mask,
and the value near zero, in pixels, is how much of a pixel the shape covers.

Coordinates are those of a picture: x to the right, y down, and the tip of a triangle or star points up. The functions
``circle`` … ``cross`` describe a shape of radius 1 around the origin, standing upright. The proportions were chosen so
that the six shapes of one radius look equally large, so a tip may reach further out than the radius.

Source: the constructions (fold the plane by the symmetry of the shape, then measure to one edge) are those of Quilez,
"2D distance functions", iquilezles.org/articles/distfunctions2d.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

CLASSES = ("circle", "square", "triangle", "star", "ring", "cross")

HALF_SIDE = 0.88  # square
TRIANGLE_TIP = 1.3  # distance of a corner from the centre
STAR_TIP, STAR_NOTCH = 1.28, 0.56  # distance of the outer and the inner corners from the centre
RING_MIDDLE, RING_HALF_WIDTH = 0.78, 0.27
ARM_LENGTH, ARM_HALF_WIDTH = 1.08, 0.36  # cross


def circle(points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """Distance to a circle of radius 1."""
    return points.norm(dim=-1) - 1


def ring(points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """Distance to a ring: all points closer than the half width to a middle circle."""
    return (points.norm(dim=-1) - RING_MIDDLE).abs() - RING_HALF_WIDTH


def square(points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """Distance to a square with upright sides: to a side or, outside a corner, to that corner."""
    beyond = points.abs() - HALF_SIDE
    return beyond.clamp(min=0).norm(dim=-1) + beyond.amax(-1).clamp(max=0)


def triangle(points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """Distance to an equilateral triangle whose centre of mass is the origin."""
    return _folded_polygon(points, 3, TRIANGLE_TIP, TRIANGLE_TIP * math.cos(math.pi / 3))


def star(points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """Distance to a star with five tips."""
    return _folded_polygon(points, 5, STAR_TIP, STAR_NOTCH)


def cross(points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    """Distance to a plus sign. Folded to one eighth of the plane, an arm has one side and one end."""
    along, across = points.abs().amax(-1), points.abs().amin(-1)
    end, side = along - ARM_LENGTH, across - ARM_HALF_WIDTH
    outside = torch.hypot(end.clamp(min=0), side.clamp(min=0))
    # inside, the nearest outline is an end, a side of the same arm, or the notch where two arms meet
    notch = torch.hypot((along - ARM_HALF_WIDTH).clamp(max=0), side)
    inside = torch.minimum(-end, notch)
    return torch.where((end < 0) & (side < 0), -inside, outside)


def _folded_polygon(points: Tensor, num_tips: int, tip: float, notch: float) -> Tensor:
    """Distance to the polygon whose corners alternate between the radii ``tip`` (one of them up) and ``notch``."""
    half = math.pi / num_tips
    angle = torch.atan2(points[..., 0], -points[..., 1])  # 0 is up
    angle = (angle - torch.round(angle / (2 * half)) * 2 * half).abs()  # every wedge onto the first one
    length = points.norm(dim=-1)
    along, across = length * angle.cos() - tip, length * angle.sin()
    edge_along, edge_across = notch * math.cos(half) - tip, notch * math.sin(half)
    share = ((along * edge_along + across * edge_across) / (edge_along**2 + edge_across**2)).clamp(0, 1)
    distance = torch.hypot(along - share * edge_along, across - share * edge_across)
    return torch.where(along * edge_across < across * edge_along, -distance, distance)


UNIT_SDF = (circle, square, triangle, star, ring, cross)


def shape_sdf(
    class_idx: Int[Tensor, " M"],
    points: Float[Tensor, "M *grid 2"],
    radius: Float[Tensor, " M"],
    rotation: Float[Tensor, " M"],
) -> Float[Tensor, "M ..."]:
    """Signed distance from points to M shapes, each centred at the origin.

    Args:
        class_idx: index into ``CLASSES``.
        points: where to measure, relative to the centre of the shape, in the unit of ``radius``.
        radius: scale of the shape, positive.
        rotation: clockwise angle in radians.

    Raises:
        ValueError: if a class index or a radius is out of range.
    """
    if class_idx.numel() and not (0 <= int(class_idx.min()) and int(class_idx.max()) < len(CLASSES)):
        raise ValueError(f"class_idx must lie in 0..{len(CLASSES) - 1}, got {class_idx.min()}..{class_idx.max()}")
    if radius.numel() and not radius.min() > 0:
        raise ValueError(f"radius must be positive, got {radius.min():.4g}")
    wide = (-1, *[1] * (points.ndim - 2))
    cos, sin, scale = (value.view(wide) for value in (rotation.cos(), rotation.sin(), radius))
    x, y = points[..., 0] / scale, points[..., 1] / scale
    upright = torch.stack([cos * x + sin * y, cos * y - sin * x], dim=-1)
    distance = torch.empty_like(x)
    for index, unit_sdf in enumerate(UNIT_SDF):  # each shape costs one formula, not six
        chosen = (class_idx == index).nonzero()[:, 0]
        if len(chosen):
            distance[chosen] = unit_sdf(upright[chosen])
    return distance * scale


def coverage(distance: Float[Tensor, "*batch"], size: int) -> Float[Tensor, "*batch"]:
    """Share of a pixel that a shape covers, in [0, 1], from the distance at the middle of the pixel.

    Exact for a straight upright edge and close elsewhere: an edge through the middle of a pixel covers half of it.

    Args:
        distance: signed distance, where the picture is 1 wide.
        size: pixels across the picture.
    """
    return (0.5 - distance * size).clamp(0, 1)


def pixel_centres(size: int) -> Float[Tensor, "S S 2"]:
    """Positions (x, y) of the middles of the pixels of a picture that is 1 wide."""
    axis = (torch.arange(size) + 0.5) / size
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)


def _unit_corners() -> Tensor:
    """Outermost corners of each upright shape; a shape with fewer than eight repeats one, a round one sits at 0."""

    def tips(num_tips: int, tip: float) -> list[tuple[float, float]]:
        angles = [2 * math.pi * k / num_tips for k in range(num_tips)]
        return [(tip * math.sin(angle), -tip * math.cos(angle)) for angle in angles]

    box = [(x * HALF_SIDE, y * HALF_SIDE) for x in (-1, 1) for y in (-1, 1)]
    ends = [(x * ARM_LENGTH, y * ARM_HALF_WIDTH) for x in (-1, 1) for y in (-1, 1)]
    corners = (
        [(0.0, 0.0)],
        box,
        tips(3, TRIANGLE_TIP),
        tips(5, STAR_TIP),
        [(0.0, 0.0)],
        ends + [(y, x) for x, y in ends],
    )
    return torch.tensor([row + row[:1] * (8 - len(row)) for row in corners])


UNIT_CORNERS = _unit_corners()  # (classes, 8, 2)
UNIT_ROUNDING = torch.tensor([1.0, 0.0, 0.0, 0.0, RING_MIDDLE + RING_HALF_WIDTH, 0.0])  # radius of the round ones
UNIT_REACH = UNIT_CORNERS.norm(dim=-1).amax(-1) + UNIT_ROUNDING  # the furthest point of each shape from its centre


def shape_extent(
    class_idx: Int[Tensor, "*batch"], radius: Float[Tensor, "*batch"], rotation: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 4"]:
    """Tight box (x_min, y_min, x_max, y_max) of a rotated shape, relative to its centre.

    Exact: a shape reaches as far as its outermost corners do, and a round one as far as its radius.
    """
    x, y = UNIT_CORNERS.to(rotation)[class_idx].unbind(-1)
    cos, sin = rotation.cos()[..., None], rotation.sin()[..., None]
    turned = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
    rounding = UNIT_ROUNDING.to(rotation)[class_idx][..., None]
    return torch.cat([turned.amin(-2) - rounding, turned.amax(-2) + rounding], dim=-1) * radius[..., None]
