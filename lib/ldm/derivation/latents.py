"""Steps L14 to L17: latents of spread 1, and what becomes of the schedule where they are not."""

import numpy as np
import sympy as sp

from lib.derivation import Gaussian, Steps, at_most, gaussian, numeric, symbolic, together
from lib.ldm.derivation.quantities import BARS, SPREADS, Q, bar, spread

steps = Steps()


@steps.add(
    "L14",
    r"m=\mathbb E[z],\quad\sigma_z^2=\mathbb E[(z-m)^2]",
    r"\tilde z=\frac{z-m}{\sigma_z},\quad\mathbb E[\tilde z]=0,\quad\mathbb E[\tilde z^2]=1",
    kind="numeric",
    title="bring the spread to 1",
)
def _():
    r"""There is a number $m$ for each channel, and one $\sigma_z$ for all of them, so channels keep their proportions.
    Without $m$, as in the original, $\sigma_z^2$ contains the spread between the channels' means as well. The decoder
    needs the way back: first times $\sigma_z$, then plus $m$."""
    z = np.random.default_rng(3).standard_normal((3, 40)) * [[1.0], [4.0], [2.0]] + [[2.0], [-1.0], [0.5]]
    means, small = z.mean(1, keepdims=True), Q.scaled(z)
    std = np.sqrt(z.var(1).mean())
    return together(
        numeric(small.mean(1), 0.0),
        numeric((small**2).mean(), 1.0),
        numeric(small.std(1) / small.std(1)[0], z.std(1) / z.std(1)[0]),
        numeric(z.var(), std**2 + means.var()),
        numeric(Q.unscaled(small, means, std), z),
    )


@steps.add(
    "L15",
    r"z_t=\sqrt{\bar\alpha_t}\,z+\sqrt{1-\bar\alpha_t}\;\epsilon,\quad\operatorname{Var}z=\sigma_z^2",
    r"\log\mathrm{SNR}(t)=\log\frac{\bar\alpha_t}{1-\bar\alpha_t}+2\log\sigma_z",
    kind="symbolic",
    title="a spread shifts every level",
)
def _():
    r"""The signal has $\sigma_z^2$ times the variance that the schedule counts on, and the noise is what it was. All
    levels move by the same amount: by $-3.4$ at $\sigma_z=0.18$, by $+3.2$ at 5. The network is trained on another
    schedule than the one written down, and no error message says so."""
    signal = Gaussian.of(0, spread**2).image([[sp.sqrt(bar)]]).covariance[0]
    noise = Gaussian.of(0, 1).image([[sp.sqrt(1 - bar)]]).covariance[0]
    shift = [Q.log_snr(0.3, one) - Q.log_snr(0.3, 1.0) for one in SPREADS]
    return together(
        symbolic(sp.exp(Q.log_snr(bar, spread)), signal / noise),
        numeric(np.round(shift, 1), [-3.4, 3.2]),
    )


@steps.add(
    "L16",
    r"\log\mathrm{SNR}(t)=-2\log\tan\frac{\pi t}2+2\log\sigma_z",
    r"\tan\frac{\pi u}2=\frac1{\sigma_z}\tan\frac{\pi t}2",
    kind="numeric",
    title="how far, in t",
)
def _():
    r"""On the cosine schedule, with $t$ from 0 to 1 and without its small offset, the shift is a factor of the tangent:
    level $t$ is as noisy as level $u$ should be. The middle, $t=0.5$, becomes $u=0.13$ at $\sigma_z=5$, hardly noisy,
    and 0.89 at 0.18, hardly anything but noise. In the course's own schedule of 1000 levels, level 500 is as noisy as
    120 and as 887 should be."""
    t = np.linspace(0.05, 0.95, 19)[:, None]
    apparent = Q.moved(t, SPREADS)
    offset_free = [np.cos(np.pi * time / 2) ** 2 for time in (t, apparent)]
    own = np.log(BARS[1:] / (1 - BARS[1:]))
    nearest = [1 + np.abs(own - Q.log_snr(BARS[500], one)).argmin() for one in SPREADS]
    return together(
        numeric(Q.log_snr(offset_free[1], 1.0), Q.log_snr(offset_free[0], SPREADS)),
        numeric(np.round(Q.moved(0.5, SPREADS), 2), [0.89, 0.13]),
        numeric(nearest, [887, 120]),
        at_most(np.abs(np.array(nearest) / 1000 - Q.moved(0.5, SPREADS)).max(), 0.006),
    )


@steps.add(
    "L17",
    r"\begin{aligned}z_t&=\sqrt{\bar\alpha_t}\,z+\sqrt{1-\bar\alpha_t}\;\epsilon\\"
    r"v&=\sqrt{\bar\alpha_t}\;\epsilon-\sqrt{1-\bar\alpha_t}\,z\end{aligned}",
    r"\begin{aligned}\operatorname{Var}z_t&=1+\bar\alpha_t(\sigma_z^2-1)\\"
    r"\operatorname{Var}v&=1+(1-\bar\alpha_t)(\sigma_z^2-1)\end{aligned}",
    kind="gaussian",
    title="neither input nor target has spread 1",
)
def _():
    r"""A network is made for inputs and answers of spread 1, and gets both at every level only if $\sigma_z=1$; then
    they are uncorrelated too. At $\sigma_z=5$ the variance of $v$ climbs from 1 at the clean end to 25 in pure noise,
    so that the mean of the loss over $t$ listens mostly to the noisiest levels. At 0.18 it falls to 0.03 there, and the
    same levels are hardly heard."""
    keep, lose = sp.sqrt(bar), sp.sqrt(1 - bar)
    both = Gaussian.of([0, 0], sp.diag(spread**2, 1)).image([[keep, lose], [-lose, keep]])  # of (z, eps)
    together_they = keep * lose * (1 - spread**2)
    expected = sp.Matrix([
        [Q.z_variance(bar, spread**2), together_they],
        [together_they, Q.v_variance(bar, spread**2)],
    ])  # fmt: skip
    return together(
        gaussian(Gaussian(both.mean, both.covariance.applyfunc(sp.expand)), Gaussian.of([0, 0], expected)),
        numeric(np.round(Q.v_variance(np.array([[1.0], [0.0]]), SPREADS**2), 2), [[1, 1], [0.03, 25]]),
    )
