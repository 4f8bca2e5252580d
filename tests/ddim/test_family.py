"""The family of joint distributions: its marginals are DDPM's, whatever the fresh noise."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.ddim import eta_sigma, forward_kernel, loss_weight, mean_coefficients, q_sigma
from lib.ddpm import posterior, schedules

ALPHA_BAR = schedules.shortened_linear(100)
PAIRS = [(2, 1), (50, 49), (100, 20), (1, 0), (70, 0)]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(share=st.floats(0, 1), t=st.integers(1, 100), gap=st.integers(1, 100))
def test_the_marginal_of_the_cleaner_level_does_not_depend_on_the_noise(share, t, gap):
    """Linear algebra of Gaussians: mean a + b sqrt(alpha_bar_t), variance b² (1 - alpha_bar_t) + sigma²."""
    s = max(0, t - gap)
    above, below = ALPHA_BAR[t], ALPHA_BAR[s]
    sigma_step = share * (1 - below).sqrt()
    to_x_0, to_x_t = mean_coefficients(ALPHA_BAR, t, sigma_step, s)
    torch.testing.assert_close(to_x_0 + to_x_t * above.sqrt(), below.sqrt(), atol=1e-12, rtol=0)
    torch.testing.assert_close(to_x_t**2 * (1 - above) + sigma_step**2, 1 - below, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_the_mean_is_the_scaled_picture_plus_a_step_along_the_noise(t, s):
    """Eq. 7 of the paper, written as it stands there."""
    x_0, x_t = normal(3, 2, 4, 4), normal(3, 2, 4, 4, seed=1)
    above, below = ALPHA_BAR[t], ALPHA_BAR[s]
    sigma_step = 0.6 * (1 - below).sqrt()
    noise = (x_t - above.sqrt() * x_0) / (1 - above).sqrt()
    mean, variance = q_sigma(x_0, x_t, t, ALPHA_BAR, sigma_step, s)
    torch.testing.assert_close(mean, below.sqrt() * x_0 + (1 - below - sigma_step**2).sqrt() * noise)
    torch.testing.assert_close(variance.squeeze(), sigma_step**2)


@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_with_the_noise_of_ddpm_the_step_is_its_posterior(t, s):
    """sigma² = beta_tilde makes the member of the family that chapter 4 walked."""
    x_0, x_t = normal(3, 2), normal(3, 2, seed=1)
    ours, theirs = q_sigma(x_0, x_t, t, ALPHA_BAR, eta_sigma(ALPHA_BAR, t, s), s), posterior(x_0, x_t, t, ALPHA_BAR, s)
    torch.testing.assert_close(ours.mean, theirs.mean, atol=1e-12, rtol=0)
    torch.testing.assert_close(ours.variance, theirs.variance, atol=1e-12, rtol=0)


def test_without_fresh_noise_the_true_picture_stays_on_its_own_line():
    """q_sigma of x_t made from x_0 and eps is x_s made from the same x_0 and the same eps."""
    x_0, eps = normal(3, 2), normal(3, 2, seed=1)
    x_t, x_s = (ALPHA_BAR[t].sqrt() * x_0 + (1 - ALPHA_BAR[t]).sqrt() * eps for t in (80, 30))
    torch.testing.assert_close(q_sigma(x_0, x_t, 80, ALPHA_BAR, 0.0, 30).mean, x_s)


def test_all_the_noise_there_is_room_for_forgets_x_t():
    """At the bound the coefficient of x_t is 0: x_s is drawn anew from q(x_s | x_0)."""
    _, to_x_t = mean_coefficients(ALPHA_BAR, 40, (1 - ALPHA_BAR[39]).sqrt())
    assert to_x_t.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("share", "fits"), [(1.0, True), (1.001, False), (-0.1, False)])
def test_more_noise_than_the_level_holds_is_refused(share, fits):
    """Its square root would be imaginary; the message names the bound."""
    x, sigma_step = normal(2, 2), share * (1 - ALPHA_BAR[39]).sqrt()
    if fits:
        q_sigma(x, x, 40, ALPHA_BAR, sigma_step)
    else:
        with pytest.raises(ValueError, match="0 <= sigma_step² <= 1 - alpha_bar_s"):
            q_sigma(x, x, 40, ALPHA_BAR, sigma_step)


def test_the_last_step_has_no_room_for_noise():
    """Level 0 holds none, so sigma must be 0 there and the mean is x_0."""
    x_0, x_t = normal(2, 2), normal(2, 2, seed=1)
    torch.testing.assert_close(q_sigma(x_0, x_t, 1, ALPHA_BAR, 0.0).mean, x_0)
    with pytest.raises(ValueError, match="sigma_step"):
        q_sigma(x_0, x_t, 1, ALPHA_BAR, 0.01)


def test_a_batch_of_levels_is_a_batch_of_steps():
    """One level and one noise for each row."""
    x_0, x_t, t = normal(3, 2, 2), normal(3, 2, 2, seed=1), torch.tensor([5, 50, 100])
    sigma_step = eta_sigma(ALPHA_BAR, t, t - 1, 0.5)
    together = q_sigma(x_0, x_t, t, ALPHA_BAR, sigma_step)
    for row, level in enumerate(t.tolist()):
        alone = q_sigma(x_0[[row]], x_t[[row]], level, ALPHA_BAR, sigma_step[row].item())
        torch.testing.assert_close(together.mean[[row]], alone.mean)
        torch.testing.assert_close(together.variance[[row]], alone.variance)


def test_pictures_of_two_shapes_are_refused():
    """Broadcasting would mix pictures up."""
    with pytest.raises(ValueError, match="x_t must have the shape of x_0"):
        q_sigma(normal(3, 2), normal(3, 1), 5, ALPHA_BAR, 0.0)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_way_up_and_the_way_down_are_one_joint_distribution(share):
    """The covariance of (x_t, x_s) given x_0 comes out the same from either side."""
    t, s = 60, 40
    above, below = ALPHA_BAR[t], ALPHA_BAR[s]
    sigma_step = share * (1 - below).sqrt()
    _, to_x_t = mean_coefficients(ALPHA_BAR, t, sigma_step, s)
    up = forward_kernel(ALPHA_BAR, t, sigma_step, s)
    torch.testing.assert_close(up.to_x_s * (1 - below), to_x_t * (1 - above))
    torch.testing.assert_close(up.to_x_s * below.sqrt() + up.to_x_0, above.sqrt())
    torch.testing.assert_close(up.to_x_s**2 * (1 - below) + up.variance, 1 - above)


def test_only_the_noise_of_ddpm_makes_the_way_up_a_markov_chain():
    """There the step up is sqrt(alpha) x_s plus noise beta; with any other noise it needs to know x_0."""
    t = torch.arange(2, 101)
    alpha = ALPHA_BAR[t] / ALPHA_BAR[t - 1]
    ddpm = forward_kernel(ALPHA_BAR, t, eta_sigma(ALPHA_BAR, t, t - 1))
    torch.testing.assert_close(ddpm.to_x_0, torch.zeros(99, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(ddpm.to_x_s, alpha.sqrt())
    torch.testing.assert_close(ddpm.variance, 1 - alpha)
    for eta in (0.0, 0.5, 0.9):
        assert (forward_kernel(ALPHA_BAR, t, eta_sigma(ALPHA_BAR, t, t - 1, eta)).to_x_0.abs() > 1e-4).all()


def test_there_is_no_pair_at_level_zero():
    """x_s is x_0 there."""
    with pytest.raises(ValueError, match="s must be at least 1"):
        forward_kernel(ALPHA_BAR, 1, 0.0)


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_the_weight_is_the_kl_divergence_of_two_steps(eta):
    """KL of Gaussians with one variance: squared distance of the means over 2 sigma²; the means differ by a x_0."""
    t, s, eps, eps_hat = 60, 45, normal(1, 5), normal(1, 5, seed=1)
    sigma_step, x_0 = eta_sigma(ALPHA_BAR, t, s, eta), normal(1, 5, seed=2)
    above = ALPHA_BAR[t]
    x_t = above.sqrt() * x_0 + (1 - above).sqrt() * eps
    x_0_hat = (x_t - (1 - above).sqrt() * eps_hat) / above.sqrt()
    means = [q_sigma(x, x_t, t, ALPHA_BAR, sigma_step, s).mean for x in (x_0, x_0_hat)]
    kl = (means[0] - means[1]).square().sum() / (2 * sigma_step**2)
    torch.testing.assert_close(loss_weight(ALPHA_BAR, t, sigma_step, s) * (eps - eps_hat).square().sum(), kl)


def test_with_the_noise_of_ddpm_the_weight_is_that_of_its_bound():
    """beta² / (2 beta_tilde alpha (1 - alpha_bar)): eq. 12 of the DDPM paper."""
    t = torch.arange(2, 101)
    beta, tilde = schedules.betas(ALPHA_BAR)[t], schedules.beta_tilde(ALPHA_BAR)[t]
    expected = beta**2 / (2 * tilde * (1 - beta) * (1 - ALPHA_BAR[t]))
    torch.testing.assert_close(loss_weight(ALPHA_BAR, t, eta_sigma(ALPHA_BAR, t, t - 1)), expected)


def test_the_first_level_has_the_weight_of_the_decoder():
    """-log p(x_0 | x_1) with variance sigma²: (1 - alpha_bar_1) / (2 sigma² alpha_bar_1)."""
    found, level = loss_weight(ALPHA_BAR, 1, 0.1), ALPHA_BAR[1]
    torch.testing.assert_close(found, (1 - level) / (2 * 0.01 * level))
    both = loss_weight(ALPHA_BAR, torch.tensor([1, 60]), torch.tensor([0.1, 0.1]))
    torch.testing.assert_close(both, torch.stack([found, loss_weight(ALPHA_BAR, 60, 0.1)]), rtol=1e-6, atol=0)


def test_without_noise_there_is_no_weight():
    """The bound of a deterministic member is infinite."""
    with pytest.raises(ValueError, match="sigma_step must be positive"):
        loss_weight(ALPHA_BAR, 5, 0.0)
