"""The whole loss of the first stage, in which two networks with opposite aims are trained by one optimiser.

The autoencoder wants its pictures taken for real, the critic wants to tell them apart. Each term is written so that it
reaches the weights of one of them only: the decoder's term is judged by a copy of the critic that takes no gradient,
the critic's term is given pictures that do not remember how they were made. Their sum then has, for every weight,
exactly the gradient of that weight's own aim.
"""

from typing import NamedTuple

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from lib.ldm.autoencoder import AUTOENCODERS
from lib.ldm.discriminator import PatchDiscriminator, adaptive_weight, generator_loss, hinge_loss
from lib.ldm.perceptual import perceptual_distance

KL_WEIGHT = 1e-6
COMMITMENT_WEIGHT = 0.25


class FirstStage(nn.Module):
    """Everything that is trained together: an autoencoder, its critic, and the count of updates so far.

    After training only ``autoencoder`` is used.

    Args:
        kind: "kl" or "vq".
        critic_channels: width of the critic; 0 for none.
        start: update at which the critic begins to be trained and to be heard.
        options: arguments of the autoencoder.

    Raises:
        ValueError: if there is no such kind, or ``start`` is negative.
    """

    num_updates: Tensor

    def __init__(self, kind: str = "kl", critic_channels: int = 32, start: int = 0, **options):
        super().__init__()
        if kind not in AUTOENCODERS:
            raise ValueError(f"kind must be one of {', '.join(AUTOENCODERS)}, got {kind!r}")
        if start < 0:
            raise ValueError(f"start must not be negative, got {start}")
        self.autoencoder = AUTOENCODERS[kind](**options)
        self.critic = PatchDiscriminator(critic_channels) if critic_channels else None
        self.start = start
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    @property
    def critic_speaks(self) -> bool:
        """Whether there is a critic and its time has come."""
        return self.critic is not None and int(self.num_updates) >= self.start


class FirstStageTerms(NamedTuple):
    """The terms of the loss before weighting, each a mean; those of the critic are 0 before it speaks.

    Attributes:
        pixels: mean absolute difference of values.
        perceptual: see `perceptual_distance`.
        penalty: see `lib.ldm.autoencoder.Rebuilt`.
        fool: minus the critic's logits for reconstructions; reaches the autoencoder only.
        fool_weight: the adaptive weight of ``fool``; a number.
        judge: hinge loss; reaches the critic only.
    """

    pixels: Float[Tensor, ""]
    perceptual: Float[Tensor, ""]
    penalty: Float[Tensor, ""]
    fool: Float[Tensor, ""]
    fool_weight: Float[Tensor, ""]
    judge: Float[Tensor, ""]


def first_stage_terms(
    model: FirstStage, x: Float[Tensor, "B 3 S S"], generator: torch.Generator | None, perceptual_weight: float
) -> FirstStageTerms:
    """All terms for one batch; where no gradient is recorded the adaptive weight is 0."""
    x_hat, penalty = model.autoencoder(x, generator)
    pixels = reduce((x_hat - x).abs(), "b c h w -> ", "mean")
    perceptual = perceptual_distance(x_hat, x).mean()
    fool = fool_weight = judge = torch.zeros_like(pixels)
    if model.critic_speaks:
        fool = generator_loss(unmoved(model.critic, x_hat))
        if fool.requires_grad:
            fool_weight = adaptive_weight(pixels + perceptual_weight * perceptual, fool, model.autoencoder.last_layer)
        judge = hinge_loss(model.critic(x), model.critic(x_hat.detach()))
    return FirstStageTerms(pixels, perceptual, penalty, fool, fool_weight, judge)


def first_stage_loss(
    model: FirstStage,
    x: Float[Tensor, "B 3 S S"],
    generator: torch.Generator | None = None,
    *,
    penalty_weight: float = KL_WEIGHT,
    perceptual_weight: float = 1.0,
    critic_weight: float = 0.5,
) -> Float[Tensor, ""]:
    """Reconstruction + penalty + the decoder's wish to fool the critic + the critic's own loss.

    The original sums over the values of a picture; here everything is divided by their number, so that the weights mean
    the same. In training mode each call counts as one update. No norm of the gradient should be clipped: it would be
    that of both networks together.

    Args:
        model: autoencoder and critic.
        x: pictures in [-1, 1], of 32 or 64 pixels; the whole batch, because of batch norm and running codebooks.
        generator: source of the latents' noise, or of the codes that start anew.
        penalty_weight: factor of the KL divergence, 1e-6 in the original, or of the commitment, 0.25.
        perceptual_weight: factor of `perceptual_distance`.
        critic_weight: strength of the critic at the decoder's last layer, where 1 equals that of the reconstruction.

    Raises:
        ValueError: if a weight is negative.

    Source: Rombach et al. 2022, arXiv:2112.10752, appendix G, eq. 25; Esser et al. 2021, arXiv:2012.09841, eqs. 5-7.
    Both write the critic's part with logarithms; hinge loss, small number and cut-off are those of the published code.
    """
    weights = {"penalty": penalty_weight, "perceptual": perceptual_weight, "critic": critic_weight}
    for name, weight in weights.items():
        if weight < 0:
            raise ValueError(f"{name}_weight must not be negative, got {weight}")
    if model.training:
        model.num_updates += 1
    terms = first_stage_terms(model, x, generator, perceptual_weight)
    rebuild = terms.pixels + perceptual_weight * terms.perceptual + penalty_weight * terms.penalty
    return rebuild + critic_weight * terms.fool_weight * terms.fool + terms.judge


def unmoved(module: nn.Module, *inputs: Tensor) -> Tensor:
    """The answer of a module whose weights take no gradient from it; its inputs do.

    Buffers are the module's own: batch norm goes on counting.
    """
    still = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return torch.func.functional_call(module, still, inputs)
