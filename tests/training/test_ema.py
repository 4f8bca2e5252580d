import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lib.training import EMA


def constant_model(value: float) -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).double()
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


@given(st.integers(1, 60), st.floats(0, 0.9999))
def test_average_of_constant_weights_has_a_closed_form(num_updates, decay):
    """From 0 towards 1: after n updates the average is 1 minus the product of what was kept."""
    ema = EMA(constant_model(0.0), decay)
    for _ in range(num_updates):
        ema.update(constant_model(1.0))
    kept = math.prod(min(decay, (1 + n) / (10 + n)) for n in range(1, num_updates + 1))
    for parameter in ema.model.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, 1 - kept), rtol=1e-12, atol=1e-12)


def test_long_after_the_warm_up_the_memory_is_the_decay():
    """Each further update keeps ``decay`` of the distance to a model that stands still."""
    ema = EMA(constant_model(0.0), 0.5)
    for _ in range(20):
        ema.update(constant_model(0.0))
    ema.update(constant_model(1.0))
    ema.update(constant_model(1.0))
    assert next(ema.model.parameters()).flatten()[0].item() == pytest.approx(1 - 0.5**2)


def test_buffers_are_copied():
    """Running statistics belong to the latest model: averaging a counter would be nonsense."""
    model = constant_model(1.0)
    ema = EMA(model, 0.99)
    model(torch.randn(8, 2).double())
    ema.update(model)
    for (name, ours), theirs in zip(ema.model.named_buffers(), model.buffers(), strict=True):
        assert ours.equal(theirs), name
    assert ema.model[1].num_batches_tracked == 1


def test_the_average_does_not_train_and_the_model_does_not_move():
    """The average is a copy: in eval mode, without gradients, sharing no memory with the model."""
    model = constant_model(0.0)
    ema = EMA(model, 0.9)
    ema.update(constant_model(1.0))
    assert not ema.model.training and not any(p.requires_grad for p in ema.model.parameters())
    assert all((p == 0).all() for p in model.parameters())


def test_wrong_decay_and_wrong_model_are_refused():
    """A decay of 1 would never move; another model has nothing to average with."""
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\), got 1"):
        EMA(constant_model(0.0), 1.0)
    with pytest.raises(ValueError, match="other shapes"):
        EMA(constant_model(0.0), 0.9).update(nn.Linear(2, 2))
