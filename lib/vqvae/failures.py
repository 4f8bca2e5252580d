"""VQ-VAEs that are wrong on purpose, each with the number that gives it away.

A broken quantiser differs from a healthy one in one line; `with_quantizer` puts it into a model. The functions after
them measure what more training would not mend.
"""

import copy

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.vqvae.loss import COMMITMENT_WEIGHT, vq_terms
from lib.vqvae.model import VQVAE
from lib.vqvae.quantizer import EMAQuantizer, Quantized, Quantizer, VectorQuantizer
from lib.vqvae.usage import count_codes, perplexity


class FarQuantizer(EMAQuantizer):
    """Broken line: ``codebook = 10 + torch.randn(K, D)``. The nearest of the far codes gets every vector, and moves.

    The others are never chosen, so no rule without restarts ever moves them: dead codes.
    """

    def first_codebook(self) -> Float[Tensor, "K D"]:
        return 10 + torch.randn(self.num_codes, self.code_dim)


class NoStopQuantizer(VectorQuantizer):
    """Broken line: ``z_q = z_e + (z_q - z_e)``, the stop-gradient forgotten. z_e cancels, in the gradient as well."""

    def forward(self, z_e: Float[Tensor, "B D h w"], generator: torch.Generator | None = None) -> Quantized:
        healthy = super().forward(z_e, generator)
        z_q = self.embed(healthy.indices)
        return healthy._replace(z_q=z_e + (z_q - z_e))


class SimilarityQuantizer(VectorQuantizer):
    """Broken line: ``(z_e @ codebook.T).argmax(1)``. A long code wins wherever it points roughly the right way."""

    def indices(self, z_e: Float[Tensor, "B D h w"]) -> Int[Tensor, "B h w"]:
        score = torch.einsum("bdhw,kd->bhwk", z_e.detach(), self.codebook.detach())
        return score.argmax(dim=-1)


class RestlessQuantizer(EMAQuantizer):
    """Broken line: ``if self.training`` forgotten. The codebook goes on learning from the pictures it is tested on."""

    def forward(self, z_e: Float[Tensor, "B D h w"], generator: torch.Generator | None = None) -> Quantized:
        quantized = super().forward(z_e, generator)
        if not self.training:
            self.learn(rearrange(z_e.detach(), "b d h w -> (b h w) d"), quantized.indices.flatten(), generator)
        return quantized


def with_quantizer(model: VQVAE, kind: type[Quantizer]) -> VQVAE:
    """A copy of ``model`` with another kind of quantiser; nothing else is changed.

    Its codes are those of the model where ``kind`` looks codes up in another way, and its own first ones where it
    starts in another way.
    """
    changed = copy.deepcopy(model)
    quantizer = kind(model.quantizer.num_codes, model.quantizer.code_dim)
    if kind.first_codebook is Quantizer.first_codebook:
        quantizer.codebook.data.copy_(model.quantizer.codebook.data)
    changed.quantizer = quantizer.to(model.quantizer.codebook.dtype).train(model.training)
    return changed


def no_codebook_loss(
    model: nn.Module, x: Float[Tensor, "B 3 H W"], generator: torch.Generator | None = None
) -> Float[Tensor, ""]:
    """Broken line: the codebook term is missing. The straight-through step hides the codes from the error."""
    terms = vq_terms(model, x, generator)
    return terms.reconstruction + COMMITMENT_WEIGHT * terms.commitment


def epoch_perplexity(model: VQVAE, images: Float[Tensor, "N 3 H W"]) -> float:
    """Perplexity of the codes over all the pictures: near 1 when one code does all the work."""
    with torch.no_grad():
        counts = sum(count_codes(model.encode(part), model.num_codes) for part in images.split(256))
    return perplexity(counts)


def encoder_gradient(model: VQVAE, x: Float[Tensor, "B 3 H W"]) -> float:
    """Largest entry of the gradient that the error of the pictures sends to the encoder; 0 if the path is cut."""
    return _largest(vq_terms(model, x).reconstruction, list(model.encoder.parameters()))


def codebook_gradient(model: VQVAE, loss: Tensor) -> float:
    """Largest entry of the gradient of a loss for the codes; 0 if nothing moves them."""
    return _largest(loss, [model.quantizer.codebook])


def change_by_looking(model: VQVAE, x: Float[Tensor, "B 3 H W"]) -> float:
    """Largest change of the codebook after two looks at the pictures in evaluation mode: 0 is right."""
    model = copy.deepcopy(model).eval()
    before = model.quantizer.codebook.detach().clone()
    with torch.no_grad():
        model(x)
        model(x)
    return (model.quantizer.codebook - before).abs().max().item()


def runaway(commitment_weight: float, num_steps: int = 200, lr: float = 0.1) -> list[float]:
    """The output of an encoder that cannot get what it wants, step by step.

    The smallest VQ-VAE: one number, the one code stands still at 0, the decoder hands it on, and the picture is 1. The
    error sends the same gradient −2 through the straight-through step at every step, because the decoder always sees
    the code. Without commitment z_e runs away at constant speed; with weight β it stops at 1/β.

    Raises:
        ValueError: if ``commitment_weight`` is negative.
    """
    if commitment_weight < 0:
        raise ValueError(f"commitment_weight must not be negative, got {commitment_weight}")
    z_e, code, path = torch.zeros(1, requires_grad=True), torch.zeros(1), []
    for _ in range(num_steps):
        z_q = z_e + (code - z_e).detach()
        loss = F.mse_loss(z_q, torch.ones(1)) + commitment_weight * F.mse_loss(z_e, code)
        (gradient,) = torch.autograd.grad(loss, z_e)
        z_e = (z_e - lr * gradient).detach().requires_grad_()
        path.append(z_e.item())
    return path


def _largest(loss: Tensor, parameters: list[Tensor]) -> float:
    if not loss.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    return max(0.0 if gradient is None else gradient.abs().max().item() for gradient in gradients)
