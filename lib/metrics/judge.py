"""How good the feature network is: what it recognises of unseen concepts, and how large its distances are."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.data import EmojiSet, emoji
from lib.metrics.frechet import frechet_distance
from lib.training import spread, step_generator

NUM_SPLITS = 10


def judge(model: nn.Module) -> dict[str, float | dict[str, float]]:
    """The numbers of the card, for pictures of 32 and 64 pixels.

    Accuracies are those of the training heads on held-out concepts, each concept counting once: most concepts have one
    picture, a few have over a hundred variants.
    """
    metrics: dict[str, float | dict[str, float]] = {}
    for size in (32, 64):
        train, heldout = emoji(size, "train"), emoji(size, "heldout")
        features = {"train": features_of(model, train.images), "heldout": features_of(model, heldout.images)}
        for field in ("subgroup", "skin_tone"):
            metrics[f"{field}_accuracy_{size}px"] = accuracy(model, features["heldout"], heldout, field)
        metrics[f"subgroup_accuracy_train_{size}px"] = accuracy(model, features["train"], train, "subgroup")
        metrics[f"frechet_train_heldout_{size}px"] = frechet_distance(features["train"], features["heldout"])
        both = torch.cat(list(features.values()))
        bases = torch.cat([train.labels("base")[0], heldout.labels("base")[0]])
        metrics[f"frechet_halves_{size}px"] = distance_of_halves(both, partial(split_bases, bases))
        metrics[f"frechet_random_halves_{size}px"] = distance_of_halves(both, partial(split_pictures, len(both)))
        values = torch.linalg.eigvalsh(torch.cov(both.double().T))
        metrics[f"effective_dimensions_{size}px"] = (values.sum().square() / values.square().sum()).item()
        metrics[f"total_variance_{size}px"] = values.sum().item()
    metrics["subgroup_accuracy_of_guessing"] = most_frequent_share(emoji(32, "train"), emoji(32, "heldout"), "subgroup")
    return metrics


@torch.no_grad()
def features_of(model: nn.Module, images: Float[Tensor, "N 3 S S"]) -> Float[Tensor, "N D"]:
    """Features of many pictures, a few hundred at a time."""
    return torch.cat([model(part) for part in images.split(256)])


def split_bases(bases: Int[Tensor, " N"], seed: int) -> Bool[Tensor, " N"]:
    """True for the pictures of one half: random base concepts, in random order, until half of all pictures are in."""
    kinds = bases.unique()
    order = kinds[torch.randperm(len(kinds), generator=step_generator(seed, 0, "split by concept"))]
    num_pictures = torch.bincount(bases)[order].cumsum(0)
    return torch.isin(bases, order[num_pictures <= len(bases) / 2])


def split_pictures(num_pictures: int, seed: int) -> Bool[Tensor, " N"]:
    """True for a random half of the pictures, whatever they show."""
    return torch.randperm(num_pictures, generator=step_generator(seed, 0, "split by picture")) < num_pictures // 2


def distance_of_halves(features: Float[Tensor, "N D"], split: Callable[[int], Bool[Tensor, " N"]]) -> dict[str, float]:
    """Fréchet distance between the two halves that ``split(seed)`` makes: mean and spread over ten seeds."""
    halves = [split(seed) for seed in range(NUM_SPLITS)]
    return spread(frechet_distance(features[half], features[~half]) for half in halves)


def accuracy(model: nn.Module, features: Float[Tensor, "N D"], data: EmojiSet, field: str) -> float:
    """Share of right answers of a head, each base concept counting once."""
    with torch.no_grad():
        right = (model.heads[field](features).argmax(1) == data.labels(field)[0]).double()
    return _mean_over_bases(right, data)


def most_frequent_share(train: EmojiSet, heldout: EmojiSet, field: str) -> float:
    """Accuracy of always answering the class with the most training concepts, each held-out concept counting once."""
    kinds = {row.base: getattr(row, field) for row in train.table}.values()
    answer = max(set(kinds), key=list(kinds).count)
    right = torch.tensor([float(getattr(row, field) == answer) for row in heldout.table], dtype=torch.float64)
    return _mean_over_bases(right, heldout)


def _mean_over_bases(right: Float[Tensor, " N"], data: EmojiSet) -> float:
    """Mean over base concepts of the mean over their pictures."""
    bases = data.labels("base")[0]
    weight = 1 / torch.bincount(bases)[bases].double()
    return (right * weight).sum().item() / weight.sum().item()
