"""Diffusion models that are wrong on purpose, each with the number that gives it away.

A broken step takes what `lib.ddpm.ancestral_step` takes; `walk` runs any step from noise to picture, so that a broken
one and the right one can be compared with the same model and the same noise.
"""

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ddpm.forward import alpha_bar_at, posterior_coefficients, predict_x_0, q_sample, signal_and_noise
from lib.ddpm.loss import noise_like, simple_loss
from lib.ddpm.sampling import Model, ancestral_step, log_variance

Step = Callable[[Tensor, Tensor, int, int, Tensor, Tensor], Tensor]


# ---- the forward process


def no_root(
    x_0: Float[Tensor, "B ..."], t: int | Int[Tensor, " B"], eps: Tensor, alpha_bar: Float[Tensor, " levels"]
) -> Float[Tensor, "B ..."]:
    """Broken line: ``alpha_bar[t] * x_0 + (1 - alpha_bar[t]) * eps``. Variances stand where their roots belong."""
    level = alpha_bar_at(alpha_bar, t, x_0, lowest=0).to(x_0.dtype)
    return level * x_0 + (1 - level) * eps


def lowest_variance(
    jump: Callable[[Tensor, int, Tensor, Tensor], Tensor], alpha_bar: Float[Tensor, " levels"]
) -> float:
    """Smallest variance over all levels of data that have variance 1 themselves: 1 is right, without roots it is 1/2.

    Exact: the squares of the two factors of ``jump`` are added.
    """
    one, nil = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    levels = range(len(alpha_bar))
    return min((jump(one, t, nil, alpha_bar) ** 2 + jump(nil, t, one, alpha_bar) ** 2).item() for t in levels)


def in_bytes(x_0: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """Broken line: the division by 127.5 left out. Pictures in 0 … 255 where the schedule expects [-1, 1]."""
    return (x_0 + 1) * 127.5


def in_unit_range(x_0: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """Broken line: ``ToTensor()`` and nothing after it. Pictures in [0, 1], shown later as if black were -1."""
    return (x_0 + 1) / 2


def signal_at_the_end(x_0: Float[Tensor, "B ..."], alpha_bar: Float[Tensor, " levels"]) -> float:
    """Root mean square of the picture's part of x_T over that of the noise: 0.01 or less is right.

    Where it is not small, sampling begins from noise that no x_T of the training ever looked like.
    """
    signal, noise = signal_and_noise(alpha_bar, len(alpha_bar) - 1, x_0)
    return (signal * x_0.square().mean().sqrt() / noise).item()


def darkest(samples: Float[Tensor, "B ..."]) -> float:
    """The value below which one in a hundred of all values lies: near -1 for pictures with black in them."""
    return torch.quantile(samples.float().flatten()[:1_000_000], 0.01).item()


# ---- the network


class RawTime(nn.Module):
    """Broken line: ``emb = Linear(1, dim)(t)``. The number t itself, up to 1000, in place of waves of it."""

    def __init__(self, emb_dim: int):
        super().__init__()
        self.layer = nn.Linear(1, emb_dim)

    def forward(self, t: Int[Tensor, " B"]) -> Float[Tensor, "B E"]:
        return self.layer(rearrange(t.to(self.layer.weight.dtype), "b -> b 1"))


def with_raw_time(model: nn.Module) -> nn.Module:
    """The model with its time embedding exchanged for `RawTime`; changes it in place and returns it."""
    emb_dim = model.time_embedding.layers[-1].out_features
    model.time_embedding = RawTime(emb_dim)
    return model


def embedding_growth(model: nn.Module, num_timesteps: int) -> float:
    """Length of the embedding of the last level over that of the first: about 1 is right, hundreds are not."""
    with torch.no_grad():
        first, last = model.embed(torch.tensor([1, num_timesteps])).norm(dim=1)
    return (last / first).item()


def one_level_off(model: Model) -> Model:
    """Broken line: ``model(x_t, t - 1)``. Two numberings are mixed; with many steps nobody notices."""
    return lambda x_t, t: model(x_t, (t - 1).clamp(min=1))


# ---- the step back


def noise_to_the_end(
    x_t: Tensor, model_output: Tensor, t: int, s: int, alpha_bar: Float[Tensor, " levels"], eps: Tensor, **settings
) -> Tensor:
    """Broken line: ``+ sigma_step * eps`` without the exception for the last step, with variance beta."""
    x_s = ancestral_step(x_t, model_output, t, s, alpha_bar, eps, variance="beta", **settings)
    beta = 1 - alpha_bar[t] / alpha_bar[s]
    return x_s + beta.sqrt().to(x_t.dtype) * eps if s == 0 else x_s


def swapped_coefficients(
    x_t: Tensor, model_output: Tensor, t: int, s: int, alpha_bar: Float[Tensor, " levels"], eps: Tensor, *,
    target: str = "eps", clip: bool = False,
) -> Tensor:  # fmt: skip
    """Broken line: the two coefficients of the posterior mean stand before the wrong pictures.

    The large one now belongs to the estimate, so every step jumps almost all the way to it.
    """
    x_0_hat = predict_x_0(x_t, model_output, t, alpha_bar, target)
    x_0_hat = x_0_hat.clamp(-1, 1) if clip else x_0_hat
    to_x_0, to_x_t, variance = posterior_coefficients(alpha_bar, t, s, x_t)
    return to_x_t * x_0_hat + to_x_0 * x_t + variance.sqrt() * eps


def variance_for_std(
    x_t: Tensor, model_output: Tensor, t: int, s: int, alpha_bar: Float[Tensor, " levels"], eps: Tensor, **settings
) -> Tensor:
    """Broken line: ``+ beta_tilde * eps``. Far too little fresh noise, so that samples run together."""
    mean = ancestral_step(x_t, model_output, t, s, alpha_bar, torch.zeros_like(eps), **settings)
    variance = log_variance("beta_tilde", t, s, alpha_bar, x_t).exp()
    return mean + (variance * eps if s else 0)


@torch.no_grad()
def walk(
    step: Step,
    model: Model,
    shape: Sequence[int],
    alpha_bar: Float[Tensor, " levels"],
    generator: torch.Generator | None = None,
    *,
    levels: Sequence[int] | None = None,
    **settings,
) -> Tensor:
    """From noise to pictures with any step; ``settings`` are handed on to it. With `ancestral_step` nothing is broken.

    Fresh noise is drawn at every step, at the last one too, whether the step makes use of it or not.
    """
    levels = list(levels or range(1, len(alpha_bar)))
    x_t = torch.randn(shape, generator=generator, device=generator.device if generator else None)
    for t, s in zip(reversed(levels), [*reversed(levels[:-1]), 0], strict=True):
        model_output = model(x_t, torch.full((len(x_t),), t, device=x_t.device))
        x_t = step(x_t, model_output, t, s, alpha_bar, noise_like(x_t, generator), **settings)
    return x_t


def grain(images: Float[Tensor, "B C H W"]) -> float:
    """Standard deviation of noise in pictures, from their flat parts: almost 0 for clean emoji on their white ground.

    In squares of 2 x 2 pixels the difference of the diagonals is nothing but noise wherever the picture is flat or
    sloped; the median mostly ignores the edges. Pictures full of detail make it a little too large.

    Source: Donoho & Johnstone 1994, Biometrika 81: the median of the finest wavelets over 0.6745.
    """
    squares = rearrange(images, "b c (h p) (w q) -> p q b c h w", p=2, q=2)
    diagonals = (squares[0, 0] - squares[0, 1] - squares[1, 0] + squares[1, 1]) / 2
    return (diagonals.abs().median() / 0.6745).item()


# ---- training


def wander(
    models: Sequence[Model], x_0: Float[Tensor, "B ..."], alpha_bar: Float[Tensor, " levels"],
    generator: torch.Generator | None = None,
) -> float:  # fmt: skip
    """How far the answers of a model move from one snapshot to the next, root mean square, for the same noisy pictures.

    Snapshots of the running average move much less than those of the weights themselves, which still follow every
    batch: the reason to sample from the average.

    Raises:
        ValueError: if there are fewer than two snapshots.
    """
    if len(models) < 2:
        raise ValueError(f"models must be at least two snapshots, got {len(models)}")
    t = torch.randint(1, len(alpha_bar), (len(x_0),), generator=generator)
    x_t = q_sample(x_0, t, noise_like(x_0, generator), alpha_bar)
    with torch.no_grad():
        answers = torch.stack([model(x_t, t) for model in models])
    return answers.diff(dim=0).square().mean().sqrt().item()


def still_falling(losses: Sequence[float]) -> float:
    """Drop of the mean loss from the fourth to the last fifth of a training, over the last: above 0.03, train longer.

    Raises:
        ValueError: if there are fewer than ten losses.
    """
    if len(losses) < 10:
        raise ValueError(f"losses must be at least ten, got {len(losses)}")
    fifth = len(losses) // 5
    before, after = (sum(part) / fifth for part in (losses[-2 * fifth : -fifth], losses[-fifth:]))
    return (before - after) / after


def loss_by_level(
    model: Model, x_0: Float[Tensor, "B ..."], levels: Sequence[int], alpha_bar: Float[Tensor, " levels"],
    generator: torch.Generator | None = None, *, target: str = "eps",
) -> list[float]:  # fmt: skip
    """L_simple at single levels: a total that looks fine can hide a level at which nothing was learned."""
    found = []
    for t in levels:
        source = torch.Generator().manual_seed(t) if generator is None else generator
        fixed = torch.cat([alpha_bar[:1], alpha_bar[t : t + 1]])  # a chain of one step that leads to level t
        answer = lambda x_t, _, t=t: model(x_t, torch.full((len(x_t),), t))  # noqa: E731
        with torch.no_grad():
            found.append(simple_loss(answer, x_0, source, alpha_bar=fixed, target=target).item())
    return found
