"""Sampling that can be watched again: a chain recorded in so few bytes that a page can hold it.

All noise of the chain is a function of a seed (`lib.widgets.portable_noise`), and the estimate of x_0 is rounded to
pixel values before it is used, far more finely than the noise that follows it. So the estimates and the seed are all
that the chain depended on: x_T, every x_t and every estimate of the noise are rebuilt from them, here and in the
browser.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lib.ddpm.forward import posterior, posterior_coefficients, predict_x_0
from lib.ddpm.sampling import Model, State, split_output
from lib.ddpm.schedules import check_alpha_bar, respaced, spaced
from lib.widgets.portable_noise import normals

MAX_STEPS = 999
COARSEST, SHARE = 4, 0.1  # estimates are rounded to at most 4 pixel values, and to a tenth of the noise of the step


@dataclass(frozen=True, eq=False)
class Film:
    """Recorded chains: what the network took for x_0 at every step, and the seed of all noise.

    Attributes:
        levels: the levels visited, falling from the first to the last; the chain ends at 0.
        alpha_bar: one value for each level, and 1 for the end.
        x_0_hat: the estimates as pixels, from the noisiest step to the last; the last is the finished picture.
        seed: of all noise.
    """

    levels: list[int]
    alpha_bar: Float[Tensor, " visited"]
    x_0_hat: UInt8[Tensor, "N S C H W"]
    seed: int

    def states(self) -> Iterator[State]:
        """The chains once more: a `State` for each level and one for the end, like `lib.ddpm.sample`."""
        x_t = _noise(self.x_0_hat[:, 0], self.seed, 0)
        for k, t in enumerate(self.levels):
            x_0_hat = to_unit(self.x_0_hat[:, k])
            eps_hat = (x_t - self.alpha_bar[k].sqrt() * x_0_hat) / (1 - self.alpha_bar[k]).sqrt()
            yield State(t, x_t.float(), x_0_hat.float(), eps_hat.float())
            x_t = _next(x_0_hat, x_t, self.alpha_bar, k, self.seed)
        yield State(0, x_t.float(), x_t.float(), torch.zeros_like(x_t).float())


@torch.no_grad()
def record_trajectory(
    model: Model,
    alpha_bar: Float[Tensor, " levels"],
    shape: Sequence[int],
    *,
    num_samples: int = 4,
    num_steps: int = 80,
    seed: int = 0,
    target: str = "eps",
) -> Film:
    """Sample with the ancestral sampler (variance beta-tilde, estimates cut off at [-1, 1]) and keep every estimate.

    Args:
        model: ``model(x_t, t) -> output``.
        alpha_bar: the schedule that the model was trained with.
        shape: of one picture, (channels, height, width).
        num_samples: how many chains.
        num_steps: how many levels to visit, evenly spaced; at most 999 and at most T.
        seed: of all noise; the chains of one seed and shape are equal on every machine, up to the model's rounding.
        target: what the model's answer estimates: "eps", "x_0", "v" or "score".

    Raises:
        ValueError: if a number is out of its range, or the model's answer is not finite.

    Source: Ho et al. 2020, arXiv:2006.11239, algorithm 2.
    """
    check_alpha_bar(alpha_bar)
    if num_samples < 1 or not 1 <= num_steps <= MAX_STEPS:
        raise ValueError(f"need num_samples >= 1 and num_steps in 1..{MAX_STEPS}, got {num_samples} and {num_steps}")
    rising = spaced(len(alpha_bar) - 1, num_steps)
    levels, visited = rising[::-1], respaced(alpha_bar, rising).flip(0).double()
    pictures = torch.zeros(num_samples, *shape, dtype=torch.uint8)
    x_t, kept = _noise(pictures, seed, 0), []
    for k, t in enumerate(levels):
        seen = x_t.float()
        output, _ = split_output(model(seen, torch.full((num_samples,), t)), seen)
        x_0_hat = predict_x_0(seen, output, t, alpha_bar, target)
        if not x_0_hat.isfinite().all():
            raise ValueError(f"the model's answer must be finite, got infinite or undefined numbers at t = {t}")
        kept.append(to_pixels(x_0_hat, _grain(visited, k), kept[-1] if kept else None))
        x_t = _next(to_unit(kept[-1]), x_t, visited, k, seed)
    return Film(levels, visited, torch.stack(kept, dim=1), seed)


def to_pixels(
    pictures: Float[Tensor, "*shape"], grain: int = 1, before: UInt8[Tensor, "*shape"] | None = None
) -> UInt8[Tensor, "*shape"]:
    """Numbers in [-1, 1] as pixel values; what lies outside is cut off, as samplers do.

    Args:
        pictures: the numbers.
        grain: rounded to multiples of this pixel value, 255 among them: 1 keeps 256 values, 4 keeps 65.
        before: the step before; a pixel keeps its value from there if that is less than ``grain`` - 1/2 away. What
            stays the same takes no space.
    """
    values = (pictures.double().clamp(-1, 1) + 1) * 127.5
    pixels = ((values / grain).round() * grain).clamp(max=255).to(torch.uint8)
    return pixels if before is None else torch.where((values - before.double()).abs() <= grain - 0.5, before, pixels)


def to_unit(pixels: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Pixel values as numbers in [-1, 1], float64."""
    return pixels.double() / 127.5 - 1


def _next(x_0_hat: Tensor, x_t: Tensor, visited: Tensor, k: int, seed: int) -> Tensor:
    """From level k of those visited to the next cleaner one; no noise at the last step. All in float64."""
    chain = visited.flip(0)  # a schedule again: 1 at its level 0
    t = len(chain) - 1 - k
    mean, variance = posterior(x_0_hat, x_t, t, chain)
    return mean if t == 1 else mean + variance.sqrt() * _noise(x_t, seed, k + 1)


def _grain(visited: Tensor, k: int) -> int:
    """How coarsely the estimate at level k may be rounded: 4, 2 or 1 pixel values."""
    chain, t = visited.flip(0), len(visited) - 1 - k
    to_x_0, _, variance = (value.item() for value in posterior_coefficients(chain, t, t - 1, chain[:1]))
    error = to_x_0 / 127.5 / 12**0.5  # standard deviation of rounding to whole pixel values, in the next state
    return next((grain for grain in (COARSEST, 2) if grain * error <= SHARE * variance**0.5), 1)


def _noise(like: Tensor, seed: int, step: int) -> Tensor:
    """Noise of every sample at one step: its stream is 1000 · sample + step."""
    num = like[0].numel()
    rows = [torch.from_numpy(normals(num, seed, 1000 * i + step)) for i in range(len(like))]
    return torch.stack(rows).reshape(like.shape)
