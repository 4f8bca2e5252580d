"""Closed forms in the plane: Bayes' rule for scores, the perfect networks, the density that guidance follows."""

import pytest
import torch

from lib.data import GaussianMixture
from lib.ddpm import schedules
from lib.guidance import (
    CFGModel,
    ClassifierGuided,
    ExactClassifier,
    ExactClassModel,
    GuidedDensity,
    LabelledMixture,
    guide,
    labelled,
    log_prob_grad,
)

ALPHA_BAR = schedules.cosine(50)
NAMES = ("mixture", "gaussians8")


def points(num: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randn(num, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("t", [1, 20, 50])
def test_bayes_rule_holds_for_densities_and_for_scores(name, t):
    """log q(x_t | y) = log q(x_t) + log q(y | x_t) - log q(y) for every class; G03, and G04 for the gradient, whose
    other side is taken by autograd.
    """
    data, x_t, level = labelled(name), points(), ALPHA_BAR[t]
    told = data.log_class_prob(x_t, level)
    torch.testing.assert_close(told.exp().sum(1), torch.ones(40).double())
    for y in range(data.num_classes):
        left = data.given(y).diffused(level).log_prob(x_t)
        right = data.mixture.diffused(level).log_prob(x_t) + told[:, y] - data.shares[y].log()
        torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)
        grad = log_prob_grad(ExactClassifier(data, ALPHA_BAR), x_t, torch.full((40,), t), torch.full((40,), y))
        torch.testing.assert_close(data.class_grad(x_t, y, level), grad, rtol=1e-9, atol=1e-9)


def test_shares_and_samples_of_classes_agree():
    """gaussians8 in four equal pairs; points of class y are likeliest in class y where nothing overlaps."""
    data = labelled("gaussians8")
    torch.testing.assert_close(data.shares, torch.full((4,), 0.25).double())
    x_0, y = data.sample(400, torch.Generator().manual_seed(0))
    assert (data.log_class_prob(x_0, 1.0).argmax(1) == y).double().mean() > 0.99


@pytest.mark.parametrize("target", ["eps", "x_0", "v"])
def test_the_perfect_networks_make_both_kinds_of_guidance_one(target):
    """With the true classifier and the true conditional denoiser the two guided answers are equal: G10."""
    data, x_t, t = labelled("mixture"), points(6), torch.tensor([1, 1, 9, 30, 49, 50])
    model, y = ExactClassModel(data, ALPHA_BAR, target), torch.tensor([0, 1, 2, 0, 1, 2])
    free = CFGModel(model, y, 3.0)(x_t, t)
    by_classifier = ClassifierGuided(
        model, ExactClassifier(data, ALPHA_BAR), y, 3.0, alpha_bar=ALPHA_BAR, target=target
    )(x_t, t)
    torch.testing.assert_close(free, by_classifier, rtol=1e-6, atol=1e-6)


def test_the_perfect_network_without_a_label_averages_those_with_one():
    """E[eps | x_t] is the mean of E[eps | x_t, y] over q(y | x_t): what the null label is trained to."""
    data, x_t, t = labelled("mixture"), points(30), torch.full((30,), 22)
    model = ExactClassModel(data, ALPHA_BAR)
    told = torch.stack([model(x_t, t, torch.full((30,), y)) for y in range(3)], dim=1)
    weights = data.log_class_prob(x_t, ALPHA_BAR[22]).exp()
    torch.testing.assert_close((weights[..., None] * told).sum(1), model(x_t, t))
    torch.testing.assert_close(model(x_t, t, torch.full((30,), model.null_label)), model(x_t, t))


@pytest.mark.parametrize("s", [0.0, 1.0, 2.5])
def test_the_guided_score_is_that_of_the_guided_density(s):
    """Score plus s times the classifier's gradient is the gradient of log q q(y|x)^s, by autograd: G05."""
    density = GuidedDensity(labelled("mixture"), 1, s, ALPHA_BAR[15].item())
    x = points(20).requires_grad_()
    (grad,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    torch.testing.assert_close(density.score(x.detach()), grad, rtol=1e-9, atol=1e-9)


def test_scale_1_is_the_class_and_scale_0_everything():
    """Up to the constant, q(x_t) q(y|x_t)^s is q(x_t | y) at s = 1 and q(x_t) at s = 0."""
    data, x, level = labelled("mixture"), points(20), 0.5
    for s, right in ((1.0, data.given(2)), (0.0, data.mixture)):
        apart = GuidedDensity(data, 2, s, level).log_prob(x) - right.diffused(level).log_prob(x)
        torch.testing.assert_close(apart, apart[0].expand(20), rtol=1e-9, atol=1e-9)


def test_no_data_exist_whose_noised_versions_are_guided():
    """G12: for s = 4 the density at a noisy level is not the noised version of the one at level 0. Their variances
    differ, and agree for s = 1.
    """
    data = LabelledMixture(
        GaussianMixture(
            torch.tensor([0.5, 0.5]), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.eye(2).repeat(2, 1, 1)
        ),
        (0, 1),
    )
    level = 0.5

    def variance(s: float, alpha_bar_t: float) -> float:
        x, share = GuidedDensity(data, 1, s, alpha_bar_t).on_grid(9.0, 300)
        mean = (share * x[..., 0]).sum()
        return (share * (x[..., 0] - mean) ** 2).sum().item()

    noised = {s: level * variance(s, 1.0) + 1 - level for s in (1.0, 4.0)}
    assert variance(1.0, level) == pytest.approx(noised[1.0], abs=1e-6)
    assert abs(variance(4.0, level) - noised[4.0]) > 0.01


def test_the_grid_is_a_probability():
    """Shares sum to 1 and follow the density; x runs along the columns."""
    density = GuidedDensity(labelled("gaussians8"), 0, 2.0)
    x, share = density.on_grid(3.0, 31)
    assert share.sum().item() == pytest.approx(1) and x[0, 1, 0] > x[0, 0, 0] and x[1, 0, 1] > x[0, 0, 1]
    assert torch.equal(density.log_prob(x).flatten().argmax(), share.flatten().argmax())


def test_wrong_classes_are_refused():
    """One class for each component, numbered without a gap."""
    mixture = labelled("mixture").mixture
    with pytest.raises(ValueError, match="a class for each of the 3 components, got 2"):
        LabelledMixture(mixture, (0, 1))
    with pytest.raises(ValueError, match=r"without a gap, got \[0, 2\]"):
        LabelledMixture(mixture, (0, 2, 2))
    with pytest.raises(ValueError, match=r"y must lie in 0\.\.2, got 3"):
        labelled("mixture").given(3)
    with pytest.raises(ValueError, match="name must be one of"):
        labelled("two_moons")


def test_guide_and_the_exact_model_meet_in_the_guided_density():
    """-sqrt(1 - alpha-bar) times the guided density's score is the guided noise: what a sampler is given."""
    data, x_t, t = labelled("mixture"), points(20), 18
    model, levels = ExactClassModel(data, ALPHA_BAR), torch.full((20,), 18)
    guided = guide(model(x_t, levels), model(x_t, levels, torch.zeros(20).long()), 3.0)
    score = GuidedDensity(data, 0, 3.0, ALPHA_BAR[t].item()).score(x_t)
    torch.testing.assert_close(guided, -(1 - ALPHA_BAR[t]).sqrt() * score, rtol=1e-8, atol=1e-8)
