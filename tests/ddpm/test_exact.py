"""The exact network, and Langevin dynamics with the exact score."""

import math

import pytest
import torch

from lib.data import GaussianMixture, PointSet, mixture, points
from lib.ddpm import schedules
from lib.ddpm.exact import ExactModel, exact_denoised, exact_eps, exact_score, score_at_sigma
from lib.ddpm.forward import TARGETS, convert, q_sample
from lib.ddpm.langevin import annealed_langevin, from_sigma, geometric, langevin, langevin_step, to_sigma

ALPHA_BAR = schedules.cosine(50)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


DATA = {
    "mixture": mixture("mixture"),
    "points": PointSet(points("two_moons", 7, generator()).double()),
}


@pytest.mark.parametrize("name", DATA)
def test_score_noise_and_picture_are_one_estimate(name):
    """Tweedie's formula: each of the three follows from any other and x_t."""
    x_t = torch.randn(5, 2, generator=generator(), dtype=torch.float64)
    for t in (1, 25, 50):
        level, data = ALPHA_BAR[t], DATA[name]
        answers = {
            "score": exact_score(data, x_t, level),
            "eps": exact_eps(data, x_t, level),
            "x_0": exact_denoised(data, x_t, level),
        }
        for source, output in answers.items():
            for target, expected in answers.items():
                found = convert(x_t, output, t, ALPHA_BAR, source, target)
                torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_the_exact_model_answers_each_row_at_its_own_level(target):
    """A batch with mixed levels equals one row after another."""
    model = ExactModel(DATA["mixture"], ALPHA_BAR, target)
    x_t, t = torch.randn(4, 2, generator=generator(), dtype=torch.float64), torch.tensor([50, 3, 50, 20])
    together = model(x_t, t)
    for i in range(4):
        torch.testing.assert_close(together[[i]], model(x_t[[i]], t[[i]]))


def test_no_other_guess_of_the_noise_has_a_smaller_error():
    """The exact answer minimises the mean squared error: scaled or shifted answers do worse on 20,000 draws."""
    data, t = DATA["mixture"], 25
    x_0, eps = data.sample(20000, generator()), torch.randn(20000, 2, generator=generator(1), dtype=torch.float64)
    answer = exact_eps(data, q_sample(x_0, t, eps, ALPHA_BAR), ALPHA_BAR[t])
    error = (answer - eps).square().mean()
    for other in (0.9 * answer, 1.1 * answer, answer + 0.1, answer - 0.1):
        assert (other - eps).square().mean() > error


def test_of_a_finite_set_only_its_members_come_back_at_low_noise():
    """The exact denoiser of a training set is a look-up table: the reason why a network must not reach it."""
    pictures = torch.rand(6, 3, 8, 8, generator=generator()) * 2 - 1
    x_t = q_sample(pictures, 5, torch.randn(6, 3, 8, 8, generator=generator(1)), ALPHA_BAR)
    torch.testing.assert_close(exact_denoised(PointSet(pictures), x_t, ALPHA_BAR[5]), pictures)


def test_with_all_noise_the_guess_is_the_mean_picture():
    """When x_t says almost nothing, every member is as likely as any other."""
    pictures = torch.rand(6, 3, 8, 8, generator=generator(), dtype=torch.float64) * 2 - 1
    guess = exact_denoised(PointSet(pictures), torch.randn(2, 3, 8, 8, generator=generator()).double(), 1e-9)
    torch.testing.assert_close(guess, pictures.mean(0).expand(2, -1, -1, -1), atol=1e-2, rtol=0)


@pytest.mark.parametrize("name", DATA)
def test_the_score_at_sigma_is_that_of_the_data_with_noise_added(name):
    """By autograd of the density of x_t, carried over to x = x_t / sqrt(alpha_bar) (the Jacobian is constant)."""
    sigma, data = 0.7, DATA[name]
    level = 1 / (1 + sigma**2)
    x = torch.randn(5, 2, generator=generator(), dtype=torch.float64, requires_grad=True)
    x_t = math.sqrt(level) * x
    log_prob = data.log_prob(x_t, level) if name == "points" else data.diffused(level).log_prob(x_t)
    log_prob.sum().backward()
    torch.testing.assert_close(score_at_sigma(data, x.detach(), sigma), x.grad)
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        score_at_sigma(data, x.detach(), 0.0)


def test_sigma_and_alpha_bar_are_two_scales_for_one_level():
    """There and back; half the variance is sigma = 1."""
    alpha_bar = torch.tensor([0.9, 0.5, 0.01], dtype=torch.float64)
    torch.testing.assert_close(from_sigma(to_sigma(alpha_bar)), alpha_bar)
    assert to_sigma(alpha_bar)[1].item() == pytest.approx(1)


def test_langevin_dynamics_finds_the_variance_of_a_gaussian():
    """Started far too narrow, the points spread to variance 1 / (1 - step/4), the known bias of finite steps."""
    *_, x = langevin(lambda x: -x, torch.zeros(4000, 1), 0.5, 60, generator())
    assert x.var().item() == pytest.approx(1 / (1 - 0.5 / 4), rel=0.08)


def test_one_langevin_step_by_hand():
    """Half the step along the score, its root times the noise."""
    x, score, eps = torch.tensor([[1.0]]), torch.tensor([[4.0]]), torch.tensor([[-1.0]])
    torch.testing.assert_close(langevin_step(x, score, 0.25, eps), torch.tensor([[1 + 0.5 - 0.5]]))


def two_clouds() -> GaussianMixture:
    means = torch.tensor([[-4.0, 0.0], [4.0, 0.0]])
    return GaussianMixture(torch.tensor([0.8, 0.2]), means, 0.25 * torch.eye(2).expand(2, 2, 2))


def test_plain_langevin_gets_the_shares_of_two_clouds_wrong_and_annealing_mends_it():
    """Between far clouds the density is nothing, so nobody crosses: half of the points sit in each. With noise that is
    turned down slowly, 80 % find the heavy one.
    """
    data = two_clouds()
    start = 8 * torch.rand(1000, 2, generator=generator()) - 4
    *_, plain = langevin(data.score, start, 0.05, 100, generator(1))
    assert (plain[:, 0] < 0).float().mean().item() == pytest.approx(0.5, abs=0.06)
    sigmas = geometric(10.0, 0.3, 12)
    start = sigmas[0] * torch.randn(1000, 2, generator=generator())
    *_, (sigma, annealed) = annealed_langevin(
        lambda x, sigma: score_at_sigma(data, x, sigma), start, sigmas, generator(1), num_steps=12
    )
    assert sigma == pytest.approx(0.3)
    assert (annealed[:, 0] < 0).float().mean().item() == pytest.approx(0.8, abs=0.06)


def test_annealing_visits_every_level_and_shows_every_state():
    """The start and num_steps states for each sigma; step sizes shrink with sigma²."""
    states = list(annealed_langevin(lambda x, sigma: 0 * x, torch.zeros(2000, 1), [2.0, 1.0], generator(),
                                    step_size=0.01, num_steps=3))  # fmt: skip
    assert [state.sigma for state in states] == [2.0] * 4 + [1.0] * 3
    moved = [(b.x - a.x).var().item() for a, b in zip(states, states[1:], strict=False)]
    assert moved == pytest.approx([0.04] * 3 + [0.01] * 3, rel=0.15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: next(langevin(lambda y: y, x, 0.0, 1)), "step_size must be positive"),
        (lambda x: next(annealed_langevin(lambda y, s: y, x, [1.0, 2.0])), "sigmas must fall"),
        (lambda x: next(annealed_langevin(lambda y, s: y, x, [1.0, 0.0])), "sigmas must fall and be positive"),
        (lambda x: next(annealed_langevin(lambda y, s: y, x, [1.0], step_size=0.0)), "step_size must be positive"),
        (lambda x: geometric(1.0, 2.0, 3), "0 < smallest < largest"),
        (lambda x: geometric(2.0, 1.0, 1), "num >= 2"),
    ],
)
def test_impossible_noise_is_refused(call, words):
    """The message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        call(torch.zeros(1, 2))
