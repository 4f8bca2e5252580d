"""Ancestral sampling against closed forms: one step, whole chains on Gaussian data, and what is refused."""

import math

import pytest
import torch

from lib.data import GaussianMixture, PointSet, mixture
from lib.ddpm import schedules
from lib.ddpm.exact import ExactModel
from lib.ddpm.forward import TARGETS, posterior, predict_x_0, q_sample, training_target
from lib.ddpm.sampling import State, ancestral_step, last, log_variance, sample, split_output

ALPHA_BAR = schedules.shortened_linear(100)


def normal(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cloud(variance: float, mean: float = 0.0) -> GaussianMixture:
    """One round Gaussian in the plane."""
    return GaussianMixture(torch.ones(1), torch.full((1, 2), mean), variance * torch.eye(2)[None])


@pytest.mark.parametrize(("t", "s"), [(2, 1), (50, 49), (100, 20)])
def test_a_step_is_the_posterior_mean_of_the_estimate_plus_noise(t, s):
    """With the true noise as the network's answer, the mean is that of q(x_s | x_t, x_0); the noise has beta_tilde."""
    x_0, eps, fresh = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2)
    x_t = q_sample(x_0, t, eps, ALPHA_BAR)
    mean, variance = posterior(x_0, x_t, t, ALPHA_BAR, s)
    torch.testing.assert_close(ancestral_step(x_t, eps, t, s, ALPHA_BAR, fresh), mean + variance.sqrt() * fresh)


def test_with_beta_the_step_is_algorithm_2_of_the_paper():
    """x_{t-1} = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_t) + sqrt(beta_t) z."""
    x_t, eps_hat, z, t = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2), 40
    beta, level = schedules.betas(ALPHA_BAR)[t], ALPHA_BAR[t]
    expected = (x_t - beta / (1 - level).sqrt() * eps_hat) / (1 - beta).sqrt() + beta.sqrt() * z
    torch.testing.assert_close(ancestral_step(x_t, eps_hat, t, t - 1, ALPHA_BAR, z, variance="beta"), expected)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde", "learned"])
def test_the_last_step_adds_no_noise(variance):
    """At s = 0 the result is the estimate of x_0 itself, whatever noise is handed in."""
    x_t, output = normal(3, 2), normal(3, 4, seed=1)
    output = output if variance == "learned" else output[:, :2]
    got = ancestral_step(x_t, output, 1, 0, ALPHA_BAR, 1e6 * normal(3, 2, seed=2), variance=variance)
    torch.testing.assert_close(got, predict_x_0(x_t, output[:, :2], 1, ALPHA_BAR))


def test_every_target_gives_the_same_step():
    """They are names for one estimate."""
    x_0, eps, fresh = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2)
    x_t = q_sample(x_0, 60, eps, ALPHA_BAR)
    steps = [
        ancestral_step(x_t, training_target(x_0, eps, 60, ALPHA_BAR, target), 60, 59, ALPHA_BAR, fresh, target=target)
        for target in TARGETS
    ]
    for step in steps[1:]:
        torch.testing.assert_close(step, steps[0])


def test_clipping_cuts_the_estimate_not_the_result():
    """An estimate of 3 counts as 1; x_s itself may leave [-1, 1] because of its noise."""
    x_t = torch.full((1, 2), 2.0, dtype=torch.float64)
    outputs = {value: torch.full_like(x_t, value) for value in (1.0, 3.0)}
    steps = {
        value: ancestral_step(x_t, output, 90, 89, ALPHA_BAR, 0 * x_t, target="x_0", clip=True)
        for value, output in outputs.items()
    }
    torch.testing.assert_close(steps[3.0], steps[1.0])
    assert (steps[1.0] > 1).all()


def test_a_batch_of_levels_is_a_batch_of_steps():
    """t and s may differ from row to row."""
    x_t, output, fresh = normal(3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2)
    t, s = torch.tensor([1, 50, 100]), torch.tensor([0, 49, 10])
    together = ancestral_step(x_t, output, t, s, ALPHA_BAR, fresh)
    for i in range(3):
        alone = ancestral_step(x_t[[i]], output[[i]], int(t[i]), int(s[i]), ALPHA_BAR, fresh[[i]])
        torch.testing.assert_close(together[[i]], alone)


def test_the_learned_variance_lies_between_the_two_fixed_ones():
    """raw = 1 gives beta, raw = -1 beta_tilde, raw = 0 their geometric mean."""
    x_t = normal(3, 2)
    for t in (2, 50, 100):
        one = torch.ones_like(x_t)
        low, high = (log_variance(name, t, t - 1, ALPHA_BAR, x_t) for name in ("beta_tilde", "beta"))
        for raw, expected in ((one, high), (-one, low), (0 * one, (low + high) / 2)):
            found = log_variance("learned", t, t - 1, ALPHA_BAR, x_t, raw)
            torch.testing.assert_close(found, expected.expand_as(x_t))


def test_the_variance_of_the_last_step_is_that_of_the_step_before():
    """beta_tilde_1 = 0 has no logarithm; beta_tilde_2 stands in, for both fixed choices."""
    expected = schedules.beta_tilde(ALPHA_BAR)[2].log()
    for name in ("beta", "beta_tilde"):
        torch.testing.assert_close(log_variance(name, 1, 0, ALPHA_BAR, normal(1, 2)).squeeze(), expected)


def test_the_channels_of_a_learned_variance_are_the_second_half():
    """First half the estimate, second half the variance; anything else is refused."""
    x_t, output = normal(2, 3, 4, 4), normal(2, 6, 4, 4)
    estimate, raw = split_output(output, x_t)
    assert torch.equal(estimate, output[:, :3]) and torch.equal(raw, output[:, 3:])
    assert split_output(output[:, :3], x_t)[1] is None
    with pytest.raises(ValueError, match="3 channels like x_t, or twice as many"):
        split_output(output[:, :4], x_t)


def variance_after(variance: str, alpha_bar: torch.Tensor, data_variance: float) -> float:
    """Variance of the finished samples by exact recursion, for N(0, data_variance) and the exact network."""
    spread = 1.0
    for t in range(len(alpha_bar) - 1, 0, -1):
        now, before = alpha_bar[t].item(), alpha_bar[t - 1].item()
        gain = math.sqrt(now) * data_variance / (now * data_variance + 1 - now)  # x_0_hat = gain · x_t
        beta = 1 - now / before
        to_x_0 = math.sqrt(before) * beta / (1 - now)
        factor = to_x_0 * gain + math.sqrt(1 - beta) * (1 - before) / (1 - now)
        noise = {"beta": beta, "beta_tilde": (1 - before) / (1 - now) * beta}[variance] if t > 1 else 0.0
        spread = factor**2 * spread + noise
    return spread


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("data_variance", [0.04, 1.0])
def test_whole_chains_have_the_spread_that_theory_says(variance, data_variance):
    """For Gaussian data every step is linear, so the variance of the samples is known exactly; 4,000 of them agree."""
    model = ExactModel(cloud(data_variance), ALPHA_BAR)
    states = sample(model, (4000, 2), ALPHA_BAR, generator(), variance=variance)
    found = last(states).x_t.var().item()
    assert found == pytest.approx(variance_after(variance, ALPHA_BAR, data_variance), rel=0.06)


def test_beta_is_right_for_noise_and_beta_tilde_for_a_single_picture():
    """The two extremes that the paper names: N(0, I) needs beta, one picture needs beta_tilde."""
    assert variance_after("beta", ALPHA_BAR, 1.0) == pytest.approx(1, abs=1e-3)
    assert variance_after("beta_tilde", ALPHA_BAR, 1.0) < 0.99
    x_t = last(sample(ExactModel(PointSet(torch.ones(1, 2)), ALPHA_BAR), (5, 2), ALPHA_BAR, generator())).x_t
    torch.testing.assert_close(x_t, torch.ones(5, 2), atol=1e-4, rtol=0)


def test_more_steps_come_closer_to_the_data():
    """The variance of the samples approaches that of the data, 0.25; with 10 steps beta_tilde loses a large part."""
    chains = [schedules.respaced(schedules.linear(1000), schedules.spaced(1000, num)) for num in (10, 100, 1000)]
    errors = [abs(variance_after("beta_tilde", chain, 0.25) - 0.25) for chain in chains]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[0] > 0.05 and errors[2] < 0.005


def test_samples_of_a_mixture_have_its_shares():
    """Three unequal blobs: every share is within 4 standard errors (2,000 points) and every point is near a blob."""
    data = mixture("mixture")
    x = last(sample(ExactModel(data, ALPHA_BAR, "v"), (2000, 2), ALPHA_BAR, generator(), target="v")).x_t
    shares = data.responsibilities(x.double()).mean(0)
    assert (shares - data.weights).abs().max() < 4 * math.sqrt(0.25 / 2000)


def test_the_states_are_consistent_and_end_with_the_picture():
    """T + 1 states; in each x_t is made of x_0_hat and eps_hat; the last has t = 0 and no noise."""
    states = list(sample(ExactModel(cloud(0.5), ALPHA_BAR), (3, 2), ALPHA_BAR, generator()))
    assert [state.t for state in states] == list(range(100, -1, -1))
    for state in states[:-1]:
        rebuilt = q_sample(state.x_0_hat, state.t, state.eps_hat, ALPHA_BAR)
        torch.testing.assert_close(rebuilt, state.x_t, rtol=1e-4, atol=1e-4)
    assert isinstance(states[-1], State) and (states[-1].eps_hat == 0).all()
    torch.testing.assert_close(states[-1].x_t, states[-2].x_0_hat)


def test_a_sub_sequence_of_levels_is_the_chain_of_the_respaced_schedule():
    """Only levels matter: visiting 20, 40, …, 100 is sampling a chain of five steps."""
    levels = schedules.spaced(100, 5)
    short = schedules.respaced(ALPHA_BAR, levels)
    data, x_T = cloud(0.5, 0.3), normal(4, 2)
    long_way = last(sample(ExactModel(data, ALPHA_BAR), (4, 2), ALPHA_BAR, generator(), levels=levels, x_T=x_T))
    short_way = last(sample(ExactModel(data, short), (4, 2), short, generator(), x_T=x_T))
    torch.testing.assert_close(long_way.x_t, short_way.x_t)


def test_sampling_can_begin_half_way():
    """Pictures noised to a low level come back almost as they were: the beginning decides, and the noise is small."""
    data = PointSet(torch.tensor([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]))
    x_10 = q_sample(data.points, 10, normal(3, 2, dtype=torch.float32), ALPHA_BAR)
    states = list(sample(ExactModel(data, ALPHA_BAR), (3, 2), ALPHA_BAR, generator(), levels=range(1, 11), x_T=x_10))
    assert len(states) == 11 and torch.equal(states[0].x_t, x_10)
    torch.testing.assert_close(states[-1].x_t, data.points, atol=1e-3, rtol=0)


def test_the_same_generator_gives_the_same_pictures():
    """All noise comes from it, none from the global generator."""
    run = lambda seed: last(sample(ExactModel(cloud(0.5), ALPHA_BAR), (2, 2), ALPHA_BAR, generator(seed))).x_t  # noqa: E731
    first = run(0)
    torch.manual_seed(99)
    assert torch.equal(run(0), first) and not torch.equal(run(1), first)


@pytest.mark.parametrize(("num", "steps"), [(1000, 50), (1000, 30), (7, 7), (10, 3), (5, 1)])
def test_spaced_levels_rise_to_the_noisiest(num, steps):
    """As many as asked for, all different, the last one T: a sampler that starts lower starts from the wrong noise."""
    levels = schedules.spaced(num, steps)
    assert len(levels) == steps and levels[-1] == num and levels[0] >= 1 and levels == sorted(set(levels))
    gaps = [b - a for a, b in zip([0, *levels], levels, strict=False)]
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: ancestral_step(x, x, 5, 5, ALPHA_BAR, x), "s must be a cleaner level"),
        (lambda x: ancestral_step(x, x, 5, 4, ALPHA_BAR, x[:, :1]), "eps must have the shape of x_t"),
        (lambda x: ancestral_step(x, x, 5, 4, ALPHA_BAR, x, variance="small"), 'variance must be "beta"'),
        (lambda x: ancestral_step(x, x, 5, 4, ALPHA_BAR, x, variance="learned"), "twice the channels"),
        (lambda x: next(sample(lambda x_t, t: x_t, (1, 2), ALPHA_BAR, levels=[])), "levels must rise within 1..100"),
        (lambda x: next(sample(lambda x_t, t: x_t, (1, 2), ALPHA_BAR, levels=[0, 5])), "levels must rise"),
        (lambda x: next(sample(lambda x_t, t: x_t, (1, 2), ALPHA_BAR, levels=[9, 5])), "levels must rise"),
        (lambda x: next(sample(lambda x_t, t: x_t, (1, 2), ALPHA_BAR, levels=[101])), "levels must rise"),
        (lambda x: last([]), "at least one state"),
        (lambda x: schedules.spaced(10, 11), "num_steps must lie in 1..10, got 11"),
    ],
)
def test_steps_that_make_no_sense_are_refused(call, words):
    """The message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        call(normal(2, 2))
