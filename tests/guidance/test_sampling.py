"""Guided models: any sampler runs them, they go where they should, and they count what they cost."""

import pytest
import torch

from lib import ddim, ddpm
from lib.data import GaussianMixture
from lib.ddpm import ExactModel, last, predict_eps, schedules
from lib.guidance import (
    CFGModel,
    ClassifierGuided,
    ClassUNet,
    EnergyGuided,
    ExactClassifier,
    ExactClassModel,
    change_eps,
    guide,
    labelled,
    rescale,
)

ALPHA_BAR = schedules.cosine(50)
SMALL = {"channels": 8, "multipliers": (1, 2), "attention_resolutions": (), "size": 16, "num_heads": 2}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**changes) -> ClassUNet:
    torch.manual_seed(0)
    model = ClassUNet(5, **SMALL | changes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator(1)))
    return model


def end_of(sampler, model, num: int = 300, **settings) -> torch.Tensor:
    levels = schedules.spaced(50, 25)
    return last(sampler.sample(model, (num, 2), ALPHA_BAR, generator(), levels=levels, **settings)).x_t.double()


def share_in(data, y: int, x: torch.Tensor) -> float:
    return (data.log_class_prob(x, 1.0).argmax(1) == y).double().mean().item()


@pytest.mark.parametrize("sampler", [ddim, ddpm], ids=["ddim", "ddpm"])
@pytest.mark.parametrize("kind", ["free", "classifier"])
def test_samplers_run_guided_models_unchanged_and_they_reach_the_class(sampler, kind):
    """Scale 0 leaves the share of the class as it is in the data, scale 1 fills it, whichever way it comes about."""
    data, y = labelled("mixture"), 2
    exact, classifier = ExactClassModel(data, ALPHA_BAR), ExactClassifier(data, ALPHA_BAR)
    shares = []
    for s in (0.0, 1.0, 3.0):
        model = (
            CFGModel(exact, y, s) if kind == "free" else ClassifierGuided(exact, classifier, y, s, alpha_bar=ALPHA_BAR)
        )
        shares.append(share_in(data, y, end_of(sampler, model)))
    assert shares[0] == pytest.approx(data.shares[y].item(), abs=0.08)
    assert shares[1] > 0.97 and shares[2] == 1


def test_large_scales_draw_the_class_together_and_away_from_the_others():
    """A class that overlaps others: at scale 4 its samples are narrower than the class, and their middle moves off.
    Guidance is not conditional sampling.
    """
    data, y = labelled("mixture"), 1
    model = ExactClassModel(data, ALPHA_BAR)
    at_1, at_4 = (end_of(ddim, CFGModel(model, y, s), 500) for s in (1.0, 4.0))
    truth = data.given(y)
    spread_of = lambda x: x.T.cov().diagonal().sum().sqrt().item()  # noqa: E731
    assert spread_of(at_1) == pytest.approx(truth.cov.diagonal().sum().sqrt().item(), rel=0.12)
    assert spread_of(at_4) < 0.9 * spread_of(at_1)
    told = [data.log_class_prob(x, 1.0)[:, y].exp().mean() for x in (at_1, at_4)]
    assert told[1] > told[0]


def test_scale_0_and_1_need_one_call_and_every_other_scale_two():
    """One call of a batch of twice the length counts as two; the interval saves calls where it does not guide."""
    model, x_t = small(), torch.randn(3, 3, 16, 16, generator=generator())
    for s, calls in ((0.0, 1), (1.0, 1), (3.0, 2)):
        guided = CFGModel(model, torch.tensor([0, 1, 4]), s)
        with torch.no_grad():
            guided(x_t, torch.full((3,), 9))
        assert (guided.num_calls, guided.num_backward) == (calls, 0)
    seen = []
    spy = lambda x, t, y: seen.append((len(x), y.tolist())) or x  # noqa: E731
    spy.null_label = 5
    guided = CFGModel(spy, 2, 3.0, levels=(10, 20))
    for t in (9, 10, 20, 21):
        guided(x_t, torch.full((3,), t))
    assert guided.num_calls == 1 + 2 + 2 + 1
    assert [num for num, _ in seen] == [3, 6, 6, 3] and seen[1][1] == [5, 5, 5, 2, 2, 2] and seen[0][1] == [2, 2, 2]


def test_classifier_and_energy_guidance_cost_a_backward_pass():
    """Denoiser, classifier, and back through the classifier; or denoiser and back through the denoiser."""
    data, x_t, t = labelled("mixture"), torch.randn(4, 2, generator=generator()), torch.full((4,), 9)
    exact, classifier = ExactClassModel(data, ALPHA_BAR), ExactClassifier(data, ALPHA_BAR)
    by_classifier = ClassifierGuided(exact, classifier, 0, 2.0, alpha_bar=ALPHA_BAR)
    by_energy = EnergyGuided(lambda x_t, t: 0.5 * x_t, lambda x: x.square().sum(1), 1.0, alpha_bar=ALPHA_BAR)
    off = ClassifierGuided(exact, classifier, 0, 0.0, alpha_bar=ALPHA_BAR)
    for model in (by_classifier, by_energy, off):
        model(x_t, t)
    assert (by_classifier.num_calls, by_classifier.num_backward) == (2, 1)
    assert (by_energy.num_calls, by_energy.num_backward) == (1, 1)
    assert (off.num_calls, off.num_backward) == (1, 0)


@pytest.mark.parametrize("target", ["eps", "x_0", "v"])
def test_a_network_is_guided_alike_whatever_it_answers(target):
    """One call of a doubled batch equals two calls put together by hand, in noise."""
    model, x_t, t, y = (
        small(),
        torch.randn(2, 3, 16, 16, generator=generator()),
        torch.tensor([9, 40]),
        torch.tensor([1, 3]),
    )
    with torch.no_grad():
        guided = predict_eps(x_t, CFGModel(model, y, 2.5)(x_t, t), t, ALPHA_BAR, target)
        uncond, cond = (
            predict_eps(x_t, model(x_t, t, label), t, ALPHA_BAR, target) for label in (torch.tensor([5, 5]), y)
        )
    torch.testing.assert_close(guided, guide(uncond, cond, 2.5), rtol=1e-3, atol=1e-3)


def test_the_variance_of_a_network_is_that_of_the_label():
    """All channels of the picture are guided, and none of those that speak about the variance."""
    model, x_t, t = small(learned_variance=True), torch.randn(2, 3, 16, 16, generator=generator()), torch.tensor([9, 9])
    y = torch.tensor([1, 3])
    with torch.no_grad():
        found, cond, uncond = CFGModel(model, y, 4.0)(x_t, t), model(x_t, t, y), model(x_t, t)
    torch.testing.assert_close(found[:, 3:], cond[:, 3:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[:, :3], guide(uncond, cond, 4.0)[:, :3], rtol=1e-4, atol=1e-4)


def test_rescaling_inside_the_model_is_rescaling_of_its_answer():
    """Share 0.5 of the way back to the spread of the answer for the label."""
    model, x_t, t = small(), torch.randn(2, 3, 16, 16, generator=generator()), torch.tensor([9, 9])
    y = torch.tensor([1, 3])
    with torch.no_grad():
        found = CFGModel(model, y, 6.0, rescale_share=0.5)(x_t, t)
        uncond, cond = model(x_t, t), model(x_t, t, y)
    torch.testing.assert_close(found, rescale(guide(uncond, cond, 6.0), cond, 0.5), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("target", ["eps", "x_0", "v", "score"])
@pytest.mark.parametrize("num_answers", [1, 2])
def test_a_change_of_the_noise_is_translated_into_every_answer(target, num_answers):
    """Convert to noise before and after: the difference is the change; a second half stays as it is."""
    x_t, output, change = torch.randn(3, 2, 4, 3, generator=generator(), dtype=torch.float64)
    t, full = torch.tensor([3, 40]), torch.cat([output] * num_answers, dim=1)
    changed = change_eps(full, change, x_t, t, ALPHA_BAR, target)
    before, after = (predict_eps(x_t, part[:, :4], t, ALPHA_BAR, target) for part in (full, changed))
    torch.testing.assert_close(after - before, change)
    assert torch.equal(changed[:, 4:], full[:, 4:])
    with pytest.raises(ValueError, match="target must be one of eps, x_0, v, score, got 'noise'"):
        change_eps(full, change, x_t, t, ALPHA_BAR, "noise")


@pytest.mark.parametrize("target", ["eps", "v"])
def test_an_energy_of_the_estimate_is_followed_through_the_denoiser(target):
    """For N(0, v) data x_0_hat = gain · x_t; with E = |x - c|² / 2 the change of the noise is known."""
    v, c, t, s = 0.7, 0.4, 30, 2.0
    data = GaussianMixture(torch.ones(1), torch.zeros(1, 2), v * torch.eye(2)[None])
    a = ALPHA_BAR[t]
    gain = a.sqrt() * v / (a * v + 1 - a)
    exact = ExactModel(data, ALPHA_BAR, target)

    def linear(x_t, t):  # the exact answer, written so that autograd can follow it
        return ddpm.convert(x_t, gain * x_t, t, ALPHA_BAR, "x_0", target)

    x_t, levels = torch.randn(5, 2, generator=generator(), dtype=torch.float64), torch.full((5,), t)
    torch.testing.assert_close(linear(x_t, levels), exact(x_t, levels))
    model = EnergyGuided(linear, lambda x: (x - c).square().sum(1) / 2, s, alpha_bar=ALPHA_BAR, target=target)
    change = predict_eps(x_t, model(x_t, levels), levels, ALPHA_BAR, target)
    change = change - predict_eps(x_t, linear(x_t, levels), levels, ALPHA_BAR, target)
    torch.testing.assert_close(change, s * (1 - a).sqrt() * gain * (gain * x_t - c))


def test_an_energy_draws_samples_to_where_it_is_low():
    """Points of a wide Gaussian, and a wish for the right half: the mean of x moves right, and more so at scale 4."""
    linear = lambda x_t, t: ddpm.convert(  # noqa: E731 (N(0, 1) data: the estimate is sqrt(alpha-bar) x_t)
        x_t, x_t * ALPHA_BAR[t].sqrt()[:, None].to(x_t.dtype), t, ALPHA_BAR, "x_0", "eps"
    )
    means = [
        end_of(ddim, EnergyGuided(linear, lambda x: -x[:, 0], s, alpha_bar=ALPHA_BAR)).mean(0) for s in (0.0, 1.0, 2.0)
    ]
    assert abs(means[0][0]) < 0.15 and means[1][0] > means[0][0] + 0.5 and means[2][0] > means[1][0] + 0.5
    assert abs(means[2][1] - means[0][1]) < 1e-4


def test_one_label_serves_all_rows_and_another_number_is_refused():
    """Three rows take one label or three."""
    model, x_t, t = small(), torch.zeros(3, 3, 16, 16), torch.full((3,), 9)
    with torch.no_grad():
        assert torch.equal(CFGModel(model, 2, 1.0)(x_t, t), CFGModel(model, torch.tensor([2, 2, 2]), 1.0)(x_t, t))
    with pytest.raises(ValueError, match="y must be one label or one for each of the 3 rows, got 2"):
        CFGModel(model, torch.tensor([1, 2]), 1.0)(x_t, t)
    with pytest.raises(ValueError, match=r"energy must give one number for each picture, got shape \(\)"):
        EnergyGuided(lambda x, t: x, lambda x: x.sum(), 1.0, alpha_bar=ALPHA_BAR)(x_t, t)


def test_the_gradient_reaches_the_classifier_at_the_noisy_picture_under_no_grad():
    """Samplers run without gradients; the guided model switches them on for itself alone."""
    data, x_t = labelled("mixture"), torch.randn(4, 2, generator=generator(), dtype=torch.float64)
    model = ClassifierGuided(
        ExactClassModel(data, ALPHA_BAR), ExactClassifier(data, ALPHA_BAR), 1, 2.0, alpha_bar=ALPHA_BAR
    )
    with torch.no_grad():
        found = model(x_t, torch.full((4,), 12))
    assert not found.requires_grad
    plain = ExactClassModel(data, ALPHA_BAR)(x_t, torch.full((4,), 12))
    expected = plain - 2 * (1 - ALPHA_BAR[12]).sqrt() * data.class_grad(x_t, 1, ALPHA_BAR[12])
    torch.testing.assert_close(found, expected)
