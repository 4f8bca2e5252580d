"""Steps I14 to I16: the bound of every member is the same squared error of the noise, with weights of its own."""

import numpy as np
import sympy as sp

from lib.ddim.derivation.quantities import Q, bar_s, bar_t, exactly, guess
from lib.ddpm.derivation.quantities import Q as DDPM
from lib.ddpm.derivation.quantities import alpha, alpha_bar, alpha_bar_prev, beta, eps, eps_hat, sigma, x_0, x_t
from lib.derivation import Steps, at_most, numeric, together

steps = Steps()


@steps.add(
    "I14",
    r"D_{\mathrm{KL}}\big(q_\sigma(x_{t-1}\mid x_t,x_0)\,\Vert\,q_\sigma(x_{t-1}\mid x_t,\hat x_0)\big)",
    r"\frac{a_t^2}{2\sigma_t^2}\,\lVert x_0-\hat x_0\rVert^2",
    kind="symbolic",
    title="the model fills in its guess",
)
def _():
    r"""We sample with the same kernel, only with the network's guess $\hat x_0$ where the picture should stand. Two
    Gaussians with one variance are as far apart as their means, and these differ in the slot of the picture alone,
    whose weight is $a_t$."""
    means = (Q.mean(picture, x_t, bar_s, bar_t, sigma**2) for picture in (x_0, guess))
    weight = Q.weight_of_x_0(bar_s, bar_t, sigma**2) ** 2 / (2 * sigma**2)
    divergence = DDPM.kl(next(means), sigma**2, next(means), sigma**2)
    return exactly(sp.expand(divergence), sp.expand(weight * (x_0 - guess) ** 2))


@steps.add(
    "I15",
    r"\gamma_t\,\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2,\quad"
    r"\gamma_t=\frac{a_t^2\,(1-\bar\alpha_t)}{2\sigma_t^2\,\bar\alpha_t}",
    kind="symbolic",
    title="an error in the noise again",
)
def _():
    r"""A guess of the picture is a guess of the noise, scaled by $\sqrt{1-\bar\alpha_t}/\sqrt{\bar\alpha_t}$. So
    each member has the loss of DDPM with other weights; for each $t$ alone the best network is the same. The paper
    prints a shorter weight without $a_t^2(1-\bar\alpha_t)$, and its theorem needs no more than *some* positive one;
    the exact number differs much: 0.15 against 18.5 in the check."""
    error = Q.x_0_hat(x_t, eps, bar_t) - Q.x_0_hat(x_t, eps_hat, bar_t)
    weight = Q.weight_of_x_0(bar_s, bar_t, sigma**2) ** 2 / (2 * sigma**2)
    exact = Q.loss_weight(bar_s, bar_t, sigma**2)
    short = 1 / (2 * 0.05 * 0.54)
    return together(
        exactly(sp.expand(weight * error**2), sp.expand(exact * (eps - eps_hat) ** 2)),
        numeric(np.round([Q.loss_weight(0.6, 0.54, 0.05), short], 2), [0.15, 18.52]),
    )


@steps.add(
    "I16",
    r"\gamma_t\quad\text{at}\ \sigma_t^2=\tilde\beta_t",
    r"\frac{\beta_t^2}{2\tilde\beta_t\,\alpha_t(1-\bar\alpha_t)}",
    kind="symbolic",
    title="the weight of DDPM is among them",
)
def _():
    r"""With the noise of DDPM this is the weight of D095. With less noise it grows, and at $\sigma_t=0$ it is
    infinite: a deterministic step has no density to compare, and only the limit says that it wants the same
    network. In practice all weights are set to 1, as before."""
    tilde = Q.beta_tilde(alpha_bar_prev, alpha_bar)
    weight_of_x_0 = DDPM.posterior_mean(0, 1, alpha, alpha_bar_prev)
    simplified = weight_of_x_0**2 * (1 - alpha_bar) / (2 * tilde * alpha_bar)
    numbers = {alpha: 0.9, alpha_bar_prev: 0.6}
    here = float(tilde.subs(numbers))
    return together(
        exactly(simplified, beta**2 / (2 * tilde * alpha * (1 - alpha_bar))),
        numeric(Q.loss_weight(0.6, 0.54, here), DDPM.weight(0.9, 0.54, here)),
        at_most(10 * Q.loss_weight(0.6, 0.54, here), Q.loss_weight(0.6, 0.54, 0.01 * here)),
    )
