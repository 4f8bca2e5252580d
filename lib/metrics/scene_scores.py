"""How much of what was read from pictures agrees with the truth, or with the captions they were made for."""

from itertools import permutations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib.data.captions import COLOURS, RELATIONS, SIZES, parse_caption
from lib.data.shape_scenes import Scenes
from lib.data.shape_sdf import CLASSES
from lib.metrics.scenes import SceneReading

SAME_BOX = 0.5  # intersection over union from which on two boxes count as the same


def compare_scenes(reading: SceneReading, truth: Scenes) -> dict[str, Bool[Tensor, "B ..."]]:
    """Which attributes were read rightly. Objects are paired by place: the pairing with the shortest way in all.

    Nothing about an object that was not found (``SceneReading.found``) is right.

    Returns:
        "class", "colour", "size", "box" (intersection over union at least 0.5): (B, N), in the order of the truth;
        "relation": (B, pairs), for every pair of objects;
        "all": (B,), everything about the scene is right.

    Raises:
        ValueError: if the numbers of scenes or objects differ, or objects of the truth are absent.
    """
    if reading.class_idx.shape != truth.class_idx.shape:
        raise ValueError(f"need as many readings as scenes, got {reading.class_idx.shape} and {truth.class_idx.shape}")
    if not truth.present.all():
        raise ValueError("every scene must hold all its objects, got some absent; compare scenes of equal number apart")
    orders = _orders(truth.class_idx.shape[1])
    way = (reading.centre[:, orders] - truth.centre[:, None]).norm(dim=-1).sum(-1)  # (B, orders)
    order = orders[way.argmin(1)]
    rows, columns = torch.triu_indices(order.shape[1], order.shape[1], 1)
    right = _agreement(reading, order, truth.class_idx, truth.colour_idx, truth.size_idx)
    boxes = reading.boxes_xyxy[torch.arange(len(order))[:, None], order]
    right["box"] = (box_overlap(boxes, truth.boxes_xyxy) >= SAME_BOX) & reading.found.gather(1, order)
    right["relation"] = _relations(reading, order, rows, columns) == truth.relations[:, rows, columns]
    return right | {"all": torch.cat(list(right.values()), 1).all(1)}


def compare_captions(reading: SceneReading, captions: list[str]) -> dict[str, Bool[Tensor, "B ..."]]:
    """Which facts of the captions the pictures show. Objects are paired so that most facts are right.

    Nothing about an object that was not found (``SceneReading.found``) is right.

    Returns:
        "class", "colour", "size": (B, N), in the order of the caption; "relation": (B, N - 1), the first object to each
        other one; "all": (B,), everything that the caption says is right.

    Raises:
        ValueError: if a text is no caption, or its number of objects is not that of the reading.
    """
    num, num_objects = reading.class_idx.shape
    said = [parse_caption(caption) for caption in captions]
    if len(said) != num or any(len(caption.things) != num_objects for caption in said):
        raise ValueError(
            f"need {num} captions of {num_objects} objects, got {len(said)}; read each number of objects apart"
        )
    sizes, colours = list(SIZES), list(COLOURS)
    things = [[(CLASSES.index(k), colours.index(c), sizes.index(s)) for s, c, k in caption.things] for caption in said]
    wanted = torch.tensor(things).unbind(-1)
    relations = [[RELATIONS.index(word) for word in caption.relations] for caption in said]
    relations = torch.tensor(relations, dtype=torch.long).view(num, num_objects - 1)
    rows, columns = torch.zeros(num_objects - 1, dtype=torch.long), torch.arange(1, num_objects)
    tries = []
    for order in _orders(num_objects).tolist():
        order = torch.tensor(order).expand(num, -1)
        right = _agreement(reading, order, *wanted)
        tries.append(right | {"relation": _relations(reading, order, rows, columns) == relations})
    best = torch.stack([torch.cat(list(right.values()), 1).sum(1) for right in tries], 1).argmax(1)
    scene = torch.arange(num)
    right = {name: torch.stack([one[name] for one in tries], 1)[scene, best] for name in tries[0]}
    return right | {"all": torch.cat(list(right.values()), 1).all(1)}


def score_scenes(reading: SceneReading, truth: Scenes) -> dict[str, float]:
    """Share of attributes that were read rightly, by attribute, and of scenes with all of them right ("all")."""
    return _shares(compare_scenes(reading, truth))


def score_captions(reading: SceneReading, captions: list[str]) -> dict[str, float]:
    """Share of the facts in the captions that the pictures show, by kind, and of pictures that show all ("all")."""
    return _shares(compare_captions(reading, captions))


def box_overlap(
    boxes_xyxy: Float[Tensor, "*batch 4"], other_boxes_xyxy: Float[Tensor, "*batch 4"]
) -> Float[Tensor, "*batch"]:
    """Intersection over union of pairs of boxes, in [0, 1]."""
    low = torch.maximum(boxes_xyxy[..., :2], other_boxes_xyxy[..., :2])
    high = torch.minimum(boxes_xyxy[..., 2:], other_boxes_xyxy[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (boxes_xyxy, other_boxes_xyxy)]
    return both / (areas[0] + areas[1] - both)


def _shares(right: dict[str, Tensor]) -> dict[str, float]:
    """Means; where there is nothing to be right about (the relation of a single object) the name is left out."""
    return {name: float(part.float().mean()) for name, part in right.items() if part.numel()}


def _orders(num_objects: int) -> Tensor:
    return torch.tensor(list(permutations(range(num_objects))))


def _agreement(reading: SceneReading, order: Tensor, class_idx: Tensor, colour_idx: Tensor, size_idx: Tensor) -> dict:
    """Whether shape, colour and size of the objects, in the given order, are the wanted ones: (B, N) each."""
    read = {"class": reading.class_idx, "colour": reading.colour_idx, "size": reading.size_idx}
    wanted, found = (class_idx, colour_idx, size_idx), reading.found.gather(1, order)
    return {
        name: (part.gather(1, order) == want) & found for (name, part), want in zip(read.items(), wanted, strict=True)
    }


def _relations(reading: SceneReading, order: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Relations of chosen pairs of objects after reordering, -1 if one was not found: (B, pairs)."""
    scene = torch.arange(len(order))[:, None]
    first, second = order[:, rows], order[:, columns]
    both = reading.found[scene, first] & reading.found[scene, second]
    return torch.where(both, reading.relations[scene, first, second], -1)
