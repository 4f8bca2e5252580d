"""Steps L23 and L24: guidance without a range to clip to, and a hole that is filled."""

import numpy as np
import sympy as sp

from lib.ddpm.derivation.quantities import Q as DDPM
from lib.ddpm.derivation.quantities import alpha, alpha_bar_prev
from lib.derivation import Gaussian, Steps, differ, integrate, normal_density, numeric, quadrature, symbolic, together
from lib.ldm.derivation.quantities import BARS, Q, bar, eps_cond, eps_uncond, scale, z_0, z_t

steps = Steps()


@steps.add(
    "L23",
    r"\hat\epsilon=\epsilon_u+s\,(\epsilon_c-\epsilon_u)",
    r"\hat z_0=\hat z_{0,u}+s\,(\hat z_{0,c}-\hat z_{0,u})",
    kind="symbolic",
    title="guidance, without a clip",
)
def _():
    r"""Guidance is G10, word for word, and as D023 is a straight line in the noise, the estimate of $z_0$ walks on a
    line as well: from 0.2 over 0.8 at $s=1$ to 4.7 at $s=7.5$, say. A pixel may be clipped to $[-1,1]$ there, but a
    latent has no range, and the same clip would cut 32 percent of a standard normal. So nothing is clipped:
    what a large $s$ does, the decoder will see."""

    def estimate(noise):
        return DDPM.x_0_hat(z_t, noise, bar)

    guided = estimate(Q.guide(eps_uncond, eps_cond, scale))
    inside = integrate(lambda z: normal_density(z, 0.0, 1.0) * (np.abs(z) < 1), num=48001)  # no smooth integrand
    return together(
        symbolic(guided, Q.guide(estimate(eps_uncond), estimate(eps_cond), scale)),
        numeric([Q.guide(0.2, 0.8, one) for one in (0.0, 1.0, 7.5)], [0.2, 0.8, 4.7]),
        quadrature(np.round(1 - inside, 2), 0.32),
    )


@steps.add(
    "L24",
    r"z_t\to z_{t'},\ t'<t:\ \text{the hole is now at level}\ t'",
    r"z_{t'}^{\text{known}}=\sqrt{\bar\alpha_{t'}}\,z_0+\sqrt{1-\bar\alpha_{t'}}\;\epsilon",
    kind="gaussian",
    title="the frame of a hole, at the level just reached",
)
def _():
    r"""The network must see one latent at one level, so the known part is drawn where the step has brought the hole.
    From $t=500$ to $t'=450$ of the cosine schedule and for $z_0=1$ that is a mean of 0.76 and a variance of 0.43. Drawn
    at $t$ it would be 0.70 and 0.51, and kept clean 1 and 0: a frame without noise around a noisy hole, which no
    training has ever shown."""
    bar_t = alpha * alpha_bar_prev
    start = Gaussian.of(sp.sqrt(bar_t) * z_0, 1 - bar_t)  # z_t of the known part
    factor = sp.diff(DDPM.posterior_mean(z_t, z_0, alpha, alpha_bar_prev), z_t)
    shift = DDPM.posterior_mean(sp.Integer(0), z_0, alpha, alpha_bar_prev)
    reached = start.image([[factor]], [shift], [[DDPM.beta_tilde(alpha, alpha_bar_prev)]])
    mean, variance = Q.known(z_0, bar_t, alpha_bar_prev)
    in_time, late = Q.known(1.0, BARS[500], BARS[450]), Q.known(1.0, BARS[500], BARS[500])
    return together(
        symbolic(sp.cancel(reached.covariance[0]), sp.expand(variance)),
        symbolic(sp.simplify(reached.mean[0]), mean),
        numeric(np.round([in_time, late], 2), [[0.76, 0.43], [0.70, 0.51]]),
        differ(in_time, late, by=0.05),
        differ(in_time, [1.0, 0.0], by=0.2),
    )
