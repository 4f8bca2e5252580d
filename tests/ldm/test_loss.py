"""The critic, the adaptive weight, and the one loss that trains two networks with opposite aims."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, pad

from lib.data import shapes
from lib.ldm.discriminator import LARGEST_WEIGHT, PatchDiscriminator, adaptive_weight, generator_loss, hinge_loss
from lib.ldm.loss import FirstStage, first_stage_loss, first_stage_terms, unmoved
from lib.ldm.perceptual import frozen_network, perceptual_distance
from lib.training import fit


def pictures(num: int = 4, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(num, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def small(kind: str = "kl", **options) -> FirstStage:
    torch.manual_seed(0)
    settings = {"critic_channels": 4, "latent_channels": 2, "channels": 8, "multipliers": (1, 2), "num_groups": 4}
    return FirstStage(kind, **(settings | options))


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_critic_judges_patches_of_70_pixels():
    """A logit's gradient covers 70 x 70 pixels, as three convolutions of stride 2 and two of stride 1 must."""
    critic = PatchDiscriminator(4).eval()
    x = torch.zeros(1, 3, 128, 128, requires_grad=True)
    logits = critic(x + pictures(1, 128))
    assert logits.shape == (1, 1, 14, 14)
    logits[0, 0, 7, 7].backward()
    seen = x.grad[0].abs().sum(0) > 0
    assert seen.any(0).sum() == 70 and seen.any(1).sum() == 70


def test_the_critic_has_the_layout_of_the_original():
    """Norm neither after the first nor the last convolution, no bias before a norm, widths doubling to eight times."""
    convolutions = [layer for layer in PatchDiscriminator(16).main if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16, 32, 64, 128, 1]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 2, 1, 1]
    assert [layer.bias is not None for layer in convolutions] == [True, False, False, False, True]
    deep = [layer for layer in PatchDiscriminator(4, num_layers=5).main if isinstance(layer, torch.nn.Conv2d)]
    assert max(layer.out_channels for layer in deep) == 32


@pytest.mark.parametrize(
    ("real", "fake", "loss"), [(0.0, 0.0, 1.0), (1.0, -1.0, 0.0), (5.0, -9.0, 0.0), (-1.0, 3.0, 3)]
)
def test_the_hinge_loss_stops_at_the_margin(real, fake, loss):
    """Half of each side; right by more than 1 costs nothing."""
    logits = [torch.full((2, 1, 3, 3), value) for value in (real, fake)]
    assert hinge_loss(*logits).item() == loss and generator_loss(logits[1]).item() == -fake


def test_the_adaptive_weight_makes_both_pulls_equally_strong():
    """It is the ratio of two gradients at one weight, cut off at 10,000, and a number."""
    layer = torch.tensor([3.0, 4.0], requires_grad=True)
    rebuild, fool = 2 * layer.sum(), 0.5 * layer.sum()
    weight = adaptive_weight(rebuild, fool, layer)
    assert weight.item() == pytest.approx(4, rel=1e-3) and not weight.requires_grad
    assert adaptive_weight(1e9 * layer.sum(), fool, layer).item() == LARGEST_WEIGHT
    assert adaptive_weight(rebuild, 0 * layer.sum(), layer).item() == LARGEST_WEIGHT


@pytest.mark.parametrize("kind", ["kl", "vq"])
def test_every_weight_gets_the_gradient_of_its_own_loss_and_no_other(kind):
    """One sum, two aims: the same gradients as two separate passes with two separate losses."""
    model, x = small(kind).train(), pictures()
    first_stage_loss(model, x, noise(), penalty_weight=0.1, critic_weight=0.7).backward()
    got = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    apart = small(kind).train()
    x_hat, penalty = apart.autoencoder(x, noise())
    rebuild = (x_hat - x).abs().mean() + perceptual_distance(x_hat, x).mean()
    fool = -apart.critic(x_hat).mean()
    own = list(apart.autoencoder.parameters())
    layer = apart.autoencoder.last_layer
    norms = [torch.autograd.grad(loss, layer, retain_graph=True)[0].norm() for loss in (rebuild, fool)]
    aim = rebuild + 0.1 * penalty + 0.7 * (norms[0] / (norms[1] + 1e-4)) * fool
    wanted = dict(zip((n for n, _ in apart.autoencoder.named_parameters()), torch.autograd.grad(aim, own), strict=True))
    for name, grad in wanted.items():
        torch.testing.assert_close(got[f"autoencoder.{name}"], grad, rtol=1e-4, atol=1e-6)

    judge = hinge_loss(apart.critic(x), apart.critic(x_hat.detach()))
    weights = dict(apart.critic.named_parameters())
    for name, grad in zip(weights, torch.autograd.grad(judge, list(weights.values())), strict=True):
        torch.testing.assert_close(got[f"critic.{name}"], grad, rtol=1e-4, atol=1e-6)


def test_a_network_that_is_not_to_move_passes_gradients_on_and_takes_none():
    """What makes the decoder's term harmless to the critic."""
    critic, x = PatchDiscriminator(4).eval(), pictures(2).requires_grad_()
    torch.testing.assert_close(unmoved(critic, x), critic(x))
    unmoved(critic, x).sum().backward()
    assert x.grad.abs().sum() > 0 and all(parameter.grad is None for parameter in critic.parameters())


def test_the_critic_is_silent_before_its_time():
    """Until then the loss is that of a model without a critic, and the critic's weights stay."""
    model, x = small(start=3).train(), pictures(2)
    plain = small(critic_channels=0).train()
    before = model.critic.main[0].weight.clone()
    options = {"lr": 1e-2, "precision": "fp32"}
    losses = [[record.loss for record in fit(m, first_stage_loss, lambda _: x, 4, **options)] for m in (model, plain)]
    torch.testing.assert_close(losses[0][:2], losses[1][:2])
    assert losses[0][2] > losses[1][2] + 0.1, "the third update is the first with a critic"
    assert not torch.equal(before, model.critic.main[0].weight) and model.num_updates == 4
    silent = small(start=3).train()
    list(fit(silent, first_stage_loss, lambda _: x, 2, **options))
    assert torch.equal(before, silent.critic.main[0].weight)


def test_only_training_counts_updates():
    """An evaluation, with gradients or without, leaves the count; without, the adaptive weight is 0."""
    model, x = small().eval(), pictures()
    first_stage_loss(model, x, noise())
    with torch.no_grad():
        terms = first_stage_terms(model, x, noise(), 1.0)
    assert model.num_updates == 0 and terms.fool_weight == 0 and terms.judge > 0


def test_the_whole_loss_is_trained_by_fit():
    """Both networks learn: reconstructions improve, and the critic tells them from pictures while they are poor."""
    model, x = small(latent_channels=4).train(), shapes(4, seed=0).images
    before = first_stage_terms(model.eval(), x, noise(), 1.0)
    list(fit(model, first_stage_loss, lambda _: x, 15, lr=1e-2, precision="fp32", max_grad_norm=float("inf")))
    after = first_stage_terms(model.train(), x, noise(), 1.0)
    assert after.pixels < 0.6 * before.pixels and after.judge < 0.9


def test_the_perceptual_distance_is_zero_for_equal_pictures_and_never_above_four():
    """Rows of length 1 differ by at most 2."""
    x, other = pictures(3), pictures(3, seed=1)
    assert perceptual_distance(x, x).abs().max() == 0
    found = perceptual_distance(x, other)
    assert found.shape == (3,) and (found > 0).all() and (found <= 4).all()
    torch.testing.assert_close(found, perceptual_distance(other, x))


def test_the_perceptual_distance_minds_outlines_more_than_noise():
    """At no more error of the pixels: a moved outline counts most, a soft one less, noise and darkness hardly."""
    x = shapes(8, 64, 2, seed=0).images
    moved = x.roll(1, -1)
    error = (moved - x).abs().mean((1, 2, 3), keepdim=True)
    blurred = avg_pool2d(pad(x, (1,) * 4, value=1.0), 3, 1)
    noisy = x + torch.randn(x.shape, generator=noise()) * error * (torch.pi / 2) ** 0.5
    found = [perceptual_distance(y, x).mean().item() for y in (moved, blurred, noisy, x - error)]
    assert found[0] > 3 * found[1] and found[1] > 3 * found[2] and found[1] > 3 * found[3]


def test_the_feature_network_takes_no_gradient():
    """Only the reconstruction is moved."""
    x_hat = pictures(2).requires_grad_()
    perceptual_distance(x_hat, pictures(2, seed=1)).sum().backward()
    assert x_hat.grad.abs().sum() > 0 and all(p.grad is None for p in frozen_network(x_hat.device).parameters())


def test_wrong_arguments_are_refused():
    """Which argument, the rule, and what came."""
    with pytest.raises(ValueError, match="kind must be one of kl, vq, got 'gan'"):
        FirstStage("gan")
    with pytest.raises(ValueError, match="start must not be negative, got -1"):
        small(start=-1)
    with pytest.raises(ValueError, match="perceptual_weight must not be negative, got -1"):
        first_stage_loss(small(), pictures(), noise(), perceptual_weight=-1.0)
    with pytest.raises(ValueError, match="x_hat and x must have the same shape"):
        perceptual_distance(pictures(2), pictures(3))
    with pytest.raises(ValueError, match="channels and num_layers must be at least 1, got 4 and 0"):
        PatchDiscriminator(4, 0)
