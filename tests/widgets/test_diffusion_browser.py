"""The widgets of diffusion on a bare page in Chromium: no kernel, no network."""

import re

import pytest
import torch
import widget_pages as pages
from browser import SMALL, finger, middle, pixels, settle, too_wide, visit
from checks import assert_accessible, assert_pictures_stand_in, smallest_target
from diffusion_pages import film, particles, random_pictures, reverse_scrubber, schedule_lab

from lib.widgets.base import png

pytestmark = pytest.mark.browser

NOISED_B = ".dw-card-b .dw-noised"


@pytest.fixture(scope="module")
def html():
    """The pages of these tests by name."""
    made = {"lab": [schedule_lab()], "film": [reverse_scrubber()], "particles": [particles()]}
    made["all"] = [schedule_lab(), reverse_scrubber(), particles()]
    return {name: pages.page(*widgets) for name, widgets in made.items()}


def shown(page, selector: str) -> torch.Tensor:
    """The pixels of a canvas, (3, H, W)."""
    code = """(s) => { const c = document.querySelector(s);
      return [c.height, c.width, ...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]; }"""
    settle(page)
    height, width, *data = page.evaluate(code, selector)
    return torch.tensor(data).reshape(height, width, 4)[..., :3].permute(2, 0, 1)


def as_pixels(picture: torch.Tensor) -> torch.Tensor:
    return ((picture.clamp(-1, 1) + 1) * 127.5).round()


def drag(page, path: list[tuple[float, float]]) -> None:
    """Press at the first point, move over the others, release."""
    page.mouse.move(*path[0])
    page.mouse.down()
    for x, y in path[1:]:
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
    settle(page)


def inside(page, selector: str, x: float, y: float) -> tuple[float, float]:
    """The place at a share of the width and height of an element."""
    place = page.locator(selector).first
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def values(page, which: int = 0) -> list[str]:
    settle(page)
    return page.locator(".dw-values").nth(which).locator("dd").all_inner_texts()


def slider_value(page) -> int:
    return int(page.locator(".dw-timeline .dw-range, .dw-wide-time .dw-range").first.input_value())


# ---- the schedule laboratory


@pytest.mark.parametrize("seen", ["lab"], indirect=True)
def test_both_pictures_are_what_python_computes(seen):
    """Same schedule, same noise: every pixel, to rounding."""
    lab = schedule_lab()
    for which in "ab":
        difference = (shown(seen.page, f".dw-card-{which} .dw-noised") - as_pixels(lab.x_t(which))).abs()
        assert difference.max() <= 1
    assert values(seen.page, 1)[1] == f"{lab.alpha_bar('b')[80]:.3f}"


@pytest.mark.parametrize("seen", ["lab"], indirect=True)
def test_scrubbing_by_slider_keys_and_curve_moves_t(seen):
    """Pictures, numbers and marks follow; a drag in a curve is a drag of t."""
    page = seen.page
    states = [(pixels(page, NOISED_B), *values(page, 1))]
    page.locator(".dw-timeline .dw-range").first.focus()
    page.keyboard.press("ArrowRight")
    assert slider_value(page) == 81
    states.append((pixels(page, NOISED_B), *values(page, 1)))
    svg = ".dw-small-curves .dw-schedule-plot"
    drag(page, [inside(page, svg, 0.4, 0.5), inside(page, svg, 0.9, 0.5)])
    assert slider_value(page) > 150
    states.append((pixels(page, NOISED_B), *values(page, 1)))
    assert len(set(states)) == 3
    x = [float(page.locator(".dw-now-b").nth(i).get_attribute("cx")) for i in range(3)]
    assert x[1] == x[2] > 200


@pytest.mark.parametrize("seen", ["lab"], indirect=True)
def test_parameters_kinds_and_length_change_curves_and_picture(seen):
    """Only the sliders of the chosen kind are there; t keeps its share of T."""
    page, curve = seen.page, ".dw-curve-b"
    visible = lambda: page.locator(".dw-card-b .dw-slider:visible .dw-name").all_inner_texts()  # noqa: E731
    before = [page.locator(curve).first.get_attribute("d"), pixels(page, NOISED_B)]
    assert visible() == ["s"]
    page.select_option(".dw-card-b .dw-select", "sigmoid")
    settle(page)
    assert visible() == ["start", "end", "τ"]
    after = [page.locator(curve).first.get_attribute("d"), pixels(page, NOISED_B)]
    assert before[0] != after[0] and before[1] != after[1]
    page.get_by_label("Schedule B, τ, number").fill("0.4")
    page.keyboard.press("Enter")
    settle(page)
    assert page.locator(curve).first.get_attribute("d") != after[0]
    page.get_by_label("T, number", exact=True).fill("100")
    page.keyboard.press("Enter")
    settle(page)
    assert slider_value(page) == 40
    assert (
        values(page, 1)[1]
        == f"{schedule_lab(b='sigmoid', num_steps=100, params_b={'tau': 0.4}, t=40).alpha_bar('b')[40]:.3f}"
    )


@pytest.mark.parametrize("seen", ["lab"], indirect=True)
def test_a_schedule_is_drawn_by_dragging_and_by_keys_and_always_falls(seen):
    """A sweep across the curve draws it; arrows lift a point and walk to the next; neighbours give way."""
    page, svg = seen.page, ".dw-knots .dw-schedule-plot"
    knots = page.locator(".dw-knot-a")
    heights = lambda: [float(knots.nth(i).get_attribute("aria-valuenow")) for i in range(knots.count())]  # noqa: E731
    assert knots.count() == 8 and page.locator(".dw-knot-b").count() == 0
    before, picture = heights(), pixels(page, ".dw-card-a .dw-noised")
    drag(page, [inside(page, svg, 0.25, 0.35), inside(page, svg, 0.5, 0.7), inside(page, svg, 0.8, 0.8)])
    after = heights()
    assert after != before and pixels(page, ".dw-card-a .dw-noised") != picture
    knots.nth(3).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Schedule A, point at t = 125"
    for _ in range(10):
        page.keyboard.press("Shift+ArrowUp")
    settle(page)
    lifted = heights()
    assert lifted[4] == pytest.approx(1 - 0.002 * 5)
    page.select_option(".dw-card-b .dw-select", "drawn")
    settle(page)
    cosine = schedule_lab().alpha_bar("b")[25::25].tolist()
    begun = [float(page.locator(".dw-knot-b").nth(i).get_attribute("aria-valuenow")) for i in range(8)]
    assert begun == pytest.approx(cosine, abs=1e-3)
    for drawn in (after, lifted, begun):
        assert all(one > other for one, other in zip([1, *drawn], drawn, strict=False)) and drawn[-1] > 0


@pytest.mark.parametrize("seen", ["lab"], indirect=True)
def test_a_picture_of_the_reader_is_cut_to_a_square_and_noised(seen, tmp_path):
    """192 x 64 pixels with coloured ends: the middle remains. A file that is none is told, and nothing changes."""
    page = seen.page
    inner = as_pixels(random_pictures(1, 64, seed=5)[0]).permute(1, 2, 0).to(torch.uint8)
    ends = torch.tensor([255, 0, 0], dtype=torch.uint8).expand(64, 64, 3)
    (tmp_path / "mine.png").write_bytes(png(torch.cat([ends, inner, ends], dim=1).numpy()))
    (tmp_path / "notes.png").write_text("not a picture")
    before = pixels(page, NOISED_B)
    page.set_input_files("input[type=file]", tmp_path / "notes.png")
    page.wait_for_function("document.querySelector('.dw-note').textContent.includes('not a picture')")
    assert pixels(page, NOISED_B) == before
    page.set_input_files("input[type=file]", tmp_path / "mine.png")
    page.wait_for_function("document.querySelector('.dw-note').textContent.includes('stays in this browser')")
    page.get_by_label("t, number", exact=True).fill("0")
    page.keyboard.press("Enter")
    assert (shown(page, NOISED_B) - inner.permute(2, 0, 1)).abs().max() <= 1
    assert page.locator(".dw-bar .dw-select").input_value() == "own"
    page.select_option(".dw-bar .dw-select", "1")
    assert (shown(page, NOISED_B) - as_pixels(random_pictures(2, 64)[1])).abs().max() <= 1


@pytest.mark.parametrize("seen", ["lab"], indirect=True)
def test_new_noise_changes_both_pictures_and_play_moves_t(seen):
    """The noise of the next seed; play starts on a press only, stops on the next, and goes by steps where asked."""
    page = seen.page
    page.get_by_role("button", name="New noise").click()
    assert (shown(page, NOISED_B) - as_pixels(schedule_lab(seed=1).x_t("b"))).abs().max() <= 1
    assert slider_value(page) == 80
    page.get_by_role("button", name="Add noise").click()
    page.wait_for_function("document.querySelector('.dw-timeline .dw-range').value > 90")
    page.get_by_role("button", name="Pause").click()
    settle(page)
    stopped = slider_value(page)
    page.wait_for_timeout(80)
    assert slider_value(page) == stopped
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Add noise").click()
    settle(page)
    stepped = slider_value(page)
    page.wait_for_timeout(80)
    assert slider_value(page) == stepped > stopped


# ---- the reverse scrubber


@pytest.mark.parametrize("seen", ["film"], indirect=True)
def test_the_three_pictures_are_the_recorded_state(seen):
    """x_t, the guess and the noise at several steps, to rounding; at the end the guess is the picture."""
    page, states = seen.page, list(film().states())
    field = page.get_by_label("step, number")
    for step in (0, 5, 11, 12):
        field.fill(str(step))
        page.keyboard.press("Enter")
        state, names = states[step], [f".dw-triple figure:nth-child({i + 1}) canvas" for i in range(3)]
        for name, picture in zip(names, (state.x_t, state.x_0_hat, state.eps_hat / 3), strict=True):
            assert (shown(page, name) - as_pixels(picture[0])).abs().max() <= 1, (step, name)
        assert values(page)[0] == str(state.t)
        assert float(values(page)[2]) == pytest.approx(state.x_t[0].norm().item(), abs=0.06)
    assert values(page)[3] == "there"


@pytest.mark.parametrize("seen", ["film"], indirect=True)
def test_samples_keys_curve_and_play_move_through_the_film(seen):
    """Another sample has other pictures and its own curve; dragging in the curve scrubs; play ends at the picture."""
    page, picture = seen.page, ".dw-triple figure:nth-child(2) canvas"
    states = [pixels(page, picture)]
    line = page.locator(".dw-guess-line").get_attribute("d")
    page.get_by_role("button", name="Sample 2: right").click()
    states.append(pixels(page, picture))
    assert page.locator(".dw-guess-line").get_attribute("d") != line
    page.locator(".dw-range").focus()
    page.keyboard.press("Home")
    states.append(pixels(page, picture))
    assert slider_value(page) == 0 and len(set(states)) == 3
    drag(page, [inside(page, ".dw-schedule-plot", 0.3, 0.5), inside(page, ".dw-schedule-plot", 0.95, 0.5)])
    assert slider_value(page) >= 11
    page.get_by_label("step, number").fill("11")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Denoise").click()
    page.wait_for_function("document.querySelector('.dw-range').value == 12")
    page.get_by_role("button", name="Denoise").wait_for()


# ---- the particles


@pytest.mark.parametrize("seen", ["particles"], indirect=True)
def test_noise_and_back_moves_every_particle_and_brings_them_to_the_data(seen):
    """At t = 0 after denoising, particles lie on or between the points of the set, most of them elsewhere than before.

    A plot unit is about 66 pixels, and the noise of t = 1 has a standard deviation of 3 pixels.
    """
    page = seen.page
    code = """() => [".dw-particle-dots", ".dw-particle-data"].map((name) =>
      document.querySelector(name).getAttribute("d").match(/M[^a]*/g).map((s) => s.slice(1).split(",").map(Number)))"""
    dots, data = (torch.tensor(rows) for rows in page.evaluate(code))
    near = torch.cdist(dots + torch.tensor([2.4, 0]), data + torch.tensor([1.6, 0])).min(1).values
    assert near.max() > 20
    for t in ("50", "0"):
        page.get_by_label("t, number").fill(t)
        page.keyboard.press("Enter")
        settle(page)
    dots, data = (torch.tensor(rows) for rows in page.evaluate(code))
    near = torch.cdist(dots + torch.tensor([2.4, 0]), data + torch.tensor([1.6, 0])).min(1)
    assert near.values.max() < 12 and near.values.median() < 4 and len(dots) == 60
    assert (near.indices != torch.arange(60)).sum() > 30
    assert "100 steps taken" in page.inner_text(".dw-readout") and not page.locator(
        ".dw-particle-arrows"
    ).get_attribute("d")


@pytest.mark.parametrize("seen", ["particles"], indirect=True)
def test_the_own_particle_is_dragged_and_moved_by_keys_and_leaves_a_trace(seen):
    """A press puts it there, arrows move it, and its path is drawn as the noise changes."""
    page = seen.page
    own = page.locator(".dw-own")
    x, y = inside(page, ".dw-plane", 0.25, 0.25)
    drag(page, [middle(page, ".dw-own"), (x, y)])
    box = own.bounding_box()
    assert (box["x"] + 20, box["y"] + 20) == pytest.approx((x, y), abs=2)
    assert not page.locator(".dw-particle-trace").get_attribute("d")
    before = float(own.get_attribute("aria-valuenow"))
    for key in ("ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    settle(page)
    assert float(own.get_attribute("aria-valuenow")) == pytest.approx(before + 0.12 * 3, abs=1e-3)
    page.locator(".dw-range").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    settle(page)
    assert page.locator(".dw-particle-trace").get_attribute("d").count("L") == 3


@pytest.mark.parametrize("seen", ["particles"], indirect=True)
def test_buttons_play_noise_denoising_and_langevin(seen):
    """Each moves what it says; denoising from clean data begins at fresh noise; a shake leaves t alone."""
    page = seen.page
    dots = lambda: page.locator(".dw-particle-dots").get_attribute("d")  # noqa: E731
    before = dots()
    page.get_by_role("button", name="Shake").click()
    page.wait_for_function("/Langevin/.test(document.querySelector('.dw-readout').textContent)")
    page.get_by_role("button", name="Pause").click()
    assert dots() != before and slider_value(page) == 20
    page.get_by_role("button", name="Add noise").click()
    page.wait_for_function("document.querySelector('.dw-range').value > 23")
    page.get_by_role("button", name="Denoise").click()
    page.wait_for_function("document.querySelector('.dw-range').value < 22")
    assert page.get_by_role("button", name="Pause").count() == 1
    page.get_by_role("button", name="Start again").click()
    settle(page)
    assert slider_value(page) == 0 and page.get_by_role("button", name="Shake").is_disabled()
    page.get_by_role("button", name="Denoise").click()
    page.wait_for_function("document.querySelector('.dw-range').value > 40")
    page.get_by_role("button", name="Pause").click()


@pytest.mark.parametrize("seen", ["particles"], indirect=True)
def test_other_data_and_other_arrows(seen):
    """A mixture has outlines and 300 particles; arrows of one step back differ from the score, or go."""
    page = seen.page
    arrows = lambda: page.locator(".dw-particle-arrows").get_attribute("d")  # noqa: E731
    seen_arrows = [arrows()]
    page.select_option(".dw-bar .dw-pair >> nth=1 >> select", "step")
    settle(page)
    seen_arrows.append(arrows())
    page.select_option(".dw-bar .dw-pair >> nth=0 >> select", "clouds")
    settle(page)
    seen_arrows.append(arrows())
    assert len(set(seen_arrows)) == 3 and all(seen_arrows)
    assert page.locator(".dw-particle-dots").get_attribute("d").count("M") >= 290
    assert page.locator(".dw-particle-data").get_attribute("d").count("M") == 16 and slider_value(page) == 20
    page.select_option(".dw-bar .dw-pair >> nth=1 >> select", "none")
    settle(page)
    assert not arrows()


# ---- all of them


def test_on_a_phone_a_finger_moves_everything_and_nothing_overflows(browser, site):
    """360 px wide: slider, drawn curve and own particle follow a finger; targets are at least 32 px."""
    with visit(browser, f"{site}all.html", **SMALL) as seen:
        page = seen.page
        page.wait_for_selector(".dw-plane")
        page.wait_for_function(pages.READY)
        x, y = inside(page, ".dw-timeline .dw-range", 0.4, 0.5)
        finger(page, [(x + 12 * i, y) for i in range(8)])
        assert slider_value(page) > 100
        x, y = inside(page, ".dw-knots .dw-schedule-plot", 0.55, 0.5)
        finger(page, [(x, y - 8 * i) for i in range(10)])
        assert middle(page, ".dw-knot-a >> nth=3")[1] == pytest.approx(y - 72, abs=3), "to the end of the way"
        touch = "(s) => getComputedStyle(document.querySelector(s)).touchAction"
        assert [page.evaluate(touch, name) for name in (".dw-drawable", ".dw-own")] == ["none", "none"], "no scrolling"
        before = page.locator(".dw-own").get_attribute("aria-valuetext")
        x, y = middle(page, ".dw-own")
        finger(page, [(x - 6 * i, y + 6 * i) for i in range(8)])
        assert page.locator(".dw-own").get_attribute("aria-valuetext") != before
        assert not too_wide(page)
        assert smallest_target(page) >= 32
    assert seen.clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_ids_are_unique(browser, site, theme):
    """Names, roles and contrast of all three, in both themes."""
    with visit(browser, f"{site}all.html", viewport={"width": 800, "height": 1000}) as seen:
        seen.page.wait_for_selector(".dw-plane")
        seen.page.wait_for_function(pages.READY)
        assert_accessible(seen.page, theme)
    assert seen.clean()


def test_without_scripts_pictures_stand_in(browser, site):
    """The preview with its words is part of the output."""
    assert_pictures_stand_in(browser, f"{site}all.html", 3, 100)


@pytest.mark.parametrize("seen", ["all"], indirect=True)
def test_many_moves_within_one_frame_are_drawn_once(seen):
    """The handler only asks for a repaint: a fast hand must not pile up work."""
    drawn = seen.page.evaluate("""async () => {
      let painted = 0;
      const real = CanvasRenderingContext2D.prototype.putImageData;
      const slider = document.querySelector(".dw-timeline .dw-range");
      CanvasRenderingContext2D.prototype.putImageData = function (...args) { painted += 1; real.apply(this, args); };
      for (let i = 0; i < 40; i++) { slider.value = i; slider.dispatchEvent(new Event("input", { bubbles: true })); }
      const atOnce = painted;
      for (let i = 0; i < 3; i++) await new Promise((done) => requestAnimationFrame(done));
      CanvasRenderingContext2D.prototype.putImageData = real;
      return [atOnce, painted];
    }""")
    assert drawn == [0, 2]
    assert re.fullmatch(
        r"t = 39 of 200: .*", seen.page.locator(".dw-timeline .dw-range").first.get_attribute("aria-valuetext")
    )
