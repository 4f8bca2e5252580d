"""The losses: what dropping labels teaches, what it costs, and what the perfect networks pay."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.ddpm import schedules, simple_loss
from lib.guidance import ExactClassifier, ExactClassModel, cfg_loss, classifier_loss, drop_labels, labelled

ALPHA_BAR = schedules.cosine(50)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Spy:
    """A model that notes what it is asked and answers 0."""

    null_label = 4

    def __init__(self):
        self.calls = []

    def __call__(self, x_t, t, y):
        self.calls.append(y)
        return torch.zeros_like(x_t)


@given(share=st.sampled_from([0.0, 0.15, 0.5, 1.0]), seed=st.integers(0, 5))
def test_each_label_is_dropped_on_its_own_with_the_given_probability(share, seed):
    """Kept ones stay what they were; the share is right within four standard errors."""
    y = torch.arange(4).repeat(500)
    dropped = drop_labels(y, 4, share, generator(seed))
    assert ((dropped == y) | (dropped == 4)).all()
    assert (dropped == 4).double().mean().item() == pytest.approx(share, abs=4 * (0.25 / 2000) ** 0.5)
    if 0 < share < 1:
        assert len({(dropped[i : i + 4] == 4).sum().item() for i in range(0, 400, 4)}) > 2


def test_training_takes_one_call_for_each_picture():
    """No second answer is made, so that training costs what it costs without labels."""
    spy, batch = Spy(), (torch.randn(200, 2, generator=generator()), torch.arange(200) % 4)
    cfg_loss(spy, batch, generator(), alpha_bar=ALPHA_BAR, drop_prob=0.3)
    assert len(spy.calls) == 1 and spy.calls[0].shape == (200,)
    assert 30 < (spy.calls[0] == 4).sum() < 90


@pytest.mark.parametrize("target", ["eps", "v"])
def test_without_dropping_it_is_the_simple_loss_of_a_model_that_knows_its_label(target):
    """The same levels and noise, drawn after the labels."""
    data = labelled("mixture")
    x_0, y = data.sample(64, generator())
    model = ExactClassModel(data, ALPHA_BAR, target)
    source = generator(3)
    torch.rand(64, generator=source)
    expected = simple_loss(lambda x_t, t: model(x_t, t, y), x_0, source, alpha_bar=ALPHA_BAR, target=target)
    found = cfg_loss(model, (x_0, y), generator(3), alpha_bar=ALPHA_BAR, target=target, drop_prob=0.0)
    torch.testing.assert_close(found, expected)


def test_the_exact_model_pays_more_where_the_label_is_hidden():
    """Knowing the class never hurts: the loss rises with the share that is dropped, G13."""
    data = labelled("mixture")
    batch = data.sample(4000, generator())
    model = ExactClassModel(data, ALPHA_BAR)
    losses = [
        cfg_loss(model, batch, generator(1), alpha_bar=ALPHA_BAR, drop_prob=share).item() for share in (0.0, 0.5, 1.0)
    ]
    assert losses[0] < losses[1] < losses[2]
    wrong = (batch[0], (batch[1] + 1) % 3)
    assert cfg_loss(model, wrong, generator(1), alpha_bar=ALPHA_BAR, drop_prob=0.0).item() > losses[2]


def test_the_true_classifier_has_the_smallest_loss():
    """Cross-entropy is smallest for q(y | x_t); of guessing by shares alone it is the entropy of the shares."""
    data = labelled("mixture")
    batch = data.sample(3000, generator())
    exact = ExactClassifier(data, ALPHA_BAR)
    losses = [
        classifier_loss(classifier, batch, generator(1), alpha_bar=ALPHA_BAR).item()
        for classifier in (
            exact,
            lambda x_t, t: 1.5 * exact(x_t, t),
            lambda x_t, t: 0.6 * exact(x_t, t),
            lambda x_t, t: data.shares.log().expand(len(x_t), 3),
        )
    ]
    assert losses[0] == min(losses)
    entropy = -(data.shares * data.shares.log()).sum().item()
    assert losses[3] == pytest.approx(entropy, abs=0.03)


def test_a_probability_outside_0_to_1_is_refused():
    """15 for 15 per cent is a slip that would drop everything."""
    with pytest.raises(ValueError, match=r"drop_prob must lie in \[0, 1\], got 15"):
        drop_labels(torch.tensor([0, 1]), 2, 15.0)
