"""The measured trend of chapter 6: what the scale of guidance does to accuracy, precision, recall and distance.

python -m lib.trends guidance_scale

The shipped networks are used; seeds are those of the samples. A GPU is used if there is one.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lib.ddpm.quality import compare
from lib.ddpm.recipe import all_pictures
from lib.guidance.quality import distances, draw, evenly, group_accuracy, real_shapes, saturation, shape_accuracy
from lib.guidance.recipe import DIFFUSION, groups
from lib.guidance.sampling import CFGModel, ClassifierGuided
from lib.training import cells, load, spread

SAMPLING_STEPS = 25
NUM_SHAPES = 288
EVERY_EMOJI = 2
"""1 for as many emoji samples as there are held-out emoji; n for every n-th of them."""

CLASSIFIER_SCALES = (1.0, 3.0, 10.0)
CFG_SCALES = (1.5, 2.0, 3.0, 5.0, 8.0)
DATA = ("shapes", "emoji")
PAPER = (
    "Dhariwal & Nichol 2021 (arXiv:2105.05233), Table 4, ImageNet at 256 pixels, FID / IS / precision / recall. "
    "Without labels: 26.21 / 39.70 / 0.61 / 0.63, with a classifier at scale 1 33.03 / 32.92 / 0.56 / 0.65 and at 10 "
    "12.00 / 95.41 / 0.76 / 0.44. Told the label: 10.94 / 100.98 / 0.69 / 0.63, with a classifier at scale 1 "
    "4.59 / 186.70 / 0.82 / 0.52 and at 10 9.11 / 283.92 / 0.88 / 0.32. Ho & Salimans 2022 (arXiv:2207.12598), Tables "
    "1 and 2: the best FID is at a small w (about 0.1 to 0.3, so s of 1.1 to 1.3), IS grows up to w = 4."
)
CONFOUND = (
    f"Small networks, trained briefly; {SAMPLING_STEPS} steps of DDIM without fresh noise. The seeds vary the noise of "
    "the samples, not the training. Shapes are read from the pixels, groups of emoji by the network behind the "
    "features, which is right for three of four held-out emoji. The networks have six pairs of shape and colour less "
    "than the real pictures they are compared with, which are all 36 in equal shares. Fréchet distances are over those "
    "of equally many real pictures that training did not see."
)


@dataclass(frozen=True)
class Setting:
    """What is varied: the data, whether the denoiser is told the label, and the scales of both kinds of guidance.

    ``cfg_scale`` is 0 for a denoiser that is not told the label and 1 for one that is, before any guidance.
    """

    data: str
    cfg_scale: float
    classifier_scale: float = 0.0


def settings() -> dict[str, Setting]:
    """Every row of the table by its name: without the label in the denoiser, with it, and guided in both ways."""
    found = {}
    for data in DATA:
        for told, base in (("unconditional", 0.0), ("conditional", 1.0)):
            found[f"{data}, {told}"] = Setting(data, base)
            for scale in CLASSIFIER_SCALES:
                found[f"{data}, {told}, classifier {scale:g}"] = Setting(data, base, scale)
        for scale in CFG_SCALES:
            found[f"{data}, classifier-free {scale:g}"] = Setting(data, scale)
    return found


def device() -> str:
    """Where the trend is measured."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def networks(data: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The shipped denoiser and the shipped classifier."""
    return load(f"cfg_{data}", device()), load(f"noisy_classifier_{data}", device())


def samples_of(setting: Setting, y: Tensor, seed: int) -> tuple[Tensor, float]:
    """One picture for each label, and the network passes, forward and back, that each step of a picture took."""
    denoiser, classifier = networks(setting.data)
    diffusion, used = DIFFUSION[f"cfg_{setting.data}"], []

    def guided(labels: Tensor):
        inner = CFGModel(denoiser, labels, setting.cfg_scale)
        outer = ClassifierGuided(inner, classifier, labels, setting.classifier_scale, **diffusion)
        used.extend([inner, outer])
        return outer

    images = draw(guided, y, **diffusion, num_steps=SAMPLING_STEPS, seed=seed, device=device())
    # the outer model counts one call of the inner one, whatever that costs
    chunks = len(used) // 2
    passes = sum(model.num_calls + model.num_backward for model in used) - chunks * SAMPLING_STEPS
    return images, passes / (chunks * SAMPLING_STEPS)


def measure(setting: Setting, seed: int) -> dict[str, Any]:
    """Accuracy, precision, recall, Fréchet distance, and cost of the samples of one setting."""
    if setting.data == "shapes":
        y = evenly(NUM_SHAPES)
        images, passes = samples_of(setting, y, seed)
        found = shape_accuracy(images, y) | distances(
            images, real_shapes(4 * NUM_SHAPES, 1), real_shapes(NUM_SHAPES, 2)
        )
    else:
        y, heldout = groups("heldout")[::EVERY_EMOJI], all_pictures(32, "heldout")[::EVERY_EMOJI]
        images, passes = samples_of(setting, y, seed)
        quality = compare(images, all_pictures(32), heldout)
        wanted = ("frechet_relative", "precision", "recall", "copy_rate")
        found = group_accuracy(images, y) | {key: quality[key] for key in wanted}
    found |= {"saturated": saturation(images), "passes_per_step": passes}
    return {key: round(value, 4) for key, value in found.items()}


def guidance_scale(seeds: list[int]) -> dict[str, Any]:
    """Accuracy, precision, recall and Fréchet distance over the scale, with and without labels in the denoiser."""
    rows = cells("guidance_scale", settings(), seeds, measure)
    summary = {}
    for label in settings() if len(seeds) > 1 else ():
        of_label = [row for row in rows if row["setting"] == label]
        for key in of_label[0].keys() - {"setting", "seed", "minutes"}:
            summary[f"{key}, {label}"] = spread([row[key] for row in of_label])
    return {"rows": rows, "summary": dict(sorted(summary.items())), "paper": PAPER, "confound": CONFOUND}


TRENDS = {"guidance_scale": guidance_scale}
