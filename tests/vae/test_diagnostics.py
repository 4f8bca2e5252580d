"""The diagnostics on clouds of codes whose answer is known."""

import math

import pytest
import torch
from torch import nn

from lib.vae import (
    VAE,
    active_units,
    aggregate_posterior_gap,
    collapse_report,
    encode_all,
    is_collapsed,
    kl_per_dim,
    mean_rate,
    reconstruct,
    reparameterize,
)
from lib.vae.diagnostics import log_density_of_clouds

SMALL = {"channels": (4, 8, 8, 8), "hidden": 16}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clouds(num: int, rho: float, dims: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """q(z|x) = N(rho x, 1 − rho²) for x from N(0, 1): together they are the prior (derivation step V32)."""
    mu = rho * torch.randn(num, dims, generator=generator(), dtype=torch.float64)
    return mu, torch.full_like(mu, math.log(1 - rho**2))


def test_only_dimensions_whose_mean_varies_are_active():
    """Dimension 0 varies by variance 1, dimension 1 by 10⁻⁴, dimension 2 is constant though not 0."""
    mu = torch.randn(500, 3, generator=generator()) * torch.tensor([1.0, 0.01, 0.0]) + torch.tensor([0.0, 0.0, 5.0])
    assert active_units(mu).tolist() == [True, False, False]
    assert active_units(mu, threshold=1e-5).tolist() == [True, True, False]
    assert not is_collapsed(mu) and is_collapsed(mu[:, 1:])


def test_the_threshold_is_on_the_variance_and_not_on_the_spread():
    """A standard deviation of 0.05 is a variance of 0.0025: below 10⁻², and 0.2 is above."""
    mu = torch.randn(2000, 1, generator=generator())
    assert not active_units(0.05 * mu).any() and active_units(0.2 * mu).all()


def test_the_density_of_clouds_is_that_of_torch_distributions():
    """Every code under every cloud."""
    z, mu, logvar = torch.randn(4, 3, dtype=torch.float64), *torch.randn(2, 6, 3, dtype=torch.float64)
    normal = torch.distributions.Normal(mu, (logvar / 2).exp())
    torch.testing.assert_close(log_density_of_clouds(z, mu, logvar), normal.log_prob(z[:, None]).sum(-1))


def test_clouds_that_together_are_the_prior_have_no_gap_and_all_the_information_that_is_paid_for():
    """The rate is −log(1 − rho²)/2 on average, and all of it is information: V32 says so in closed form."""
    rho = 0.9
    result = aggregate_posterior_gap(*clouds(4000, rho), generator(1), num_samples=4000)
    assert result.rate == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.05)
    assert result.information == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.05)
    assert abs(result.gap) < 0.03


def test_the_gap_is_the_distance_of_a_shifted_cloud_from_the_prior():
    """All clouds 3 further to the right: information as before, 3²/2 = 4.5 nats more to pay."""
    mu, logvar = clouds(2000, 0.8)
    before, after = (aggregate_posterior_gap(mu + shift, logvar, generator(1), 2000) for shift in (0.0, 3.0))
    assert after.information == pytest.approx(before.information, abs=1e-6)
    assert after.gap - before.gap == pytest.approx(4.5, abs=0.2)


def test_information_stops_at_the_logarithm_of_the_number_of_pictures():
    """Far apart clouds of eight pictures: a code tells which of the eight it is, log 8 nats, and no more."""
    mu = 100 * torch.arange(8, dtype=torch.float64)[:, None]
    result = aggregate_posterior_gap(mu, torch.zeros_like(mu), generator())
    assert result.information == pytest.approx(math.log(8), abs=1e-9)
    assert result.rate == pytest.approx(result.information + result.gap)


def test_equal_clouds_tell_nothing():
    """The code of a collapsed model is independent of the picture: information 0, whatever its cloud is."""
    mu, logvar = torch.full((50, 3), 0.7), torch.full((50, 3), -1.0)
    result = aggregate_posterior_gap(mu, logvar, generator())
    assert result.information == pytest.approx(0, abs=1e-9)
    assert result.gap == pytest.approx(mean_rate(mu, logvar), rel=1e-6)


def test_codes_of_many_pictures_are_those_of_single_ones():
    """Chunks and gradients are a matter of memory only."""
    torch.manual_seed(0)
    model, x = VAE(3, **SMALL), torch.rand(300, 3, 32, 32) * 2 - 1
    mu, logvar = encode_all(model, x)
    torch.testing.assert_close(torch.cat([mu[270:], logvar[270:]], 1), torch.cat(model.encode(x[270:]), 1).detach())
    assert not mu.requires_grad
    torch.testing.assert_close(reconstruct(model, x[:4]), model.decode(mu[:4]).detach())


class Copy(nn.Module):
    """A model whose code is the picture (of two numbers) itself; with ``deaf`` its decoder does not listen."""

    def __init__(self, deaf: bool = False, silent: bool = False):
        super().__init__()
        self.deaf, self.silent = deaf, silent

    def encode(self, x):
        mu = x * (not self.silent)
        return mu, torch.zeros_like(mu)

    def decode(self, z):
        return z * (not self.deaf)


def test_a_perfect_copy_changes_fully_with_the_code_and_a_deaf_decoder_not_at_all():
    """Swapping codes swaps pictures in the first (share 1), and does nothing in the second although its code varies."""
    x = torch.randn(40, 2, generator=generator())
    perfect, deaf, silent = (collapse_report(model, x) for model in (Copy(), Copy(deaf=True), Copy(silent=True)))
    assert perfect.swap_change == pytest.approx(1) and not perfect.collapsed
    assert deaf.swap_change == 0 and not deaf.collapsed
    assert silent.swap_change == 0 and silent.collapsed and silent.rate == 0
    torch.testing.assert_close(perfect.kl_per_dim, kl_per_dim(x, torch.zeros_like(x)))
    assert perfect.rate == pytest.approx(x.square().sum(1).mean().item() / 2)


def test_noise_of_the_codes_is_that_of_their_own_pictures():
    """A wide and a narrow cloud: the information must be measured with draws from the right one."""
    mu = torch.tensor([[0.0], [0.0]], dtype=torch.float64)
    logvar = torch.tensor([[0.0], [math.log(1e-4)]], dtype=torch.float64)
    result = aggregate_posterior_gap(mu, logvar, generator(), num_samples=4000)
    z = reparameterize(mu.repeat(50_000, 1), logvar.repeat(50_000, 1), generator(9))
    logs = log_density_of_clouds(z, mu, logvar)
    own = logs.gather(1, torch.arange(2).repeat(50_000)[:, None])[:, 0]
    assert result.information == pytest.approx((own - logs.logsumexp(1) + math.log(2)).mean().item(), abs=0.02)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: active_units(torch.zeros(1, 2)), "at least two rows"),
        (lambda: aggregate_posterior_gap(torch.zeros(3, 2), torch.zeros(3, 2), num_samples=0), "num_samples"),
        (lambda: collapse_report(Copy(), torch.ones(4, 2)), "images must differ"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(call, words):
    """One picture does not vary, and equal pictures cannot be swapped."""
    with pytest.raises(ValueError, match=words):
        call()
