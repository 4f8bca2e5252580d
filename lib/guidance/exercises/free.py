"""Exercises about guidance without a classifier: other scales, a test of a rule, and hidden labels."""

import torch
from torch import Tensor

from lib.exercises import Exercise, Misconception
from lib.guidance.exercises.cases import CONVENTIONS, DROPOUT, FREE, GALLERY, LABELS, double
from lib.guidance.failures import guided_channels


def other_scale(guided: Tensor, eps_cond: Tensor, w: float, s: float) -> Tensor:
    """Guided answer of scale s from the one that was made with w, without the answer without the label."""
    return eps_cond + (s - 1) / w * (guided - eps_cond)


def _guided(generator: torch.Generator) -> list[tuple]:
    return [(*double(generator, 2, num, 2), w, s) for num, w, s in ((1, 3.0, 2.0), (2, 1.5, 7.5), (3, 4.0, 0.0))]


OTHER_SCALE = Exercise(
    name="guidance.other_scale",
    prompt="A program made `guided` with a paper's w, and kept eps_cond; eps_uncond is lost. The guided answer of this "
    "course's scale s. Arguments (guided, eps_cond, w, s).",
    reference=other_scale,
    cases=_guided,
    misconceptions=(
        Misconception(
            "took w for the scale of the course",
            lambda guided, eps_cond, w, s: eps_cond + (s - 1) / (w - 1) * (guided - eps_cond),
            "w is counted from the answer with the label: guided lies w differences beyond eps_cond, not w - 1.",
            CONVENTIONS,
        ),
        Misconception(
            "took s for w",
            lambda guided, eps_cond, w, s: eps_cond + s / w * (guided - eps_cond),
            "Put in s = 1: it must be eps_cond.",
            CONVENTIONS,
        ),
        Misconception(
            "started at the guided answer",
            lambda guided, eps_cond, w, s: guided + (s - 1) / w * (guided - eps_cond),
            "Put in s = 1: it must be eps_cond, so start there.",
            FREE,
        ),
        Misconception(
            "walked the wrong way",
            lambda guided, eps_cond, w, s: eps_cond - (s - 1) / w * (guided - eps_cond),
            "With s = 1 + w it must be the guided answer again.",
            FREE,
        ),
        Misconception(
            "took eps_cond for the answer without the label",
            lambda guided, eps_cond, w, s: eps_cond + s / (1 + w) * (guided - eps_cond),
            "That line starts at eps_uncond, at s = 0. eps_cond lies at s = 1.",
            FREE,
        ),
        Misconception(
            "took the whole distance for one difference",
            lambda guided, eps_cond, w, s: eps_cond + (s - 1) * (guided - eps_cond),
            "From eps_cond to the guided answer it is w times the difference of the two answers.",
            CONVENTIONS,
        ),
    ),
    hints=(
        "All guided answers lie on one straight line. At which s do the two known points of it lie?",
        "eps_cond lies at s = 1 and guided at s = 1 + w.",
        "Start at eps_cond. What share of the way to guided is it to s, and which s needs the whole way?",
    ),
    explains="Two points fix the line, so even s = 0, the answer without the label, can be had back.",
)


def _combined(generator: torch.Generator) -> list[tuple]:
    cases = []
    for scales in ((4.0, 4.0, 4.0), (5.0, 1.0), (3.0, -2.0, 0.5, 7.5)):
        uncond, cond = torch.randn(2, 2, len(scales), 3, 3, generator=generator, dtype=torch.float64)
        s = torch.tensor(scales, dtype=torch.float64)[:, None, None]
        cases.append((uncond + s * (cond - uncond), uncond, cond))
    return cases


def _length(x: Tensor) -> Tensor:
    return x.square().sum((0, 2, 3)).sqrt()


CHANNEL_SCALES = Exercise(
    name="guidance.channel_scales",
    prompt="An unknown rule made `combined` from eps_uncond and eps_cond, all (B, C, H, W). Find the scale s that each "
    "channel really got, (C,).",
    reference=guided_channels,
    cases=_combined,
    misconceptions=(
        Misconception(
            "counted from the told answer",
            lambda combined, eps_uncond, eps_cond: guided_channels(combined, eps_uncond, eps_cond) - 1,
            "That is w, which is 0 at the answer with the label.",
            CONVENTIONS,
        ),
        Misconception(
            "lost the sign",
            lambda combined, eps_uncond, eps_cond: _length(combined - eps_uncond) / _length(eps_cond - eps_uncond),
            "A ratio of lengths cannot be negative; a rule that walks away from the label would look right.",
            GALLERY,
        ),
        Misconception(
            "took the mean over the channels",
            lambda combined, eps_uncond, eps_cond: (
                guided_channels(combined, eps_uncond, eps_cond).mean().expand(combined.shape[1])
            ),
            "The mean hides what is looked for: a channel that was left out.",
            GALLERY,
        ),
        Misconception(
            "counted from the answer with the label, backwards",
            lambda combined, eps_uncond, eps_cond: guided_channels(combined, eps_cond, eps_uncond),
            "That is 1 - s. Start at the answer without the label.",
            FREE,
        ),
        Misconception(
            "turned the ratio over",
            lambda combined, eps_uncond, eps_cond: 1 / guided_channels(combined, eps_uncond, eps_cond),
            "How many differences fit into the way, not how many ways into the difference.",
            FREE,
        ),
    ),
    hints=(
        "In each channel the way from eps_uncond to combined is a multiple of the difference of the two answers.",
        "Do not divide number by number: the difference may be near 0 somewhere. Project the way on the difference.",
        "Inner products over batch and places, channel by channel: way with difference, over difference with itself.",
    ),
    explains="Called with random tensors this tests any guidance rule in a second, without a network.",
)


def drop_parts(y: Tensor, u: Tensor, drop_prob: float, num_labels: tuple[int, ...]) -> Tensor:
    """Labels of several parts, each part hidden on its own."""
    return torch.where(u < drop_prob, torch.tensor(num_labels), y)


def _labels(generator: torch.Generator) -> list[tuple]:
    cases = []
    for num, drop_prob, num_labels in ((6, 0.3, (4, 6)), (9, 0.6, (7, 3))):
        y = torch.stack([torch.randint(1, k - 1, (num,), generator=generator) for k in num_labels], dim=1)
        u = torch.rand(num, 2, generator=generator)
        u[:4] = torch.tensor([[0.01, 0.99], [0.99, 0.01], [0.99, 0.98], [0.02, 0.01]])
        cases.append((y, u, drop_prob, num_labels))
    return cases


def _both_or_none(y: Tensor, u: Tensor, drop_prob: float, num_labels: tuple[int, ...]) -> Tensor:
    return torch.where(u[:, :1] < drop_prob, torch.tensor(num_labels), y)


DROP_PARTS = Exercise(
    name="guidance.drop_parts",
    prompt="A label has two parts, y is (B, 2), from tables of num_labels = (K1, K2) classes and a null row after the "
    "last class each. Hide each part on its own, where its uniform number in u, (B, 2), is below drop_prob.",
    reference=drop_parts,
    cases=_labels,
    misconceptions=(
        Misconception(
            "hid both parts or none",
            _both_or_none,
            "Then no picture is ever asked for by shape alone. Each part has a draw of its own.",
            DROPOUT,
        ),
        Misconception(
            "took label 0 for the null label",
            lambda y, u, drop_prob, num_labels: torch.where(u < drop_prob, 0, y),
            '0 is a class like any other. Each table has a row of its own for "not told".',
            LABELS,
        ),
        Misconception(
            "took the last class for the null label",
            lambda y, u, drop_prob, num_labels: torch.where(u < drop_prob, torch.tensor(num_labels) - 1, y),
            "Classes are 0 … K - 1, so that the null row is K.",
            LABELS,
        ),
        Misconception(
            "used one null label for both parts",
            lambda y, u, drop_prob, num_labels: torch.where(u < drop_prob, max(num_labels), y),
            "Each part has a table of its own, with its own number of rows: in one of them this row does not exist or "
            "is another class.",
            LABELS,
        ),
        Misconception(
            "kept what should be hidden",
            lambda y, u, drop_prob, num_labels: torch.where(u < drop_prob, y, torch.tensor(num_labels)),
            "u is below drop_prob with probability drop_prob.",
            DROPOUT,
        ),
    ),
    hints=(
        "Nothing has to loop over the parts: y and u have the same shape.",
        "The null row of a part comes after its classes 0 … K - 1. Which number is it, for each part?",
        "A tensor of the two null rows has shape (2,), and torch.where stretches it over the batch.",
    ),
    explains="A network trained so can be guided by the colour alone, and the shape with another strength.",
)
