"""Arc and chord between two noises."""

import math

import pytest
import torch

from lib.ddim import lerp, norms, slerp


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("path", [slerp, lerp])
def test_both_paths_start_at_the_first_and_end_at_the_second(path):
    """Shares 0 and 1; a share for each row goes to its own row."""
    a, b = normal(3, 3, 8, 8), normal(3, 3, 8, 8, seed=1)
    torch.testing.assert_close(path(a, b, 0.0), a)
    torch.testing.assert_close(path(a, b, 1.0), b)
    each = path(a, b, torch.tensor([0.0, 0.3, 1.0]))
    torch.testing.assert_close(each, torch.stack([a[0], path(a, b, 0.3)[1], b[2]]), rtol=1e-6, atol=1e-6)


def test_the_straight_line_between_noises_sinks_and_the_arc_does_not():
    """Independent rows are almost orthogonal: sqrt((1-l)² + l²) of the norm against almost all of it."""
    a, b = normal(20, 3, 32, 32), normal(20, 3, 32, 32, seed=1)
    whole = math.sqrt(3 * 32 * 32)
    for share in (0.25, 0.5, 0.9):
        chord = math.sqrt((1 - share) ** 2 + share**2)
        assert (norms(lerp(a, b, share)) / whole).mean().item() == pytest.approx(chord, rel=0.02)
        assert (norms(slerp(a, b, share)) / whole).mean().item() == pytest.approx(1, rel=0.02)


def test_the_arc_turns_at_constant_speed_in_the_plane():
    """Unit vectors at 0 and 80 degrees: a quarter of the way is 20 degrees."""
    a, b = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[math.cos(1.4), math.sin(1.4)]]).double()
    at = slerp(a, b, 0.25)
    torch.testing.assert_close(at, torch.tensor([[math.cos(0.35), math.sin(0.35)]]).double())


def test_equal_ends_give_the_same_point_and_nearly_equal_ones_no_trouble():
    """The arc is then its chord; no division by the sine of 0."""
    a = normal(2, 5)
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    b = a + 1e-6 * normal(2, 5, seed=1)
    torch.testing.assert_close(slerp(a, b, 0.5), (a + b) / 2, atol=1e-12, rtol=0)


def test_the_paths_of_a_batch_are_those_of_its_rows():
    """The angle is taken for each row, over all its values."""
    a, b = normal(3, 2, 4), normal(3, 2, 4, seed=1)
    torch.testing.assert_close(slerp(a, b, 0.4), torch.cat([slerp(a[[i]], b[[i]], 0.4) for i in range(3)]))


def test_rows_without_a_single_arc_are_refused():
    """Zero has no direction; opposite points are joined by many arcs."""
    a = normal(2, 5)
    with pytest.raises(ValueError, match="no row that is 0"):
        slerp(a, 0 * a, 0.5)
    with pytest.raises(ValueError, match="opposite directions"):
        slerp(a, -2 * a, 0.5)


@pytest.mark.parametrize("path", [slerp, lerp])
def test_shapes_that_do_not_fit_are_refused(path):
    """Rows are pictures; a share for each of them or one for all."""
    a = normal(3, 4)
    with pytest.raises(ValueError, match="batches of one shape"):
        path(a, normal(3, 1), 0.5)
    with pytest.raises(ValueError, match="batches of one shape"):
        path(a[0], a[1], 0.5)
    with pytest.raises(ValueError, match="share must be a number or one for each of the 3 rows"):
        path(a, a, torch.tensor([0.1, 0.2]))


def test_the_norm_of_noise_is_close_to_the_root_of_its_length():
    """A thin shell: that is why the chord leaves it."""
    found = norms(normal(50, 3, 32, 32)) / math.sqrt(3072)
    assert found.shape == (50,) and found.mean().item() == pytest.approx(1, abs=0.01) and found.std() < 0.02
