"""What the conditional VAE does with its condition, and how well the shipped one obeys."""

import pytest
import torch

from lib.data import CLASSES, COLOURS, shapes
from lib.vae import ConditionalVAE, conditional_elbo_loss, kl_to_standard_normal, shape_condition
from lib.vae.conditional import NUM_CONDITIONS

SMALL = {"channels": (4, 8, 8, 8), "hidden": 16}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_batch(num: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    scenes = shapes(num, num_objects=1, seed=1)
    return scenes.images, shape_condition(scenes.class_idx[:, 0], scenes.colour_idx[:, 0])


def test_a_condition_has_a_one_for_the_class_and_a_one_for_the_colour():
    """Classes first; the two indices can be read back."""
    class_idx, colour_idx = torch.tensor([0, 5, 2]), torch.tensor([1, 0, 5])
    condition = shape_condition(class_idx, colour_idx)
    assert condition.shape == (3, NUM_CONDITIONS) == (3, len(CLASSES) + len(COLOURS))
    assert (condition.sum(1) == 2).all()
    assert torch.equal(condition[:, : len(CLASSES)].argmax(1), class_idx)
    assert torch.equal(condition[:, len(CLASSES) :].argmax(1), colour_idx)


def test_both_halves_see_the_condition():
    """The same picture under another condition has another cloud; the same code under another condition another
    picture.
    """
    torch.manual_seed(0)
    model = ConditionalVAE(3, **SMALL)
    x, condition = small_batch()
    other = condition.roll(1, 1)
    assert (model.encode(x, condition)[0] - model.encode(x, other)[0]).abs().min() > 0
    z = torch.randn(4, 3, generator=generator())
    assert (model.decode(z, condition) - model.decode(z, other)).abs().amax((1, 2, 3)).min() > 1e-3


def test_the_condition_is_the_same_at_every_pixel():
    """Painted as constant channels: the encoder is called with 3 + 12 channels, the last ones constant."""
    model, (x, condition) = ConditionalVAE(3, **SMALL), small_batch()
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.encode(x, condition)
    assert torch.equal(seen[0][:, :3], x)
    assert torch.equal(seen[0][:, 3:], condition[:, :, None, None].expand(-1, -1, 32, 32))


def test_the_loss_is_the_negative_elbo_given_the_condition():
    """Distortion from one draw, rate in closed form, both of the conditioned halves."""
    model, (x, condition) = ConditionalVAE(3, **SMALL), small_batch()
    x_hat, mu, logvar = model(x, condition, generator(2))
    expected = (x - x_hat).square().sum((1, 2, 3)) / (2 * 0.3**2) + 5 * kl_to_standard_normal(mu, logvar)
    loss = conditional_elbo_loss(model, (x, condition), generator(2), kl_weight=5.0, pixel_std=0.3)
    torch.testing.assert_close(loss, expected.mean())


def test_a_sample_is_a_prior_code_decoded_beside_its_condition():
    """The prior does not know the condition."""
    model, (_, condition) = ConditionalVAE(3, **SMALL), small_batch()
    z = torch.randn(4, 3, generator=generator(3))
    torch.testing.assert_close(model.sample(condition, generator(3)), model.decode(z, condition).detach())


@pytest.mark.parametrize("numbers", [{"pixel_std": 0.0}, {"kl_weight": -1.0}])
def test_wrong_weights_are_refused_in_words(numbers):
    """A negative weight would push the clouds away from the prior."""
    with pytest.raises(ValueError, match="pixel_std must be positive and kl_weight not negative"):
        conditional_elbo_loss(ConditionalVAE(3, **SMALL), small_batch(), **numbers)
