"""Energies of clean pictures, low where a wish is fulfilled, for `EnergyGuided`: likeness to words, and to a style.

The eyes are those of the shipped feature network. It never saw noise, which is why energies look at the estimate
x_0_hat.
"""

import functools
from collections.abc import Callable

import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from lib.data import emoji
from lib.metrics import emoji_features
from lib.metrics.features import FeatureNet, network

Energy = Callable[[Float[Tensor, "B 3 S S"]], Float[Tensor, " B"]]


@functools.cache
def group_feature(group: str) -> Float[Tensor, " D"]:
    """Mean feature of the training pictures of a group of emoji, of length 1: what stands in for its caption.

    Raises:
        ValueError: if there is no such group.
    """
    return F.normalize(emoji_features(emoji(32).where(group=group).images).mean(0), dim=0)


def similarity(images: Float[Tensor, "B 3 S S"], wanted: Float[Tensor, " D"]) -> Float[Tensor, " B"]:
    """Cosine between the features of pictures and a wanted direction, in [-1, 1]; differentiable.

    With an image encoder and a caption's embedding of CLIP this is the f(x) · g(c) that GLIDE guides by.

    Source: Nichol et al. 2021 (GLIDE), arXiv:2112.10741, section 2.4.
    """
    features = network(images.device)(images).to(wanted.dtype)
    return F.cosine_similarity(features, wanted.to(features.device)[None], dim=1)


def similarity_energy(wanted: Float[Tensor, " D"]) -> Energy:
    """Energy of pictures that should look like a wanted feature: minus the cosine."""
    return lambda x_0_hat: -similarity(x_0_hat, wanted)


def feature_maps(images: Float[Tensor, "B 3 S S"], model: FeatureNet | None = None) -> list[Float[Tensor, "B C H W"]]:
    """The maps inside the feature network after its first layer and after each residual block: fine to coarse.

    Args:
        images: pictures of 32 or 64 pixels.
        model: a feature network; the shipped one if not given.

    Raises:
        ValueError: if the pictures are not 32 or 64 pixels wide.
    """
    model = model or network(images.device)
    if str(images.shape[-1]) not in model.stems:
        raise ValueError(f"images must be 32 or 64 pixels wide, got {images.shape[-1]}")
    h = model.stems[str(images.shape[-1])](images)
    maps = [h]
    for block in model.blocks[:3]:
        h = block(h)
        maps.append(h)
    return maps


def gram(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C C"]:
    """How strongly each pair of channels lights up together, wherever it is: F F^T / (C H W).

    Places are summed over, so that texture and colour stay and the arrangement is lost.

    Source: Gatys et al. 2015, arXiv:1508.06576, eq. 3; Johnson et al. 2016, arXiv:1603.08155, eq. 3 (the division).
    """
    _, c, h, w = maps.shape
    return einsum(maps, maps, "b c h w, b d h w -> b c d") / (c * h * w)


def style_distance(images: Float[Tensor, "B 3 S S"], style: Float[Tensor, "n 3 S S"]) -> Float[Tensor, " B"]:
    """Squared distance of Gram matrices from those of one picture, in units of their own squared length, mean of maps.

    0 for the picture itself, and for any picture with the same textures elsewhere.

    Raises:
        ValueError: if there is more than one picture of the style.

    Source: Gatys et al. 2015, arXiv:1508.06576, eqs. 4 and 5, with every layer divided by its own scale.
    """
    if style.ndim != 4 or len(style) != 1:
        raise ValueError(f"style must be one picture, (1, 3, S, S), got shape {tuple(style.shape)}")
    found = 0
    for maps, maps_style in zip(feature_maps(images), feature_maps(style.to(images)), strict=True):
        wanted = gram(maps_style)
        found = found + (gram(maps) - wanted).square().sum((1, 2)) / wanted.square().sum()
    return found / 4


def style_energy(style: Float[Tensor, "1 3 S S"]) -> Energy:
    """Energy of pictures that should have the style of one picture."""
    return lambda x_0_hat: style_distance(x_0_hat, style)
