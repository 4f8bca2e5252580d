"""The trainings of chapter 6: two denoisers that are sometimes told a label, and two classifiers of noisy pictures.

python -m lib.train cfg_shapes
python -m lib.train cfg_emoji
python -m lib.train noisy_classifier_shapes
python -m lib.train noisy_classifier_emoji

Schedule and target of each are in `DIFFUSION`. A classifier has the schedule of the denoiser it is to guide:
``noisy_classifier_emoji`` fits ``cfg_emoji`` and the ``ddpm_emoji32`` of chapter 4, which knows no labels.
"""

import functools
from functools import partial
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.data import CLASSES, COLOURS, emoji, shapes
from lib.ddpm import q_sample, schedules
from lib.ddpm.loss import noise_like
from lib.ddpm.quality import compare
from lib.ddpm.recipe import all_pictures, data_hash
from lib.guidance.loss import LabelledBatch, cfg_loss, classifier_loss
from lib.guidance.model import ClassUNet, NoisyClassifier
from lib.guidance.quality import distances, draw_cfg, evenly, group_accuracy, pair_label, real_shapes, shape_accuracy
from lib.training import Recipe, step_generator

DROP_PROB = 0.15
"""Share of labels that are dropped in training."""

DIFFUSION: dict[str, dict[str, Any]] = {
    "cfg_shapes": {"alpha_bar": schedules.cosine(1000), "target": "v"},
    "cfg_emoji": {"alpha_bar": schedules.cosine(1000), "target": "v"},
}
"""Schedule and target of each denoiser: arguments for the loss, the guided models and the samplers."""

SCHEDULE_OF = {"noisy_classifier_shapes": "cfg_shapes", "noisy_classifier_emoji": "cfg_emoji"}
"""The denoiser whose schedule a classifier shares."""

PARTS = [len(CLASSES), len(COLOURS)]
NUM_GROUPS = 9
SCALES = (1.0, 2.0, 4.0)
SAMPLING_STEPS = 30
LEVELS = (1, 200, 400, 600, 800)


def guided_loss(model: nn.Module, batch: LabelledBatch, generator: torch.Generator, *, name: str) -> Float[Tensor, ""]:
    """The loss of a denoiser with label dropout; schedule and target are those of the recipe ``name``."""
    return cfg_loss(model, batch, generator, drop_prob=DROP_PROB, **DIFFUSION[name])


def noisy_loss(model: nn.Module, batch: LabelledBatch, generator: torch.Generator, *, name: str) -> Float[Tensor, ""]:
    """The loss of a classifier with the schedule of its denoiser."""
    return classifier_loss(model, batch, generator, alpha_bar=DIFFUSION[SCHEDULE_OF[name]]["alpha_bar"])


def shapes_batch(
    step: int, generator: torch.Generator, *, batch_size: int = 64, split: str = "train"
) -> tuple[Float[Tensor, "B 3 32 32"], Int[Tensor, " B"]]:
    """New pictures of one shape with their labels; pairs of `lib.data.HELD_OUT_PAIRS` never occur in training."""
    scenes = shapes(batch_size, num_objects=1, split=split, generator=generator)
    return scenes.images, pair_label(scenes.class_idx[:, 0], scenes.colour_idx[:, 0])


@functools.cache
def groups(split: str = "train") -> Int[Tensor, " N"]:
    """The group of every emoji of a split."""
    return emoji(32, split).labels("group")[0]


def groups_batch(
    step: int, generator: torch.Generator, *, batch_size: int = 64
) -> tuple[Float[Tensor, "B 3 32 32"], Int[Tensor, " B"]]:
    """Emoji drawn at random with their groups, half of them mirrored.

    Groups keep their shares, people more than half, for denoiser and classifier alike: both must speak of one q(x_0),
    or Bayes' rule does not hold between them.
    """
    images = all_pictures(32)
    index = torch.randint(len(images), (batch_size,), generator=generator)
    mirrored = rearrange(torch.rand(batch_size, generator=generator) < 0.5, "b -> b 1 1 1")
    return torch.where(mirrored, images[index].flip(-1), images[index]), groups()[index]


def evaluate_shapes(model: nn.Module, num: int = 360) -> dict[str, float]:
    """Class and colour as read from samples, and distances to real pictures, at several scales; all pairs in turn."""
    y, numbers = evenly(num), {}
    for scale in SCALES:
        images = draw_cfg(model, y, scale, num_steps=SAMPLING_STEPS, **DIFFUSION["cfg_shapes"])
        found = shape_accuracy(images, y) | distances(images, real_shapes(4 * num, 1), real_shapes(num, 2))
        numbers |= {f"{key}, s={scale:g}": round(value, 4) for key, value in found.items()}
    return numbers | {"sampling_steps": SAMPLING_STEPS}


def evaluate_groups(model: nn.Module, every: int = 1) -> dict[str, float]:
    """The group as judged from samples, and the numbers of `lib.ddpm.quality.compare`, at several scales.

    Labels are those of the held-out emoji, so that the shares of the groups are those of the data.
    """
    y, numbers = groups("heldout")[::every], {}
    train, heldout = all_pictures(32), all_pictures(32, "heldout")[::every]
    for scale in SCALES:
        images = draw_cfg(model, y, scale, num_steps=SAMPLING_STEPS, **DIFFUSION["cfg_emoji"])
        found = group_accuracy(images, y) | compare(images, train, heldout)
        numbers |= {f"{key}, s={scale:g}": round(value, 4) for key, value in found.items()}
    return numbers | {"sampling_steps": SAMPLING_STEPS}


@torch.no_grad()
def evaluate_classifier(model: nn.Module, *, name: str, num: int = 500) -> dict[str, float]:
    """Share of right labels at several levels, for new shapes or all held-out emoji; and of guessing."""
    generator = step_generator(0, 0, f"evaluation of {name}")
    if name == "noisy_classifier_shapes":
        x_0, y = shapes_batch(0, generator, batch_size=num)
    else:
        x_0, y = all_pictures(32, "heldout"), groups("heldout")
    alpha_bar, numbers = DIFFUSION[SCHEDULE_OF[name]]["alpha_bar"], {}
    for t in LEVELS:
        x_t = q_sample(x_0, t, noise_like(x_0, generator), alpha_bar)
        right = torch.cat(
            [model(part, torch.full((len(part),), t)).argmax(1) for part in x_t.split(64)]
        ) == y  # fmt: skip
        numbers[f"right, t={t}"] = round(right.double().mean().item(), 4)
    return numbers | {"largest_class": round(y.bincount().max().item() / len(y), 4)}


def denoiser(name: str, num_classes: Any, channels: int, num_steps: int, **fields: Any) -> Recipe:
    """The recipe of a U-Net that is told a label."""
    network = {"num_classes": num_classes, "channels": channels, "multipliers": [1, 2, 4]}
    return Recipe(
        name=name,
        build=(ClassUNet, network | {"attention_resolutions": [8], "size": 32}),
        loss_fn=partial(guided_loss, name=name),
        num_steps=num_steps,
        lr=2e-3,
        ema_decay=0.999,
        half=True,
        **fields,
    )


def classifier(name: str, num_classes: Any, dropout: float, num_steps: int, **fields: Any) -> Recipe:
    """The recipe of a classifier of noisy pictures."""
    return Recipe(
        name=name,
        build=(NoisyClassifier, {"num_classes": num_classes, "channels": 16, "dropout": dropout}),
        loss_fn=partial(noisy_loss, name=name),
        num_steps=num_steps,
        lr=2e-3,
        ema_decay=0.995,
        half=True,
        evaluate=partial(evaluate_classifier, name=name),
        **fields,
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        denoiser(
            "cfg_shapes", PARTS, 24, 2600, batch_fn=shapes_batch, evaluate=evaluate_shapes,
            data_hash="drawn by lib.data.shapes",
            note="One shape, told class and colour except one time in seven; six pairs are held out.",
        ),
        denoiser(
            "cfg_emoji", NUM_GROUPS, 32, 2800, batch_fn=groups_batch, evaluate=evaluate_groups, data_hash=data_hash,
            note="Emoji at 32 pixels, told the group except one time in seven.",
        ),
        classifier(
            "noisy_classifier_shapes", PARTS, 0.0, 3600, batch_fn=shapes_batch, data_hash="drawn by lib.data.shapes",
            note="Class and colour of one shape, from pictures at any level of noise.",
        ),
        classifier(
            "noisy_classifier_emoji", NUM_GROUPS, 0.1, 2000, batch_fn=groups_batch, data_hash=data_hash,
            note="Group of an emoji, from pictures at any level of noise.",
        ),
    )
}  # fmt: skip
