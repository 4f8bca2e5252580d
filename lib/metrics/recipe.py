"""Training of the feature network: ``python -m lib.train emoji_features``.

One network answers four questions about a picture, each by a linear layer on the same 64 features: to which subgroup
and to which base concept it belongs, which skin tone it shows, and how it was damaged. The first three make the
features see the content, the last makes them see the rendering: a network trained on content alone learns to ignore
blur and noise, which a measure of picture quality must notice.
"""

import functools

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from lib.data import EmojiSet, emoji
from lib.metrics.damage import add_noise, blend, blur
from lib.metrics.features import FeatureNet
from lib.metrics.judge import judge
from lib.training import Recipe

LABELS = {"subgroup": 1.0, "base": 0.3, "skin_tone": 0.3}  # weights of the losses
NUM_CLASSES = {"subgroup": 99, "base": 1514, "skin_tone": 26}
BATCH_SIZE = 128


@functools.cache
def training_set() -> tuple[EmojiSet, dict[str, Tensor], Tensor]:
    """The pictures at 64 pixels, their class numbers, and how often to draw each.

    Some concepts have a hundred variants and most have one: a picture is drawn with weight 1 / sqrt(variants).
    """
    data = emoji(64, "train")
    labels = {field: data.labels(field)[0] for field in LABELS}
    num_variants = torch.bincount(labels["base"])[labels["base"]]
    return data, labels, num_variants.float().rsqrt()


def draw_batch(step: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Varied and damaged pictures with their class numbers and the knobs that were turned; sizes 32 and 64 in turn."""
    data, labels, weights = training_set()
    index = torch.multinomial(weights, BATCH_SIZE, replacement=True, generator=generator)
    images, place = move(data.images[index], generator)
    if step % 2:
        images = F.avg_pool2d(images, 2)
    images, harm = harm_randomly(images, generator)
    return {"images": images, "damage": torch.cat([place, harm], 1)} | {k: v[index] for k, v in labels.items()}


def move(
    images: Float[Tensor, "B 3 S S"], generator: torch.Generator
) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 3"]]:
    """Zoom by up to 22 % and shift by up to a tenth of the width, in 70 % of the pictures.

    White comes in at the border. Returns the pictures, and (log zoom, shift right, shift down), each with spread of
    about 1.
    """
    u = torch.rand(3, len(images), generator=generator) * 2 - 1
    moved = torch.rand(len(images), generator=generator) < 0.7
    log_zoom, right, down = 0.2 * u * moved
    shrink = (-log_zoom).exp()  # the grid says where to read from: the inverse of where things go
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = shrink
    theta[:, 0, 2], theta[:, 1, 2] = -shrink * right, -shrink * down
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    white = 1.0  # grid_sample fills with zeros
    placed = F.grid_sample(images - white, grid, align_corners=False) + white
    return placed, torch.stack([log_zoom, right, down], 1) / 0.1


def harm_randomly(
    images: Float[Tensor, "B 3 S S"], generator: torch.Generator
) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 4"]]:
    """Fade, double-expose, blur and add noise, each in 40 % of the pictures and by a random amount.

    Returns the pictures, and the four amounts, each with spread of about 1. Widths of blur count 32-pixel pixels.
    """
    u = torch.rand(4, len(images), generator=generator) * (torch.rand(4, len(images), generator=generator) < 0.4)
    fade, share, width, noise = u[0] * 0.6, u[1] * 0.5, u[2] * 2, u[3].square() * 0.5
    grey = images.mean(1, keepdim=True).expand_as(images)
    images = images.lerp(grey, rearrange(fade, "b -> b 1 1 1"))
    images = blend(images, images.roll(1, 0), share)
    images = blur(images, width * images.shape[-1] / 32)
    images = add_noise(images, noise, generator)
    return images, torch.stack([fade / 0.15, share / 0.15, width / 0.5, noise / 0.1], 1)


def feature_loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    """Sum of the four answers' losses, and a penalty on correlated features so that all 64 are used."""
    features = model(batch["images"])
    answers = {name: head(features).float() for name, head in model.heads.items()}
    loss = 2.0 * F.mse_loss(answers["damage"], batch["damage"])
    for name, weight in LABELS.items():
        loss = loss + weight * F.cross_entropy(answers[name], batch[name])
    covariance = features.T.float() @ features.float() / len(features)
    return loss + 0.5 * (covariance - torch.diag(covariance.diag())).square().mean() * features.shape[1]


RECIPES = {
    "emoji_features": Recipe(
        name="emoji_features",
        build=(FeatureNet, {"num_features": 64, "channels": 64, "heads": NUM_CLASSES | {"damage": 7}}),
        loss_fn=feature_loss,
        batch_fn=draw_batch,
        num_steps=1500,
        lr=2e-3,
        ema_decay=0.995,
        num_shards=1,  # batch norm sees the batch in one piece
        half=True,
        evaluate=judge,
        data_hash=lambda: emoji(64).hash,
        note="Features for Fréchet distance, precision and recall: content and damage of emoji at 32 and 64 pixels.",
    )
}
