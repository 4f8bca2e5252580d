"""Exercises about guidance without a classifier: two answers, the two conventions, and the dropped labels."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.guidance.combine import from_w, guide
from lib.guidance.exercises.cases import CONVENTIONS, DROPOUT, FREE, double


def _answers(generator: torch.Generator) -> list[tuple]:
    return [(*double(generator, 2, num, 2), scale) for num, scale in ((1, 3.0), (2, 1.5), (3, 7.5))]


GUIDE = Exercise(
    name="guidance.guide",
    prompt="The guided answer from eps_uncond, eps_cond and the scale s of this course, for which s = 1 is eps_cond.",
    reference=guide,
    cases=_answers,
    misconceptions=(
        Misconception(
            "took s for w",
            lambda eps_uncond, eps_cond, s: eps_cond + s * (eps_cond - eps_uncond),
            "That is the convention of Ho and Salimans, in which 0 is the plain conditional answer; here it is 1.",
            CONVENTIONS,
        ),
        Misconception(
            "exchanged the two answers",
            lambda eps_uncond, eps_cond, s: eps_cond + s * (eps_uncond - eps_cond),
            "Put in s = 1: it must be the answer with the label.",
            FREE,
        ),
        Misconception(
            "walked away from the label",
            lambda eps_uncond, eps_cond, s: eps_uncond - s * (eps_cond - eps_uncond),
            "Both answers are noise already: the minus of the classifier's form is inside their difference.",
            FREE,
        ),
        Misconception(
            "gave the difference alone",
            lambda eps_uncond, eps_cond, s: s * (eps_cond - eps_uncond),
            "That is the way; the point it starts from, the answer without the label, is missing.",
            FREE,
        ),
        Misconception(
            "added both answers",
            lambda eps_uncond, eps_cond, s: eps_uncond + s * eps_cond,
            "The shares must add up to 1, or the guided noise is no longer of the size of noise: 1 - s and s.",
            FREE,
        ),
        Misconception(
            "divided by the scale",
            lambda eps_uncond, eps_cond, s: eps_uncond + (eps_cond - eps_uncond) / s,
            "A large scale goes further, past the answer with the label.",
            FREE,
        ),
    ),
    hints=(
        "A straight line: at 0 the answer without the label, at 1 the answer with it. Where is it at s?",
        "Start at eps_uncond and walk s times the difference.",
        "The difference is eps_cond - eps_uncond, in this order.",
    ),
    explains="Above 1 it is extrapolation: no training ever asked for such an answer.",
)


SCALE = Exercise(
    name="guidance.scale",
    prompt="A paper says w, with (1 + w) eps_cond - w eps_uncond. The same strength as this course's s?",
    reference=from_w,
    cases=lambda generator: [(2.0,), (0.3,), (4.0,)],
    misconceptions=(
        Misconception(
            "took them for the same",
            lambda w: w,
            "w = 0 is the plain conditional model, which has s = 1: at one setting of a slider the strengths differ.",
            CONVENTIONS,
        ),
        Misconception(
            "went the other way",
            lambda w: w - 1,
            "That is w from s. Compare the factors of eps_cond: 1 + w in one, s in the other.",
            CONVENTIONS,
        ),
        Misconception(
            "took the factor of the other answer",
            lambda w: -w,
            "-w is the factor of eps_uncond, which is 1 - s.",
            CONVENTIONS,
        ),
        Misconception(
            "lost the sign",
            lambda w: 1 - w,
            "1 - s is -w. Solve for s.",
            CONVENTIONS,
        ),
    ),
    hints=(
        "Multiply out eps_uncond + s (eps_cond - eps_uncond), and compare factors.",
        "eps_cond has the factor s in one and 1 + w in the other.",
        "For which w is there no guidance beyond the label? Which s is that?",
    ),
    explains="GLIDE, Stable Diffusion and DiT count with s, Ho and Salimans with w: 7.5 and 6.5 are the same.",
)


def drop_labels(y: Tensor, u: Tensor, drop_prob: float, null_label: int) -> Tensor:
    """Labels of a batch with some replaced by the null label; ``u`` is uniform in [0, 1), one for each."""
    return torch.where(u < drop_prob, null_label, y)


def _labels(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, drop_prob in ((8, 0.3), (12, 0.6)):
        y, u = torch.randint(1, 4, (num,), generator=generator), torch.rand(num, generator=generator)
        u[0], u[1] = 0.99, 0.01  # at least one is kept and one is dropped
        cases.append((y, u, drop_prob, 5))
    return cases


DROP_LABELS = Exercise(
    name="guidance.drop_labels",
    prompt="The labels y of a batch, each replaced by null_label with probability drop_prob; u holds one uniform "
    "number in [0, 1) for each picture, and a label is dropped where it is small.",
    reference=drop_labels,
    cases=_labels,
    misconceptions=(
        Misconception(
            "kept what should be dropped",
            lambda y, u, drop_prob, null_label: torch.where(u < drop_prob, y, null_label),
            "u is below drop_prob with probability drop_prob; so most of the batch is trained without its label.",
            DROPOUT,
        ),
        Misconception(
            "took label 0 for the null label",
            lambda y, u, drop_prob, null_label: torch.where(u < drop_prob, 0, y),
            "0 is a class like any other. The null label needs a row of its own, one more than there are classes.",
            DROPOUT,
        ),
        Misconception(
            "took the last class for the null label",
            lambda y, u, drop_prob, null_label: torch.where(u < drop_prob, null_label - 1, y),
            "Classes are 0 … K - 1, so that the null label is K; K - 1 is the last class.",
            DROPOUT,
        ),
        Misconception(
            "dropped the whole batch or nothing",
            lambda y, u, drop_prob, null_label: torch.full_like(y, null_label) if (u < drop_prob).any() else y,
            "Each picture has a draw of its own; otherwise whole updates are made without any label.",
            DROPOUT,
        ),
        Misconception(
            "threw the pictures away",
            lambda y, u, drop_prob, null_label: y[u >= drop_prob],
            "The picture stays in the batch and is denoised; only its label is hidden.",
            DROPOUT,
        ),
    ),
    hints=(
        "Where is a uniform number smaller than drop_prob, and how often?",
        "torch.where takes a condition, a value where it holds, and a value where it does not.",
        "The condition is u < drop_prob; where it holds, the label is null_label.",
    ),
    explains="One forward pass for each picture, as without labels: guidance costs nothing in training.",
)
