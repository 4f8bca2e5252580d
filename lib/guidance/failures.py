"""Guidance that is wrong on purpose, each with the number that gives it away.

Broken rules take what the right ones in `lib.guidance.combine` and `lib.guidance.sampling` take.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ddpm.forward import Level, predict_x_0
from lib.ddpm.sampling import Model, log_variance, split_output
from lib.guidance.combine import classifier_guided_eps, guide
from lib.guidance.sampling import Classifier, labels_for, log_prob_grad

# ---- the classifier's gradient


def plus_sign(
    eps_hat: Tensor, grad: Tensor, t: Level, alpha_bar: Float[Tensor, " levels"], guidance_scale: float
) -> Tensor:
    """Broken line: ``eps_hat + …``. The sign of the mean form in the noise form: away from the class."""
    return classifier_guided_eps(eps_hat, grad, t, alpha_bar, -guidance_scale)


def sigma_for_noise(
    eps_hat: Tensor, grad: Tensor, t: Level, alpha_bar: Float[Tensor, " levels"], guidance_scale: float
) -> Tensor:
    """Broken line: ``- guidance_scale * sigma_t * grad``, with the fresh noise of a step where the level's belongs.

    sigma_t^2 is beta_tilde here; at a few hundred steps guidance becomes ten times too weak in the middle.
    """
    t = torch.as_tensor(t)
    sigma_step = (log_variance("beta_tilde", t, t - 1, alpha_bar, eps_hat) / 2).exp()
    return eps_hat - guidance_scale * sigma_step * grad


class BrokenGuided:
    """`lib.guidance.ClassifierGuided` for a model that answers eps, with another rule in place of the right one.

    Args:
        rule: takes what `lib.guidance.classifier_guided_eps` takes; with that one nothing is broken.
        ask: from (x_t, eps_hat, t, alpha_bar) to the point and the level that the classifier is asked about; x_t and t
            if not given.
    """

    def __init__(
        self, model: Model, classifier: Classifier, y: int | Int[Tensor, " B"], guidance_scale: float, *,
        alpha_bar: Float[Tensor, " levels"], rule: Callable[..., Tensor] = classifier_guided_eps,
        ask: Callable[..., tuple[Tensor, Tensor]] | None = None,
    ):  # fmt: skip
        self.model, self.classifier, self.y, self.guidance_scale = model, classifier, y, guidance_scale
        self.alpha_bar, self.rule, self.ask = alpha_bar, rule, ask

    def __call__(self, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"]) -> Float[Tensor, "B ..."]:
        eps_hat = self.model(x_t, t)
        point, level = (x_t, t) if self.ask is None else self.ask(x_t, eps_hat, t, self.alpha_bar)
        grad = log_prob_grad(self.classifier, point, level, labels_for(self.y, t))
        return self.rule(eps_hat, grad, t, self.alpha_bar, self.guidance_scale)


def as_if_clean(
    x_t: Float[Tensor, "B ..."], eps_hat: Tensor, t: Int[Tensor, " B"], alpha_bar: Float[Tensor, " levels"]
) -> tuple[Tensor, Tensor]:
    """Broken line: ``clean_classifier(x_t)``. A classifier of clean pictures is shown noisy ones.

    It knows nothing of noise, so it is far too sure of itself, and its gradient is far too strong: tens of times in the
    middle of the chain, hundreds to thousands at its end.
    """
    return x_t, torch.ones_like(t)


def at_the_estimate(
    x_t: Float[Tensor, "B ..."], eps_hat: Tensor, t: Int[Tensor, " B"], alpha_bar: Float[Tensor, " levels"]
) -> tuple[Tensor, Tensor]:
    """Broken line: ``grad(clean_classifier(x_0_hat), x_0_hat)``. The right picture for a classifier of clean pictures,
    but the gradient is taken there and used at x_t.

    The derivative of the estimate is left out. It is small where there is much noise, so that the gradient is as much
    too strong; `lib.guidance.EnergyGuided` has it.
    """
    return predict_x_0(x_t, eps_hat, t, alpha_bar), torch.ones_like(t)


def grad_agreement(found: Float[Tensor, "B ..."], right: Float[Tensor, "B ..."]) -> float:
    """Mean cosine between two gradients: 1 if they agree, 0 if they have nothing to do with each other, -1 opposite."""
    return torch.cosine_similarity(found.flatten(1), right.flatten(1), dim=1).mean().item()


def relative_strength(found: Float[Tensor, "B ..."], right: Float[Tensor, "B ..."]) -> float:
    """Length of one change over that of another along it: 1 is right, -1 the wrong sign, 0.1 ten times too weak."""
    return ((found * right).sum() / right.square().sum()).item()


# ---- two answers made into one


def some_channels_only(
    uncond: Float[Tensor, "B K ..."], cond: Float[Tensor, "B K ..."], guidance_scale: float, num_guided: int = 3
) -> Float[Tensor, "B K ..."]:
    """Broken line: ``output[:, :3]``. Three channels are guided, as in a code for colours; the rest is left as told.

    Latent pictures have four channels, and answers with a learned variance twice as many as the picture.
    """
    guided = guide(uncond[:, :num_guided], cond[:, :num_guided], guidance_scale)
    return torch.cat([guided, cond[:, num_guided:]], dim=1)


def guided_channels(
    combined: Float[Tensor, "B K ..."], uncond: Float[Tensor, "B K ..."], cond: Float[Tensor, "B K ..."]
) -> Float[Tensor, " K"]:
    """The scale that each channel was really combined with: the same number everywhere if nothing is wrong."""
    axes = [0, *range(2, cond.ndim)]
    apart = cond - uncond
    return ((combined - uncond) * apart).sum(axes) / apart.square().sum(axes)


def variance_guided_too(
    output_uncond: Float[Tensor, "B K ..."], output_cond: Float[Tensor, "B K ..."], guidance_scale: float
) -> Float[Tensor, "B K ..."]:
    """Broken line: ``guide(output_uncond, output_cond, s)`` on all channels of a network with a learned variance.

    The second half is a share between two logarithms, about -1 to 1; extrapolated, it leaves that range.
    """
    return guide(output_uncond, output_cond, guidance_scale)


def largest_share(output: Float[Tensor, "B K ..."], x_t: Float[Tensor, "B C ..."]) -> float:
    """Largest absolute value of the channels that speak about the variance: at most about 1 in a trained network."""
    _, raw = split_output(output, x_t)
    return 0.0 if raw is None else raw.abs().max().item()


# ---- training and scale


def null_gap(model: nn.Module, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"], eps: Float[Tensor, "B ..."],
             y: Int[Tensor, " B"]) -> tuple[float, float]:  # fmt: skip
    """Mean squared error of the answer without the label and with it, for a model that answers eps.

    After training without dropout (``drop_prob=0``) the row of the null label is what it was born as, and the first
    number is several times the second. After a sound training it is larger by no more than what the label tells.
    """
    with torch.no_grad():
        null = torch.full_like(y, model.null_label)
        return tuple((model(x_t, t, label) - eps).square().mean().item() for label in (null, y))


def overshoot(x_t: Tensor, model_output: Tensor, t: Level, alpha_bar: Tensor, target: str = "eps") -> float:
    """Largest absolute value of the estimate before clipping: pictures end at 1, and large scales go far beyond."""
    return predict_x_0(x_t, split_output(model_output, x_t)[0], t, alpha_bar, target).abs().max().item()
