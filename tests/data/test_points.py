"""Toys in the plane and distributions with exact scores, against quadrature, autograd, brute force and limits."""

import math

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.data import GaussianMixture, PointSet, mixture, points
from lib.data.points import MIXTURES, POINTS

LEVELS = [1.0, 0.9, 0.3, 0.01]


def random_mixture(seed: int, num_components: int = 3, dim: int = 2) -> GaussianMixture:
    g = torch.Generator().manual_seed(seed)
    weights = torch.rand(num_components, generator=g).double() + 0.1
    root = torch.randn(num_components, dim, dim, generator=g).double()
    covs = root @ root.mT + 0.2 * torch.eye(dim)
    return GaussianMixture(weights / weights.sum(), 2 * torch.randn(num_components, dim, generator=g), covs)


@pytest.fixture
def unchecked():
    """Switch the shape checks of the test run off: readers run without them and must meet our own messages."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def grid(low: float, high: float, num: int) -> torch.Tensor:
    return torch.linspace(low, high, num, dtype=torch.float64)


# --- Gaussian mixtures ---


def test_log_prob_equals_torch_distributions(generator):
    """The same density from an independent implementation."""
    gm = random_mixture(1, num_components=4, dim=3)
    normals = torch.distributions.MultivariateNormal(gm.means, gm.covs)
    reference = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(gm.weights), normals)
    x = 3 * torch.randn(5, 7, 3, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(gm.log_prob(x), reference.log_prob(x))


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4), st.sampled_from(LEVELS))
def test_score_is_the_gradient_of_log_prob(seed, num_components, dim, alpha_bar):
    """The closed form against autograd, on clean and noisy mixtures of any size."""
    gm = random_mixture(seed, num_components, dim).diffused(alpha_bar)
    x = 2 * torch.randn(6, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(gm.log_prob(x).sum(), x)
    torch.testing.assert_close(gm.score(x.detach()), gradient, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("alpha_bar", [0.95, 0.5, 0.05])
def test_diffused_mixture_is_the_convolution_with_noise(alpha_bar):
    """q(x_t) is the integral of p(x_0) N(x_t; sqrt(alpha_bar) x_0, 1 - alpha_bar) over x_0, by quadrature on a line."""
    gm = random_mixture(3, num_components=3, dim=1)
    x_0, x_t = grid(-25, 25, 4001)[:, None], grid(-4, 4, 9)[:, None]
    kernel = torch.distributions.Normal(math.sqrt(alpha_bar) * x_0.T, math.sqrt(1 - alpha_bar)).log_prob(x_t).exp()
    joint = kernel * gm.log_prob(x_0).exp()
    density = torch.trapezoid(joint, x_0[:, 0])
    torch.testing.assert_close(gm.diffused(alpha_bar).log_prob(x_t), density.log(), rtol=1e-9, atol=1e-9)
    mean_x_0 = torch.trapezoid(joint * x_0.T, x_0[:, 0]) / density
    torch.testing.assert_close(gm.denoised(x_t, alpha_bar)[:, 0], mean_x_0, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 10**6), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_two_steps_of_noise_are_one(seed, first, second):
    """Noise of level a and then b is noise of level a b: the rule that makes alpha_bar a product."""
    gm = random_mixture(seed)
    twice, once = gm.diffused(first).diffused(second), gm.diffused(first * second)
    torch.testing.assert_close(twice.means, once.means)
    torch.testing.assert_close(twice.covs, once.covs)


def test_the_ends_of_the_noise_range():
    """No noise changes nothing and the best guess is the point itself; all noise leaves N(0, I) and the mean."""
    gm = random_mixture(5)
    x = torch.randn(4, 2, dtype=torch.float64)
    torch.testing.assert_close(gm.diffused(1.0).log_prob(x), gm.log_prob(x))
    torch.testing.assert_close(gm.denoised(x, 1.0), x)
    torch.testing.assert_close(gm.diffused(0.0).score(x), -x)
    torch.testing.assert_close(gm.denoised(x, 0.0), gm.mean.expand(4, 2))


@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.99, 0.6, 0.02]))
def test_denoiser_and_score_obey_tweedie(seed, dim, alpha_bar):
    """sqrt(alpha_bar) E[x_0 | x_t] = x_t + (1 - alpha_bar) score (Efron 2011): two independent closed forms agree."""
    gm = random_mixture(seed, dim=dim)
    x_t = 2 * torch.randn(5, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    tweedie = (x_t + (1 - alpha_bar) * gm.diffused(alpha_bar).score(x_t)) / math.sqrt(alpha_bar)
    torch.testing.assert_close(gm.denoised(x_t, alpha_bar), tweedie, rtol=1e-8, atol=1e-8)


def test_samples_have_the_mean_covariance_and_labels_of_the_mixture(generator):
    """Monte Carlo with 200,000 points: errors stay below five standard errors."""
    gm = mixture("mixture")
    x, k = gm.sample_with_labels(200_000, generator)
    torch.testing.assert_close(x.mean(0), gm.mean, rtol=0, atol=0.012)
    torch.testing.assert_close(x.T.cov(), gm.cov, rtol=0, atol=0.02)
    torch.testing.assert_close(k.bincount() / len(k), gm.weights.float(), rtol=0, atol=0.006)
    torch.testing.assert_close(x[k == 1].T.cov(), gm.covs[1], rtol=0, atol=0.01)
    torch.testing.assert_close(x[k == 1].mean(0), gm.means[1], rtol=0, atol=0.02)


def test_classes_recombine_to_the_whole():
    """Bayes: the mixture's score is the class scores weighted by responsibility, as classifier guidance uses it."""
    gm = random_mixture(8, num_components=4)
    first, second = gm.select([0, 2]), gm.select([1, 3])
    x = torch.randn(6, 2, dtype=torch.float64)
    in_first = gm.responsibilities(x)[:, [0, 2]].sum(1, keepdim=True)
    torch.testing.assert_close(gm.responsibilities(x).sum(1), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(in_first * first.score(x) + (1 - in_first) * second.score(x), gm.score(x))


@pytest.mark.parametrize("name", MIXTURES)
def test_named_mixtures_are_standardized(name):
    """Mean 0 and average variance 1, so that diffusion keeps their size; the density still integrates to 1."""
    gm = mixture(name)
    torch.testing.assert_close(gm.mean, torch.zeros(2, dtype=torch.float64))
    assert gm.cov.diagonal().mean().item() == pytest.approx(1)
    side = grid(-6, 6, 601)
    density = gm.log_prob(torch.cartesian_prod(side, side)).exp()
    assert density.sum().item() * 0.02**2 == pytest.approx(1, abs=1e-6)


def test_results_keep_the_precision_of_the_argument():
    """Samplers run in float32; the sums inside run in float64, so far away nothing overflows or vanishes."""
    gm, far = mixture("gaussians8"), torch.tensor([[300.0, -200.0]])
    assert gm.score(far).dtype == gm.log_prob(far).dtype == gm.denoised(far, 0.5).dtype == torch.float32
    assert gm.score(far).isfinite().all() and gm.log_prob(far).isfinite().all()
    assert gm.weights.dtype == gm.means.dtype == torch.float64


@pytest.mark.parametrize(
    ("weights", "means", "covs", "message"),
    [
        ([0.5, 0.6], torch.zeros(2, 2), torch.eye(2).expand(2, 2, 2), "sum to 1"),
        ([1.5, -0.5], torch.zeros(2, 2), torch.eye(2).expand(2, 2, 2), "must be positive"),
        ([1.0], torch.zeros(2, 2), torch.eye(2)[None], r"means \(K, D\)"),
        ([1.0], torch.zeros(1, 2), torch.eye(3)[None], r"covs \(K, D, D\)"),
        ([1.0], torch.zeros(1, 2), torch.tensor([[[1.0, 0.5], [0.0, 1.0]]]), "symmetric"),
        ([1.0], torch.zeros(1, 2), torch.tensor([[[1.0, 2.0], [2.0, 1.0]]]), "positive definite"),
    ],
)
def test_what_is_no_mixture_is_refused(unchecked, weights, means, covs, message):
    """Each rule of the constructor, broken once."""
    with pytest.raises(ValueError, match=message):
        GaussianMixture(torch.tensor(weights), means, covs)


@pytest.mark.parametrize("alpha_bar", [-0.1, 1.5, math.nan])
def test_noise_levels_outside_the_range_are_refused(alpha_bar):
    """A sigma or a percentage passed for alpha_bar must not pass silently."""
    with pytest.raises(ValueError, match=r"alpha_bar must lie in \[0, 1\], got"):
        mixture("mixture").diffused(alpha_bar)
    with pytest.raises(ValueError, match=r"alpha_bar must lie in \[0, 1\], got"):
        PointSet(torch.zeros(2, 2)).score(torch.zeros(1, 2), alpha_bar)


# --- finite sets ---


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.9, 0.4, 0.05]))
def test_finite_set_is_the_mixture_with_vanishing_spread(seed, num, alpha_bar):
    """Equal round components of variance s^2 around the points: with s -> 0 every formula becomes that of the set."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(num, 2, dtype=torch.float64, generator=g)
    x_t = torch.randn(5, 2, dtype=torch.float64, generator=g)
    covs = 1e-10 * torch.eye(2, dtype=torch.float64).expand(num, 2, 2)
    limit, exact = GaussianMixture(torch.full((num,), 1 / num), centres, covs), PointSet(centres)
    torch.testing.assert_close(exact.log_prob(x_t, alpha_bar), limit.diffused(alpha_bar).log_prob(x_t))
    torch.testing.assert_close(exact.score(x_t, alpha_bar), limit.diffused(alpha_bar).score(x_t), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(exact.denoised(x_t, alpha_bar), limit.denoised(x_t, alpha_bar), rtol=1e-5, atol=1e-6)


def test_one_point_pulls_straight_to_itself():
    """With a single point x_0 nothing is uncertain: the denoiser returns it and the score points to it."""
    x_0, x_t = torch.randn(1, 3, 4, 4, dtype=torch.float64), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    one = PointSet(x_0)
    torch.testing.assert_close(one.denoised(x_t, 0.7), x_0.expand(2, 3, 4, 4))
    torch.testing.assert_close(one.score(x_t, 0.7), (math.sqrt(0.7) * x_0 - x_t) / 0.3)


@pytest.mark.parametrize("alpha_bar", [0.999, 0.5, 0.0])
def test_finite_set_of_pictures_against_brute_force(generator, alpha_bar):
    """A loop over pictures with plain exponentials, on pictures near enough for these not to vanish."""
    data = 0.2 * torch.randn(5, 3, 2, 2, dtype=torch.float64, generator=generator)
    x_t = math.sqrt(alpha_bar) * data[:3] + 0.1 * math.sqrt(1 - alpha_bar)
    pictures = PointSet(data)
    for b in range(3):
        norm = (2 * math.pi * (1 - alpha_bar)) ** 6
        parts = [
            math.exp(-(x_t[b] - math.sqrt(alpha_bar) * x).square().sum() / (2 * (1 - alpha_bar))) / norm for x in data
        ]
        share = torch.tensor(parts, dtype=torch.float64) / sum(parts)
        torch.testing.assert_close(pictures.weights(x_t, alpha_bar)[b], share)
        torch.testing.assert_close(pictures.denoised(x_t, alpha_bar)[b], (share[:, None, None, None] * data).sum(0))
        assert pictures.log_prob(x_t, alpha_bar)[b].item() == pytest.approx(math.log(sum(parts) / 5))


def test_finite_set_score_is_the_gradient_of_log_prob(generator):
    """Autograd through logsumexp; float32 arguments give float32 results."""
    pictures = PointSet(torch.randn(7, 1, 3, 3, generator=generator))
    x_t = torch.randn(4, 1, 3, 3, dtype=torch.float64, generator=generator).requires_grad_()
    (gradient,) = torch.autograd.grad(pictures.log_prob(x_t, 0.8).sum(), x_t)
    torch.testing.assert_close(pictures.score(x_t.detach(), 0.8), gradient)
    assert pictures.score(x_t.detach().float(), 0.8).dtype == torch.float32


def test_almost_without_noise_the_denoiser_returns_the_training_picture(generator):
    """The exact minimiser memorises; in plain exponentials all weights would be 0 / 0 here."""
    data = torch.randn(50, 3, 8, 8, generator=generator)
    pictures, alpha_bar = PointSet(data), 1 - 1e-6
    x_t = math.sqrt(alpha_bar) * data + 1e-3 * torch.randn(data.shape, generator=generator)
    torch.testing.assert_close(pictures.denoised(x_t, alpha_bar), data)
    assert pictures.denoised(100 * x_t, alpha_bar).isfinite().all()


def test_a_finite_set_needs_points_and_noise():
    """Without noise a finite set has no density; without points there is nothing."""
    with pytest.raises(ValueError, match="alpha_bar must be below 1"):
        PointSet(torch.zeros(2, 2)).denoised(torch.zeros(1, 2), 1.0)
    with pytest.raises(ValueError, match=r"N >= 1, got shape \(0, 2\)"):
        PointSet(torch.zeros(0, 2))


# --- toys ---


@pytest.mark.parametrize("name", POINTS)
def test_toys_are_centred_with_average_variance_one(name, generator):
    """The scales come from integrals; 100,000 points must agree with them."""
    x = points(name, 100_000, generator)
    assert x.shape == (100_000, 2) and x.dtype == torch.float32
    torch.testing.assert_close(x.mean(0), torch.zeros(2), rtol=0, atol=0.02)
    assert x.var(0).mean().item() == pytest.approx(1, abs=0.015)


@pytest.mark.parametrize("name", POINTS)
def test_the_generator_decides_the_points(name):
    """The same seed gives the same points, another seed others."""
    draw = lambda seed: points(name, 50, torch.Generator().manual_seed(seed))  # noqa: E731
    assert draw(3).equal(draw(3)) and not draw(3).equal(draw(4))


def test_checkerboard_fills_every_other_square(generator):
    """No point may fall into a light square, and the eight dark ones get equal shares."""
    cell = ((points("checkerboard", 80_000, generator) * math.sqrt(4 / 3) + 2).clamp(0, 3.9999)).long()
    assert ((cell.sum(1) % 2) == 0).all()
    counts = torch.bincount(cell[:, 0] * 4 + cell[:, 1], minlength=16)
    assert (counts > 0).sum() == 8 and counts.max() < 1.06 * 10_000


def test_rings_have_radii_one_to_three(generator):
    """Each point lies within five standard deviations of a ring, and counts grow with the radius."""
    scale = math.sqrt(3 + 0.08**2)
    radius = points("rings", 60_000, generator).norm(dim=1) * scale
    ring = radius.round()
    assert (radius - ring).abs().max() < 0.4
    torch.testing.assert_close(ring.long().bincount()[1:] / 60_000, torch.tensor([1, 2, 3]) / 6, rtol=0, atol=0.01)


def test_moons_are_one_shape_turned_by_half(generator):
    """Both moons are half circles of radius 1 about their own centre."""
    scale = math.sqrt((0.75 + 0.5625 - 1 / math.pi) / 2 + 0.07**2)
    x = points("two_moons", 20_000, generator) * scale
    off = torch.stack([((s * x + torch.tensor([0.5, 0.25])).norm(dim=1) - 1).abs() for s in (1, -1)])
    assert off.amin(0).max() < 0.4
    assert (off[0] < off[1]).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_swiss_roll_winds_outwards(generator):
    """The distance from the spiral's own centre is the angle it has turned: 1.5 to 4.5 pi, uniformly."""
    start, end = 1.5 * math.pi, 4.5 * math.pi
    centre = torch.tensor([2.0, 2 / (3 * math.pi)])
    mean_square = (end**3 - start**3) / (3 * (end - start))
    scale = math.sqrt((mean_square - centre.square().sum().item()) / 2 + 0.4**2)
    radius = (points("swiss_roll", 50_000, generator) * scale + centre).norm(dim=1)
    share = ((radius - start) / (end - start)).quantile(torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(share, torch.tensor([0.25, 0.5, 0.75]), rtol=0, atol=0.02)


def test_wrong_names_and_numbers_are_refused():
    """The message lists what exists."""
    with pytest.raises(ValueError, match="two_moons, swiss_roll.*got 'moons'"):
        points("moons", 10)
    with pytest.raises(ValueError, match="gaussians8, mixture, got 'rings'"):
        mixture("rings")
    with pytest.raises(ValueError, match="num must be at least 1, got 0"):
        points("rings", 0)
