"""The checks of the derivation of DDIM notice wrong formulas, and its formulas are the library's."""

import numpy as np
import pytest
import sympy as sp
import torch

from lib.ddim import ddim_step, eta_sigma, euler_step, forward_kernel, gaussian_flow, loss_weight, q_sigma, sigma_hat
from lib.ddim.derivation import DDIM
from lib.ddim.derivation.quantities import Q, schedule, sqrt
from lib.ddpm.forward import predict_x_0
from lib.ddpm.schedules import linear


def test_the_formulas_are_those_of_the_library():
    """What is derived here is what the chapter samples with, between neighbours and between levels far apart."""
    bars, alpha_bar = schedule()[1], linear(1000)
    x_0, x_t, eps, z = torch.randn(4, 900, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.arange(101, 1001)
    for s in (t - 1, t - 100):
        below, level = bars[s], bars[t]
        std = Q.eta_std(below, level, 0.7)
        pairs = {
            "eta": (eta_sigma(alpha_bar, t, s, 0.7), std),
            "sigma_hat": (sigma_hat(alpha_bar, t, s), Q.sigma_hat(below, level)),
            "mean": (
                q_sigma(x_0, x_t, t, alpha_bar, torch.from_numpy(std), s).mean,
                Q.mean(x_0.numpy().ravel(), x_t.numpy().ravel(), below, level, std**2),
            ),
            "step": (
                ddim_step(x_t, eps, t, s, alpha_bar, z, eta=0.7),
                Q.step(x_t.numpy().ravel(), eps.numpy().ravel(), below, level, std, z.numpy().ravel()),
            ),
            "euler": (
                euler_step(x_t, eps, t, s, alpha_bar) / torch.from_numpy(below)[:, None].sqrt(),
                Q.euler(x_t.numpy().ravel() / sqrt(level), eps.numpy().ravel(), Q.sigma_bar(below), Q.sigma_bar(level)),
            ),
            "x_0_hat": (
                predict_x_0(x_t, eps, t, alpha_bar),
                Q.x_0_hat(x_t.numpy().ravel(), eps.numpy().ravel(), level),
            ),
        }
        weights = s > 0  # at s = 0 there is no fresh noise, and the weight of the loss is infinite
        t_w, s_w, std_w = t[weights], s[weights], torch.from_numpy(std)[weights]
        below, level, std = below[weights], level[weights], std[weights]
        kernel = forward_kernel(alpha_bar, t_w, std_w, s_w)
        for name, built, derived in zip(kernel._fields, kernel, Q.forward_kernel(below, level, std**2), strict=True):
            pairs[name] = built, derived
        pairs["weight"] = loss_weight(alpha_bar, t_w, std_w, s_w), Q.loss_weight(below, level, std**2)
        for name, (built, derived) in pairs.items():
            np.testing.assert_allclose(built.numpy().ravel(), derived.ravel(), rtol=1e-7, atol=1e-9, err_msg=name)
    flow = gaussian_flow(x_t, bars[900], bars[400], 0.25)
    np.testing.assert_allclose(
        flow.numpy().ravel(), Q.flow(x_t.numpy().ravel(), bars[400], bars[900], 0.25), rtol=1e-12
    )


right = {name: getattr(Q, name) for name in Q._named}


def forgetful_top_down(chain):
    """The product from the top with kernels that do not look at x_0."""
    joint = chain.conditional(chain.q, (chain.num_timesteps,), (0,))
    for t in range(chain.num_timesteps, 1, -1):
        joint = joint * chain.conditional(chain.q, (t - 1,), (t,))
    return joint


def alpha_for_alpha_bar(x_t, eps, bar_s, bar_t, std, z):
    """The signal factor with alpha, from mixing the letters of two papers."""
    return right["step"](x_t, eps, bar_s, bar_t, std, z) + (sqrt(bar_t / bar_s) - sqrt(bar_s)) * right["x_0_hat"](
        x_t, eps, bar_t
    )


def kernel_of_ddpm(bar_s, bar_t, variance):
    """The forward step of a Markov chain, whatever the variance."""
    return sqrt(bar_t / bar_s), 0, 1 - bar_t / bar_s


ERRORS = {
    # the family
    "noise not divided by its strength": (dict(noise_in=lambda x, x_0, A: x - sqrt(A) * x_0), "I01 I06 I17"),
    "noise in with a missing root": (dict(noise_in=lambda x, x_0, A: (x - A * x_0) / sqrt(1 - A)), "I01 I06 I17"),
    "kernels from the top without x_0": (dict(top_down=forgetful_top_down), "I02"),
    "weight of x_t not squared in the variance": (
        dict(pushed=lambda x_0, A, a, b, v: ((a + b * sqrt(A)) * x_0, b * (1 - A) + v)),
        "I03 I04",
    ),
    "standard deviation for variance under the root": (
        dict(weight_of_x_t=lambda A, B, v: sqrt(1 - A - sqrt(v)) / sqrt(1 - B)),
        "I04 I05 I06 I10 I12 I20",
    ),
    "direction without making room for fresh noise": (
        dict(weight_of_x_t=lambda A, B, v: sqrt(1 - A) / sqrt(1 - B)),
        "I04 I05 I06 I10 I12 I20",
    ),
    "bar missing in the weight of the picture": (
        dict(weight_of_x_0=lambda A, B, v: sqrt(B / A) - sqrt(1 - A - v) / sqrt(1 - B) * sqrt(B)),
        "I04 I05 I06 I10 I12 I14 I15 I20",
    ),
    "limit from the level above": (dict(largest_variance=lambda A: 1 - A / 2), "I05 I22"),
    "mean that leaves the old noise out": (dict(mean=lambda x_0, x, A, B, v: sqrt(A) * x_0), "I06 I08 I09 I17"),
    "mean with too much old noise": (
        dict(mean=lambda x_0, x, A, B, v: sqrt(A) * x_0 + sqrt(1 - A) * (x - sqrt(B) * x_0) / sqrt(1 - B)),
        "I06 I08 I09 I17",
    ),
    "mean with alpha for alpha_bar": (
        dict(mean=lambda x_0, x, A, B, v: right["mean"](x_0, x, A, B, v) + (sqrt(B / A) - sqrt(A)) * x_0),
        "I06 I07 I09 I17 I20",
    ),
    "a Markov chain taken for granted": (dict(forward_kernel=kernel_of_ddpm), "I10"),
    # DDPM and the loss
    "beta_tilde upside down": (dict(beta_tilde=lambda A, B: (1 - B) / (1 - A) * (1 - B / A)), "I11 I12 I13 I16 I22"),
    "beta for beta_tilde": (dict(beta_tilde=lambda A, B: 1 - B / A), "I11 I12 I13 I22"),
    "the weight as printed in the paper": (dict(loss_weight=lambda A, B, v: 1 / (2 * v * B)), "I15 I16"),
    "guess of the picture not divided": (dict(x_0_hat=lambda x, e, A: x - sqrt(1 - A) * e), "I15 I17 I18 I21"),
    # the sampler
    "alpha for alpha_bar in the step": (dict(step=alpha_for_alpha_bar), "I17 I18 I19 I21 I23 I24 I26 I28"),
    "root of sigma in the noise": (
        dict(step=lambda x, e, A, B, s, z: right["step"](x, e, A, B, s, z) + (sqrt(s) - s) * z),
        "I17 I23",
    ),
    "variance for standard deviation in the noise": (
        dict(step=lambda x, e, A, B, s, z: right["step"](x, e, A, B, s, z) + (s**2 - s) * z),
        "I17 I23",
    ),
    "direction with the wrong sign": (
        dict(step=lambda x, e, A, B, s, z: right["step"](x, e, A, B, s, z) - 2 * sqrt(1 - A - s**2) * e),
        "I17 I18 I19 I20 I23 I24 I28 I29",
    ),
    "old noise at full strength beside fresh noise": (
        dict(step=lambda x, e, A, B, s, z: right["step"](x, e, A, B, 0 * s, z) + s * z),
        "I17 I23",
    ),
    "plus between the two factors of the noise": (
        dict(collected=lambda A, B: (sqrt(A / B), sqrt(1 - A) + sqrt(A * (1 - B) / B))),
        "I19 I24",
    ),
    "position in the list taken for the level": (dict(level=lambda bars, tau, i: bars[i]), "I20 I23"),
    "eta on the variance": (
        dict(eta_std=lambda A, B, eta: sqrt(eta * (1 - A) / (1 - B) * (1 - B / A))),
        "I22",
    ),
    "variance for the standard deviation of eta": (
        dict(eta_std=lambda A, B, eta: eta * (1 - A) / (1 - B) * (1 - B / A)),
        "I22 I23",
    ),
    "sigma-hat of the whole level": (dict(sigma_hat=lambda A, B: sqrt(1 - B)), "I22"),
    # the equation of motion
    "sigma for sigma-bar": (dict(sigma_bar=lambda A: sqrt(1 - A)), "I24 I25 I26"),
    "Euler in the wrong direction": (dict(euler=lambda x, e, s, t: x + (t - s) * e), "I24 I26"),
    "velocity of the walk with noise": (
        dict(velocity=lambda x, e, b, A: -b * x / 2 + b * e / sqrt(1 - A)),
        "I25 I27",
    ),
    "velocity with a missing root": (dict(velocity=lambda x, e, b, A: -b * x / 2 + b * e / (2 * (1 - A))), "I25 I27"),
    "variances for standard deviations in the flow": (
        dict(flow=lambda x, A, B, v: x * (A * v + 1 - A) / (B * v + 1 - B)),
        "I28",
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_a_planted_error_is_noticed_by_the_steps_that_rest_on_it(error):
    """A check that no wrong formula can fail confirms nothing."""
    wrong, witnesses = ERRORS[error]
    with np.errstate(all="ignore"):  # a wrong level can be 0 where one divides by it
        assert set(witnesses.split()) <= set(DDIM.sabotage(**wrong))


def test_every_quantity_and_every_step_is_put_to_the_test():
    """No named formula is taken on trust, and no check passes whatever one plants."""
    assert {name for wrong, _ in ERRORS.values() for name in wrong} == set(right)
    witnesses = {step for _, names in ERRORS.values() for step in names.split()}
    assert witnesses == {step.id for step in DDIM.steps}


def test_an_error_elsewhere_is_not_blamed_on_the_family():
    """The steps that do not use a formula stay confirmed when it is wrong."""
    with np.errstate(all="ignore"):
        blamed = set(DDIM.sabotage(flow=lambda x, A, B, v: 2 * x))
    assert blamed == {"I28"}
    assert sp.simplify(Q.flow(1, sp.Integer(1), sp.Rational(1, 2), sp.Integer(1))) == 1
