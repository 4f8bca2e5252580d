"""What bfloat16 buys on this processor, and what it costs in quality."""

import statistics
import time

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.data import emoji
from lib.training.batches import random_batches, step_generator
from lib.training.loop import Updater, adamw, fit
from lib.training.schedule import constant
from lib.training.tables import cells, spread

SIGMA = 0.5
BATCH_SIZE = 64
NUM_STEPS = 200


def denoiser(width: int) -> nn.Sequential:
    """A small convolutional network from noisy pictures to clean ones; half the height and width inside."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.GroupNorm(4, 2 * width),
        nn.SiLU(),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.GroupNorm(4, 2 * width),
        nn.SiLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(2 * width, width, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(width, 3, 3, padding=1),
    )


def denoising_loss(model: nn.Module, x_0: Float[Tensor, "B C H W"], generator: torch.Generator) -> Float[Tensor, ""]:
    """Mean squared error of pictures recovered from pictures with noise of standard deviation 0.5."""
    eps = torch.randn(x_0.shape, generator=generator, device=x_0.device)
    return (model(x_0 + SIGMA * eps).float() - x_0).square().mean()


def quality(precision: str, seed: int) -> dict[str, float]:
    """Train with this precision, then measure in float32 on emoji not trained on, with the same noise for all."""
    train, heldout = emoji(32).images, emoji(32, "heldout").images
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = denoiser(32)
    losses = [
        record.loss
        for record in fit(
            model, denoising_loss, random_batches(train, BATCH_SIZE, seed), NUM_STEPS,
            lr=2e-3, precision=precision, seed=seed,
        )
    ]  # fmt: skip
    with torch.no_grad():
        heldout_loss = denoising_loss(model.eval(), heldout, step_generator(0, 0, "evaluation")).item()
    return {"final_loss": statistics.fmean(losses[-20:]), "heldout_loss": heldout_loss}


def speed(width: int, seed: int) -> dict[str, float]:
    """Pictures a second in each precision. Updates alternate, so whatever else the machine does slows both alike."""
    x = torch.rand(BATCH_SIZE, 3, 32, 32, generator=step_generator(seed, 0, "speed")) * 2 - 1
    updates = {}
    for precision in ("fp32", "bf16"):
        model = denoiser(width)
        updates[precision] = Updater(
            model, denoising_loss, adamw(model.parameters(), 1e-3), 100, constant, 1.0, precision
        )
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for step in range(1, 11):
        for precision, update in updates.items():
            start = time.perf_counter()
            update(step, x)
            seconds[precision].append(time.perf_counter() - start)
    fp32, bf16 = (statistics.median(seconds[precision][2:]) for precision in ("fp32", "bf16"))
    return {
        "fp32_images_per_second": BATCH_SIZE / fp32,
        "bf16_images_per_second": BATCH_SIZE / bf16,
        "gain": fp32 / bf16,
    }


def precision(seeds: list[int]) -> dict:
    """bfloat16 against float32: speed of training on this processor, and quality after the same updates."""
    widths = {"32 channels": 32, "128 channels": 128}
    rates = cells("precision", {f"speed, {label}": width for label, width in widths.items()}, seeds, speed)
    losses = cells("precision", {"fp32": "fp32", "bf16": "bf16"}, seeds, quality)
    by_precision = {
        name: [row["heldout_loss"] for row in losses if row["setting"] == name] for name in ("fp32", "bf16")
    }
    ratios = [bf16 / fp32 for fp32, bf16 in zip(by_precision["fp32"], by_precision["bf16"], strict=True)]
    summary = {
        f"gain, {label}": spread([row["gain"] for row in rates if row["setting"] == f"speed, {label}"])
        for label in widths
    }
    summary |= {f"heldout_loss, {name}": spread(values) for name, values in by_precision.items()}
    summary["heldout_loss, bf16 / fp32, same seed"] = spread(ratios)
    return {
        "rows": rates + losses,
        "summary": summary,
        "threads": torch.get_num_threads(),
        "steps": NUM_STEPS,
        "batch_size": BATCH_SIZE,
        "confound": "The gain depends on the processor and on the width of the layers. Pictures a second also depend "
        "on what else the machine does; updates in both precisions alternate, so that the gain does not.",
    }


TRENDS = {"precision": precision}
