"""Guided models that any sampler can call: ``model(x_t, t) -> output``, the same kind of answer as the model inside.

Nothing is trained and no sampler changes. Each counts what it costs: ``num_calls``, forward passes of a whole batch
through a network, and ``num_backward``, passes back.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.ddpm.forward import Level, predict_x_0, signal_and_noise
from lib.ddpm.sampling import Model, ancestral_step, log_variance, split_output
from lib.guidance.combine import classifier_guided_eps, classifier_guided_mean, guide, interval, rescale

Classifier = Callable[[Tensor, Tensor], Tensor]
Energy = Callable[[Tensor], Tensor]

# What a change of eps_hat is in answers of another kind, at the same x_t; signal and noise as in lib.ddpm.forward.
CHANGE_OF = {
    "eps": lambda change, signal, noise: change,
    "x_0": lambda change, signal, noise: -noise / signal * change,
    "v": lambda change, signal, noise: change / signal,
    "score": lambda change, signal, noise: -change / noise,
}


class CFGModel:
    """Classifier-free guidance: two answers of one network, with the label and without, made into one.

    Both come from one call with a batch twice as long. Where the scale is 0 or 1 only one of them is needed, and only
    that is made. If the network speaks about the variance, its word for the label is kept.

    Args:
        model: ``model(x_t, t, y) -> output`` with ``null_label``; it may answer eps, x_0, v or score.
        y: label of every picture of the batch, or one for all.
        guidance_scale: s; 0 without the label, 1 with it, above 1 guided.
        levels: guide only from the first to the second of these levels, and use scale 1 elsewhere, see `interval`.
        rescale_share: bring the spread of the answer back by this share, see `rescale`.

    Source: Ho & Salimans 2022, arXiv:2207.12598, algorithm 2.
    """

    def __init__(
        self,
        model: Callable[..., Tensor],
        y: int | Int[Tensor, " B"],
        guidance_scale: float,
        *,
        levels: tuple[int, int] | None = None,
        rescale_share: float = 0.0,
    ):
        self.model, self.y, self.guidance_scale = model, y, guidance_scale
        self.levels, self.rescale_share = levels, rescale_share
        self.num_calls = self.num_backward = 0

    def __call__(self, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"]) -> Float[Tensor, "B ..."]:
        s = self.guidance_scale if self.levels is None else interval(t, self.guidance_scale, *self.levels)
        y = labels_for(self.y, t)
        null = torch.full_like(y, self.model.null_label)
        if s in (0, 1):
            self.num_calls += 1
            return self.model(x_t, t, y if s == 1 else null)
        self.num_calls += 2
        both = self.model(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([null, y]))
        (uncond, _), (cond, raw) = (split_output(output, x_t) for output in both.chunk(2))
        guided = guide(uncond, cond, s)
        if self.rescale_share:
            guided = rescale(guided, cond, self.rescale_share)
        return guided if raw is None else torch.cat([guided, raw], dim=1)


class ClassifierGuided:
    """Classifier guidance: the answer of a denoiser, moved by the gradient of a classifier of noisy pictures.

    Args:
        model: ``model(x_t, t) -> output``, usually one that knows no label. For one that does, bind the label first;
            the class then counts with the power 1 + s.
        classifier: ``classifier(x_t, t) -> logits``, trained on noisy pictures of the same schedule.
        y: label of every picture of the batch, or one for all.
        guidance_scale: s; 0 is no guidance, and needs no classifier.
        alpha_bar: the schedule.
        target: what the model answers: "eps", "x_0", "v" or "score".

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, algorithm 2.
    """

    def __init__(
        self,
        model: Model,
        classifier: Classifier,
        y: int | Int[Tensor, " B"],
        guidance_scale: float,
        *,
        alpha_bar: Float[Tensor, " levels"],
        target: str = "eps",
    ):
        self.model, self.classifier, self.y, self.guidance_scale = model, classifier, y, guidance_scale
        self.alpha_bar, self.target = alpha_bar, target
        self.num_calls = self.num_backward = 0

    def __call__(self, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"]) -> Float[Tensor, "B ..."]:
        model_output = self.model(x_t, t)
        self.num_calls += 1
        if self.guidance_scale == 0:
            return model_output
        grad = log_prob_grad(self.classifier, x_t, t, labels_for(self.y, t))
        self.num_calls += 1
        self.num_backward += 1
        change = classifier_guided_eps(torch.zeros_like(x_t), grad, t, self.alpha_bar, self.guidance_scale)
        return change_eps(model_output, change, x_t, t, self.alpha_bar, self.target)


class EnergyGuided:
    """Guidance by anything that can be differentiated: pictures are drawn where an energy of the estimate is low.

    exp(-s · energy(x_0_hat)) takes the place of the classifier's probability. The gradient runs back through the
    estimate, so through the denoiser: the energy sees clean pictures only and need not know about noise. That the
    estimate stands for all x_0 behind x_t is an approximation, good where little noise is left.

    Args:
        model: ``model(x_t, t) -> output``, differentiable.
        energy: ``energy(x_0_hat) -> (B,)``; low is wanted.
        guidance_scale: s, at least 0.
        alpha_bar: the schedule.
        target: what the model answers: "eps", "x_0", "v" or "score".

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, algorithm 2, with an energy of x_0_hat as in Chung et al. 2022,
    arXiv:2209.14687, eq. 11, and Bansal et al. 2023, arXiv:2302.07121, section 3.2.
    """

    def __init__(
        self, model: Model, energy: Energy, guidance_scale: float, *, alpha_bar: Float[Tensor, " levels"],
        target: str = "eps",
    ):  # fmt: skip
        self.model, self.energy, self.guidance_scale = model, energy, guidance_scale
        self.alpha_bar, self.target = alpha_bar, target
        self.num_calls = self.num_backward = 0

    def __call__(self, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"]) -> Float[Tensor, "B ..."]:
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            model_output = self.model(x, t)
            x_0_hat = predict_x_0(x, split_output(model_output, x)[0], t, self.alpha_bar, self.target)
            energy = self.energy(x_0_hat)
            if energy.shape != (len(x_t),):
                raise ValueError(f"energy must give one number for each picture, got shape {tuple(energy.shape)}")
            (grad,) = torch.autograd.grad(-energy.sum(), x)
        self.num_calls += 1
        self.num_backward += 1
        change = classifier_guided_eps(torch.zeros_like(x_t), grad, t, self.alpha_bar, self.guidance_scale)
        return change_eps(model_output.detach(), change, x_t, t, self.alpha_bar, self.target)


def log_prob_grad(
    classifier: Classifier, x_t: Float[Tensor, "B ..."], t: Int[Tensor, " B"], y: Int[Tensor, " B"]
) -> Float[Tensor, "B ..."]:
    """Gradient of log p(y | x_t) with respect to x_t, for each picture its own."""
    with torch.enable_grad():
        x = x_t.detach().requires_grad_()
        log_prob = classifier(x, t).log_softmax(dim=1).gather(1, y[:, None]).sum()
        (grad,) = torch.autograd.grad(log_prob, x)
    return grad


def change_eps(
    model_output: Float[Tensor, "B K ..."],
    change: Float[Tensor, "B C ..."],
    x_t: Float[Tensor, "B C ..."],
    t: Level,
    alpha_bar: Float[Tensor, " levels"],
    target: str,
) -> Float[Tensor, "B K ..."]:
    """An answer of any kind, changed such that the noise it amounts to changes by ``change``.

    Channels that speak about the variance stay as they are.

    Raises:
        ValueError: if there is no such target.
    """
    if target not in CHANGE_OF:
        raise ValueError(f"target must be one of {', '.join(CHANGE_OF)}, got {target!r}")
    output, raw = split_output(model_output, x_t)
    output = output + CHANGE_OF[target](change, *signal_and_noise(alpha_bar, t, x_t))
    return output if raw is None else torch.cat([output, raw], dim=1)


def mean_guided_step(
    x_t: Float[Tensor, "B ..."],
    model_output: Float[Tensor, "B ..."],
    grad: Float[Tensor, "B ..."],
    t: int,
    s: int,
    alpha_bar: Float[Tensor, " levels"],
    eps: Float[Tensor, "B ..."],
    *,
    guidance_scale: float,
    **settings,
) -> Float[Tensor, "B ..."]:
    """One step of DDPM's sampler with its mean moved up the gradient: the form that needs a sampler with noise.

    Args:
        x_t, model_output, t, s, alpha_bar, eps: as for `lib.ddpm.ancestral_step`.
        grad: gradient of log p(y | x_t).
        guidance_scale: the power of the classifier's probability.
        settings: target, variance, clip of `lib.ddpm.ancestral_step`.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, algorithm 1.
    """
    x_s = ancestral_step(x_t, model_output, t, s, alpha_bar, eps, **settings)
    _, raw = split_output(model_output, x_t)
    variance = log_variance(settings.get("variance", "beta_tilde"), t, s, alpha_bar, x_t, raw).exp()
    return classifier_guided_mean(x_s, variance if s else 0.0, grad, guidance_scale)


def labels_for(y: int | Int[Tensor, " n"], t: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
    """One label for each row, from one for all or one for each.

    Raises:
        ValueError: if there are as many labels as neither 1 nor the rows.
    """
    y = torch.as_tensor(y, device=t.device)
    if y.numel() not in (1, len(t)):
        raise ValueError(f"y must be one label or one for each of the {len(t)} rows, got {y.numel()}")
    return y.flatten().expand(len(t))
