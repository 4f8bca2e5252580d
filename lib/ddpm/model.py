"""The networks: a U-Net for pictures, written as three visible lists of blocks, and a small one for points.

Every block takes ``(x, emb)``: the feature map and the embedding of the level t. A block that has no use for ``emb``
takes it all the same, so that a list of blocks can be run without asking what is in it.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ddpm.blocks import Downsample, Out, ResBlock, SelfAttention, Stage, Stem, TimeEmbedding, Upsample


class UNet(nn.Module):
    """From noisy pictures and their levels to an estimate of noise, clean picture or v, whatever it is trained for.

    The way down (``down``) halves the resolution between stages, ``middle`` works at the lowest one, the way up
    (``up``) doubles it again. Every output on the way down is kept; every block on the way up is given one of them
    beside its input, the last first. `embed` turns the levels into ``emb``: the one place where a label will join in
    chapter 6.

    Args:
        in_channels: 3 for colour.
        channels: width at full resolution.
        multipliers: width at each resolution, in units of ``channels``; the resolution halves from one to the next.
        num_res_blocks: residual blocks at each resolution on the way down; one more on the way up.
        attention_resolutions: heights of feature maps that get self-attention after each residual block. The lowest
            resolution always has it in the middle.
        size: height and width of the pictures.
        num_heads: heads of each attention.
        dropout: share of values set to 0 inside residual blocks while training.
        learned_variance: twice as many channels come out; the second half speaks about the variance.
        patch_size: squares of this many pixels are laid behind one another as channels before the first convolution
            and laid out again at the end: 2 makes a network for 64 pixels as fast as one for 32.

    Raises:
        ValueError: if ``size`` cannot be halved often enough, widths do not divide into groups and heads, or an
            attention resolution does not occur.

    Source: Ho et al. 2020, arXiv:2006.11239, appendix B; Ronneberger et al. 2015, arXiv:1505.04597 (the U).
    """

    residual_block: type[nn.Module] = ResBlock

    def __init__(
        self,
        in_channels: int = 3,
        channels: int = 64,
        multipliers: tuple[int, ...] | list[int] = (1, 2, 4),
        num_res_blocks: int = 1,
        attention_resolutions: tuple[int, ...] | list[int] = (8,),
        size: int = 32,
        num_heads: int = 4,
        dropout: float = 0.0,
        learned_variance: bool = False,
        patch_size: int = 1,
    ):
        super().__init__()
        resolutions = [size // patch_size // 2**stage for stage in range(len(multipliers))]
        check_widths(
            size, patch_size, resolutions, [channels * m for m in multipliers], attention_resolutions, num_heads
        )
        self.size, self.in_channels, self.patch_size = size, in_channels, patch_size
        num_values, emb_dim = in_channels * patch_size**2, 4 * channels
        self.time_embedding = TimeEmbedding(channels, emb_dim)

        def stage(width_in: int, width: int, resolution: int, *more: nn.Module) -> Stage:
            attention = [SelfAttention(width, num_heads)] if resolution in attention_resolutions else []
            return Stage(self.residual_block(width_in, width, emb_dim, dropout), *attention, *more)

        stages = [
            (channels * multiplier, resolution) for multiplier, resolution in zip(multipliers, resolutions, strict=True)
        ]
        self.down, widths = way_down(Stem(num_values, channels), channels, stages, num_res_blocks, stage)
        width = widths[-1]
        self.middle = Stage(
            self.residual_block(width, width, emb_dim, dropout),
            SelfAttention(width, num_heads),
            self.residual_block(width, width, emb_dim, dropout),
        )
        self.up = way_up(widths, stages, num_res_blocks, stage)
        self.out = Out(channels * multipliers[0], num_values * (2 if learned_variance else 1))
        self.to(memory_format=torch.channels_last)  # the order in memory that convolutions on CPUs and GPUs like best

    def embed(self, t: Int[Tensor, " B"]) -> Float[Tensor, "B E"]:
        """What every residual block is told: here the level, and nothing else."""
        return self.time_embedding(t)

    def forward(self, x_t: Float[Tensor, "B C S S"], t: Int[Tensor, " B"]) -> Float[Tensor, "B K S S"]:
        return self.answer(x_t, self.embed(t))

    def answer(self, x_t: Float[Tensor, "B C S S"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B K S S"]:
        """The way down, through the middle and up; ``emb`` is (B, 4 · channels), see `embed`."""
        if x_t.shape[1:] != (self.in_channels, self.size, self.size):
            expected = f"(B, {self.in_channels}, {self.size}, {self.size})"
            raise ValueError(f"x_t must have shape {expected}, got {tuple(x_t.shape)}")
        p = self.patch_size
        x = rearrange(x_t, "b c (h p) (w q) -> b (c p q) h w", p=p, q=p).contiguous(memory_format=torch.channels_last)
        kept = []
        for block in self.down:
            x = block(x, emb)
            kept.append(x)
        x = self.middle(x, emb)
        for block in self.up:
            x = block(torch.cat([x, kept.pop()], dim=1), emb)
        return rearrange(self.out(x), "b (c p q) h w -> b c (h p) (w q)", p=p, q=p).contiguous()


def way_down(
    stem: nn.Module, width: int, stages: list[tuple[int, int]], num_res_blocks: int, stage: Callable[..., Stage]
) -> tuple[nn.ModuleList, list[int]]:
    """Blocks of the way down, and the width of the output of each; ``stages`` are (width, resolution)."""
    down, widths = nn.ModuleList([stem]), [width]
    for number, (wide, resolution) in enumerate(stages):
        for _ in range(num_res_blocks):
            down.append(stage(widths[-1], wide, resolution))
            widths.append(wide)
        if number < len(stages) - 1:
            down.append(Downsample(wide))
            widths.append(wide)
    return down, widths


def way_up(
    widths: list[int], stages: list[tuple[int, int]], num_res_blocks: int, stage: Callable[..., Stage]
) -> nn.ModuleList:
    """Blocks of the way up: each begins with one of the outputs of the way down beside its input, the last first."""
    up, skips, width = nn.ModuleList(), list(widths), widths[-1]
    for number, (wide, resolution) in reversed(list(enumerate(stages))):
        for i in range(num_res_blocks + 1):
            ends_stage = i == num_res_blocks and number > 0
            up.append(stage(width + skips.pop(), wide, resolution, *([Upsample(wide)] if ends_stage else [])))
            width = wide
    return up


class PointMLP(nn.Module):
    """A network for points in the plane: layers of one width, each told the level.

    Args:
        dim: coordinates of a point.
        hidden: width of the layers.
        num_layers: how many of them.
        learned_variance: twice as many numbers come out; the second half speaks about the variance.
    """

    def __init__(self, dim: int = 2, hidden: int = 128, num_layers: int = 3, learned_variance: bool = False):
        super().__init__()
        self.time_embedding = TimeEmbedding(hidden, hidden)
        self.stem = nn.Linear(dim, hidden)
        self.layers = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(num_layers)])
        self.out = nn.Linear(hidden, dim * (2 if learned_variance else 1))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def embed(self, t: Int[Tensor, " B"]) -> Float[Tensor, "B H"]:
        """What every layer is told."""
        return self.time_embedding(t)

    def forward(self, x_t: Float[Tensor, "B D"], t: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        return self.answer(x_t, self.embed(t))

    def answer(self, x_t: Float[Tensor, "B D"], emb: Float[Tensor, "B H"]) -> Float[Tensor, "B K"]:
        """Through all layers, each told ``emb``."""
        x = self.stem(x_t)  # (B, hidden)
        for layer in self.layers:
            x = x + layer(nn.functional.silu(x + emb))
        return self.out(nn.functional.silu(x))


def check_widths(size, patch_size, resolutions, widths, attention_resolutions, num_heads) -> None:
    """Raise ValueError unless every resolution is whole and every width divides into groups and heads."""
    smallest = patch_size * 2 ** (len(resolutions) - 1)
    if size % smallest:
        raise ValueError(f"size must be divisible by {smallest}, patches and halvings together, got {size}")
    if any(width % 8 or width % num_heads for width in widths):
        raise ValueError(f"widths must divide into 8 groups and {num_heads} heads, got {widths}")
    if not set(attention_resolutions) <= set(resolutions):
        raise ValueError(f"attention_resolutions must be among {resolutions}, got {tuple(attention_resolutions)}")
