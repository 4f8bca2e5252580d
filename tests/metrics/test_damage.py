"""Each knob does what it says, and nothing at zero."""

import pytest
import torch

from lib.metrics.damage import add_noise, blend, blur, shift


@pytest.fixture
def images(generator):
    """Four random pictures in [-1, 1]."""
    return 2 * torch.rand(4, 3, 12, 16, generator=generator, dtype=torch.float64) - 1


def test_zero_damage_is_no_damage(images):
    """Every knob at zero must return the picture itself, or the undamaged training pictures would be damaged too."""
    for same in (blur(images, 0.0), add_noise(images, 0.0), shift(images, 0), blend(images, -images, 0.0)):
        torch.testing.assert_close(same, images, rtol=0, atol=0)


def test_blur_spreads_a_point_by_its_sigma():
    """A single bright pixel far from the border becomes a Gaussian: same sum, variance sigma² along each axis."""
    image = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    image[0, 0, 20, 20] = 1
    position = torch.arange(41, dtype=torch.float64) - 20
    for sigma in (1.0, 2.5):
        spread_out = blur(image, sigma)[0, 0]
        assert spread_out.sum().item() == pytest.approx(1)
        for axis in (0, 1):
            assert (spread_out.sum(axis) * position**2).sum().item() == pytest.approx(sigma**2, rel=1e-3)


def test_two_blurs_add_their_variances():
    """Gaussians are closed under convolution; away from the border 3² + 4² = 5²."""
    image = torch.zeros(1, 1, 81, 81, dtype=torch.float64)
    image[0, 0, 40, 40] = 1
    torch.testing.assert_close(blur(blur(image, 3.0), 4.0), blur(image, 5.0), rtol=0, atol=1e-6)


def test_blur_leaves_a_plain_picture_plain():
    """Weights sum to 1 at the border too: the white background of an emoji must not darken."""
    white = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(blur(white, 2.0), white)


def test_every_picture_can_have_its_own_sigma(images):
    """One call with four sigmas equals four calls."""
    sigma = torch.tensor([0, 0.5, 1, 2], dtype=torch.float64)
    one_by_one = torch.cat([blur(images[i : i + 1], sigma[i].item()) for i in range(4)])
    torch.testing.assert_close(blur(images, sigma), one_by_one)


def test_noise_has_its_standard_deviation_and_stays_in_range(generator):
    """On mid grey nothing is clipped, so the spread can be read off; on white half of the noise is cut."""
    grey = torch.zeros(1, 3, 200, 200)
    assert add_noise(grey, 0.1, generator).std().item() == pytest.approx(0.1, rel=0.02)
    assert add_noise(grey + 1, 0.1, generator).max() == 1


def test_shift_moves_to_the_right_and_down_and_brings_in_white():
    """Read off on a picture with a single black pixel, in all four directions."""
    image = torch.ones(1, 3, 8, 8)
    image[..., 3, 4] = -1
    for right, down in ((2, 0), (-2, 0), (0, 3), (0, -3), (1, -2)):
        expected = torch.ones(1, 3, 8, 8)
        expected[..., 3 + down, 4 + right] = -1
        torch.testing.assert_close(shift(image, right, down), expected)


def test_a_double_exposure_is_the_weighted_mean(images):
    """Share 0.25 takes a quarter from the other picture."""
    torch.testing.assert_close(blend(images, images.flip(0), 0.25), 0.75 * images + 0.25 * images.flip(0))


def test_negative_damage_is_refused(images):
    """A negative width or share has no meaning; the formulas would still return something."""
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        blur(images, -1.0)
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        add_noise(images, -1.0)
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\], got 1.5 to 1.5"):
        blend(images, images, 1.5)
