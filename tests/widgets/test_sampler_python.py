"""The Python side of the widgets of chapters 5 and 6: what is refused, what is read back."""

import io

import numpy as np
import pytest
import torch
from checks import assert_refused
from PIL import Image
from sampler_pages import ETA, NAMES, STEPS, frame_explorer, frames, guidance_field, steps_explorer

from lib.data import GaussianMixture, emoji, mixture
from lib.ddpm import schedules
from lib.widgets import FrameExplorer, GuidanceField, StepsExplorer
from lib.widgets import frame_explorer as frame_explorer_module

AXES = {"steps": STEPS, "eta": ETA, "picture": NAMES}


# ---- the frame explorer


def test_the_sheet_holds_every_picture_exactly():
    """Lossless: each picture is cut out again, byte by byte."""
    widget = frame_explorer()
    sheet = np.asarray(Image.open(io.BytesIO(widget.sheet)))
    rows, columns = sheet.shape[0] // 8, sheet.shape[1] // 8
    assert columns == widget.columns and rows * columns >= 24
    cut = sheet.reshape(rows, 8, columns, 8, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, 8, 8)
    np.testing.assert_array_equal(cut[:24], frames().reshape(-1, 3, 8, 8))


def test_a_place_is_set_by_index_or_by_value_and_what_is_not_named_stays():
    """The picture and the values follow."""
    widget = frame_explorer()
    assert widget.values == {"steps": 5, "eta": 0.0, "picture": "left"}
    widget.place = {"eta": 3}
    widget.choose(picture="right")
    assert widget.place == {"steps": 1, "eta": 3, "picture": 1}
    np.testing.assert_array_equal(widget.picture, frames()[1, 3, 1])
    widget.choose(steps=20, eta=0.5)
    assert widget.values == {"steps": 20, "eta": 0.5, "picture": "right"}


def test_tensors_grey_pictures_and_lossy_sheets_are_taken():
    """A tensor equals an array; grey is stored as three equal colours; a quality makes the sheet smaller."""
    assert FrameExplorer(torch.from_numpy(frames()), AXES).sheet == FrameExplorer(frames(), AXES).sheet
    grey = FrameExplorer(frames()[:, :, :, :1], AXES)
    sheet = np.asarray(Image.open(io.BytesIO(grey.sheet)))
    assert (sheet == sheet[..., :1]).all() and grey.preview().shape[2] == 3
    assert len(FrameExplorer(frames(), AXES, quality=50).sheet) < len(grey.sheet)


def test_numbers_are_words_for_readers():
    """Four figures, a true minus sign, a dash for what is missing; they broadcast like arrays."""
    numbers = {"a": torch.tensor([[-1.23456], [2.0], [float("nan")]]).unsqueeze(-1), "b": np.zeros(2)}
    made = frame_explorer(numbers=numbers).numbers
    assert made[0] == {"label": "a", "lengths": [3, 1, 1], "texts": ["−1.235", "2", "–"]}
    assert made[1] == {"label": "b", "lengths": [1, 1, 2], "texts": ["0", "0"]}


def test_the_preview_shows_what_is_laid_out():
    """Side by side, in rows in either order of the axes, and alone."""
    cell = 12 * 8 + 4
    shapes = {("picture", ""): (1, 2), ("eta", "steps"): (3, 4), ("steps", "eta"): (4, 3), ("", ""): (1, 1)}
    for (across, down), (rows, columns) in shapes.items():
        widget = frame_explorer(across=across, down=down)
        pixels = widget.preview()
        assert pixels.shape == (rows * cell, columns * cell, 3)
    at = frame_explorer(across="steps", down="eta").preview()[cell : cell + 96 : 12, 2 * cell : 2 * cell + 96 : 12]
    np.testing.assert_array_equal(at.transpose(2, 0, 1), frames()[2, 1, 0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"place": {"steps": 3}}, r"place\['steps'\] must be an index in 0..2"),
        ({"place": {"scale": 0}}, "place must name axes"),
        ({"across": "scale"}, 'across must be "" or one of'),
        ({"across": "eta", "down": "eta"}, "two different axes"),
        ({"titles": {"scale": "s"}}, "titles must name axes"),
        ({"numbers": {"error": np.zeros((3, 2))}}, r"numbers\['error'\] must broadcast"),
        ({"numbers": {"error": np.zeros((1, 3, 4, 2))}}, r"numbers\['error'\] must broadcast"),
        ({"quality": 0}, "quality must be None or lie in 1..100"),
    ],
)
def test_the_frame_explorer_refuses(change, words):
    """The message names what, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        frame_explorer(**change)


@pytest.mark.parametrize(
    ("pictures", "axes", "words"),
    [
        (frames().astype(np.float32), AXES, "frames must be bytes"),
        (frames()[:2], AXES, r"frames must be bytes \(3, 4, 2"),
        (frames()[:, :, :, :2], AXES, "1 or 3, H, W"),
        (frames(), {}, "axes must be 1 to 5 names"),
        (frames(), {"steps": [], "eta": ETA, "picture": NAMES}, "axes must be 1 to 5 names"),
        (np.zeros((1201, 3, 1, 1), np.uint8), {"step": range(1201)}, "at most 1200 pictures"),
        (np.zeros((300, 60, 3, 4, 300), np.uint8)[:20], {"a": range(20), "b": range(60)}, "16,000 pixels"),
    ],
    ids=["float", "too few", "two colours", "no axis", "empty axis", "too many", "too wide"],
)
def test_pictures_and_axes_that_do_not_fit_are_refused(pictures, axes, words):
    """The message says what fits, and how pictures become bytes."""
    with pytest.raises(ValueError, match=words):
        FrameExplorer(pictures, axes)


def test_pictures_that_would_make_the_page_heavy_are_refused(monkeypatch):
    """Noise does not pack; with a limit of a kilobyte a lossy sheet still fits."""
    monkeypatch.setattr(frame_explorer_module, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="frames must pack into 1 kB, got [2-9] kB; set quality=80"):
        FrameExplorer(frames(), AXES)
    FrameExplorer(frames(), AXES, quality=1)


def test_a_grid_of_steps_and_eta_stays_small():
    """Five by five by six pictures of 32 x 32 pixels: less than 400 kB of page, though no two are alike."""
    pictures = emoji(32).images[::20][:150].reshape(5, 5, 6, 3, 32, 32)
    frames_ = ((pictures + 1) * 127.5).round().to(torch.uint8)
    axes = {"steps": [10, 20, 50, 100, 1000], "eta": [0, 0.2, 0.5, 1, "σ̂"], "picture": range(1, 7)}
    assert len(FrameExplorer(frames_, axes).static_html()) < 400_000


def test_refused_moves_leave_the_explorer_as_it_was():
    """By index, by value and by layout."""
    widget = frame_explorer()
    before = (widget.place, widget.across, widget.down)
    for move in (
        lambda: setattr(widget, "place", {"steps": 9}),
        lambda: setattr(widget, "place", {"eta": 0.5}),
        lambda: widget.choose(steps=7),
        lambda: widget.choose(scale=1),
        lambda: setattr(widget, "down", "picture"),
    ):
        with pytest.raises(ValueError, match="must"):
            move()
    assert (widget.place, widget.across, widget.down) == before


# ---- the steps explorer


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data", "spirals", "data must be one of"),
        ("num_steps", 0, r"num_steps must lie in 1..50"),
        ("num_steps", 51, r"num_steps must lie in 1..50"),
        ("eta", 1.1, r"eta must lie in \[0, 1\]"),
        ("eta", -0.1, r"eta must lie in \[0, 1\]"),
        ("spacing", "linspace", "spacing must be one of evenly, quadratic, leading, trailing"),
        ("seed", -1, "seed must lie in"),
        ("own", [9.0, 0.0], "own must be two numbers"),
    ],
)
def test_the_steps_explorer_refuses_and_stays_as_it_was(name, value, words):
    """The message names what, the rule and the value; nothing changes."""
    assert_refused(steps_explorer(), name, value, words)


def test_what_is_given_at_first_is_set_and_the_starts_follow_the_seed():
    """Every argument; the same seed gives the same noise, another another."""
    widget = steps_explorer(num_steps=7, eta=0.5, sigma_hat=True, spacing="quadratic", name="clouds", seed=9)
    assert (widget.num_steps, widget.eta, widget.sigma_hat) == (7, 0.5, True)
    assert (widget.spacing, widget.data, widget.seed) == ("quadratic", "clouds", 9)
    np.testing.assert_array_equal(widget.x_T, steps_explorer(seed=9).x_T)
    assert np.abs(widget.x_T - steps_explorer().x_T).mean() > 0.5


def test_its_preview_moves_the_particles():
    """One step ends in the middle of the data, twenty on them: the pictures differ."""
    assert (steps_explorer(num_steps=1).preview() != steps_explorer(num_steps=20).preview()).mean() > 0.01


@pytest.mark.parametrize("num_levels", [9, 1001])
def test_schedules_that_do_not_fit_are_refused(num_levels):
    """10 to 1,000 steps."""
    with pytest.raises(ValueError, match="alpha_bar must hold 10 to 1000 steps"):
        StepsExplorer({"clouds": mixture("gaussians8")}, schedules.cosine(num_levels))


# ---- the guidance field


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("wanted", "narrow", "wanted must be one of wide, others"),
        ("guidance_scale", 10.5, r"guidance_scale must lie in \[0, 10\]"),
        ("guidance_scale", -1.0, r"guidance_scale must lie in \[0, 10\]"),
        ("t", 41, "t must lie in 0..40"),
        ("field", "score", "field must be one of unconditional, conditional, difference, guided, none"),
        ("seed", 2**31, "seed must lie in"),
    ],
)
def test_the_guidance_field_refuses_and_stays_as_it_was(name, value, words):
    """The message names what, the rule and the value; nothing changes."""
    assert_refused(guidance_field(), name, value, words)


@pytest.mark.parametrize(
    "classes",
    [
        {"all": [0, 1, 2]},
        {"a": [0], "b": [1]},
        {"a": [0, 1], "b": [1, 2]},
        {"a": [0, 1, 2], "b": []},
        {"a": [0], "b": [1, 2, 3]},
    ],
    ids=["one class", "one left out", "one twice", "an empty class", "one too many"],
)
def test_every_component_belongs_to_one_class(classes):
    """Otherwise the classes would not be what Bayes' rule needs."""
    with pytest.raises(ValueError, match=r"each of 0..2 in exactly one"):
        GuidanceField(mixture("mixture"), classes, schedules.cosine(40))


def test_a_mixture_in_space_is_refused():
    """The plane has two dimensions."""
    solid = GaussianMixture(torch.ones(2) / 2, torch.eye(3)[:2], torch.eye(3).expand(2, 3, 3))
    with pytest.raises(ValueError, match="mixture must lie in the plane"):
        GuidanceField(solid, {"a": [0], "b": [1]}, schedules.cosine(40))


def test_scale_1_is_the_class_and_0_the_mixture_and_w_counts_from_the_class():
    """Finished particles: their share in the class, and their spread, which falls as the scale grows."""
    widget = guidance_field(guidance_scale=0.0)
    assert widget.w == -1 and widget.t == 20
    data, shares, spreads = mixture("mixture"), [], []
    for scale in (0.0, 1.0, 6.0):
        widget.guidance_scale = scale
        ends = torch.from_numpy(widget.particles(0))
        shares.append((data.responsibilities(ends)[:, 0] > 0.5).double().mean().item())
        spreads.append(ends.var(0).mean().sqrt().item())
    assert shares[0] == pytest.approx(data.weights[0].item(), abs=0.12) and shares[1] > 0.9 and shares[2] > 0.99
    assert spreads[1] == pytest.approx(data.covs[0, 0, 0].sqrt().item(), rel=0.15) and spreads[2] < 0.8 * spreads[1]
    np.testing.assert_array_equal(widget.particles(40), widget.x_T)
