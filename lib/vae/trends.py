"""The two measured trends of chapter 2.

python -m lib.trends vae_random_codes
python -m lib.trends vae_rate_distortion
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lib.ae import AutoEncoder, autoencoder_loss, fit_gaussian, in_chunks, sample_gaussian
from lib.ae.recipe import all_pictures
from lib.ae.trends import nearest_psnr
from lib.data import emoji
from lib.metrics import emoji_features, frechet_distance, frechet_unit, precision_recall
from lib.training import Recipe, cells, train
from lib.vae.loss import elbo_loss
from lib.vae.recipe import RECIPES, measure

SHORT = 1000
"""Updates of each model, a fraction of the shipped model's, so that many can be trained."""

SMALLER = {"latent_dim": 32, "channels": (8, 16, 32, 64), "hidden": 128}
"""The model of `rate_distortion`, trained once for each weight and seed."""

WEIGHTS = (1.0, 8.0, 64.0, 512.0, 4096.0)


def contestants() -> dict[str, Recipe]:
    """Autoencoder and VAE of the same sizes, on the same pictures, for the same number of updates."""
    vae = replace(RECIPES["vae_64d"], num_steps=SHORT)
    return {"AE": replace(vae, build=(AutoEncoder, vae.build[1]), loss_fn=autoencoder_loss), "VAE": vae}


def codes_of(model: nn.Module, images: Tensor) -> Tensor:
    """The codes that training pictures get; of a VAE, the means."""
    return in_chunks(model.encoder, images)[:, : model.latent_dim]


def measure_random_codes(recipe: Recipe, seed: int) -> dict[str, Any]:
    """Train one model, decode codes from three sources, and compare what comes out with the training pictures."""
    images, real = all_pictures(), emoji_features(all_pictures())
    model = train(recipe, seed=seed).eval()
    codes = codes_of(model, images)
    generator = torch.Generator().manual_seed(seed)
    mean, cov = fit_gaussian(codes.double())
    sources = {
        "reconstructions": codes,
        "N(0, I)": torch.randn(codes.shape, generator=generator),
        "Gaussian fitted to the codes": sample_gaussian(mean, cov, len(codes), generator).float(),
    }
    return {"unit": frechet_unit()} | {name: compare(model, z, images, real) for name, z in sources.items()}


def compare(model: nn.Module, z: Tensor, images: Tensor, real: Tensor) -> dict[str, float]:
    """Fréchet distance (in units), precision and recall of decoded codes; PSNR to the nearest training picture."""
    pictures = in_chunks(model.decoder, z)
    features = emoji_features(pictures)
    precision, recall = precision_recall(real, features)
    return {
        "frechet": frechet_distance(features, real) / frechet_unit(),
        "precision": precision,
        "recall": recall,
        "psnr_to_nearest": nearest_psnr(pictures, images),
    }


def random_codes(seeds: list[int]) -> dict[str, Any]:
    """Fréchet distance of decoded random codes against that of reconstructions, for an autoencoder and a VAE."""
    return {
        "rows": cells("vae_random_codes", contestants(), seeds, measure_random_codes),
        "paper": "Ghosh et al. 2020 (arXiv:1903.12436), section 5: samples of an unregularised autoencoder are much "
        "worse than its reconstructions; a VAE reconstructs worse, and its samples are closer to its reconstructions.",
        "confound": f"The features come from a small network trained on these emoji; {SHORT} updates; a VAE's ratio is "
        "near 1 also because its reconstructions are blurred: read the ratio beside the distances.",
    }


def weighted(kl_weight: float) -> Recipe:
    """A short recipe with one weight of the rate."""
    return replace(
        RECIPES["vae_64d"],
        build=(RECIPES["vae_64d"].build[0], SMALLER),
        loss_fn=partial(elbo_loss, kl_weight=kl_weight),
        num_steps=SHORT,
    )


def measure_rate_distortion(kl_weight: float, seed: int) -> dict[str, float]:
    """Train with one weight; the numbers of a VAE's card."""
    model = train(weighted(kl_weight), seed=seed).eval()
    return measure(model, all_pictures(), emoji(32, "heldout").images, seed)


def rate_distortion(seeds: list[int]) -> dict[str, Any]:
    """Rate, distortion, quality and use of the code over the weight of the rate."""
    settings = {f"{weight:g}": weight for weight in WEIGHTS}
    return {
        "rows": cells("vae_rate_distortion", settings, seeds, measure_rate_distortion),
        "paper": "Alemi et al. 2018 (arXiv:1711.00464), figure 3: the weight moves a model along a curve from low "
        "distortion at high rate to rate zero; Higgins et al. 2017, section 4: a larger weight costs reconstruction.",
        "confound": f"A model smaller than the shipped one and {SHORT} updates; distortion and bits at pixel_std 0.2 "
        "for every weight; information cannot exceed the logarithm of the number of pictures.",
    }


TRENDS = {"vae_random_codes": random_codes, "vae_rate_distortion": rate_distortion}
