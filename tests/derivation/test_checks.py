"""The checks pass what is true and refuse what is not, and the Gaussian and discrete tools are right themselves."""

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from lib.derivation import (
    Chain,
    CheckFailed,
    Gaussian,
    at_most,
    differ,
    discrete,
    gaussian,
    integrate,
    log_normal_density,
    monte_carlo,
    normal_density,
    normal_expectation,
    numeric,
    quadrature,
    symbolic,
    together,
)

m, x, z = sp.symbols("m x z", real=True)
s, v, w = sp.symbols("s v w", positive=True)


def test_symbolic_accepts_identities_and_refuses_near_misses():
    """A sign, a factor or an assumption too much is enough to fail."""
    assert symbolic((m + s) ** 2, m**2 + 2 * m * s + s**2) == "difference 0 (exact)"
    assert symbolic(sp.log(s**2 * v), 2 * sp.log(s) + sp.log(v))
    assert symbolic(sp.sin(x) ** 2 + sp.cos(x) ** 2, 1)
    assert symbolic(sp.Matrix([m, 2 * s]), sp.Matrix([m, s + s]))
    for left, right in [(sp.log(x**2), 2 * sp.log(x)), (m, -m), (m / 2, m), (sp.sqrt(x**2), x)]:
        with pytest.raises(CheckFailed) as failure:
            symbolic(left, right)
        assert (failure.value.left, failure.value.right) == (left, right)


@pytest.mark.parametrize("check", [quadrature, discrete, numeric])
def test_numbers_must_agree_within_the_tolerance_and_nan_never_does(check):
    """Both sides are named, the worst pair of an array too, and rounding noise is not part of the evidence."""
    assert check(0.25 + 1e-13, 0.25) == check(0.25, 0.25)
    assert "2 pairs of numbers agree" in check([1.0, 2.0], np.array([1.0, 2.0]))
    for wrong in (0.2501, float("nan"), float("inf")):
        with pytest.raises(CheckFailed, match=r"is not 0.25"):
            check(wrong, 0.25)
    with pytest.raises(CheckFailed, match=r"3 is not 2, .*worst of 2 numbers"):
        check([1.0, 3.0], [1.0, 2.0])
    with pytest.raises(CheckFailed):
        check([1.0, float("nan")], 1.0)


def test_monte_carlo_counts_in_standard_errors():
    """Four by default: one seeded run in 16,000 would fail by chance."""
    assert monte_carlo(1.3, 1.0, 0.1) == "1.3 ± 0.1 against 1, within 4 standard errors"
    for value in (1.5, 0.5, float("nan")):
        with pytest.raises(CheckFailed, match="standard errors away, 4 allowed"):
            monte_carlo(value, 1.0, 0.1)
    with pytest.raises(CheckFailed):
        monte_carlo(1.3, 1.0, 0.1, sigmas=2)
    with pytest.raises(ValueError, match="std_error must be positive and finite, got 0"):
        monte_carlo(1.0, 1.0, 0.0)


def test_inequalities_and_differences_are_strict_about_nan():
    """A comparison with NaN is false, so it must fail and not pass."""
    assert at_most(1, 2) == "1 ≤ 2"
    assert differ(1.0, 2.0, by=0.5) == "1 is not 2"
    for check in (lambda: at_most(2, 1), lambda: at_most(float("nan"), 1), lambda: differ(1.0, 1.4, by=0.5)):
        with pytest.raises(CheckFailed):
            check()
    with pytest.raises(CheckFailed):
        differ([1.0, float("nan")], [1.0, 1.0], by=0.1)
    assert together("a", "b", "a") == "a; b"


def test_the_integral_of_a_density_is_one_and_cut_off_tails_are_refused():
    """The trapezoid rule converges faster than any power for functions that die out at both ends."""
    assert integrate(lambda t: normal_density(t, 0.3, 0.2)) == pytest.approx(1, abs=1e-13)
    assert integrate(lambda t: t**2 * normal_density(t, 0.0, 2.0)) == pytest.approx(2, abs=1e-12)
    with pytest.raises(ValueError, match="must die out"):
        integrate(lambda t: normal_density(t, 11.0, 1.0))
    with pytest.raises(ValueError, match="finite"), np.errstate(all="ignore"):
        integrate(lambda t: np.log(t))


def test_densities_are_the_same_with_symbols_and_with_numbers():
    """One formula serves both kinds of check."""
    number = float(normal_density(x, m, v).subs({x: 0.3, m: -0.2, v: 0.7}))
    assert number == pytest.approx(normal_density(0.3, -0.2, 0.7), rel=1e-14)
    assert log_normal_density(0.3, -0.2, 0.7) == pytest.approx(math.log(number), rel=1e-13)
    assert symbolic(sp.exp(log_normal_density(x, m, v)), normal_density(x, m, v))


def test_moments_of_a_normal_variable_are_exact():
    """Against sympy's own integral for the fourth moment, against the textbook for the sixth."""
    assert symbolic(normal_expectation(z**4, z, m, v), m**4 + 6 * m**2 * v + 3 * v**2)
    assert symbolic(normal_expectation(z**6, z, 0, v), 15 * v**3)
    assert symbolic(normal_expectation(s * z + 1, z, m, v), s * m + 1)
    with pytest.raises(ValueError, match="polynomial"):
        normal_expectation(sp.exp(z), z, m, v)


def test_gaussian_posterior_is_the_normalised_product_of_prior_and_likelihood():
    """Two ways to the same posterior: conditioning the joint, and merging two measurements by their precisions."""
    prior = Gaussian.of(m, s)
    posterior = prior.with_image([[w]], noise=[[v]]).given({1: x})
    assert gaussian(posterior, prior.times(Gaussian.of(x / w, v / w**2)))
    ratio = normal_density(z, m, s) * normal_density(x, w * z, v) / normal_density(x, w * m, w**2 * s + v)
    numbers = {z: 0.4, m: 0.1, s: 0.7, x: -0.3, w: 1.3, v: 0.5}
    direct = normal_density(z, posterior.mean[0], posterior.covariance[0]).subs(numbers)
    assert float(direct) == pytest.approx(float(ratio.subs(numbers)), rel=1e-12)
    for wrong in (Gaussian.of(posterior.mean[0], v), Gaussian.of(m, posterior.covariance[0])):
        with pytest.raises(CheckFailed):
            gaussian(posterior, wrong)


def test_gaussian_images_marginals_and_kl():
    """Variances add for independent noise; KL in two dimensions is the sum over independent coordinates."""
    joint = Gaussian.of(0, 1).with_image([[w]], shift=[m], noise=[[v]])
    assert gaussian(joint.marginal(1), Gaussian.of(m, w**2 + v))
    assert gaussian(Gaussian.of(m, s).image([[2]], shift=[1]), Gaussian.of(2 * m + 1, 4 * s))
    two = Gaussian.of([m, x], sp.diag(s, v)).kl(Gaussian.of([0, 0], sp.eye(2)))
    one = Gaussian.of(m, s).kl(Gaussian.of(0, 1)) + Gaussian.of(x, v).kl(Gaussian.of(0, 1))
    assert symbolic(two, one)
    numbers = Gaussian.of(0.3, 0.5).kl(Gaussian.of(-0.4, 2.0))
    ratio = integrate(
        lambda t: normal_density(t, 0.3, 0.5) * (log_normal_density(t, 0.3, 0.5) - log_normal_density(t, -0.4, 2.0))
    )
    assert float(numbers) == pytest.approx(ratio, abs=1e-10)
    with pytest.raises(ValueError, match="covariance must be 2 x 2"):
        Gaussian.of([0, 0], sp.eye(3))


@given(seed=st.integers(0, 100), num_states=st.integers(2, 3), num_timesteps=st.integers(1, 4))
def test_the_chain_is_a_distribution_and_its_factors_multiply_to_it(seed, num_states, num_timesteps):
    """Axes of length 1 broadcast, so factors multiply as they do on paper; conditionals follow from the joint."""
    chain = Chain(num_states, num_timesteps, seed)
    assert chain.q.sum() == pytest.approx(1) and chain.p.sum() == pytest.approx(1)
    for t in chain.times:
        np.testing.assert_allclose(chain.forward(t).sum(axis=t), 1)
        np.testing.assert_allclose(chain.reverse(t).sum(axis=t - 1), 1)
        np.testing.assert_allclose(chain.conditional(chain.q, (t,), (t - 1,)), chain.forward(t))
        np.testing.assert_allclose(chain.conditional(chain.p, (t - 1,), (t,)), chain.reverse(t))
    np.testing.assert_allclose(chain.marginal(chain.q, 0), chain.data)
    np.testing.assert_allclose(chain.marginal(chain.p, num_timesteps), chain.prior)
    assert chain.mean(np.ones(chain.shape)) == pytest.approx(1)


def test_a_chain_confirms_bayes_and_refuses_it_without_x_0():
    """q(x_t | x_{t-1}) = q(x_{t-1} | x_t, x_0) q(x_t | x_0) / q(x_{t-1} | x_0); leaving x_0 out of one factor fails."""
    chain = Chain()
    posterior = chain.conditional(chain.q, (1,), (2, 0))
    ratio = chain.conditional(chain.q, (2,), (0,)) / chain.conditional(chain.q, (1,), (0,))
    full = np.broadcast_to(chain.forward(2), (3, 3, 3, 1, 1))
    assert discrete(posterior * ratio, full)
    with pytest.raises(CheckFailed):
        discrete(chain.conditional(chain.q, (1,), (2,)) * ratio, full)
