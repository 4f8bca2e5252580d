"""The critic of the first stage: is this patch of a picture real? It takes part in training only."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LARGEST_WEIGHT = 1e4
TINY = 1e-4
"""Both as in the code of Esser et al. 2021 (taming-transformers); their paper has 1e-6 and no cut-off."""


class PatchDiscriminator(nn.Module):
    """From pictures to a map of logits, each of which judges one patch: high means real.

    Three convolutions of stride 2 and two of stride 1, all of 4 x 4, so that a logit sees 70 x 70 pixels: a patch of
    the original's 256, and of pictures of 64 pixels nearly everything.

    Args:
        channels: width after the first convolution; it doubles with each of the next three, at most to eight times.
        num_layers: convolutions of stride 2.
        in_channels: 3 for colour.

    Raises:
        ValueError: if there is no layer or no channel.

    Source: Isola et al. 2017, arXiv:1611.07004, section 3.2.2 and appendix 6.1.2; the code of Esser et al. 2021,
    arXiv:2012.09841 (batch norm, weights of standard deviation 0.02).
    """

    def __init__(self, channels: int = 32, num_layers: int = 3, in_channels: int = 3):
        super().__init__()
        if channels < 1 or num_layers < 1:
            raise ValueError(f"channels and num_layers must be at least 1, got {channels} and {num_layers}")
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        width = channels
        for number in range(1, num_layers + 1):
            wide = channels * min(2**number, 8)
            stride = 2 if number < num_layers else 1
            layers += [nn.Conv2d(width, wide, 4, stride=stride, padding=1, bias=False), nn.BatchNorm2d(wide)]
            layers += [nn.LeakyReLU(0.2)]
            width = wide
        self.main = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, padding=1))
        self.apply(_first_weights)

    def forward(self, x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B 1 n n"]:
        return self.main(x).float()


def hinge_loss(logits_real: Float[Tensor, "..."], logits_fake: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """What the critic minimises: real patches above 1, made ones below -1; beyond that nothing is to be gained.

    1 for a critic that always answers 0, and 0 for one that is right by a margin.

    Source: Lim & Ye 2017, arXiv:1705.02894; halved as in the code of Esser et al. 2021 (taming-transformers), whose
    paper, arXiv:2012.09841, writes eq. 5 with the logarithms of the first GANs instead.
    """
    return 0.5 * (F.relu(1 - logits_real).mean() + F.relu(1 + logits_fake).mean())


def generator_loss(logits_fake: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """What the decoder minimises: minus the critic's logits for what it made."""
    return -logits_fake.mean()


def adaptive_weight(
    rebuild: Float[Tensor, ""], fool: Float[Tensor, ""], last_layer: Float[Tensor, "..."]
) -> Float[Tensor, ""]:
    """The factor that makes the critic pull at the decoder's last layer as strongly as the reconstruction does.

    The ratio of the lengths of their gradients there, cut off at 10,000. It is a number: no gradient passes through it.

    Args:
        rebuild: the reconstruction loss, of which ``last_layer`` is a part.
        fool: the critic's part, `generator_loss`.
        last_layer: a weight that both depend on.

    Source: Esser et al. 2021, arXiv:2012.09841, eq. 7, where ``TINY`` is 1e-6 and nothing is cut off; both numbers here
    are those of their code (taming-transformers).
    """
    pull, push = (torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm() for loss in (rebuild, fool))
    return (pull / (push + TINY)).clamp(max=LARGEST_WEIGHT).detach()


def _first_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
