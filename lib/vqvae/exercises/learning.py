"""Exercises about learning: the three terms, and the running codebook."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.exercises import Exercise, Misconception

TERMS = "Three terms, three parts"
RUNNING = "A codebook that follows"


def _double(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def loss(error: Tensor, z_e: Tensor, z_q: Tensor) -> Tensor:
    """error + mean (sg[z_e] − z_q)² + 0.25 mean (z_e − sg[z_q])²."""
    return error + F.mse_loss(z_q, z_e.detach()) + 0.25 * F.mse_loss(z_e, z_q.detach())


def _terms(combine):
    """A misconception about the loss: ``combine(error, codebook term, commitment term)``."""

    def function(error: Tensor, z_e: Tensor, z_q: Tensor) -> Tensor:
        return combine(error, F.mse_loss(z_q, z_e.detach()), F.mse_loss(z_e, z_q.detach()))

    return function


LOSS = Exercise(
    name="vqvae.loss",
    prompt="The loss of a VQ-VAE from the reconstruction error (one number), the encoder's z_e and the codes z_q: mean "
    "squares, commitment weight 0.25, each term with its stop-gradient.",
    reference=loss,
    cases=lambda g: [(_double(g, 1)[0].square(), _double(g, *s), _double(g, *s)) for s in ((2, 2), (2, 3, 2, 2))],
    misconceptions=(
        Misconception(
            "forgot both stop-gradients",
            lambda error, z_e, z_q: error + 1.25 * F.mse_loss(z_q, z_e),
            "The value is right, the gradients are not: codes and encoder both get the weight 1.25. A quarter was "
            "meant for the encoder, so that the codes move more than what they follow.",
            TERMS,
        ),
        Misconception(
            "exchanged the stop-gradients",
            _terms(lambda error, codebook, commitment: error + 0.25 * codebook + commitment),
            "Now the encoder follows the codes with weight 1 and the codes follow with a quarter; the paper wants the "
            "codes to follow.",
            TERMS,
        ),
        Misconception(
            "left the codebook term out",
            _terms(lambda error, codebook, commitment: error + 0.25 * commitment),
            "The reconstruction error does not reach the codes, because the straight-through step hides them. Without "
            "this term they never move.",
            TERMS,
        ),
        Misconception(
            "left the commitment term out",
            _terms(lambda error, codebook, commitment: error + codebook),
            "Nothing keeps the encoder near its codes, and its outputs may grow faster than the codes can follow.",
            TERMS,
        ),
        Misconception(
            "weighted both with a quarter",
            _terms(lambda error, codebook, commitment: error + 0.25 * (codebook + commitment)),
            "Only the commitment term has the weight; the codebook term stands alone.",
            TERMS,
        ),
        Misconception(
            "weighted both with one",
            _terms(lambda error, codebook, commitment: error + codebook + commitment),
            "The commitment term has the weight 0.25.",
            TERMS,
        ),
        Misconception(
            "detached the error",
            _terms(lambda error, codebook, commitment: error.detach() + codebook + 0.25 * commitment),
            "The error trains the decoder, and by the copied gradient the encoder. It needs its gradient.",
            TERMS,
        ),
        Misconception(
            "took sums in place of means",
            lambda error, z_e, z_q: error + z_e.numel() * (loss(error, z_e, z_q) - error),
            "With sums, the weight of the terms grows with the batch and the grid. Means were asked for.",
            TERMS,
        ),
    ),
    hints=(
        "Twice the same distance, with another side held still each time.",
        "F.mse_loss(z_q, z_e.detach()) moves the codes. What moves the encoder?",
        "commitment = F.mse_loss(z_e, z_q.detach()). Which of the three parts has a weight in the sum?",
    ),
    explains="Decoder: first term. Codes: second. Encoder: first (straight through) and third.",
    compare_grad=True,
)


def ema_update(counts: Tensor, sums: Tensor, vectors: Tensor, indices: Tensor, decay: float) -> tuple:
    """New counts, sums and codes after a batch."""
    hot = F.one_hot(indices, len(counts)).to(vectors.dtype)
    counts = decay * counts + (1 - decay) * hot.sum(0)
    sums = decay * sums + (1 - decay) * hot.T @ vectors
    return counts, sums, sums / counts[:, None]


def _running(rule):
    """A misconception about the running mean: ``rule(counts, sums, new counts, new sums, decay)``."""

    def function(counts: Tensor, sums: Tensor, vectors: Tensor, indices: Tensor, decay: float) -> tuple:
        hot = F.one_hot(indices, len(counts)).to(vectors.dtype)
        return rule(counts, sums, hot.sum(0), hot.T @ vectors, decay)

    return function


def _weighted(weights):
    """A misconception about the two weights: ``weights(decay)`` are those of the past and of the batch."""

    def rule(counts: Tensor, sums: Tensor, new_counts: Tensor, new_sums: Tensor, decay: float) -> tuple:
        past, batch = weights(decay)
        counts, sums = past * counts + batch * new_counts, past * sums + batch * new_sums
        return counts, sums, sums / counts[:, None]

    return _running(rule)


def _divided_by(choose):
    """A misconception about what stands below the line: ``choose(old counts, counts of the batch)``."""

    def rule(n: Tensor, s: Tensor, dn: Tensor, ds: Tensor, decay: float) -> tuple:
        counts, sums = decay * n + (1 - decay) * dn, decay * s + (1 - decay) * ds
        return counts, sums, sums / choose(n, dn)[:, None]

    return _running(rule)


def _batches(generator: torch.Generator) -> list[tuple]:
    """Batches that choose every code, and one in which the last code is not chosen."""
    cases = []
    for num_codes, num, dim, decay, used in ((2, 4, 2, 0.75, 2), (3, 5, 2, 0.8, 2), (5, 30, 3, 0.9, 5)):
        counts = torch.rand(num_codes, generator=generator, dtype=torch.float64) + 1
        indices = torch.cat([torch.arange(used), torch.randint(used, (num - used,), generator=generator)])
        cases.append((counts, _double(generator, num_codes, dim), _double(generator, num, dim), indices, decay))
    return cases


def _mean_of_means(counts: Tensor, sums: Tensor, new_counts: Tensor, new_sums: Tensor, decay: float) -> tuple:
    codes = decay * sums / counts[:, None] + (1 - decay) * new_sums / new_counts[:, None]
    return decay * counts + (1 - decay) * new_counts, decay * sums + (1 - decay) * new_sums, codes


def _only_chosen(counts: Tensor, sums: Tensor, new_counts: Tensor, new_sums: Tensor, decay: float) -> tuple:
    chosen = new_counts > 0
    counts = torch.where(chosen, decay * counts + (1 - decay) * new_counts, counts)
    sums = torch.where(chosen[:, None], decay * sums + (1 - decay) * new_sums, sums)
    return counts, sums, sums / counts[:, None]


def _means_in_the_sums(least: int):
    """Sums that take in the means of the batch; counts below ``least`` are raised to it before the division."""

    def rule(counts: Tensor, sums: Tensor, new_counts: Tensor, new_sums: Tensor, decay: float) -> tuple:
        counts = decay * counts + (1 - decay) * new_counts
        sums = decay * sums + (1 - decay) * new_sums / new_counts.clamp(min=least)[:, None]
        return counts, sums, sums / counts[:, None]

    return _running(rule)


MEANS_IN_THE_SUMS = (
    "sums holds vectors added up, not their means. Divided by the counts at the end, a mean would be divided twice: a "
    "code that was chosen a hundred times would shrink towards zero."
)

EMA_UPDATE = Exercise(
    name="vqvae.ema_update",
    prompt="One update of a running codebook: from counts (K), sums (K, D), the batch's vectors (N, D), their indices "
    "(N) and decay, the new counts, sums and codes (K, D), without smoothing.",
    reference=ema_update,
    cases=_batches,
    misconceptions=(
        Misconception(
            "exchanged decay and 1 - decay",
            _weighted(lambda decay: (1 - decay, decay)),
            "decay is what is kept of the past. With decay 0.99, a batch counts for one hundredth.",
            RUNNING,
        ),
        Misconception(
            "averaged the means of the batches",
            _running(_mean_of_means),
            "A batch in which a code was chosen once would then weigh as much as one in which it was chosen a hundred "
            "times. Average the sums and the counts, and divide last.",
            RUNNING,
        ),
        Misconception("put the batch's means into the sums", _means_in_the_sums(1), MEANS_IN_THE_SUMS, RUNNING),
        Misconception(
            "put the batch's means into the sums, and divided by 0",
            _means_in_the_sums(0),
            MEANS_IN_THE_SUMS + " And a code that nobody chose has no mean in this batch: NaN.",
            RUNNING,
        ),
        Misconception(
            "changed only the codes that were chosen",
            _running(_only_chosen),
            "The count and the sum of a code that nobody chose fade as well (its vector stays). Only so does a running "
            "count tell that a code is dead.",
            RUNNING,
        ),
        Misconception(
            "divided by the counts of the batch",
            _divided_by(lambda old, batch: batch),
            "Numerator and denominator need the same memory: running sums over running counts.",
            RUNNING,
        ),
        Misconception(
            "divided by the old counts",
            _divided_by(lambda old, batch: old),
            "The counts have to be brought up to date before the division.",
            RUNNING,
        ),
        Misconception(
            "forgot the past",
            _weighted(lambda decay: (0, 1)),
            "That is k-means on one batch alone: right for decay 0, and restless.",
            RUNNING,
        ),
        Misconception(
            "added the batch without decay",
            _weighted(lambda decay: (1, 1)),
            "Nothing is ever forgotten that way, and vectors of an encoder that has long changed stay in the mean.",
            RUNNING,
        ),
        Misconception(
            "added the batch with its full weight",
            _weighted(lambda decay: (decay, 1)),
            "The two weights of a running mean add up to 1: decay for the past, 1 - decay for the batch. Without the "
            "second, counts grow to 1 / (1 - decay) times what a batch holds, and at first the batch weighs too much.",
            RUNNING,
        ),
    ),
    hints=(
        "Two running averages with the same decay, then a division.",
        "F.one_hot(indices, K) makes both: its sum over the batch counts, its transpose times vectors adds up.",
        "Each running number becomes decay times the old one plus (1 - decay) times the batch's. Which of the two "
        "results stands below the line, and which shape must it have?",
    ),
    explains="With decay 0 this is one step of k-means; with 0.99, k-means on about the last hundred batches.",
)
