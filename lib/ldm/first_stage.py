"""The first stages: their pictures, what their cards say, and their recipes.

One autoencoder serves emoji and scenes alike, so both are in every batch. Names say kind and factor: ``ldm_kl_f4``
makes 64 x 64 pixels to a 16 x 16 map.
"""

import functools
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from lib.data import Scenes, emoji, shapes
from lib.ldm.loss import COMMITMENT_WEIGHT, KL_WEIGHT, FirstStage, first_stage_loss
from lib.ldm.perceptual import perceptual_distance
from lib.ldm.scale import decode_all, encode_all, measure_scaling
from lib.metrics import psnr
from lib.training import Recipe
from lib.training.loop import adamw
from lib.vqvae.recipe import all_pictures, data_hash, frechet, moved
from lib.vqvae.usage import count_codes, perplexity

SIZE = 64
NUM_SCENES = 6000
"""Scenes drawn once for the training of first stages; they look alike, and drawing takes time."""

BATCH = 16

NOT_CLIPPED = 1e9
"""A length that no gradient has: clipping would tie the two networks together."""


@functools.cache
def scene_pool(num: int = NUM_SCENES, seed: int = 0) -> UInt8[Tensor, "N 3 64 64"]:
    """Scenes of one to three shapes, without held-out pairs and relations, as bytes."""
    return to_bytes(shapes(num, SIZE, (1, 3), split="train", seed=seed).images)


@functools.cache
def held_out_scenes(num: int = 256) -> Scenes:
    """Scenes of two shapes, one of which has a pair of colour and shape that no training picture shows."""
    return shapes(num, SIZE, 2, split="heldout", seed=1)


def first_stage_batch(step: int, generator: torch.Generator, *, batch_size: int = BATCH) -> Float[Tensor, "B 3 64 64"]:
    """Half emoji, mirrored, turned and shifted at random; half scenes."""
    num_emoji = batch_size // 2
    pool = scene_pool()
    index = torch.randint(len(pool), (batch_size - num_emoji,), generator=generator)
    return torch.cat([moved(step, generator, num_emoji), from_bytes(pool[index])])


def to_bytes(images: Float[Tensor, "N 3 S S"]) -> UInt8[Tensor, "N 3 S S"]:
    """Pictures in [-1, 1] as they would be saved."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


def from_bytes(images: UInt8[Tensor, "N 3 S S"]) -> Float[Tensor, "N 3 S S"]:
    """Saved pictures in [-1, 1]."""
    return images.float() / 127.5 - 1


@torch.no_grad()
def reconstruction_numbers(autoencoder: nn.Module, images: Float[Tensor, "N 3 64 64"]) -> dict[str, float]:
    """How well pictures come back: PSNR in decibels, perceptual distance, Fréchet distance to the pictures themselves.

    The Fréchet distance is in units of that of two halves of the real emoji.
    """
    rebuilt = decode_all(autoencoder, encode_all(autoencoder, images))
    pairs = zip(rebuilt.split(256), images.split(256), strict=True)
    return {
        "psnr": psnr(rebuilt, images).mean().item(),
        "perceptual": torch.cat([perceptual_distance(*pair) for pair in pairs]).mean().item(),
        "frechet": frechet(rebuilt, images),
    }


def latent_numbers(autoencoder: nn.Module, images: Float[Tensor, "N 3 64 64"]) -> dict[str, Any]:
    """What a second stage on these pictures must know of their latents, and what became of the penalty.

    ``scale`` and ``shift`` are those of `lib.ldm.scale.Scaling`. ``noise_std`` is the spread that a KL encoder adds,
    in units of that of the means; ``codes_used`` and ``perplexity`` tell of a codebook.
    """
    z = encode_all(autoencoder, images)
    scaling = measure_scaling(z)
    numbers: dict[str, Any] = {
        "scale": round(scaling.scale, 6),
        "shift": [round(value, 6) for value in scaling.shift],
        "scale_without_shift": round(measure_scaling(z, centre=False).scale, 6),
        "latent_numbers": z[0].numel(),
    }
    if hasattr(autoencoder, "quantize"):
        with torch.no_grad():
            codes = torch.cat([autoencoder.quantize.indices(part) for part in z.split(256)])
        counts = count_codes(codes, autoencoder.quantize.num_codes)
        return numbers | {"codes_used": int((counts > 0).sum()), "perplexity": round(perplexity(counts), 1)}
    with torch.no_grad():
        logvar = torch.cat([autoencoder.encode(part)[1] for part in images[:256].split(64)])
    return numbers | {"noise_std": round((0.5 * logvar).exp().mean().item() * scaling.scale, 5)}


def evaluate_first_stage(model: FirstStage, every: int = 1) -> dict[str, Any]:
    """The card's numbers: reconstructions of emoji seen and held out and of held-out scenes, and the latents."""
    sets = {
        "train": all_pictures()[::every],
        "heldout": emoji(SIZE, "heldout").images[::every],
        "scenes": held_out_scenes().images,
    }
    numbers = {
        f"{key}_{name}": round(value, 4)
        for name, images in sets.items()
        for key, value in reconstruction_numbers(model.autoencoder, images).items()
    }
    for name, images in (("emoji", sets["train"][::4]), ("scenes", from_bytes(scene_pool()[:800]))):
        of_data = latent_numbers(model.autoencoder, images)
        numbers |= {f"{key}_{name}": value for key, value in of_data.items()}
    return numbers


def first_stage(name: str, num_steps: int, note: str, **arguments: Any) -> Recipe:
    """The recipe of one first stage; the critic begins after two fifths of the steps.

    The optimiser's momentum is 0.5, as is usual where two networks work against each other; gradients are not clipped.
    """
    penalty_weight = COMMITMENT_WEIGHT if arguments.get("kind") == "vq" else KL_WEIGHT
    return Recipe(
        name=name,
        build=(FirstStage, {"start": 2 * num_steps // 5} | arguments),
        loss_fn=partial(first_stage_loss, penalty_weight=penalty_weight),
        batch_fn=first_stage_batch,
        num_steps=num_steps,
        lr=1e-3,
        optimizer=partial(adamw, betas=(0.5, 0.9)),
        max_grad_norm=NOT_CLIPPED,
        ema_decay=0.995,
        num_shards=1,
        evaluate=evaluate_first_stage,
        data_hash=lambda: f"{data_hash()}, and drawn by lib.data.shapes",
        note=note,
        half=True,
    )


FIRST_STAGES = {
    recipe.name: recipe
    for recipe in (
        first_stage(
            "ldm_kl_f2", 3500, "64 x 64 pixels as 32 x 32 places of two numbers.",
            multipliers=(1, 2), latent_channels=2,
        ),
        first_stage(
            "ldm_kl_f4", 5000, "64 x 64 pixels as 16 x 16 places of four numbers.",
            multipliers=(1, 2, 2), latent_channels=4,
        ),
        first_stage(
            "ldm_kl_f8", 5000, "64 x 64 pixels as 8 x 8 places of four numbers, as Stable Diffusion makes 64 of 512.",
            multipliers=(1, 2, 2, 2), latent_channels=4,
        ),
        first_stage(
            "ldm_vq_f4", 5000, "64 x 64 pixels as 16 x 16 places of four numbers, rounded to 512 codes.",
            kind="vq", multipliers=(1, 2, 2), latent_channels=4, num_codes=512,
        ),
        first_stage(
            "ldm_kl_f4_no_gan", 5000, "As ldm_kl_f4, without the critic: what it is for.",
            multipliers=(1, 2, 2), latent_channels=4, critic_channels=0,
        ),
    )
}  # fmt: skip
"""From 0.6 seconds of one core an update, of 16 pictures (0.9 for f = 2)."""
