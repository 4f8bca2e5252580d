"""The autoencoders against independent implementations: torch.nn.functional for the forward, scipy, numpy for PCA."""

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F

from lib.ae import AutoEncoder, fit_gaussian, pca, reconstruction_loss, subspace_angle

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def norm_silu(x, weight, bias):
    """Group normalisation by explicit moments, then x·sigmoid(x)."""
    grouped = x.reshape(len(x), 4, -1)
    grouped = (grouped - grouped.mean(-1, keepdim=True)) / (grouped.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    normed = grouped.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]
    return normed * torch.sigmoid(normed)


def functional_forward(w, x, channels):
    """The same network written without modules, from a dictionary of weights in the order in which they are used."""
    values = iter(w.values())
    take = lambda: (next(values), next(values))  # noqa: E731
    kernel, bias = take()
    x = F.conv2d(x, kernel, bias, padding=1)
    for _ in channels[1:]:
        x = norm_silu(x, *take())
        kernel, bias = take()
        x = F.conv2d(x, kernel, bias, stride=2, padding=1)
    x = norm_silu(x, *take()).reshape(len(x), -1)
    kernel, bias = take()
    x = F.silu(x @ kernel.T + bias)
    kernel, bias = take()
    z = x @ kernel.T + bias
    kernel, bias = take()
    x = F.silu(z @ kernel.T + bias)
    kernel, bias = take()
    x = (x @ kernel.T + bias).reshape(len(x), channels[-1], 4, 4)
    for _ in channels[1:]:
        x = norm_silu(x, *take()).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        kernel, bias = take()
        x = F.conv2d(x, kernel, bias, padding=1)
    x = norm_silu(x, *take())
    kernel, bias = take()
    return torch.tanh(F.conv2d(x, kernel, bias, padding=1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("latent_dim", "channels", "size"), [(2, (4, 8, 12, 16), 32), (5, (8, 12, 4), 16)])
def test_forward_and_gradients_equal_a_network_without_modules(dtype, latent_dim, channels, size):
    """Same weights, same pictures: picture, loss and the gradient of every weight agree."""
    torch.manual_seed(latent_dim)
    model = AutoEncoder(latent_dim, channels, hidden=10, size=size).to(dtype)
    with torch.no_grad():  # away from the initial ones and zeros of the normalisations
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    weights = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    x = torch.rand(3, 3, size, size, dtype=dtype) * 2 - 1

    ours, theirs = model(x), functional_forward(weights, x, channels)
    assert (ours - theirs).abs().max() <= TOLERANCE[dtype]

    scale = x[0].numel()  # compare gradients of the mean, so that the tolerance is that of numbers of order one
    (reconstruction_loss(ours, x) / scale).backward()
    F.mse_loss(theirs, x).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad - weights[name].grad).abs().max() <= TOLERANCE[dtype], name


@pytest.mark.parametrize("shape", [(40, 7), (9, 30)])
def test_pca_equals_the_eigenvectors_of_the_covariance_in_scipy(shape):
    """Singular vectors of the centred data are eigenvectors of the covariance; only their sign is free."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64) * torch.linspace(1, 3, shape[1]) + 5
    fitted = pca(x, 4)
    values, vectors = scipy.linalg.eigh(np.cov(x.numpy().T, bias=True))
    np.testing.assert_allclose(fitted.variances.numpy(), values[::-1][:4], rtol=1e-10)
    cosines = np.abs(np.sum(fitted.components.numpy() * vectors.T[::-1][:4], axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-10)


def test_the_truncated_svd_of_numpy_gives_the_same_reconstruction():
    """Numpy's factors of the centred matrix, cut after three, rebuild the same points."""
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 2
    centre = x.numpy().mean(0)
    u, s, vt = np.linalg.svd(x.numpy() - centre, full_matrices=False)
    expected = (u[:, :3] * s[:3]) @ vt[:3] + centre
    np.testing.assert_allclose(pca(x, 3).reconstruct(x).numpy(), expected, atol=1e-10)


def test_subspace_angle_equals_scipy():
    """scipy.linalg.subspace_angles returns all principal angles of two column spaces, largest first."""
    a, b = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = np.degrees(scipy.linalg.subspace_angles(a.numpy().T, b.numpy().T)[0])
    assert subspace_angle(a, b) == pytest.approx(expected, abs=1e-9)


def test_the_fitted_gaussian_equals_numpy():
    """np.cov divides by N - 1 as well."""
    codes = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, cov = fit_gaussian(codes)
    np.testing.assert_allclose(mean.numpy(), codes.numpy().mean(0), atol=1e-12)
    np.testing.assert_allclose(cov.numpy(), np.cov(codes.numpy().T), atol=1e-12)
