"""Chapter 4: denoising diffusion probabilistic models.

Ho, Jain & Abbeel 2020, "Denoising diffusion probabilistic models", arXiv:2006.11239. Sohl-Dickstein et al. 2015,
arXiv:1503.03585, had the chain and the bound; Song & Ermon 2019, arXiv:1907.05600, the score and Langevin dynamics;
Nichol & Dhariwal 2021, arXiv:2102.09672, the cosine schedule and the learned variance.

| in the text | here |
|---|---|
| alpha-bar_t, T + 1 numbers from 1 down to almost 0 | `schedules.linear`, `cosine`, `sigmoid`, `custom`, … |
| beta_t, beta-tilde_t, log SNR; each indexed by t | `schedules.betas`, `schedules.beta_tilde`, `schedules.log_snr` |
| x_t = sqrt(alpha-bar_t) x_0 + sqrt(1 − alpha-bar_t) eps | `q_sample` |
| q(x_{t−1} given x_t, x_0), mean and variance | `posterior` |
| eps, x_0, v, score: four names for one estimate | `predict_x_0`, `predict_eps`, `v_target`, `convert` |
| L_simple | `simple_loss` |
| L_T, L_{t−1}, L_0 in bits per dimension | `vlb_terms`, `vlb_loss`; `decoder_nll` for L_0 |
| L_hybrid, the learned variance | `hybrid_loss`, `log_variance` |
| algorithm 2, one step and the walk | `ancestral_step`, `sample`, `last` |
| E[x_0 given x_t] of data that are known | `ExactModel`, `exact_denoised`, `exact_score`, `exact_eps` |
| Langevin dynamics, plain and annealed | `langevin`, `annealed_langevin`, `score_at_sigma` |
| the network | `UNet`, its parts in `lib.ddpm.blocks`; for points `PointMLP` |
| every step from the chain to the loss | `lib.ddpm.derivation` |
"""

from . import schedules
from .blocks import timestep_embedding
from .decoder import decoder_nll, round_to_levels
from .exact import ExactModel, exact_denoised, exact_eps, exact_score, score_at_sigma
from .forward import (
    Posterior,
    convert,
    posterior,
    predict_eps,
    predict_x_0,
    q_sample,
    training_target,
    v_target,
)
from .langevin import annealed_langevin, from_sigma, geometric, langevin, langevin_step, to_sigma
from .loss import VlbTerms, hybrid_loss, prior_term, simple_loss, vlb_loss, vlb_term, vlb_terms
from .model import PointMLP, UNet
from .sampling import State, ancestral_step, last, log_variance, sample

__all__ = [
    "ExactModel",
    "PointMLP",
    "Posterior",
    "State",
    "UNet",
    "VlbTerms",
    "ancestral_step",
    "annealed_langevin",
    "convert",
    "decoder_nll",
    "exact_denoised",
    "exact_eps",
    "exact_score",
    "from_sigma",
    "geometric",
    "hybrid_loss",
    "langevin",
    "langevin_step",
    "last",
    "log_variance",
    "posterior",
    "predict_eps",
    "predict_x_0",
    "prior_term",
    "q_sample",
    "round_to_levels",
    "sample",
    "schedules",
    "score_at_sigma",
    "simple_loss",
    "timestep_embedding",
    "to_sigma",
    "training_target",
    "v_target",
    "vlb_loss",
    "vlb_term",
    "vlb_terms",
]
