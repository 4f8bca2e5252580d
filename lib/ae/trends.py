"""The two measured trends of chapter 1.

python -m lib.trends ae_random_codes
python -m lib.trends ae_code_size
"""

import functools
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lib.ae.codes import fit_gaussian, in_chunks, sample_gaussian, sample_kde
from lib.ae.pca import PrincipalComponents, pca
from lib.ae.recipe import RECIPES, all_pictures, quality
from lib.data import emoji
from lib.metrics import emoji_features, frechet_distance, frechet_unit, nearest, psnr
from lib.training import Recipe, cells, train

SHORT = 1500
"""Updates of each model of `random_codes`, an eighth of the shipped model's, so that several can be trained."""

CODE_SIZES = (2, 8, 32, 128)
BANDWIDTHS = (0.0, 0.1, 0.2, 0.4)


def with_code(latent_dim: int) -> Recipe:
    """A short recipe for any length of code, on the plain pictures: PCA and autoencoder see the same ones."""
    kind, arguments = RECIPES["ae_64d"].build
    changes = {"data": all_pictures, "batch_size": 32, "batch_fn": None, "num_steps": 2400}
    return replace(RECIPES["ae_64d"], build=(kind, {**arguments, "latent_dim": latent_dim}), **changes)


def draws(codes: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """As many random codes as there are codes, drawn in each of the ways that are compared."""
    num, dim = codes.shape
    mean, cov = fit_gaussian(codes.double())
    ways = {
        "N(0, I)": torch.randn(num, dim, generator=generator),
        "Gaussian fitted to the codes": sample_gaussian(mean, cov, num, generator).float(),
    }
    return ways | {f"kernels, bandwidth {h:g}": sample_kde(codes, h, num, generator) for h in BANDWIDTHS}


def measure_random_codes(_: None, seed: int) -> dict[str, Any]:
    """Train one autoencoder, draw codes in each way, and compare what is decoded with the training pictures."""
    images = all_pictures()
    model = train(replace(RECIPES["ae_64d"], num_steps=SHORT), seed=seed).eval()
    codes = in_chunks(model.encoder, images)
    generator = torch.Generator().manual_seed(seed)
    real = emoji_features(images)
    unit = frechet_unit()
    decoded = {"reconstructions": codes} | draws(codes, generator)
    result: dict[str, Any] = {"unit": unit}
    for name, z in decoded.items():
        pictures = in_chunks(model.decoder, z)
        result[name] = {
            "frechet": frechet_distance(emoji_features(pictures), real) / unit,
            "psnr_to_nearest": nearest_psnr(pictures, images),
        }
    return result


def nearest_psnr(pictures: Tensor, images: Tensor, most: int = 1000) -> float:
    """Mean PSNR between each picture and the training picture nearest to it: high means copied.

    Of more than ``most`` pictures only so many are looked at, chosen at random with a fixed seed. The first ones would
    not do: emoji are sorted by subject, and the first are all faces, which are easy.
    """
    chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[:most]
    pictures = pictures[chosen]
    found = nearest(pictures, images).index[:, 0]
    return psnr(pictures, images[found]).mean().item()


def random_codes(seeds: list[int]) -> dict[str, Any]:
    """Fréchet distance of decoded random codes against that of reconstructions, in units of two halves of the data."""
    rows = cells("ae_random_codes", {"64-d": None}, seeds, measure_random_codes)
    return {
        "rows": rows,
        "paper": "Ghosh et al. 2020 (arXiv:1903.12436), section 5: samples of an unregularised autoencoder are much "
        "worse than its reconstructions, and a density fitted to the codes afterwards closes part of the gap.",
        "confound": "The features come from a small network trained on these emoji, not from Inception; models are "
        f"trained for {SHORT} updates; nearness to training pictures counts as quality in a Fréchet distance.",
    }


@functools.cache
def principal_components() -> PrincipalComponents:
    """Components of the training pictures for the longest code; shorter codes use the first of them."""
    return pca(all_pictures().flatten(1), max(CODE_SIZES))


def measure_code_size(latent_dim: int, seed: int) -> dict[str, float]:
    """PSNR of an autoencoder and of PCA with the same number of values, on training and held-out pictures."""
    sets = {split: emoji(32, split).images for split in ("train", "heldout")}
    result = quality(train(with_code(latent_dim), seed=seed).eval(), sets)
    best = principal_components()
    fitted = PrincipalComponents(best.mean, best.components[:latent_dim], best.variances[:latent_dim])
    for split, images in sets.items():
        flat = images.flatten(1)
        flat_hat = fitted.reconstruct(flat).clamp(-1, 1)  # PCA may leave the range of pictures; a picture may not
        result[f"pca_psnr_{split}"] = round(psnr(flat_hat, flat).mean().item(), 2)
    return result


def code_size(seeds: list[int]) -> dict[str, Any]:
    """PSNR over the length of the code, for the convolutional autoencoder and for PCA."""
    rows = cells("ae_code_size", {str(dim): dim for dim in CODE_SIZES}, seeds, measure_code_size)
    return {
        "rows": rows,
        "paper": "Hinton & Salakhutdinov 2006 (Science 313, 504): a nonlinear autoencoder reconstructs better than PCA "
        "with as many components, most clearly for short codes.",
        "confound": "2,400 updates of 32 pictures for every length; long codes would gain most from longer training.",
    }


TRENDS = {"ae_random_codes": random_codes, "ae_code_size": code_size}
