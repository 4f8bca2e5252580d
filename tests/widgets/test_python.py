"""The Python side of the widgets: what is refused, what is sent, what a bundle holds."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from widget_pages import GROUPS, derivation, latent_map, noise_slider, small_decoder

from lib.widgets import DerivationView, LatentMap, NoiseSlider, StaticAnyWidget
from lib.widgets.base import bundle, png


def test_state_cannot_end_its_script():
    """A closing tag inside a string, in any spelling that a browser takes for one, would cut the page short."""
    steps = [{**derivation().steps[0], "why_html": "</script ><b>bold</b></SCRIPT><!--"}]
    text = DerivationView("plain title", steps).static_html()
    assert text.lower().count("</script") == 1 and "<!--" not in text


def test_a_bundle_keeps_the_order_of_its_parts_and_their_code():
    """What is imported comes first, once, without export; comment lines stay at home."""
    text = bundle("latent_map.js")
    assert text.index("function nearest") < text.index("function compile") < text.index("function render")
    assert text.count("function h(") == 1 and "\n//" not in text


def test_a_part_that_two_others_import_comes_once(tmp_path, monkeypatch):
    """Twice the same name at the top of a module is an error in the browser."""
    shared = "export const one = 1;\n"
    left = 'import { one } from "./shared.js";\nexport const left = one;\n'
    right = left.replace("left", "right")
    main = 'import { left } from "./left.js";\nimport { right } from "./right.js";\nexport default left + right;\n'
    for name, text in (("shared", shared), ("left", left), ("right", right), ("main", main)):
        (tmp_path / f"{name}.js").write_text(text, "utf8")
    monkeypatch.setattr("lib.widgets.base.STATIC", tmp_path)
    made = bundle("main.js")
    assert made.split() == "const one = 1; const left = one; const right = one; export default left + right;".split()


def test_png_is_read_back_as_it_was_written(tmp_path):
    """Pixels survive; an array of another kind is refused by name."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    (tmp_path / "p.png").write_bytes(png(pixels))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "p.png")), pixels)
    with pytest.raises(ValueError, match="uint8"):
        png(pixels.astype(float))


def test_a_widget_without_a_preview_still_says_what_it_is():
    """The sentence stands where scripts do not run."""
    assert "Interactive figure" in StaticAnyWidget.preview_html(NoiseSlider.__new__(StaticAnyWidget))


# ---- the latent map


def test_the_map_reads_and_sets_from_python():
    """Lists, arrays and tensors are all points; the picture is the decoder's."""
    widget = latent_map()
    for point in ([0.5, -1], (0.5, -1), np.array([0.5, -1]), torch.tensor([0.5, -1])):
        widget.z = [0, 0]
        widget.z = point
        assert widget.z == [0.5, -1.0]
    widget.model = "1"
    expected = small_decoder(1)(torch.tensor([[0.5, -1.0]]))[0]
    torch.testing.assert_close(widget.decode(), expected.detach())


@pytest.mark.parametrize("point", [[1], [1, 2, 3], [float("nan"), 0], [1e9, 0], "ab", 3, None])
def test_a_point_that_is_none_is_refused(point):
    """The message shows what came."""
    with pytest.raises(ValueError, match="z must be two"):
        latent_map().z = point


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": [0, 1]}, "labels must be 30 whole numbers"),
        ({"labels": np.full(30, 3)}, "must number the group_names"),
        ({"labels": None}, "group_names need labels"),
        ({"group_names": [str(i) for i in range(11)]}, "1 to 10"),
        ({"names": ["one"]}, "each with a name"),
        ({"pictures": torch.zeros(31, 3, 8, 8), "names": []}, "at most 30 pictures"),
        ({"pictures": torch.full((2, 3, 8, 8), 2.0), "names": []}, r"in \[-1, 1\]"),
        ({"model": "7"}, "model must be one of"),
    ],
)
def test_parts_of_the_map_that_do_not_fit_are_refused(changes, words):
    """Each message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        latent_map(**changes)


def test_decoders_and_codes_that_do_not_fit_are_refused():
    """Labels, shapes of codes and of pictures, and numbers of rows."""
    good, codes = small_decoder(0), torch.zeros(4, 2)
    for decoders, points, words in (
        ({}, {}, "same labels"),
        ({"a": good}, {"b": codes}, "same labels"),
        ({"a": good}, {"a": torch.zeros(4, 3)}, r"shape \(N, 2\)"),
        ({"a": good}, {"a": torch.zeros(5000, 2)}, "2 to 4000"),
        ({"a": good}, {"a": torch.full((4, 2), float("nan"))}, "finite"),
        ({"a": good, "b": good}, {"a": codes, "b": codes[:3]}, "same pictures"),
        ({"a": small_decoder(0, latent_dim=3)}, {"a": codes}, "must take 2 numbers"),
        ({"a": nn.Sequential(nn.Linear(2, 4))}, {"a": codes}, "pictures of shape"),
    ):
        with pytest.raises(ValueError, match=words):
            LatentMap(decoders, points)
    with pytest.raises(ValueError, match="model must be one of"):
        latent_map().model = "unknown"


def test_a_module_that_does_more_than_its_layers_is_refused():
    """The browser would leave out what happens between the layers."""

    class Louder(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(ValueError, match="more than run its layers"):
        LatentMap({"a": Louder(*small_decoder(0))}, {"a": torch.zeros(4, 2)})


def test_stragglers_do_not_make_the_rest_of_the_cloud_tiny():
    """Twice as near where 8 in 100 codes lie 3.5 times as far out as the rest; an even cloud is shown whole."""
    torch.manual_seed(0)
    even = 2 * torch.rand(400, 2) - 1
    with_stragglers = even.clone()
    with_stragglers[:32] = torch.tensor([[3.5, 3.5], [-3.5, -3.5]]).repeat(16, 1)
    zooms = [LatentMap({"a": small_decoder(0)}, {"a": codes}).zoom for codes in (even, with_stragglers)]
    assert zooms == [1, 2]
    assert LatentMap({"a": small_decoder(0)}, {"a": torch.zeros(5, 2)}).zoom == 1, "a collapsed cloud"
    for zoom in (0.5, 65):
        with pytest.raises(ValueError, match="zoom must lie"):
            latent_map().zoom = zoom


def test_the_map_starts_at_the_code_nearest_to_the_median():
    """So the first picture is one of a code, not of a hole."""
    widget = latent_map()
    codes = np.frombuffer(widget.models[0]["codes"], "<f4").reshape(-1, 2)
    assert np.abs(codes - np.array(widget.z)).sum(1).min() < 2e-4


def test_thumbnails_keep_their_place_and_are_averages():
    """Twenty in a row, in order; each pixel of a thumbnail is the mean of the pixels it stands for."""
    shades = torch.linspace(-1, 1, 25)[:, None, None, None].expand(25, 3, 8, 8)
    stripes = torch.tensor([-1.0, 1.0]).repeat(4).expand(25, 3, 8, 8) * (1 - shades.abs())
    widget = LatentMap({"a": small_decoder(0)}, {"a": torch.randn(25, 2)}, pictures=(shades + stripes), tile=4)
    sheet = np.asarray(Image.open(io.BytesIO(widget.sprite)).convert("RGB"))
    assert sheet.shape == (8, 80, 3)
    middles = [sheet[4 * (i // 20) + 2, 4 * (i % 20) + 2, 0] for i in range(25)]
    np.testing.assert_allclose(middles, (shades[:, 0, 0, 0].numpy() + 1) * 127.5, atol=2)


def test_the_preview_shows_the_dots_and_the_decoded_picture():
    """Its right part is the picture at z, enlarged without smoothing."""
    widget = latent_map()
    pixels = widget.preview()
    decoded = ((widget.decode().clamp(-1, 1) + 1) * 127.5).round().byte()
    scale = 256 // 16 - 1
    top = (256 - 16 * scale) // 2
    right = pixels[top : top + 16 * scale : scale, 256 + 16 : 256 + 16 + 16 * scale : scale]
    np.testing.assert_array_equal(right, decoded.permute(1, 2, 0).numpy())
    assert len(np.unique(pixels[:, :256].reshape(-1, 3), axis=0)) >= 3 + len(GROUPS)


def test_the_state_of_a_map_with_a_real_decoder_stays_small():
    """80,000 parameters, 300 codes and thumbnails: less than 0.45 MB of text, most of it weights."""
    decoder = nn.Sequential(
        nn.Linear(2, 72),
        nn.Linear(72, 64 * 16),
        nn.Unflatten(1, (64, 4, 4)),
        nn.Conv2d(64, 3, 3, padding=1),
        nn.Tanh(),
    )
    labels = np.arange(300) % 9
    widget = LatentMap(
        {"a": decoder},
        {"a": torch.randn(300, 2)},
        pictures=torch.rand(300, 3, 32, 32).round() * 2 - 1,
        labels=labels,
        group_names=[str(i) for i in range(9)],
    )
    num_parameters = sum(p.numel() for p in decoder.parameters())
    assert 70_000 < num_parameters < 90_000
    assert len(json.dumps(widget.front_end_state())) < 4 / 3 * 2 * num_parameters + 4 / 3 * len(widget.sprite) + 5_000
    assert len(widget.static_html()) < 450_000


# ---- the noise slider and the derivation


@pytest.mark.parametrize(("name", "value"), [("mu", 4), ("logvar", -7), ("eps", float("nan")), ("mu", "x")])
def test_a_value_off_its_slider_is_refused(name, value):
    """Nothing is clamped in silence."""
    with pytest.raises(ValueError, match=f"{name} must"):
        setattr(noise_slider(), name, value)


def test_the_direction_of_the_noise_slider_must_fit_its_decoder():
    """As many numbers as the decoder takes."""
    with pytest.raises(ValueError, match="2 finite numbers"):
        NoiseSlider(decoder=small_decoder(0), direction=[1, 0, 0])
    with pytest.raises(ValueError, match="Linear"):
        NoiseSlider(decoder=nn.Sequential(nn.Conv2d(1, 1, 1)))


def test_a_derivation_takes_ids_or_positions_and_checks_that_groups_cover_all_steps():
    """A hole or an overlap between groups would hide a step."""
    steps = derivation().steps
    good = [{"id": "A", "title": "a", "first": 0, "last": 1}, {"id": "B", "title": "b", "first": "S3", "last": "S4"}]
    assert DerivationView("t", steps, {2: good}).levels == [2, 4]
    for first, last in ((1, 1), (0, 9), ("S1", "S9")):
        bad = [{"id": "A", "title": "a", "first": first, "last": last}]
        with pytest.raises(ValueError, match="group 'A'"):
            DerivationView("t", steps, {1: bad})
    with pytest.raises(ValueError, match="the last is S4"):
        DerivationView("t", steps, {1: good[:1]})
    with pytest.raises(ValueError, match=r"lacks \['title'\]"):
        DerivationView("t", steps, {1: [{"id": "A", "first": 0, "last": 3}]})


def test_steps_say_what_they_lack_and_zoom_and_step_are_checked():
    """Messages carry the id."""
    steps = derivation().steps
    with pytest.raises(ValueError, match="S1.*lacks.*kind"):
        DerivationView("t", [{key: value for key, value in steps[0].items() if key != "kind"}])
    with pytest.raises(ValueError, match="its own"):
        DerivationView("t", [steps[0], steps[0]])
    with pytest.raises(ValueError, match="zoom must be one of"):
        derivation().zoom = 7
    with pytest.raises(ValueError, match="step must be empty or one of"):
        derivation().step = "S9"


def test_results_become_passed_failed_or_open():
    """Texts and dicts both say how a check ended."""
    results = ["max error 0", "", "failed: 3", {"passed": True, "evidence": "0"}, {"passed": False}, {"passed": None}]
    steps = [{**derivation().steps[0], "id": str(i), "result": result} for i, result in enumerate(results)]
    states = [step["state"] for step in DerivationView("t", steps).steps]
    assert states == ["passed", "open", "failed", "passed", "failed", "open"]
