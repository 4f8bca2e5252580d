"""The trainings of chapter 4: points in the plane, and emoji at two sizes.

python -m lib.train ddpm_points
python -m lib.train ddpm_emoji32
python -m lib.train ddpm_emoji64

A model is of use only together with its schedule and its target, which are in `DIFFUSION`:
``sample(load("ddpm_emoji32"), (16, 3, 32, 32), generator=generator, clip=True, **DIFFUSION["ddpm_emoji32"])``.
"""

import functools
from functools import partial
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from lib.data import emoji, mixture, points
from lib.ddpm import schedules
from lib.ddpm.exact import exact_eps
from lib.ddpm.forward import q_sample
from lib.ddpm.loss import simple_loss
from lib.ddpm.model import PointMLP, UNet
from lib.ddpm.quality import compare, draw, energy_distance
from lib.ddpm.sampling import Model, last, sample
from lib.training import Recipe, load, step_generator

POINTS = "gaussians8"
"""Eight small clouds on a circle, whose exact score is known."""

DIFFUSION: dict[str, dict[str, Any]] = {
    "ddpm_points": {"alpha_bar": schedules.shortened_linear(100), "target": "eps"},
    "ddpm_emoji32": {"alpha_bar": schedules.cosine(1000), "target": "v"},
    "ddpm_emoji64": {"alpha_bar": schedules.shifted(schedules.cosine(1000), 32 / 64), "target": "v"},
}
"""Schedule and target of each model: arguments for the loss and for the sampler."""


def diffusion_loss(
    model: Model, x_0: Float[Tensor, "B ..."], generator: torch.Generator, *, name: str
) -> Float[Tensor, ""]:
    """L_simple with the schedule and the target of the recipe ``name``."""
    return simple_loss(model, x_0, generator, **DIFFUSION[name])


@functools.cache
def all_pictures(size: int, split: str = "train") -> Float[Tensor, "N 3 S S"]:
    """Every picture of a split, cut out of the sheets once."""
    return emoji(size, split).images


def emoji_batch(step: int, generator: torch.Generator, *, size: int, batch_size: int = 64) -> Float[Tensor, "B 3 S S"]:
    """Emoji drawn at random, half of them mirrored."""
    images = all_pictures(size)
    x = images[torch.randint(len(images), (batch_size,), generator=generator)]
    mirrored = rearrange(torch.rand(batch_size, generator=generator) < 0.5, "b -> b 1 1 1")
    return torch.where(mirrored, x.flip(-1), x)


def points_batch(step: int, generator: torch.Generator, *, batch_size: int = 512) -> Float[Tensor, "B 2"]:
    """New points in every batch: there is no finite set to learn by heart."""
    return points(POINTS, batch_size, generator)


def grow(model: nn.Module, *, name: str) -> None:
    """Give a network that works on squares of pixels the weights of a shipped one, which works on pixels.

    It sees the mean of each square where the small network saw a pixel, and gives the answer for the pixel to all
    pixels of the square: for a picture made of even squares it begins with exactly the small network's answer.

    Raises:
        RuntimeError: if the two networks differ in anything but the first and the last convolution.
    """
    num = model.patch_size**2
    weights = load(name).state_dict()
    weights["down.0.conv.weight"] = repeat(weights["down.0.conv.weight"], "k c h w -> k (c p) h w", p=num) / num
    for key in ("out.2.weight", "out.2.bias"):
        weights[key] = repeat(weights[key], "c ... -> (c p) ...", p=num)
    model.load_state_dict(weights)


def evaluate_emoji(model: nn.Module, *, name: str, size: int, num_steps: int) -> dict[str, float]:
    """The numbers of `lib.ddpm.quality.compare` for as many samples as there are held-out pictures."""
    train, heldout = all_pictures(size), all_pictures(size, "heldout")
    samples = draw(model, len(heldout), size, num_steps, **DIFFUSION[name])
    return compare(samples, train, heldout) | {"sampling_steps": num_steps}


@torch.no_grad()
def evaluate_points(model: Model, num: int = 4000) -> dict[str, float]:
    """How far the network's noise is from the exact one, and its samples from the data.

    ``eps_gap`` is the mean squared difference of the two answers over all levels, ``eps_floor`` the loss that remains
    for the exact answer; ``energy_relative`` the energy distance of samples over that of as many new points.
    """
    alpha_bar, data = DIFFUSION["ddpm_points"]["alpha_bar"], mixture(POINTS)
    generator = step_generator(0, 0, "evaluation of ddpm_points")
    gaps, floors = [], []
    for t in range(1, len(alpha_bar)):
        x_0, eps = points(POINTS, 500, generator), torch.randn(500, 2, generator=generator)
        x_t = q_sample(x_0, t, eps, alpha_bar)
        exact = exact_eps(data, x_t, alpha_bar[t])
        gaps.append((model(x_t, torch.full((500,), t)) - exact).square().mean().item())
        floors.append((exact - eps).square().mean().item())
    samples = last(sample(model, (num, 2), generator=generator, **DIFFUSION["ddpm_points"])).x_t
    real, again = (points(POINTS, num, generator) for _ in range(2))
    shares = data.responsibilities(samples.double()).mean(0)
    numbers = {
        "eps_gap": sum(gaps) / len(gaps),
        "eps_floor": sum(floors) / len(floors),
        "energy_relative": energy_distance(samples, real) / energy_distance(again, real),
        "smallest_share_of_eight": 8 * shares.min().item(),
    }
    return {name: round(value, 5) for name, value in numbers.items()}


def data_hash() -> str:
    """Hash of the emoji files."""
    return emoji(32).hash


RECIPES = {
    "ddpm_points": Recipe(
        name="ddpm_points",
        build=(PointMLP, {"hidden": 128, "num_layers": 3}),
        loss_fn=partial(diffusion_loss, name="ddpm_points"),
        batch_fn=points_batch,
        num_steps=6000,
        lr=5e-3,
        ema_decay=0.999,
        precision="fp32",
        evaluate=evaluate_points,
        data_hash=f"drawn by lib.data.points({POINTS!r})",
        note="Eight clouds in the plane, 100 linear steps, noise prediction.",
    ),
    "ddpm_emoji32": Recipe(
        name="ddpm_emoji32",
        build=(UNet, {"channels": 32, "multipliers": [1, 2, 4], "attention_resolutions": [8], "size": 32}),
        loss_fn=partial(diffusion_loss, name="ddpm_emoji32"),
        batch_fn=partial(emoji_batch, size=32),
        num_steps=4200,
        lr=2e-3,
        ema_decay=0.999,
        evaluate=partial(evaluate_emoji, name="ddpm_emoji32", size=32, num_steps=100),
        data_hash=data_hash,
        note="Emoji at 32 pixels: 1,000 cosine steps, v-prediction.",
        half=True,
    ),
    "ddpm_emoji64": Recipe(
        name="ddpm_emoji64",
        build=(
            UNet,
            {"channels": 32, "multipliers": [1, 2, 4], "attention_resolutions": [8], "size": 64, "patch_size": 2},
        ),
        start=partial(grow, name="ddpm_emoji32"),
        loss_fn=partial(diffusion_loss, name="ddpm_emoji64"),
        batch_fn=partial(emoji_batch, size=64, batch_size=32),
        num_steps=3200,
        lr=1e-3,
        ema_decay=0.999,
        evaluate=partial(evaluate_emoji, name="ddpm_emoji64", size=64, num_steps=100),
        data_hash=data_hash,
        note="Emoji at 64 pixels in squares of 2 x 2, begun with the weights of ddpm_emoji32: 1,000 cosine steps with "
        "a quarter of the signal over noise, v-prediction.",
        half=True,
    ),
}
