"""Does a picture show what was asked for? Readers that took no part in training or guidance, and drawing for them."""

import functools
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.data import COLOURS, emoji, shapes
from lib.data.shape_sample import PAIR_IS_HELD_OUT
from lib.ddim import sample
from lib.ddpm import last
from lib.ddpm.sampling import Model
from lib.ddpm.schedules import spaced
from lib.guidance.sampling import CFGModel
from lib.metrics import emoji_features, frechet_distance, precision_recall, read_scene
from lib.metrics.features import network
from lib.training import autocast, step_generator

NUM_PAIRS = PAIR_IS_HELD_OUT.numel()


def draw(
    guided: Callable[[Int[Tensor, " b"]], Model],
    y: Int[Tensor, " N"],
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str,
    num_steps: int,
    size: int = 32,
    seed: int = 0,
    chunk: int = 64,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "N 3 S S"]:
    """One picture for each label, in [-1, 1], by DDIM without fresh noise; some at a time, each chunk with its own x_T.

    Args:
        guided: from the labels of a chunk to a model ``(x_t, t) -> output``, for example
            ``lambda y: CFGModel(model, y, 3.0)``.
        y: the labels.
        alpha_bar: the schedule.
        target: what the model answers.
        num_steps: levels visited, evenly spaced.
        size: pixels across.
        seed: of x_T; the same seed gives the same x_T whatever the guidance.
        chunk: pictures at a time.
        device: where to compute.
    """
    levels, found = spaced(len(alpha_bar) - 1, num_steps), []
    for first in range(0, len(y), chunk):
        labels = y[first : first + chunk].to(device)
        generator = step_generator(seed, first, "samples", device)
        with autocast("auto", device):
            states = sample(
                guided(labels), (len(labels), 3, size, size), alpha_bar, generator,
                levels=levels, target=target, clip=True,
            )  # fmt: skip
            found.append(last(states).x_t.float().clamp(-1, 1).cpu())
    return torch.cat(found)


def draw_cfg(model: nn.Module, y: Int[Tensor, " N"], guidance_scale: float, **settings) -> Float[Tensor, "N 3 S S"]:
    """One picture for each label with classifier-free guidance; ``settings`` are those of `draw`."""
    device = next(model.parameters()).device
    return draw(lambda labels: CFGModel(model, labels, guidance_scale), y, device=device, **settings)


def pair_label(class_idx: Int[Tensor, "*N"], colour_idx: Int[Tensor, "*N"]) -> Int[Tensor, "*N"]:
    """The label of a shape: ``len(COLOURS) · class + colour``, 36 in all."""
    return len(COLOURS) * class_idx + colour_idx


def shape_accuracy(images: Float[Tensor, "N 3 S S"], y: Int[Tensor, " N"]) -> dict[str, float]:
    """How many pictures of one shape show the class and the colour that were asked for, read from the pixels.

    ``right`` counts pictures with both; numbers named ``…_held_out`` are of pairs that training never saw, the others
    of pairs that it did. ``centre_std`` and ``large_share`` tell whether what the label leaves open still varies.
    """
    reading = read_scene(images, num_objects=1)
    class_right = reading.class_idx[:, 0] == y // len(COLOURS)
    colour_right = reading.colour_idx[:, 0] == y % len(COLOURS)
    held_out = PAIR_IS_HELD_OUT.flatten()[y]
    numbers = {}
    for ending, rows in (("", ~held_out), ("_held_out", held_out)):
        if rows.any():
            numbers[f"class_right{ending}"] = class_right[rows]
            numbers[f"colour_right{ending}"] = colour_right[rows]
            numbers[f"right{ending}"] = (class_right & colour_right)[rows]
    numbers = {name: part.double().mean().item() for name, part in numbers.items()}
    numbers |= {
        "found": reading.found.double().mean().item(),
        "confidence": reading.confidence.mean().item(),
        "centre_std": reading.centre.std(dim=0).mean().item(),
        "large_share": reading.size_idx.double().mean().item(),
    }
    return numbers


@functools.cache
def group_of_subgroup() -> Int[Tensor, " K"]:
    """The group that each subgroup of emoji belongs to."""
    data = emoji(32, "all")
    (group, _), (subgroup, names) = data.labels("group"), data.labels("subgroup")
    table = torch.zeros(len(names), dtype=torch.int64)
    table[subgroup] = group
    return table


@torch.no_grad()
def read_group(images: Float[Tensor, "N 3 S S"]) -> Int[Tensor, " N"]:
    """The group of emoji that each picture looks like, as judged by the network behind `lib.metrics.emoji_features`.

    It knows 99 subgroups; their probabilities are added up. The network took part in no training of this chapter, so
    it cannot be flattered by guidance with another classifier.
    """
    probability = network().heads["subgroup"](emoji_features(images)).softmax(dim=1)
    groups = group_of_subgroup()
    return probability.new_zeros(len(images), int(groups.max()) + 1).index_add(1, groups, probability).argmax(1)


def group_accuracy(images: Float[Tensor, "N 3 S S"], y: Int[Tensor, " N"]) -> dict[str, float]:
    """Share of the pictures that look like the group asked for, and the same averaged over groups, small ones too."""
    right = (read_group(images) == y).double()
    groups = [right[y == group].mean() for group in y.unique()]
    return {"group_right": right.mean().item(), "group_right_mean": torch.stack(groups).mean().item()}


def distances(
    images: Float[Tensor, "N 3 S S"], real: Float[Tensor, "M 3 S S"], others: Float[Tensor, "n 3 S S"]
) -> dict[str, float]:
    """Fréchet distance of pictures to real ones over that of as many ``others``, also real; precision and recall.

    Precision and recall are against ``others``, so that sets of one size are compared.

    Raises:
        ValueError: if there are not as many pictures as others.
    """
    if len(images) != len(others):
        raise ValueError(f"images and others must be equally many, got {len(images)} and {len(others)}")
    found, reference, beside = (emoji_features(x) for x in (images, real, others))
    precision, recall = precision_recall(beside, found)
    relative = frechet_distance(found, reference) / frechet_distance(beside, reference)
    return {"frechet_relative": relative, "precision": precision, "recall": recall}


def saturation(images: Float[Tensor, "N ..."], limit: float = 0.98) -> float:
    """Share of values at the ends of the range, above ``limit`` in absolute value; count data first, to compare.

    Scales that are too large drive pictures there: colours burn out, and what is between black and white disappears.
    """
    return (images.abs() > limit).double().mean().item()


@functools.cache
def real_shapes(num: int, seed: int) -> Float[Tensor, "N 3 32 32"]:
    """Pictures of one shape, all pairs equally likely as in the labels of `evenly`."""
    scenes = shapes(num, num_objects=1, split="all", seed=seed)
    return scenes.images


def evenly(num: int) -> Int[Tensor, " N"]:
    """Labels of shapes, all 36 pairs in turn."""
    return torch.arange(num) % NUM_PAIRS
