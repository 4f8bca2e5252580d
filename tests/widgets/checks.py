"""What is asked of widgets in more than one test file."""

import numpy as np
import pytest
from browser import DARK, axe_violations, settle, visit

TARGETS = ".dw button, .dw input, .dw select, .dw-own, .dw-cross"


def assert_refused(widget, name: str, value, words: str) -> None:
    """Setting the trait is an error whose message has these words, and changes nothing."""
    before = getattr(widget, name)
    with pytest.raises(ValueError, match=words):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def assert_accessible(page, theme: str) -> None:
    """In the theme "light" or "dark", axe finds nothing in the widgets, and no id of the page occurs twice."""
    if theme == "dark":
        page.evaluate(DARK)
    settle(page)
    assert axe_violations(page, ".dw-root") == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def assert_pictures_stand_in(browser, address: str, num: int, height: int) -> None:
    """Where no scripts run, so many pictures with words are there, each higher than that many pixels."""
    with visit(browser, address, java_script_enabled=False) as seen:
        pictures = seen.page.locator(".dw-root img")
        assert pictures.count() == num
        for i in range(num):
            assert len(pictures.nth(i).get_attribute("alt")) > 30
            assert pictures.nth(i).bounding_box()["height"] > height


def smallest_target(page) -> float:
    """The smaller side of the smallest thing to be hit with a finger, in pixels; a box counts with its label."""
    code = """(names) => [...document.querySelectorAll(names)]
      .map((e) => (e.closest(".dw-check") ?? e).getBoundingClientRect())
      .filter((r) => r.width).map((r) => Math.min(r.height, r.width))"""
    return min(page.evaluate(code, TARGETS))


def shown(page, selector: str, number: int = 0) -> np.ndarray:
    """What a canvas shows, (H, W, 3)."""
    settle(page)
    code = """([s, i]) => { const c = document.querySelectorAll(s)[i];
      return [c.height, c.width, Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data)]; }"""
    height, width, data = page.evaluate(code, [selector, number])
    return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]
