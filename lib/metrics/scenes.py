"""Reading a scene of shapes from its picture, by drawing what one believes to see and comparing.

No training: the reader knows how scenes are drawn (``lib.data.shapes``) and looks for the scene whose drawing is
closest to the picture. Objects are found one after the other, each as the shape that explains most of what is left;
where a remainder shows that something is wrong (shapes that hide each other), each object is looked for again, in front
of the others and behind them. What it says about a generated picture is therefore as exact as the picture is clear, and
``confidence`` tells how much of the picture the answer explains.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from lib.data.captions import COLOURS
from lib.data.shape_sample import RADII, relation_between
from lib.data.shape_scenes import describe
from lib.data.shape_sdf import shape_extent
from lib.metrics.scene_fit import fit_shape, polish_objects, search
from lib.metrics.scene_objects import Objects, closer, confidence, fit_maps

READ_CHUNK = 64  # pictures read at a time
FOUND = 0.5  # least confidence of an object that is there
CONFIDENT = 0.95  # blurred objects that explain this share of the picture are taken as right
READ_SIZE = 32  # pixels; larger pictures are averaged down to about this size, where every shape is still distinct
CLEAR_ERROR, NOISE_FACTOR = (
    0.15,
    1.6,
)  # a smooth remainder above CLEAR_ERROR + NOISE_FACTOR·noise shows a misread object


@dataclass(frozen=True)
class SceneReading:
    """What was read from B pictures of N objects each. Attributes as in ``Scenes``, objects from back to front.

    Attributes:
        edge: width of the slope at the outline in pixels: 1 as drawn, more where the picture is blurred.
        confidence: share of the squared difference, where the object is, that disappears when the object is drawn: 1
            for a perfect match, near 0 where there is no such object.
        error: mean squared difference between the picture and the drawing of what was read.
    """

    class_idx: Int[Tensor, "B N"]
    colour_idx: Int[Tensor, "B N"]
    size_idx: Int[Tensor, "B N"]
    centre: Float[Tensor, "B N 2"]
    rotation: Float[Tensor, "B N"]
    edge: Float[Tensor, "B N"]
    confidence: Float[Tensor, "B N"]
    error: Float[Tensor, " B"]

    @property
    def found(self) -> Bool[Tensor, "B N"]:
        """Whether there is such an object at all: its drawing explains at least half of what is seen at its place."""
        return self.confidence >= FOUND

    @property
    def present(self) -> Bool[Tensor, "B N"]:
        """Always true: the reader was told how many objects there are."""
        return torch.ones_like(self.class_idx, dtype=torch.bool)

    @property
    def boxes_xyxy(self) -> Float[Tensor, "B N 4"]:
        """Tight box (x_min, y_min, x_max, y_max) of the whole shape."""
        return shape_extent(self.class_idx, RADII[self.size_idx], self.rotation) + self.centre.repeat(1, 1, 2)

    @property
    def boxes_cxcywh(self) -> Float[Tensor, "B N 4"]:
        """The same box as its middle and its width and height."""
        low, high = self.boxes_xyxy.split(2, dim=-1)
        return torch.cat([(low + high) / 2, high - low], dim=-1)

    @property
    def relations(self) -> Int[Tensor, "B N N"]:
        """Where object i is, seen from object j; -1 on the diagonal."""
        relations = relation_between(self.centre[:, :, None], self.centre[:, None])
        return torch.where(torch.eye(self.class_idx.shape[1], dtype=torch.bool), -1, relations)

    @cached_property
    def captions(self) -> list[str]:
        """What the pictures show, in words."""
        return [str(caption) for caption in describe(self)]

    def draw(self, size: int = 32) -> Float[Tensor, "B 3 S S"]:
        """Pictures of what was read, with sharp edges, to put beside the pictures that were read."""
        parts = self.class_idx, self.colour_idx, self.size_idx, self.centre, self.rotation
        return Objects(*parts, torch.ones_like(self.edge)).draw(size)


@torch.no_grad()
def read_scene(images: Float[Tensor, "B 3 S S"], num_objects: int = 2, *, max_rotation: float = 0.25) -> SceneReading:
    """Read shape, colour, size and place of every object from pictures.

    Args:
        images: square pictures in [-1, 1], drawn or generated; moderate noise, blur and overshoot are tolerated.
        num_objects: how many objects to look for in every picture.
        max_rotation: largest angle in radians that shapes were turned by.

    Raises:
        ValueError: if the pictures are too small, not square, not finite, or not in the range of pictures.
    """
    _check(images, num_objects, max_rotation)
    images = images.float()
    parts = [_read(chunk, num_objects, max_rotation) for chunk in images.split(READ_CHUNK)]
    objects = parts[0][0].map(lambda *all_parts: torch.cat(all_parts), *(part[0] for part in parts[1:]))
    confidence, error = (torch.cat([part[k] for part in parts]) for k in (1, 2))
    return SceneReading(**vars(objects), confidence=confidence, error=error)


def _read(images: Tensor, num_objects: int, max_rotation: float) -> tuple[Objects, Tensor, Tensor]:
    """Read sharp shapes side by side; where their drawing does not match allow blur; where still not, overlap."""
    size = images.shape[-1]
    factor = max(k for k in range(1, max(2, size // READ_SIZE + 1)) if size % k == 0)
    small = F.avg_pool2d(images, factor)
    sharp = _find(small, num_objects, max_rotation, blurred=False)
    doubtful = _doubtful(small, sharp, torch.arange(len(images)))
    soft = _retry(small, sharp, doubtful, lambda part, _: _find(part, num_objects, max_rotation, blurred=True))
    unsure = confidence(small, soft, FOUND).amin(1) < CONFIDENT
    doubtful = _doubtful(small, soft, doubtful[unsure[doubtful]])
    over = _retry(small, sharp, doubtful, lambda part, old: _look_again(part, old, max_rotation))
    lost = _doubtful(small, over, doubtful)
    over = _retry(small, over, lost, lambda part, old: _start_anew(part, old, max_rotation))
    objects = _retry(small, soft, doubtful, lambda part, old: closer(part, old, over.of(doubtful)))
    objects = polish_objects(images, replace(objects, edge=objects.edge * factor))
    return objects, confidence(images, objects, FOUND), objects.error(images) / images[0].numel()


def _retry(images: Tensor, objects: Objects, scenes: Tensor, attempt: Callable) -> Objects:
    """The objects, where those of some scenes come from another attempt: ``attempt(images, objects)``."""
    return objects.replaced(scenes, attempt(images[scenes], objects.of(scenes))) if len(scenes) else objects


def _find(images, num_objects: int, max_rotation: float, blurred: bool, first_colour: int | None = None) -> Objects:
    """One object after the other, each behind those found before: what is found first is usually seen whole."""
    objects = Objects.none(len(images))
    for which in range(num_objects):
        toward, weight = fit_maps(images, objects, 0)
        if which == 0 and first_colour is not None:
            toward[:, torch.arange(len(COLOURS)) != first_colour] = 0  # nothing to gain with another colour
        found = fit_shape(toward, weight, search(toward, weight), max_rotation, blurred)
        objects = objects.insert(0, found)
    return objects


def _start_anew(images: Tensor, objects: Objects, max_rotation: float) -> Objects:
    """A first object that was read wrongly can lead every later one astray: try one of each colour first."""
    for colour in range(len(COLOURS)):
        other = _find(images, objects.centre.shape[1], max_rotation, blurred=False, first_colour=colour)
        objects = closer(images, objects, other)
    return _look_again(images, objects, max_rotation)


def _doubtful(images: Tensor, objects: Objects, among: Tensor) -> Tensor:
    """The pictures, among some, where 3 by 3 pixels differ together by more than noise explains.

    A misread object differs in one direction over several pixels; noise averages out, and blur differs in both.
    """
    error = images[among] - objects.of(among).draw(images.shape[-1])
    noise = 1.4826 * error.flatten(1).abs().median(1).values  # standard deviation of a Gaussian, from its median
    return among[F.avg_pool2d(error, 3, 1).abs().amax((1, 2, 3)) > CLEAR_ERROR + NOISE_FACTOR * noise]


def _look_again(images: Tensor, objects: Objects, max_rotation: float) -> Objects:
    """Fit each object anew given the others: at every depth, where it was and where the search finds most to gain."""
    num_objects = objects.centre.shape[1]
    for place in range(num_objects):
        others, centre = objects.without(place), objects.centre[:, place]
        for depth in range(num_objects):
            maps = fit_maps(images, others, depth)
            for start in (centre, search(*maps)):
                found = fit_shape(*maps, start, max_rotation, blurred=False)
                objects = closer(images, objects, others.insert(depth, found))
    return objects


def _check(images: Tensor, num_objects: int, max_rotation: float):
    """Refuse what cannot be a picture of a scene."""
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or images.shape[2] < 16:
        raise ValueError(f"images must be (B, 3, S, S) with S at least 16, got {tuple(images.shape)}")
    if not len(images):
        raise ValueError("images must hold at least one picture, got 0")
    if not images.isfinite().all():
        raise ValueError("images must be finite, got NaN or infinity; a model that diverged has nothing to read")
    if images.abs().max() > 10:
        raise ValueError(f"images must lie in about [-1, 1], got values up to {images.abs().max():.4g}; rescale them")
    if num_objects < 1:
        raise ValueError(f"num_objects must be at least 1, got {num_objects}")
    if not 0 <= max_rotation <= torch.pi:
        raise ValueError(f"max_rotation must lie in 0..pi, got {max_rotation}")
