"""The U-Net of the second stage: that of chapter 4 on latents, with transformers that read a context.

The residual blocks, the way down and the way up are those of `lib.ddpm`. New is what stands between the residual
blocks at the resolutions with attention: a `SpatialTransformer` instead of self-attention alone.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ddpm.blocks import Out, ResBlock, Stem, TimeEmbedding
from lib.ddpm.model import check_widths, way_down, way_up
from lib.ldm.attention import Context, ContextMask, SpatialTransformer

Sizes = tuple[int, ...] | list[int]


class LatentStage(nn.ModuleList):
    """Blocks run one after the other: transformers are shown the context, all others are told ``emb``."""

    def forward(self, x: Tensor, emb: Float[Tensor, "B E"], context: Context, mask: ContextMask) -> Tensor:
        for block in self:
            x = block(x, context, mask) if isinstance(block, SpatialTransformer) else block(x, emb)
        return x


class LatentUNet(nn.Module):
    """From noisy latents, their levels and a context to an estimate of noise, clean latent or v.

    Args:
        in_channels: channels of the latent.
        channels: width at full resolution.
        multipliers: width at each resolution, in units of ``channels``; the resolution halves from one to the next.
        num_res_blocks: residual blocks at each resolution on the way down; one more on the way up.
        attention_resolutions: heights of feature maps that have a transformer after each residual block. The lowest
            resolution always has one in the middle.
        size: height and width of the latent.
        num_heads: heads of each attention.
        context_dim: width of the context; None for a model without.
        extra_channels: channels of whatever is laid beside the latent, a layout for example; 0 for nothing.
        told_places: whether the transformers are told where each place is; the original's are not.

    Raises:
        ValueError: if ``size`` cannot be halved often enough, widths do not divide into groups, heads and waves, or an
            attention resolution does not occur.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.3 and appendix E.2.1.
    """

    def __init__(
        self,
        in_channels: int = 4,
        channels: int = 64,
        multipliers: Sizes = (1, 2),
        num_res_blocks: int = 1,
        attention_resolutions: Sizes = (16, 8),
        size: int = 16,
        num_heads: int = 4,
        context_dim: int | None = 64,
        extra_channels: int = 0,
        told_places: bool = False,
    ):
        super().__init__()
        resolutions = [size // 2**stage for stage in range(len(multipliers))]
        widths = [channels * multiplier for multiplier in multipliers]
        check_widths(size, 1, resolutions, widths, attention_resolutions, num_heads)
        self.size, self.in_channels, self.extra_channels = size, in_channels, extra_channels
        emb_dim = 4 * channels
        self.time_embedding = TimeEmbedding(channels, emb_dim)

        def transformer(width: int, resolution: int) -> SpatialTransformer:
            return SpatialTransformer(width, context_dim, num_heads, side=resolution if told_places else None)

        def stage(width_in: int, width: int, resolution: int, *more: nn.Module) -> LatentStage:
            attention = [transformer(width, resolution)] if resolution in attention_resolutions else []
            return LatentStage([ResBlock(width_in, width, emb_dim), *attention, *more])

        stages = list(zip(widths, resolutions, strict=True))
        stem = Stem(in_channels + extra_channels, channels)
        self.down, kept_widths = way_down(stem, channels, stages, num_res_blocks, stage)
        wide = kept_widths[-1]
        self.middle = LatentStage(
            [ResBlock(wide, wide, emb_dim), transformer(wide, resolutions[-1]), ResBlock(wide, wide, emb_dim)]
        )
        self.up = way_up(kept_widths, stages, num_res_blocks, stage)
        self.out = Out(widths[0], in_channels)
        self.to(memory_format=torch.channels_last)

    def forward(
        self,
        x_t: Float[Tensor, "B C s s"],
        t: Int[Tensor, " B"],
        context: Context = None,
        mask: ContextMask = None,
        beside: Float[Tensor, "B K s s"] | None = None,
    ) -> Float[Tensor, "B C s s"]:
        """The answer for latents ``x_t`` at levels ``t``.

        Args:
            x_t: noisy latents.
            t: levels in 1..T.
            context: what is known about each, as rows of vectors.
            mask: which rows of the context count; all if not given.
            beside: what is laid beside the latent, where the model has ``extra_channels``.

        Raises:
            ValueError: if the latents or what is beside them do not fit the model.
        """
        x = self._joined(x_t, beside).contiguous(memory_format=torch.channels_last)
        emb, kept = self.time_embedding(t), []
        for block in self.down:
            x = block(x, emb, context, mask) if isinstance(block, LatentStage) else block(x, emb)
            kept.append(x)
        x = self.middle(x, emb, context, mask)
        for block in self.up:
            x = block(torch.cat([x, kept.pop()], dim=1), emb, context, mask)
        return self.out(x).contiguous()

    def _joined(self, x_t: Tensor, beside: Tensor | None) -> Tensor:
        expected = (self.in_channels, self.size, self.size)
        if x_t.shape[1:] != expected:
            raise ValueError(f"x_t must have shape (B, {', '.join(map(str, expected))}), got {tuple(x_t.shape)}")
        if (0 if beside is None else beside.shape[1]) != self.extra_channels:
            got = "none" if beside is None else tuple(beside.shape)
            raise ValueError(f"beside must have {self.extra_channels} channels, got {got}")
        return x_t if beside is None else torch.cat([x_t, beside.to(x_t.dtype)], dim=1)


def cross_attention_sites(model: nn.Module) -> list[str]:
    """Names of the transformers of a model, each of which looks at the context once for each of its blocks."""
    return [name for name, module in model.named_modules() if isinstance(module, SpatialTransformer)]
