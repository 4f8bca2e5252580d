"""The arithmetic of guidance: two conventions, two forms, and what came later."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.ddpm import ancestral_step, convert, posterior, predict_x_0, schedules
from lib.guidance import (
    classifier_guided_eps,
    classifier_guided_mean,
    from_w,
    guide,
    interval,
    mean_guided_step,
    rescale,
    to_w,
)

ALPHA_BAR = schedules.cosine(20)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_scale_0_is_without_the_label_and_scale_1_with_it():
    """The two ends of the line, exactly; at 2 the answer lies as far beyond as the two are apart."""
    uncond, cond = normal(2, 3, 2)
    assert torch.equal(guide(uncond, cond, 0.0), uncond)
    torch.testing.assert_close(guide(uncond, cond, 1.0), cond)
    torch.testing.assert_close(guide(uncond, cond, 2.0) - cond, cond - uncond)


@given(w=st.floats(-2, 10))
def test_both_conventions_are_one_line(w):
    """(1 + w) eps_c - w eps_u of Ho and Salimans is scale s = 1 + w of this course; the conversions undo each other."""
    uncond, cond = normal(2, 3, 2)
    torch.testing.assert_close(guide(uncond, cond, from_w(w)), (1 + w) * cond - w * uncond)
    assert to_w(from_w(w)) == pytest.approx(w, abs=1e-12)


def test_the_same_number_means_two_strengths():
    """3 on a slider: scale 3 is w = 2, and the two answers differ by once the difference."""
    uncond, cond = normal(2, 3, 2)
    torch.testing.assert_close(guide(uncond, cond, from_w(3.0)) - guide(uncond, cond, 3.0), cond - uncond)


@pytest.mark.parametrize("target", ["eps", "x_0", "v", "score"])
@pytest.mark.parametrize("t", [1, 7, 20])
def test_it_makes_no_difference_what_the_answers_estimate(target, t):
    """The shares add up to 1, and every conversion is a straight line at fixed x_t: combine first or convert first."""
    x_t, uncond, cond = normal(3, 2, 3, 4)
    in_eps = guide(*(convert(x_t, answer, t, ALPHA_BAR, target, "eps") for answer in (uncond, cond)), 3.5)
    combined = convert(x_t, guide(uncond, cond, 3.5), t, ALPHA_BAR, target, "eps")
    torch.testing.assert_close(combined, in_eps, rtol=1e-9, atol=1e-9)


def test_answers_of_two_shapes_are_refused():
    """Broadcasting would mix up pictures."""
    with pytest.raises(ValueError, match=r"eps_uncond and eps_cond must have one shape, got \(2, 3\) and \(2, 1\)"):
        guide(normal(2, 3), normal(2, 1), 2.0)
    with pytest.raises(ValueError, match="eps_hat and grad must have one shape"):
        classifier_guided_eps(normal(2, 3), normal(2, 1), 1, ALPHA_BAR, 1.0)


@pytest.mark.parametrize("t", [1, 9, 20])
def test_guided_noise_is_the_guided_score(t):
    """As scores: score + s grad, derivation G06. One line of arithmetic in float64."""
    x_t, eps_hat, grad = normal(3, 4, 2)
    guided = classifier_guided_eps(eps_hat, grad, t, ALPHA_BAR, 2.5)
    scores = [convert(x_t, eps, t, ALPHA_BAR, "eps", "score") for eps in (eps_hat, guided)]
    torch.testing.assert_close(scores[1], scores[0] + 2.5 * grad, rtol=1e-12, atol=1e-12)


def test_a_gradient_towards_a_class_moves_the_estimate_that_way():
    """The sign, seen from the picture: x_0_hat moves along the gradient, in the noise form and in the mean form."""
    x_t, eps_hat, grad = normal(3, 4, 2)
    moved = predict_x_0(x_t, classifier_guided_eps(eps_hat, grad, 5, ALPHA_BAR, 1.0), 5, ALPHA_BAR)
    moved = moved - predict_x_0(x_t, eps_hat, 5, ALPHA_BAR)
    expected = (1 - ALPHA_BAR[5]) / ALPHA_BAR[5].sqrt() * grad
    torch.testing.assert_close(moved, expected)
    torch.testing.assert_close(classifier_guided_mean(x_t, 0.3, grad, 2.0) - x_t, 0.6 * grad)


@pytest.mark.parametrize("t", [2, 9, 19])
def test_the_mean_form_and_the_noise_form_agree_up_to_one_root_of_alpha(t):
    """Noise form: the mean of DDPM's step moves by s beta_t / sqrt(alpha_t) grad; mean form, with variance beta_t, by
    s beta_t grad. Derivation G08.
    """
    x_t, eps_hat, grad = normal(3, 4, 2)
    none, s = torch.zeros_like(x_t), 1.7
    step = {"target": "eps", "variance": "beta"}
    plain = ancestral_step(x_t, eps_hat, t, t - 1, ALPHA_BAR, none, **step)
    guided = classifier_guided_eps(eps_hat, grad, t, ALPHA_BAR, s)
    by_noise = ancestral_step(x_t, guided, t, t - 1, ALPHA_BAR, none, **step) - plain
    by_mean = mean_guided_step(x_t, eps_hat, grad, t, t - 1, ALPHA_BAR, none, guidance_scale=s, **step) - plain
    alpha = ALPHA_BAR[t] / ALPHA_BAR[t - 1]
    torch.testing.assert_close(by_noise * alpha.sqrt(), by_mean)
    torch.testing.assert_close(by_mean, s * (1 - alpha) * grad)


def test_the_mean_form_does_not_move_the_last_step():
    """At s = 0 the step has no noise: nothing to move within, although a stand-in variance exists for the bound."""
    x_t, eps_hat, grad = normal(3, 4, 2)
    plain = ancestral_step(x_t, eps_hat, 1, 0, ALPHA_BAR, torch.zeros_like(x_t))
    assert torch.equal(
        mean_guided_step(x_t, eps_hat, grad, 1, 0, ALPHA_BAR, torch.zeros_like(x_t), guidance_scale=3.0), plain
    )


def test_the_mean_form_uses_the_learned_variance_of_the_network():
    """With raw = 1 it is beta, with raw = -1 beta_tilde: the push is in proportion."""
    x_t, eps_hat, grad = normal(3, 4, 2)
    t, pushes = 6, []
    for raw in (1.0, -1.0):
        output = torch.cat([eps_hat, torch.full_like(eps_hat, raw)], dim=1)
        settings = {"eps": torch.zeros_like(x_t), "variance": "learned"}
        guided, plain = (
            mean_guided_step(x_t, output, grad, t, t - 1, ALPHA_BAR, guidance_scale=s, **settings) for s in (1.0, 0.0)
        )
        pushes.append((guided - plain) / grad)
    torch.testing.assert_close(pushes[0], torch.full_like(x_t, schedules.betas(ALPHA_BAR)[t].item()))
    torch.testing.assert_close(pushes[1], torch.full_like(x_t, schedules.beta_tilde(ALPHA_BAR)[t].item()))


def test_a_tilted_gaussian_is_a_moved_gaussian():
    """N(mu, v) exp(s g (x - mu)) has its mean at mu + s v g: by quadrature, derivation G07."""
    mu, variance, g, s = 0.4, 0.3, -1.2, 2.0
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    weight = torch.exp(-((x - mu) ** 2) / (2 * variance) + s * g * (x - mu))
    mean = (weight * x).sum() / weight.sum()
    moved = classifier_guided_mean(torch.tensor([mu], dtype=x.dtype), variance, torch.tensor([g], dtype=x.dtype), s)
    assert mean.item() == pytest.approx(moved.item(), abs=1e-9)


def test_a_logarithm_for_a_variance_is_noticed():
    """Log variances are negative almost everywhere."""
    with pytest.raises(ValueError, match="variance must not be negative, got -2; is it a logarithm"):
        classifier_guided_mean(normal(2, 2), -2.0, normal(2, 2), 1.0)


def test_rescaling_brings_the_spread_back_picture_by_picture():
    """Share 1 gives every picture the spread of its own conditional answer, share 0 changes nothing."""
    guided, cond = 3 * normal(4, 3, 8, 8) * torch.arange(1, 5)[:, None, None, None], normal(4, 3, 8, 8, seed=1)
    torch.testing.assert_close(rescale(guided, cond, 1.0).flatten(1).std(1), cond.flatten(1).std(1))
    assert torch.equal(rescale(guided, cond, 0.0), guided)
    torch.testing.assert_close(rescale(guided, cond, 0.5), (guided + rescale(guided, cond, 1.0)) / 2)
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\], got 1.5"):
        rescale(guided, cond, 1.5)


def test_outside_the_interval_the_label_counts_once():
    """Both ends belong to it; a scale of 1 is the model that is told the label."""
    assert [interval(t, 4.0, 3, 5) for t in (2, 3, 5, 6)] == [1.0, 4.0, 4.0, 1.0]
    assert interval(torch.tensor([4, 4]), 4.0, 3, 5) == 4.0
    with pytest.raises(ValueError, match="low must not be above high, got 5 and 3"):
        interval(4, 4.0, 5, 3)
    with pytest.raises(ValueError, match="t must be the same for all rows"):
        interval(torch.tensor([3, 4]), 4.0, 3, 5)


def test_a_gaussian_guided_in_both_forms_ends_where_its_tilted_posterior_is():
    """One step of a Gaussian with a linear log p(y | x): p(x_s) exp(s g x) is Gaussian, and its mean is the guided."""
    x_0, x_t, g = normal(1, 3), normal(1, 3, seed=1), torch.tensor([[0.5, -1.0, 2.0]]).double()
    mean, variance = posterior(x_0, x_t, 8, ALPHA_BAR, 5)
    grid = torch.linspace(-12, 12, 6001, dtype=torch.float64)[:, None]
    log_weight = -((grid - mean) ** 2) / (2 * variance.item()) + 1.5 * g * grid
    expected = (log_weight.softmax(0) * grid).sum(0)
    torch.testing.assert_close(classifier_guided_mean(mean, variance, g, 1.5)[0], expected, atol=1e-8, rtol=0)
    assert math.isfinite(expected.sum())
