"""DDPM, derived in 100 steps that are all executed: from one step of noising to the loss and the sampler.

`DDPM.show(zoom=10)` shows it with a zoom of 10, 40 or 100 steps, `DDPM.verify()` runs every check,
`DDPM.sabotage(posterior_mean=…)` tells which steps notice a wrong formula. The steps stand in twelve files in their
order: `noising`, `merge`, `jump`, `bayes`, `square`, `posterior`, `noise`, `bound`, `telescope`, `kl`, `loss`,
`sampling`; a coarse step never rewrites a fine one, it only hides what is between.

Source: Ho, Jain and Abbeel 2020, arXiv:2006.11239, sections 2 and 3 and appendix A; the idea of the chain and why the
way back is nearly Gaussian: Sohl-Dickstein et al. 2015, arXiv:1503.03585.
"""

from lib.ddpm.derivation import (
    bayes,
    bound,
    jump,
    kl,
    loss,
    merge,
    noise,
    noising,
    posterior,
    sampling,
    square,
    telescope,
)
from lib.ddpm.derivation.quantities import Q
from lib.ddpm.derivation.zoom import ZOOM
from lib.derivation import Derivation

_FILES = (noising, merge, jump, bayes, square, posterior, noise, bound, telescope, kl, loss, sampling)

DDPM = Derivation(
    name="ddpm",
    title="From one step of noise to the loss and the sampler of DDPM",
    steps=tuple(step for file in _FILES for step in file.steps),
    zoom=ZOOM,
    quantities=Q,
)
