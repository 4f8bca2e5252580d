"""Each broken sampler is broken in the way that the gallery describes."""

import math

import pytest
import torch

from lib.data import GaussianMixture, mixture
from lib.ddim import ddim_step, eta_sigma, invert, sample
from lib.ddim.failures import (
    IndexForLevel,
    alpha_for_alpha_bar,
    error_after,
    invert_with_first_noise,
    invert_with_fresh_noise,
    level_after,
    noise_seen_at_the_start,
    root_of_std,
    square_of_std,
)
from lib.ddim.subsequences import evenly
from lib.ddpm import ExactModel, last, schedules

ALPHA_BAR = schedules.linear(1000)
T, S = 601, 581


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cloud(variance: float) -> GaussianMixture:
    return GaussianMixture(torch.ones(1), torch.zeros(1, 2), variance * torch.eye(2)[None])


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_right_step_keeps_mean_and_variance_of_its_level(eta):
    """sqrt(alpha_bar_s) and 1 - alpha_bar_s, whatever eta."""
    factor, variance = level_after(ddim_step, T, S, ALPHA_BAR, eta=eta)
    assert factor == pytest.approx(math.sqrt(ALPHA_BAR[S])) and variance == pytest.approx(1 - ALPHA_BAR[S].item())


def test_a_standard_deviation_taken_for_a_variance_leaves_too_much_noise():
    """sigma - sigma² too much: 1.2 in place of 0.97 at level 580 of 1,000."""
    factor, variance = level_after(root_of_std, T, S, ALPHA_BAR)
    sigma = eta_sigma(ALPHA_BAR, T, S).item()
    assert factor == pytest.approx(math.sqrt(ALPHA_BAR[S]))
    assert variance - (1 - ALPHA_BAR[S].item()) == pytest.approx(sigma - sigma**2) and variance > 1.2


def test_a_variance_in_place_of_the_standard_deviation_leaves_too_little():
    """sigma² - sigma⁴ is missing, and samples run together."""
    _, variance = level_after(square_of_std, T, S, ALPHA_BAR)
    sigma = eta_sigma(ALPHA_BAR, T, S).item()
    assert (1 - ALPHA_BAR[S].item()) - variance == pytest.approx(sigma**2 - sigma**4) and variance < 0.85


def test_alpha_in_place_of_alpha_bar_lets_the_picture_in_undimmed():
    """0.99 in place of 0.18 before x_0; the variance is right, and the last step is too."""
    factor, variance = level_after(alpha_for_alpha_bar, T, S, ALPHA_BAR)
    assert factor == pytest.approx(math.sqrt(ALPHA_BAR[S] / ALPHA_BAR[S - 1]))
    assert factor > 5 * math.sqrt(ALPHA_BAR[S])
    assert variance == pytest.approx(1 - ALPHA_BAR[S].item())
    assert level_after(alpha_for_alpha_bar, 20, 0, ALPHA_BAR)[0] == pytest.approx(1)


def test_told_the_index_in_place_of_the_level_the_network_sees_no_noise():
    """Pure noise has root mean square 1; at "level 10" the network takes nearly all of it for picture."""
    levels, data = evenly(1000, 10), cloud(1.0)
    right, broken = (
        noise_seen_at_the_start(model, (2000, 2), ALPHA_BAR, generator(), levels=levels)
        for model in (ExactModel(data, ALPHA_BAR), IndexForLevel(ExactModel(data, ALPHA_BAR), levels))
    )
    assert right == pytest.approx(1, rel=0.05)
    assert broken == pytest.approx(math.sqrt(1 - ALPHA_BAR[10]), rel=0.05) and broken < 0.06


def test_told_the_index_samples_explode_and_with_all_levels_nothing_is_wrong():
    """Noise that is not seen is blown up as if it were picture; over 1..T index and level are one number."""
    model, levels = ExactModel(mixture("mixture"), ALPHA_BAR), evenly(1000, 10)
    spread = [
        last(sample(m, (200, 2), ALPHA_BAR, generator(), levels=levels)).x_t.std().item()
        for m in (model, IndexForLevel(model, levels))
    ]
    assert spread[1] > 3 * spread[0]
    short = schedules.shortened_linear(50)
    model, every = ExactModel(mixture("mixture"), short), range(1, 51)
    right, same = (last(sample(m, (20, 2), short, generator())).x_t for m in (model, IndexForLevel(model, every)))
    assert torch.equal(right, same)


@pytest.mark.parametrize("broken", [invert_with_first_noise, invert_with_fresh_noise])
def test_with_the_wrong_noise_the_error_of_a_round_trip_does_not_fall(broken):
    """The right inversion loses most of its error between 20 and 80 steps; a wrong noise leads to another picture."""
    data = cloud(0.25)
    model, x_0 = ExactModel(data, ALPHA_BAR), data.sample(20, generator()).double()
    errors = {
        rule: [error_after(rule, model, x_0, ALPHA_BAR, evenly(1000, num)) for num in (20, 80)]
        for rule in (invert, broken)
    }
    assert errors[invert][1] < 0.2 * errors[invert][0]
    assert errors[broken][1] > 0.8 * errors[broken][0] and errors[broken][1] > 10 * errors[invert][1]
