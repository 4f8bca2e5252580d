"""Exercises about attention from places to words."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.ldm.exercises.cases import PADDING as NOT_THERE
from lib.ldm.exercises.cases import WORDS, double


def cross_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v with queries of places and keys and values of words."""
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


def _places_and_words(generator: torch.Generator) -> list[tuple]:
    cases = []
    for batch, places, words, width in ((1, 3, 3, 4), (2, 5, 3, 4)):  # a square one too: no shape gives the answer away
        cases.append((double(generator, batch, places, width), *double(generator, 2, batch, words, width)))
    return cases


CROSS_ATTENTION = Exercise(
    name="ldm.cross_attention",
    prompt="Attention of one head: q comes from the places of the picture, (B, N, d); k and v come from the words, "
    "(B, L, d). Each place gets a mean of the v of the words, (B, N, d).",
    reference=cross_attention,
    cases=_places_and_words,
    misconceptions=(
        Misconception(
            "let the places share out each word",
            lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).softmax(-2) @ v,
            "Every place shares its attention out among the words: the shares of a place sum to 1.",
            WORDS,
        ),
        Misconception(
            "left out the root of d",
            lambda q, k, v: (q @ k.mT).softmax(-1) @ v,
            "Products of d numbers have a spread of the root of d; without it one word takes everything.",
            WORDS,
        ),
        Misconception(
            "divided by d",
            lambda q, k, v: (q @ k.mT / q.shape[-1]).softmax(-1) @ v,
            "The root of d, not d: it is a standard deviation.",
            WORDS,
        ),
        Misconception(
            "forgot the softmax",
            lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5) @ v,
            "Shares must be positive and sum to 1.",
            WORDS,
        ),
        Misconception(
            "returned the keys",
            lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ k,
            "Keys decide who is looked at, values are what is seen there.",
            WORDS,
        ),
        Misconception(
            "took the mean of all words",
            lambda q, k, v: v.mean(1, keepdim=True) + 0 * q,
            "Then every place sees the same, and no word can be meant for a part of the picture.",
            WORDS,
        ),
    ),
    hints=(
        "First a score for every pair of place and word: (B, N, L).",
        "Scores become shares by a softmax. Over which axis must they sum to 1, if every place looks at words?",
        "Scale the scores, make them shares, and let the shares weigh the values.",
    ),
    explains="With k and v from the picture itself the same lines are self-attention.",
)


def masked_shares(score: Tensor, mask: Tensor) -> Tensor:
    """Shares over words, of which those outside the mask get none."""
    return score.masked_fill(~mask[:, None, :], -torch.inf).softmax(-1)


def _scores(generator: torch.Generator) -> list[tuple]:
    mask = torch.tensor([[True, True, True, False, False], [True, True, False, False, False]])
    return [(double(generator, num, places, 5), mask[:num]) for num, places in ((1, 2), (2, 3))]


PADDING = Exercise(
    name="ldm.padding",
    prompt="Shares of attention, (B, N, L), from scores of the same shape and a mask of words, (B, L), which is false "
    "where a row was filled up. Words that are not there get nothing, and the others share all of it.",
    reference=masked_shares,
    cases=_scores,
    misconceptions=(
        Misconception(
            "ignored the mask",
            lambda score, mask: score.softmax(-1),
            "Then a short caption is watered down by its padding.",
            NOT_THERE,
        ),
        Misconception(
            "gave words that are not there the score 0",
            lambda score, mask: (score * mask[:, None, :]).softmax(-1),
            "exp(0) is 1: a score of 0 still gets a share.",
            NOT_THERE,
        ),
        Misconception(
            "masked after the softmax only",
            lambda score, mask: score.softmax(-1) * mask[:, None, :],
            "What the padding had is lost: the shares of the other words no longer sum to 1.",
            NOT_THERE,
        ),
        Misconception(
            "kept the padding and hid the words",
            lambda score, mask: masked_shares(score, ~mask),
            "The mask is true where a word is.",
            NOT_THERE,
        ),
        Misconception(
            "shared equally",
            lambda score, mask: (mask[:, None, :] / mask.sum(1)[:, None, None]).to(score).expand_as(score),
            "The scores still decide among the words that are there.",
            NOT_THERE,
        ),
    ),
    hints=(
        "Which score gives a share of exactly 0 after a softmax?",
        "Change the scores before the softmax, not the shares after it.",
        "masked_fill replaces where a condition is true; the mask needs an axis for the places.",
    ),
    explains="The same caption then means the same whatever the longest caption of its batch is.",
)
