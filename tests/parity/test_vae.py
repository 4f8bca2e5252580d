"""The VAE against independent implementations: torch.distributions, diffusers, a network without modules, and PCA."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import distributions as D

from lib.vae import (
    VAE,
    LinearVAE,
    elbo_loss,
    elbo_terms,
    gaussian_kl,
    kl_to_standard_normal,
    log_likelihood_constant,
    reparameterize,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def norm_silu(x, weight, bias):
    """Group normalisation by explicit moments, then x·sigmoid(x)."""
    grouped = x.reshape(len(x), 4, -1)
    grouped = (grouped - grouped.mean(-1, keepdim=True)) / (grouped.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    normed = grouped.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]
    return normed * torch.sigmoid(normed)


def functional_vae(w, x, eps, channels, latent_dim):
    """The network written without modules, from a dictionary of weights in the order in which they are used."""
    values = iter(w.values())
    take = lambda: (next(values), next(values))  # noqa: E731
    kernel, bias = take()
    h = F.conv2d(x, kernel, bias, padding=1)
    for _ in channels[1:]:
        h = norm_silu(h, *take())
        kernel, bias = take()
        h = F.conv2d(h, kernel, bias, stride=2, padding=1)
    h = norm_silu(h, *take()).reshape(len(x), -1)
    kernel, bias = take()
    h = F.silu(h @ kernel.T + bias)
    kernel, bias = take()
    both = h @ kernel.T + bias
    mu, logvar = both[:, :latent_dim], both[:, latent_dim:]
    z = mu + torch.sqrt(torch.exp(logvar)) * eps
    kernel, bias = take()
    h = F.silu(z @ kernel.T + bias)
    kernel, bias = take()
    h = (h @ kernel.T + bias).reshape(len(x), channels[-1], 4, 4)
    for _ in channels[1:]:
        h = norm_silu(h, *take()).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        kernel, bias = take()
        h = F.conv2d(h, kernel, bias, padding=1)
    h = norm_silu(h, *take())
    kernel, bias = take()
    return torch.tanh(F.conv2d(h, kernel, bias, padding=1)), mu, logvar


def elbo_by_distributions(x, x_hat, mu, logvar, pixel_std):
    """The ELBO of every picture as PyTorch's own distributions compute it, constant and all."""
    q = D.Independent(D.Normal(mu, (logvar / 2).exp()), 1)
    prior = D.Independent(D.Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    p = D.Independent(D.Normal(x_hat, pixel_std), x.ndim - 1)
    return p.log_prob(x) - D.kl_divergence(q, prior)


@DTYPES
@pytest.mark.parametrize(("latent_dim", "channels", "size"), [(2, (4, 8, 12, 16), 32), (5, (8, 12, 4), 16)])
def test_forward_loss_and_gradients_equal_a_network_without_modules(dtype, latent_dim, channels, size):
    """Same weights, pictures and noise: picture, cloud, loss and the gradient of every weight agree; the loss of the
    other side is the ELBO of torch.distributions.
    """
    torch.manual_seed(latent_dim)
    model = VAE(latent_dim, channels, hidden=10, size=size).to(dtype)
    with torch.no_grad():  # away from the initial ones and zeros of the normalisations
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    weights = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    x = torch.rand(3, 3, size, size, dtype=dtype) * 2 - 1
    eps = torch.randn(3, latent_dim, generator=generator(), dtype=dtype)

    ours, theirs = model(x, generator()), functional_vae(weights, x, eps, channels, latent_dim)
    for own, other in zip(ours, theirs, strict=True):
        assert (own - other).abs().max() <= TOLERANCE[dtype]

    scale = x[0].numel()  # compare gradients per value, so that the tolerance is that of numbers of order one
    (elbo_loss(model, x, generator(), pixel_std=0.7) / scale).backward()
    elbo = elbo_by_distributions(x, *theirs, 0.7).mean() + log_likelihood_constant(scale, 0.7)
    (-elbo / scale).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad - weights[name].grad).abs().max() <= TOLERANCE[dtype], name


@DTYPES
def test_the_elbo_is_that_of_torch_distributions(dtype):
    """log p(x|z) of an independent normal, and kl_divergence of two normals; values per picture."""
    torch.manual_seed(1)
    model, x = VAE(3, (4, 8, 8, 8), 16).to(dtype), torch.rand(4, 3, 32, 32, dtype=dtype) * 2 - 1
    distortion, rate = elbo_terms(model, x, generator(), pixel_std=0.4)
    ours = -(distortion + rate + log_likelihood_constant(3072, 0.4))
    theirs = elbo_by_distributions(x, *model(x, generator()), 0.4)
    assert ((ours - theirs) / 3072).abs().max() <= TOLERANCE[dtype]


@DTYPES
def test_the_kl_of_any_two_gaussians_is_that_of_torch_distributions(dtype):
    """In both orders, which differ."""
    mu_q, logvar_q, mu_p, logvar_p = torch.randn(4, 6, 5, dtype=dtype, generator=generator())
    q, p = D.Normal(mu_q, (logvar_q / 2).exp()), D.Normal(mu_p, (logvar_p / 2).exp())
    ours = gaussian_kl(mu_q, logvar_q, mu_p, logvar_p)
    torch.testing.assert_close(ours, D.kl_divergence(q, p).sum(1), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    backwards = gaussian_kl(mu_p, logvar_p, mu_q, logvar_q)
    torch.testing.assert_close(backwards, D.kl_divergence(p, q).sum(1), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert (ours - backwards).abs().min() > 1e-3


@DTYPES
def test_draw_and_kl_equal_those_of_diffusers(dtype):
    """The VAE of the Stable Diffusion pipelines keeps mean and log variance in one tensor, mean first."""
    both = torch.randn(4, 6, 3, 3, dtype=dtype, generator=generator())
    theirs = DiagonalGaussianDistribution(both)
    mu, logvar = (half.flatten(1) for half in both.chunk(2, dim=1))
    eps = torch.randn(4, 3, 3, 3, dtype=dtype, generator=generator(1))  # the noise that the generator gives diffusers
    drawn = theirs.sample(generator(1)).flatten(1)
    assert (reparameterize(mu, logvar, eps=eps.flatten(1)) - drawn).abs().max() <= TOLERANCE[dtype]
    assert (kl_to_standard_normal(mu, logvar) - theirs.kl()).abs().max() <= 10 * TOLERANCE[dtype]


def data_with_variances(variances: list[float], num: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Centred data whose covariance (dividing by N) has exactly these eigenvalues, and its eigenvectors as rows."""
    rng = np.random.default_rng(0)
    white, _ = np.linalg.qr(np.concatenate([np.ones((num, 1)), rng.normal(size=(num, len(variances)))], 1))
    turn, _ = np.linalg.qr(rng.normal(size=(len(variances), len(variances))))
    x = white[:, 1:] * math.sqrt(num) * np.sqrt(variances) @ turn
    return torch.tensor(x), torch.tensor(turn)


def best_linear_vae(axes: torch.Tensor, variances: list[float], latent_dim: int, pixel_std: float) -> LinearVAE:
    """Probabilistic PCA in closed form: weight² = max(variance − s², 0) along each eigenvector, and its posterior."""
    model, s2 = LinearVAE(axes.shape[1], latent_dim).double(), pixel_std**2
    w = torch.tensor([math.sqrt(max(variance - s2, 0)) for variance in variances[:latent_dim]], dtype=torch.float64)
    with torch.no_grad():
        model.decoder.weight.copy_(axes[:latent_dim].T * w)
        model.encoder.weight.copy_(axes[:latent_dim] * (w / (w**2 + s2))[:, None])
        model.logvar.copy_((s2 / (w**2 + s2)).log())
        model.decoder.bias.zero_(), model.encoder.bias.zero_()
    return model


VARIANCES, STD = [4.0, 2.0, 0.5, 0.3], 0.8  # s² = 0.64 lies between the second and the third


def exact_loss(model: LinearVAE, x: torch.Tensor) -> torch.Tensor:
    """The mean of `elbo_loss` over all noise: a linear decoder adds the noise's own squared length."""
    mu, logvar = model.encode(x)
    error = (x - model.decode(mu)).square().sum(1) + model.decoder.weight.square().sum(0) @ logvar[0].exp()
    return (error / (2 * STD**2) + kl_to_standard_normal(mu, logvar)).mean()


def test_the_formula_without_noise_is_the_average_of_the_loss_over_noise():
    """So that the next tests may use it; 20,000 draws for each of a few rows."""
    x, axes = data_with_variances(VARIANCES)
    model = best_linear_vae(axes, VARIANCES, 3, STD)
    sampled = elbo_loss(model, x.repeat(500, 1), generator(), pixel_std=STD)
    assert sampled.item() == pytest.approx(exact_loss(model, x).item(), rel=0.01)


def test_at_probabilistic_pca_the_gradient_of_the_elbo_vanishes_and_the_bound_is_the_evidence():
    """Lucas et al. 2019: no spurious optimum, and no gap; the evidence is the log density of N(0, W Wᵀ + s² I)."""
    x, axes = data_with_variances(VARIANCES)
    model = best_linear_vae(axes, VARIANCES, 3, STD)
    loss = exact_loss(model, x)
    loss.backward()
    assert max(parameter.grad.abs().max().item() for parameter in model.parameters()) < 1e-12
    weight = model.decoder.weight.detach()
    cov = weight @ weight.T + STD**2 * torch.eye(4, dtype=torch.float64)
    evidence = D.MultivariateNormal(torch.zeros(4, dtype=torch.float64), cov).log_prob(x).mean().item()
    assert -(loss.item() + log_likelihood_constant(4, STD)) == pytest.approx(evidence, abs=1e-10)


def test_a_trained_linear_vae_finds_probabilistic_pca_and_lets_weak_directions_die():
    """From random weights LBFGS reaches the closed form: weights² 4 − s² and 2 − s², and nothing for the variance 0.5
    below s² = 0.64; each living direction is charged ½ log(variance/s²) (derivation steps V34 and V35).
    """
    x, _ = data_with_variances(VARIANCES)
    torch.manual_seed(0)
    model = LinearVAE(4, 3).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = exact_loss(model, x)
        loss.backward()
        return loss

    optimizer.step(closure)
    found = torch.linalg.svdvals(model.decoder.weight.detach()).square()
    expected = torch.tensor([4 - STD**2, 2 - STD**2, 0], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    rate = kl_to_standard_normal(*model.encode(x)).mean().item()
    charged = sum(0.5 * math.log(variance / STD**2) for variance in (4.0, 2.0))
    assert rate == pytest.approx(charged, abs=1e-3)
