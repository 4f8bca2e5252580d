"""One step and the walk: DDPM at eta = 1, a function of x_T at eta = 0, and what is refused."""

import math

import pytest
import torch

from lib import ddpm
from lib.data import mixture
from lib.ddim import clipped_estimates, ddim_step, eta_sigma, gaussian_eps, q_sigma, sample, sigma_hat
from lib.ddim.subsequences import evenly
from lib.ddpm import ExactModel, ancestral_step, last, predict_x_0, q_sample, schedules, training_target
from lib.ddpm.forward import TARGETS

ALPHA_BAR = schedules.shortened_linear(100)
COSINE = schedules.cosine(1000)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("alpha_bar", [ALPHA_BAR, COSINE], ids=["linear", "cosine"])
@pytest.mark.parametrize(("t", "s"), [(1, 0), (2, 1), (50, 49), (90, 20), (100, 0)])
def test_at_eta_one_a_step_is_that_of_ddpm(t, s, alpha_bar, target, clip):
    """Signal, direction and noise add up to the posterior's mean and beta_tilde, at every pair of levels, t = 1 too."""
    x_t, output, eps = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2)
    ours = ddim_step(x_t, output, t, s, alpha_bar, eps, eta=1.0, target=target, clip=clip)
    theirs = ancestral_step(x_t, output, t, s, alpha_bar, eps, target=target, clip=clip)
    assert (ours - theirs).abs().max() <= 1e-10


@pytest.mark.parametrize(("t", "s"), [(1, 0), (2, 1), (50, 49), (90, 20)])
def test_with_sigma_hat_a_step_is_that_of_ddpm_with_variance_beta(t, s):
    """The mean of eta = 1 with the larger noise; none at the last step."""
    x_t, output, eps = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2)
    ours = ddim_step(x_t, output, t, s, ALPHA_BAR, eps, noise_std=sigma_hat(ALPHA_BAR, t, s))
    theirs = ancestral_step(x_t, output, t, s, ALPHA_BAR, eps, variance="beta")
    assert (ours - theirs).abs().max() <= 1e-10


@pytest.mark.parametrize("eta", [0.0, 0.2, 0.5, 1.0])
def test_a_step_is_the_family_s_step_with_the_estimate_in_place_of_the_picture(eta):
    """Mean of q_sigma(x_s | x_t, x_0_hat) plus sigma times fresh noise."""
    x_t, output, eps, t, s = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2), 70, 30
    sigma_step = eta_sigma(ALPHA_BAR, t, s, eta)
    mean = q_sigma(predict_x_0(x_t, output, t, ALPHA_BAR), x_t, t, ALPHA_BAR, sigma_step, s).mean
    torch.testing.assert_close(ddim_step(x_t, output, t, s, ALPHA_BAR, eps, eta=eta), mean + sigma_step * eps)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_with_the_true_noise_the_step_keeps_mean_and_variance_of_the_level(eta):
    """x_s has mean sqrt(alpha_bar_s) x_0 and variance 1 - alpha_bar_s: 40,000 draws of one picture."""
    t, s, x_0 = 60, 58, torch.full((40_000, 1), 1.5, dtype=torch.float64)
    eps, fresh = normal(40_000, 1), normal(40_000, 1, seed=1)
    x_s = ddim_step(q_sample(x_0, t, eps, ALPHA_BAR), eps, t, s, ALPHA_BAR, fresh, eta=eta)
    level = ALPHA_BAR[s].item()
    assert x_s.mean().item() == pytest.approx(1.5 * math.sqrt(level), abs=0.02)
    assert x_s.var().item() == pytest.approx(1 - level, rel=0.03)


def test_one_jump_to_the_clean_picture_returns_the_estimate():
    """At s = 0 nothing but x_0_hat is left, exact if the noise is."""
    x_0, eps = normal(3, 2), normal(3, 2, seed=1)
    x_t = q_sample(x_0, 100, eps, ALPHA_BAR)
    torch.testing.assert_close(ddim_step(x_t, eps, 100, 0, ALPHA_BAR), x_0)


def test_eta_scales_the_standard_deviation_and_not_the_variance():
    """Half of eta is half of sigma, a quarter of the variance; eta = 1 is beta_tilde for neighbours."""
    t = torch.arange(1, 101)
    full = eta_sigma(ALPHA_BAR, t, t - 1)
    torch.testing.assert_close(full.square(), schedules.beta_tilde(ALPHA_BAR)[1:])
    torch.testing.assert_close(eta_sigma(ALPHA_BAR, t, t - 1, 0.5), full / 2)
    torch.testing.assert_close(sigma_hat(ALPHA_BAR, t, t - 1).square(), schedules.betas(ALPHA_BAR)[1:])
    assert eta_sigma(ALPHA_BAR, 5, 2).ndim == 0


def test_every_target_gives_the_same_step():
    """Re-scheduling needs no particular target: all are names for one estimate."""
    x_0, eps, fresh = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2)
    x_t = q_sample(x_0, 60, eps, ALPHA_BAR)
    outputs = {target: training_target(x_0, eps, 60, ALPHA_BAR, target) for target in TARGETS}
    steps = [ddim_step(x_t, outputs[target], 60, 10, ALPHA_BAR, fresh, eta=0.5, target=target) for target in TARGETS]
    for step in steps[1:]:
        torch.testing.assert_close(step, steps[0])


def test_after_clipping_the_two_estimates_still_add_up_to_x_t():
    """The noise is computed anew, so that nothing of x_t is counted twice; without clipping it is left as it is."""
    x_t, output, t = normal(3, 2), normal(3, 2, seed=1), 95
    signal, noise = ALPHA_BAR[t].sqrt(), (1 - ALPHA_BAR[t]).sqrt()
    for clip in (False, True):
        x_0_hat, eps_hat = clipped_estimates(x_t, output, t, ALPHA_BAR, clip=clip)
        torch.testing.assert_close(signal * x_0_hat + noise * eps_hat, x_t)
        assert clip == bool(x_0_hat.abs().max() <= 1)


def test_a_second_half_of_the_channels_is_left_aside():
    """A network with a learned variance can be sampled too."""
    x_t, output = normal(3, 2, 4, 4), normal(3, 4, 4, 4, seed=1)
    torch.testing.assert_close(ddim_step(x_t, output, 9, 5, ALPHA_BAR), ddim_step(x_t, output[:, :2], 9, 5, ALPHA_BAR))


def test_a_batch_of_levels_is_a_batch_of_steps():
    """One pair of levels for each row, with the noise of each."""
    x_t, output, eps = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2)
    t, s = torch.tensor([1, 40, 100]), torch.tensor([0, 20, 99])
    for settings in ({"eta": 0.5}, {"noise_std": sigma_hat(ALPHA_BAR, t, s)}):
        together = ddim_step(x_t, output, t, s, ALPHA_BAR, eps, **settings)
        for row in range(3):
            alone = {key: value if key == "eta" else value[row] for key, value in settings.items()}
            step = ddim_step(x_t[[row]], output[[row]], t[row].item(), s[row].item(), ALPHA_BAR, eps[[row]], **alone)
            torch.testing.assert_close(together[[row]], step)


@pytest.mark.parametrize("levels", [None, evenly(100, 10)])
def test_the_walk_at_eta_one_is_that_of_ddpm_draw_by_draw(levels):
    """Same generator, same numbers, same states."""
    model = ExactModel(mixture("mixture"), ALPHA_BAR)
    ours = sample(model, (5, 2), ALPHA_BAR, generator(), levels=levels, eta=1.0)
    theirs = ddpm.sample(model, (5, 2), ALPHA_BAR, generator(), levels=levels)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.t == other.t
        torch.testing.assert_close(mine.x_t, other.x_t, atol=2e-5, rtol=0)


def test_the_walk_with_sigma_hat_is_that_of_ddpm_with_variance_beta():
    """Over a sub-sequence, where the two noises differ most."""
    model, levels = ExactModel(mixture("mixture"), ALPHA_BAR), evenly(100, 5)
    ours = last(sample(model, (5, 2), ALPHA_BAR, generator(), levels=levels, sigma_hat=True)).x_t
    theirs = last(ddpm.sample(model, (5, 2), ALPHA_BAR, generator(), levels=levels, variance="beta")).x_t
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def test_without_noise_the_picture_is_a_function_of_x_t_alone():
    """The generator is not asked again after x_T, and may be missing."""
    model, source = ExactModel(mixture("mixture"), ALPHA_BAR), generator()
    made = last(sample(model, (5, 2), ALPHA_BAR, source)).x_t
    x_T = torch.randn(5, 2, generator=generator())
    torch.testing.assert_close(last(sample(model, (5, 2), ALPHA_BAR, x_T=x_T)).x_t, made, atol=0, rtol=0)
    after = torch.randn(5, 2, generator=generator().manual_seed(0))
    assert torch.equal(after, x_T) and not torch.equal(torch.randn(5, 2, generator=source), x_T)
    draws = generator()
    torch.randn(5, 2, generator=draws)
    source = generator()
    last(sample(model, (5, 2), ALPHA_BAR, source))
    assert torch.equal(source.get_state(), draws.get_state())


def variance_at_the_end(eta: float, num_steps: int, v: float = 0.25) -> float:
    """Variance of x_0 for data N(0, v) and the perfect network, exact: every step is linear in x_t and in its noise."""
    alpha_bar, found = schedules.linear(1000), 1.0
    one, nil = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    levels = evenly(1000, num_steps)
    for t, s in zip(reversed(levels), [*reversed(levels[:-1]), 0], strict=True):
        eps_hat = gaussian_eps(one, alpha_bar[t].item(), v)
        to_x_t = ddim_step(one, eps_hat, t, s, alpha_bar, nil, eta=eta).item()
        to_noise = ddim_step(nil, nil, t, s, alpha_bar, one, eta=eta).item()
        found = to_x_t**2 * found + to_noise**2
    return found


def test_both_ends_of_the_family_land_on_the_variance_of_the_data_the_one_without_noise_sooner():
    """Gaussian data: 200 steps lack less than 3 % without noise and more than 6 % with it; 50 steps lack far more."""
    none, full = (variance_at_the_end(eta, 200) for eta in (0.0, 1.0))
    assert 0.97 * 0.25 < none < 0.25 and 0.9 * 0.25 < full < 0.94 * 0.25
    assert all(0.25 - variance_at_the_end(eta, 50) > 3 * (0.25 - now) for eta, now in ((0.0, none), (1.0, full)))


@pytest.mark.parametrize(("t", "s"), [(50, 49), (100, 20)])
def test_sigma_hat_leaves_more_noise_than_the_level_should_have(t, s):
    """Even with the true noise in hand: too much by sigma_hat² - sigma², and the more the longer the step."""
    nil, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    std = sigma_hat(ALPHA_BAR, t, s)
    noises = (  # x_0 = 0, so that x_t is its noise: what one unit of it and one of the fresh noise turn into
        ddim_step((1 - ALPHA_BAR[t]).sqrt() * one, one, t, s, ALPHA_BAR, nil, noise_std=std),
        ddim_step(nil, nil, t, s, ALPHA_BAR, one, noise_std=std),
    )
    excess = sum(noise.item() ** 2 for noise in noises) - (1 - ALPHA_BAR[s].item())
    assert excess == pytest.approx((std**2 - eta_sigma(ALPHA_BAR, t, s) ** 2).item(), rel=1e-9) and excess > 0


def test_the_states_tell_where_the_walk_is():
    """Levels from T down to 0; x_0_hat and eps_hat add up to x_t; the last holds the pictures."""
    model, levels = ExactModel(mixture("mixture"), ALPHA_BAR), [10, 60, 100]
    states = list(sample(model, (3, 2), ALPHA_BAR, generator(), levels=levels, eta=0.5))
    assert [state.t for state in states] == [100, 60, 10, 0]
    for state in states[:-1]:
        level = ALPHA_BAR[state.t].float()
        torch.testing.assert_close(level.sqrt() * state.x_0_hat + (1 - level).sqrt() * state.eps_hat, state.x_t)
    torch.testing.assert_close(states[-1].x_t, states[-2].x_0_hat)
    assert torch.equal(states[-1].x_0_hat, states[-1].x_t) and not states[-1].eps_hat.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": 0.5}, "eps must be noise"),
        ({"eta": -0.1}, "eta must not be negative"),
        ({"eta": 9.0, "eps": 0}, "eta must lie in 0.."),
        ({"eta": 0.5, "noise_std": 0.1, "eps": 0}, "eta must be left out"),
        ({"noise_std": 0.1}, "eps must be noise"),
        ({"target": "noise"}, "target must be one of"),
        ({"s": 40}, "cleaner level"),
        ({"t": 101}, "levels must lie in"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(settings, message):
    """Noise that is missing, an eta without room, levels in the wrong order."""
    x_t = normal(2, 2)
    t, s = settings.pop("t", 40), settings.pop("s", 20)
    eps = x_t if "eps" in settings and settings.pop("eps") == 0 else None
    with pytest.raises(ValueError, match=message):
        ddim_step(x_t, x_t, t, s, ALPHA_BAR, eps, **settings)


@pytest.mark.parametrize("levels", [[], [0, 5], [5, 5], [5, 3], [101]])
def test_levels_that_do_not_rise_within_the_chain_are_refused(levels):
    """Level 0 is the goal, not a stop."""
    with pytest.raises(ValueError, match="levels must rise within 1..100"):
        next(sample(lambda x, t: x, (1, 2), ALPHA_BAR, levels=levels))
