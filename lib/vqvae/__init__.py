"""Chapter 3: the vector-quantised autoencoder.

van den Oord, Vinyals & Kavukcuoglu 2017, "Neural discrete representation learning", arXiv:1711.00937.
Razavi, van den Oord & Vinyals 2019, "Generating diverse high-fidelity images with VQ-VAE-2", arXiv:1906.00446.

| in the text | here |
|---|---|
| k = argmin ‖z_e − e_k‖, z_q = e_k | `nearest_code`, `Quantizer.embed` |
| gradient of z_q copied to z_e | `straight_through` |
| −log p(x given z_q) + ‖sg[z_e] − e‖² + β ‖z_e − sg[e]‖² | `vq_loss`, `vq_terms` |
| the codebook as a weight; as a running mean; with restarts | `VectorQuantizer`, `EMAQuantizer`, `RestartQuantizer` |
| how many codes are in use | `count_codes` over an epoch, then `perplexity`, `entropy_bits` |
| what a grid of indices costs | `code_nats`, `negative_bound` |
| one grid, two grids | `VQVAE`, `VQVAE2` |
| p(k) = product of p(k_i given those before), sampled with a cache | `CodePrior`, `prior_loss`, `sample_codes` |
| a categorical posterior, softened | `GumbelVAE`, `gumbel_softmax`, `gumbel_loss` |
| every step from the nearest code to the relaxation | `lib.vqvae.derivation` |
"""

from .gumbel import GumbelVAE, gumbel_loss, gumbel_noise, gumbel_softmax, kl_to_uniform
from .loss import (
    COMMITMENT_WEIGHT,
    PIXEL_VARIANCE,
    VQTerms,
    code_nats,
    negative_bound,
    vq_loss,
    vq_terms,
)
from .model import VQVAE, VQVAE2, Decoder, Encoder, ResidualBlock, VQOutput
from .prior import CodePrior, prior_loss, sample_codes, uniform_codes
from .quantizer import (
    QUANTIZERS,
    EMAQuantizer,
    Quantized,
    Quantizer,
    RestartQuantizer,
    VectorQuantizer,
    nearest_code,
    straight_through,
)
from .usage import count_codes, entropy_bits, perplexity

__all__ = [
    "COMMITMENT_WEIGHT",
    "PIXEL_VARIANCE",
    "QUANTIZERS",
    "VQVAE",
    "CodePrior",
    "VQVAE2",
    "Decoder",
    "EMAQuantizer",
    "Encoder",
    "GumbelVAE",
    "Quantized",
    "Quantizer",
    "ResidualBlock",
    "RestartQuantizer",
    "VQOutput",
    "VQTerms",
    "VectorQuantizer",
    "code_nats",
    "count_codes",
    "entropy_bits",
    "gumbel_loss",
    "gumbel_noise",
    "gumbel_softmax",
    "kl_to_uniform",
    "nearest_code",
    "negative_bound",
    "perplexity",
    "prior_loss",
    "sample_codes",
    "straight_through",
    "uniform_codes",
    "vq_loss",
    "vq_terms",
]
