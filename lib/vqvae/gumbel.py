"""The other way to a discrete code: a categorical posterior, relaxed by Gumbel noise (the road to DALL·E's dVAE)."""

import math

import torch
from einops import einsum, rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.vae import PIXEL_STD, squared_error
from lib.vqvae.model import Decoder, Encoder


def gumbel_noise(like: Float[Tensor, "..."], generator: torch.Generator | None = None) -> Float[Tensor, "..."]:
    """Draws of −log(−log u), u uniform in (0, 1), in the shape of ``like``: the law of the largest of many draws.

    Source: Jang et al. 2017, arXiv:1611.01144, section 2.
    """
    exponential = torch.empty(like.shape, dtype=like.dtype, device=like.device).exponential_(generator=generator)
    return -exponential.clamp_min(torch.finfo(like.dtype).tiny).log()  # an exponential draw is −log u


def gumbel_softmax(
    logits: Float[Tensor, "... K"],
    temperature: float,
    generator: torch.Generator | None = None,
    *,
    noise: Float[Tensor, "... K"] | None = None,
) -> Float[Tensor, "... K"]:
    """A draw from the categorical distribution with these logits, softened so that gradients pass.

    The largest of (logits + noise) is an exact draw. Softmax at a low temperature is nearly one-hot there; at a high
    one it is smooth, with gentle gradients.

    Args:
        logits: log probabilities, up to a constant.
        temperature: above 0; towards 0 the weights become one-hot.
        generator: source of the noise.
        noise: the Gumbel noise itself instead of a generator.

    Raises:
        ValueError: if ``temperature`` is not positive.

    Source: Jang et al. 2017, arXiv:1611.01144, eqs. 1 and 2; Maddison et al. 2017, arXiv:1611.00712.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    noise = gumbel_noise(logits, generator) if noise is None else noise
    return ((logits + noise) / temperature).softmax(dim=-1)


def kl_to_uniform(logits: Float[Tensor, "B h w K"]) -> Float[Tensor, " B"]:
    """KL between the categorical posterior and the uniform prior, in nats, summed over the grid; at most h·w·log K."""
    log_q = logits.log_softmax(dim=-1)
    return reduce(log_q.exp() * (log_q + math.log(logits.shape[-1])), "b h w k -> b", "sum")


class GumbelVAE(nn.Module):
    """A VAE with a categorical code at each place: the encoder answers with logits, not with a vector.

    Args:
        num_codes: number K of codes.
        code_dim: length of the vector that the decoder gets for a code.
        channels: width after each halving.
        num_blocks: number of residual blocks in each half.
        hidden: width inside a residual block.

    Source: Ramesh et al. 2021, arXiv:2102.12092, section 2.1 (their vectors are the weights of the first convolution).
    """

    def __init__(
        self,
        num_codes: int = 256,
        code_dim: int = 16,
        channels: tuple[int, ...] = (32, 64),
        num_blocks: int = 2,
        hidden: int = 32,
    ):
        super().__init__()
        self.num_codes = num_codes
        self.encoder = Encoder(num_codes, channels, num_blocks, hidden)
        self.codebook = nn.Parameter(torch.randn(num_codes, code_dim) / code_dim**0.5)
        self.decoder = Decoder(code_dim, channels, num_blocks, hidden)

    def logits(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B h w K"]:
        return rearrange(self.encoder(x).to(x.dtype), "b k h w -> b h w k")

    def encode(self, x: Float[Tensor, "B 3 H W"]) -> Int[Tensor, "B h w"]:
        """The most likely index at each place."""
        return self.logits(x).argmax(dim=-1)

    def decode(self, indices: Int[Tensor, "B h w"]) -> Float[Tensor, "B 3 H W"]:
        return self.decoder(rearrange(self.codebook[indices], "b h w d -> b d h w"))

    def forward(
        self, x: Float[Tensor, "B 3 H W"], generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B h w K"]]:
        """Reconstruction from a softened draw, and the logits."""
        logits = self.logits(x)  # (B, h, w, K)
        weights = gumbel_softmax(logits, temperature, generator)
        z = einsum(weights, self.codebook, "b h w k, k d -> b d h w")  # a mixture of codes
        return self.decoder(z), logits


def gumbel_loss(
    model: GumbelVAE,
    x: Float[Tensor, "B 3 H W"],
    generator: torch.Generator | None = None,
    *,
    temperature: float = 1.0,
    kl_weight: float = 1.0,
    pixel_std: float = PIXEL_STD,
) -> Float[Tensor, ""]:
    """The loss of chapter 2 with another posterior: squared error / (2 s²) + kl_weight · KL to the uniform prior, nats.

    It is the bound on −log p(x) only as the temperature goes to 0, because the decoder sees mixtures of codes.

    Raises:
        ValueError: if ``pixel_std`` is not positive or ``kl_weight`` negative.

    Source: Ramesh et al. 2021, arXiv:2102.12092, eq. 1 (their weight is 6.6, their temperature falls to 1/16).
    """
    if not pixel_std > 0 or kl_weight < 0:
        raise ValueError(
            f"pixel_std must be positive and kl_weight not negative, got pixel_std {pixel_std}, kl_weight {kl_weight}"
        )
    x_hat, logits = model(x, generator, temperature)
    return (squared_error(x_hat, x) / (2 * pixel_std**2) + kl_weight * kl_to_uniform(logits)).mean()
