"""The checks of the derivation "linear autoencoder = PCA" notice wrong formulas."""

import numpy as np
import pytest

from lib.ae.derivation import LINEAR_IS_PCA


@pytest.mark.parametrize(
    ("wrong", "noticed"),
    [
        ({"best_offset": lambda D, E, mu: mu}, {"A02", "A03"}),
        ({"code": lambda D, y: y @ D}, {"A04"}),
        ({"projector": lambda D: D * D.T if hasattr(D, "inv") else D @ D.T}, {"A05", "A06", "A07"}),
        ({"variance_kept": lambda U, S: np.trace(U.T @ S @ U) / 2}, {"A09", "A10"}),
        ({"shares": lambda W: np.square(W).mean(1)}, {"A10", "A11", "A12"}),
        ({"shares": lambda W: np.abs(W).sum(1)}, {"A10", "A11"}),
        ({"smallest_loss": lambda eigenvalues, d: eigenvalues[d - 1 :].sum()}, {"A13", "A15"}),
        ({"eigenvalues": lambda singular, num: singular**2 / (num - 1)}, {"A14"}),
        ({"eigenvalues": lambda singular, num: singular / num}, {"A14"}),
        ({"encoder": lambda A, V_d: A @ V_d.T}, {"A15"}),
    ],
)
def test_a_wrong_formula_is_noticed_where_it_is_used(wrong, noticed):
    """Planted errors: a forgotten inverse, a mean for a sum, an index off by one, N - 1 for N."""
    assert noticed <= set(LINEAR_IS_PCA.sabotage(**wrong))
