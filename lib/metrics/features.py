"""A small network, trained on the emoji, whose features serve to compare sets of pictures; and the unit of distance."""

import functools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from lib.training import card, load

CHECKPOINT = "emoji_features"
SIZES = (32, 64)


class ResBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; ``stride`` 2 halves height and width."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, in_channels), nn.GroupNorm(8, out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels and stride == 1
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(in_channels, out_channels, 1))
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K h w"]:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return self.shortcut(x) + h


class FeatureNet(nn.Module):
    """Residual network from pictures of 32 or 64 pixels to ``num_features`` features.

    Each size has a first layer of its own that brings it to the same 16 x 16 grid. So 64-pixel pictures keep the
    detail that averaging down to 32 would hide, and cost no more. Features of different sizes are not meant to be
    compared with each other.

    The features leave through a batch norm without parameters: over the (varied) training pictures each has mean 0 and
    variance 1, which fixes the scale of every distance measured in them.

    Args:
        num_features: width D of the feature row.
        channels: channels at 16 x 16; there are twice as many at 8 x 8.
        heads: number of outputs of each linear head that the training reads from the features, by name.
    """

    def __init__(self, num_features: int = 64, channels: int = 64, heads: Mapping[str, int] | None = None):
        super().__init__()
        self.stems = nn.ModuleDict(
            {"32": nn.Conv2d(3, channels, 4, stride=2, padding=1), "64": nn.Conv2d(3, channels, 8, stride=4, padding=2)}
        )
        wide = 2 * channels
        self.blocks = nn.Sequential(
            ResBlock(channels, channels),
            ResBlock(channels, wide, stride=2),
            ResBlock(wide, wide),
            nn.GroupNorm(8, wide),
            nn.SiLU(),
            nn.AvgPool2d(2),
        )
        self.embed = nn.Linear(wide * 4 * 4, num_features)
        self.standardize = nn.BatchNorm1d(num_features, affine=False)
        self.heads = nn.ModuleDict({name: nn.Linear(num_features, num) for name, num in (heads or {}).items()})

    def forward(self, images: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B D"]:
        h = self.stems[str(images.shape[-1])](images)  # (B, C, 16, 16)
        h = self.blocks(h)  # (B, 2C, 4, 4): the grid is kept, so the features know where things are
        return self.standardize(self.embed(rearrange(h, "b c h w -> b (c h w)")).float())


def emoji_features(images: Float[Tensor, "N 3 S S"], batch_size: int = 256) -> Float[Tensor, "N 64"]:
    """Features of pictures from the shipped network, for `frechet_distance`, `precision_recall` and `nearest`.

    A row depends on its own picture only, not on the batch. Compare pictures of the same size: 32 and 64 pixels enter
    through different first layers.

    Args:
        images: pictures in [-1, 1], RGB, of 32 or 64 pixels. Clamp the output of a model first, as saving it would.
        batch_size: pictures computed at a time.

    Raises:
        ValueError: if the shape is none of (N, 3, 32, 32) and (N, 3, 64, 64), or a value is not finite or outside
            [-1, 1].
        FileNotFoundError: if the shipped checkpoint is missing.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or images.shape[3] not in SIZES:
        raise ValueError(f"images must have shape (N, 3, 32, 32) or (N, 3, 64, 64), got {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(f"images must be floating-point numbers in [-1, 1], got {images.dtype}")
    if len(images) == 0:
        return images.new_zeros(0, network().embed.out_features)
    low, high = images.min().item(), images.max().item()
    tiny = 1e-3  # rounding of half precision
    if not (low >= -1 - tiny and high <= 1 + tiny):
        raise ValueError(
            f"images must lie in [-1, 1], got values from {low:.4g} to {high:.4g}; "
            "bring [0, 1] to it with 2 * x - 1, and clamp the output of a model"
        )
    model = network(images.device)
    with torch.no_grad():
        return torch.cat([model(part.float()) for part in images.split(batch_size)])


def frechet_unit(size: int = 32) -> float:
    """The Fréchet distance between two halves of the real emoji, the unit in which to read other distances.

    The mean over ten splits of all emoji into halves that share no base concept, about 1,830 pictures each; the card
    of the network holds the spread too. A set of pictures at distance 1 unit from the data is as far from it as one
    half of the data is from the other.

    Raises:
        ValueError: if ``size`` is neither 32 nor 64.
        FileNotFoundError: if the shipped checkpoint is missing.
    """
    if size not in SIZES:
        raise ValueError(f"size must be 32 or 64, got {size!r}")
    return card(CHECKPOINT)["metrics"][f"frechet_halves_{size}px"]["mean"]


@functools.cache
def network(device: torch.device | str = "cpu") -> FeatureNet:
    """The shipped network in eval mode, loaded and verified once in a process."""
    return load(CHECKPOINT, device)
