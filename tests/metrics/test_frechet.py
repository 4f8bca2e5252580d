"""The Fréchet distance against closed forms, against scipy's matrix root, and against its own definition."""

import math

import numpy
import pytest
import scipy.linalg
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.metrics import frechet_distance, gaussian_frechet

few = settings(max_examples=20, deadline=None)
sizes = st.integers(1, 8)
seeds = st.integers(0, 10_000)


def random_gaussian(num_dims, generator):
    """A random mean and a random full-rank covariance."""
    factor = torch.randn(num_dims, num_dims, generator=generator, dtype=torch.float64)
    mu = torch.randn(num_dims, generator=generator, dtype=torch.float64)
    return mu, factor @ factor.T + 0.1 * torch.eye(num_dims, dtype=torch.float64)


@few
@given(num_dims=sizes, seed=seeds)
def test_the_value_equals_the_formula_with_a_general_matrix_root(num_dims, seed):
    """scipy.linalg.sqrtm takes the root of the product itself, which shares no line with our symmetric route."""
    generator = torch.Generator().manual_seed(seed)
    (mu1, cov1), (mu2, cov2) = random_gaussian(num_dims, generator), random_gaussian(num_dims, generator)
    root = scipy.linalg.sqrtm((cov1 @ cov2).numpy())
    expected = ((mu1 - mu2) ** 2).sum().item() + (cov1 + cov2).trace().item() - 2 * numpy.trace(root).real
    assert gaussian_frechet(mu1, cov1, mu2, cov2) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@few
@given(mu1=st.floats(-5, 5), mu2=st.floats(-5, 5), sigma1=st.floats(0, 5), sigma2=st.floats(0, 5))
def test_in_one_dimension_it_is_the_distance_in_the_plane_of_mean_and_standard_deviation(mu1, mu2, sigma1, sigma2):
    """With D = 1 the formula folds to (mu1 - mu2)² + (sigma1 - sigma2)²."""
    arguments = [torch.tensor(v, dtype=torch.float64) for v in ([mu1], [[sigma1**2]], [mu2], [[sigma2**2]])]
    expected = (mu1 - mu2) ** 2 + (sigma1 - sigma2) ** 2
    assert gaussian_frechet(*arguments) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@few
@given(num_dims=sizes, seed=seeds)
def test_covariances_that_commute_compare_by_their_standard_deviations(num_dims, seed):
    """With shared axes the matrix root acts on eigenvalues, which leaves (sigma1 - sigma2)² summed over axes."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(num_dims, num_dims, generator=generator, dtype=torch.float64)).Q
    sigma1, sigma2 = torch.rand(2, num_dims, generator=generator, dtype=torch.float64)
    mu = torch.randn(num_dims, generator=generator, dtype=torch.float64)
    cov1, cov2 = ((axes * sigma**2) @ axes.T for sigma in (sigma1, sigma2))
    expected = (sigma1 - sigma2).square().sum().item()
    assert gaussian_frechet(mu, cov1, mu, cov2) == pytest.approx(expected, abs=1e-9)


@few
@given(num_dims=sizes, seed=seeds)
def test_it_is_symmetric_and_blind_to_a_common_rotation(num_dims, seed):
    """Both follow from the definition as a transport cost: neither order nor axes enter it."""
    generator = torch.Generator().manual_seed(seed)
    first, second = random_gaussian(num_dims, generator), random_gaussian(num_dims, generator)
    axes = torch.linalg.qr(torch.randn(num_dims, num_dims, generator=generator, dtype=torch.float64)).Q
    turned = [(axes @ mu, axes @ cov @ axes.T) for mu, cov in (first, second)]
    distance = gaussian_frechet(*first, *second)
    assert gaussian_frechet(*second, *first) == pytest.approx(distance, rel=1e-9)
    assert gaussian_frechet(*turned[0], *turned[1]) == pytest.approx(distance, rel=1e-9)


def test_its_root_obeys_the_triangle_inequality():
    """The root of the value is a metric (the 2-Wasserstein distance); the value itself is not."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        a, b, c = (random_gaussian(3, generator) for _ in range(3))
        ab, bc, ac = (math.sqrt(gaussian_frechet(*p, *q)) for p, q in ((a, b), (b, c), (a, c)))
        assert ac <= ab + bc + 1e-9


def test_it_is_the_cheapest_way_to_move_one_gaussian_onto_the_other():
    """Matching two large samples at least cost (an assignment problem) must approach the closed form."""
    generator = torch.Generator().manual_seed(1)
    first, second = random_gaussian(2, generator), random_gaussian(2, generator)
    a, b = (
        mu + torch.randn(1500, 2, generator=generator, dtype=torch.float64) @ torch.linalg.cholesky(cov).T
        for mu, cov in (first, second)
    )
    cost = torch.cdist(a, b).square().numpy()
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    assert cost[rows, columns].mean() == pytest.approx(gaussian_frechet(*first, *second), rel=0.1)


def test_singular_covariances_are_allowed():
    """A flat Gaussian against a flat one across it: no direction is shared, so both variances are paid in full."""
    mu = torch.zeros(2, dtype=torch.float64)
    cov1, cov2 = torch.diag(torch.tensor([4.0, 0.0])), torch.diag(torch.tensor([0.0, 9.0]))
    assert gaussian_frechet(mu, cov1, mu, cov2) == pytest.approx(13, abs=1e-6)


def test_equal_sets_have_distance_zero_and_a_shift_adds_its_squared_length():
    """A shift leaves covariances alone, so only |mu1 - mu2|² is left."""
    features = torch.randn(200, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, features + 2) == pytest.approx(5 * 2**2, rel=1e-9)


def test_sample_covariances_divide_by_n_minus_one():
    """numpy.cov is the reference; with ten rows a division by N would be off by a tenth."""
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.randn(10, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    cov_a, cov_b = (torch.from_numpy(numpy.cov(x.numpy().T)) for x in (a, b))
    expected = gaussian_frechet(a.mean(0), cov_a, b.mean(0), cov_b)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_float32_features_are_computed_in_float64():
    """A large common offset would swallow the digits of float32 sums of squares."""
    generator = torch.Generator().manual_seed(4)
    a, b = torch.randn(2, 500, 4, generator=generator).mul(64).round().div(64).unbind()
    assert frechet_distance(a + 1024, b + 1024) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_the_bias_of_small_sets_falls_like_one_over_n():
    """Two samples of one Gaussian should be at distance 0; four times the rows must give about a quarter."""
    generator = torch.Generator().manual_seed(5)

    def mean_distance(num):
        draw = lambda: torch.randn(num, 8, generator=generator, dtype=torch.float64)  # noqa: E731
        return sum(frechet_distance(draw(), draw()) for _ in range(20)) / 20

    assert mean_distance(200) / mean_distance(800) == pytest.approx(4, rel=0.2)


def test_too_few_rows_for_the_dimensions_are_announced():
    """With N <= D the covariance is singular whatever the data are."""
    features = torch.randn(6, 6, generator=torch.Generator().manual_seed(6))
    with pytest.warns(UserWarning, match="6 rows cannot fill a covariance of 6 dimensions"):
        frechet_distance(features, torch.randn(50, 6))


@pytest.mark.usefixtures("as_reader")
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(1, 3), torch.zeros(5, 3), r"features_a must have shape \(N, D\) with N >= 2 rows, got \(1, 3\)"),
        (torch.zeros(5, 3), torch.zeros(5, 4), "features_a has 3 columns, features_b has 4"),
        (torch.zeros(5, 3), torch.full((5, 3), math.nan), "features_b must be finite"),
    ],
)
def test_bad_features_are_named(a, b, message):
    """Which argument, the rule, the value received."""
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


@pytest.mark.usefixtures("as_reader")
@pytest.mark.parametrize(
    ("cov", "message"),
    [
        (torch.eye(3), "cov2 must be 2 x 2"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "cov2 must be symmetric"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "cov2 must have no negative eigenvalue, got -1"),
        (torch.full((2, 2), math.inf), "cov2 must be finite"),
    ],
)
def test_a_matrix_that_is_no_covariance_is_refused(cov, message):
    """The formula would return a number for these too, and it would mean nothing."""
    with pytest.raises(ValueError, match=message):
        gaussian_frechet(torch.zeros(2), torch.eye(2), torch.zeros(2), cov)


@pytest.mark.usefixtures("as_reader")
def test_means_must_agree_in_length():
    """Broadcasting would quietly compare a vector with a number."""
    with pytest.raises(ValueError, match=r"mu2 must have shape \(2,\) like mu1, got \(1,\)"):
        gaussian_frechet(torch.zeros(2), torch.eye(2), torch.zeros(1), torch.eye(2))
