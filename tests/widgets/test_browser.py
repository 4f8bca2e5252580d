"""The widgets on a bare page in Chromium: no kernel, no network."""

import pytest
import widget_pages as pages
from browser import DARK, PHONE, axe_violations, finger, middle, pixels, settle, too_wide, visit
from checks import assert_pictures_stand_in, smallest_target

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def html():
    """The pages of these tests by name."""
    one = pages.latent_map()
    noise, derivation = pages.noise_slider(), pages.derivation()
    made = {"map": [one], "noise": [noise], "derivation": [derivation]}
    made |= {"twice": [one, pages.latent_map(7), one], "all": [one, noise, derivation]}
    texts = {name: pages.page(*widgets) for name, widgets in made.items()}
    texts["broken"] = texts["map"].replace('"op":"linear"', '"op":"magic"')
    texts["unreadable"] = texts["map"].replace('ESM="', 'ESM="(((')
    return texts


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
def test_the_grid_decodes_pictures_under_the_dots_and_one_group_can_be_singled_out(seen):
    """The grid is off at first, has 81 pictures when on, and another model draws another; a chip fades other groups."""
    page = seen.page
    canvas = ".dw-grid-picture"
    assert page.locator(canvas).is_hidden()
    page.get_by_label("Decoded grid").check()
    painted = f"""() => {{ const c = document.querySelector("{canvas}");
      return c.width === 144 && c.getContext("2d").getImageData(143, 143, 1, 1).data[3] === 255; }}"""
    page.wait_for_function(painted)
    first = pixels(page, canvas)
    page.select_option(".dw-select", "1")
    settle(page)
    page.wait_for_function(painted)
    assert pixels(page, canvas) != first
    page.locator(".dw-chip").nth(1).click()
    faint = [page.locator(".dw-dot").nth(i).evaluate("e => e.classList.contains('dw-faint')") for i in range(3)]
    assert faint == [True, False, True]
    page.locator(".dw-chip").nth(1).click()
    assert page.locator(".dw-faint").count() == 0


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_zoom_narrows_the_map_around_the_cross_and_a_walk_shows_all_again(seen):
    """Sliders span a quarter after two presses, z stays; the walk out of the cloud starts with the whole cloud."""
    page = seen.page
    slider = page.locator(".dw-range").first
    span = lambda: float(slider.get_attribute("max")) - float(slider.get_attribute("min"))  # noqa: E731
    settle(page)
    whole, z = span(), cross(page)["valuenow"]
    for _ in range(2):
        page.get_by_role("button", name="Zoom in on the cross").click()
        settle(page)
    assert span() == pytest.approx(whole / 4) and cross(page)["valuenow"] == z
    page.get_by_role("button", name="Zoom out").click()
    settle(page)
    assert span() == pytest.approx(whole / 2)
    page.get_by_role("button", name="Walk off the cloud").click()
    page.get_by_role("button", name="Stop").click()
    settle(page)
    assert span() >= whole * 0.99 and page.get_by_role("button", name="Zoom out").is_disabled()


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


@pytest.mark.parametrize("seen", ["twice"], indirect=True)
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
    moved = page.locator(".dw-cross").first.get_attribute("aria-valuenow")
    page.evaluate("""() => { // as when a cell that shows the first map runs once more
      const copy = document.querySelector(".dw-root").cloneNode(false), script = document.createElement("script");
      copy.removeAttribute("data-dw-on");
      script.textContent = document.querySelector("main script").textContent;
      document.querySelector("main").append(copy, script); }""")
    page.wait_for_function("document.querySelectorAll('.dw-cross').length === 4")
    settle(page)
    assert page.locator(".dw-cross").first.get_attribute("aria-valuenow") == moved, "the first must not start anew"


def test_on_a_phone_a_finger_moves_every_widget_and_nothing_overflows(browser, site):
    """390 px wide: touch moves z, sliders and groups; targets are at least 32 px; no scrolling sideways."""
    with visit(browser, f"{site}all.html", **PHONE) as seen:
        page = seen.page
        page.wait_for_selector(".dw-derivation")
        x, y = middle(page, ".dw-cross")
        before, said = pixels(page, ".dw-picture"), cross(page)["valuenow"]
        finger(page, [(x + 8 * i, y + 3 * i) for i in range(8)])
        assert float(cross(page)["valuenow"]) > float(said)
        assert pixels(page, ".dw-picture") != before
        slider = page.locator(".dw-wide .dw-range").first
        slider.scroll_into_view_if_needed()
        box, value = slider.bounding_box(), slider.input_value()
        y, left, width = box["y"] + box["height"] / 2, box["x"], box["width"]
        finger(page, [(left + width * (0.58 + 0.04 * i), y) for i in range(8)])
        assert float(slider.input_value()) > float(value)
        page.locator(".dw-fold").last.tap()
        assert page.locator(".dw-step").count() == 2
        assert not too_wide(page)
        assert smallest_target(page) >= 32
    assert seen.clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser, site, theme):
    """Names, roles and contrast, in both themes, groups of a derivation closed and open, formulas that scroll."""
    with visit(browser, f"{site}all.html", viewport={"width": 500, "height": 1000}) as seen:
        seen.page.wait_for_selector(".dw-derivation")
        if theme == "dark":
            seen.page.evaluate(DARK)
        settle(seen.page)
        assert axe_violations(seen.page, ".dw-derivation") == []
        seen.page.get_by_role("button", name="Open all").click()
        seen.page.locator(".dw-chip").first.click()
        settle(seen.page)
        assert seen.page.locator(".dw-formula[tabindex='0']").count() >= 1
        assert axe_violations(seen.page, ".dw-root") == []
    assert seen.clean()


def test_without_scripts_a_picture_with_words_stands_in(browser, site):
    """The preview is part of the output itself; a derivation lists its groups."""
    assert_pictures_stand_in(browser, f"{site}all.html", 2, 100)
    with visit(browser, f"{site}all.html", java_script_enabled=False) as seen:
        assert seen.page.locator(".dw-root li").all_inner_texts() == ["First half", "Second half"]


@pytest.mark.parametrize("seen", ["broken"], indirect=True)
def test_a_failure_is_told_in_the_figure(seen):
    """A layer that nobody knows: the figure says so in words instead of staying empty."""
    assert 'a layer of the kind "magic"' in seen.page.inner_text(".dw-error")


def test_a_module_that_cannot_load_is_told_below_the_preview(browser, site):
    """The picture stays, and a sentence says why it does not move."""
    with visit(browser, f"{site}unreadable.html") as seen:
        seen.page.wait_for_selector(".dw-error")
        assert "could not start" in seen.page.inner_text(".dw-error")
        assert seen.page.locator(".dw-root img").is_visible()
    assert not seen.outside


@pytest.mark.parametrize("seen", ["map"], indirect=True)
def test_many_events_within_a_frame_make_one_picture(seen):
    """A fast mouse sends several events a frame; the decoder runs once for them."""
    drawn = seen.page.evaluate("""async () => {
      const plain = CanvasRenderingContext2D.prototype.putImageData, slider = document.querySelector(".dw-range");
      let count = 0;
      CanvasRenderingContext2D.prototype.putImageData = function (...all) { count++; return plain.apply(this, all); };
      for (let i = 0; i < 10; i++) { slider.value = i / 10; slider.dispatchEvent(new Event("input")); }
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      CanvasRenderingContext2D.prototype.putImageData = plain;
      return count; }""")
    assert drawn == 1


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
def test_many_moves_within_one_frame_are_decoded_once(seen):
    """The handler only asks for a repaint: a fast hand must not pile up work. (Milliseconds: ``make bench``.)"""
    at_once, later = seen.page.evaluate("""async () => {
      let painted = 0;
      const real = CanvasRenderingContext2D.prototype.putImageData;
      CanvasRenderingContext2D.prototype.putImageData = function (...args) { painted += 1; real.apply(this, args); };
      const slider = document.querySelector(".dw-range");
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      await frame(); await frame();
      painted = 0;
      for (let i = 0; i < 50; i++) {
        slider.value = Number(slider.min) + (i / 50) * (slider.max - slider.min);
        slider.dispatchEvent(new Event("input", { bubbles: true }));
      }
      const atOnce = painted;
      await frame(); await frame(); await frame();
      return [atOnce, painted];
    }""")
    assert at_once == 0
    assert 1 <= later <= 2  # the picture, and the training picture nearest to it


# ---- the noise slider


@pytest.mark.parametrize("seen", ["noise"], indirect=True)
def test_the_sliders_of_the_noise_move_sample_curve_and_picture(seen):
    """mu shifts, log sigma^2 stretches, eps moves the sample; the readout and the spoken values follow."""
    page = seen.page

    def state() -> tuple:
        settle(page)
        return (
            page.inner_text(".dw-readout"),
            page.locator(".dw-code").get_attribute("d"),
            page.locator(".dw-code-point").get_attribute("cx"),
            pixels(page, "figure:nth-of-type(2) canvas"),
            page.locator(".dw-noise-plot").get_attribute("aria-label"),
        )

    seen_states = [state()]
    for number, curve_moves in ((0, True), (1, True), (2, False)):
        slider = page.locator(".dw-range").nth(number)
        spoken = slider.get_attribute("aria-valuetext")
        slider.focus()
        page.keyboard.press("PageUp")
        seen_states.append(state())
        before, after = seen_states[-2:]
        assert slider.get_attribute("aria-valuetext") != spoken
        assert (before[1] != after[1]) == curve_moves
        assert all(before[i] != after[i] for i in (0, 2, 3, 4))
    field = page.locator(".dw-number").first
    field.fill("99")
    page.keyboard.press("Enter")
    assert state() == seen_states[-1], "mu stays on its slider"
    assert field.evaluate("e => e.validity.rangeOverflow")


@pytest.mark.parametrize("seen", ["noise"], indirect=True)
def test_new_noise_is_the_same_on_every_visit_and_earlier_draws_move_along(seen):
    """The n-th press gives the n-th number of the seed; the lines of earlier draws follow mu."""
    page = seen.page
    button = page.get_by_role("button", name="Draw new noise")

    def draw_three() -> list[str]:
        drawn = []
        for _ in range(3):
            button.click()
            settle(page)
            drawn.append(page.locator(".dw-number").nth(2).input_value())
        return drawn

    drawn = draw_three()
    assert len(set(drawn)) == 3
    page.reload()
    page.wait_for_selector(".dw-range")
    assert draw_three() == drawn
    lines = page.locator(".dw-past").get_attribute("d")
    assert lines.count("M") == 3
    page.locator(".dw-range").first.focus()
    page.keyboard.press("PageUp")
    settle(page)
    assert page.locator(".dw-past").get_attribute("d") != lines
    page.get_by_role("button", name="Forget earlier draws").click()
    settle(page)
    assert not page.locator(".dw-past").get_attribute("d")


# ---- the derivation


@pytest.mark.parametrize("seen", ["derivation"], indirect=True)
def test_zoom_opens_and_closes_and_formulas_stay_in_their_box(seen):
    """Two groups with summaries at the coarse level, four steps at the fine one; a wide formula scrolls inside."""
    page = seen.page
    assert page.locator(".dw-group").count() == 2 and page.locator(".dw-step").count() == 0
    assert page.locator(".dw-group math").count() == 2
    page.get_by_role("button", name="First half").click()
    assert page.locator(".dw-step").count() == 2
    assert page.get_by_role("button", name="First half").get_attribute("aria-expanded") == "true"
    page.get_by_role("radio", name="4 steps").check(force=True)
    assert page.locator(".dw-step").count() == 4 and page.locator(".dw-group").count() == 0
    page.set_viewport_size({"width": 390, "height": 800})
    settle(page)
    assert not too_wide(page)
    assert page.locator(".dw-formula[tabindex='0']").count() == 1
    assert page.locator(".dw-badge.dw-passed").count() == 3 and page.locator(".dw-badge.dw-open").count() == 1


@pytest.mark.parametrize("seen", ["derivation"], indirect=True)
def test_arrow_keys_walk_through_steps_and_zoom_keeps_the_place(seen):
    """Right opens a group, down goes on, and a change of zoom opens the group of the step in focus."""
    page = seen.page
    focused = "document.activeElement.dataset.step ?? document.activeElement.dataset.group"
    page.locator(".dw-fold").first.focus()
    where = []
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "End", "ArrowRight", "End"):
        page.keyboard.press(key)
        where.append(page.evaluate(focused))
    assert where == ["A", "S1", "S2", "B", "B", "B", "S4"]
    page.get_by_role("radio", name="4 steps").check(force=True)
    assert page.locator(".dw-current").get_attribute("data-step") == "S4"
    page.get_by_role("radio", name="2 steps").check(force=True)
    assert page.locator(".dw-step").count() == 2, "only the group of S4 is open"
    assert page.locator(".dw-current").get_attribute("data-step") == "S4"
