"""Figures: the colours can be told apart, the pixels are the ones given, and wrong pictures are refused."""

import io
import itertools

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from lib.figures import COLOUR, CYCLE, image_grid, show_images, use_style

# Machado, Oliveira and Fernandes 2009, severity 1, acting on linear RGB
SIMULATION = {
    "full colour vision": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def linear_rgb(colour):
    channels = np.array(mpl.colors.to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear RGB, white point D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ rgb.clip(0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", SIMULATION)
def test_colours_of_two_quantities_stay_apart(vision):
    """A distance of about 2 in L*a*b* is just visible; thin lines need far more, so every pair has at least 18."""
    seen = {colour: lab(SIMULATION[vision] @ linear_rgb(colour)) for colour in set(COLOUR.values())}
    distances = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(seen, 2)}
    closest = min(distances, key=distances.get)
    assert distances[closest] >= 18, f"{closest} are {distances[closest]:.1f} apart"


def test_every_colour_can_be_read_on_white():
    """Lines need a contrast of about 3 : 1 against their ground (WCAG 2.2, 1.4.11)."""
    for name, colour in COLOUR.items():
        luminance = linear_rgb(colour) @ np.array([0.2126, 0.7152, 0.0722])
        assert 1.05 / (luminance + 0.05) >= 2.9, name


def test_one_quantity_has_one_colour_under_all_its_names():
    """A reader who learns that orange is an estimate of clean data must not have to learn it again."""
    assert COLOUR["reconstruction"] == COLOUR["x_0_hat"]
    assert COLOUR["data"] == COLOUR["x_0"]
    assert set(CYCLE) <= set(COLOUR.values()) and len(set(CYCLE)) == len(CYCLE)


def test_the_grid_holds_the_given_pixels_enlarged_without_mixing():
    """Nearest neighbour: each block of scale × scale has one value, that of its pixel."""
    images = torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    grid = image_grid(images, columns=3, scale=2)
    assert grid.shape == (2 * 8 + 4, 3 * 12 + 2 * 4, 3)
    fourth = grid[12:20, 0:12]  # second row, first column
    expected = ((images[3] + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(fourth[::2, ::2], expected)
    np.testing.assert_array_equal(fourth[::2], fourth[1::2])
    assert (grid[12:, 32:] == 255).all(), "the place of a missing picture is white"


def test_the_figure_shows_each_picture_pixel_as_whole_figure_pixels():
    """Drawn without titles, the figure is the grid itself: no smoothing, no resampling."""
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    figure = show_images(images, columns=2, scale=3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    drawn = np.asarray(Image.open(buffer).convert("RGB"))
    np.testing.assert_array_equal(drawn, image_grid(images, columns=2, scale=3))


def test_grey_pictures_and_lists_of_pictures_are_accepted():
    """One channel stands for three equal ones; a list is stacked."""
    grey = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)
    grid = image_grid(grey, columns=1)
    assert (grid[..., 0] == grid[..., 1]).all() and grid.min() == 0 and grid.max() == 255
    np.testing.assert_array_equal(image_grid(list(grey), columns=1), grid)


def test_titles_and_row_titles_all_appear():
    """One text per picture and one per row, in that order on the page."""
    figure = show_images(torch.zeros(5, 3, 16, 16), titles=list("abcde"), row_titles=["up", "down"], columns=3)
    assert [text.get_text() for text in figure.axes[0].texts] == ["up", "down", *"abcde"]


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        (torch.full((2, 3, 4, 4), 1.5), {}, r"\[-1, 1\], got \[1.5, 1.5\]"),
        (torch.full((2, 3, 4, 4), float("nan")), {"clip": True}, "finite"),
        (torch.zeros(3, 4, 4), {}, r"got \(3, 4, 4\)"),
        (torch.zeros(2, 4, 4, 3), {}, r"got \(2, 4, 4, 3\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), {}, "got torch.uint8"),
        (torch.zeros(0, 3, 4, 4), {"columns": 2}, "B >= 1"),
        ([torch.zeros(3, 4, 4), torch.zeros(3, 5, 4)], {}, "one size"),
        (torch.zeros(2, 3, 4, 4), {"columns": 0}, "columns must be a whole number from 1, got 0"),
        (torch.zeros(2, 3, 4, 4), {"titles": ["one"]}, "titles must have 2 entries, got 1"),
    ],
)
def test_wrong_pictures_are_refused_with_what_was_received(images, options, words):
    """Nothing is clamped or reshaped in silence."""
    with pytest.raises(ValueError, match=words):
        show_images(images, **options)


def test_model_outputs_may_overshoot_when_asked():
    """`clip=True` cuts off what lies outside, and only that."""
    images = torch.tensor([-3.0, -1.0, 0.5, 7.0]).reshape(1, 1, 2, 2)
    expected = image_grid(images.clamp(-1, 1), columns=1)
    np.testing.assert_array_equal(image_grid(images, columns=1, clip=True), expected)


def test_the_style_keeps_figures_white_and_pixels_sharp():
    """In a dark page a transparent figure would lose its dark letters."""
    with mpl.rc_context():
        use_style()
        assert mpl.rcParams["figure.facecolor"] == mpl.rcParams["savefig.facecolor"] == "white"
        assert mpl.rcParams["image.interpolation"] == "nearest"
