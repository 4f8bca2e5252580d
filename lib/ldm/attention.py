"""Attention from places of a feature map to words: the transformer that stands between two residual blocks.

Names are those of the original and of `diffusers`. The queries come from the picture, keys and values from the words,
so that each place asks the caption what it should become.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lib.ddpm.blocks import NUM_GROUPS, timestep_embedding, zeroed

Context = Float[Tensor, "B L context"] | None
ContextMask = Bool[Tensor, "B L"] | None


class CrossAttention(nn.Module):
    """softmax(q k^T / sqrt(d)) v, where k and v come from a context, or from x itself if there is none.

    Args:
        dim: width of x.
        context_dim: width of the context; None for self-attention.
        num_heads: heads.
        head_dim: width of a head.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2; Rombach et al. 2022, arXiv:2112.10752, section 3.3.
    """

    def __init__(self, dim: int, context_dim: int | None, num_heads: int, head_dim: int):
        super().__init__()
        self.num_heads, inner = num_heads, num_heads * head_dim
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_k = nn.Linear(context_dim or dim, inner, bias=False)
        self.to_v = nn.Linear(context_dim or dim, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, dim)])

    def forward(self, x: Float[Tensor, "B N D"], context: Context = None, mask: ContextMask = None) -> Tensor:
        """The answer, (B, N, D); words where ``mask`` is false are not looked at."""
        v = self._heads(self.to_v(x if context is None else context))
        # written out: at this size, and on a CPU, the gradient of torch's fused attention takes three times as long
        h = self.attn(x, context, mask).to(v.dtype) @ v  # (B, heads, N, head_dim)
        return self.to_out[0](rearrange(h, "b a n d -> b n (a d)"))

    def attn(
        self, x: Float[Tensor, "B N D"], context: Context = None, mask: ContextMask = None
    ) -> Float[Tensor, "B heads N L"]:
        """How much each place looks at each word, for each head: rows that sum to 1."""
        q, k = self._queries_and_keys(x, context)
        score = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
        if mask is not None:
            score = score.masked_fill(~rearrange(mask, "b l -> b 1 1 l"), -torch.inf)
        return score.softmax(-1)

    def _queries_and_keys(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._heads(self.to_q(x)), self._heads(self.to_k(x if context is None else context))

    def _heads(self, tokens: Tensor) -> Tensor:
        return rearrange(tokens, "b n (a d) -> b a n d", a=self.num_heads)


class GEGLU(nn.Module):
    """A linear layer whose one half is the gate of the other.

    Source: Shazeer 2020, arXiv:2002.05202, eq. 6.
    """

    def __init__(self, dim: int, inner: int):
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... K"]:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """Each token by itself: four times as wide, gated, and back."""

    def __init__(self, dim: int, multiplier: int = 4):
        super().__init__()
        inner = multiplier * dim
        self.net = nn.ModuleList([GEGLU(dim, inner), nn.Identity(), nn.Linear(inner, dim)])

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        for layer in self.net:
            x = layer(x)
        return x


class TransformerBlock(nn.Module):
    """Places look at places, then at words, then think by themselves; each beside a shortcut, after a norm."""

    def __init__(self, dim: int, context_dim: int | None, num_heads: int, head_dim: int):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn1 = CrossAttention(dim, None, num_heads, head_dim)
        self.attn2 = CrossAttention(dim, context_dim, num_heads, head_dim)
        self.ff = FeedForward(dim)

    def forward(self, x: Float[Tensor, "B N D"], context: Context = None, mask: ContextMask = None) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context, mask)
        return x + self.ff(self.norm3(x))


def waves_of_places(side: int, channels: int) -> Float[Tensor, "N D"]:
    """Where each place of a square map is: waves of its row, then of its column, half of the channels each.

    Raises:
        ValueError: if the channels do not divide into sines and cosines of rows and of columns.
    """
    if channels % 4:
        raise ValueError(f"channels must be a multiple of 4, got {channels}")
    line = timestep_embedding(torch.arange(side), channels // 2)
    rows, columns = repeat(line, "h d -> h w d", w=side), repeat(line, "w d -> h w d", h=side)
    return rearrange(torch.cat([rows, columns], dim=-1), "h w d -> (h w) d")


class SpatialTransformer(nn.Module):
    """A feature map as a row of tokens, through transformer blocks and back, beside a shortcut.

    The last layer is zero at first, so that a new one is the identity.

    The original does not tell a token its place: the network finds it out from the zeros beyond the border, given time.
    With ``side`` it is told, in the way of transformers for pictures. Together with a text encoder that knows its words
    already, "left" is then learned much sooner; by itself it does not show (``python -m lib.trends ldm_relations``).

    Args:
        channels: of the feature map.
        context_dim: width of the context; None where there is none, and the second attention is a second look at the
            map itself.
        num_heads: heads of each attention.
        depth: transformer blocks.
        side: height and width of the map, if tokens are told their places; None as in the original.

    Raises:
        ValueError: if the channels do not divide into the heads, or into waves.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.3 and appendix E.2.1.
    """

    places: Tensor | None

    def __init__(self, channels: int, context_dim: int | None, num_heads: int, depth: int = 1, side: int | None = None):
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"channels must divide into num_heads = {num_heads}, got {channels}")
        self.norm = nn.GroupNorm(NUM_GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(
            [TransformerBlock(channels, context_dim, num_heads, channels // num_heads) for _ in range(depth)]
        )
        self.proj_out = zeroed(nn.Conv2d(channels, channels, 1))
        places = None if side is None else waves_of_places(side, channels)
        self.register_buffer("places", places, persistent=False)

    def forward(self, x: Float[Tensor, "B C H W"], context: Context = None, mask: ContextMask = None) -> Tensor:
        tokens = rearrange(self.proj_in(self.norm(x)), "b c h w -> b (h w) c")
        if self.places is not None:
            tokens = tokens + self.places
        for block in self.transformer_blocks:
            tokens = block(tokens, context, mask)
        return x + self.proj_out(rearrange(tokens, "b (h w) c -> b c h w", h=x.shape[2]))


@contextmanager
def recorded_attention(model: nn.Module) -> Iterator[dict[str, list[Float[Tensor, "B heads N L"]]]]:
    """While it is open, every call of every attention to words leaves its map: ``{name: [one for each call]}``.

    Computed a second time, for the record: calls take longer.
    """
    maps: dict[str, list[Tensor]] = {}
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, CrossAttention) and name.endswith("attn2"):
            found = maps.setdefault(name, [])
            handles.append(
                module.register_forward_hook(lambda m, args, _, found=found: found.append(m.attn(*args).detach().cpu()))
            )
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def word_maps(maps: dict[str, list[Float[Tensor, "B heads N L"]]], size: int) -> Float[Tensor, "B L S S"]:
    """One map for each word: how much each place looked at it, the mean over heads, sites and calls.

    Maps of coarse sites are enlarged to ``size``; at every place the words' shares sum to 1.

    Raises:
        ValueError: if nothing was recorded.
    """
    calls = [one for found in maps.values() for one in found]
    if not calls:
        raise ValueError("maps must hold at least one call, got none; run the model inside recorded_attention")
    total = 0
    for one in calls:
        side = round(one.shape[2] ** 0.5)
        shares = rearrange(reduce(one, "b heads n l -> b l n", "mean"), "b l (h w) -> b l h w", h=side)
        total = total + F.interpolate(shares, size=(size, size), mode="bilinear", align_corners=False)
    return total / len(calls)
