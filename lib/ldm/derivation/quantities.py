"""Symbols, small examples, and the formulas that the checks use by name.

Three settings carry all steps. *Symbols*: one number and its latent, any schedule, any weight. *Tables*: three pictures
and four codes, six patches, a few places and words, on which every mean is a finite sum. *Numbers*: the sizes of Stable
Diffusion 1, and the cosine schedule with 1000 levels, which is that of the chapter.
"""

import numpy as np
import sympy as sp

from lib.ddpm import schedules
from lib.ddpm.derivation.quantities import sqrt
from lib.derivation import Quantities

lam, rho, counted, kl_weight, gain, weight, v, c = sp.symbols("lambda rho rho_2 beta a w v c", positive=True)
"""``counted`` is rho', the decoder variance with which the bound is counted."""
bar, spread = sp.symbols("alpha_bar sigma_z", positive=True)
eps_uncond, eps_cond, scale, z_t, z_0 = sp.symbols("epsilon_u epsilon_c s z_t z_0", real=True)

KL_WEIGHT = 1e-6  # of the published first stages
SPREADS = np.array([0.18, 5.0])
BARS = schedules.cosine(1000).numpy()  # T + 1 entries

_rng = np.random.default_rng(7)
DATA = np.array([0.5, 0.3, 0.2])  # shares of three pictures
ENCODER = _rng.dirichlet(np.full(4, 2.0), size=3)  # q(z | x): a row for each picture
DECODER = _rng.dirichlet(np.full(3, 2.0), size=4)  # p(x | z): a row for each code
PRIORS = _rng.dirichlet(np.full(4, 2.0), size=2)  # p(z) of two second stages

REAL = np.array([0.25, 0.25, 0.20, 0.15, 0.10, 0.05])  # shares of six patches among real ones
MADE = np.array([0.05, 0.25, 0.10, 0.30, 0.10, 0.20])  # and among made ones; the second and the fifth are ties
TIES = REAL == MADE

QUERIES, KEYS, VALUES = _rng.standard_normal((5, 4)), _rng.standard_normal((3, 4)), _rng.standard_normal((3, 2))


def log(value):
    """The logarithm of a symbol or of numbers."""
    return sp.log(value) if isinstance(value, sp.Basic) else np.log(value)


def _if_positive(value):
    """The value where it is positive, else 0; a symbol is taken to be positive."""
    return value if isinstance(value, sp.Basic) else max(value, 0.0)


def _softmax(score):
    """Over the words, which are the last axis."""
    powers = np.exp(score - score.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _prior(keys):
    powers = np.exp((keys**2).sum(-1) / (2 * np.sqrt(keys.shape[-1])))
    return powers / powers.sum()


def _scaled(z):
    """Rows are channels: a mean for each, one standard deviation for all."""
    centred = z - z.mean(1, keepdims=True)
    return centred / centred.std()


def _sites(channels, multipliers, num_res_blocks, attention_resolutions, size, **_):
    """Transformers on the way down, in the middle, and on the way up."""
    resolutions = [size // 2**stage for stage in range(len(multipliers))]
    with_words = sum(resolution in attention_resolutions for resolution in resolutions)
    return num_res_blocks * with_words, 1, (num_res_blocks + 1) * with_words


Q = Quantities(
    # two stages, on tables and for one number
    kl=lambda q, p: (q * np.log(q / p)).sum(-1),
    entropy=lambda q: -(q * np.log(q)).sum(-1),
    second_stage=lambda q, p: -(q * np.log(p)).sum(-1),  # its loss on draws from q
    gaussian_entropy=lambda variance: log(2 * np.pi * np.e * variance) / 2,
    error=lambda lam, a, w, v: (1 - w * a) ** 2 * lam + w**2 * v,  # E(x - wz)^2 with z = ax + noise of variance v
    rate=lambda square, variance: (square + variance - 1 - log(variance)) / 2,
    objective=lambda error, rho, rate, kl_weight: error / (2 * rho) + kl_weight * rate,
    encoder_gain=lambda w, rho, kl_weight: w / (w**2 + kl_weight * rho),
    posterior_variance=lambda w, rho, kl_weight: kl_weight * rho / (w**2 + kl_weight * rho),
    decoder_gain_squared=lambda lam, rho, kl_weight: _if_positive(lam - kl_weight * rho),
    total_variance=lambda lam, a, v: a**2 * lam + v,  # of the latents of all data
    cost_of_scale=lambda c, total, kl_weight: kl_weight * ((c**2 - 1) * total - log(c**2)) / 2,
    fitted_variance=lambda rho, kl_weight: kl_weight * rho,  # of the decoder, set to the measured error
    excess=lambda ratio: (ratio - 1 - log(ratio)) / 2,  # of the error over the variance that it is counted with
    # what is saved
    compression=lambda size, factor, channels: 3 * size**2 / (channels * (size / factor) ** 2),
    places=lambda size, factor: (size // factor) ** 2,
    convolution=lambda places, width: 9 * width**2 * places,
    self_attention=lambda places, width: 2 * width * places**2,
    # the critic
    critic_cost=lambda p, q, critic: (p * np.maximum(0, 1 - critic) + q * np.maximum(0, 1 + critic)) / 2,
    best_critic=lambda p, q: np.sign(p - q),
    total_variation=lambda p, q: np.abs(p - q).sum() / 2,
    fool=lambda q, critic: -(q * critic).sum(),
    ratio=lambda rebuild, fool: rebuild / fool,
    adaptive=lambda rebuild, fool: min(rebuild / (fool + 1e-4), 1e4),
    # the scale of latents
    scaled=_scaled,
    unscaled=lambda z, mean, std: z * std + mean,
    log_snr=lambda bar, spread: log(bar / (1 - bar)) + 2 * log(spread),
    moved=lambda t, spread: 2 / np.pi * np.arctan(np.tan(np.pi * t / 2) / spread),
    z_variance=lambda bar, variance: 1 + bar * (variance - 1),
    v_variance=lambda bar, variance: 1 + (1 - bar) * (variance - 1),
    # words
    logit=lambda product, dim: product / sqrt(dim),
    scores=lambda q, k: Q.logit(q @ k.T, k.shape[-1]),
    shares=_softmax,
    prior=_prior,
    masked=lambda score, mask: _softmax(np.where(mask, score, -np.inf)),
    attend=lambda q, k, v: Q.shares(Q.scores(q, k)) @ v,
    context=lambda words, positions: words + positions,
    sites=_sites,
    # the walk
    guide=lambda without, told, scale: without + scale * (told - without),
    known=lambda z_0, bar_t, bar_next: (sqrt(bar_next) * z_0, 1 - bar_next),  # mean, variance after a step t to t'
)
"""Formulas that `LDM.sabotage` can replace by wrong ones."""
