"""Guidance as arithmetic: how two answers, or an answer and a gradient, become one. No network, no sampler.

The scale is written ``guidance_scale``, s: 0 is no guidance at all, 1 the model that is told the label and nothing
more, and what is called guidance begins above 1. The other convention counts from there, w = s - 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from lib.ddpm.forward import Level, signal_and_noise


def guide(
    eps_uncond: Float[Tensor, "B ..."], eps_cond: Float[Tensor, "B ..."], guidance_scale: float
) -> Float[Tensor, "B ..."]:
    """From the answer without the label through the answer with it, and on in the same direction.

    Because the two shares, 1 - s and s, add up to 1, it makes no difference whether answers are noise, clean picture, v
    or score.

    Args:
        eps_uncond: answer for the null label.
        eps_cond: answer for the label.
        guidance_scale: s; 0 gives the first, 1 the second, more than 1 goes past it, less than 0 away from the label.

    Raises:
        ValueError: if the shapes differ.

    Source: Nichol et al. 2021 (GLIDE), arXiv:2112.10741, section 2.3; Ho & Salimans 2022, arXiv:2207.12598, eq. 6
    writes (1 + w) eps_cond - w eps_uncond, with s = 1 + w; derivation G10, G11.
    """
    _check_same_shape(eps_uncond=eps_uncond, eps_cond=eps_cond)
    return eps_uncond + guidance_scale * (eps_cond - eps_uncond)


def from_w(w: float) -> float:
    """The scale s of this course from the w of Ho and Salimans, for which 0 is the model that is told the label."""
    return 1 + w


def to_w(guidance_scale: float) -> float:
    """The w of Ho and Salimans from the scale s of this course; -1 is no guidance at all."""
    return guidance_scale - 1


def classifier_guided_eps(
    eps_hat: Float[Tensor, "B ..."],
    grad: Float[Tensor, "B ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    guidance_scale: float,
) -> Float[Tensor, "B ..."]:
    """The noise that a denoiser and the gradient of a classifier agree on: minus, and the level's noise as factor.

    Noise is minus the score times sqrt(1 - alpha_bar_t), hence both. The sampler's own sigma_t has no part in it.

    Args:
        eps_hat: the denoiser's answer, as noise.
        grad: gradient of log p(y | x_t) with respect to x_t.
        t: level in 1..T.
        alpha_bar: the schedule.
        guidance_scale: s, the power that the classifier's probability is raised to; 0 leaves ``eps_hat`` as it is.

    Raises:
        ValueError: if the shapes differ or a level is outside 1..T.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, algorithm 2; derivation G06.
    """
    _check_same_shape(eps_hat=eps_hat, grad=grad)
    _, noise = signal_and_noise(alpha_bar, t, eps_hat)
    return eps_hat - guidance_scale * noise * grad


def classifier_guided_mean(
    mean: Float[Tensor, "B ..."], variance: float | Tensor, grad: Float[Tensor, "B ..."], guidance_scale: float
) -> Float[Tensor, "B ..."]:
    """The mean of a step back, moved up the gradient of a classifier: plus, and the step's variance as factor.

    Args:
        mean: of p(x_s | x_t).
        variance: of the same step: one number, one for each picture in a shape that meets ``mean``, or one for each
            value. Where it is 0, at the last step, nothing is moved.
        grad: gradient of log p(y | x_t).
        guidance_scale: s.

    Raises:
        ValueError: if the shapes differ or a variance is negative.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, algorithm 1; derivation G07.
    """
    _check_same_shape(mean=mean, grad=grad)
    lowest = torch.as_tensor(variance).min().item()
    if lowest < 0:
        raise ValueError(f"variance must not be negative, got {lowest:.4g}; is it a logarithm?")
    return mean + guidance_scale * variance * grad


def rescale(guided: Float[Tensor, "B ..."], cond: Float[Tensor, "B ..."], share: float = 0.7) -> Float[Tensor, "B ..."]:
    """Bring the spread of a guided answer back to that of the answer for the label, wholly or in part.

    Large scales make answers too large, and pictures too bright and flat. This divides the excess out, picture by
    picture. Unlike `guide` it depends on what the answers are; the paper's are v.

    Args:
        guided: what `guide` returned.
        cond: the answer for the label alone.
        share: how much of the way back, in [0, 1]; 0 changes nothing.

    Raises:
        ValueError: if the shapes differ or ``share`` is outside [0, 1].

    Source: Lin et al. 2023, arXiv:2305.08891, section 3.4.
    """
    _check_same_shape(guided=guided, cond=cond)
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], got {share}")
    per_picture = [1] * (guided.ndim - 1)
    std_guided, std_cond = (x.flatten(1).std(dim=1).reshape(-1, *per_picture) for x in (guided, cond))
    return share * guided * std_cond / std_guided + (1 - share) * guided


def interval(t: Level, guidance_scale: float, low: int, high: int) -> float:
    """The scale at one level: ``guidance_scale`` from level ``low`` to ``high``, both included, and 1 elsewhere.

    At the noisiest levels guidance decides too early and makes pictures alike; at the cleanest it has no effect, and
    costs a network call all the same.

    Args:
        t: level in 1..T; if it is a tensor, its entries must be equal, as they are in a sampler.
        guidance_scale: s inside the interval.
        low: cleanest level that is guided.
        high: noisiest level that is guided.

    Raises:
        ValueError: if ``low`` is above ``high``, or the rows stand at different levels.

    Source: Kynkäänniemi et al. 2024, arXiv:2404.07724, section 3 (there as an interval of sigma).
    """
    if low > high:
        raise ValueError(f"low must not be above high, got {low} and {high}")
    levels = torch.as_tensor(t)
    if (levels != levels.flatten()[0]).any():
        raise ValueError("t must be the same for all rows where guidance has an interval, got different levels")
    return guidance_scale if low <= levels.flatten()[0].item() <= high else 1.0


def _check_same_shape(**tensors: Tensor) -> None:
    (name_a, a), (name_b, b) = tensors.items()
    if a.shape != b.shape:
        raise ValueError(f"{name_a} and {name_b} must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
