"""From words to a context: a vocabulary, a tokenizer that says what it does not know, and a small text encoder."""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.data import CLASSES, COLOURS, RELATIONS, SIZES, emoji
from lib.ldm.attention import CrossAttention, FeedForward

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")


class Tokens(NamedTuple):
    """What a tokenizer returns.

    Attributes:
        ids: number of each word, from <start> to <end>, filled up with <pad>.
        mask: where a token is no padding.
        unknown: the words of each text that are not in the vocabulary, as they were written; <unk> stands for them.
    """

    ids: Int[Tensor, "B L"]
    mask: Bool[Tensor, "B L"]
    unknown: list[tuple[str, ...]]


class Tokenizer:
    """Whole words, each with a number; case makes no difference, and marks are words of their own.

    Args:
        words: the vocabulary, without the four special tokens.
        max_length: tokens of a text, <start> and <end> included.

    Raises:
        ValueError: if a word appears twice, or there is no room for a single word.
    """

    def __init__(self, words: Iterable[str], max_length: int):
        self.words = (*SPECIAL, *words)
        if len(set(self.words)) != len(self.words):
            raise ValueError(f"words must be different, got {len(self.words) - len(set(self.words))} repetitions")
        if max_length < 3:
            raise ValueError(f"max_length must leave room for <start>, a word and <end>, got {max_length}")
        self.max_length, self.number = max_length, {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens of some texts; "" is the null text, which says nothing.

        Raises:
            ValueError: if a text is too long, or ``texts`` is a single one.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts must be a list of texts, got a single one: {texts!r}")
        ids = torch.full((len(texts), self.max_length), PAD)
        unknown = []
        for row, text in enumerate(texts):
            words = split_words(text)
            if len(words) > self.max_length - 2:
                raise ValueError(f"a text must have at most {self.max_length - 2} words, got {len(words)}: {text!r}")
            numbers = [START, *(self.number.get(word, UNKNOWN) for word in words), END]
            ids[row, : len(numbers)] = torch.tensor(numbers)
            unknown.append(tuple(word for word in words if word not in self.number))
        return Tokens(ids, ids != PAD, unknown)

    def decode(self, ids: Int[Tensor, " L"]) -> list[str]:
        """The words of one row, special tokens included, padding left out: the names of the columns of its maps."""
        return [self.words[number] for number in ids.tolist() if number != PAD]


def split_words(text: str) -> list[str]:
    """The words of a text in lower case; every mark that stands between them is one too."""
    return re.findall(r"[\w’']+|[^\w\s]", text.lower())


def caption_words() -> tuple[str, ...]:
    """Every word of the captions of scenes."""
    relations = dict.fromkeys(word for relation in RELATIONS for word in relation.split())
    return ("a", "and", *SIZES, *COLOURS, *CLASSES, *relations)


@functools.cache
def emoji_words() -> tuple[str, ...]:
    """Every word in the names of the training emoji, in alphabetical order."""
    return tuple(sorted({word for row in emoji(32).table for word in split_words(row.name)}))


VOCABULARIES: dict[str, tuple[Callable[[], tuple[str, ...]], int]] = {
    "captions": (caption_words, 14),
    "emoji": (emoji_words, 24),
}
"""Words, and tokens of a text, by the name that a recipe uses."""


def make_tokenizer(vocabulary: str) -> Tokenizer:
    """The tokenizer of a vocabulary.

    Raises:
        ValueError: if there is no such vocabulary.
    """
    if vocabulary not in VOCABULARIES:
        raise ValueError(f"vocabulary must be one of {', '.join(VOCABULARIES)}, got {vocabulary!r}")
    words, max_length = VOCABULARIES[vocabulary]
    return Tokenizer(words(), max_length)


class TextBlock(nn.Module):
    """Words look at words, then think by themselves; each beside a shortcut, after a norm."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn1 = CrossAttention(dim, None, num_heads, dim // num_heads)
        self.ff = FeedForward(dim)

    def forward(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        x = x + self.attn1(self.norm1(x), None, mask)
        return x + self.ff(self.norm2(x))


class TextEncoder(nn.Module):
    """Tokens to a context: one vector for each token, which knows the words around it.

    Every word may look at every other, before and after it, padding excepted. It is trained together with the U-Net,
    by the loss of the pictures; `lib.ldm.mean_latent` can teach it its words beforehand.

    Args:
        num_tokens: size of the vocabulary.
        max_length: tokens of a text.
        dim: width of the context.
        depth: transformer blocks.
        num_heads: heads of each attention.

    Raises:
        ValueError: if the width does not divide into the heads.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 4.3.1 and appendix E.2.1 (an unmasked transformer, trained
    from nothing; Stable Diffusion took CLIP's instead, and left it as it was).
    """

    def __init__(self, num_tokens: int, max_length: int, dim: int = 64, depth: int = 2, num_heads: int = 4):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim must divide into num_heads = {num_heads}, got {dim}")
        self.tokens = nn.Embedding(num_tokens, dim)
        self.positions = nn.Parameter(0.02 * torch.randn(max_length, dim))
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.blocks = nn.ModuleList([TextBlock(dim, num_heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)

    def forward(self, ids: Int[Tensor, "B L"]) -> tuple[Float[Tensor, "B L D"], Bool[Tensor, "B L"]]:
        """The context and its mask.

        Raises:
            ValueError: if the texts are longer than the encoder knows positions, or a token is not in the vocabulary.
        """
        if ids.shape[1] > len(self.positions):
            raise ValueError(f"ids must have at most {len(self.positions)} tokens, got {ids.shape[1]}")
        if ids.numel() and not 0 <= ids.min() <= ids.max() < self.tokens.num_embeddings:
            raise ValueError(f"ids must lie in 0..{self.tokens.num_embeddings - 1}, got up to {ids.max().item()}")
        mask = ids != PAD
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x), mask
