"""Principal components, the angle between subspaces, and the linear autoencoder that rediscovers them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.ae import LinearAutoEncoder, pca, reconstruction_loss, subspace_angle

F64 = torch.float64


def cloud(num: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator, dtype=F64)
    return torch.randn(num, width, generator=generator, dtype=F64) @ mixing + 3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(1, 5))
def test_components_are_orthonormal_and_variances_fall(seed, num, num_components):
    """Singular vectors form an orthonormal set and singular values come in descending order."""
    num_components = min(num_components, num - 1)
    fitted = pca(cloud(num, 6, seed), num_components)
    torch.testing.assert_close(fitted.components @ fitted.components.T, torch.eye(num_components, dtype=F64))
    assert (fitted.variances.diff() <= 1e-9).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_the_error_of_pca_is_the_variance_left_out(seed, num_components):
    """Eckart and Young: mean squared distance to the best subspace = sum of the remaining eigenvalues."""
    x = cloud(30, 6, seed)
    fitted = pca(x, num_components)
    left_out = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)[num_components:].sum()
    torch.testing.assert_close(reconstruction_loss(fitted.reconstruct(x), x), left_out)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_no_random_plane_beats_pca(seed):
    """PCA is the minimum over all planes, so every other projection has at least its error."""
    x = cloud(30, 5, seed)
    best = reconstruction_loss(pca(x, 2).reconstruct(x), x)
    basis = torch.linalg.qr(torch.randn(5, 2, generator=torch.Generator().manual_seed(seed), dtype=F64)).Q
    projected = (x - x.mean(0)) @ basis @ basis.T + x.mean(0)
    assert reconstruction_loss(projected, x) >= best - 1e-9


def test_points_of_the_sheet_are_their_own_reconstruction():
    """A projection applied twice is the projection: reconstruct(reconstruct(x)) = reconstruct(x)."""
    x = cloud(20, 6, 0)
    fitted = pca(x, 3)
    once = fitted.reconstruct(x)
    torch.testing.assert_close(fitted.reconstruct(once), once)
    torch.testing.assert_close(fitted.encode(fitted.decode(fitted.encode(x))), fitted.encode(x))


@pytest.mark.parametrize("degrees", [1e-6, 0.01, 1.0, 30.0, 89.0])
def test_the_angle_of_a_tilted_line_is_its_tilt(degrees):
    """Two lines in a plane: the angle is known, and the sine keeps it exact even for a millionth of a degree."""
    angle = math.radians(degrees)
    a = torch.tensor([[1.0, 0.0, 0.0]], dtype=F64)
    b = torch.tensor([[math.cos(angle), math.sin(angle), 0.0]], dtype=F64)
    assert subspace_angle(a, b) == pytest.approx(degrees, rel=1e-9)


def test_the_angle_does_not_depend_on_the_basis():
    """Mixing the rows by any invertible matrix leaves their span alone."""
    a, b = torch.randn(2, 3, 7, dtype=F64, generator=torch.Generator().manual_seed(0))
    mixed = torch.tensor([[2.0, 1, 0], [0, 1, 5], [1, 0, -1]], dtype=F64) @ b
    assert subspace_angle(a, mixed) == pytest.approx(subspace_angle(a, b), abs=1e-9)
    assert subspace_angle(b, mixed) < 1e-9


def test_a_trained_linear_autoencoder_spans_the_principal_plane_but_not_its_axes():
    """Baldi and Hornik: every minimum has the PCA subspace; the axes are free, so gradient descent has no reason
    to find them.
    """
    torch.manual_seed(0)
    x = cloud(60, 6, 1)
    model = LinearAutoEncoder(6, 2).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure():
        optimizer.zero_grad()
        loss = reconstruction_loss(model(x), x)
        loss.backward()
        return loss

    optimizer.step(closure)
    fitted = pca(x, 2)
    assert subspace_angle(model.decoder.weight.T, fitted.components) < 0.01
    torch.testing.assert_close(model(x).detach(), fitted.reconstruct(x), atol=1e-3, rtol=0)
    axes = torch.nn.functional.normalize(model.decoder.weight.T.detach(), dim=1) @ fitted.components.T
    assert axes.abs().max(dim=1).values.min() < 0.999


@pytest.mark.parametrize("num_components", [0, 5, 7])
def test_more_components_than_the_data_have_are_refused(num_components):
    """Five points around their mean span four dimensions."""
    with pytest.raises(ValueError, match=r"in 1\.\.4 for 5 rows"):
        pca(cloud(5, 6, 0), num_components)


def test_dependent_rows_have_no_angle():
    """Two parallel rows span a line, and asking for the angle of a plane is a mistake to be told."""
    a = torch.tensor([[1.0, 0, 0], [2.0, 0, 0]])
    with pytest.raises(ValueError, match="rows of a must be linearly independent"):
        subspace_angle(a, torch.eye(3)[:2])
