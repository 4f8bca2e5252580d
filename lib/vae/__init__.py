"""Chapter 2: the variational autoencoder.

Kingma & Welling 2014, "Auto-Encoding Variational Bayes", arXiv:1312.6114. Rezende, Mohamed & Wierstra 2014,
arXiv:1401.4082, found the same at the same time.

| in the text | here |
|---|---|
| the Gaussian q of the code given the picture: mu, log sigma² | `VAE.encode`; all linear: `LinearVAE` |
| the Gaussian p of the picture given the code: x̂, s | `VAE.decode`, `VAE.sample`; `PIXEL_STD` is s |
| z = mu + sigma·eps | `reparameterize` |
| KL(q ‖ N(0, I)) in closed form | `kl_to_standard_normal`, `kl_per_dim`; any two Gaussians: `gaussian_kl` |
| −ELBO = ‖x − x̂‖²/(2 s²) + KL + constant | `elbo_loss`, `elbo_terms`, `log_likelihood_constant`, `bits_per_dim` |
| s² = mean squared error | `optimal_pixel_std` |
| a tighter bound on log p(x) | `iw_bound` |
| two estimates of ∇ E[f(z)] | `score_function_gradient`, `reparameterized_gradient`, `gradient_variance` |
| rate = information + KL(q(z) ‖ p(z)) | `aggregate_posterior_gap`, `mean_rate` |
| posterior collapse | `active_units`, `is_collapsed`, `collapse_report` |
| a VAE that is told something about the picture | `ConditionalVAE`, `conditional_elbo_loss`, `shape_condition` |
| every step from the evidence to the loss | `lib.vae.derivation` |
"""

from .conditional import ConditionalVAE, conditional_elbo_loss, shape_condition
from .diagnostics import (
    AggregateGap,
    CollapseReport,
    active_units,
    aggregate_posterior_gap,
    collapse_report,
    encode_all,
    is_collapsed,
    mean_rate,
    reconstruct,
)
from .gradients import GradientVariance, gradient_variance, reparameterized_gradient, score_function_gradient
from .loss import (
    PIXEL_STD,
    bits_per_dim,
    elbo_loss,
    elbo_terms,
    gaussian_kl,
    iw_bound,
    kl_per_dim,
    kl_to_standard_normal,
    log_likelihood_constant,
    optimal_pixel_std,
    squared_error,
)
from .model import VAE, LinearVAE, reparameterize

__all__ = [
    "PIXEL_STD",
    "VAE",
    "AggregateGap",
    "CollapseReport",
    "ConditionalVAE",
    "GradientVariance",
    "LinearVAE",
    "active_units",
    "aggregate_posterior_gap",
    "bits_per_dim",
    "collapse_report",
    "conditional_elbo_loss",
    "elbo_loss",
    "elbo_terms",
    "encode_all",
    "gaussian_kl",
    "gradient_variance",
    "is_collapsed",
    "iw_bound",
    "kl_per_dim",
    "kl_to_standard_normal",
    "log_likelihood_constant",
    "mean_rate",
    "optimal_pixel_std",
    "reconstruct",
    "reparameterize",
    "reparameterized_gradient",
    "score_function_gradient",
    "shape_condition",
    "squared_error",
]
