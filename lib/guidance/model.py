"""Networks that are told a label, and networks that guess one.

`ClassUNet` is the U-Net of chapter 4 with another residual block and a label beside the level; a label of its own means
"not told". `NoisyClassifier` is the way down of the same U-Net with a head: it reads labels from *noisy* pictures.

A label can have parts, as "red star" has: then y = num_second · first + second, and each part has a table of its own,
so that a pair can be asked for that was never seen together.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ddpm import PointMLP, UNet
from lib.ddpm.blocks import NUM_GROUPS, ResBlock, SelfAttention, Stage, Stem, TimeEmbedding
from lib.ddpm.model import way_down

Classes = int | tuple[int, ...] | list[int]
"""Number of classes; for a label of several parts, the number of values of each part."""


class LabelEmbedding(nn.Module):
    """One learned row for each label and one more, the null label, for "not told". Rows of parts are added.

    Args:
        num_classes: one number, or one for each part of the label.
        emb_dim: length of a row.

    Source: Ho & Salimans 2022, arXiv:2207.12598, section 3.2 (the null token).
    """

    def __init__(self, num_classes: Classes, emb_dim: int):
        super().__init__()
        self.sizes = sizes_of(num_classes)
        self.null_label = math.prod(self.sizes)
        self.tables = nn.ModuleList([nn.Embedding(size + 1, emb_dim) for size in self.sizes])

    def forward(self, y: Int[Tensor, " B"]) -> Float[Tensor, "B E"]:
        if y.min() < 0 or y.max() > self.null_label:
            raise ValueError(
                f"y must lie in 0..{self.null_label}, the last of which means 'not told', got "
                f"{y.min().item()}..{y.max().item()}"
            )
        rows, untold = 0, y == self.null_label
        for part, size, table in zip(split_label(y, self.sizes), self.sizes, self.tables, strict=True):
            rows = rows + table(torch.where(untold, size, part))
        return rows


class AdaGNBlock(ResBlock):
    """The residual block of chapter 4, with the embedding as scale and shift after the second norm.

    There the embedding was added before the norm, which takes away part of it again. Here the norm comes first, and the
    embedding says for every channel how strong it is to be: adaptive group normalisation.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 3.1; Perez et al. 2017, arXiv:1709.07871 (FiLM).
    """

    told_per_channel = 2
    """Scale and shift."""

    def forward(self, x: Float[Tensor, "B C H W"], emb: Float[Tensor, "B E"]) -> Float[Tensor, "B K H W"]:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = rearrange(self.emb_proj(F.silu(emb)), "b (two k) -> two b k 1 1", two=2)  # the order of ADM
        h = modulate(self.norm2(h), shift, scale)
        h = self.conv2(self.dropout(F.silu(h)))
        return self.shortcut(x) + h


class ClassUNet(UNet):
    """The U-Net of chapter 4 with `AdaGNBlock`, told the level and a label.

    Called without a label, ``model(x_t, t)``, it answers for the null label: a model without labels for any sampler.

    Args:
        num_classes: how many labels, 0 … num_classes - 1; or one number for each part of a label.
        options: those of `lib.ddpm.UNet`.
    """

    residual_block = AdaGNBlock

    def __init__(self, num_classes: Classes, channels: int = 64, **options):
        super().__init__(channels=channels, **options)
        self.label_embedding = LabelEmbedding(num_classes, 4 * channels)
        self.null_label = self.label_embedding.null_label

    def forward(
        self, x_t: Float[Tensor, "B C S S"], t: Int[Tensor, " B"], y: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B K S S"]:
        return self.answer(x_t, self.embed(t) + self.label_embedding(labels_or_null(y, t, self.null_label)))


class ClassPointMLP(PointMLP):
    """The network for points of chapter 4, told a label as well; arguments as for `ClassUNet`."""

    def __init__(self, num_classes: Classes, hidden: int = 128, **options):
        super().__init__(hidden=hidden, **options)
        self.label_embedding = LabelEmbedding(num_classes, hidden)
        self.null_label = self.label_embedding.null_label

    def forward(
        self, x_t: Float[Tensor, "B D"], t: Int[Tensor, " B"], y: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B K"]:
        return self.answer(x_t, self.embed(t) + self.label_embedding(labels_or_null(y, t, self.null_label)))


class NoisyClassifier(nn.Module):
    """From noisy pictures and their levels to logits of the labels: half a U-Net, its last map averaged.

    For a label of several parts the logits of a pair are the sum of those of its parts, so that its probability is the
    product of theirs: the parts are taken as independent, given the picture.

    Args:
        num_classes: how many labels, or one number for each part.
        channels: width at full resolution.
        multipliers: width at each resolution, in units of ``channels``.
        in_channels: 3 for colour.
        num_heads: heads of the attention at the lowest resolution.
        dropout: share of values set to 0 inside residual blocks while training.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4 and appendix (the downsampling half of the U-Net).
    """

    def __init__(
        self,
        num_classes: Classes,
        channels: int = 32,
        multipliers: tuple[int, ...] | list[int] = (1, 2, 4),
        in_channels: int = 3,
        num_heads: int = 4,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.sizes, emb_dim = sizes_of(num_classes), 4 * channels
        self.num_classes = math.prod(self.sizes)
        self.time_embedding = TimeEmbedding(channels, emb_dim)
        widths = [channels * multiplier for multiplier in multipliers]
        self.down, _ = way_down(
            Stem(in_channels, channels), channels, [(width, 0) for width in widths], 1,
            lambda width_in, width, _: Stage(AdaGNBlock(width_in, width, emb_dim, dropout)),
        )  # fmt: skip
        self.middle = Stage(SelfAttention(widths[-1], num_heads), AdaGNBlock(widths[-1], widths[-1], emb_dim, dropout))
        self.norm = nn.GroupNorm(NUM_GROUPS, widths[-1])
        self.head = nn.Linear(widths[-1], sum(self.sizes))
        self.to(memory_format=torch.channels_last)

    def forward(self, x_t: Float[Tensor, "B C S S"], t: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        emb, x = self.time_embedding(t), x_t.contiguous(memory_format=torch.channels_last)
        for block in self.down:
            x = block(x, emb)
        x = self.middle(x, emb)
        pooled = reduce(F.silu(self.norm(x)), "b c h w -> b c", "mean")
        return combine_parts(self.head(pooled).float().split(self.sizes, dim=1))


def modulate(
    x: Float[Tensor, "B C ..."], shift: Float[Tensor, "B C ..."], scale: Float[Tensor, "B C ..."]
) -> Float[Tensor, "B C ..."]:
    """Scale and shift features; scale 0 leaves them as they are."""
    return x * (1 + scale) + shift


def combine_parts(logits: tuple[Tensor, ...]) -> Float[Tensor, "B K"]:
    """Logits of whole labels from those of their parts, (B, n) each, in the order y = num_second · first + second."""
    whole, *others = logits
    for part in others:
        whole = rearrange(whole[:, :, None] + part[:, None, :], "b m n -> b (m n)")
    return whole


def split_label(y: Int[Tensor, " B"], sizes: tuple[int, ...]) -> tuple[Int[Tensor, " B"], ...]:
    """The parts of labels; those of the null label mean nothing."""
    parts = []
    for size in reversed(sizes):
        parts.append(y % size)
        y = y // size
    return tuple(reversed(parts))


def sizes_of(num_classes: Classes) -> tuple[int, ...]:
    """The numbers of values of the parts of a label.

    Raises:
        ValueError: if there is no part, or one with no value.
    """
    sizes = (num_classes,) if isinstance(num_classes, int) else tuple(num_classes)
    if not sizes or min(sizes) < 1:
        raise ValueError(f"num_classes must be at least 1, or one such number for each part, got {num_classes}")
    return sizes


def labels_or_null(y: Int[Tensor, " B"] | None, t: Int[Tensor, " B"], null_label: int) -> Int[Tensor, " B"]:
    """The labels, or the null label for all where none were given.

    Raises:
        ValueError: if there is not one label for each row.
    """
    if y is None:
        return torch.full_like(t, null_label)
    if y.shape != t.shape:
        raise ValueError(f"y must hold one label for each of the {len(t)} rows, got shape {tuple(y.shape)}")
    return y
