"""Steps D098 to D100: the sampler, in two forms, and how much noise it adds."""

import sympy as sp

from lib.ddpm.derivation.quantities import (
    Q,
    alpha,
    alpha_bar,
    alpha_bar_prev,
    beta,
    eps_hat,
    exactly,
    schedule,
    sigma,
    sqrt,
    x_t,
    z,
)
from lib.derivation import Gaussian, Steps, at_most, gaussian, normal_density, together

steps = Steps()
DATA_VARIANCE = 0.25


def variance_after_all_steps():
    """Of 1,000 steps back from unit variance, with the noise that is best for data from N(0, 0.25)"""
    alphas, bars = schedule()
    variance = 1.0
    for t in range(len(alphas), 0, -1):
        best = sqrt(1 - bars[t]) / (bars[t] * DATA_VARIANCE + 1 - bars[t])  # best noise for x_t = 1
        std = sqrt(Q.beta_tilde(alphas[t - 1], bars[t - 1]))
        signal, fresh = (Q.sample(x, x * best, alphas[t - 1], bars[t], std, 1 - x) for x in (1.0, 0.0))
        variance = signal**2 * variance + fresh**2
    return variance


@steps.add(
    "D098",
    r"p_\theta(x_{t-1}\mid x_t)=\mathcal N(\mu_\theta,\sigma_t^2I)",
    r"x_{t-1}=\frac{1}{\sqrt{\alpha_t}}\Big(x_t-\frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\;\epsilon_\theta(x_t,t)\Big)"
    r"+\sigma_tz,\quad z\sim\mathcal N(0,I)",
    kind="numeric",
    title="one step of the sampler",
)
def _():
    r"""Draw from the learned Gaussian as we always do: mean, plus standard deviation times noise. The check lets
    the whole chain of 1,000 steps run on data of variance 0.25 and the best possible $\epsilon_\theta$; it arrives
    at that variance to within two percent."""
    made = Q.sample(x_t, eps_hat, alpha, alpha_bar, sigma, z)
    mean = Q.mean_from_noise(x_t, eps_hat, alpha, alpha_bar)
    ratio = normal_density(made, mean, sigma**2) * sp.diff(made, z) / normal_density(z, 0, 1)
    return together(
        at_most(abs(variance_after_all_steps() / DATA_VARIANCE - 1), 0.02),
        exactly(ratio, 1),
    )


@steps.add(
    "D099",
    r"\mu_\theta",
    r"\tilde\mu_t\big(x_t,\hat x_0\big),\quad"
    r"\hat x_0=\frac{x_t-\sqrt{1-\bar\alpha_t}\;\epsilon_\theta(x_t,t)}{\sqrt{\bar\alpha_t}}",
    kind="symbolic",
    title="the same step, with the picture visible",
)
def _():
    r"""Guess the picture first, then walk towards it with the posterior of D050: the same number. This form shows
    $\hat x_0$ at every step, where it can be looked at, clipped to valid colours, or replaced."""
    guessed = Q.x_0_hat(x_t, eps_hat, alpha_bar)
    back = Q.posterior_mean(x_t, guessed, alpha, alpha_bar_prev)
    return exactly(sp.together(back), Q.mean_from_noise(x_t, eps_hat, alpha, alpha_bar))


@steps.add(
    "D100",
    r"\sigma_t^2\in[\tilde\beta_t,\,\beta_t]",
    r"\operatorname{Var}(x_{t-1}\mid x_t)=\frac{V\beta_t}{\alpha_tV+\beta_t},\quad z=0\ \text{at}\ t=1",
    kind="gaussian",
    title="how much noise to add",
)
def _():
    r"""If $x_{t-1}$ is Gaussian with variance $V$, this is the exact variance of a step back. White noise as data,
    $V=1$, gives $\beta_t$; a single picture, $V=1-\bar\alpha_{t-1}$, gives $\tilde\beta_t$; pictures with
    values in $[-1,1]$ lie between, on average. The last step gets no noise, because $\tilde\beta_1=0$: it hands out
    a mean."""
    variance = sp.Symbol("V", positive=True)
    pair = Gaussian.of(0, variance).with_image([[sp.sqrt(alpha)]], noise=[[beta]])
    exact = Q.reverse_variance(variance, alpha)
    reached = pair.given({1: x_t}).covariance
    tilde = Q.beta_tilde(alpha, alpha_bar_prev)
    return together(
        gaussian(Gaussian.of(0, reached), Gaussian.of(0, exact)),
        exactly(exact.subs(variance, 1), beta),
        exactly(exact.subs(variance, 1 - alpha_bar_prev), tilde),
        exactly(sp.diff(exact, variance), (beta / (alpha * variance + beta)) ** 2),
        exactly(tilde.subs(alpha_bar_prev, 1), 0),
    )
