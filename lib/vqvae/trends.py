"""The two measured trends of chapter 3.

python -m lib.trends vqvae_codebook_use
python -m lib.trends vqvae_bits
"""

import functools
import math
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.data import emoji
from lib.metrics import psnr
from lib.training import Recipe, cells, train
from lib.vae import VAE, bits_per_dim, elbo_loss, kl_to_standard_normal, reparameterize
from lib.vqvae.loss import code_nats, negative_bound, vq_loss
from lib.vqvae.model import VQVAE
from lib.vqvae.prior import CodePrior, prior_loss
from lib.vqvae.quantizer import QUANTIZERS
from lib.vqvae.recipe import bits_needed, codes_of, decode_all
from lib.vqvae.usage import count_codes, perplexity

WIDTHS = (2, 8, 32, 256)
"""Lengths of a code."""

NUM_CODES = 256
USE_STEPS, BITS_STEPS, PRIOR_STEPS = 800, 1500, 600
"""Updates of each model: few, so that dozens can be trained."""


@functools.cache
def pictures(split: str = "train") -> Float[Tensor, "N 3 32 32"]:
    """The pictures of both trends: 32 pixels, without variations."""
    return emoji(32, split).images


def short(name: str, kind: type[nn.Module], arguments: dict[str, Any], loss: Any, num_steps: int) -> Recipe:
    """A short training on the plain pictures; batches of 32 in one piece."""
    return Recipe(
        name=name,
        build=(kind, arguments),
        loss_fn=loss,
        data=pictures,
        batch_size=32,
        num_steps=num_steps,
        lr=1e-3,
        num_shards=1,
    )


def vqvae_with(code_dim: int, update: str, num_steps: int) -> Recipe:
    """32 x 32 pixels to 8 x 8 indices; only the code's length and the update rule are varied."""
    arguments = {"num_codes": NUM_CODES, "code_dim": code_dim, "channels": (32, 64), "update": update}
    return short(f"vqvae_{update}_{code_dim}", VQVAE, arguments, vq_loss, num_steps)


def measure_use(setting: tuple[int, str], seed: int) -> dict[str, float]:
    """Train one VQ-VAE; count its codes over an epoch, and in one batch for contrast."""
    model = train(vqvae_with(*setting, USE_STEPS), seed=seed)
    codes, codes_heldout = (codes_of(model, pictures(split))[0] for split in ("train", "heldout"))
    counts = count_codes(codes, NUM_CODES)
    batch = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))[:32]]
    quality = psnr(decode_all(model, codes_heldout), pictures("heldout")).mean().item()
    return {
        "used": int((counts > 0).sum()) / NUM_CODES,
        "perplexity": perplexity(counts),
        "perplexity_of_a_batch": perplexity(count_codes(batch, NUM_CODES)),
        "psnr_heldout": quality,
    }


def codebook_use(seeds: list[int]) -> dict[str, Any]:
    """Share of codes in use and perplexity over an epoch, for short and long codes and three update rules."""
    settings = {f"{update}, {width}": (width, update) for update in QUANTIZERS for width in WIDTHS}
    rows = cells("vqvae_codebook_use", settings, seeds, measure_use)
    return {
        "rows": rows,
        "paper": "A comparison of tokenizers in the FVQ paper: with 16,384 codes of 256 numbers, VQGAN uses 5.9 % and "
        "LlamaGen 0.29 % of them; with 100,000 codes of 8 numbers, VQGAN-LC uses 99 %. Short codes are used, long ones "
        "die.",
        "confound": f"{USE_STEPS} updates and {NUM_CODES} codes here; the codebook that learns by gradient and the one "
        "that is a running mean begin as small numbers around zero, the one with restarts among the vectors of the "
        "first batch. The models of the paper's table differ in more than the length of a code: the short ones also "
        "normalise it.",
    }


def cross_entropy_bits(codes: Int[Tensor, "N h w"], counts: Int[Tensor, " K"]) -> float:
    """Bits for an index by the frequencies that were counted on other pictures, one added to each count."""
    share = (counts.double() + 1) / (counts.sum() + len(counts))
    return -share.log2()[codes].mean().item()


def mean_error(x_hat: Tensor, x: Tensor) -> float:
    """‖x − x̂‖² summed over a picture, mean over the pictures."""
    return (x_hat - x).double().square().flatten(1).sum(1).mean().item()


def bits(error: float, pixel_std: float, nats_of_code: float) -> float:
    """Bits per colour value from the bound, for pictures of 32 pixels."""
    num_values = pictures()[0].numel()
    return bits_per_dim(negative_bound(error, num_values, pixel_std, nats_of_code), num_values)


def measure_vae(seed: int) -> dict[str, float]:
    """A VAE with 64 numbers: error with drawn codes, and KL."""
    model = train(
        short("vae_bits", VAE, {"latent_dim": 64, "channels": (16, 32, 64, 128)}, elbo_loss, BITS_STEPS), seed=seed
    )
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for split in ("train", "heldout"):
        errors, rates = [], []
        with torch.no_grad():
            for x in pictures(split).split(256):
                mu, logvar = model.encode(x)
                errors.append(mean_error(model.decode(reparameterize(mu, logvar, generator)), x) * len(x))
                rates.append(kl_to_standard_normal(mu, logvar).sum().item())
        found[split] = (sum(errors) / len(pictures(split)), sum(rates) / len(pictures(split)))
    pixel_std = math.sqrt(found["train"][0] / pictures()[0].numel())
    error, rate = found["heldout"]
    return {
        "pixel_std": pixel_std,
        "code_bits": rate / math.log(2),
        "picture_bits": bits(error, pixel_std, 0.0),
        "bits": bits(error, pixel_std, rate),
    }


def measure_vqvae(seed: int) -> dict[str, float]:
    """A VQ-VAE with 8 x 8 indices, paid for by three priors: uniform, counted frequencies, a small transformer."""
    model = train(vqvae_with(16, "ema_restart", BITS_STEPS), seed=seed)
    codes, codes_heldout = (codes_of(model, pictures(split))[0] for split in ("train", "heldout"))
    arguments = {"num_codes": NUM_CODES, "grid": tuple(codes.shape[1:]), "width": 96, "depth": 3}
    recipe = short("vqvae_bits_prior", CodePrior, arguments, prior_loss, PRIOR_STEPS)
    prior = train(_on(recipe, codes), seed=seed)
    error_train = mean_error(decode_all(model, codes), pictures())
    error = mean_error(decode_all(model, codes_heldout), pictures("heldout"))
    pixel_std, places = math.sqrt(error_train / pictures()[0].numel()), codes[0].numel()
    per_code = {
        "uniform": math.log2(NUM_CODES),
        "counted": cross_entropy_bits(codes_heldout, count_codes(codes, NUM_CODES)),
        "transformer": bits_needed(prior, codes_heldout),
    }
    result = {"pixel_std": pixel_std, "picture_bits": bits(error, pixel_std, 0.0)}
    for name, value in per_code.items():
        result[f"code_bits_{name}"] = places * value
        result[f"bits_{name}"] = bits(error, pixel_std, code_nats(places, value))
    return result


def measure_bits(kind: str, seed: int) -> dict[str, float]:
    """The bound of a "vae" or a "vqvae"."""
    return measure_vae(seed) if kind == "vae" else measure_vqvae(seed)


def _on(recipe: Recipe, data: Tensor) -> Recipe:
    """The same recipe on other data."""
    return replace(recipe, data=lambda: data)


def vae_and_vqvae_bits(seeds: list[int]) -> dict[str, Any]:
    """Bits per colour value of held-out pictures, as bounded by a VAE and by a VQ-VAE with three priors."""
    settings = {"VAE, 64 numbers": "vae", "VQ-VAE, 8 x 8 indices": "vqvae"}
    rows = cells("vqvae_bits", settings, seeds, measure_bits)
    return {
        "rows": rows,
        "paper": "van den Oord et al. 2017, section 4.1, CIFAR-10: VAE 4.51 bits per dimension, VQ-VAE 4.67, VIMCO "
        "5.14. All are bounds.",
        "confound": f"{BITS_STEPS} updates; a Gaussian decoder with one spread, fitted on the training pictures; the "
        "VAE was trained with a spread of its own. The VAE's bound averages over drawn codes; the VQ-VAE's keeps one "
        "term of a sum, and gets tighter with a better prior.",
    }


TRENDS = {"vqvae_codebook_use": codebook_use, "vqvae_bits": vae_and_vqvae_bits}
