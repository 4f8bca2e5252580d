"""The caption builder on a bare page in Chromium: no kernel, no network."""

import numpy as np
import pytest
import widget_pages as pages
from browser import settle, visit
from checks import shown
from latent_pages import caption_builder, hwc

from lib.widgets.sheets import overlay

pytestmark = pytest.mark.browser

CAPTION = caption_builder()
OPEN = "() => document.querySelectorAll('.dw-word').length > 5"


@pytest.fixture(scope="module")
def html():
    """The page of these tests."""
    return {"caption": pages.page(caption_builder())}


def lit(picture: np.ndarray, answer, word: int, steps: list[int]) -> np.ndarray:
    """A picture under the map of a word: one step on the scale of the walk, the mean on its own."""
    maps = answer.maps[:, word]
    weight = maps[steps].mean(0) / (maps.max() if len(steps) == 1 else maps.mean(0).max())
    return overlay(hwc(picture), weight)


@pytest.mark.parametrize("seen", ["caption"], indirect=True)
def test_picture_walk_and_maps_are_the_stored_ones(seen):
    """Byte by byte along the walk; under a map within the rounding of the map to bytes."""
    page, answer = seen.page, CAPTION.answer
    page.wait_for_function(OPEN)
    np.testing.assert_array_equal(shown(page, ".dw-drawn"), hwc(answer.picture))
    walk = page.get_by_label("Walk to the picture")
    walk.focus()
    page.keyboard.press("Home")
    np.testing.assert_array_equal(shown(page, ".dw-drawn"), hwc(answer.walk[0]))
    page.keyboard.press("ArrowRight")
    assert walk.get_attribute("aria-valuetext") == "estimate 2 of 3"
    word = page.locator(".dw-word").nth(3)
    word.hover()
    close = {"atol": 4, "rtol": 0}
    np.testing.assert_allclose(shown(page, ".dw-drawn").astype(int), lit(answer.walk[1], answer, 3, [0, 1, 2]), **close)
    page.get_by_label("of this step").check(force=True)
    word.click()
    np.testing.assert_allclose(shown(page, ".dw-drawn").astype(int), lit(answer.walk[1], answer, 3, [1]), **close)
    assert word.get_attribute("aria-pressed") == "true"
    page.mouse.move(2, 2)
    walk.focus()
    page.keyboard.press("End")
    finished = lit(answer.picture, answer, 3, [0, 1, 2])
    np.testing.assert_allclose(shown(page, ".dw-drawn").astype(int), finished, **close)
    assert f"where “{answer.words[3]}” is looked at" in page.inner_text(".dw-caption-main figcaption")
    word.click()
    page.mouse.move(2, 2)
    page.locator("h1").click()
    np.testing.assert_array_equal(shown(page, ".dw-drawn"), hwc(answer.picture))


@pytest.mark.parametrize("seen", ["caption"], indirect=True)
def test_a_word_in_focus_shows_its_map_and_the_peak_is_told(seen):
    """By the keyboard, without a press; the name of the button says how much attention at most."""
    page, answer = seen.page, CAPTION.answer
    page.wait_for_function(OPEN)
    page.get_by_label("mean of the walk").focus()
    page.keyboard.press("Tab")
    first = page.locator(".dw-word").first
    assert first.evaluate("(e) => e === document.activeElement")
    assert "where “<start>” is looked at" in page.inner_text(".dw-caption-main figcaption")
    top = 100 * answer.maps[:, 0].mean(0).max()
    assert first.get_attribute("aria-label") == f"<start>, at most {top:.{0 if top >= 10 else 1}f} % of the attention"


@pytest.mark.parametrize("seen", ["caption"], indirect=True)
def test_gaps_and_text_say_the_same_and_a_stored_caption_is_shown(seen):
    """Typing fills the gaps, gaps write the text; a text that is no such sentence leaves them open."""
    page, texts = seen.page, [one["text"] for one in CAPTION.stored]
    page.wait_for_function(OPEN)
    typed, gaps = page.get_by_label("caption", exact=True), page.locator(".dw-gap select")
    said = lambda: gaps.evaluate_all("(all) => all.map((e) => e.selectedOptions[0].textContent)")  # noqa: E731
    assert typed.input_value() == texts[0] and " ".join(said()).split() == [w for w in texts[0].split() if w != "a"]
    typed.fill(texts[1].upper())
    assert (shown(page, ".dw-drawn") == hwc(list(CAPTION.answers.values())[1].picture)).all()
    assert page.get_by_label("drawn beforehand").input_value() == "1"
    typed.fill("a red zebra , large")
    settle(page)
    assert said() == ["…"] * 7
    assert page.inner_text(".dw-strange") == "not in the model’s vocabulary: zebra, ,"
    gaps.nth(1).select_option(label="blue")
    settle(page)
    assert typed.input_value() == "a small blue circle" and said()[3] == "–"
    gaps.nth(3).select_option(label="above")
    settle(page)
    assert typed.input_value().startswith("a small blue circle above a small")


@pytest.mark.parametrize("seen", ["caption"], indirect=True)
def test_where_nothing_is_stored_the_nearest_captions_are_offered(seen):
    """One changed word: the stored caption comes first, that word bold; a press shows it. Other settings likewise."""
    page, first = seen.page, CAPTION.stored[0]["text"]
    page.wait_for_function(OPEN)
    words = first.split()
    changed = " ".join(["a", "small" if words[1] == "large" else "large", *words[2:]])
    page.get_by_label("caption", exact=True).fill(changed)
    settle(page)
    assert page.inner_text(".dw-status").startswith("No picture is stored for this caption, and no model runs here")
    offers = page.locator(".dw-offer")
    assert offers.count() == 4 and offers.first.inner_text().strip() == first
    assert offers.first.locator("b").all_inner_texts() == [words[1]]
    assert page.locator(".dw-word-box").is_hidden() and page.locator(".dw-walk").is_hidden()
    offers.first.click()
    assert (shown(page, ".dw-drawn") == hwc(CAPTION.answer.picture)).all() and not page.inner_text(".dw-status")
    page.get_by_role("radio", name="7.5").check(force=True)
    assert (shown(page, ".dw-drawn") != hwc(CAPTION.answer.picture)).any()
    page.get_by_role("radio", name="1", exact=True).last.check(force=True)
    settle(page)
    assert page.inner_text(".dw-status") == "This caption is stored with other settings:"
    assert offers.first.inner_text().strip() == f"{first} · seed 0"


@pytest.mark.parametrize("seen", ["caption"], indirect=True)
def test_the_walk_plays_to_its_end_and_a_hand_stops_it(seen):
    """From noise on; the place is where the hand is."""
    page = seen.page
    page.wait_for_function(OPEN)
    walk = page.get_by_label("Walk to the picture")
    page.get_by_role("button", name="Play the walk").click()
    page.wait_for_function("(v) => document.querySelector('.dw-walk .dw-range').value === '1'")
    page.locator(".dw-film canvas").first.click()
    settle(page)
    assert page.get_by_role("button", name="Play the walk").is_visible() and walk.input_value() == "0"
    page.get_by_role("button", name="Play the walk").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play the walk").wait_for()
    settle(page)
    assert walk.input_value() == "3"


def test_where_less_motion_is_asked_for_the_walk_goes_step_by_step(browser, site):
    """A press makes one step."""
    with visit(browser, f"{site}caption.html", reduced_motion="reduce") as seen:
        page = seen.page
        page.wait_for_function(OPEN)
        for value in "123":
            page.get_by_role("button", name="Play the walk").click()
            settle(page)
            assert page.get_by_label("Walk to the picture").input_value() == value
    assert seen.clean()
