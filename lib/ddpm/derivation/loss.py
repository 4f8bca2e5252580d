"""Steps D091 to D097: from the terms of the bound to the loss that fits on one line, and what it teaches."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.noise import posterior_mean
from lib.ddpm.derivation.quantities import (
    BAR,
    X_0,
    Q,
    alpha,
    alpha_bar,
    beta,
    eps,
    eps_hat,
    exactly,
    noised_points,
    schedule,
    sigma,
    x_t,
)
from lib.derivation import Steps, at_most, integrate, normal_density, numeric, quadrature, together

steps = Steps()


def predicted_mean():
    """The mean of the model, which gets its noise from the network"""
    return Q.mean_from_noise(x_t, eps_hat, alpha, alpha_bar)


@steps.add(
    "D091",
    r"D_{\mathrm{KL}}\big(\mathcal N(\tilde\mu_t,\tilde\beta_tI)\,\Vert\,\mathcal N(\mu_\theta,\sigma_t^2I)\big)",
    r"\frac{1}{2\sigma_t^2}\lVert\tilde\mu_t(x_t,x_0)-\mu_\theta(x_t,t)\rVert^2+C_t",
    kind="symbolic",
    title="match the means",
)
def _():
    r"""The posterior's variance is $\tilde\beta_t$, whatever we choose for the model. Choose the same and $C_t$ is
    0; choose $\beta_t$ and it is $\tfrac d2\big(\log\frac{\beta_t}{\tilde\beta_t}+\frac{\tilde\beta_t}{\beta_t}
    -1\big)$, a constant all the same."""
    own, target = sp.symbols("beta_tilde beta", positive=True)
    ours, theirs = sp.symbols("mu_tilde mu_theta", real=True)
    squared = (ours - theirs) ** 2
    return together(
        exactly(Q.kl(ours, own, theirs, target), squared / (2 * target) + Q.constant(target, own)),
        exactly(Q.kl(ours, own, theirs, own), squared / (2 * own)),
    )


@steps.add(
    "D092",
    r"\mathbb E_{q(x_t\mid x_0)}[g(x_t)]",
    r"\mathbb E_{\epsilon}\big[g(\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\;\epsilon)\big]",
    kind="quadrature",
    title="draw the noise, make the picture",
)
def _():
    r"""A mean over $x_t$ is a mean over the noise that makes it, by D020. It is also what a training loop does: take
    a picture, draw $t$ and $\epsilon$, and make $x_t$ from them."""

    def g(value):
        return np.tanh(value) + value**2

    over_x_t = integrate(lambda value: normal_density(value, *Q.marginal(X_0, BAR)) * g(value))
    return quadrature(integrate(lambda noise: normal_density(noise, 0, 1) * g(Q.jump(X_0, BAR, noise))), over_x_t)


@steps.add(
    "D093",
    r"\tilde\mu_t=\frac{1}{\sqrt{\alpha_t}}\Big(x_t-\frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\;\epsilon\Big)",
    r"\mu_\theta(x_t,t)=\frac{1}{\sqrt{\alpha_t}}\Big(x_t-\frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\;"
    r"\epsilon_\theta(x_t,t)\Big)",
    kind="symbolic",
    title="leave open only what is unknown",
)
def _():
    r"""The model may compute its mean as it likes, so let it copy the form of the target. $x_t$ and the schedule
    are known when we sample; the noise is not, and that alone is left to the network."""
    return exactly(sp.together(predicted_mean().subs(eps_hat, eps)), sp.together(posterior_mean()))


@steps.add(
    "D094",
    r"\tilde\mu_t-\mu_\theta",
    r"\frac{\beta_t}{\sqrt{\alpha_t}\,\sqrt{1-\bar\alpha_t}}\,(\epsilon_\theta-\epsilon)",
    kind="symbolic",
    title="the picture drops out",
)
def _():
    r"""The term with $x_t$ is the same in both and cancels. Two means are now apart by as much as two noises are,
    up to a factor that the schedule fixes."""
    factor = beta / (sp.sqrt(alpha) * sp.sqrt(1 - alpha_bar))
    return exactly(sp.together(posterior_mean() - predicted_mean()), factor * (eps_hat - eps))


@steps.add(
    "D095",
    r"\frac{1}{2\sigma_t^2}\lVert\tilde\mu_t-\mu_\theta\rVert^2",
    r"\frac{\beta_t^2}{2\sigma_t^2\,\alpha_t(1-\bar\alpha_t)}\,\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2",
    kind="symbolic",
    title="the weight of each step",
)
def _():
    r"""Square the factor. So each term of the bound is a squared error of the noise with its own weight; the order
    of $\epsilon$ and $\epsilon_\theta$ no longer matters."""
    factor = sp.together(posterior_mean() - predicted_mean()).subs({eps: 0, eps_hat: 1})  # of the difference, by D094
    return exactly(sp.expand(factor) ** 2 / (2 * sigma**2), Q.weight(alpha, alpha_bar, sigma**2))


@steps.add(
    "D096",
    r"\sum_t w_t\,\mathbb E\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2",
    r"L_{\mathrm{simple}}=\mathbb E_{t,x_0,\epsilon}\lVert\epsilon-\epsilon_\theta(\sqrt{\bar\alpha_t}\,x_0"
    r"+\sqrt{1-\bar\alpha_t}\;\epsilon,\;t)\rVert^2",
    kind="numeric",
    title="forget the weights, on purpose",
)
def _():
    r"""This is no equation but a *choice*: set every weight to 1, and let $t=1$ stand in for $L_0$. With
    $\sigma_t^2=\beta_t$ the weights fall from 0.50 at $t=1$ to 0.0055 at $t=500$, so the choice takes effort from
    the finest noise and gives it to the coarse. For each $t$ alone the best answer stays what it was."""
    alphas, bars = schedule()
    weights = Q.weight(alphas, bars[1:], 1 - alphas)
    scale, guess = sp.symbols("w guess", positive=True)
    noises = sp.symbols("epsilon_1:4", real=True)
    slope = sp.diff(sum(scale * (noise - guess) ** 2 for noise in noises), guess)
    return together(
        numeric(weights[[0, 499, 999]], [0.50005, 0.0055, 0.0102], tol=5e-5),
        numeric(weights.max() / weights.min(), 100.7, tol=0.05),
        exactly(slope.subs(guess, sum(noises) / 3), 0),
    )


@steps.add(
    "D097",
    r"\arg\min_{\epsilon_\theta}L_{\mathrm{simple}}",
    r"\epsilon^\star(x_t,t)=\mathbb E[\epsilon\mid x_t]=-\sqrt{1-\bar\alpha_t}\;\nabla_{x_t}\log q(x_t)",
    kind="quadrature",
    title="what the network really learns",
)
def _():
    r"""Squared error asks for a mean: of all noises that may be hidden in $x_t$, the average one. And that average
    points away from where pictures are dense: up to a factor it is the *score*, the slope of the log density, not
    of the density itself."""
    points, grid = np.array([-1.0, 1.0]), np.linspace(-2, 2, 41)[:, None]
    means, variance = Q.marginal(points, BAR)
    belief = normal_density(grid, means, variance)
    belief /= belief.sum(1, keepdims=True)
    noises = (grid - np.sqrt(BAR) * points) / np.sqrt(1 - BAR)
    best = (belief * noises).sum(1)
    tiny = 1e-20  # a complex step gives the slope without rounding
    slope = np.log(noised_points(grid[:, 0] + 1j * tiny, BAR)).imag / tiny
    errors = [(belief * (noises - answer[:, None]) ** 2).sum() for answer in (best, best + 0.1, best - 0.1)]
    return together(quadrature(Q.score(best, BAR), slope), *(at_most(errors[0], error) for error in errors[1:]))
