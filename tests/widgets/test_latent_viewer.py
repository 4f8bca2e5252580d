"""The Python side of the latent viewer: what is decoded, read back and refused."""

import numpy as np
import pytest
import torch
from checks import assert_refused
from latent_pages import as_bytes, cut, latent_viewer, stage

from lib.data import shapes
from lib.widgets import LatentViewer, latent_stage
from lib.widgets.latent_stage import CHANGES, EDITS
from lib.widgets.sheets import diverging

PICTURES = shapes(3, 16, 2, seed=1).images


def test_a_change_touches_one_channel_and_is_decoded():
    """Linear in the latent: times 0, times -1, plus and minus standard deviations, each by its formula."""
    z, weight = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0.1, -0.2, 0.3])
    decode = lambda z: torch.einsum("c,nchw->nhw", weight, z)[:, None].expand(-1, 3, -1, -1)  # noqa: E731
    made = latent_stage(z, decode)
    np.testing.assert_allclose(made.std, z.permute(1, 0, 2, 3).flatten(1).std(1).numpy(), rtol=1e-5)
    for channel in range(3):
        for k, name in enumerate(CHANGES):
            factor, shift = EDITS[name]
            moved = (factor - 1) * z[:, channel] + shift * made.std[channel]
            expected = as_bytes(decode(z) + weight[channel] * moved[:, None])
            difference = made.edited[:, channel, k].astype(int) - expected
            assert np.abs(difference).max() <= 1
    np.testing.assert_array_equal(made.decoded, as_bytes(decode(z)))


def test_it_reads_and_sets_from_python():
    """Values at the place after the change, the decoded picture, another autoencoder at the same pixel."""
    widget = latent_viewer()
    widget.stage, widget.place, widget.channel, widget.picture = "4", [1, 3], 2, 1
    made = widget._stages["4"]
    np.testing.assert_allclose(widget.values, made.latents[1, :, 1, 3], rtol=1e-6)
    np.testing.assert_array_equal(widget.decoded, made.decoded[1])
    widget.edit = "-2"
    expected = made.latents[1, :, 1, 3] - 2 * made.std[2] * np.eye(4)[2]
    np.testing.assert_allclose(widget.values, expected, rtol=1e-5)
    np.testing.assert_array_equal(widget.decoded, made.edited[1, 2, CHANGES.index("-2")])
    assert widget.pixel == [6, 14]
    widget.channel, widget.stage = 3, "8"
    assert widget.place == [0, 1] and widget.channel == 2 and len(widget.values) == 3


def test_sheets_hold_pictures_reconstructions_and_every_change():
    """In the order that the page counts in; numbers beside them are words."""
    widget = latent_viewer()
    first = cut(widget.sheets["picture"], widget.sheets["picture_columns"], 16)
    np.testing.assert_array_equal(first[:3], as_bytes(PICTURES))
    second, at = cut(widget.sheets["edited"], widget.sheets["edited_columns"], 16), 0
    for i, made in enumerate(widget._stages.values()):
        np.testing.assert_array_equal(first[3 + 3 * i : 6 + 3 * i], made.decoded)
        flat = made.edited.reshape(-1, 3, 16, 16)
        np.testing.assert_array_equal(second[at : at + len(flat)], flat)
        at += len(flat)
    error = np.square(first[0].astype(float) - first[3]).mean()
    assert widget.stages[0]["psnr"][0] == f"{10 * np.log10(255**2 / error):.1f}"
    assert widget.stages[1]["numbers"] == [["PSNR", "24.5"], ["cost", "¼"]]
    assert widget.stages[1]["kept"] == "64 of 768 (8.33 %)"


def test_the_preview_shows_picture_maps_and_what_is_decoded():
    """Side by side, as high as the picture; maps in the colours of signed numbers."""
    widget = latent_viewer()
    widget.edit, widget.channel = "flip", 1
    pixels = widget.preview()
    assert pixels.shape == (128, 5 * 136, 3)
    made = widget._stages["2"]
    expected = diverging(-made.latents[0, 1], widget.stages[0]["limit"])
    np.testing.assert_array_equal(pixels[::16, 2 * 136 : 2 * 136 + 128 : 16], expected)


def test_colours_end_where_one_value_in_a_hundred_lies_beyond():
    """Rounded up to two figures, so that the scale has a round end."""
    for told, made in zip(latent_viewer().stages, latent_viewer()._stages.values(), strict=True):
        share = (np.abs(made.latents) > told["limit"]).mean()
        assert share <= 0.01 and (np.abs(made.latents) > 0.85 * told["limit"]).mean() > 0.005
        assert told["limit"] == float(f"{told['limit']:.2g}")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("picture", 3, r"picture must lie in 0\.\.2, got 3"),
        ("stage", "16", "stage must be one of 2, 4, 8, got '16'"),
        ("pixel", [0, 16], r"pixel's column must lie in 0\.\.15"),
        ("pixel", [0], "pixel must be a row and a column"),
        ("place", [8, 0], r"place's row must lie in 0\.\.7"),
        ("channel", 3, r"channel must lie in 0\.\.2"),
        ("edit", "+3", r"edit must be one of flip, zero, -2, -1, '', \+1, \+2, got '\+3'"),
    ],
)
def test_the_latent_viewer_refuses_and_stays_as_it_was(name, value, words):
    """The message names what, the rule and the value; nothing changes."""
    assert_refused(latent_viewer(), name, value, words)


@pytest.mark.parametrize(
    ("pictures", "stages", "settings", "words"),
    [
        (PICTURES, {"2": stage(PICTURES, 2, 3)}, {}, r"pictures must be bytes \(1 to 12, 3, H, W\)"),
        (as_bytes(PICTURES), {}, {}, "stages must be 1 to 6, got 0"),
        (as_bytes(PICTURES), {"2": 7}, {}, r"stages\['2'\] must be latent_stage"),
        (
            as_bytes(PICTURES[:2]),
            {"2": stage(PICTURES, 2, 3)},
            {},
            r"of pictures \(2, 3, 16, 16\), got \(3, 3, 16, 16\)",
        ),
        (as_bytes(PICTURES), {"2": stage(PICTURES, 2, 3)}, {"names": ["a"]}, "one for each of 3 pictures, got 1"),
        (as_bytes(PICTURES), {"2": stage(PICTURES, 2, 3)}, {"start": "4"}, "stage must be one of"),
        (as_bytes(PICTURES), {"2": stage(PICTURES, 2, 3)}, {"edit_quality": 101}, "quality must be None or lie in"),
    ],
    ids=["floats", "none", "a number", "other pictures", "names", "start", "quality"],
)
def test_parts_that_do_not_fit_are_refused(pictures, stages, settings, words):
    """The message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        LatentViewer(pictures, stages, **settings)


@pytest.mark.parametrize(
    ("latents", "decode", "std", "words"),
    [
        (torch.zeros(2, 4, 4), lambda z: z, None, r"latents must be finite \(N, 1 to 16, h, w\)"),
        (torch.full((1, 3, 2, 2), float("inf")), lambda z: z, None, "latents must be finite"),
        (torch.ones(1, 3, 2, 2), lambda z: z, None, "std must be a number above 0 for each of 3 channels"),
        (torch.randn(1, 3, 2, 2), lambda z: z, torch.ones(2), "for each of 3 channels"),
        (torch.randn(1, 2, 2, 2), lambda z: z, None, r"decode must make pictures \(1, 3, H, W\), got \(1, 2, 2, 2\)"),
        (torch.randn(1, 3, 3, 3), lambda z: torch.zeros(1, 3, 8, 8), None, r"latents of \(3, 3\) must divide"),
    ],
)
def test_latents_that_cannot_be_shown_are_refused(latents, decode, std, words):
    """Before anything is decoded, or by what the decoder makes."""
    with pytest.raises(ValueError, match=words):
        latent_stage(latents, decode, std=std)


def test_six_pictures_under_three_autoencoders_stay_small():
    """64 x 64 pixels, six changes of every channel: less than 300 kB of page."""
    assert len(latent_viewer(64, 6, edit_quality=90).static_html()) < 300_000
