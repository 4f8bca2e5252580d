"""The site: complete, quiet, readable on a telephone and in the dark, with living widgets and no other host."""

import re
from collections.abc import Iterable

import pytest
from browser import PHONE, axe_violations, cut_off, serve, settle, visit
from nbconvert import HTMLExporter

from lib.site.notebooks import ROOT, chapters

MAX_SECONDS = 60
PAGES = sorted(path.stem for path in (ROOT / "chapters").glob("*.md"))
pytestmark = pytest.mark.browser

# what a widget shows: its text, its drawings, the pixels of its canvases and the values of its fields
SHOWN = """(root) => {
  const canvases = [...root.querySelectorAll("canvas")].map((canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return data.reduce((sum, value, i) => (sum * 31 + value * (i % 251 + 1)) % 2147483647, 7);
  });
  return root.querySelector(".dw").innerHTML + JSON.stringify(canvases);
}"""
# Of code, one token of each kind is left, and of formulas in plain text the first twenty: the others look the same, and
# axe-core would spend a quarter of a minute on them.
THIN = """() => {
  const seen = new Set();
  for (const token of document.querySelectorAll(".bd-article pre span[class]")) {
    if (token.children.length) continue;
    if (seen.has(token.className)) token.remove(); else seen.add(token.className);
  }
  const formulas = document.querySelectorAll(":is(p, li, section) > .math > mjx-container");
  for (const formula of [...formulas].slice(20)) formula.remove();
}"""
CONTROLS = "input:not([type=hidden]), select, button, [tabindex='0']"
KEYS = ("ArrowRight", "ArrowUp", "PageUp", "Enter", "ArrowLeft")


@pytest.fixture(scope="module")
def address(book):
    with serve(book.html) as home:
        yield home + "chapters/"


def wait_for_widgets(page) -> list:
    """The widgets of a page, all of them started."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('.dw-root')].every((root) => root.querySelector('.dw'))", timeout=20_000
    )
    settle(page)
    return page.query_selector_all(".dw-root")


def assert_keys_change(page, root) -> None:
    """Some control of the widget, focused and pressed, changes what the widget shows."""
    root.scroll_into_view_if_needed()
    before = root.evaluate(SHOWN)
    for control in root.query_selector_all(CONTROLS):
        if not control.is_visible() or not control.is_enabled():
            continue
        for key in KEYS:
            control.focus()
            page.keyboard.press(key)
            settle(page)
            if root.evaluate(SHOWN) != before:
                return
    pytest.fail(f"no key changes the widget {root.get_attribute('aria-label')!r}")


def test_the_book_builds_without_a_warning_within_a_minute(book):
    """``-W -n`` turns every warning into an error, so that a finished build is a clean one."""
    assert book.seconds < MAX_SECONDS
    assert {"index.html", "notation.html", "common_mistakes.html", "failure_gallery.html"} <= {
        p.name for p in book.pages
    }
    assert len(book.chapters) >= 2


def test_no_page_names_another_host_as_the_source_of_something(book):
    """Scripts, styles, fonts and pictures all lie in the folder; links to papers are links, not sources."""
    for page in book.pages:
        html = re.sub(r"<a [^>]*>", "", page.read_text("utf8"))
        found = re.findall(
            r'(?:src|href)="(?:https?:)?//[^"]+"', re.sub(r'<link rel="(canonical|search)"[^>]*>', "", html)
        )
        assert not found, f"{page.name}: {found[:3]}"


def test_instructor_notes_stay_out_and_solutions_are_folded(book):
    """A reader of the site meets a solution only by asking for it, and the notes for the teacher never."""
    for page in book.chapters:
        html = page.read_text("utf8")
        assert "tag_instructor" not in html
        solutions = re.findall(r'<div class="cell tag_[^"]*solution[^"]*[^>]*>\s*(<\w+[^>]*)', html)
        assert solutions and all(first.startswith("<details") for first in solutions), page.name


def assert_accessible(page, *, rules: Iterable[str] = ()) -> None:
    """axe-core finds nothing in the article, its widgets included."""
    assert axe_violations(page, ".bd-article", rules=rules) == []


def test_the_pages_are_those_of_the_book(book):
    """So the test of one page leaves none out."""
    assert {path.stem for path in book.pages} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_readable_by_day_and_night_and_alive(browser, address, name):
    """No request leaves the machine, no formula is broken, axe-core is content in light and dark, keys move widgets.

    One visit for all of it: to load and set a long page takes longer than to ask it something.
    """
    with visit(browser, f"{address}{name}.html", color_scheme="light") as seen:
        roots = wait_for_widgets(seen.page)
        seen.page.evaluate("() => window.MathJax?.startup?.promise")
        assert seen.page.locator("mjx-merror, mjx-container [data-mml-node=merror]").count() == 0
        assert seen.page.locator("img:not([alt]), img[alt='']").count() == 0
        assert roots or not name[:2].isdigit(), "a chapter without a widget"
        for root in roots:
            assert_keys_change(seen.page, root)
        assert seen.clean()  # before axe-core, which fetches style sheets from addresses of its own making
        seen.page.evaluate(THIN)
        assert_accessible(seen.page)
        seen.page.emulate_media(color_scheme="dark")
        seen.page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        settle(seen.page)
        assert_accessible(seen.page, rules=["color-contrast"])  # the dark changes nothing else


def test_formulas_are_set_by_the_copy_of_mathjax_on_the_site(browser, address):
    """The notation page is full of formulas, so an absent MathJax would leave none of these containers."""
    with visit(browser, address + "notation.html") as seen:
        seen.page.wait_for_selector("mjx-container", timeout=20_000)
        assert seen.page.locator("mjx-container").count() > 30


def test_no_page_is_wider_than_a_phone(book, browser, address):
    """Nothing but the inside of a table or a code block is ever scrolled sideways, and no widget cuts a text off."""
    for path in book.pages:
        with visit(browser, address + path.name, **PHONE) as seen:
            wait_for_widgets(seen.page)
            width = seen.page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["viewport"]["width"], f"{path.name} is {width} pixels wide"
            assert cut_off(seen.page) == [], path.name


def test_a_solution_opens_on_a_click(book, browser, address):
    """The folded cell says what it holds and shows it when asked."""
    with visit(browser, address + book.chapters[0].name) as seen:
        cell = seen.page.locator("div.cell.tag_solution").first
        summary = cell.locator("summary").first
        assert summary.inner_text().strip() == "Show a solution"
        assert not cell.locator("pre").first.is_visible()
        summary.click()
        assert cell.locator("pre").first.is_visible()
        assert summary.inner_text().strip() == "Hide the solution"


def test_an_exported_page_has_living_widgets(browser, tmp_path):
    """``jupyter nbconvert --to html`` needs nothing of ours: the widgets travel in the notebook."""
    for path in chapters():
        html, _ = HTMLExporter().from_filename(str(path))
        (tmp_path / f"{path.stem}.html").write_text(html, "utf8")
        with serve(tmp_path) as home, visit(browser, f"{home}{path.stem}.html") as seen:
            for root in wait_for_widgets(seen.page):
                assert_keys_change(seen.page, root)
