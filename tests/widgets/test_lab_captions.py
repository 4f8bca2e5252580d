"""The caption builder in JupyterLab, with a model behind it: pictures are drawn by the kernel, and errors are told."""

import time

import pytest
from browser import pixels, settle, visit
from lab import jupyterlab, open_notebook, run_cell, write_notebook

pytestmark = pytest.mark.browser

CELLS = [
    "from latent_pages import *\nw, v = caption_builder(generate=slow_model), latent_viewer()\nw",
    "v",
    "w.text, w.seed = 'a blue whale', 5\nw.draw()\nw.word = 'whale'\nv.stage, v.place = '4', [2, 3]",
    "print('read:', w.text, w.guidance_scale, w.word, w.estimate, len(w.answers), v.edit, v.place, v.picture)",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab over a folder with one notebook."""
    private, folder = tmp_path_factory.mktemp("private"), tmp_path_factory.mktemp("notebooks")
    write_notebook(folder / "captions.ipynb", CELLS)
    with jupyterlab(folder, private) as address:
        yield address


@pytest.fixture
def page(browser, lab):
    """A fresh visit; no widget may ask another host for anything."""
    with visit(browser, lab + "api/status", viewport={"width": 1400, "height": 1600}) as seen:
        seen.page.set_default_timeout(30_000)
        open_notebook(seen.page, lab, "captions.ipynb")
        run_cell(seen.page, 0)
        seen.page.wait_for_selector(".dw-word", timeout=60_000)
        yield seen.page
    assert not seen.outside, seen.outside
    assert not [error for error in seen.errors if "dw-" in error or "widget" in error.lower()], seen.errors


def caption(page):
    return page.get_by_label("caption", exact=True)


def wait_for(page, selector: str, words: str) -> None:
    """Until an element says these words."""
    code = "([s, words]) => [...document.querySelectorAll(s)].some((e) => e.textContent.includes(words))"
    page.wait_for_function(code, arg=[selector, words])


def test_a_caption_is_drawn_by_the_kernel_and_an_error_is_told_in_words(page):
    """While it draws it says so; another caption waits for its turn; no older picture stands under newer words."""
    stored = pixels(page, ".dw-drawn")
    caption(page).fill("a red dog")
    settle(page)
    assert page.inner_text(".dw-status") == "Not drawn yet." and page.locator(".dw-offer").count() == 0
    page.get_by_role("button", name="Draw").click()
    wait_for(page, ".dw-status", "drawing…")
    caption(page).fill("a green cat")
    page.get_by_role("button", name="Draw this next").click()
    wait_for(page, ".dw-status", "then this caption")
    wait_for(page, ".dw-word", "cat")
    assert page.locator(".dw-word span").all_inner_texts() == ["<start>", "a", "green", "cat", "<end>"]
    cat = pixels(page, ".dw-drawn")
    caption(page).fill("a zebra")
    settle(page)
    assert page.inner_text(".dw-strange").endswith("zebra")
    caption(page).press("Enter")
    wait_for(page, ".dw-failed", "The model did not draw this: no zebras today")
    assert page.get_by_role("button", name="Draw").is_enabled() and page.locator(".dw-word-box").is_hidden()
    caption(page).fill("A green  cat")
    assert pixels(page, ".dw-drawn") == cat != stored, "what was drawn is kept"


def test_python_sets_and_reads_both_widgets(page):
    """What Python draws and sets is shown; what is chosen on the page arrives in Python."""
    run_cell(page, 1)
    page.wait_for_selector(".dw-map-picture")
    run_cell(page, 2)
    wait_for(page, ".dw-word[aria-pressed=true]", "whale")
    assert caption(page).input_value() == "a blue whale"
    page.wait_for_function("() => document.querySelectorAll('.dw-map-picture').length === 4")
    assert page.inner_text(".dw-readout").startswith("Row 3, column 4: 4 × 4 pixels")
    page.get_by_label("Walk to the picture").press("Home")
    page.get_by_label("change", exact=True).press("Home")
    page.get_by_role("button", name="picture 3").click()
    page.get_by_label("guidance scale, number").fill("2.5")
    page.keyboard.press("Enter")
    settle(page)
    run_cell(page, 3)
    printed = page.locator(".jp-OutputArea-output:has-text('read:')")
    printed.wait_for()
    deadline = time.time() + 5
    while "2.5" not in printed.inner_text() and time.time() < deadline:
        page.wait_for_timeout(50)
    assert printed.inner_text().strip() == "read: a blue whale 2.5 3 0 8 flip [2, 3] 2"
