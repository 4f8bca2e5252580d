"""Each broken VAE is broken in the way that the gallery describes."""

from pathlib import Path

import pytest
import torch
from torch import nn

import lib.vae as vae
from lib.vae.failures import (
    ReluSigmaVAE,
    check_noise,
    encoder_gradient,
    infinite_share,
    loss_with,
    mean_over_pixels_loss,
    negative_kl_loss,
    no_noise,
    one_noise_for_all_dimensions,
    variance_for_std,
    without_gradient,
)

SMALL = {"channels": (4, 8, 8, 8), "hidden": 16}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(num: int) -> torch.Tensor:
    return torch.rand(num, 3, 32, 32, generator=generator()) * 2 - 1


def clouds(num: int = 50, dim: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and log variances of narrow clouds, in float64."""
    mu, raw = torch.randn(2, num, dim, generator=generator(), dtype=torch.float64)
    return mu, raw - 2


def small(kind=vae.VAE) -> nn.Module:
    torch.manual_seed(0)
    return kind(4, **SMALL)


def test_the_loss_with_the_right_draw_is_the_loss():
    """Only the draw is exchanged, so with the right one nothing is broken."""
    model, x = small(), pictures(3)
    right = vae.elbo_loss(model, x, generator())
    torch.testing.assert_close(loss_with(vae.reparameterize)(model, x, generator()), right)


def test_a_mean_over_pixels_is_a_kl_weight_of_thousands():
    """D/(2 s²) times the broken loss is the right loss with the KL weight D/(2 s²)."""
    model, x = small(), pictures(3)
    weight = x[0].numel() / (2 * vae.PIXEL_STD**2)
    broken = mean_over_pixels_loss(model, x, generator())
    torch.testing.assert_close(weight * broken, vae.elbo_loss(model, x, generator(), kl_weight=weight))
    assert weight > 10_000


def test_with_the_wrong_sign_a_code_that_runs_away_is_rewarded():
    """Nothing bounds the loss from below: at a mean of 1000 it is far below zero, where no negative ELBO without its
    constant can be.
    """

    class Far(nn.Module):
        def forward(self, x, generator):
            return x, torch.full((len(x), 2), 1000.0), torch.zeros(len(x), 2)

    assert negative_kl_loss(Far(), pictures(2), generator()) == pytest.approx(-1e6, rel=1e-3)
    assert vae.elbo_loss(Far(), pictures(2), generator()) > 0


@pytest.mark.parametrize(
    ("draw", "ratio", "correlation"),
    [
        (vae.reparameterize, 1, 0),
        (without_gradient, 1, 0),
        (one_noise_for_all_dimensions, 1, 1),
        (no_noise, 0, 0),
    ],
)
def test_the_noise_check_reads_variance_and_correlation(draw, ratio, correlation):
    """Standardised by mu and logvar, right noise is standard normal and independent: variance 1, correlation 0."""
    found = check_noise(draw, *clouds(), generator(), num=200)
    assert found.variance_ratio == pytest.approx(ratio, abs=0.03)
    assert found.correlation == pytest.approx(correlation, abs=0.03)


def test_the_noise_check_sees_the_variance_in_place_of_the_standard_deviation():
    """Noise of standard deviation v has variance v² where v is claimed: the ratio is v, the mean of exp(logvar)."""
    mu, logvar = clouds()
    found = check_noise(variance_for_std, mu, logvar, generator(), num=400)
    assert found.variance_ratio == pytest.approx(logvar.exp().mean().item(), rel=0.1)
    with pytest.raises(ValueError, match="at least two dimensions"):
        check_noise(variance_for_std, mu[:, :1], logvar[:, :1], generator())


def test_shared_noise_is_cancelled_by_a_difference():
    """z_1 - z_2 has no noise at all if the spreads are equal, so a decoder can listen to it for nothing."""
    mu, logvar = clouds()
    z = one_noise_for_all_dimensions(mu, torch.zeros_like(logvar), generator())
    torch.testing.assert_close(z[:, 0] - z[:, 1], mu[:, 0] - mu[:, 1])


def test_a_detached_draw_cuts_the_encoder_off():
    """The same numbers, and no path from the pixels to the encoder; its KL still pulls it to the prior."""
    model, x = small(), pictures(4)
    assert encoder_gradient(model, x, without_gradient, generator()) == 0
    assert encoder_gradient(model, x, vae.reparameterize, generator()) > 0
    loss_with(without_gradient)(model, x, generator()).backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.encoder.parameters())
    mu, logvar = model.encode(x)
    torch.testing.assert_close(
        without_gradient(mu, logvar, generator()), vae.reparameterize(mu, logvar, generator()).detach()
    )


def test_without_noise_only_the_kl_moves_the_spread():
    """The distortion does not depend on logvar, and the KL alone has its minimum at logvar = 0."""
    mu, logvar = (part.clone().requires_grad_() for part in clouds(3))
    z = no_noise(mu, logvar, generator())
    assert torch.autograd.grad(z.sum(), logvar, allow_unused=True)[0] is None
    zero = torch.zeros_like(logvar, requires_grad=True)
    (gradient,) = torch.autograd.grad(vae.kl_to_standard_normal(mu.detach(), zero).sum(), zero)
    assert gradient.abs().max() == 0


def test_a_relu_for_sigma_makes_the_loss_infinite_before_the_first_update():
    """A ReLU is exactly 0 for about half of its inputs, and the log of 0 is minus infinity."""
    torch.manual_seed(0)
    model = ReluSigmaVAE(32, **SMALL)
    assert 0.2 < infinite_share(model, pictures(20)) < 0.8
    assert not vae.elbo_loss(model, pictures(20), generator()).isfinite()
    assert infinite_share(small(), pictures(20)) == 0


def test_every_broken_draw_is_in_the_gallery():
    """The chapter shows each of them by name."""
    text = (Path(__file__).parents[2] / "chapters/02_vae.md").read_text("utf8")
    for name in ("variance_for_std", "no_noise", "one_noise_for_all_dimensions", "without_gradient", "ReluSigmaVAE"):
        assert name in text, name
