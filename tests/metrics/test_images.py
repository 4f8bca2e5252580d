"""PSNR from its definition, and nearest neighbours against brute force."""

import math

import pytest
import torch

from lib.metrics import nearest, psnr


def test_a_constant_error_gives_the_textbook_value():
    """An error of 0.02 on a range of 2 is one part in a hundred: 20 log10(100) = 40 dB."""
    x = torch.zeros(3, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(psnr(x, x + 0.02), torch.full((3,), 40.0, dtype=torch.float64))


def test_ten_times_the_error_costs_twenty_decibels():
    """The error enters squared, and ten decibels are a factor of ten."""
    x = torch.zeros(1, 3, 8, 8)
    noise = 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(psnr(x, x + noise) - psnr(x, x + 10 * noise), torch.tensor([20.0]))


def test_the_scale_of_the_pictures_does_not_matter_once_the_range_is_said():
    """The same pictures in [0, 1] with range 1 have the same ratio as in [-1, 1] with range 2."""
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.rand(4, 3, 8, 8, generator=generator) for _ in range(2))
    torch.testing.assert_close(psnr(2 * x - 1, 2 * y - 1), psnr(x, y, data_range=1.0))


def test_every_picture_has_its_own_number_and_equal_pictures_reach_infinity():
    """One perfect picture beside one that is as wrong as can be: infinity and 0 dB, not their blend."""
    x = torch.full((2, 3, 4, 4), -1.0)
    y = x.clone()
    y[1] = 1
    assert psnr(x, y).tolist() == [math.inf, 0]


@pytest.mark.usefixtures("as_reader")
@pytest.mark.parametrize(
    ("x", "y", "data_range", "message"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 5), 2, r"same shape .* got \(2, 3, 4, 4\) and \(2, 3, 4, 5\)"),
        (torch.zeros(4), torch.zeros(4), 2, "same shape"),
        (torch.zeros(2, 3), torch.full((2, 3), 255.0), 2, "the largest difference is 255"),
        (torch.zeros(2, 3), torch.full((2, 3), math.nan), 2, "the largest difference is nan"),
        (torch.zeros(2, 3), torch.zeros(2, 3), 0.0, "data_range must be positive, got 0"),
    ],
)
def test_bad_pictures_are_named(x, y, data_range, message):
    """Which argument, the rule, the value received."""
    with pytest.raises(ValueError, match=message):
        psnr(x, y, data_range)


def test_nearest_equals_brute_force():
    """A loop over pairs with math.dist, sorted, is the definition."""
    generator = torch.Generator().manual_seed(2)
    queries, reference = torch.rand(5, 3, 2, 2, generator=generator), torch.rand(9, 3, 2, 2, generator=generator)
    found = nearest(queries, reference, k=3)
    flat = reference.flatten(1).tolist()
    for row, query in enumerate(queries.flatten(1).tolist()):
        expected = sorted((math.dist(query, other), i) for i, other in enumerate(flat))[:3]
        assert found.index[row].tolist() == [i for _, i in expected]
        assert found.distance[row].tolist() == pytest.approx([d for d, _ in expected])


def test_a_copy_is_its_own_nearest_neighbour_at_distance_zero():
    """Exactly zero and not nearly: a copied training picture must be told apart from a close one."""
    reference = torch.rand(70, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    found = nearest(reference, reference)
    assert found.index.flatten().tolist() == list(range(70))
    assert found.distance.abs().max() == 0


def test_equal_distances_come_in_the_order_of_the_reference():
    """Many emoji are equal in pixels (flags, for example); the answer must not depend on the machine."""
    found = nearest(torch.zeros(1, 2), torch.tensor([[1.0, 0], [0, 1], [0, 0], [-1, 0]]), k=4)
    assert found.index.tolist() == [[2, 0, 1, 3]]


def test_points_far_from_the_origin_are_told_apart():
    """A matrix product alone rounds these distances away; the search must measure them."""
    steps = torch.rand(40, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    reference = 1e7 + 1e-3 * steps
    found = nearest(reference[:6], reference, k=4)
    expected = torch.cdist(reference[:6], reference, compute_mode="donot_use_mm_for_euclid_dist").sort(dim=1)
    assert found.index.equal(expected.indices[:, :4]) and found.distance.equal(expected.values[:, :4])


def test_no_query_has_no_neighbours():
    """The shapes stay."""
    found = nearest(torch.zeros(0, 2), torch.zeros(3, 2), k=2)
    assert found.index.shape == found.distance.shape == (0, 2)


@pytest.mark.usefixtures("as_reader")
@pytest.mark.parametrize(
    ("queries", "reference", "k", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), 1, r"got \(2, 3\) and \(2, 4\)"),
        (torch.zeros(2, 3), torch.zeros(2, 3), 3, r"k must lie in 1..2 .* got 3"),
        (torch.zeros(2, 3), torch.full((2, 3), math.nan), 1, "must be finite"),
    ],
)
def test_bad_searches_are_named(queries, reference, k, message):
    """Which argument, the rule, the value received."""
    with pytest.raises(ValueError, match=message):
        nearest(queries, reference, k)
