"""The latent viewer on a bare page in Chromium: no kernel, no network; and what holds for both widgets of chapter 7."""

import numpy as np
import pytest
import widget_pages as pages
from browser import PHONE, finger, middle, settle, too_wide, visit
from checks import assert_accessible, assert_pictures_stand_in, shown, smallest_target
from latent_pages import as_bytes, caption_builder, hwc, latent_viewer

from lib.data import shapes
from lib.widgets.latent_stage import CHANGES
from lib.widgets.sheets import diverging

pytestmark = pytest.mark.browser

OPEN = "() => document.querySelectorAll('.dw-word').length > 5"


HANDLERS = """async (selector) => {
  const slider = document.querySelector(selector), taken = [];
  for (let i = 0; i < 30; i++) {
    slider.value = Number(slider.min) + (i * 7) % (Number(slider.max) - Number(slider.min) + 1);
    const before = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    taken.push(performance.now() - before);
    await new Promise((done) => requestAnimationFrame(done));
  }
  return taken; }"""
"""Milliseconds until the handler of a slider returns, over its whole range."""


@pytest.fixture(scope="module")
def html():
    """The pages of these tests by name."""
    both = [caption_builder(), latent_viewer(), caption_builder()]
    return {"latent": pages.page(latent_viewer()), "all": pages.page(*both)}


# ---- the latent viewer


@pytest.mark.parametrize("seen", ["latent"], indirect=True)
def test_pictures_maps_and_changes_are_those_of_python(seen):
    """Byte by byte: another picture, another autoencoder, a change of one channel."""
    page, widget = seen.page, latent_viewer()
    page.wait_for_function("() => document.querySelector('.dw-choice-picture').width === 16")
    widget.picture, widget.stage, widget.channel, widget.edit = 1, "4", 2, "+2"
    page.get_by_role("button", name="picture 2").click()
    page.get_by_label("f", exact=True).press("ArrowRight")
    page.get_by_label("3", exact=True).check(force=True)
    change = page.get_by_label("change", exact=True)
    change.press("End")
    settle(page)
    assert change.get_attribute("aria-valuetext") == "channel 3 plus two standard deviations"
    made, limit = widget._stages["4"], widget.stages[1]["limit"]
    expected = [as_bytes(shapes(3, 16, 2, seed=1).images)[1], made.decoded[1], made.edited[1, 2, CHANGES.index("+2")]]
    for number, picture in enumerate(expected):
        np.testing.assert_array_equal(shown(page, ".dw-large", number), hwc(picture))
    assert page.locator(".dw-map-picture").count() == 4
    for channel in range(4):
        colours = diverging(widget._latent()[channel].astype(float), limit)
        difference = shown(page, ".dw-map-picture", channel).astype(int) - colours
        assert np.abs(difference).max() <= 1
    assert page.locator(".dw-stage-now").all_inner_texts() == ["4", "64 of 768 (8.33 %)", "24.5", "¼"]
    assert f"{widget.stages[1]['psnr'][1]} dB" in page.locator(".dw-triple figcaption").nth(1).inner_text()


def frames_at(page) -> list[list[float]]:
    """Top, left, height and width of every marked square, in shares of its picture."""
    settle(page)
    code = """() => [...document.querySelectorAll(".dw-cell")].map(({ style }) =>
      ["top", "left", "height", "width"].map((name) => parseFloat(style[name])))"""
    return page.evaluate(code)


@pytest.mark.parametrize("seen", ["latent"], indirect=True)
def test_pointing_at_a_map_frames_the_square_in_all_and_reads_the_values(seen):
    """By pointer on a map and on the picture, by keys; the square stays where it is for another autoencoder."""
    page, widget = seen.page, latent_viewer()
    page.wait_for_function("() => document.querySelector('.dw-choice-picture').width === 16")
    box = page.locator(".dw-map-picture").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.3)
    assert frames_at(page) == [[25, 87.5, 12.5, 12.5]] * 6
    values = widget._stages["2"].latents[0, :, 2, 7]
    words = "Row 3, column 8: 2 × 2 pixels, z = (" + ", ".join(f"{v:.2f}" for v in values) + ")"
    assert page.inner_text(".dw-readout") == words.replace("-", "−").replace("−0.00", "0.00")
    page.locator(".dw-latent-cells").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert frames_at(page) == [[37.5, 87.5, 12.5, 12.5]] * 6
    page.get_by_label("f", exact=True).press("End")
    assert frames_at(page) == [[0, 50, 50, 50]] * 6
    box = page.locator(".dw-large").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.7)
    assert frames_at(page) == [[50, 0, 50, 50]] * 6


# ---- both


@pytest.mark.parametrize("seen", ["all"], indirect=True)
def test_handlers_answer_within_a_millisecond(seen):
    """The walk, the change and the autoencoder: half of the events at least, on a busy machine."""
    page = seen.page
    page.wait_for_function(OPEN)
    for selector in (".dw-walk .dw-range", ".dw-edit-row .dw-range", ".dw-stops .dw-range"):
        assert sorted(page.evaluate(HANDLERS, selector))[15] <= 1.0


def test_on_a_phone_fingers_reach_everything_and_nothing_overflows(browser, site):
    """390 px wide: a tap on a word, on a map, on an offer; targets are at least 32 px; letters at least 12 px."""
    with visit(browser, f"{site}all.html", **PHONE) as seen:
        page = seen.page
        page.wait_for_function(OPEN)
        before = shown(page, ".dw-drawn")
        page.locator(".dw-word").nth(2).tap()
        assert (shown(page, ".dw-drawn") != before).any()
        assert page.locator(".dw-word").nth(2).get_attribute("aria-pressed") == "true"
        x, y = middle(page, ".dw-map-picture")
        finger(page, [(x - 60, y - 60)])
        assert frames_at(page)[0][0] < 50
        assert not too_wide(page) and smallest_target(page) >= 32
        page.get_by_label("caption", exact=True).first.fill("a zebra")
        page.locator(".dw-offer").first.tap()
        assert not too_wide(page)
        sizes = """() => [...document.querySelectorAll(".dw *")].filter((e) => e.offsetParent && [...e.childNodes]
          .some((n) => n.nodeType === 3 && n.data.trim())).map((e) => parseFloat(getComputedStyle(e).fontSize))"""
        assert min(page.evaluate(sizes)) >= 12
    assert seen.clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_ids_are_unique(browser, site, theme):
    """Names, roles and contrast of both, in both themes, with a pinned word, a changed channel and offers."""
    with visit(browser, f"{site}all.html", viewport={"width": 800, "height": 1000}) as seen:
        page = seen.page
        page.wait_for_function(OPEN)
        page.locator(".dw-word").nth(2).click()
        page.get_by_label("change", exact=True).press("End")
        page.get_by_label("caption", exact=True).last.fill("a zebra")
        page.wait_for_selector(".dw-offer")
        assert_accessible(page, theme)
    assert seen.clean()


def test_without_scripts_pictures_stand_in(browser, site):
    """The preview with its words is part of the output."""
    assert_pictures_stand_in(browser, f"{site}all.html", 3, 40)
