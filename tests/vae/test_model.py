"""Shapes, noise and heads of the VAE."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.ae import AutoEncoder, num_parameters
from lib.vae import VAE, LinearVAE, elbo_loss, reparameterize

SMALL = {"channels": (4, 8, 8, 8), "hidden": 16}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.sampled_from([8, 16, 32]))
def test_picture_and_cloud_have_the_promised_shapes(batch, latent_dim, size):
    """One mean and one log variance for each code dimension, and a picture as large as the one that came in."""
    channels = (4, 8, 8, 8)[: {8: 2, 16: 3, 32: 4}[size]]
    model = VAE(latent_dim, channels, 8, size)
    x_hat, mu, logvar = model(torch.rand(batch, 3, size, size) * 2 - 1)
    assert x_hat.shape == (batch, 3, size, size)
    assert mu.shape == logvar.shape == (batch, latent_dim)
    assert model.sample(batch, generator()).shape == x_hat.shape


def test_draws_have_the_mean_and_the_spread_that_were_asked_for():
    """Over 200,000 draws the mean is known to sigma/450 and the variance to 0.3 %; logvar is a log VARIANCE."""
    mu, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.25, 9.0]]).log()
    z = reparameterize(mu.expand(200_000, 2), logvar.expand(200_000, 2), generator())
    torch.testing.assert_close(z.mean(0), mu[0], rtol=0, atol=0.03)
    torch.testing.assert_close(z.var(0), torch.tensor([0.25, 9.0]), rtol=0.02, atol=0)


def test_every_picture_and_every_dimension_gets_noise_of_its_own():
    """Shared noise would leave the losses right on average and the codes wrong: the columns must not be correlated."""
    z = reparameterize(torch.zeros(5000, 3), torch.zeros(5000, 3), generator())
    assert (torch.corrcoef(z.T) - torch.eye(3)).abs().max() < 0.06
    assert z[:, 0].unique().numel() == 5000


def test_the_same_generator_gives_the_same_draw_and_given_noise_is_used_as_it_is():
    """Repeatable trainings need both; with eps the function is exactly mu + sigma·eps."""
    mu, logvar = torch.randn(2, 4, 3, dtype=torch.float64)
    same = [reparameterize(mu, logvar, generator(3)) for _ in range(2)]
    torch.testing.assert_close(same[0], same[1], rtol=0, atol=0)
    eps = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(reparameterize(mu, logvar, eps=eps), mu + logvar.exp().sqrt() * eps)


def test_gradients_reach_both_heads_through_the_draw():
    """dz/dmu = 1 and dz/dlogvar = sigma·eps/2: the noise is a constant, the draw is not."""
    mu, logvar = torch.randn(2, 4, 3, dtype=torch.float64).requires_grad_().unbind(0)
    eps = torch.randn(4, 3, dtype=torch.float64)
    wrt_mu, wrt_logvar = torch.autograd.grad(reparameterize(mu, logvar, eps=eps).sum(), (mu, logvar))
    torch.testing.assert_close(wrt_mu, torch.ones_like(mu))
    torch.testing.assert_close(wrt_logvar, (logvar / 2).exp() * eps / 2)


@pytest.mark.parametrize("shape", [(1, 3), (4, 1), (3,)])
def test_noise_that_would_be_shared_is_refused(shape):
    """Broadcasting accepts one eps for the whole batch, or one for all dimensions, without a word."""
    mu = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="shape of mu"):
        reparameterize(mu, mu, eps=torch.zeros(shape))


def test_the_first_half_of_the_output_is_the_mean():
    """A stored model is only right if both readers agree which head is which."""
    model = VAE(2, **SMALL)
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    mu, logvar = model.encode(torch.zeros(1, 3, 32, 32))
    assert mu.tolist() == [[1.0, 2.0]]
    assert logvar.tolist() == [[3.0, 4.0]]


def test_samples_are_decoded_standard_normal_codes():
    """The prior is N(0, I): the same draw, decoded by hand, gives the same pictures."""
    model = VAE(3, **SMALL)
    z = torch.randn(4, 3, generator=generator(5))
    torch.testing.assert_close(model.sample(4, generator(5)), model.decode(z).detach())


def test_the_forward_decodes_a_draw_and_not_the_mean():
    """Forgetting to sample leaves a plain autoencoder with a useless second head."""
    torch.manual_seed(0)
    model, x = VAE(3, **SMALL), torch.rand(2, 3, 32, 32) * 2 - 1
    x_hat, mu, logvar = model(x, generator(4))
    torch.testing.assert_close(x_hat, model.decode(reparameterize(mu, logvar, generator(4))))
    assert (x_hat - model.decode(mu)).abs().max() > 1e-3


def test_a_vae_costs_only_one_more_row_of_weights_per_code_dimension_than_an_autoencoder():
    """One trunk with two heads, not two encoders: only the last layer of the encoder is twice as wide."""
    vae, autoencoder = VAE(7, **SMALL), AutoEncoder(7, **SMALL)
    assert num_parameters(vae) - num_parameters(autoencoder) == 7 * (16 + 1)


def test_the_clouds_leave_the_network_in_full_precision():
    """An exponential follows; bfloat16 would round sigma to three digits."""
    model, x = VAE(3, **SMALL), torch.rand(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        _, mu, logvar = model(x, generator())
        assert elbo_loss(model, x, generator()).dtype == torch.float32
    assert mu.dtype == logvar.dtype == torch.float32


def test_a_vae_can_learn_one_batch_by_heart():
    """Eight pictures fit through 16 numbers when the rate is cheap; a broken path would keep the loss up."""
    torch.manual_seed(0)
    model = VAE(16, **SMALL)
    x = torch.nn.functional.interpolate(torch.rand(8, 3, 4, 4) * 1.6 - 0.8, scale_factor=8.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(120):
        loss = elbo_loss(model, x, generator(step), kl_weight=1e-3, pixel_std=0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5


def test_the_linear_vae_has_the_same_spread_for_every_picture():
    """The best cloud of a linear model does not depend on x, so the spread is a parameter and no function."""
    model = LinearVAE(5, 2)
    x_hat, mu, logvar = model(torch.randn(7, 5), generator())
    assert x_hat.shape == (7, 5) and mu.shape == logvar.shape == (7, 2)
    assert (logvar == logvar[0]).all()
