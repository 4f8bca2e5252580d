"""Steps G07 and G08: the same push given to the mean of a step, and how the two forms compare."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import alpha, alpha_bar, beta, eps_hat, exactly, schedule, x_t
from lib.derivation import Steps, at_most, integrate, normal_density, numeric, symbolic, together
from lib.guidance.derivation.bayes import log_verdict
from lib.guidance.derivation.quantities import Q, g, s, slope

steps = Steps()


def miss(step_variance, start=0.2, scale=1.0):
    """Distance of the guided mean from the true mean of N(start, variance) times the verdict, by force"""
    push = slope(log_verdict, np.array(start))

    def product(x):
        return normal_density(x, start, step_variance) * np.exp(scale * log_verdict(x))

    mass = integrate(product, -3, 3)
    true_mean = integrate(lambda x: x * product(x), -3, 3) / mass
    return abs(Q.guided_mean(start, step_variance, push, scale) - true_mean)


@steps.add(
    "G07",
    r"\mathcal N(x;\mu,\Sigma)\;e^{\,s\,g^\top(x-\mu)}",
    r"\propto\mathcal N(x;\,\mu+s\,\Sigma g,\;\Sigma),\quad g=\nabla\log p_\phi(y\mid x)\big\rvert_{x=\mu}",
    kind="symbolic",
    title="push the mean instead",
)
def _():
    r"""One step of DDPM draws from a narrow Gaussian, and over so short a stretch the log of the classifier is nearly a
    straight line with slope $g$. Complete the square, as in D039: the Gaussian keeps its shape and moves. Here the
    sign is *plus*, and $\Sigma$ is the variance of the step. A quarter of the variance leaves less than a tenth of
    the error that the straight line makes."""
    x = sp.Matrix(sp.symbols("x_1 x_2", real=True))
    mean, push = sp.Matrix(sp.symbols("mu_1 mu_2", real=True)), sp.Matrix(sp.symbols("g_1 g_2", real=True))
    p, q, r = sp.symbols("p q r", positive=True)
    covariance = sp.Matrix([[p, q], [q, r]])

    def exponent(centre):
        return -((x - centre).T * covariance.inv() * (x - centre))[0] / 2

    difference = exponent(mean) + s * (push.T * (x - mean))[0] - exponent(Q.guided_mean(mean, covariance, push, s))
    flat = [sp.cancel(sp.diff(difference, entry)) for entry in x]
    coarse, fine = miss(0.04), miss(0.01)
    return together(symbolic(sp.Matrix(flat), sp.zeros(2, 1)), at_most(10 * fine, coarse))


@steps.add(
    "G08",
    r"\mu(\hat\epsilon)\quad\text{with}\ \hat\epsilon=\epsilon_\theta-s\sqrt{1-\bar\alpha_t}\;g",
    r"\mu(\epsilon_\theta)+s\,\frac{\beta_t}{\sqrt{\alpha_t}}\,g",
    kind="symbolic",
    title="two forms, nearly one",
)
def _():
    r"""Put the guided noise of G06 into DDPM's mean: a minus times a minus, and the root cancels. With
    $\Sigma=\beta_tI$ the mean form has $s\,\beta_tg$, so the two agree up to $1/\sqrt{\alpha_t}$, which is one
    percent at most on the linear schedule. A plus in the noise form, or $\sigma_t$ for the root, agrees with nothing:
    at $t=500$ that root is 9.6 times $\sqrt{\beta_t}$. Without fresh noise only the noise form is left: $\Sigma=0$
    would push nothing."""
    by_noise = Q.mean_from_noise(x_t, Q.guided_eps(eps_hat, g, alpha_bar, s), alpha, alpha_bar)
    plain = Q.mean_from_noise(x_t, eps_hat, alpha, alpha_bar)
    by_mean = Q.guided_mean(plain, beta, g, s)
    alphas, bars = schedule()
    return together(
        exactly(sp.expand(by_noise - plain), s * beta / sp.sqrt(alpha) * g),
        exactly(sp.expand((by_noise - plain) * sp.sqrt(alpha)), sp.expand(by_mean - plain)),
        numeric(np.round((1 / np.sqrt(alphas)).max(), 4), 1.0102),
        numeric(np.round(np.sqrt((1 - bars[500]) / (1 - alphas[499])), 1), 9.6),
        numeric(Q.guided_mean(0.3, 0.0, 2.0, 5.0), 0.3),
    )
