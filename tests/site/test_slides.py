"""Slides: offline, complete, and none taller than its screen."""

import nbformat
import pytest
from browser import chromium, serve, visit

from lib.site import slides
from lib.site.notebooks import chapters

CONTROLS = "input, select, button, [tabindex='0']"


def cell(source: str, *tags: str, kind: str = "markdown"):
    return getattr(nbformat.v4, f"new_{kind}_cell")(source, metadata={"tags": list(tags)})


def test_tags_sort_cells_into_slides():
    """Untagged cells are left out, notes go to the slide before them, solutions never appear."""
    cells = [cell("before"), cell("one", "slide"), cell("talk", "instructor"), cell("more", "slide-more")]
    cells += [cell("secret", "solution", kind="code"), cell("two", "slide"), cell("later", "fragment")]
    first, second = slides.group(nbformat.v4.new_notebook(cells=cells))
    assert [c.source for c in first.cells] == ["one", "more"]
    assert [c.source for c in first.notes] == ["talk"]
    assert [c.source for c in second.cells] == ["two", "later"]


@pytest.mark.parametrize(("tags", "rule"), [(["slide-more"], "continues a slide"), ([], "no cell is tagged")])
def test_wrong_tags_are_refused(tags, rule):
    """A deck without a first slide is an author's slip, not an empty page."""
    with pytest.raises(ValueError, match=rule):
        slides.group(nbformat.v4.new_notebook(cells=[cell("x", *tags)]))


def test_a_plot_only_cell_shows_its_output_alone():
    """``hide-input`` means the same on a slide as on the site."""
    plot = cell("secret_plot()", "slide", "hide-input", kind="code")
    plot.outputs = [nbformat.v4.new_output("stream", name="stdout", text="output\n")]
    body = slides.cell_html(plot, slides.HTMLExporter(template_name="basic"))
    assert "output" in body and "secret_plot" not in body


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    """The slides of all chapters, and their folder."""
    folder = tmp_path_factory.mktemp("slides")
    return folder, slides.build(chapters(), folder)


@pytest.mark.browser
def test_slides_need_no_network_and_fit_the_screen(decks):
    """Every slide is shown in turn: formulas are set, nothing is taller than the screen, no other host is asked."""
    folder, pages = decks
    assert len(pages) >= 2
    with chromium() as browser, serve(folder) as home:
        for path in pages:
            with visit(browser, home + path.name, viewport={"width": 1280, "height": 800}) as seen:
                page = seen.page
                page.wait_for_selector(".reveal.ready")
                page.evaluate("() => window.MathJax.startup.promise")
                page.wait_for_timeout(800)
                total = page.evaluate("Reveal.getTotalSlides()")
                assert 8 <= total <= 30, f"{path.name} has {total} slides"
                for number in range(total):
                    page.evaluate(f"Reveal.slide({number})")
                    page.wait_for_timeout(50)
                    zoom = float(page.evaluate("Reveal.getCurrentSlide().style.zoom || 1"))
                    assert zoom > 0.6, f"slide {number + 1} of {path.name} is too full"
                    low = page.evaluate("Reveal.getCurrentSlide().getBoundingClientRect().bottom")
                    assert low <= 800, f"slide {number + 1} of {path.name} runs off the screen"
                assert page.locator("mjx-container").count() > 0
                assert page.locator("mjx-merror").count() == 0
                assert seen.clean()


@pytest.mark.browser
def test_keys_in_a_widget_do_not_turn_the_slide(decks):
    """An arrow key moves the cross of a widget; the same key elsewhere goes to the next slide."""
    folder, pages = decks
    with chromium() as browser, serve(folder) as home:
        for path in pages:
            with visit(browser, home + path.name) as seen:
                page = seen.page
                page.wait_for_selector(".reveal.ready")
                slide = page.evaluate("() => Reveal.getSlides().findIndex((slide) => slide.querySelector('.dw-root'))")
                if slide < 0:
                    continue
                page.evaluate(f"Reveal.slide({slide})")
                page.wait_for_selector(".present .dw", timeout=10_000)
                for control in page.query_selector_all(f".present .dw :is({CONTROLS})"):
                    if not control.is_visible() or not control.is_enabled():
                        continue
                    for key in ("ArrowRight", "ArrowLeft"):
                        control.focus()
                        page.keyboard.press(key)
                        assert page.evaluate("Reveal.getState().indexh") == slide, control.evaluate(
                            "(e) => e.outerHTML"
                        )
