"""Chapter 5: denoising diffusion implicit models.

Song, Meng & Ermon 2020, "Denoising diffusion implicit models", arXiv:2010.02502. Their letter alpha is DDPM's
alpha-bar: every alpha of that paper is an ``alpha_bar`` here.

| in the text | here |
|---|---|
| q_sigma(x_s given x_t, x_0), its mean and its variance | `q_sigma`, `mean_coefficients` |
| q_sigma(x_t given x_s, x_0): not Markov unless DDPM | `forward_kernel` |
| gamma_t, the exact weight of the loss | `loss_weight` |
| sigma_t(eta), sigma-hat | `eta_sigma`, `sigma_hat` |
| one step with any share of noise, and the walk | `ddim_step`, `sample` |
| tau, the levels that are visited | `subsequences.evenly`, `quadratic`, `leading`, `trailing`, `linspace` |
| from picture to noise and back | `invert`, `round_trip` |
| between two noises | `slerp`, `lerp`, `norms` |
| x-bar, sigma-bar, Euler's method | `to_sigma_bar`, `from_sigma_bar`, `euler_step`, `euler_in_t` |
| the exact flow of Gaussian data, the order measured | `gaussian_flow`, `flow_error`, `order_of_convergence` |
| every step from the family to the sampler | `lib.ddim.derivation` |
"""

from . import subsequences
from .family import ForwardKernel, forward_kernel, loss_weight, mean_coefficients, q_sigma
from .interpolation import lerp, norms, slerp
from .inversion import RoundTrip, invert, round_trip
from .ode import (
    euler_in_t,
    euler_step,
    flow_error,
    from_sigma_bar,
    gaussian_eps,
    gaussian_flow,
    order_of_convergence,
    sigma_bar,
    to_sigma_bar,
)
from .sampling import clipped_estimates, ddim_step, eta_sigma, sample, sigma_hat

__all__ = [
    "ForwardKernel",
    "RoundTrip",
    "clipped_estimates",
    "ddim_step",
    "eta_sigma",
    "euler_in_t",
    "euler_step",
    "flow_error",
    "forward_kernel",
    "from_sigma_bar",
    "gaussian_eps",
    "gaussian_flow",
    "invert",
    "lerp",
    "loss_weight",
    "mean_coefficients",
    "norms",
    "order_of_convergence",
    "q_sigma",
    "round_trip",
    "sample",
    "sigma_bar",
    "sigma_hat",
    "slerp",
    "subsequences",
    "to_sigma_bar",
]
