"""The trainings of chapter 2: four maps with two numbers to a picture, a good VAE with 64, and one that is told what.

python -m lib.train vae_2d_kl_medium
python -m lib.train vae_64d
python -m lib.train cvae_shapes
"""

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.ae.recipe import all_pictures, data_hash, map_pictures, turned
from lib.data import COLOURS, emoji, shapes
from lib.data.shape_sample import PAIR_IS_HELD_OUT
from lib.metrics import emoji_features, frechet_distance, frechet_unit, psnr, read_scene
from lib.training import Recipe
from lib.vae.conditional import ConditionalVAE, conditional_elbo_loss, shape_condition
from lib.vae.diagnostics import active_units, aggregate_posterior_gap, encode_all, reconstruct
from lib.vae.loss import (
    bits_per_dim,
    elbo_loss,
    elbo_terms,
    kl_to_standard_normal,
    log_likelihood_constant,
)
from lib.vae.model import VAE

KL_WEIGHTS = {"low": 1.0, "medium": 25.0, "high": 1000.0, "collapse": 6000.0}
"""Weights of the rate for the two-dimensional maps."""

SAMPLE_WEIGHT = 16.0
"""Weight of the rate of `vae_64d`. The ELBO itself, weight 1, has the better likelihood and the worse samples: it pays
for codes far from the prior (see the trend `vae_rate_distortion`). Weight 16 is the ELBO of pixel_std 0.8."""


def bits(model: nn.Module, images: Float[Tensor, "N 3 S S"], seed: int = 0) -> dict[str, float]:
    """Mean distortion and rate in nats with one draw for each picture, and the bits per colour value of both."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        terms = [torch.stack(elbo_terms(model, part, generator)) for part in images.split(256)]
    distortion, rate = torch.cat(terms, dim=1).mean(dim=1).tolist()
    num_values = images[0].numel()
    nats = distortion + rate + log_likelihood_constant(num_values)
    return {"distortion": distortion, "rate": rate, "bits_per_dim": bits_per_dim(nats, num_values)}


def frechet(pictures: Float[Tensor, "N 3 S S"], images: Float[Tensor, "M 3 S S"]) -> float:
    """Fréchet distance of pictures from real ones, in units of the distance of two halves of the real ones."""
    return frechet_distance(emoji_features(pictures), emoji_features(images)) / frechet_unit()


def measure(model: VAE, train: Tensor, heldout: Tensor, seed: int = 0) -> dict[str, float]:
    """All that the card of a VAE of emoji says; Fréchet distances are from the training pictures."""
    generator = torch.Generator().manual_seed(seed)
    rebuilt = reconstruct(model, train)
    mu, logvar = encode_all(model, train)
    gap = aggregate_posterior_gap(mu, logvar, generator)
    numbers: dict[str, Any] = {
        "psnr_train": psnr(rebuilt, train).mean().item(),
        "psnr_heldout": psnr(reconstruct(model, heldout), heldout).mean().item(),
        "frechet_reconstructions": frechet(rebuilt, train),
        "frechet_samples": frechet(model.sample(len(train), generator), train),
        "rmse_of_means": (rebuilt - train).square().mean().sqrt().item(),
        "information": gap.information,
        "aggregate_gap": gap.gap,
    }
    numbers |= {f"{key}_train": value for key, value in bits(model, train, seed).items()}
    numbers |= {f"{key}_heldout": value for key, value in bits(model, heldout, seed).items()}
    return {key: round(value, 3) for key, value in numbers.items()} | {
        "active_units": int(active_units(mu).sum()),
        "num_units": model.latent_dim,
    }


def evaluate_map(model: VAE) -> dict[str, float]:
    """The card's numbers on the pictures of the map."""
    return measure(model, map_pictures().images, map_pictures("heldout").images)


def evaluate_all(model: VAE) -> dict[str, float]:
    """The card's numbers on all pictures."""
    return measure(model, all_pictures(), emoji(32, "heldout").images)


def moved(step: int, generator: torch.Generator, batch_size: int = 64) -> Float[Tensor, "B 3 32 32"]:
    """Emoji at random, half of them mirrored, half turned, shifted and zoomed, as for the autoencoder of chapter 1.

    The colours stay: a sample is judged by whether it could be an emoji, and blue faces could not.
    """
    images = all_pictures()
    x = images[torch.randint(len(images), (batch_size,), generator=generator)]
    mirrored, turn = torch.rand(2, batch_size, 1, 1, 1, generator=generator) < 0.5
    x = torch.where(mirrored, x.flip(-1), x)
    return torch.where(turn, turned(x, generator), x)


def one_shape(
    step: int, generator: torch.Generator, batch_size: int = 64
) -> tuple[Float[Tensor, "B 3 32 32"], Float[Tensor, "B K"]]:
    """Fresh scenes with one shape each, and their conditions; pairs of `HELD_OUT_PAIRS` never occur."""
    scenes = shapes(batch_size, num_objects=1, generator=generator)
    return scenes.images, shape_condition(scenes.class_idx[:, 0], scenes.colour_idx[:, 0])


def evaluate_shapes(model: ConditionalVAE, num: int = 1080, seed: int = 0) -> dict[str, float]:
    """How far samples obey their conditions, read from the pictures; seen pairs of class and colour, and held-out ones.

    ``num`` pictures, evenly over all 36 pairs. Size and place, which the condition leaves open, must still vary.
    """
    generator = torch.Generator().manual_seed(seed)
    pair = torch.arange(num) % PAIR_IS_HELD_OUT.numel()
    class_idx, colour_idx = pair // len(COLOURS), pair % len(COLOURS)
    reading = read_scene(model.sample(shape_condition(class_idx, colour_idx), generator), num_objects=1)
    class_right, colour_right = reading.class_idx[:, 0] == class_idx, reading.colour_idx[:, 0] == colour_idx
    held_out = PAIR_IS_HELD_OUT[class_idx, colour_idx]
    truth = shapes(500, num_objects=1, seed=seed + 1)
    x, condition = truth.images, shape_condition(truth.class_idx[:, 0], truth.colour_idx[:, 0])
    with torch.no_grad():
        mu, logvar = model.encode(x, condition)
        rebuilt = model.decode(mu, condition)
    numbers = {
        "found": reading.found[:, 0].double().mean(),
        "class_right": class_right[~held_out].double().mean(),
        "colour_right": colour_right[~held_out].double().mean(),
        "class_right_held_out_pairs": class_right[held_out].double().mean(),
        "colour_right_held_out_pairs": colour_right[held_out].double().mean(),
        "confidence": reading.confidence.mean(),
        "large_share": reading.size_idx.double().mean(),
        "centre_std": reading.centre.std(dim=0).mean(),
        "true_centre_std": truth.centre.std(dim=0).mean(),
        "psnr": psnr(rebuilt, x).mean(),
        "rate": kl_to_standard_normal(mu, logvar).mean(),
        "active_units": active_units(mu).sum(),
    }
    return {key: round(value.item(), 4) for key, value in numbers.items()}


def map_recipe(label: str) -> Recipe:
    """A map of the emoji with one weight of the rate; everything else is that of the autoencoder's map."""
    return Recipe(
        name=f"vae_2d_kl_{label}",
        build=(VAE, {"latent_dim": 2, "channels": (8, 16, 24, 32), "hidden": 96}),
        loss_fn=partial(elbo_loss, kl_weight=KL_WEIGHTS[label]),
        data=lambda: map_pictures().images,
        batch_size=128,
        num_steps=2000,
        lr=3e-3,
        ema_decay=0.995,
        evaluate=evaluate_map,
        data_hash=data_hash,
        note=f"Two numbers to a picture, rate weighted with {KL_WEIGHTS[label]:g}.",
        half=True,
    )


RECIPES = {f"vae_2d_kl_{label}": map_recipe(label) for label in KL_WEIGHTS} | {
    "vae_64d": Recipe(
        name="vae_64d",
        build=(VAE, {"latent_dim": 64, "channels": (16, 32, 64, 128), "hidden": 256}),
        loss_fn=partial(elbo_loss, kl_weight=SAMPLE_WEIGHT),
        batch_fn=moved,
        num_steps=8000,
        lr=2e-3,
        ema_decay=0.995,
        evaluate=evaluate_all,
        data_hash=data_hash,
        note="64 numbers to a picture; mirrored and turned pictures are used as well.",
        half=True,
    ),
    "cvae_shapes": Recipe(
        name="cvae_shapes",
        build=(ConditionalVAE, {"latent_dim": 3, "channels": (16, 32, 64, 96), "hidden": 256}),
        loss_fn=partial(conditional_elbo_loss, kl_weight=40.0),
        batch_fn=one_shape,
        num_steps=4000,
        lr=2e-3,
        ema_decay=0.995,
        evaluate=evaluate_shapes,
        data_hash="drawn by lib.data.shapes",
        note="One shape; class and colour are told, place and size are left to the three numbers of the code.",
        half=True,
    ),
}
