"""How different two pictures look to a network: outlines count, fine noise of the same mean error hardly does."""

import copy
import functools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lib.guidance.energies import feature_maps
from lib.metrics.features import FeatureNet, network


@functools.cache
def frozen_network(device: torch.device | str = "cpu") -> FeatureNet:
    """A copy of the shipped feature network whose weights take no gradient."""
    return copy.deepcopy(network(device)).requires_grad_(False)


def perceptual_distance(x_hat: Float[Tensor, "B 3 S S"], x: Float[Tensor, "_ 3 _ _"]) -> Float[Tensor, " B"]:
    """Distance of two pictures in the maps of the shipped feature network; 0 for equal pictures, at most 4.

    At every place of every map the features are brought to length 1, the squared differences are added up over the
    channels, and the mean is taken over places and maps. LPIPS weighs the channels by what people find different; here
    all count the same, because nobody was asked about emoji.

    Args:
        x_hat: reconstructions; gradients flow to them.
        x: pictures in [-1, 1], of 32 or 64 pixels.

    Raises:
        ValueError: if the shapes differ, or the pictures are neither 32 nor 64 pixels wide.

    Source: Zhang et al. 2018, arXiv:1801.03924, eq. 1, with all channel weights 1.
    """
    if x_hat.shape != x.shape:
        raise ValueError(f"x_hat and x must have the same shape, got {tuple(x_hat.shape)} and {tuple(x.shape)}")
    eyes = frozen_network(x.device)
    pairs = zip(feature_maps(x_hat, eyes), feature_maps(x, eyes), strict=True)
    distances = [
        (F.normalize(a.float(), dim=1) - F.normalize(b.float(), dim=1)).square().sum(1).mean((1, 2)) for a, b in pairs
    ]
    return torch.stack(distances).mean(0)
