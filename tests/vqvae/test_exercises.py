"""Slips of readers that the exercises of chapter 3 name, and hints that lead to the answer."""

import inspect
import math
import re

import pytest
import torch
import torch.nn.functional as F

from lib.exercises import judge
from lib.vqvae.exercises import EXERCISES


def noise(u):
    return -(-u.log()).log()


SLIPS = [
    ("vqvae.nearest", lambda z, c: torch.cdist(z, c).min(1), "took min of the distances, and all that it returns"),
    (
        "vqvae.nearest",
        lambda z, c: ((z[:, None] - c) ** 2).sum(2).min(1).values,
        "returned the smallest of the squared distances",
    ),
    (
        "vqvae.nearest",
        lambda z, c: (c.pow(2).sum(1) - 2 * z @ c.T).min(1),
        "took min of the scores, and all that it returns",
    ),
    ("vqvae.gumbel", lambda logits, tau, u: torch.softmax(logits + noise(u) / tau, 1), "divided only the noise"),
    ("vqvae.gumbel", lambda logits, tau, u: torch.softmax(logits / tau + noise(u), 1), "divided only the logits"),
    ("vqvae.gumbel", lambda logits, tau, u: torch.softmax(noise(u) / tau, 1), "forgot the logits"),
    ("vqvae.gumbel", lambda logits, tau, u: torch.softmax(logits / tau, 1), "left out the noise"),
    (
        "vqvae.gumbel",
        lambda logits, tau, u: torch.softmax((logits + noise(u)) / tau, dim=0),
        "took the softmax down the columns",
    ),
    ("vqvae.gumbel", lambda logits, tau, u: torch.softmax((logits - u.log()) / tau, 1), "took one logarithm"),
]


@pytest.mark.parametrize(("name", "answer", "idea"), SLIPS)
def test_the_commonest_slips_are_named(name, answer, idea):
    """Written another way than in the list of wrong ideas, a slip gets the idea behind it and not a neighbour's."""
    assert judge(EXERCISES[name], answer).misconception == idea


def follow(counts, sums, vectors, indices, decay, fresh, average):
    """A running codebook with one slip or the other: weight 1 for the batch, or its means in the sums."""
    num = torch.bincount(indices, minlength=len(counts))
    total = torch.zeros_like(sums).index_add_(0, indices, vectors)
    counts = decay * counts + (1 if fresh else 1 - decay) * num
    total = total / num[:, None] if average else total
    sums = decay * sums + (1 if fresh else 1 - decay) * total
    return counts, sums, sums / counts[:, None]


def test_two_slips_of_the_running_codebook_are_named():
    """A batch without its 1 - decay, and means where sums belong, told from each other."""
    exercise = EXERCISES["vqvae.ema_update"]
    fresh = judge(exercise, lambda c, s, v, i, decay: follow(c, s, v, i, decay, fresh=True, average=False))
    means = judge(exercise, lambda c, s, v, i, decay: follow(c, s, v, i, decay, fresh=False, average=True))
    assert fresh.misconception == "added the batch with its full weight"
    assert means.misconception == "put the batch's means into the sums, and divided by 0"
    assert judge(exercise, lambda c, s, v, i, decay: follow(c, s, v, i, decay, fresh=False, average=False))


def test_the_prior_reads_whole_numbers():
    """An embedding looks up integers, so the right numbers as floats are refused, and the reason is the dtype."""
    exercise = EXERCISES["vqvae.prior_input"]
    verdict = judge(exercise, lambda indices, start: exercise.reference(indices, start).float())
    assert verdict.status == "dtype" and "torch.int64" in verdict.message


SOLUTIONS = {
    "vqvae.straight_through": ("frozen", "z_e + frozen"),
    "vqvae.loss": ("commitment", "error + F.mse_loss(z_q, z_e.detach()) + 0.25 * commitment"),
    "vqvae.bits": ("code_bits", "height * width * 24 / code_bits"),
    "vqvae.gumbel": ("total", "(total / temperature).softmax(-1)"),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_third_hint_is_the_line_before_the_last(name):
    """Its code runs, is no answer by itself, and one line more makes it the answer."""
    exercise, (made, last) = EXERCISES[name], SOLUTIONS[name]
    names = inspect.signature(exercise.reference).parameters
    lines = [re.match(r"(\w+ = .+?)\.(?: |$)", text) for text in exercise.hints]
    lines = [line[1] for line in lines if line and "z_q = " not in line[1]]

    def answer(line):
        def function(*arguments):
            scope = dict(zip(names, arguments, strict=True)) | {"F": F, "math": math}
            exec("\n".join(lines), scope)
            return eval(line, scope)

        return eval(f"lambda {', '.join(names)}: function({', '.join(names)})", {"function": function})

    assert not judge(exercise, answer(made))
    assert judge(exercise, answer(last))
