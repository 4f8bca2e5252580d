"""The measured trends of chapter 5: quality over steps and noise, and what a round trip costs, on the shipped model.

python -m lib.trends ddim_steps_eta
python -m lib.trends ddim_inversion

A GPU is used if there is one; without it the first takes hours.
"""

import functools
import statistics
import time
from typing import Any

import torch
from torch import nn

from lib.ddim.inversion import round_trip
from lib.ddim.quality import draw
from lib.ddim.subsequences import evenly
from lib.ddpm.quality import compare, relative_frechet
from lib.ddpm.recipe import DIFFUSION, all_pictures
from lib.training import cells, load, spread, step_generator

MODEL = "ddpm_emoji32"
STEP_COUNTS = (10, 20, 50, 100, 1000)
ETAS: dict[str, dict[str, Any]] = {
    "eta 0": {"eta": 0.0},
    "eta 0.2": {"eta": 0.2},
    "eta 0.5": {"eta": 0.5},
    "eta 1": {"eta": 1.0},
    "sigma-hat": {"sigma_hat": True},
}
EVERY_HELDOUT = 3
"""1 to compare with all held-out emoji, which takes three times as long; n for every n-th of them."""

NUM_SAMPLES = 173
"""Pictures drawn for each setting and seed: as many as the held-out emoji to which they are compared."""

CHUNK = 128
INVERSION_STEPS = (10, 20, 50, 100, 200)
NUM_INVERTED = 32
"""Held-out pictures whose round trip is measured, another choice for every seed."""

PAPER = {
    "eta 0": [13.36, 6.84, 4.67, 4.16, 4.04],
    "eta 0.2": [14.04, 7.11, 4.77, 4.25, 4.09],
    "eta 0.5": [16.66, 8.35, 5.25, 4.46, 4.29],
    "eta 1": [41.07, 18.36, 8.01, 5.78, 4.73],
    "sigma-hat": [367.43, 133.37, 32.72, 9.99, 3.17],
}
"""FID on CIFAR-10 at the five step counts: Song et al. 2020, arXiv:2010.02502, Table 1."""


def device() -> str:
    """Where the trends are measured."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def network() -> nn.Module:
    """The shipped model."""
    return load(MODEL, device())


def label_of(num_steps: int, eta: str) -> str:
    """The name of a cell: "eta 0.2, 50 steps"."""
    return f"{eta}, {num_steps} steps"


def measure_samples(setting: tuple[int, str], seed: int) -> dict[str, float]:
    """Quality of the samples of one setting, and seconds of sampling for one picture."""
    num_steps, eta = setting
    levels = evenly(len(DIFFUSION[MODEL]["alpha_bar"]) - 1, num_steps)
    draw(network(), CHUNK, 32, levels[-1:], **DIFFUSION[MODEL], chunk=CHUNK)  # the first call of a shape is slow
    start = time.perf_counter()
    samples = draw(network(), NUM_SAMPLES, 32, levels, **DIFFUSION[MODEL], **ETAS[eta], seed=seed, chunk=CHUNK)
    seconds = time.perf_counter() - start
    quality = compare(samples, all_pictures(32), all_pictures(32, "heldout")[::EVERY_HELDOUT])
    wanted = ("frechet_relative", "frechet_samples", "precision", "recall")
    return {key: quality[key] for key in wanted} | {"seconds_per_picture": seconds / NUM_SAMPLES}


def steps_eta(seeds: list[int]) -> dict[str, Any]:
    """Fréchet distance over the number of steps, for five amounts of fresh noise, on one trained model."""
    settings = {label_of(num, eta): (num, eta) for eta in ETAS for num in STEP_COUNTS}
    rows = cells("ddim_steps_eta", settings, seeds, measure_samples)
    found = {label: [row["frechet_relative"] for row in rows if row["setting"] == label] for label in settings}
    seconds = {
        f"seconds_per_picture, {num} steps": spread(
            [row["seconds_per_picture"] for row in rows if settings[row["setting"]][0] == num]
        )
        for num in STEP_COUNTS
    }
    summary = {f"frechet_relative, {label}": spread(values) for label, values in found.items() if len(seeds) > 1}
    return {
        "rows": rows,
        "summary": summary | seconds | {"frechet_relative, training emoji": floor(seeds)},
        "ratios": ratios(found),
        "crossing": crossing(found),
        "step_counts": list(STEP_COUNTS),
        "paper_fid": PAPER,
        "paper": "Song et al. 2020 (arXiv:2010.02502), Table 1, CIFAR-10. There the step counts are 10, 20, 50, 100 "
        "and 1000; sigma-hat is the worst of all with 10 steps and the best of all with 1000.",
        "confound": "Emoji at 32 pixels, a network of 2.7 million weights trained with v-prediction and a cosine "
        "schedule, evenly spaced levels, estimates clipped to [-1, 1]; there a linear schedule, noise prediction, "
        "squares as levels. Fréchet distances are in the features of a small network trained on these emoji, over the "
        f"distance of held-out emoji, from {NUM_SAMPLES} pictures each: so few that even training emoji have a "
        "distance, which every setting shares and which pulls ratios towards 1.",
        "device": device(),
    }


def floor(seeds: list[int]) -> dict[str, float]:
    """What as many training emoji, drawn at random, would get: small sets look further away than they are."""
    train, heldout = all_pictures(32), all_pictures(32, "heldout")[::EVERY_HELDOUT]
    found = []
    for seed in seeds:
        order = torch.randperm(len(train), generator=step_generator(seed, 0, "training emoji as samples"))
        found.append(relative_frechet(train[order[: len(heldout)]], train, heldout)[0])
    return spread(found) if len(seeds) > 1 else {"mean": found[0]}


def ratios(found: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Distance with the fewest steps over that with the most, for each amount of noise: mean over seeds, and paper."""
    few, many = STEP_COUNTS[0], STEP_COUNTS[-1]
    table = {}
    for eta, paper in PAPER.items():
        pairs = zip(found[label_of(few, eta)], found[label_of(many, eta)], strict=True)
        each = [above / below for above, below in pairs]
        table[eta] = {"ours": sum(each) / len(each), "paper": paper[0] / paper[-1]}
        table[eta] |= {"lowest": min(each), "highest": max(each)}
    return table


def crossing(found: dict[str, list[float]]) -> str:
    """In words: from how many steps on some noise beats none by more than the spreads of both, or that it never does.

    Args:
        found: distances of each setting, one for each seed; a single one has no spread.
    """

    def lead(num_steps: int, eta: str) -> float:
        none, some = (found[label_of(num_steps, name)] for name in ("eta 0", eta))
        spreads = sum(statistics.stdev(values) for values in (none, some) if len(values) > 1)
        return statistics.fmean(none) - statistics.fmean(some) - spreads

    for num_steps in STEP_COUNTS:
        best = max(ETAS, key=lambda eta: lead(num_steps, eta))
        if lead(num_steps, best) > 0:
            return f"With {num_steps} steps {best} is the first to beat eta 0 by more than both spreads."
    return f"There is no crossing: up to {STEP_COUNTS[-1]} steps nothing beats eta 0 by more than both spreads."


def measure_inversion(setting: tuple[int, bool], seed: int) -> dict[str, float]:
    """Mean squared error of held-out pictures after a round trip, in [0, 1], and the spread of the noise found."""
    num_steps, ask_above = setting
    pictures = all_pictures(32, "heldout")
    chosen = torch.randperm(len(pictures), generator=step_generator(seed, 0, "pictures to invert"))[:NUM_INVERTED]
    levels = evenly(len(DIFFUSION[MODEL]["alpha_bar"]) - 1, num_steps)
    found = round_trip(
        network(), pictures[chosen].to(device()), DIFFUSION[MODEL]["alpha_bar"], levels,
        target=DIFFUSION[MODEL]["target"], ask_above=ask_above,
    )  # fmt: skip
    return {"error": found.error.mean().item() / 4, "std_of_noise": found.x_T.std().item()}


def inversion(seeds: list[int]) -> dict[str, Any]:
    """Error of pictures turned into noise and back, over the number of steps, asked at either end of a step."""
    settings = {
        f"asked {where}, {num} steps": (num, ask_above)
        for where, ask_above in (("here", False), ("above", True))
        for num in INVERSION_STEPS
    }
    rows = cells("ddim_inversion", settings, seeds, measure_inversion)
    summary = {
        f"{key}, {label}": spread([row[key] for row in rows if row["setting"] == label])
        for label in settings
        for key in ("error", "std_of_noise")
        if len(seeds) > 1
    }
    return {
        "rows": rows,
        "summary": summary,
        "step_counts": list(INVERSION_STEPS),
        "paper": "Song et al. 2020 (arXiv:2010.02502), section 5.4: on CIFAR-10 the error falls with more steps.",
        "confound": f"{NUM_INVERTED} held-out emoji for each seed, most of them white around the middle; v-prediction "
        "and a cosine schedule; float32.",
        "device": device(),
    }


TRENDS = {"ddim_steps_eta": steps_eta, "ddim_inversion": inversion}
