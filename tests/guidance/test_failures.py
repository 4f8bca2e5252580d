"""Every failure is broken in the way described, and its number tells it from the right thing."""

import pytest
import torch

from lib.ddim import sample
from lib.ddpm import last, q_sample, schedules
from lib.guidance import (
    CFGModel,
    ClassPointMLP,
    ExactClassifier,
    ExactClassModel,
    cfg_loss,
    classifier_guided_eps,
    guide,
    labelled,
    log_prob_grad,
)
from lib.guidance.failures import (
    BrokenGuided,
    as_if_clean,
    at_the_estimate,
    grad_agreement,
    guided_channels,
    largest_share,
    null_gap,
    overshoot,
    plus_sign,
    relative_strength,
    sigma_for_noise,
    some_channels_only,
    variance_guided_too,
)
from lib.guidance.quality import saturation
from lib.training import fit

ALPHA_BAR = schedules.cosine(50)
DATA, Y = labelled("mixture"), 2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def share_reached(scale: float = 1.0, **broken) -> float:
    """Share of samples that end in the wanted class, which has 0.2 of the data."""
    model = BrokenGuided(
        ExactClassModel(DATA, ALPHA_BAR), ExactClassifier(DATA, ALPHA_BAR), Y, scale, alpha_bar=ALPHA_BAR, **broken
    )
    x = last(sample(model, (200, 2), ALPHA_BAR, generator(), levels=schedules.spaced(50, 25))).x_t.double()
    return (DATA.log_class_prob(x, 1.0).argmax(1) == Y).double().mean().item()


def test_nothing_is_broken_with_the_right_rule():
    """The scaffold of the failures is sound: all samples reach the class."""
    assert share_reached() > 0.97


def test_plus_drives_samples_out_of_the_class():
    """Fewer reach it than without any guidance, and the push is exactly the opposite one."""
    assert share_reached(rule=plus_sign) < 0.05
    eps_hat, grad = torch.randn(2, 4, 2, generator=generator())
    pushes = [rule(eps_hat, grad, 9, ALPHA_BAR, 2.0) - eps_hat for rule in (plus_sign, classifier_guided_eps)]
    assert relative_strength(*pushes) == pytest.approx(-1, abs=1e-5)


def test_the_noise_of_a_step_is_several_times_too_weak():
    """sqrt(beta_tilde) over sqrt(1 - alpha-bar): 0.1 in the middle of DDPM's 1000 steps; and nothing at t = 1."""
    linear = schedules.linear(1000)
    eps_hat, grad = torch.randn(2, 4, 2, generator=generator(), dtype=torch.float64)

    def strength(t: int) -> float:
        pushes = [rule(eps_hat, grad, t, linear, 2.0) - eps_hat for rule in (sigma_for_noise, classifier_guided_eps)]
        return relative_strength(*pushes)

    assert strength(500) == pytest.approx(0.1, abs=0.01)
    assert strength(2) < 1 and strength(1000) == pytest.approx(0.02**0.5, abs=0.001)
    assert share_reached(rule=sigma_for_noise) < 0.8


@pytest.mark.parametrize("ask", [as_if_clean, at_the_estimate])
def test_a_gradient_at_the_wrong_point_is_far_too_strong(ask):
    """A classifier of clean pictures shown noisy ones, or asked at the estimate without the way back through it: right
    near the data, more than ten times too strong in the middle.
    """
    model, classifier = ExactClassModel(DATA, ALPHA_BAR), ExactClassifier(DATA, ALPHA_BAR)
    strength = {}
    for t in (2, 20, 48):
        x_0, _ = DATA.sample(300, generator())
        x_t = q_sample(x_0, t, torch.randn(300, 2, generator=generator(1), dtype=torch.float64), ALPHA_BAR)
        levels, y = torch.full((300,), t), torch.full((300,), Y)
        right = log_prob_grad(classifier, x_t, levels, y)
        found = log_prob_grad(classifier, *ask(x_t, model(x_t, levels), levels, ALPHA_BAR), y)
        strength[t] = relative_strength(found, right)
        assert relative_strength(right, right) == pytest.approx(1) and grad_agreement(found, right) > 0.8
    assert strength[2] == pytest.approx(1, abs=0.2) and strength[20] > 10 and strength[48] > 300


def test_samples_of_a_classifier_that_knows_no_noise_fly_away():
    """Few of them end in the class: the first steps throw them far out of the picture."""
    assert share_reached(ask=as_if_clean) < 0.3


def test_the_scale_that_each_channel_got_shows_which_were_left_out():
    """Three of four: 5, 5, 5 and 1. All of them: 5 everywhere."""
    uncond, cond = torch.randn(2, 2, 4, 8, 8, generator=generator())
    broken = some_channels_only(uncond, cond, 5.0)
    torch.testing.assert_close(guided_channels(broken, uncond, cond), torch.tensor([5.0, 5.0, 5.0, 1.0]))
    torch.testing.assert_close(guided_channels(guide(uncond, cond, 5.0), uncond, cond), torch.full((4,), 5.0))


def test_guiding_the_variance_drives_its_share_out_of_range():
    """The right model hands on the label's own share; extrapolated by 8 it is no share any more."""
    x_t = torch.zeros(2, 2)
    model = lambda x, t, y: torch.cat([x, torch.where(y == 3, -0.5, 0.6)[:, None].expand(-1, 2)], dim=1)  # noqa: E731
    model.null_label = 3
    t, y = torch.tensor([4, 4]), torch.tensor([0, 1])
    right = CFGModel(model, y, 8.0)(x_t, t)
    broken = variance_guided_too(model(x_t, t, torch.tensor([3, 3])), model(x_t, t, y), 8.0)
    assert largest_share(right, x_t) == pytest.approx(0.6) and largest_share(broken, x_t) > 5
    assert largest_share(x_t, x_t) == 0


def trained(drop_prob: float) -> ClassPointMLP:
    """A small network on the mixture, a second of training."""
    torch.manual_seed(0)
    model = ClassPointMLP(3, hidden=32, num_layers=2)

    def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        x_0, y = DATA.sample(128, generator(step))
        return x_0.float(), y

    loss = lambda m, b, g: cfg_loss(m, b, g, alpha_bar=ALPHA_BAR, drop_prob=drop_prob)  # noqa: E731
    for _ in fit(model, loss, batch, 120, lr=1e-2, precision="fp32"):
        pass
    return model.eval()


def test_a_null_label_that_was_never_trained_answers_nonsense():
    """Without dropping, the error without the label is several times the one with it; with dropping it is closer, and
    what is left is what the label tells.
    """
    x_0, y = DATA.sample(2000, generator(9))
    eps, t = torch.randn(2000, 2, generator=generator(10)), torch.randint(1, 51, (2000,), generator=generator(11))
    x_t = q_sample(x_0.float(), t, eps, ALPHA_BAR)
    excess = {}
    for share in (0.0, 0.3):
        without, told = null_gap(trained(share), x_t, t, eps, y)
        excess[share] = without / told
    assert excess[0.3] < 2 and excess[0.0] > 1.4 * excess[0.3], excess


def test_large_scales_leave_the_range_and_saturate():
    """The unclipped estimate overshoots in proportion, and clipped pictures lie at the ends of the range."""
    alpha_bar, t = ALPHA_BAR, 30
    x_t = 0.3 * torch.randn(2, 3, 8, 8, generator=generator())
    uncond, cond = 0.3 * torch.randn(2, 2, 3, 8, 8, generator=generator(1))
    far = [overshoot(x_t, guide(uncond, cond, s), t, alpha_bar, "x_0") for s in (1.0, 10.0)]
    assert far[0] < 2 < 4 < far[1]
    shares = [saturation(guide(uncond, cond, s).clamp(-1, 1)) for s in (1.0, 10.0)]
    assert shares[0] < 0.02 and shares[1] > 0.5
