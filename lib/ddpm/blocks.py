"""The parts of the U-Net. Each takes ``(x, emb)``; those that end in a convolution of zeros begin as the identity."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

NUM_GROUPS = 8


def timestep_embedding(
    t: Int[Tensor, " B"] | Float[Tensor, " B"],
    dim: int,
    *,
    max_period: float = 10000.0,
    cosine_first: bool = False,
    shift: float = 1.0,
) -> Float[Tensor, "B E"]:
    """Sines and cosines of the level, from one radian a step down to one in ``max_period`` steps, half of each.

    Neighbouring levels get similar rows, far ones different rows: easier to read for a network than the number t
    itself, which grows to 1000.

    Args:
        t: levels.
        dim: length of a row; the last entry is 0 if it is odd.
        max_period: the slowest wave turns by one radian in this many steps.
        cosine_first: cosines before sines, as in the code of improved DDPM; sines first in that of DDPM.
        shift: the frequencies fall by equal factors from 1 to 1/max_period if it is 1 (DDPM); if it is 0, the last one
            stops a factor short of that.

    Raises:
        ValueError: if ``dim`` is too short for two frequencies.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5; options as in the two codes of Ho and Nichol.
    """
    half = dim // 2
    if half < 2:
        raise ValueError(f"dim must be at least 4, got {dim}")
    frequencies = torch.exp(-math.log(max_period) * torch.arange(half, device=t.device) / (half - shift))
    angles = t[:, None].float() * frequencies
    waves = [angles.cos(), angles.sin()] if cosine_first else [angles.sin(), angles.cos()]
    return F.pad(torch.cat(waves, dim=1), (0, dim % 2))


class TimeEmbedding(nn.Module):
    """Waves of the level, then two linear layers."""

    def __init__(self, dim: int, emb_dim: int):
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(nn.Linear(dim, emb_dim), nn.SiLU(), nn.Linear(emb_dim, emb_dim))

    def forward(self, t: Int[Tensor, " B"]) -> Float[Tensor, "B E"]:
        return self.layers(timestep_embedding(t, self.dim).to(self.layers[0].weight.dtype))


class ResBlock(nn.Module):
    """Two convolutions beside a shortcut; between them the level is added, channel by channel.

    Source: Ho et al. 2020, arXiv:2006.11239, appendix B; the order norm, SiLU, convolution is that of their code.
    """

    told_per_channel = 1
    """How many numbers the embedding says of each channel: one, to be added."""

    def __init__(self, in_channels: int, out_channels: int, emb_dim: int, dropout: float = 0.0):
        super().__init__()
        self.norm1 = nn.GroupNorm(NUM_GROUPS, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_proj = nn.Linear(emb_dim, self.told_per_channel * out_channels)
        self.norm2 = nn.GroupNorm(NUM_GROUPS, out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "B C H W"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B K H W"]:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + rearrange(self.emb_proj(F.silu(emb)), "b k -> b k 1 1")
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        return self.shortcut(x) + h


class SelfAttention(nn.Module):
    """Every place of the feature map looks at every other; cost grows with the square of their number.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2; at 16 x 16 in Ho et al. 2020, appendix B.
    """

    def __init__(self, channels: int, num_heads: int = 4):
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.GroupNorm(NUM_GROUPS, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Float[Tensor, "B C H W"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B C H W"]:
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")
        q, k, v = rearrange(self.qkv(tokens), "b n (three a d) -> three b a n d", three=3, a=self.num_heads)
        h = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, head_dim)
        h = self.out(rearrange(h, "b a n d -> b n (a d)"))
        return x + rearrange(h, "b (h w) c -> b c h w", h=x.shape[2])


class Downsample(nn.Module):
    """Half the height and width, by a convolution with stride 2."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B C h w"]:
        return self.conv(x)


class Upsample(nn.Module):
    """Twice the height and width: every value four times, then a convolution (no chessboard, see chapter 1)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B C h w"]:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Stem(nn.Module):
    """The first convolution, from colours to features."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B K H W"]:
        return self.conv(x)


class Out(nn.Sequential):
    """The last convolution, from features to the answer; zeros at first, so that a new network answers 0."""

    def __init__(self, channels: int, out_channels: int):
        last = zeroed(nn.Conv2d(channels, out_channels, 3, padding=1))
        super().__init__(nn.GroupNorm(NUM_GROUPS, channels), nn.SiLU(), last)


class Stage(nn.Sequential):
    """Blocks at one resolution, one after another, each with ``emb``."""

    def forward(self, x: Float[Tensor, "B C H W"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B K h w"]:
        for block in self:
            x = block(x, emb)
        return x


def zeroed(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """The same layer with weights and bias 0: what it belongs to begins as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
