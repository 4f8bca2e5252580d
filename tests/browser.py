"""The browser of `lib.site.browser` for tests: skipped where it is missing, failed where REQUIRE_BROWSER is set."""

import os
from collections.abc import Iterable
from contextlib import contextmanager

import pytest

from lib.site import browser as site
from lib.site.browser import PHONE, cut_off, finger, middle, pixels, serve, settle, too_wide, visit

__all__ = [
    "DARK", "PHONE", "SMALL", "axe_violations", "chromium", "cut_off", "finger", "middle", "missing", "pixels", "serve",
    "settle", "too_wide", "visit",
]  # fmt: skip

SMALL = {**PHONE, "viewport": {"width": 360, "height": 800}}
"""A narrower telephone."""

DARK = """() => { document.documentElement.dataset.theme = "dark"; document.body.style.background = "#14181e";
  const set = (name, value) => document.documentElement.style.setProperty(`--pst-color-${name}`, value);
  set("text-base", "#ced6dd"); set("text-muted", "#9ca4af"); set("background", "#14181e"); set("surface", "#29313d");
  set("border", "#48566b"); }"""
"""What the dark theme of the site sets on a page of its own."""


def missing(what: str) -> None:
    """Skip the test, or fail it where REQUIRE_BROWSER is set: in continuous integration nothing may be left out."""
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def chromium():
    """A running browser."""
    try:
        site.chromium_path()
        site.needed("playwright.sync_api", "playwright is missing: pip install playwright")
    except site.BrowserMissing as error:
        missing(str(error))
    with site.chromium() as running:
        yield running


def axe_violations(page, selector: str | None = None, *, rules: Iterable[str] = ()) -> list[str]:
    """What axe-core finds on the page or in one part of it, a line for each rule; by all rules if none is named."""
    try:
        return site.axe_violations(page, selector, rules=rules)
    except site.BrowserMissing as error:
        return missing(str(error))
