"""The trainings of chapter 3: emoji of 64 pixels as one grid of codes, as two grids, and a prior that draws grids.

python -m lib.train vqvae_emoji64
python -m lib.train vqvae_emoji64_8x8
python -m lib.train vqvae2_emoji64
python -m lib.train vqvae_prior          (needs the checkpoint vqvae_emoji64_8x8)
"""

import functools
import math
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ae.recipe import turned
from lib.data import emoji
from lib.metrics import emoji_features, frechet_distance, frechet_unit, nearest, precision_recall, psnr
from lib.training import Recipe, card, load
from lib.vqvae.loss import vq_loss
from lib.vqvae.model import VQVAE, VQVAE2
from lib.vqvae.prior import CodePrior, prior_loss, sample_codes, uniform_codes
from lib.vqvae.usage import count_codes, entropy_bits, perplexity

TOKENIZER = "vqvae_emoji64_8x8"
"""The VQ-VAE whose codes the prior learns."""

COPY_PSNR = 30.0
"""A sample this near to a training picture, in decibels, counts as a copy of it."""


@functools.cache
def all_pictures() -> Float[Tensor, "N 3 64 64"]:
    """Every training picture at 64 pixels, cut out of the sheets once."""
    return emoji(64).images


def data_hash() -> str:
    """Hash of the emoji files."""
    return emoji(64).hash


def varied(step: int, generator: torch.Generator, batch_size: int = 32) -> Float[Tensor, "B 3 64 64"]:
    """Emoji at random, half of them mirrored, half with other colours, half turned, shifted and zoomed.

    More shapes and colours than the training pictures have, so that the codebook is not made for those alone.
    """
    x = moved(step, generator, batch_size)
    recoloured = rearrange(torch.rand(batch_size, generator=generator) < 0.5, "b -> b 1 1 1")
    channels = torch.rand(batch_size, 3, generator=generator).argsort(dim=1)
    return torch.where(recoloured, x.gather(1, rearrange(channels, "b c -> b c 1 1").expand_as(x)), x)


def moved(step: int, generator: torch.Generator, batch_size: int = 64) -> Float[Tensor, "B 3 64 64"]:
    """Emoji at random, half of them mirrored, half turned, shifted and zoomed; in their own colours."""
    images = all_pictures()
    x = images[torch.randint(len(images), (batch_size,), generator=generator)]
    mirrored, turn = rearrange(torch.rand(2, batch_size, generator=generator) < 0.5, "k b -> k b 1 1 1")
    x = torch.where(mirrored, x.flip(-1), x)
    return torch.where(turn, turned(x, generator), x)


def frechet(pictures: Float[Tensor, "N 3 S S"], images: Float[Tensor, "M 3 S S"]) -> float:
    """Fréchet distance of pictures from real ones, in units of the distance of two halves of the real ones."""
    size = images.shape[-1]
    return frechet_distance(emoji_features(pictures), emoji_features(images)) / frechet_unit(size)


def codes_of(model: nn.Module, images: Float[Tensor, "N 3 S S"]) -> tuple[Int[Tensor, "N _ _"], ...]:
    """The grids of indices of many pictures: one grid for a VQ-VAE, top and bottom for a VQ-VAE-2."""
    with torch.no_grad():
        parts = [model.encode(part) for part in images.split(256)]
    if isinstance(parts[0], Tensor):
        return (torch.cat(parts),)
    return tuple(torch.cat(grids) for grids in zip(*parts, strict=True))


@torch.no_grad()
def decode_all(model: nn.Module, *grids: Int[Tensor, "N _ _"]) -> Float[Tensor, "N 3 S S"]:
    """The pictures of many grids, some at a time, without gradients."""
    return torch.cat([model.decode(*parts) for parts in zip(*(grid.split(256) for grid in grids), strict=True)])


def measure(model: nn.Module, train: Float[Tensor, "N 3 S S"], heldout: Float[Tensor, "M 3 S S"]) -> dict[str, Any]:
    """What a card says of a VQ-VAE: quality of reconstructions, use of each codebook over all pictures, bits."""
    grids = codes_of(model, train)
    rebuilt, rebuilt_heldout = decode_all(model, *grids), decode_all(model, *codes_of(model, heldout))
    numbers: dict[str, Any] = {
        "psnr_train": round(psnr(rebuilt, train).mean().item(), 2),
        "psnr_heldout": round(psnr(rebuilt_heldout, heldout).mean().item(), 2),
        "frechet_reconstructions": round(frechet(rebuilt, train), 3),
        "bits_per_picture": round(sum(grid[0].numel() for grid in grids) * math.log2(model.num_codes), 1),
    }
    for name, grid in zip(("",) if len(grids) == 1 else ("_top", "_bottom"), grids, strict=True):
        counts = count_codes(grid, model.num_codes)
        numbers[f"codes_used{name}"] = int((counts > 0).sum())
        numbers[f"perplexity{name}"] = round(perplexity(counts), 1)
    return numbers


def evaluate(model: nn.Module) -> dict[str, Any]:
    """The card's numbers on all training pictures and all held-out ones."""
    return measure(model, all_pictures(), emoji(64, "heldout").images)


@functools.cache
def tokenizer() -> VQVAE:
    """The VQ-VAE that the prior's codes belong to, loaded once."""
    return load(TOKENIZER)


def code_batch(step: int, generator: torch.Generator, batch_size: int = 64) -> Int[Tensor, "B h w"]:
    """Grids of codes of emoji at random, mirrored or moved; made anew for every update."""
    return codes_of(tokenizer(), moved(step, generator, batch_size))[0]


def bits_needed(model: CodePrior, indices: Int[Tensor, "N h w"]) -> float:
    """Bits that the prior needs for an index, on average."""
    with torch.no_grad():
        parts = [prior_loss(model, part).item() * len(part) for part in indices.split(256)]
    return sum(parts) / len(indices) / math.log(2)


def shuffled(indices: Int[Tensor, "N h w"], generator: torch.Generator) -> Int[Tensor, "N h w"]:
    """The same indices dealt out anew over all places of all grids: right frequencies, no neighbourhood."""
    order = torch.randperm(indices.numel(), generator=generator)
    return indices.flatten()[order].reshape(indices.shape)


def evaluate_prior(model: CodePrior, num: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The card's numbers of the prior: bits for an index, and samples against random codes and against copying."""
    generator = torch.Generator().manual_seed(seed)
    vqvae, train, heldout = tokenizer(), all_pictures(), emoji(64, "heldout").images
    codes, codes_heldout = (codes_of(vqvae, images)[0] for images in (train, heldout))
    grids = {
        "samples": torch.cat([sample_codes(model, min(500, num), generator) for _ in range(max(1, num // 500))]),
        "uniform_codes": uniform_codes(num, vqvae.num_codes, model.grid, generator),
        "shuffled_codes": shuffled(codes[:num], generator),
        "reconstructions": codes[torch.randperm(len(codes), generator=generator)[:num]],
    }
    pictures = {name: decode_all(vqvae, grid) for name, grid in grids.items()}
    numbers = {f"frechet_{name}": frechet(made, train) for name, made in pictures.items()}
    numbers["frechet_heldout"] = frechet(heldout, train)
    reached = precision_recall(emoji_features(train), emoji_features(pictures["samples"]))
    some = pictures["samples"][:500]
    to_nearest = psnr(some, train[nearest(some, train).index[:, 0]])
    numbers |= {
        "bits_train": bits_needed(model, codes),
        "bits_heldout": bits_needed(model, codes_heldout),
        "bits_marginal": entropy_bits(count_codes(codes, vqvae.num_codes)),
        "bits_uniform": math.log2(vqvae.num_codes),
        "precision": reached.precision,
        "recall": reached.recall,
        "psnr_to_nearest": to_nearest.mean().item(),
        "copy_rate": (to_nearest > COPY_PSNR).double().mean().item(),
    }
    return {key: round(value, 3) for key, value in numbers.items()}


def vqvae_recipe(name: str, kind: type[nn.Module], arguments: dict[str, Any], num_steps: int, note: str) -> Recipe:
    """One VQ-VAE of the emoji at 64 pixels; a running codebook needs each batch in one piece."""
    return Recipe(
        name=name,
        build=(kind, arguments),
        loss_fn=vq_loss,
        batch_fn=varied,
        num_steps=num_steps,
        lr=1e-3,
        ema_decay=0.995,
        num_shards=1,
        evaluate=evaluate,
        data_hash=data_hash,
        note=note,
        half=True,
    )


RECIPES = {
    "vqvae_emoji64": vqvae_recipe(
        "vqvae_emoji64",
        VQVAE,
        {"num_codes": 256, "code_dim": 16, "channels": (32, 64), "encoder_channels": (48, 96)},
        12000,
        "64 x 64 pixels as 16 x 16 indices of one byte each; the decoder is small enough for a page.",
    ),
    TOKENIZER: vqvae_recipe(
        TOKENIZER,
        VQVAE,
        {"num_codes": 512, "code_dim": 16, "channels": (48, 96, 128), "hidden": 64},
        12000,
        "64 x 64 pixels as 8 x 8 indices of nine bits each: coarse, and short enough for a small prior.",
    ),
    "vqvae2_emoji64": vqvae_recipe(
        "vqvae2_emoji64",
        VQVAE2,
        {"num_codes": 256, "code_dim": 16, "channels": (48, 96)},
        10000,
        "Two grids: 8 x 8 indices for the whole, 16 x 16 for the detail.",
    ),
    "vqvae_prior": Recipe(
        name="vqvae_prior",
        build=(CodePrior, {"num_codes": 512, "grid": (8, 8), "width": 160, "depth": 5, "num_heads": 5}),
        loss_fn=prior_loss,
        batch_fn=code_batch,
        num_steps=4500,
        lr=1e-3,
        ema_decay=0.999,
        evaluate=evaluate_prior,
        data_hash=lambda: f"{emoji(64).hash}, coded by {TOKENIZER} {card(TOKENIZER)['file_hash']}",
        note=f"Draws 8 x 8 grids of the codes of {TOKENIZER}, one index after another.",
        half=True,
    ),
}
