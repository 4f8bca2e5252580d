"""The measured trends of chapter 4, with small networks that are trained briefly, all in the same way.

python -m lib.trends ddpm_objective
python -m lib.trends ddpm_schedule
python -m lib.trends ddpm_target
python -m lib.trends ddpm_variance

A GPU is used if there is one.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.ddpm import schedules
from lib.ddpm.decoder import round_to_levels
from lib.ddpm.loss import hybrid_loss, simple_loss, vlb_loss, vlb_terms
from lib.ddpm.model import UNet
from lib.ddpm.quality import compare, draw, relative_frechet
from lib.ddpm.recipe import all_pictures, data_hash, emoji_batch
from lib.training import Recipe, cells, spread, step_generator, train

CHAIN = 200
"""Steps T of every chain: a fifth of the usual number, so that the whole bound can be measured."""

UPDATES = 1500
BATCH_SIZE = 32
NUM_BOUND = 64
"""Held-out pictures whose bound is measured, with one network call for each step of the chain."""

SAMPLING_STEPS = 100
STEP_COUNTS = (10, 25, 50, 200)
VARIANCES = ("beta", "beta_tilde", "learned")
NETWORK = {"channels": 16, "multipliers": [1, 2, 4], "attention_resolutions": [8], "size": 32}
CONFOUND = (
    f"Networks of 0.7 million weights, {UPDATES} updates of {BATCH_SIZE} emoji at 32 pixels, chains of {CHAIN} steps: "
    "small and trained briefly beside the papers'. Fréchet distances are in the features of a small network trained on "
    "these emoji, over the distance of held-out emoji."
)

LOSSES = {
    "simple": simple_loss,
    "bound": partial(vlb_loss, variance="beta_tilde"),
    "hybrid": hybrid_loss,
}


@dataclass(frozen=True)
class Setting:
    """What is varied: the loss, by its name in `LOSSES`, the schedule, the target, the variance of the steps."""

    loss: str = "simple"
    schedule: str = "cosine"
    target: str = "eps"
    variance: str = "beta_tilde"

    @property
    def diffusion(self) -> dict[str, Any]:
        """Arguments for losses and samplers."""
        make = {"cosine": schedules.cosine, "linear": schedules.shortened_linear}[self.schedule]
        return {"alpha_bar": make(CHAIN), "target": self.target}


def eight_bit_batch(step: int, generator: torch.Generator) -> Float[Tensor, "B 3 32 32"]:
    """Emoji with 256 levels of brightness: at 32 pixels they are means of four, and the bound counts levels."""
    return round_to_levels(emoji_batch(step, generator, size=32, batch_size=BATCH_SIZE))


def short_recipe(setting: Setting) -> Recipe:
    """The training of one setting; nothing differs between settings but what they name."""
    return Recipe(
        name="ddpm_trend",
        build=(UNet, NETWORK | {"learned_variance": setting.loss == "hybrid"}),
        loss_fn=partial(LOSSES[setting.loss], **setting.diffusion),
        batch_fn=eight_bit_batch,
        num_steps=UPDATES,
        lr=2e-3,
        ema_decay=0.995,
        data_hash=data_hash,
    )


def device() -> str:
    """Where the trends are measured."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def trained(setting: Setting, seed: int) -> nn.Module:
    """A model trained for this setting."""
    return train(short_recipe(setting), seed=seed, device=device()).to(device()).eval()


def bits(model: nn.Module, setting: Setting) -> dict[str, float]:
    """The bound of held-out pictures in bits per dimension, and its first term, the price of the last step."""
    pictures = all_pictures(32, "heldout")
    x_0 = round_to_levels(pictures[:: max(1, len(pictures) // NUM_BOUND)][:NUM_BOUND]).to(device())
    generator = step_generator(0, 0, "noise of the bound", device())
    terms = vlb_terms(model, x_0, generator, **setting.diffusion, variance=setting.variance, clip=True)
    return {"bits_per_dim": terms.total.mean().item(), "bits_last_step": terms.steps[:, 0].mean().item()}


def samples_of(model: nn.Module, setting: Setting, num_steps: int, variance: str, seed: int) -> Tensor:
    """As many samples as there are held-out pictures."""
    num = len(all_pictures(32, "heldout"))
    return draw(model, num, 32, num_steps, **setting.diffusion, variance=variance, seed=seed, chunk=128)


def measure(setting: Setting, seed: int) -> dict[str, Any]:
    """Train, then measure the bound and the samples; with the mean loss of the last tenth of the training."""
    model = trained(setting, seed)
    tail = [record.loss for record in model.history][-max(1, UPDATES // 10) :]
    samples = samples_of(model, setting, SAMPLING_STEPS, setting.variance, seed)
    quality = compare(samples, all_pictures(32), all_pictures(32, "heldout"))
    wanted = ("frechet_relative", "precision", "recall", "copy_rate")
    return bits(model, setting) | {key: quality[key] for key in wanted} | {"final_loss": sum(tail) / len(tail)}


def measure_variances(setting: Setting, seed: int) -> dict[str, Any]:
    """One model with a learned variance: its bound, and its samples for every number of steps, with each variance."""
    model = trained(setting, seed)
    result: dict[str, Any] = {
        f"bits_per_dim, {name}": bits(model, replace(setting, variance=name))["bits_per_dim"] for name in VARIANCES
    }
    for num_steps in STEP_COUNTS:
        for name in VARIANCES:
            samples = samples_of(model, setting, num_steps, name, seed)
            relative, *_ = relative_frechet(samples, all_pictures(32), all_pictures(32, "heldout"))
            result[f"frechet_relative, {name}, {num_steps} steps"] = round(relative, 4)
    return result


def table(
    name: str, settings: dict[str, Setting], seeds: list[int], measure_one: Callable, paper: str
) -> dict[str, Any]:
    """Rows for every setting and seed, and mean and spread over the seeds of every number.

    ``name`` is that of the folder where finished cells wait.
    """
    shared = {" ".join(astuple(setting)): setting for setting in settings.values()}  # two trends may share a setting
    measured = cells(name, shared, seeds, measure_one)
    label_of = {" ".join(astuple(setting)): label for label, setting in settings.items()}
    rows = [row | {"setting": label_of[row["setting"]]} for row in measured]
    numbers = [key for key in rows[0] if key not in ("setting", "seed", "minutes")]
    summary = {
        f"{key}, {label}": spread([row[key] for row in rows if row["setting"] == label])
        for label in settings
        for key in numbers
        if len(seeds) > 1
    }
    return {"rows": rows, "summary": summary, "paper": paper, "confound": CONFOUND, "chain": CHAIN, "updates": UPDATES}


def objective(seeds: list[int]) -> dict[str, Any]:
    """L_simple against the bound L as a loss: bits per dimension and Fréchet distance."""
    settings = {"L_simple": Setting("simple", "linear"), "L": Setting("bound", "linear")}
    return table(
        "ddpm_short", settings, seeds, measure,
        "Ho et al. 2020 (arXiv:2006.11239), Table 2, CIFAR-10, predicting the noise with fixed variance: FID 13.51 "
        "with L and 3.17 with L_simple, while the bound is 3.70 bits with L and 3.75 with L_simple.",
    )  # fmt: skip


def schedule(seeds: list[int]) -> dict[str, Any]:
    """Cosine against linear schedule: bits per dimension and Fréchet distance."""
    settings = {name: Setting(schedule=name) for name in ("linear", "cosine")}
    return table(
        "ddpm_short", settings, seeds, measure,
        "Nichol & Dhariwal 2021 (arXiv:2102.09672), Tables 1 and 2, L_simple with T = 4000: the cosine schedule lowers "
        "the bound on ImageNet at 64 pixels from 3.77 to 3.68 bits and on CIFAR-10 from 3.37 to 3.26; FID falls on "
        "ImageNet (31.3 to 27.0) and not on CIFAR-10 (2.90 to 3.05).",
    )  # fmt: skip


def target(seeds: list[int]) -> dict[str, Any]:
    """What the network is asked for: noise, clean picture, or v."""
    settings = {name: Setting(target=name) for name in ("eps", "x_0", "v")}
    return table(
        "ddpm_short", settings, seeds, measure,
        "Ho et al. 2020 (arXiv:2006.11239), section 3.2, found the clean picture as target worse early in their "
        "experiments; Salimans & Ho 2022 (arXiv:2202.00512), section 4, introduce v, because the noise says nothing "
        "useful about the picture where alpha-bar is near 0.",
    )  # fmt: skip


def variance(seeds: list[int]) -> dict[str, Any]:
    """beta, beta_tilde and learned variance over the number of sampling steps, with the same network."""
    settings = {"cosine, L_hybrid": Setting("hybrid", variance="learned")}
    return table(
        "ddpm_variance", settings, seeds, measure_variances,
        "Song et al. 2020 (arXiv:2010.02502), Table 1, CIFAR-10: with beta the FID is 367.43 at 10 steps and 3.17 at "
        "1000, with beta_tilde 41.07 and 4.73. Nichol & Dhariwal 2021 (arXiv:2102.09672), Figure 8: from 50 "
        "steps on, samples with a learned variance (L_hybrid) are better than those without any noise (DDIM).",
    )  # fmt: skip


TRENDS = {
    "ddpm_objective": objective,
    "ddpm_schedule": schedule,
    "ddpm_target": target,
    "ddpm_variance": variance,
}
