"""The widgets of chapters 5 and 6 on a bare page in Chromium: no kernel, no network."""

import itertools

import numpy as np
import pytest
import torch
import widget_pages as pages
from browser import SMALL, finger, middle, pixels, settle, too_wide, visit
from checks import assert_accessible, assert_pictures_stand_in, smallest_target
from sampler_pages import frame_explorer, frames, guidance_field, steps_explorer

from lib import ddim
from lib.data import PointSet, mixture, points
from lib.ddpm import ExactModel, exact_denoised, schedules
from lib.widgets.portable_noise import normals

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def html():
    """The pages of these tests by name."""
    made = {"frames": [frame_explorer()], "steps": [steps_explorer()], "guidance": [guidance_field()]}
    made["all"] = [frame_explorer(), steps_explorer(), guidance_field()]
    return {name: pages.page(*widgets) for name, widgets in made.items()}


# ---- the frame explorer


def pictures(page) -> np.ndarray:
    """What the canvases in view show, (number, 3, H, W)."""
    code = """() => [...document.querySelectorAll(".dw-frame-picture")].map((c) =>
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
    label = page.locator(".dw-frame-picture").nth(1).get_attribute("aria-label")
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
    settle(page)
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


# ---- the steps explorer


def spots(page, name: str, radius: float, reach: float = 3.0) -> torch.Tensor:
    """Where dots stand in the plane, read from the drawing."""
    settle(page)
    code = """(name) => (document.querySelector(name).getAttribute("d") || "").match(/M[^a]*/g)
      .map((s) => s.slice(1).split(",").map(Number))"""
    x, y = torch.tensor(page.evaluate(code, f".dw-particle-{name}"), dtype=torch.float64).T
    return torch.stack([x + radius - 200, 200 - y], dim=1) * reach / 197


def facts(page) -> list[str]:
    settle(page)
    return page.locator(".dw-walk-values dd").all_inner_texts()


MOONS = PointSet(points("two_moons", 60, torch.Generator().manual_seed(0)).double())


@pytest.mark.parametrize("seen", ["steps"], indirect=True)
def test_walks_without_noise_end_where_those_of_the_library_do(seen):
    """Every end point, for several steps and spacings; the numbers are those of the ends."""
    page, x_T, alpha_bar = seen.page, torch.from_numpy(steps_explorer().x_T), schedules.shortened_linear(50)
    model = ExactModel(MOONS, alpha_bar, "x_0")
    errors = []
    for num_steps, spacing in ((1, "evenly"), (5, "evenly"), (5, "quadratic"), (50, "trailing")):
        page.get_by_label("levels").select_option(spacing)
        page.get_by_label("steps S, number").fill(str(num_steps))
        page.keyboard.press("Enter")
        levels = ddim.subsequences.SPACINGS[spacing](50, num_steps)
        *_, last = ddim.sample(model, x_T.shape, alpha_bar, levels=levels, target="x_0", x_T=x_T)
        assert (spots(page, "ends", 2.4) - last.x_t).abs().max() < 2e-3
        calls, error, near, spread = facts(page)
        assert calls == str(num_steps)
        assert float(near.split()[0]) == pytest.approx(
            torch.cdist(last.x_t, MOONS.points).min(1).values.mean().item(), abs=6e-4
        )
        assert float(spread.split()[0]) == pytest.approx(last.x_t.var(0, correction=0).mean().sqrt().item(), abs=6e-4)
        errors.append(float(error))
    assert errors[0] > 0.7 > errors[1] > errors[3] and errors[3] < 0.05
    assert page.inner_text(".dw-readout").startswith("t = 50 → 49 → 48 → … → 3 → 2 → 1 → 0")


@pytest.mark.parametrize("seen", ["steps"], indirect=True)
def test_noise_is_eta_s_share_or_the_larger_one(seen):
    """End points with the same noise in Python; eta has no say under sigma-hat; new noise begins elsewhere."""
    page, widget, alpha_bar = seen.page, steps_explorer(), schedules.shortened_linear(50)
    levels = [*reversed(ddim.subsequences.evenly(50, 5)), 0]
    page.get_by_label("η", exact=True).press("End")
    seen_ends = []
    for larger in (False, True):
        if larger:
            page.get_by_label("σ̂").check()
        x = torch.from_numpy(widget.x_T)
        for k, (t, s) in enumerate(itertools.pairwise(levels)):
            z = torch.from_numpy(normals(120, 3, k + 1)).reshape(60, 2)
            settings = {"noise_std": ddim.sigma_hat(alpha_bar, t, s)} if larger else {"eta": 1.0}
            x_0_hat = exact_denoised(MOONS, x, alpha_bar[t])
            x = ddim.ddim_step(x, x_0_hat, t, s, alpha_bar, z if s else None, target="x_0", **settings)
        assert (spots(page, "ends", 2.4) - x).abs().max() < 2e-3
        assert facts(page)[1] == "with noise: another draw"
        seen_ends.append(x)
    assert (seen_ends[0] - seen_ends[1]).abs().max() > 0.1
    assert page.get_by_label("η", exact=True).is_disabled()
    page.get_by_role("button", name="New noise").click()
    assert (spots(page, "ends", 2.4) - seen_ends[1]).abs().max() > 0.1


@pytest.mark.parametrize("seen", ["steps"], indirect=True)
def test_the_own_start_is_dragged_and_moved_by_keys_and_its_walk_follows(seen):
    """A press puts it there, arrows move it; its walk and its exact path begin there, other walks stay."""
    page, own = seen.page, seen.page.locator(".dw-own")
    others = page.locator(".dw-particle-walks").get_attribute("d")
    box = page.locator(".dw-plane").bounding_box()
    page.mouse.move(*middle(page, ".dw-own"))
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75, steps=4)
    page.mouse.up()
    page.keyboard.press("ArrowRight")
    settle(page)
    x = float(own.get_attribute("aria-valuenow"))
    assert x == pytest.approx(-1.5 + 0.06, abs=0.05)
    for name, points_ in (("trace", 6), ("own-fine", 51)):
        path = page.locator(f".dw-particle-{name}").get_attribute("d")
        start = float(path[1:].split(",")[0])
        assert (start - 200) * 3 / 197 == pytest.approx(x, abs=2e-3) and path.count("L") == points_ - 1
    assert page.locator(".dw-particle-walks").get_attribute("d") == others


@pytest.mark.parametrize("seen", ["steps"], indirect=True)
def test_the_steps_slider_stops_at_round_numbers_and_other_data_bring_other_walks(seen):
    """1, 2, 3 … and T at the end; the field takes any number in between; a mixture has outlines."""
    page = seen.page
    slider = page.get_by_label("steps S", exact=True)
    slider.focus()
    said = []
    for key in ("Home", "ArrowRight", "End"):
        page.keyboard.press(key)
        settle(page)
        said.append(slider.get_attribute("aria-valuetext"))
    assert said == ["1 steps of 50", "2 steps of 50", "50 steps of 50"]
    page.get_by_label("steps S, number").fill("33")
    page.keyboard.press("Enter")
    assert facts(page)[0] == "33" and slider.get_attribute("aria-valuetext") == "33 steps of 50"
    page.get_by_label("data", exact=True).select_option("clouds")
    settle(page)
    assert page.locator(".dw-particle-data").get_attribute("d").count("M") == 16


# ---- the guidance field


@pytest.mark.parametrize("seen", ["guidance"], indirect=True)
def test_particles_and_their_numbers_are_what_python_computes(seen):
    """At several levels, scales and for both classes; share and spread belong to the finished particles."""
    page, data = seen.page, mixture("mixture")
    for scale, t, wanted in (("3", 20, "wide"), ("3", 0, "wide"), ("0", 7, "wide"), ("8", 0, "others")):
        page.get_by_label("scale s, number").fill(scale)
        page.keyboard.press("Enter")
        page.get_by_label("t, number").fill(str(t))
        page.keyboard.press("Enter")
        page.get_by_label(wanted, exact=True).check(force=True)
        widget = guidance_field(guidance_scale=float(scale), t=t, wanted=wanted)
        expected = torch.from_numpy(widget.particles())
        inside = expected[(expected.abs() <= widget.reach).all(1)]
        assert (spots(page, "dots", 2.4, widget.reach) - inside).abs().max() < 2e-3
        ends = torch.from_numpy(widget.particles(0))
        member = data.responsibilities(ends)[:, 0] > 0.5
        share = (member if wanted == "wide" else ~member).double().mean().item()
        calls, in_class, spread = facts(page)
        assert calls == ("1" if scale == "0" else "2") and float(in_class.split()[0]) == pytest.approx(
            100 * share, abs=0.06
        )
        assert float(spread.split()[0]) == pytest.approx(ends.var(0, correction=0).mean().sqrt().item(), abs=6e-4)


@pytest.mark.parametrize("seen", ["guidance"], indirect=True)
def test_both_conventions_move_together(seen):
    """w is s - 1, whichever is moved."""
    page = seen.page
    s, w = (page.get_by_label(name, exact=True) for name in ("scale s", "w = s − 1"))
    w.focus()
    page.keyboard.press("Home")
    settle(page)
    assert (s.input_value(), w.input_value()) == ("0", "-1")
    page.get_by_label("scale s, number").fill("7.5")
    page.keyboard.press("Enter")
    settle(page)
    assert (s.input_value(), w.input_value()) == ("7.5", "6.5")
    assert "s = 7.5 is w = 6.5 in the other convention" in page.inner_text(".dw-readout")


@pytest.mark.parametrize("seen", ["guidance"], indirect=True)
def test_the_four_fields_differ_and_scale_1_is_the_conditional_one(seen):
    """Arrows of each kind; none without noise; at s = 0 the guided field is the unconditional one."""
    page = seen.page

    def arrows(kind: str, scale: str) -> str:
        page.get_by_label("scale s, number").fill(scale)
        page.keyboard.press("Enter")
        page.get_by_label(kind, exact=True).check(force=True)
        settle(page)
        return page.locator(".dw-particle-arrows").get_attribute("d")

    kinds = ("unconditional", "conditional", "difference", "guided")
    drawn = {kind: arrows(kind, "4") for kind in kinds}
    assert len(set(drawn.values())) == 4 and all(drawn.values())
    assert arrows("guided", "1") == drawn["conditional"] and arrows("guided", "0") == drawn["unconditional"]
    assert arrows("none", "1") == ""
    page.get_by_label("t, number").fill("0")
    page.keyboard.press("Enter")
    assert arrows("guided", "4") == ""


@pytest.mark.parametrize("seen", ["guidance"], indirect=True)
def test_the_density_lies_behind_and_play_denoises(seen):
    """It is darkest where log q(x_t) q(y | x_t)^s is largest and moves with the scale; play goes from T to 0."""
    page, widget = seen.page, guidance_field(guidance_scale=3.0)
    assert page.locator(".dw-density").is_hidden()
    page.get_by_label("density").check()
    settle(page)
    before = pixels(page, ".dw-density")
    code = """() => { const c = document.querySelector(".dw-density");
      const alpha = [...c.getContext("2d").getImageData(0, 0, 100, 100).data].filter((_, i) => i % 4 === 3);
      return alpha.indexOf(Math.max(...alpha)); }"""
    row, column = divmod(page.evaluate(code), 100)
    axis = (torch.arange(100, dtype=torch.float64) + 0.5) / 50 - 1
    grid = widget.reach * torch.stack([axis.expand(100, 100), -axis[:, None].expand(100, 100)], dim=-1).reshape(-1, 2)
    noisy = mixture("mixture").diffused(schedules.shortened_linear(40)[20])
    best = (noisy.log_prob(grid) + 3 * noisy.responsibilities(grid)[:, 0].log()).argmax().item()
    assert abs(best // 100 - row) <= 2 and abs(best % 100 - column) <= 2
    page.get_by_label("scale s, number").fill("9")
    page.keyboard.press("Enter")
    assert pixels(page, ".dw-density") != before
    page.get_by_label("t, number").fill("0")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Denoise").click()
    page.wait_for_function("(v => v > 0 && v < 38)(document.querySelector('.dw-timeline .dw-range').value)")
    page.get_by_role("button", name="Pause").click()


# ---- all of them


def test_on_a_phone_a_finger_moves_everything_and_nothing_overflows(browser, site):
    """360 px wide: sliders follow a finger; targets are at least 32 px."""
    with visit(browser, f"{site}all.html", **SMALL) as seen:
        page = seen.page
        page.wait_for_selector(".dw-guided-plane")
        page.wait_for_function(pages.READY)
        box = page.get_by_label("η", exact=True).first.bounding_box()
        finger(page, [(box["x"] + 8 + i * (box["width"] - 16) / 8, box["y"] + 16) for i in range(9)])
        np.testing.assert_array_equal(pictures(page), frames()[1, 3])
        own = page.locator(".dw-own")
        own.scroll_into_view_if_needed()
        before, (x, y) = own.get_attribute("aria-valuetext"), middle(page, ".dw-own")
        finger(page, [(x - 6 * i, y + 6 * i) for i in range(8)])
        assert own.get_attribute("aria-valuetext") != before
        scale = page.get_by_label("scale s", exact=True)
        scale.scroll_into_view_if_needed()
        box = scale.bounding_box()
        finger(page, [(box["x"] + 20 + i * (box["width"] - 24) / 8, box["y"] + 16) for i in range(9)])
        assert float(scale.input_value()) > 8
        assert not too_wide(page)
        assert smallest_target(page) >= 32
    assert seen.clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_ids_are_unique(browser, site, theme):
    """Names, roles and contrast of all of them, in both themes."""
    with visit(browser, f"{site}all.html", viewport={"width": 800, "height": 1000}) as seen:
        seen.page.wait_for_selector(".dw-guided-plane")
        seen.page.wait_for_function(pages.READY)
        assert_accessible(seen.page, theme)
    assert seen.clean()


def test_without_scripts_pictures_stand_in(browser, site):
    """The preview with its words is part of the output."""
    assert_pictures_stand_in(browser, f"{site}all.html", 3, 80)
