"""Two estimates of one gradient, against the closed forms of derivation step V28 and against exact gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.vae import gradient_variance, reparameterized_gradient, score_function_gradient

NUM = 400_000
places = st.tuples(st.floats(-2, 2), st.floats(0.5, 1.5))


def draws(num: int = NUM, seed: int = 0) -> torch.Tensor:
    return torch.randn(num, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def square(z: torch.Tensor) -> torch.Tensor:
    return z.square()


@settings(max_examples=10, deadline=None)
@given(places)
def test_both_estimates_average_to_the_gradient_of_the_mean(place):
    """E[z²] = mu² + sigma², so the gradient is (2 mu, 2 sigma); means are judged by their own standard errors."""
    mu, sigma = place
    exact = torch.tensor([2 * mu, 2 * sigma], dtype=torch.float64)
    for estimate in (score_function_gradient, reparameterized_gradient):
        values = estimate(square, mu, sigma, draws())
        error = values.std(0) / NUM**0.5
        assert ((values.mean(0) - exact).abs() < 5 * error + 1e-9).all()


@settings(max_examples=10, deadline=None)
@given(places)
def test_the_variances_are_those_of_the_closed_form(place):
    """For f = z² with respect to mu: mu⁴/sigma² + 14 mu² + 15 sigma² against 4 sigma². With respect to sigma the same
    Gaussian moments give 4 mu² + 8 sigma² for the path: 2 z eps has mean 2 sigma and mean square 4 mu² + 12 sigma².
    """
    mu, sigma = place
    variance = gradient_variance(square, mu, sigma, NUM, torch.Generator().manual_seed(1))
    assert variance.score_function[0].item() == pytest.approx(mu**4 / sigma**2 + 14 * mu**2 + 15 * sigma**2, rel=0.06)
    assert variance.reparameterized[0].item() == pytest.approx(4 * sigma**2, rel=0.02)
    assert variance.reparameterized[1].item() == pytest.approx(4 * mu**2 + 8 * sigma**2, rel=0.05)


def test_the_score_function_scatters_more_the_closer_the_cloud_contracts():
    """mu⁴/sigma² grows without bound as sigma falls, the path's 4 sigma² vanishes: at mu 1 the ratios are 7.5, 21.75
    and 124.
    """
    ratios = []
    for sigma in (1.0, 0.5, 0.25):
        variance = gradient_variance(square, 1.0, sigma, 50_000, torch.Generator().manual_seed(2))
        ratios.append((variance.score_function / variance.reparameterized)[0].item())
    assert ratios == pytest.approx([7.5, 21.75, 124], rel=0.15)


def test_a_constant_changes_only_the_score_function():
    """Adding c to f leaves every path gradient as it is, and adds c times the score, of mean 0, to the other."""
    eps = draws(1000)
    shifted = lambda z: z.square() + 100  # noqa: E731
    torch.testing.assert_close(
        reparameterized_gradient(shifted, 0.5, 1.0, eps), reparameterized_gradient(square, 0.5, 1.0, eps)
    )
    assert score_function_gradient(shifted, 0.5, 1.0, eps).var(0)[0] > 100


def test_only_the_score_function_survives_a_step():
    """A step has slope 0 almost everywhere, so the path sees nothing; d/dmu P(z > 0) is the density at 0."""
    step = lambda z: (z > 0).to(z.dtype) + 0 * z  # noqa: E731
    exact = torch.exp(torch.tensor(-0.5 * 0.3**2)).item() / (2 * torch.pi) ** 0.5
    assert (reparameterized_gradient(step, 0.3, 1.0, draws(100)) == 0).all()
    assert score_function_gradient(step, 0.3, 1.0, draws()).mean(0)[0].item() == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("estimate", [score_function_gradient, reparameterized_gradient])
def test_a_spread_that_is_not_positive_is_refused(estimate):
    """A negative sigma would flip the noise and go unnoticed."""
    with pytest.raises(ValueError, match="sigma must be positive"):
        estimate(square, 0.0, -1.0, draws(3))
    with pytest.raises(ValueError, match="at least 2"):
        gradient_variance(square, 0.0, 1.0, 1)
