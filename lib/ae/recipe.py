"""The two trainings of chapter 1: a map with two numbers to a picture, and a good autoencoder with 64.

python -m lib.train ae_2d
python -m lib.train ae_64d
"""

import functools

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from lib.ae.codes import in_chunks
from lib.ae.loss import autoencoder_loss
from lib.ae.model import AutoEncoder
from lib.data import EmojiSet, emoji
from lib.metrics import psnr
from lib.training import Recipe


def map_pictures(split: str = "train") -> EmojiSet:
    """The pictures of the two-dimensional map: no variants of skin tone, so that people do not crowd out the rest."""
    return emoji(32, split).where(skin_tone="none")


@functools.cache
def all_pictures() -> Float[Tensor, "N 3 32 32"]:
    """Every training picture, cut out of the sheets once."""
    return emoji(32).images


def augmented(step: int, generator: torch.Generator, batch_size: int = 64) -> Float[Tensor, "B 3 32 32"]:
    """Emoji at random, varied: half of them mirrored, half with other colours, half turned, shifted and zoomed.

    All of these could be emoji, so the network sees many more than 3,000 and does better on those it never sees.
    """
    images = all_pictures()
    x = images[torch.randint(len(images), (batch_size,), generator=generator)]
    mirrored, recoloured, moved = rearrange(torch.rand(3, batch_size, generator=generator) < 0.5, "k b -> k b 1 1 1")
    x = torch.where(mirrored, x.flip(-1), x)
    channels = torch.rand(batch_size, 3, generator=generator).argsort(dim=1)
    x = torch.where(recoloured, x.gather(1, rearrange(channels, "b c -> b c 1 1").expand_as(x)), x)
    return torch.where(moved, turned(x, generator), x)


def turned(x: Float[Tensor, "B 3 S S"], generator: torch.Generator) -> Float[Tensor, "B 3 S S"]:
    """Each picture turned by up to 14 degrees, zoomed by up to 12 % and shifted by up to 4 %; outside is white."""
    angle, zoom, right, down = (torch.rand(4, len(x), generator=generator) * 2 - 1) * torch.tensor(
        [[0.25], [0.12], [0.08], [0.08]]
    )
    cos, sin = angle.cos() * (1 + zoom), angle.sin() * (1 + zoom)
    rows = torch.stack([cos, -sin, right, sin, cos, down], dim=1)
    where = F.affine_grid(rearrange(rows, "b (i j) -> b i j", i=2), list(x.shape), align_corners=False)
    return F.grid_sample(x - 1, where, align_corners=False) + 1  # outside the picture grid_sample reads 0


def quality(model: nn.Module, sets: dict[str, Tensor]) -> dict[str, float]:
    """Mean PSNR of the reconstructions of each set of pictures, in decibels, rounded to 0.01."""
    return {
        f"psnr_{name}": round(psnr(in_chunks(model, images), images).mean().item(), 2) for name, images in sets.items()
    }


def evaluate_map(model: nn.Module) -> dict[str, float]:
    """PSNR on the pictures of the map, and on held-out ones."""
    return quality(model, {split: map_pictures(split).images for split in ("train", "heldout")})


def evaluate_all(model: nn.Module) -> dict[str, float]:
    """PSNR on all training pictures, and on held-out ones."""
    return quality(model, {split: emoji(32, split).images for split in ("train", "heldout")})


def data_hash() -> str:
    """Hash of the emoji files."""
    return emoji(32).hash


RECIPES = {
    "ae_2d": Recipe(
        name="ae_2d",
        build=(AutoEncoder, {"latent_dim": 2, "channels": (8, 16, 24, 32), "hidden": 96}),
        loss_fn=autoencoder_loss,
        data=lambda: map_pictures().images,
        batch_size=128,
        num_steps=6000,
        lr=3e-3,
        ema_decay=0.995,
        evaluate=evaluate_map,
        data_hash=data_hash,
        note="Two numbers to a picture: blurred on purpose, for the map.",
        half=True,
    ),
    "ae_64d": Recipe(
        name="ae_64d",
        build=(AutoEncoder, {"latent_dim": 64, "channels": (16, 32, 64, 128), "hidden": 256}),
        loss_fn=autoencoder_loss,
        batch_fn=augmented,
        num_steps=12000,
        lr=2e-3,
        ema_decay=0.995,
        evaluate=evaluate_all,
        data_hash=data_hash,
        note="64 numbers to a picture; mirrored, recoloured and turned pictures are used as well.",
        half=True,
    ),
}
