"""How good samples are: distance to the data in units of new pictures, how much of the data is reached, and copying."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.ddpm.sampling import last, sample
from lib.ddpm.schedules import spaced
from lib.metrics import emoji_features, frechet_distance, nearest, precision_recall, psnr
from lib.training import autocast, step_generator

COPY_PSNR = 30.0
"""A sample that is closer than this to a training picture, in decibels, is counted as copied from it.

The eye sees hardly any difference. No held-out picture is that close to a training picture.
"""


def draw(
    model: nn.Module,
    num: int,
    size: int,
    num_steps: int,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str,
    variance: str = "beta_tilde",
    seed: int = 0,
    chunk: int = 64,
) -> Float[Tensor, "N 3 S S"]:
    """``num`` pictures from a model, in [-1, 1], some at a time; each chunk has noise of its own from the seed."""
    levels = spaced(len(alpha_bar) - 1, num_steps)

    def walk(size_of_chunk: int, generator: torch.Generator) -> Tensor:
        shape = (size_of_chunk, 3, size, size)
        states = sample(model, shape, alpha_bar, generator, levels=levels, target=target, variance=variance, clip=True)
        return last(states).x_t

    return in_chunks(walk, num, next(model.parameters()).device, seed, chunk)


def in_chunks(
    walk: Callable[[int, torch.Generator], Tensor], num: int, device: torch.device, seed: int = 0, chunk: int = 64
) -> Float[Tensor, "N 3 S S"]:
    """``num`` finished pictures of ``walk(how_many, generator)`` in [-1, 1], each chunk with noise of its own."""
    found = []
    for first in range(0, num, chunk):
        generator = step_generator(seed, first, "samples", device)
        with autocast("auto", device):
            found.append(walk(min(chunk, num - first), generator).float().clamp(-1, 1).cpu())
    return torch.cat(found)


def nearest_training(
    samples: Float[Tensor, "N 3 S S"], train: Float[Tensor, "M 3 S S"]
) -> tuple[Float[Tensor, " N"], Tensor]:
    """PSNR of every sample to the training picture nearest to it, and that picture's index; mirrored ones count too."""
    best = None
    for pictures in (samples, samples.flip(-1)):
        index = nearest(pictures, train).index[:, 0]
        closeness = psnr(pictures, train[index])
        if best is None:
            best = closeness, index
        else:
            best = torch.maximum(closeness, best[0]), torch.where(closeness > best[0], index, best[1])
    return best


def relative_frechet(
    samples: Float[Tensor, "N 3 S S"], train: Float[Tensor, "M 3 S S"], heldout: Float[Tensor, "K 3 S S"]
) -> tuple[float, float, float]:
    """Distance of samples to training pictures over that of held-out pictures, and the two distances.

    Only as many samples count as there are held-out pictures: small sets look further away than they are.

    Raises:
        ValueError: if there are fewer samples than held-out pictures.
    """
    if len(samples) < len(heldout):
        raise ValueError(
            f"samples must be at least as many as the {len(heldout)} held-out pictures, got {len(samples)}"
        )
    reference = emoji_features(train)
    of_samples, of_heldout = (
        frechet_distance(emoji_features(pictures), reference) for pictures in (samples[: len(heldout)], heldout)
    )
    return of_samples / of_heldout, of_samples, of_heldout


def compare(
    samples: Float[Tensor, "N 3 S S"], train: Float[Tensor, "M 3 S S"], heldout: Float[Tensor, "K 3 S S"]
) -> dict[str, float]:
    """Numbers for a card or a table.

    ``frechet_relative`` is the distance of the samples to the training pictures over that of the held-out pictures:
    at 1 the samples are as far from the training pictures as new emoji are, at 0 they are the training set. Sets of
    equal size are compared, as many samples as there are held-out pictures, because small sets look further away.
    Precision and recall are against as many training pictures, drawn at random.

    Raises:
        ValueError: if there are fewer samples than held-out pictures.
    """
    num = len(heldout)
    relative, of_samples, of_heldout = relative_frechet(samples, train, heldout)
    samples = samples[:num]
    order = torch.randperm(len(train), generator=step_generator(0, 0, "training pictures to compare with"))
    precision, recall = precision_recall(emoji_features(train[order[:num]]), emoji_features(samples))
    closeness, _ = nearest_training(samples, train)
    numbers = {
        "frechet_relative": relative,
        "frechet_samples": of_samples,
        "frechet_heldout": of_heldout,
        "precision": precision,
        "recall": recall,
        "psnr_to_nearest": closeness.mean().item(),
        "copy_rate": (closeness > COPY_PSNR).double().mean().item(),
    }
    return {name: round(value, 4) for name, value in numbers.items()}


def energy_distance(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'| for two clouds of points: 0 if they are the same, never negative.

    Source: Székely & Rizzo 2013, "Energy statistics", J. Stat. Plan. Inference 143.
    """
    x, y = x.double(), y.double()
    return (2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()).item()
