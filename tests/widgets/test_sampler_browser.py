"""The widgets of chapters 5 and 6 on a bare page in Chromium: no kernel, no network."""

import numpy as np
import pytest
import widget_pages as pages
from browser import PHONE, axe_violations, chromium, finger, serve, settle, too_wide, visit
from sampler_pages import frame_explorer, frames

pytestmark = pytest.mark.browser

DARK = """() => { document.documentElement.dataset.theme = "dark"; document.body.style.background = "#14181e";
  const set = (name, value) => document.documentElement.style.setProperty(`--pst-color-${name}`, value);
  set("text-base", "#ced6dd"); set("text-muted", "#9ca4af"); set("background", "#14181e"); set("surface", "#29313d");
  set("border", "#48566b"); }"""
SMALL = {**PHONE, "viewport": {"width": 360, "height": 800}}
READY = """() => [...document.querySelectorAll(".dw-frame")].every((c) =>
  c.getContext("2d").getImageData(0, 0, 1, 1).data[3] === 255)"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {"frames": [frame_explorer()]}
    made["all"] = [frame_explorer()]
    for name, widgets in made.items():
        (folder / f"{name}.html").write_text(pages.page(*widgets), "utf8")
    with serve(folder) as address:
        yield address


@pytest.fixture
def seen(browser, site, request):
    """A visit to the page named by the test's parameter, errors and outside requests checked at the end."""
    with visit(browser, f"{site}{request.param}.html") as opened:
        opened.page.wait_for_selector(".dw")
        opened.page.wait_for_function(READY)
        settle(opened.page)
        yield opened
        assert opened.clean()


# ---- the frame explorer


def pictures(page) -> np.ndarray:
    """What the canvases in view show, (number, 3, H, W)."""
    code = """() => [...document.querySelectorAll(".dw-frame")].map((c) =>
      Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data))"""
    settle(page)
    return np.array(page.evaluate(code)).reshape(-1, 8, 8, 4)[..., :3].transpose(0, 3, 1, 2)


@pytest.mark.parametrize("seen", ["frames"], indirect=True)
def test_the_pictures_are_the_frames_at_the_place(seen):
    """Byte by byte, by keys and by pointer; captions and the line below carry their numbers."""
    page = seen.page
    np.testing.assert_array_equal(pictures(page), frames()[1, 0])
    page.get_by_label("steps", exact=True).focus()
    page.keyboard.press("ArrowRight")
    eta = page.get_by_label("η", exact=True)
    box = eta.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    np.testing.assert_array_equal(pictures(page), frames()[2, 3])
    assert eta.get_attribute("aria-valuetext") == "η 2"
    assert page.locator(".dw-frames figcaption").all_inner_texts() == ["left\nerror 2.75", "right\nerror 2.875"]
    assert page.inner_text(".dw-readout") == "steps 20 · η 2 · distance −11"
    label = page.locator(".dw-frame").nth(1).get_attribute("aria-label")
    assert label == "steps 20, η 2, picture right"


@pytest.mark.parametrize("seen", ["frames"], indirect=True)
def test_any_two_axes_are_laid_out_and_the_others_keep_their_controls(seen):
    """Rows and columns; an axis in view has no control of its own; an axis is not laid out twice."""
    page = seen.page
    across, down = page.get_by_label("side by side"), page.get_by_label("in rows")
    visible = lambda: [page.get_by_label(n, exact=True).is_visible() for n in ("steps", "η", "left")]  # noqa: E731
    assert visible() == [True, True, False]
    down.select_option("steps")
    np.testing.assert_array_equal(pictures(page), frames()[:, 0].reshape(-1, 3, 8, 8))
    assert page.locator(".dw-frame-head").all_inner_texts() == ["steps 1", "steps 5", "steps 20"]
    across.select_option("eta")
    np.testing.assert_array_equal(pictures(page), frames()[:, :, 0].reshape(-1, 3, 8, 8))
    assert visible()[:2] == [False, False]
    page.locator(".dw-segment").nth(1).click()
    np.testing.assert_array_equal(pictures(page), frames()[:, :, 1].reshape(-1, 3, 8, 8))
    across.select_option("steps")
    assert down.input_value() == ""
    np.testing.assert_array_equal(pictures(page), frames()[:, 0, 1])
    across.select_option("")
    np.testing.assert_array_equal(pictures(page), frames()[1:2, 0, 1])
    assert "error 1.125" in page.inner_text(".dw-readout")


@pytest.mark.parametrize("seen", ["frames"], indirect=True)
def test_play_runs_along_one_axis_to_its_end(seen):
    """From the beginning when it stands at the end; a hand on a slider stops it; by steps where that is asked for."""
    page = seen.page
    value = lambda: int(page.get_by_label("η", exact=True).input_value())  # noqa: E731
    page.get_by_role("button", name="Play η").click()
    page.wait_for_function("document.querySelectorAll('.dw-range')[1].value == 3")
    page.get_by_role("button", name="Play η").wait_for()
    np.testing.assert_array_equal(pictures(page), frames()[1, 3])
    page.emulate_media(reduced_motion="reduce")
    for expected in (1, 2, 3):
        page.get_by_role("button", name="Play η").click()
        settle(page)
        assert value() == expected
        page.wait_for_timeout(60)
        assert value() == expected


# ---- all of them


def test_on_a_phone_a_finger_moves_everything_and_nothing_overflows(browser, site):
    """360 px wide: sliders follow a finger; targets are at least 32 px."""
    with visit(browser, f"{site}all.html", **SMALL) as seen:
        page = seen.page
        page.wait_for_selector(".dw-frame")
        page.wait_for_function(READY)
        box = page.get_by_label("η", exact=True).bounding_box()
        finger(page, [(box["x"] + 8 + i * (box["width"] - 16) / 8, box["y"] + 16) for i in range(9)])
        np.testing.assert_array_equal(pictures(page), frames()[1, 3])
        assert not too_wide(page)
        sizes = page.evaluate("""() => [...document.querySelectorAll(".dw button, .dw input, .dw select")]
          .map((e) => e.getBoundingClientRect()).filter((r) => r.width).map((r) => Math.min(r.height, r.width))""")
        assert min(sizes) >= 32
    assert seen.clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_ids_are_unique(browser, site, theme):
    """Names, roles and contrast of all of them, in both themes."""
    with visit(browser, f"{site}all.html", viewport={"width": 800, "height": 1000}) as seen:
        seen.page.wait_for_selector(".dw-frame")
        seen.page.wait_for_function(READY)
        if theme == "dark":
            seen.page.evaluate(DARK)
        settle(seen.page)
        assert axe_violations(seen.page, ".dw-root") == []
        ids = seen.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))
    assert seen.clean()


def test_without_scripts_pictures_stand_in(browser, site):
    """The preview with its words is part of the output."""
    with visit(browser, f"{site}all.html", java_script_enabled=False) as seen:
        pictures_ = seen.page.locator(".dw-root img")
        assert pictures_.count() == seen.page.locator(".dw-root").count()
        for i in range(pictures_.count()):
            assert len(pictures_.nth(i).get_attribute("alt")) > 30 and pictures_.nth(i).bounding_box()["height"] > 80
