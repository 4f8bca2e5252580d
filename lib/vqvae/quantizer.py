"""The quantiser: the nearest entry of a codebook in place of each vector, and three ways to keep the codebook good.

The three classes differ in one thing, how the codebook learns: by gradient (`VectorQuantizer`), as a running mean of
the vectors that chose each code (`EMAQuantizer`), and the same with a new start for codes that nobody chooses
(`RestartQuantizer`).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn


def nearest_code(z_e: Float[Tensor, "N D"], codebook: Float[Tensor, "K _"]) -> Int[Tensor, " N"]:
    """Index of the codebook entry at the smallest Euclidean distance from each vector; of equals, the lowest index.

    ‖z − e‖² = ‖z‖² − 2 z·e + ‖e‖², and ‖z‖² is the same for all codes, so one matrix product is enough. Squared
    distances that differ by less than its rounding (1e-6 of the squared lengths in float32) count as equal. The product
    is never taken in bfloat16, which would confuse neighbouring codes.

    Raises:
        ValueError: if the vectors and the codes differ in length, or there is no code.

    Source: van den Oord et al. 2017, arXiv:1711.00937, eq. 1.
    """
    if len(codebook) == 0 or z_e.shape[1] != codebook.shape[1]:
        raise ValueError(
            f"codebook must hold at least one code as long as the vectors, {z_e.shape[1]} numbers; "
            f"got shape {tuple(codebook.shape)}"
        )
    z_e = z_e.to(codebook.dtype)
    z_square, code_square = z_e.square().sum(dim=1, keepdim=True), codebook.square().sum(dim=1)
    with torch.autocast(z_e.device.type, enabled=False):
        score = code_square - 2 * z_e @ codebook.T  # (N, K), squared distance less ‖z‖²
    rounding = 4 * torch.finfo(codebook.dtype).eps * (z_square + code_square.max())
    is_nearest = score <= score.amin(dim=1, keepdim=True) + rounding
    return is_nearest.byte().argmax(dim=1)  # of equals, argmax takes the first


def straight_through(z_e: Float[Tensor, "..."], z_q: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The values of ``z_q`` with the gradient of ``z_e``: what flows back to z_q is copied to z_e unchanged.

    Choosing the nearest code has slope zero almost everywhere, so its true gradient would teach the encoder nothing.
    The codebook receives no gradient through this function.

    Raises:
        ValueError: if the shapes differ.

    Source: Bengio et al. 2013, arXiv:1308.3432, section 4; van den Oord et al. 2017, arXiv:1711.00937, section 3.2.
    """
    if z_e.shape != z_q.shape:
        raise ValueError(f"z_e and z_q must have the same shape, got {tuple(z_e.shape)} and {tuple(z_q.shape)}")
    return z_e + (z_q - z_e).detach()


class Quantized(NamedTuple):
    """What a quantiser returns.

    Attributes:
        z_q: the chosen codes, with the gradient of z_e (`straight_through`).
        indices: their numbers, one for each place.
        codebook_loss: mean of (sg[z_e] − e)², which moves the codes; no gradient where a running mean moves them.
        commitment_loss: mean of (z_e − sg[e])², which moves the encoder.
    """

    z_q: Float[Tensor, "B D h w"]
    indices: Int[Tensor, "B h w"]
    codebook_loss: Float[Tensor, ""]
    commitment_loss: Float[Tensor, ""]


class Quantizer(nn.Module):
    """What all quantisers share: look up, copy the gradient, measure both distances.

    Args:
        num_codes: number K of codes.
        code_dim: length D of a code.

    Raises:
        ValueError: if either is below 1.
    """

    codebook: Float[Tensor, "K D"]

    def __init__(self, num_codes: int, code_dim: int):
        super().__init__()
        if num_codes < 1 or code_dim < 1:
            raise ValueError(f"num_codes and code_dim must be at least 1, got {num_codes} and {code_dim}")
        self.num_codes, self.code_dim = num_codes, code_dim

    def first_codebook(self) -> Float[Tensor, "K D"]:
        """Small random codes around zero, where the outputs of a new encoder are."""
        return (torch.rand(self.num_codes, self.code_dim) * 2 - 1) / self.num_codes

    def embed(self, indices: Int[Tensor, "B h w"]) -> Float[Tensor, "B D h w"]:
        """The code vectors of a grid of indices: one integer for each place, a vector for the decoder."""
        return rearrange(F.embedding(indices, self.codebook), "b h w d -> b d h w")

    def indices(self, z_e: Float[Tensor, "B D h w"]) -> Int[Tensor, "B h w"]:
        """The number of the nearest code at each place."""
        batch, _, height, width = z_e.shape
        vectors = rearrange(z_e.detach(), "b d h w -> (b h w) d")
        chosen = nearest_code(vectors, self.codebook.detach())
        return rearrange(chosen, "(b h w) -> b h w", b=batch, h=height, w=width)

    def forward(self, z_e: Float[Tensor, "B D h w"], generator: torch.Generator | None = None) -> Quantized:
        z_e = z_e.to(self.codebook.dtype)  # out of bfloat16: distances between codes are small
        indices = self.indices(z_e)  # (B, h, w)
        z_q = self.embed(indices)  # (B, D, h, w)
        codebook_loss = F.mse_loss(z_q, z_e.detach())
        commitment_loss = F.mse_loss(z_e, z_q.detach())
        quantized = Quantized(straight_through(z_e, z_q), indices, codebook_loss, commitment_loss)
        if self.training:
            self.learn(rearrange(z_e.detach(), "b d h w -> (b h w) d"), indices.flatten(), generator)
        return quantized

    def learn(
        self, vectors: Float[Tensor, "N D"], indices: Int[Tensor, " N"], generator: torch.Generator | None
    ) -> None:
        """Called once for each training batch; a codebook that learns by gradient has nothing to do here."""


class VectorQuantizer(Quantizer):
    """The codebook is a weight: the codebook loss pulls each chosen code towards the vectors that chose it.

    Source: van den Oord et al. 2017, arXiv:1711.00937, eq. 3.
    """

    def __init__(self, num_codes: int, code_dim: int):
        super().__init__(num_codes, code_dim)
        self.codebook = nn.Parameter(self.first_codebook())


class EMAQuantizer(Quantizer):
    """The codebook is a running mean: each code is the average of the vectors that chose it in recent batches.

    That is k-means, done one batch at a time. A batch must arrive in one piece (``num_shards=1`` in a recipe). A code
    that nobody chooses stays where it is, until its share has faded to about ``tiny``; then it shrinks towards zero.

    Args:
        num_codes: number K of codes.
        code_dim: length D of a code.
        decay: what is kept of the running sums in a batch, in [0, 1).
        tiny: added to each code's share, so that a code that nobody chooses is not divided by zero.

    Raises:
        ValueError: if ``decay`` lies outside [0, 1) or ``tiny`` is not positive.

    Source: van den Oord et al. 2017, arXiv:1711.00937, appendix A.1, eqs. 6-8. Their counts N_k are shares of the batch
    here, which leaves the codes the same and makes the numbers independent of the size of a batch.
    """

    share: Float[Tensor, " K"]
    total: Float[Tensor, "K D"]

    def __init__(self, num_codes: int, code_dim: int, decay: float = 0.99, tiny: float = 1e-7):
        super().__init__(num_codes, code_dim)
        if not 0 <= decay < 1 or not tiny > 0:
            raise ValueError(f"decay must lie in [0, 1) and tiny be positive, got decay {decay}, tiny {tiny}")
        self.decay, self.tiny = decay, tiny
        self.register_buffer("codebook", self.first_codebook())
        self.register_buffer("share", torch.full((num_codes,), 1 / num_codes))
        self.register_buffer("total", self.codebook / num_codes)

    @torch.no_grad()
    def learn(
        self, vectors: Float[Tensor, "N D"], indices: Int[Tensor, " N"], generator: torch.Generator | None
    ) -> None:
        """Move every code towards the mean of the vectors that chose it."""
        share = torch.bincount(indices, minlength=self.num_codes).to(self.share) / len(indices)
        total = torch.zeros_like(self.total).index_add_(0, indices, vectors) / len(indices)
        self.share.lerp_(share, 1 - self.decay)
        self.total.lerp_(total, 1 - self.decay)
        self.codebook.copy_(self.total / rearrange(smoothed(self.share, self.tiny), "k -> k 1"))


class RestartQuantizer(EMAQuantizer):
    """A running mean with restarts: a code that is hardly chosen any more moves to a vector of the current batch.

    At birth every code counts as dead, so the first batch places them all.

    Args:
        num_codes: number K of codes.
        code_dim: length D of a code.
        decay: what is kept of the running sums in a batch, in [0, 1).
        restart_below: a code is dead when its share is below this part of 1/K, the share of equal use; in (0, 1].

    Raises:
        ValueError: if ``restart_below`` lies outside (0, 1].

    Source: Dhariwal et al. 2020, arXiv:2005.00341, section 3.1.
    """

    def __init__(self, num_codes: int, code_dim: int, decay: float = 0.99, restart_below: float = 0.1):
        super().__init__(num_codes, code_dim, decay)
        if not 0 < restart_below <= 1:
            raise ValueError(f"restart_below must lie in (0, 1], got {restart_below}")
        self.restart_below = restart_below
        self.share.zero_()
        self.total.zero_()

    @property
    def dead(self) -> Tensor:
        """Which codes are hardly chosen any more."""
        return self.share < self.restart_below / self.num_codes

    @torch.no_grad()
    def learn(
        self, vectors: Float[Tensor, "N D"], indices: Int[Tensor, " N"], generator: torch.Generator | None
    ) -> None:
        """Move every code towards its vectors; then give each dead code a random vector and the share of equal use."""
        super().learn(vectors, indices, generator)
        dead = self.dead
        picked = torch.randint(len(vectors), (self.num_codes,), generator=generator, device=vectors.device)
        restarted = rearrange(dead, "k -> k 1")
        self.codebook.copy_(torch.where(restarted, vectors[picked], self.codebook))
        self.share.masked_fill_(dead, 1 / self.num_codes)
        self.total.copy_(torch.where(restarted, self.codebook / self.num_codes, self.total))


def smoothed(share: Float[Tensor, " K"], tiny: float) -> Float[Tensor, " K"]:
    """Shares with ``tiny`` added to each (Laplace smoothing), scaled back to the old sum."""
    return (share + tiny) / (share.sum() + len(share) * tiny) * share.sum()


QUANTIZERS = {"loss": VectorQuantizer, "ema": EMAQuantizer, "ema_restart": RestartQuantizer}
"""Update rules by the name that a recipe uses."""
