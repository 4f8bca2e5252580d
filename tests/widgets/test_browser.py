"""The widgets on a bare page in Chromium: no kernel, no network."""

import pytest
import widget_pages as pages
from browser import (
    PHONE,
    Latency,
    axe_violations,
    chromium,
    finger,
    middle,
    pixels,
    serve,
    settle,
    slider_latency,
    too_wide,
    visit,
)

pytestmark = pytest.mark.browser

DARK = """() => { document.documentElement.dataset.theme = "dark"; document.body.style.background = "#14181e";
  const set = (name, value) => document.documentElement.style.setProperty(`--pst-color-${name}`, value);
  set("text-base", "#ced6dd"); set("text-muted", "#9ca4af"); set("background", "#14181e"); set("surface", "#29313d");
  set("border", "#48566b"); }"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    one = pages.latent_map()
    made = {"map": [one], "many": [one, pages.latent_map(7), one]}
    for name, widgets in made.items():
        (folder / f"{name}.html").write_text(pages.page(*widgets), "utf8")
    broken = pages.page(one).replace('"op":"linear"', '"op":"magic"')
    (folder / "broken.html").write_text(broken, "utf8")
    with serve(folder) as address:
        yield address


@pytest.fixture
def seen(browser, site, request):
    """A visit to the page named by the test's parameter, errors and outside requests checked at the end."""
    with visit(browser, f"{site}{request.param}.html") as opened:
        opened.page.wait_for_selector(".dw")
        settle(opened.page)
        yield opened
        assert opened.clean()


def cross(page) -> dict:
    """What the cross says of itself."""
    place = page.locator(".dw-cross").first
    return {name: place.get_attribute(f"aria-{name}") for name in ("valuenow", "valuetext", "label")}


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_dragging_the_cross_decodes_another_picture(seen):
    """Press, move, release: the picture, the sliders and the spoken value follow the hand."""
    page = seen.page
    before, said = pixels(page, ".dw-picture"), cross(page)
    x, y = middle(page, ".dw-cross")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 40, steps=6)
    during = pixels(page, ".dw-picture")
    page.mouse.up()
    settle(page)
    assert before != during
    after = cross(page)
    assert float(after["valuenow"]) > float(said["valuenow"]) and after["valuetext"] != said["valuetext"]
    assert float(page.locator(".dw-number").first.input_value()) == pytest.approx(float(after["valuenow"]), abs=0.01)
    ends = middle(page, ".dw-cross")
    assert ends == pytest.approx((x + 60, y - 40), abs=2)


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_keys_move_the_cross_and_shift_takes_larger_steps(seen):
    """Arrow right raises z1 by a hundredth of the map, with Shift by a tenth."""
    page = seen.page
    before = pixels(page, ".dw-picture")
    page.focus(".dw-cross")
    values = [float(cross(page)["valuenow"])]
    for key in ("ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
        settle(page)
        values.append(float(cross(page)["valuenow"]))
    small, large = values[1] - values[0], values[2] - values[1]
    assert small > 0 and large == pytest.approx(10 * small, rel=0.02)
    assert pixels(page, ".dw-picture") != before


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_sliders_number_fields_and_model_choice_change_the_picture(seen):
    """Every control has its effect, and a slider tells listeners its value in words."""
    page = seen.page
    shown = [pixels(page, ".dw-picture")]
    slider = page.locator(".dw-range").nth(1)
    words = slider.get_attribute("aria-valuetext")
    slider.focus()
    page.keyboard.press("PageUp")
    shown.append(pixels(page, ".dw-picture"))
    assert slider.get_attribute("aria-valuetext") != words
    page.locator(".dw-number").first.fill("0.25")
    page.keyboard.press("Enter")
    shown.append(pixels(page, ".dw-picture"))
    assert cross(page)["valuenow"] == "0.25"
    dots = page.locator(".dw-dot").first.get_attribute("d")
    page.select_option(".dw-select", "1")
    shown.append(pixels(page, ".dw-picture"))
    assert len(set(shown)) == 4
    assert page.locator(".dw-dot").first.get_attribute("d") != dots, "the other model shows its own cloud"


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_the_walk_leaves_the_cloud_and_stops_by_itself_or_on_request(seen):
    """The cross moves outwards, the map widens with it, and the words change from inside to off the cloud."""
    page = seen.page
    assert "in the cloud" in page.inner_text(".dw-readout")
    button = page.get_by_role("button", name="Walk off the cloud")
    button.click()
    page.get_by_role("button", name="Stop").wait_for()
    page.wait_for_function("document.querySelector('.dw-readout').textContent.includes('off the cloud')")
    page.get_by_role("button", name="Stop").click()
    settle(page)
    stopped = cross(page)["valuenow"]
    page.wait_for_timeout(60)
    assert cross(page)["valuenow"] == stopped
    page.get_by_role("button", name="Back to the nearest code").click()
    settle(page)
    assert "in the cloud" in page.inner_text(".dw-readout")


@pytest.mark.parametrize("seen", ["many"], indirect=True)
def test_widgets_and_repeats_on_one_page_do_not_disturb_each_other(seen):
    """Three maps, two of them equal: one style, one module, no shared ids, each with its own state."""
    page = seen.page
    assert page.locator(".dw-cross").count() == 3
    assert page.locator("style[data-dw-css]").count() == 1
    assert page.evaluate("Object.keys(window.courseWidgets.modules).length") == 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    others = [page.locator(".dw-cross").nth(i).get_attribute("aria-valuenow") for i in (1, 2)]
    page.focus(".dw-cross")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    settle(page)
    assert [page.locator(".dw-cross").nth(i).get_attribute("aria-valuenow") for i in (1, 2)] == others


@pytest.mark.parametrize("name", ["map"])
def test_a_finger_drags_the_cross_and_the_page_stays_as_wide_as_the_phone(browser, site, name):
    """390 px wide: touch moves z, targets are at least 32 px, nothing overflows sideways."""
    with visit(browser, f"{site}{name}.html", **PHONE) as seen:
        page = seen.page
        page.wait_for_selector(".dw-cross")
        x, y = middle(page, ".dw-cross")
        before, said = pixels(page, ".dw-picture"), cross(page)["valuenow"]
        finger(page, [(x + 8 * i, y + 3 * i) for i in range(8)])
        assert float(cross(page)["valuenow"]) > float(said)
        assert pixels(page, ".dw-picture") != before
        assert not too_wide(page)
        sizes = page.evaluate("""() => [...document.querySelectorAll(".dw button, .dw input, .dw select, .dw-cross")]
          .map((e) => Math.min(e.getBoundingClientRect().height, e.getBoundingClientRect().width))""")
        assert min(sizes) >= 32
    assert seen.clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["many"])
def test_axe_finds_nothing(browser, site, name, theme):
    """Names, roles and contrast, in both themes."""
    with visit(browser, f"{site}{name}.html") as seen:
        seen.page.wait_for_selector(".dw")
        if theme == "dark":
            seen.page.evaluate(DARK)
        settle(seen.page)
        assert axe_violations(seen.page, ".dw-root") == []
    assert seen.clean()


@pytest.mark.parametrize("name", ["map"])
def test_without_scripts_a_picture_with_words_stands_in(browser, site, name):
    """The preview is part of the output itself."""
    with visit(browser, f"{site}{name}.html", java_script_enabled=False) as seen:
        picture = seen.page.locator(".dw-root img")
        assert picture.count() == 1 and len(picture.get_attribute("alt")) > 30
        assert picture.bounding_box()["height"] > 100


@pytest.mark.parametrize("seen", ["broken"], indirect=True)
def test_a_failure_is_told_in_the_figure(seen):
    """A layer that nobody knows: the figure says so in words instead of staying empty."""
    assert 'a layer of the kind "magic"' in seen.page.inner_text(".dw-error")


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_with_reduced_motion_the_walk_goes_step_by_step(seen):
    """No movement that was not asked for: one press, one step."""
    page = seen.page
    page.emulate_media(reduced_motion="reduce")
    before = cross(page)["valuenow"]
    page.get_by_role("button", name="off the cloud").click()
    settle(page)
    after = cross(page)["valuenow"]
    page.wait_for_timeout(60)
    assert after != before and cross(page)["valuenow"] == after


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_the_slider_answers_within_a_frame(seen):
    """The handler only asks for a repaint; generous limits, since test machines are shared."""
    times = slider_latency(seen.page, ".dw-range", num=60)
    assert Latency.percentile(times.handler, 50) <= 1
    assert Latency.percentile(times.painted, 50) <= 50
