"""Steps V10 to V14: the bound as a loss, and what the weight of its two terms means."""

import numpy as np
import sympy as sp

from lib.derivation import Steps, log_normal_density, numeric, quadrature, symbolic, together
from lib.vae.derivation.quantities import (
    Q_MEAN,
    Q_VARIANCE,
    Q,
    log_likelihood,
    log_prior,
    mean_under,
    mu,
    num_pixels,
    s,
    sigma,
)

steps = Steps()
error = sp.Symbol("error", nonnegative=True)  # the sum of squares of x - x_hat


@steps.add(
    "V10",
    r"\mathrm{ELBO}=\mathbb E_{q}\Big[\log\frac{p_\theta(x\mid z)\,p(z)}{q_\phi(z\mid x)}\Big]",
    r"\mathbb E_{q}\big[\log p_\theta(x\mid z)\big]+\mathbb E_{q}\Big[\log\frac{p(z)}{q_\phi(z\mid x)}\Big]",
    kind="quadrature",
    title="split the logarithm",
)
def _():
    r"""The log of a product is a sum, and so is its mean. The decoder now stands alone in the first term."""
    second = mean_under(lambda code: log_prior(code) - log_normal_density(code, Q_MEAN, Q_VARIANCE))
    return quadrature(Q.elbo(Q_MEAN, Q_VARIANCE), mean_under(log_likelihood) + second)


@steps.add(
    "V11",
    r"\mathbb E_{q}\big[\log p_\theta(x\mid z)\big]-D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p(z)\big)",
    kind="quadrature",
    title="reconstruction minus KL",
)
def _():
    r"""The second mean is a KL divergence with its sign turned. Mind which: to the *prior*, which we know, not to
    the posterior of V06, which we do not. One term wants codes that say much, the other charges for what they
    say."""
    return quadrature(Q.elbo(Q_MEAN, Q_VARIANCE), mean_under(log_likelihood) - Q.kl(Q_MEAN, Q_VARIANCE))


@steps.add(
    "V12",
    r"-\log\mathcal N(x;\hat x,s^2I)",
    r"\frac{\lVert x-\hat x\rVert^2}{2s^2}+\frac D2\log(2\pi s^2)",
    kind="symbolic",
    title="squared error is a Gaussian decoder",
)
def _():
    r"""Squared error is no matter of taste: it is a Gaussian decoder around $\hat x$ whose spread $s$ somebody
    chose, with or without knowing it."""
    pixels, estimates = sp.symbols("x1:4", real=True), sp.symbols("y1:4", real=True)
    pairs = list(zip(pixels, estimates, strict=True))
    direct = -sum(log_normal_density(pixel, estimate, s**2) for pixel, estimate in pairs)
    squares = sum((pixel - estimate) ** 2 for pixel, estimate in pairs)
    return symbolic(direct, Q.negative_log_likelihood(squares, s**2, 3))


@steps.add(
    "V13",
    r"-\mathrm{ELBO}",
    r"\frac{1}{2s^2}\,\mathbb E_q\Big[\lVert x-\hat x\rVert^2+\beta\,D_{\mathrm{KL}}\Big]+\text{const},\quad\beta=2s^2",
    kind="symbolic",
    title="what the weight of the KL means",
)
def _():
    r"""Take $1/2s^2$ out. The factor in front only rescales the gradient, so the loss is the *sum* of squares plus
    $\beta=2s^2$ times the KL. A β-VAE is a VAE with another decoder variance: the weight says how exactly a picture
    is to be met. In the code it is `kl_weight`."""
    kl = Q.kl(mu, sigma**2)
    constant = num_pixels * sp.log(2 * sp.pi * s**2) / 2
    negative_elbo = Q.negative_log_likelihood(error, s**2, num_pixels) + kl
    return symbolic(negative_elbo, (error + Q.kl_weight(s**2) * kl) / (2 * s**2) + constant)


@steps.add(
    "V14",
    r"\frac1D\lVert x-\hat x\rVert^2+D_{\mathrm{KL}}",
    r"\frac{\lVert x-\hat x\rVert^2}{2s^2}+D_{\mathrm{KL}}\ \text{with}\ s^2=\frac D2",
    kind="symbolic",
    title="a mean over pixels is a huge variance",
)
def _():
    r"""Averaging over pixels instead of summing looks harmless. Yet it claims $s^2=D/2$: for the 3,072 numbers of a
    small picture a spread of 39, where pixels lie in $[-1,1]$. Hardly any code explains more than it costs then,
    and the codes die."""
    variance = Q.decoder_variance_of_a_mean(num_pixels)
    spread = sp.sqrt(variance.subs(num_pixels, 3 * 32 * 32))
    return together(symbolic(error / num_pixels, error / (2 * variance)), numeric(np.round(float(spread)), 39))
