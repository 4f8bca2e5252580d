"""The terms of the ELBO against closed forms, quadrature and each other."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from lib.vae import (
    LinearVAE,
    bits_per_dim,
    elbo_loss,
    elbo_terms,
    gaussian_kl,
    iw_bound,
    kl_per_dim,
    kl_to_standard_normal,
    log_likelihood_constant,
    optimal_pixel_std,
    squared_error,
)

numbers = st.floats(-2, 2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(numbers, numbers, numbers, numbers)
def test_the_kl_of_two_gaussians_is_the_integral_it_stands_for(mu_q, logvar_q, mu_p, logvar_p):
    """∫ q log(q/p), integrated numerically over twelve standard deviations."""
    q, p = stats.norm(mu_q, math.exp(logvar_q / 2)), stats.norm(mu_p, math.exp(logvar_p / 2))
    reach = 12 * q.std()
    value, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mu_q - reach, mu_q + reach, limit=200)
    ours = gaussian_kl(row(mu_q), row(logvar_q), row(mu_p), row(logvar_p)).item()
    assert ours == pytest.approx(value, abs=1e-7, rel=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4))
def test_the_kl_to_the_prior_is_the_general_one_with_mean_0_and_variance_1(pairs):
    """And it is a sum over dimensions, never negative."""
    mu, logvar = row(*(pair[0] for pair in pairs)), row(*(pair[1] for pair in pairs))
    zero = torch.zeros_like(mu)
    kl = kl_to_standard_normal(mu, logvar)
    torch.testing.assert_close(kl, gaussian_kl(mu, logvar, zero, zero))
    singles = [kl_to_standard_normal(row(m), row(v)) for m, v in pairs]
    torch.testing.assert_close(kl, torch.cat(singles).sum()[None])
    assert kl >= 0


def test_the_kl_is_zero_for_the_prior_itself_and_a_half_per_unit_of_squared_distance():
    """At sigma 1 only the shift counts: mu²/2."""
    zero = torch.zeros(1, 3, dtype=torch.float64)
    assert kl_to_standard_normal(zero, zero).item() == 0
    assert kl_to_standard_normal(row(1, 2, 3), zero).item() == 7


def test_kl_per_dimension_sums_to_the_mean_kl():
    """Sum over dimensions and mean over pictures may be exchanged."""
    mu, logvar = torch.randn(2, 50, 4, dtype=torch.float64)
    assert kl_per_dim(mu, logvar).shape == (4,)
    torch.testing.assert_close(kl_per_dim(mu, logvar).sum(), kl_to_standard_normal(mu, logvar).mean())


def test_distortion_is_a_sum_over_values_and_the_loss_a_mean_over_pictures():
    """‖x − x̂‖²/(2 s²) for each picture; doubling the batch by repeating it leaves the loss as it was."""
    model, x = LinearVAE(6, 2).double(), torch.randn(5, 6, dtype=torch.float64)
    distortion, rate = elbo_terms(model, x, generator(1), pixel_std=0.5)
    x_hat, mu, logvar = model(x, generator(1))
    torch.testing.assert_close(distortion, (x - x_hat).square().sum(1) / (2 * 0.25))
    torch.testing.assert_close(rate, kl_to_standard_normal(mu, logvar))
    torch.testing.assert_close(
        elbo_loss(model, x, generator(1), kl_weight=3.0, pixel_std=0.5), (distortion + 3 * rate).sum() / 5
    )


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 9), st.floats(0.1, 2))
def test_a_kl_weight_is_another_pixel_std(weight, pixel_std):
    """distortion(s)/w + rate = distortion(s·√w) + rate: the two losses are proportional."""
    model, x = LinearVAE(4, 2).double(), torch.randn(3, 4, dtype=torch.float64)
    weighted = elbo_loss(model, x, generator(), kl_weight=weight, pixel_std=pixel_std)
    wider = elbo_loss(model, x, generator(), pixel_std=pixel_std * weight**0.5)
    torch.testing.assert_close(weighted, weight * wider)


def test_the_constant_makes_a_density_of_the_distortion():
    """exp(−distortion − constant) is the density of N(x̂, s² I), as scipy computes it."""
    x, x_hat = torch.randn(2, 1, 6, dtype=torch.float64)
    ours = -squared_error(x_hat, x).item() / (2 * 0.3**2) - log_likelihood_constant(6, 0.3)
    assert ours == pytest.approx(stats.norm(x_hat.numpy(), 0.3).logpdf(x.numpy()).sum())


def test_evenly_spread_values_cost_eight_bits():
    """A density of 1/2 on [-1, 1] puts 1/255 on a level: log2 255 bits, the 256 levels having 255 steps."""
    assert bits_per_dim(10 * math.log(2), 10) == pytest.approx(math.log2(255))
    assert bits_per_dim(11 * math.log(2) + math.log(2), 11) == pytest.approx(math.log2(255) + 1 / 11)


def test_no_other_pixel_std_makes_the_reconstructions_more_likely():
    """The negative log-likelihood per value is lowest at the root of the mean squared error, on a fine grid."""
    x, x_hat = torch.randn(2, 5, 3, 4, 4, dtype=torch.float64, generator=generator())
    best = optimal_pixel_std(x_hat, x)

    def cost(s: float) -> float:
        return squared_error(x_hat, x).mean().item() / (2 * s**2) + log_likelihood_constant(48, s)

    grid = best * np.linspace(0.5, 2, 151)
    assert min(cost(s) for s in grid) >= cost(best)
    assert best == pytest.approx((x - x_hat).square().mean().sqrt().item())


def test_the_pixel_std_of_the_bound_is_that_of_draws_and_not_of_means():
    """The distortion of the ELBO is an average over draws: on a grid of s the ELBO is highest at the error of draws.

    Decoded means have a smaller error, and the s that they suggest a lower ELBO.
    """
    model, _ = gaussian_model()
    x = torch.randn(300, 3, dtype=torch.float64, generator=generator())
    of_draws = optimal_pixel_std(model(x, generator(1))[0], x)
    of_means = optimal_pixel_std(model.decode(model.encode(x)[0]), x)

    def loss(s: float) -> float:
        return elbo_loss(model, x, generator(1), pixel_std=s).item() + log_likelihood_constant(3, s)

    assert of_means < 0.95 * of_draws
    assert min(loss(s) for s in of_draws * np.linspace(0.5, 2, 151)) >= loss(of_draws) - 1e-12
    assert loss(of_means) > loss(of_draws)


def gaussian_model() -> tuple[LinearVAE, float]:
    """A linear VAE away from its optimum, and its pixel_std; log p(x) is known: N(b, W Wᵀ + s² I)."""
    torch.manual_seed(0)
    model = LinearVAE(3, 2).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return model, 0.9


def test_more_samples_lift_the_bound_to_the_evidence_and_never_above():
    """In a linear model log p(x) is a Gaussian density; the bound rises from the ELBO to it with the number of
    samples.
    """
    model, pixel_std = gaussian_model()
    x = torch.randn(400, 3, dtype=torch.float64, generator=generator())
    weight, bias = model.decoder.weight.detach().numpy(), model.decoder.bias.detach().numpy()
    evidence = stats.multivariate_normal(bias, weight @ weight.T + pixel_std**2 * np.eye(3)).logpdf(x.numpy()).mean()
    bounds = [iw_bound(model, x, num, generator(num), pixel_std=pixel_std).mean().item() for num in (1, 10, 1000)]
    distortion, rate = elbo_terms(model, x.repeat(50, 1), generator(7), pixel_std=pixel_std)
    elbo = -(distortion + rate).mean().item() - log_likelihood_constant(3, pixel_std)
    assert bounds[0] == pytest.approx(elbo, abs=0.15)
    assert bounds[0] < bounds[1] < bounds[2] < evidence + 0.01
    assert bounds[2] == pytest.approx(evidence, abs=0.05)


def test_the_exact_posterior_makes_the_bound_tight_with_a_single_sample():
    """With q(z|x) = p(z|x) every importance weight is p(x) itself: one draw gives the evidence, without noise."""
    model = LinearVAE(1, 1).double()
    w, s = 1.5, 0.5
    with torch.no_grad():
        model.decoder.weight.fill_(w), model.decoder.bias.fill_(0.3)
        model.encoder.weight.fill_(w / (w**2 + s**2)), model.encoder.bias.fill_(-0.3 * w / (w**2 + s**2))
        model.logvar.fill_(math.log(s**2 / (w**2 + s**2)))
    x = torch.randn(20, 1, dtype=torch.float64)
    evidence = stats.norm(0.3, math.sqrt(w**2 + s**2)).logpdf(x.numpy())[:, 0]
    torch.testing.assert_close(iw_bound(model, x, 1, generator(), pixel_std=s), torch.tensor(evidence))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model, x: elbo_loss(model, x, pixel_std=0.0), "pixel_std must be positive"),
        (lambda model, x: elbo_loss(model, x, kl_weight=-1.0), "kl_weight must not be negative"),
        (lambda model, x: iw_bound(model, x, 0), "num_samples must be at least 1"),
        (lambda model, x: log_likelihood_constant(3, -1.0), "pixel_std must be positive"),
        (lambda model, x: squared_error(x, x[:, :1]), "same shape"),
    ],
)
def test_wrong_numbers_are_refused_in_words(call, words):
    """Each would give a number, and a wrong one."""
    with pytest.raises(ValueError, match=words):
        call(LinearVAE(3, 1), torch.zeros(2, 3))
