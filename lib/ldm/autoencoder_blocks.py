"""The two halves of the first stage, with the structure and the parameter names of the original.

They are cousins of the U-Net's halves: the same residual blocks without a level to be told, attention at the lowest
resolution only, and no way across from one half to the other. Whatever is to come back must fit through the middle.
"""

from itertools import pairwise

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

Widths = tuple[int, ...] | list[int]


def norm(channels: int, num_groups: int) -> nn.GroupNorm:
    """The norm before every convolution; 32 groups in the original, fewer here.

    Raises:
        ValueError: if the channels do not divide into the groups.
    """
    if channels % num_groups:
        raise ValueError(f"channels must divide into num_groups = {num_groups} groups, got {channels}")
    return nn.GroupNorm(num_groups, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """Norm, SiLU, convolution, twice, beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, num_groups: int):
        super().__init__()
        self.norm1 = norm(in_channels, num_groups)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = norm(out_channels, num_groups)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return self.nin_shortcut(x) + h


class AttnBlock(nn.Module):
    """Every place looks at every other, with one head as wide as the map."""

    def __init__(self, channels: int, num_groups: int):
        super().__init__()
        self.norm = norm(channels, num_groups)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        h = self.norm(x)
        q, k, v = (rearrange(layer(h), "b c h w -> b 1 (h w) c") for layer in (self.q, self.k, self.v))
        h = F.scaled_dot_product_attention(q, k, v)  # (B, 1, N, C): with an axis for heads torch is faster
        return x + self.proj_out(rearrange(h, "b 1 (h w) c -> b c h w", h=x.shape[2]))


class Downsample(nn.Module):
    """Half the height and width; the border of zeros is on the right and below only, so that 2n pixels give n."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the height and width: every value four times, then a convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class DownLevel(nn.Module):
    """Residual blocks at one resolution, and the halving after them, except after the last level."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int, num_groups: int, halves: bool):
        super().__init__()
        widths = [in_channels] + [out_channels] * num_blocks
        self.block = nn.ModuleList([ResnetBlock(a, b, num_groups) for a, b in pairwise(widths)])
        self.downsample = Downsample(out_channels) if halves else nn.Identity()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K h w"]:
        for block in self.block:
            x = block(x)
        return self.downsample(x)


class UpLevel(nn.Module):
    """Residual blocks at one resolution, and the doubling after them, except at full resolution."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int, num_groups: int, doubles: bool):
        super().__init__()
        widths = [in_channels] + [out_channels] * num_blocks
        self.block = nn.ModuleList([ResnetBlock(a, b, num_groups) for a, b in pairwise(widths)])
        self.upsample = Upsample(out_channels) if doubles else nn.Identity()

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B K H W"]:
        for block in self.block:
            x = block(x)
        return self.upsample(x)


class Middle(nn.Module):
    """Two residual blocks and attention between them, at the lowest resolution."""

    def __init__(self, channels: int, num_groups: int):
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, num_groups)
        self.attn_1 = AttnBlock(channels, num_groups)
        self.block_2 = ResnetBlock(channels, channels, num_groups)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return self.block_2(self.attn_1(self.block_1(x)))


class Encoder(nn.Module):
    """Pictures to a small map.

    Args:
        out_channels: channels of the map: twice those of the latent where a mean and a log variance are wanted.
        channels: width at full resolution.
        multipliers: width at each resolution, in units of ``channels``; the resolution halves from one to the next.
        num_res_blocks: residual blocks at each resolution.
        num_groups: groups of each norm.
        in_channels: 3 for colour.

    Raises:
        ValueError: if ``multipliers`` is empty or a width does not divide into the groups.
    """

    def __init__(
        self, out_channels: int, channels: int, multipliers: Widths, num_res_blocks: int, num_groups: int,
        in_channels: int = 3,
    ):  # fmt: skip
        super().__init__()
        widths = _widths(channels, multipliers)
        self.conv_in = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.down = nn.ModuleList(
            DownLevel(width_in, width, num_res_blocks, num_groups, halves=level < len(widths) - 1)
            for level, (width_in, width) in enumerate(pairwise([channels, *widths]))
        )
        self.mid = Middle(widths[-1], num_groups)
        self.norm_out = norm(widths[-1], num_groups)
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K h w"]:
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
        return self.conv_out(F.silu(self.norm_out(self.mid(h))))


class Decoder(nn.Module):
    """A small map back to pictures: one residual block more at each resolution than on the way down.

    ``up`` is numbered like the encoder's ``down``, so that ``up.0`` works at full resolution and is run last. Nothing
    keeps the pictures inside [-1, 1].

    Args:
        in_channels: channels of the map.
        channels, multipliers, num_res_blocks, num_groups: as for the encoder.
        out_channels: 3 for colour.

    Raises:
        ValueError: if ``multipliers`` is empty or a width does not divide into the groups.
    """

    def __init__(
        self, in_channels: int, channels: int, multipliers: Widths, num_res_blocks: int, num_groups: int,
        out_channels: int = 3,
    ):  # fmt: skip
        super().__init__()
        widths = _widths(channels, multipliers)
        self.conv_in = nn.Conv2d(in_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], num_groups)
        self.up = nn.ModuleList(
            UpLevel(width_in, width, num_res_blocks + 1, num_groups, doubles=level > 0)
            for level, (width, width_in) in enumerate(pairwise([*widths, widths[-1]]))
        )
        self.norm_out = norm(widths[0], num_groups)
        self.conv_out = nn.Conv2d(widths[0], out_channels, 3, padding=1)

    def forward(self, z: Float[Tensor, "B C h w"]) -> Float[Tensor, "B K H W"]:
        h = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            h = level(h)
        return self.conv_out(F.silu(self.norm_out(h)))


def _widths(channels: int, multipliers: Widths) -> list[int]:
    if not multipliers:
        raise ValueError("multipliers must name at least one width, got none")
    return [channels * multiplier for multiplier in multipliers]
