"""The checks behind the steps: each returns its evidence in words or raises `CheckFailed` with both sides.

The evidence is the same on every machine: it tells values to four digits and never the rounding error.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from lib.derivation.gaussian import Gaussian


class CheckFailed(AssertionError):
    """The two sides of a step do not agree; ``left`` and ``right`` hold them."""

    def __init__(self, message: str, left: Any, right: Any):
        super().__init__(message)
        self.left, self.right = left, right


def symbolic(left: Any, right: Any) -> str:
    """The same for every value of the symbols: their difference simplifies to 0. Matrices are compared by entries.

    Declare symbols positive or real where the step needs it; nothing is assumed beyond that.
    """
    difference = sp.Matrix([sp.sympify(left)]) - sp.Matrix([sp.sympify(right)])
    for entry in difference:
        rest = _simplest(entry)
        if rest != 0:
            raise CheckFailed(f"{left} is not {right}; the difference is {rest}", left, right)
    return "difference 0 (exact)"


def gaussian(left: Gaussian, right: Gaussian) -> str:
    """Two Gaussians with the same mean and the same covariance, symbol for symbol."""
    symbolic(left.mean, right.mean)
    symbolic(left.covariance, right.covariance)
    return "same mean and covariance (exact)"


def quadrature(value: Any, expected: Any, tol: Any = 1e-8) -> str:
    """Integrals on a grid against what they should be; take them from `integrate`."""
    return f"{_agree(value, expected, tol)} on a grid"


def discrete(value: Any, expected: Any, tol: Any = 1e-11) -> str:
    """Sums over all states of a finite chain, so the tolerance covers only rounding."""
    return f"{_agree(value, expected, tol)}, summed over every state"


def numeric(value: Any, expected: Any, tol: Any = 1e-9) -> str:
    """Two numbers, or two arrays, computed in different ways."""
    return _agree(value, expected, tol)


def monte_carlo(value: Any, expected: Any, std_error: Any, sigmas: Any = 4) -> str:
    """A mean of random draws against its expectation, in standard errors. Seed the draws.

    Raises:
        ValueError: if the standard error is not positive: nothing was sampled then.
    """
    value, expected, std_error = float(value), float(expected), float(std_error)
    if not 0 < std_error < np.inf:
        raise ValueError(f"std_error must be positive and finite, got {std_error}")
    distance = abs(value - expected) / std_error
    words = f"{value:.4g} ± {std_error:.1g} against {expected:.4g}"
    if not distance <= sigmas:
        raise CheckFailed(f"{words} is {distance:.1f} standard errors away, {sigmas:g} allowed", value, expected)
    return f"{words}, within {sigmas:g} standard errors"


def at_most(smaller: Any, larger: Any) -> str:
    """An inequality, shown on an instance where it is strict."""
    smaller, larger = float(smaller), float(larger)
    if not smaller <= larger:
        raise CheckFailed(f"{smaller:.6g} is not at most {larger:.6g}", smaller, larger)
    return f"{_rounded(smaller)} ≤ {_rounded(larger)}"


def differ(one: Any, other: Any, by: Any) -> str:
    """Two things that are easily taken for the same are apart by more than ``by``, by their largest entry."""
    gap = np.abs(_array(one) - _array(other)).max()
    if not gap > by:
        raise CheckFailed(f"{one} and {other} differ by {gap:.3g} only", one, other)
    return f"{_rounded(one)} is not {_rounded(other)}" if np.ndim(one) == 0 else f"they differ by more than {by:g}"


def together(*evidence: str) -> str:
    """The evidence of several checks in one line, each said once."""
    return "; ".join(dict.fromkeys(evidence))


def integrate(function: Callable[[np.ndarray], np.ndarray], low: Any = -12, high: Any = 12, num: int = 4001) -> float:
    """The integral of a smooth function that has died out at both ends; the trapezoid rule is exact to rounding then.

    Raises:
        ValueError: if the function is not finite or has not died out at the ends.
    """
    grid = np.linspace(low, high, num)
    values = np.asarray(function(grid), dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("function must be finite on the whole grid, got NaN or infinity")
    if max(abs(values[0]), abs(values[-1])) > 1e-9 * max(1.0, np.abs(values).max()):
        raise ValueError(f"function must die out at {low:g} and {high:g}, got {values[0]:.3g} and {values[-1]:.3g}")
    return float(np.trapezoid(values, grid))


def normal_density(x: Any, mean: Any, variance: Any) -> Any:
    """The density of N(mean, variance) at x: symbolic if anything in it is, else numbers."""
    lib = sp if any(isinstance(item, sp.Basic) for item in (x, mean, variance)) else np
    return lib.exp(-((x - mean) ** 2) / (2 * variance)) / lib.sqrt(2 * lib.pi * variance)


def log_normal_density(x: Any, mean: Any, variance: Any) -> Any:
    """The logarithm of `normal_density`, written out so that neither underflows nor hides its terms."""
    lib = sp if any(isinstance(item, sp.Basic) for item in (x, mean, variance)) else np
    return -((x - mean) ** 2) / (2 * variance) - lib.log(variance) / 2 - lib.log(2 * lib.pi) / 2


def normal_expectation(expression: sp.Expr, z: sp.Symbol, mean: Any, variance: Any) -> sp.Expr:
    """Exact expectation of a polynomial in ``z`` under N(mean, variance), from the moments of a standard normal.

    Raises:
        ValueError: if the expression is not a polynomial in ``z``.
    """
    eps = sp.Dummy("eps")
    shifted = sp.expand(sp.sympify(expression).subs(z, mean + sp.sqrt(variance) * eps))
    if not shifted.is_polynomial(eps):
        raise ValueError(f"expression must be a polynomial in {z}, got {expression}")
    terms = sp.Poly(shifted, eps).terms()
    return sp.expand(sum(factor * sp.factorial2(power - 1) for (power,), factor in terms if power % 2 == 0))


def _simplest(entry: sp.Expr) -> sp.Expr:
    """The entry simplified, with the cheap ways tried first."""
    for way in (sp.expand, lambda e: sp.expand(sp.expand_log(e)), sp.cancel, lambda e: sp.simplify(sp.expand_log(e))):
        entry = way(entry)
        if entry == 0:
            return entry
    return entry


def _array(value: Any) -> np.ndarray:
    return np.asarray(value, dtype=np.float64)


def _rounded(value: Any) -> str:
    return f"{float(value):.4g}"


def _agree(value: Any, expected: Any, tol: Any) -> str:
    left, right = np.broadcast_arrays(_array(value), _array(expected))
    gap = np.abs(left - right)
    if not (gap <= tol).all():  # also if a NaN is in it
        worst = np.unravel_index(np.argmax(np.nan_to_num(gap, nan=np.inf)), gap.shape)
        words = f"{left[worst]:.8g} is not {right[worst]:.8g}, they may differ by {tol:g}"
        raise CheckFailed(words if left.size == 1 else f"{words} (worst of {left.size} numbers)", value, expected)
    return f"both sides {_rounded(right + 0.0)}" if left.size == 1 else f"{left.size} pairs of numbers agree"
