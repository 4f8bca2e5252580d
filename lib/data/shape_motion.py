"""Short videos of shapes that fly straight and bounce off the sides of the picture, with the truth in each frame."""

from dataclasses import dataclass, fields

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from lib.data.captions import SIZES
from lib.data.shape_sample import RADII, SPLITS, draw_things
from lib.data.shape_scenes import Scenes, draw_scenes
from lib.data.shape_sdf import shape_extent


@dataclass(frozen=True)
class MovingScenes:
    """B videos of F frames.

    Attributes:
        frames: the truth for all frames of all videos, video after video: B·F scenes.
        velocity: how far each centre moves from this frame to the next if it meets no side.
        num_frames: F.
    """

    frames: Scenes
    velocity: Float[Tensor, "B F N 2"]
    num_frames: int

    def __len__(self) -> int:
        return len(self.velocity)

    @property
    def videos(self) -> Float[Tensor, "B F 3 S S"]:
        """The pictures in [-1, 1]."""
        return rearrange(self.frames.images, "(b f) c h w -> b f c h w", f=self.num_frames)

    @property
    def centre(self) -> Float[Tensor, "B F N 2"]:
        """Path of each centre."""
        return rearrange(self.frames.centre, "(b f) n d -> b f n d", f=self.num_frames)

    def frame(self, index: int) -> Scenes:
        """Frame ``index`` of all videos, with its truth; negative numbers count from the end."""
        index = range(self.num_frames)[index]
        return Scenes(
            **{field.name: getattr(self.frames, field.name)[index :: self.num_frames] for field in fields(Scenes)}
        )


def bounce(
    start: Float[Tensor, "*batch"],
    travelled: Float[Tensor, "*batch"],
    low: Float[Tensor, "*batch"],
    high: Float[Tensor, "*batch"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Position after a way between two mirrors, and the direction of travel: 1 as at the start, -1 turned round.

    Unfold the mirrors and the way is straight: the position is a triangle wave of the straight way. Nothing is
    simulated step by step, so no error grows.

    Args:
        start: position in [low, high].
        travelled: signed way.
        low: lower mirror.
        high: upper mirror, above the lower one.
    """
    span = high - low
    phase = torch.remainder(start - low + travelled, 2 * span)
    return low + torch.where(phase <= span, phase, 2 * span - phase), torch.where(phase <= span, 1.0, -1.0)


def moving_shapes(
    num: int,
    num_frames: int = 16,
    size: int = 32,
    num_objects: int = 2,
    *,
    speed: float = 0.04,
    split: str = "train",
    max_rotation: float = 0.25,
    seed: int = 0,
    generator: torch.Generator | None = None,
) -> MovingScenes:
    """Draw ``num`` random videos. Shapes bounce when their box touches a side, and pass over one another.

    Args:
        num: number of videos.
        num_frames: frames in each.
        size: pixels across the picture.
        num_objects: shapes in every video.
        speed: greatest way of a centre between two frames, in fractions of the picture; the least is half of it.
        split: "train", "heldout" or "all", for pairs of colour and shape as in ``shapes``; relations change on the way,
            so none is held out.
        max_rotation: the fixed angle of each shape is drawn evenly between minus and plus this many radians.
        seed: the same seed gives the same videos; used when no generator is given.
        generator: source of all random numbers.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check(num, num_frames, size, num_objects, speed, split, max_rotation)
    generator = generator or torch.Generator().manual_seed(seed)
    present = torch.ones(num, num_objects, dtype=torch.bool)
    class_idx, colour_idx, _ = draw_things(present, split, generator)
    size_idx = torch.randint(len(SIZES), (num, num_objects), generator=generator)
    rotation = (torch.rand(num, num_objects, generator=generator) * 2 - 1) * max_rotation
    low, high = _room(class_idx, size_idx, rotation)
    start = low + (high - low) * torch.rand(num, num_objects, 2, generator=generator)
    velocity = _draw_velocity(num, num_objects, speed, generator)
    depth = torch.rand(num, num_objects, generator=generator).argsort(1)

    time = torch.arange(num_frames)[:, None, None]  # (F, 1, 1)
    travelled = velocity[:, None] * time  # (B, F, N, 2)
    centre, sign = bounce(*torch.broadcast_tensors(start[:, None], travelled, low[:, None], high[:, None]))
    fixed = (repeat(part, "b n -> (b f) n", f=num_frames) for part in (class_idx, colour_idx, size_idx))
    turned, order, there = (repeat(part, "b n -> (b f) n", f=num_frames) for part in (rotation, depth, present))
    frames = draw_scenes(*fixed, rearrange(centre, "b f n d -> (b f) n d"), turned, order, there, size)
    return MovingScenes(frames, velocity[:, None] * sign, num_frames)


def _room(class_idx: Tensor, size_idx: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest centre for which the box of each shape stays in the picture."""
    extent = shape_extent(class_idx, RADII[size_idx], rotation)
    return -extent[..., :2], 1 - extent[..., 2:]


def _draw_velocity(num: int, num_objects: int, speed: float, generator: torch.Generator) -> Tensor:
    """Directions evenly around the circle, lengths evenly between half and all of ``speed``."""
    angle = 2 * torch.pi * torch.rand(num, num_objects, generator=generator)
    length = speed * (0.5 + 0.5 * torch.rand(num, num_objects, generator=generator))
    return torch.stack([angle.cos(), angle.sin()], dim=-1) * length[..., None]


def _check(num, num_frames, size, num_objects, speed, split, max_rotation):
    """Refuse settings that no video can have."""
    splits = tuple(name for name in SPLITS if name != "heldout_relation")
    rules = (
        (
            min(num, num_frames, num_objects) >= 1,
            f"all counts must be positive, got {num}, {num_frames} and {num_objects}",
        ),
        (size >= 16, f"size must be at least 16 pixels, or a small shape has no form, got {size}"),
        (0 <= speed <= 0.5, f"speed must lie in 0..0.5 of the picture per frame, got {speed}"),
        (split in splits, f"split must be one of {', '.join(splits)}, got {split!r}"),
        (max_rotation >= 0, f"max_rotation must not be negative, got {max_rotation}"),
    )
    for holds, message in rules:
        if not holds:
            raise ValueError(message)
