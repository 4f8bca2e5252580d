"""The numbers, symbols and named formulas that the steps share.

One place of the grid: z_e (here z) is the vector that the encoder says there, e_1 … e_K are the codes (e is one of
them), k is the index of the nearest, sg[·] a value that counts as a constant for the gradient (c, if it stands alone).
"""

import numpy as np
import sympy as sp

from lib.derivation import Quantities

_rng = np.random.default_rng(0)
K, D, N = 5, 3, 40
CODES = _rng.normal(size=(K, D)) * np.linspace(0.5, 2, K)[:, None]
Z = _rng.normal(size=(N, D))
LOGITS = np.array([1.0, 0.3, -0.5, -1.2])
SHARES = np.array([0.5, 0.25, 0.125, 0.125, 0.0])
LIKELIHOODS = np.array([0.02, 0.6, 0.1, 0.04, 0.01])  # p(x | code) of one picture

z, e, c, beta, gamma, rho = sp.symbols("z_e e c beta gamma rho", positive=True)
n_bar, n, m = sp.symbols("nbar n m", positive=True)


def picture_loss(code):
    """A smooth loss behind the decoder, any would do."""
    return (code - 2) ** 2 + code**3 / 3


def softmax(logits: np.ndarray) -> np.ndarray:
    """Exponentials that add up to 1."""
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


Q = Quantities(
    score=lambda vectors, codes: np.square(codes).sum(1) - 2 * vectors @ codes.T,
    straight=lambda z, held: z + held,
    codebook_gradient=lambda z, e: 2 * (e - z),
    commitment_gradient=lambda z, e, beta: 2 * beta * (z - e),
    best_code=lambda vectors: vectors.mean(0),
    running=lambda old, new, gamma: gamma * old + (1 - gamma) * new,
    step_size=lambda n_bar, n, gamma: (1 - gamma) * n / (gamma * n_bar + (1 - gamma) * n),
    rate_of_sure=lambda num_codes: np.log(num_codes),
    entropy_bits=lambda shares: -sum(p * np.log2(p) for p in shares if p > 0),
    perplexity=lambda bits: 2**bits,
    gumbel_density=lambda g: np.exp(-g - np.exp(-g)),
    gumbel_below=lambda g: np.exp(-np.exp(-g)),
    relaxed=lambda logits, noise, tau: softmax((logits + noise) / tau),
)
