"""Steps L01 to L06: why the bound splits into two stages, what the KL weight decides, and what the split costs here."""

import numpy as np
import sympy as sp

from lib.derivation import (
    Gaussian,
    Steps,
    at_most,
    discrete,
    gaussian,
    integrate,
    log_normal_density,
    normal_density,
    numeric,
    quadrature,
    symbolic,
    together,
)
from lib.ldm.derivation.quantities import (
    DATA,
    DECODER,
    ENCODER,
    KL_WEIGHT,
    PRIORS,
    Q,
    c,
    counted,
    gain,
    kl_weight,
    lam,
    rho,
    v,
    weight,
)
from lib.vae.derivation.quantities import Q as VAE

steps = Steps()


def bound(prior):
    """The bound of L01, a mean over the three pictures"""
    reconstruction = (ENCODER * np.log(DECODER.T)).sum(1)
    return DATA @ (reconstruction - Q.kl(ENCODER, prior))


def objective(a, w, variance):
    """J of the smallest first stage"""
    return Q.objective(Q.error(lam, a, w, variance), rho, Q.rate(a**2 * lam, variance), kl_weight)


def best(w):
    """The encoder's best answer to a decoder: its gain and its variance"""
    return Q.encoder_gain(w, rho, kl_weight), Q.posterior_variance(w, rho, kl_weight)


def all_best():
    """Gain of the encoder, gain of the decoder, and variance, where all three are best"""
    w = sp.sqrt(Q.decoder_gain_squared(lam, rho, kl_weight))
    a, variance = best(w)
    return a, w, variance


def logs_apart(expression):
    """Multiplied out, with a logarithm for each symbol"""
    return sp.expand(sp.expand_log(sp.expand(expression)))


@steps.add(
    "L01",
    r"\log p(x)\ge\mathbb E_q[\log p(x\mid z)]-D_{\mathrm{KL}}\big(q(z\mid x)\,\Vert\,p(z)\big)",
    r"\mathbb E_q[\log p(x\mid z)]+H[q(z\mid x)]+\mathbb E_q[\log p(z)]",
    kind="discrete",
    title="the bound splits",
)
def _():
    r"""This is the bound of V08, but $p(z)$ is now a model with weights of its own: the second stage. The divergence
    falls into two: how spread out the encoder's answer is (its entropy $H$), and how likely the second stage finds that
    answer. Once the first stage is finished, only the last term can still change."""
    first, other = PRIORS
    joint = DECODER.T * first  # [x, z]
    evidence, posterior = joint.sum(1), joint / joint.sum(1, keepdims=True)
    gained = DATA @ (Q.second_stage(ENCODER, first) - Q.second_stage(ENCODER, other))
    return together(
        discrete(bound(first) + DATA @ Q.kl(ENCODER, posterior), DATA @ np.log(evidence)),
        at_most(bound(first), DATA @ np.log(evidence)),
        discrete(-Q.kl(ENCODER, first), Q.entropy(ENCODER) - Q.second_stage(ENCODER, first)),
        discrete(bound(other) - bound(first), gained),
    )


def log_second_stage(z):
    """log p(z) of a second stage: two bumps"""
    return np.log(0.6 * normal_density(z, -1.0, 0.3) + 0.4 * normal_density(z, 1.5, 0.5))


def over_answer(value, std, mu=0.4):
    """The mean of a function over the encoder's answer N(mu, std^2), by force"""
    return integrate(lambda z: normal_density(z, mu, std**2) * value(z), mu - 9 * std, mu + 9 * std)


@steps.add(
    "L02",
    r"-H[q]-\mathbb E_q[\log p(z)],\quad q=\mathcal N(\mu(x),\sigma^2I)",
    r"\approx-\tfrac d2\log(2\pi e\,\sigma^2)-\log p(\mu(x))\quad\text{for small}\ \sigma",
    kind="quadrature",
    title="a point, nearly",
)
def _():
    r"""With a tiny weight of the divergence the encoder's answer is nearly a point (L04). What is left for the second
    stage is to find the $d$ numbers of every latent likely: the task of chapter 4 with $z$ in the place of the picture,
    so its bound is D083 and its loss D096. The entropy costs a lot, and no second stage can change that; a decoder that
    is nearly exact earns it back (L06)."""
    by_force = [
        over_answer(lambda z, std=std: log_normal_density(z, 0.4, std**2) - log_second_stage(z), std)
        for std in (0.5, 0.02)
    ]
    apart = [-Q.gaussian_entropy(std**2) - over_answer(log_second_stage, std) for std in (0.5, 0.02)]
    coarse, fine = (over_answer(log_second_stage, std) - log_second_stage(0.4) for std in (0.02, 0.01))
    return together(quadrature(apart, by_force), quadrature(coarse / fine, 4.0, tol=0.01))


@steps.add(
    "L03",
    r"J=\frac{\mathbb E(x-wz)^2}{2\rho}+\beta\;\mathbb E\,D_{\mathrm{KL}},\quad z=ax+\sigma\epsilon",
    r"a=\frac{w}{w^2+\beta\rho},\quad\sigma^2=\frac{\beta\rho}{w^2+\beta\rho}",
    kind="symbolic",
    title="the encoder's best answer",
)
def _():
    r"""The smallest first stage shows what the weight $\beta$ of the divergence does: one Gaussian number $x$
    of mean 0 and variance $\lambda$, one latent, a decoder that multiplies by $w$ and has variance $\rho$. Setting two
    derivatives to 0 gives the posterior of a decoder with variance $\beta\rho$. So a small $\beta$ lets the encoder
    believe that the decoder is nearly exact."""
    joint = Gaussian.of(0, lam).with_image([[gain]], noise=[[v]])  # (x, z)
    mu, x = sp.symbols("mu x", real=True)
    a, variance = best(weight)
    slopes = [sp.diff(objective(gain, weight, v), one).subs({gain: a, v: variance}) for one in (gain, v)]
    posterior = Gaussian.of(0, 1).with_image([[weight]], noise=[[kl_weight * rho]]).given({1: x})
    return together(
        symbolic(joint.image([[1, -weight]]).covariance[0], Q.error(lam, gain, weight, v)),
        symbolic(Gaussian.of(mu, v).kl(Gaussian.of(0, 1)), Q.rate(mu**2, v)),
        symbolic(sp.Matrix(slopes), sp.zeros(2, 1)),
        gaussian(Gaussian.of(a * x, variance), posterior),
    )


def gain_on_a_grid(one_weight, grid):
    """The decoder's best gain by trying many, for data of variance 1 and rho = 0.1"""
    gains, variances = Q.encoder_gain(grid, 0.1, one_weight), Q.posterior_variance(grid, 0.1, one_weight)
    costs = Q.objective(Q.error(1.0, gains, grid, variances), 0.1, Q.rate(gains**2, variances), one_weight)
    return grid[np.argmin(costs)]


@steps.add(
    "L04",
    r"\frac{\partial J}{\partial w}=0",
    r"w^2=\max(\lambda-\beta\rho,\,0),\quad\sigma^2=\min\Big(\frac{\beta\rho}\lambda,\,1\Big)",
    kind="symbolic",
    title="a large weight switches the latent off",
)
def _():
    r"""With the decoder free too, the squared error comes to $\beta\rho$: a small weight works like a decoder of small
    variance. At $\beta=1$ this is V34, where $\rho$ is called $s^2$. From $\beta=\lambda/\rho$ on the latent is off:
    $w=0$, $\sigma^2=1$, the picture is gone and $z$ is noise, which is the collapse of V33."""
    u = sp.Symbol("u", positive=True)  # w^2
    along = objective(*(lambda a, variance: (a, sp.sqrt(u), variance))(*best(sp.sqrt(u))))
    slope = sp.diff(along, u).subs(u, Q.decoder_gain_squared(lam, rho, kl_weight))
    grid, weights = np.linspace(0, 1.2, 1201), (0.5, 4.0, 20.0)
    found = [gain_on_a_grid(one_weight, grid) for one_weight in weights]
    gains = [np.sqrt(Q.decoder_gain_squared(1.0, 0.1, one_weight)) for one_weight in weights]
    a, w, variance = all_best()
    return together(
        symbolic(sp.cancel(slope), 0),
        symbolic(sp.cancel(Q.error(lam, a, w, variance)), kl_weight * rho),
        symbolic(sp.cancel(variance), kl_weight * rho / lam),
        symbolic(Q.decoder_gain_squared(lam, rho, kl_weight), VAE.best_weight_squared(lam, kl_weight * rho)),
        numeric(found, gains, tol=1e-3),
        numeric(Q.posterior_variance(gains[-1], 0.1, 20.0), 1.0),
    )


@steps.add(
    "L05",
    r"(a,\;w,\;\sigma)\to(c\,a,\;w/c,\;c\,\sigma),\quad a^2\lambda+\sigma^2=1",
    r"J(c)-J(1)=\frac\beta2\,(c^2-1-\log c^2)",
    kind="symbolic",
    title="hardly anything holds the scale",
)
def _():
    r"""Make all latents $c$ times as large and let the decoder divide: the picture stays, and only the divergence
    notices. The price depends on the variance $a^2\lambda+\sigma^2$ of the latents of all data, and at the optimum of
    L04 that is exactly 1. At $\beta=0$, an autoencoder, every scale is as good, and at $\beta=10^{-6}$ a spread of 5.5,
    that of Stable Diffusion's latents, costs 0.000013 nats for each number of a latent. No training feels that, so the
    scale has to be set afterwards, in L14."""
    a, w, variance = all_best()
    of_all = Gaussian.of(0, lam).image([[gain]], noise=[[v]])  # z, over all x
    anywhere = objective(c * gain, weight / c, c**2 * v) - objective(gain, weight, v)
    at_the_best = objective(c * a, w / c, c**2 * variance) - objective(a, w, variance)
    return together(
        symbolic(of_all.covariance[0], Q.total_variance(lam, gain, v)),
        symbolic(logs_apart(anywhere), logs_apart(Q.cost_of_scale(c, Q.total_variance(lam, gain, v), kl_weight))),
        symbolic(sp.cancel(Q.total_variance(lam, a, variance)), 1),
        symbolic(logs_apart(at_the_best), logs_apart(Q.cost_of_scale(c, 1, kl_weight))),
        symbolic(Q.cost_of_scale(c, 1, sp.Integer(0)), 0),
        numeric(np.round(Q.cost_of_scale(5.5, 1, KL_WEIGHT), 6), 0.000013),
    )


def minus_bound(a, w, variance, decoder_variance):
    """The bound of L01 with its sign turned, for a decoder of this variance and N(0, 1) as the second stage"""
    counted_error = Q.objective(Q.error(lam, a, w, variance), decoder_variance, Q.rate(a**2 * lam, variance), 1)
    return sp.log(2 * sp.pi * decoder_variance) / 2 + counted_error


def variance_on_a_grid(curve, grid):
    """The log of the decoder variance with the smallest value by trying many, and that value"""
    values = sp.lambdify(counted, curve)(grid)
    return np.log(grid[np.argmin(values)]), values.min()


@steps.add(
    "L06",
    r"-\mathrm{bound}=\tfrac12\log(2\pi\rho')+\frac{\mathbb E(x-\hat x)^2}{2\rho'}+\mathbb E\,D_{\mathrm{KL}}",
    r"\tfrac12\log(2\pi e\lambda)+\begin{cases}\tfrac12(\beta-1-\log\beta),&\rho'=\rho\\0,&\rho'=\beta\rho\end{cases}",
    kind="symbolic",
    title="nothing is lost by the split here",
)
def _():
    r"""Take the first stage that a weight $\beta<\lambda/\rho$ gives and count the whole bound with a decoder of
    variance $\rho'$. By L05 its latents, all data together, are exactly $\mathcal N(0,1)$, so a second stage that is
    fitted afterwards fits perfectly. Counted with $\rho$ the bound is 6.4 nats worse than the best at $\beta=10^{-6}$,
    but only because the squared error has come down to $\beta\rho$; with $\rho'=\beta\rho$, fitted to that error, it is
    the best there is. A real loss by splitting needs an encoder that, not knowing what the second stage can model,
    makes latents beyond it; this example cannot show one."""
    a, w, variance = all_best()
    error = sp.cancel(Q.error(lam, a, w, variance))
    latents = Gaussian.of(0, lam).image([[a]], noise=[[variance]])
    best_of_all = sp.log(2 * sp.pi * lam) / 2 + sp.Rational(1, 2)  # -E log N(x; 0, lambda), the data's own entropy
    fitted = Q.fitted_variance(rho, kl_weight)

    def above(decoder_variance):
        return logs_apart(minus_bound(a, w, variance, decoder_variance) - best_of_all)

    weights, grid = (1.0, 1e-2, 1e-4, 1e-6), np.geomspace(1e-9, 1e-1, 8001)
    found = [variance_on_a_grid(above(counted).subs({lam: 1, rho: 0.01, kl_weight: one}), grid) for one in weights]
    return together(
        gaussian(Gaussian(latents.mean, latents.covariance.applyfunc(sp.cancel)), Gaussian.of(0, 1)),
        symbolic(error, fitted),
        symbolic(above(counted), logs_apart(Q.excess(error / counted))),
        symbolic(above(rho), logs_apart(Q.excess(kl_weight))),
        symbolic(above(fitted), 0),
        numeric(found, [(np.log(Q.fitted_variance(0.01, one)), 0) for one in weights]),
        numeric(np.round(Q.excess(KL_WEIGHT), 1), 6.4),
    )
