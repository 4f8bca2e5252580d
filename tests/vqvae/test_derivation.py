"""The checks of the derivation of chapter 3 notice wrong formulas."""

import numpy as np
import pytest

from lib.vqvae.derivation import CODES_AND_GRADIENTS
from lib.vqvae.derivation.quantities import softmax


@pytest.mark.parametrize(
    ("wrong", "noticed"),
    [
        ({"score": lambda vectors, codes: -vectors @ codes.T}, {"C01"}),
        ({"score": lambda vectors, codes: np.square(codes).sum(1) - vectors @ codes.T}, {"C01"}),
        ({"straight": lambda z, held: 0 * z + held}, {"C03", "C04"}),
        ({"straight": lambda z, held: 2 * z + held}, {"C03", "C04"}),
        ({"codebook_gradient": lambda z, e: 2 * (z - e)}, {"C06", "C07", "C11"}),
        ({"codebook_gradient": lambda z, e: e - z}, {"C06", "C11"}),
        ({"commitment_gradient": lambda z, e, beta: 2 * (z - e)}, {"C07"}),
        ({"best_code": lambda vectors: np.median(vectors, 0)}, {"C08"}),
        ({"best_code": lambda vectors: vectors.sum(0)}, {"C08"}),
        ({"running": lambda old, new, gamma: (1 - gamma) * old + gamma * new}, {"C09", "C10"}),
        ({"running": lambda old, new, gamma: gamma * old + new}, {"C10"}),
        ({"step_size": lambda n_bar, n, gamma: 1 - gamma}, {"C10", "C12"}),
        ({"rate_of_sure": lambda num_codes: np.log2(num_codes)}, {"C14"}),
        ({"rate_of_sure": lambda num_codes: 0.0}, {"C14"}),
        ({"entropy_bits": lambda p: -sum(q * np.log(q) for q in p if q > 0)}, {"C15", "C16"}),
        ({"perplexity": lambda bits: np.exp(bits)}, {"C16"}),
        ({"gumbel_density": lambda g: np.exp(g - np.exp(g))}, {"C17"}),
        ({"gumbel_below": lambda g: 1 - np.exp(-np.exp(g))}, {"C17"}),
        ({"relaxed": lambda logits, noise, tau: softmax(logits / tau + noise)}, {"C18"}),
        ({"relaxed": lambda logits, noise, tau: softmax((logits + noise) * tau)}, {"C18"}),
    ],
)
def test_a_wrong_formula_is_noticed_where_it_is_used(wrong, noticed):
    """Planted errors: a forgotten square, 2, sign or weight, nats for bits, noise with its tail on the wrong side."""
    assert noticed <= set(CODES_AND_GRADIENTS.sabotage(**wrong))
