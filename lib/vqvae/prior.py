"""The prior: a decoder-only transformer that reads a grid of codes row by row and says what comes next.

A VQ-VAE alone makes no new pictures: most grids of indices mean nothing. The prior learns which ones do.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

Past = tuple[Tensor, Tensor]
"""Keys and values of the places read so far, (B, num_heads, n, head_dim) each."""


class CausalAttention(nn.Module):
    """Each place attends to itself and to the places before it.

    Args:
        width: width of the tokens.
        num_heads: number of heads; divides ``width``.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
    """

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "B n D"], past: Past | None = None) -> tuple[Float[Tensor, "B n D"], Past]:
        """With ``past``, x is the one next token, which sees everything before it; nothing old is computed again.

        Raises:
            ValueError: if there is a past and more than one token.
        """
        if past is not None and x.shape[1] != 1:
            raise ValueError(f"with a past, x must be one token at a time, got {x.shape[1]}")
        q, k, v = rearrange(self.qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        if past is not None:
            k, v = (torch.cat([old, new], dim=2) for old, new in zip(past, (k, v), strict=True))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)
        return self.out(rearrange(mixed, "b h n d -> b n (h d)")), (k, v)


class Block(nn.Module):
    """Attention and a two-layer network, each beside a shortcut and after a normalisation.

    Source: Radford et al. 2019 (GPT-2), section 2.3: the normalisation stands before each part.
    """

    def __init__(self, width: int, num_heads: int, dropout: float):
        super().__init__()
        self.norm_attention, self.attention = nn.LayerNorm(width), CausalAttention(width, num_heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B n D"], past: Past | None = None) -> tuple[Float[Tensor, "B n D"], Past]:
        mixed, past = self.attention(self.norm_attention(x), past)
        x = x + self.dropout(mixed)
        return x + self.dropout(self.mlp(self.norm_mlp(x))), past


class CodePrior(nn.Module):
    """p(grid) = product over places of p(index given the indices before it), row by row from the top left.

    Args:
        num_codes: number K of codes.
        grid: height and width of the grid of indices.
        width: width of the tokens.
        depth: number of blocks.
        num_heads: number of attention heads; divides ``width``.
        dropout: share of values dropped in training.

    Raises:
        ValueError: if ``num_heads`` does not divide ``width``.

    Source: van den Oord et al. 2017, arXiv:1711.00937, section 3.3 (a PixelCNN there); Esser et al. 2021,
    arXiv:2012.09841, section 3.2 (a transformer).
    """

    def __init__(
        self,
        num_codes: int,
        grid: tuple[int, int] = (8, 8),
        width: int = 128,
        depth: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
    ):
        super().__init__()
        if width % num_heads:
            raise ValueError(f"num_heads must divide width, got {num_heads} and {width}")
        self.num_codes, self.grid = num_codes, grid
        self.token = nn.Embedding(num_codes + 1, width)  # the last one says: nothing yet
        self.row, self.column = nn.Embedding(grid[0], width), nn.Embedding(grid[1], width)
        self.blocks = nn.ModuleList(Block(width, num_heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_codes)
        for embedding in (self.token, self.row, self.column):
            nn.init.normal_(embedding.weight, std=0.02)
        nn.init.zeros_(self.head.weight)  # a new prior is uniform
        nn.init.zeros_(self.head.bias)

    @property
    def num_places(self) -> int:
        """How many indices a grid has."""
        return self.grid[0] * self.grid[1]

    def forward(self, indices: Int[Tensor, "B h w"]) -> Float[Tensor, "B h w K"]:
        """Logits of every index given those before it, all places at once.

        Raises:
            ValueError: if the grid has another size than the prior's.
        """
        if tuple(indices.shape[1:]) != tuple(self.grid):
            raise ValueError(f"indices must be grids of {tuple(self.grid)}, got {tuple(indices.shape[1:])}")
        before = F.pad(indices.flatten(1)[:, :-1], (1, 0), value=self.num_codes)  # each place sees its predecessors
        logits, _ = self.continue_from(before, 0)
        return rearrange(logits, "b (h w) k -> b h w k", h=self.grid[0])

    def continue_from(
        self, before: Int[Tensor, "B n"], start: int, past: list[Past] | None = None
    ) -> tuple[Float[Tensor, "B n K"], list[Past]]:
        """Logits at places start, start + 1, … given the index before each of them, and the past of every block."""
        place = torch.arange(start, start + before.shape[1], device=before.device)
        x = self.token(before) + self.row(place // self.grid[1]) + self.column(place % self.grid[1])  # (B, n, D)
        new_past = []
        for number, block in enumerate(self.blocks):
            x, kept = block(x, past[number] if past else None)
            new_past.append(kept)
        return self.head(self.norm(x)).to(x.dtype), new_past


def prior_loss(
    model: CodePrior, indices: Int[Tensor, "B h w"], generator: torch.Generator | None = None
) -> Float[Tensor, ""]:
    """Mean of −log p(index given those before it), in nats per index; log K for a prior that knows nothing.

    Divided by log 2 it is the number of bits that the prior needs for an index.
    """
    logits = model(indices).float()
    return F.cross_entropy(rearrange(logits, "b h w k -> (b h w) k"), indices.flatten())


@torch.no_grad()
def sample_codes(
    model: CodePrior,
    num: int,
    generator: torch.Generator | None = None,
    *,
    temperature: float = 1.0,
    cached: bool = True,
) -> Int[Tensor, "N h w"]:
    """Draw grids of indices, one index after another.

    Args:
        model: the prior; put it into eval mode first.
        num: how many grids.
        generator: source of the draws.
        temperature: divides the logits; below 1 likely indices are preferred.
        cached: keep keys and values of earlier places. Without, every step reads the whole beginning again: the same
            grids up to rounding, and much slower.

    Raises:
        ValueError: if ``temperature`` is not positive, ``num`` below 1, or the model in training mode.
    """
    if not temperature > 0 or num < 1:
        raise ValueError(f"temperature must be positive and num at least 1, got {temperature} and {num}")
    if model.training:
        raise ValueError("model must be in eval mode, or dropout disturbs the draws: call model.eval() first")
    device = model.head.weight.device
    before = torch.full((num, 1), model.num_codes, device=device)
    past = None
    for place in range(model.num_places):
        if cached:
            logits, past = model.continue_from(before[:, -1:], place, past)
        else:
            logits, _ = model.continue_from(before, 0)
        share = (logits[:, -1].float() / temperature).softmax(dim=-1)
        drawn = torch.multinomial(share, 1, generator=generator)
        before = torch.cat([before, drawn], dim=1)
    return rearrange(before[:, 1:], "n (h w) -> n h w", h=model.grid[0])


def uniform_codes(
    num: int, num_codes: int, grid: tuple[int, int], generator: torch.Generator | None = None
) -> Int[Tensor, "N h w"]:
    """Grids in which every index is drawn at random, as if the uniform prior of the training were the truth."""
    return torch.randint(num_codes, (num, *grid), generator=generator)
