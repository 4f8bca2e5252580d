"""The two trainings of chapter 1: a map with two numbers to a picture, and a good autoencoder with 64.

python -m lib.train ae_2d
python -m lib.train ae_64d
"""

import functools

import torch
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


def augmented(step: int, generator: torch.Generator, batch_size: int = 128) -> Float[Tensor, "B 3 32 32"]:
    """Emoji at random, half of them mirrored, half with their colour channels exchanged.

    Both make new pictures that could be emoji, so the network sees many more than 3,000 and does better on unseen ones.
    """
    images = all_pictures()
    x = images[torch.randint(len(images), (batch_size,), generator=generator)]
    mirrored, recoloured = torch.rand(2, batch_size, generator=generator) < 0.5
    x = torch.where(rearrange(mirrored, "b -> b 1 1 1"), x.flip(-1), x)
    order = torch.rand(batch_size, 3, generator=generator).argsort(dim=1)
    exchanged = x.gather(1, rearrange(order, "b c -> b c 1 1").expand_as(x))
    return torch.where(rearrange(recoloured, "b -> b 1 1 1"), exchanged, x)


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
        num_steps=6000,
        lr=2e-3,
        ema_decay=0.995,
        evaluate=evaluate_all,
        data_hash=data_hash,
        note="64 numbers to a picture; mirrored and recoloured copies of the training pictures are used as well.",
        half=True,
    ),
}
