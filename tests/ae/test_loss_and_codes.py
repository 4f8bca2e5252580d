"""The loss, and everything that is done with codes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.ae import (
    count_distinct,
    fit_gaussian,
    in_chunks,
    interpolate,
    reconstruction_loss,
    sample_gaussian,
    sample_kde,
)

F64 = torch.float64


def test_the_loss_of_one_wrong_pixel_is_its_square_over_the_number_of_pictures():
    """Summed over values, averaged over pictures: one error of 3 in one of four pictures costs 9/4."""
    x = torch.zeros(4, 3, 2, 2)
    x_hat = x.clone()
    x_hat[2, 1, 0, 1] = 3
    assert reconstruction_loss(x_hat, x).item() == pytest.approx(9 / 4)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_the_loss_is_the_mean_squared_error_times_the_number_of_values(batch, width, seed):
    """Sum and mean over values differ by the fixed factor that chapter 2 cares about."""
    x, x_hat = torch.randn(2, batch, 3, width, dtype=F64, generator=torch.Generator().manual_seed(seed))
    mean = torch.nn.functional.mse_loss(x_hat, x)
    torch.testing.assert_close(reconstruction_loss(x_hat, x), mean * 3 * width)


def test_the_loss_refuses_to_broadcast():
    """(4, 6) against (4, 1) would silently compare every value with the first."""
    with pytest.raises(ValueError, match="same shape"):
        reconstruction_loss(torch.zeros(4, 6), torch.zeros(4, 1))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6))
def test_a_straight_walk_has_equal_steps_and_both_ends(num_steps, seed):
    """Points on a line at equal weights: the differences are all (b - a)/(S - 1)."""
    z_a, z_b = torch.randn(2, 5, dtype=F64, generator=torch.Generator().manual_seed(seed))
    path = interpolate(z_a, z_b, num_steps)
    torch.testing.assert_close(path[0], z_a)
    torch.testing.assert_close(path[-1], z_b)
    torch.testing.assert_close(path.diff(dim=0), ((z_b - z_a) / (num_steps - 1)).expand(num_steps - 1, 5))


def test_a_walk_needs_two_codes():
    """One step cannot include both ends."""
    with pytest.raises(ValueError, match="at least 2"):
        interpolate(torch.zeros(2), torch.ones(2), 1)


def test_distinct_codes_are_counted_after_rounding():
    """Two codes that agree to four places count once, one that differs in the third place counts again."""
    codes = torch.tensor([[0.1, 0.2], [0.10001, 0.2], [0.101, 0.2]])
    assert count_distinct(codes) == 2


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 20), st.integers(1, 4), st.integers(0, 10**6))
def test_the_fitted_gaussian_has_the_moments_of_torch(num, width, seed):
    """An independent implementation of mean and covariance exists."""
    codes = torch.randn(num, width, dtype=F64, generator=torch.Generator().manual_seed(seed))
    mean, cov = fit_gaussian(codes)
    torch.testing.assert_close(mean, codes.mean(0))
    torch.testing.assert_close(cov, torch.cov(codes.T).reshape(width, width))


def test_draws_from_the_fitted_gaussian_have_its_moments():
    """With M draws the mean is known to about sqrt(var/M) and the covariance to about var·sqrt(2/M); five such
    errors are allowed.
    """
    generator = torch.Generator().manual_seed(0)
    mean = torch.tensor([1.0, -2.0], dtype=F64)
    cov = torch.tensor([[2.0, 0.9], [0.9, 0.5]], dtype=F64)
    num = 40_000
    drawn_mean, drawn_cov = fit_gaussian(sample_gaussian(mean, cov, num, generator))
    assert (drawn_mean - mean).abs().max() < 5 * (2 / num) ** 0.5
    assert (drawn_cov - cov).abs().max() < 5 * 2 * (2 / num) ** 0.5


def test_a_code_dimension_that_never_varies_has_no_density():
    """A covariance with a zero row has no Cholesky factor; the message says where to look."""
    with pytest.raises(ValueError, match="is a code dimension constant"):
        sample_gaussian(torch.zeros(2), torch.diag(torch.tensor([1.0, 0.0])), 3)


def test_without_noise_the_kernel_estimate_returns_training_codes():
    """At bandwidth 0 nothing is new: every draw is one of the codes."""
    codes = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    drawn = sample_kde(codes, 0.0, 50, torch.Generator().manual_seed(1))
    assert (drawn[:, None] == codes).all(dim=-1).any(dim=1).all()
    assert count_distinct(drawn) == 7


def test_the_kernel_estimate_widens_every_dimension_by_its_own_spread():
    """Var(code + h·s·eps) = Var(code) + h² s²: with h = 1 the variance doubles in each dimension."""
    codes = torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=F64) * torch.tensor([1.0, 10.0])
    drawn = sample_kde(codes, 1.0, 40_000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn.var(0) / codes.var(0), torch.full((2,), 2.0, dtype=F64), rtol=0.05, atol=0)
    with pytest.raises(ValueError, match="must not be negative"):
        sample_kde(codes, -0.1, 1)


def test_chunks_do_not_change_the_answer():
    """Row by row work may be cut anywhere; an empty set is a mistake to be told."""
    layer = torch.nn.Linear(3, 2)
    x = torch.randn(10, 3)
    torch.testing.assert_close(in_chunks(layer, x, chunk=3), layer(x).detach())
    with pytest.raises(ValueError, match="at least one row"):
        in_chunks(layer, x[:0])
