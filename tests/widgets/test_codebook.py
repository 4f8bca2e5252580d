"""The codebook inspector: its numbers in node, its Python side, and the widget on a bare page in Chromium."""

import re

import pytest
import torch
import widget_pages as pages
from browser import PHONE, finger, pixels, settle, too_wide, visit
from checks import assert_accessible
from codebook_pages import DIM, NUM_CODES, inspector
from node import node

from lib.vqvae import count_codes, nearest_code, perplexity

# ---- numbers


def test_lookups_equal_torch():
    """Embedding, the nearest code, and the line between two codes; the arrays are float32 on both sides."""
    torch.manual_seed(0)
    codebook, codes = torch.randn(7, 3), torch.randint(7, (6,))
    vectors = torch.randn(5, 3)
    data = {"book": codebook.flatten().tolist(), "codes": codes.tolist(), "vectors": vectors.tolist()}
    code = """const book = Float32Array.from(data.book);
      const input = m.embed(data.codes, book, 3);
      return [numbers(input), data.vectors.map((v) => m.nearestCode(book, 3, v).index),
        numbers(m.blended(book, 3, 2, 5, 0.25)), numbers(m.putVector(input, 4, 6, [7, 8, 9]))];"""
    embedded, nearest, blended, put = node("codebook_numbers.js", code, data)
    expected = codebook[codes].T
    torch.testing.assert_close(torch.tensor(embedded).reshape(3, 6), expected)
    assert nearest == nearest_code(vectors, codebook).tolist()
    torch.testing.assert_close(torch.tensor(blended), torch.lerp(codebook[2], codebook[5], 0.25))
    expected[:, 4] = torch.tensor([7.0, 8, 9])
    torch.testing.assert_close(torch.tensor(put).reshape(3, 6), expected)


def test_use_of_the_codes_equals_python():
    """Ranks from the most used, codes in use, perplexity; a code that is never used adds nothing."""
    counts = torch.tensor([3, 0, 10, 3, 1])
    found = node("codebook_numbers.js", "return m.usage(data.counts);", {"counts": counts.tolist()})
    assert found["order"] == [2, 0, 3, 4, 1] and found["rank"] == [1, 4, 0, 2, 3] and found["used"] == 4
    assert found["perplexity"] == pytest.approx(perplexity(counts), rel=1e-12)
    assert found["share"] == pytest.approx((counts / 17).tolist())


def test_of_equal_distances_the_lowest_index_wins_in_the_browser_too():
    """As in Python."""
    code = "return m.nearestCode(Float32Array.from([1, -1, 1]), 1, [0]).index;"
    assert node("codebook_numbers.js", code) == 0


def test_the_browser_decodes_what_torch_decodes():
    """The whole way from codes to pixels, with the weights that 16-bit floats hold."""
    widget = inspector()
    state = widget.get_state()
    z_q = widget._codebook[torch.tensor(widget.codes)].T.flatten()
    data = {"program": state["program"], "weights": list(state["weights"]), "x": z_q.tolist()}
    code = """const net = m.compile(data.program, bytes(data.weights), { inputShape: [4, 4, 4] });
      return [net.shape, numbers(net.run(data.x))];"""
    shape, values = node("nn.js", code, data)
    torch.testing.assert_close(torch.tensor(values).reshape(shape), widget.decode(), atol=3e-3, rtol=0)


# ---- Python


def test_it_reads_and_sets_from_python():
    """The code at the cell, the whole grid, another picture with its own codes, and a point between two codes."""
    widget = inspector()
    own = widget.decode()
    widget.cell = [1, 2]
    widget.code = 11
    assert widget.codes[6] == 11 and not torch.equal(widget.decode(), own)
    widget.other, widget.blend = 3, 0.5
    torch.testing.assert_close(widget.vector(), (widget._codebook[11] + widget._codebook[3]) / 2)
    widget.picture = 1
    assert widget.blend == 0 and widget.codes == widget._indices[1].flatten().tolist()
    expected = widget._decoder(widget._codebook[widget._indices[1:2]].movedim(-1, 1))[0]
    torch.testing.assert_close(widget.decode(), expected.detach())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("picture", 3, r"picture must lie in 0\.\.2, got 3"),
        ("cell", [0, 4], r"column must lie in 0\.\.3, got 4"),
        ("cell", [1], "a row and a column"),
        ("code", 20, r"code must lie in 0\.\.19, got 20"),
        ("codes", [0] * 15, "16 numbers, got 15"),
        ("other", -1, "other must lie"),
        ("blend", 1.5, r"blend must lie in \[0, 1\]"),
    ],
)
def test_what_is_not_there_is_refused(name, value, words):
    """Each message says the rule and what came."""
    with pytest.raises(ValueError, match=words):
        setattr(inspector(), name, value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codebook": torch.randn(1, DIM)}, "2 to 1024 finite codes"),
        ({"indices": torch.full((3, 4, 4), NUM_CODES)}, r"whole numbers in 0\.\.19, got 20 to 20"),
        ({"names": ["one"]}, "each with a name, got 3 and 1 names"),
        ({"counts": torch.ones(3, dtype=torch.int64)}, "counts must be 20 numbers"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, words):
    """Each message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        inspector(**changes)


def test_the_tiles_show_what_each_code_looks_like_alone():
    """One small picture a code, and a preview of picture and sheet side by side."""
    widget = inspector()
    assert widget.preview().shape == (256, 520, 3)
    assert widget.tile == 4 and len(widget.tiles) == NUM_CODES * 4 * 4 * 3


# ---- the page


@pytest.fixture(scope="module")
def html():
    """The pages of these tests by name."""
    return {"one": pages.page(inspector()), "two": pages.page(inspector(), inspector(1), inspector())}


def said(page, number: int) -> str:
    """What the picture (0) or the sheet of codes (1) says of its marked cell."""
    return page.locator(".dw-cells").nth(number).get_attribute("aria-valuetext")


def press_at(page, selector: str, x: float, y: float) -> None:
    """A click at a share of the width and height of an element."""
    place = page.locator(selector)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    settle(page)


@pytest.mark.browser
@pytest.mark.parametrize("seen", ["one"], indirect=True)
def test_pick_a_place_then_another_code_and_the_picture_changes(seen):
    """A click in the picture marks a place; a click among the codes puts that code there; a button takes all back."""
    page = seen.page
    first = pixels(page, ".dw-inspected")
    press_at(page, ".dw-inspected", 0.9, 0.1)
    assert said(page, 0).startswith("row 1, column 4, code ")
    assert pixels(page, ".dw-inspected") == first
    press_at(page, ".dw-tiles", 0.05, 0.05)
    assert said(page, 0) == "row 1, column 4, code 0" and said(page, 1).startswith("code 0, ")
    press_at(page, ".dw-tiles", 0.95, 0.05)
    assert said(page, 0) == "row 1, column 4, code 7"
    assert pixels(page, ".dw-inspected") != first
    assert "1 of 16 codes changed" in page.locator(".dw-readout").first.inner_text()
    page.get_by_role("button", name="Back to its own codes").click()
    settle(page)
    assert pixels(page, ".dw-inspected") == first


@pytest.mark.browser
@pytest.mark.parametrize("seen", ["one"], indirect=True)
def test_keys_walk_over_places_and_codes(seen):
    """Arrows move by one, up and down by a row; at the edge of the sheet nothing happens."""
    page = seen.page
    page.locator(".dw-cells").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    settle(page)
    assert said(page, 0).startswith("row 2, column 4, ")
    page.locator(".dw-cells").nth(1).focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    settle(page)
    assert said(page, 1).startswith("code 0, ")
    page.keyboard.press("ArrowDown")
    settle(page)
    assert said(page, 1).startswith("code 8, ")


@pytest.mark.browser
@pytest.mark.parametrize("seen", ["one"], indirect=True)
def test_the_chart_shows_the_code_and_puts_the_one_that_is_clicked(seen):
    """Most used first: the last bar is the code that is never used."""
    page = seen.page
    counts = count_codes(inspector()._indices, NUM_CODES)
    order = sorted(range(NUM_CODES), key=lambda k: (-counts[k], k))
    label = page.locator(".dw-bars").get_attribute("aria-label")
    assert f"{int((counts > 0).sum())} in use" in label and f"perplexity {perplexity(counts):.1f}" in label
    marks = []
    for rank in (0, 7, 19):
        press_at(page, ".dw-bars", (rank + 0.5) / NUM_CODES, 0.5)
        assert said(page, 1).startswith(f"code {order[rank]}, ")
        marks.append(page.locator(".dw-bar-now").get_attribute("d"))
    assert said(page, 1) == "code 19, never used" and len(set(marks)) == 3


@pytest.mark.browser
@pytest.mark.parametrize("seen", ["one"], indirect=True)
def test_between_two_codes_the_picture_changes_and_the_nearest_code_is_told(seen):
    """At the ends it is one of the two; the way between changes the picture smoothly and belongs to neither."""
    page = seen.page
    shown, fields = [pixels(page, ".dw-inspected")], page.locator(".dw-number")
    code = re.search(r"code (\d+)", said(page, 0)).group(1)
    fields.nth(1).fill("2" if code != "2" else "3")
    page.keyboard.press("Enter")
    for value in ("0.5", "1"):
        fields.nth(2).fill(value)
        page.keyboard.press("Enter")
        settle(page)
        shown.append(pixels(page, ".dw-inspected"))
        text = page.locator(".dw-readout").last.inner_text()
        assert "of the way from code" in text
    assert len(set(shown)) == 3 and "the other code, 0.00 away" in text


@pytest.mark.browser
@pytest.mark.parametrize("seen", ["one"], indirect=True)
def test_another_picture_comes_with_its_own_codes(seen):
    """Choice, thumbnail and grid change together; changes to the first picture are gone."""
    page = seen.page
    before = [pixels(page, name) for name in (".dw-inspected", ".dw-thumb")]
    page.select_option(".dw-select", "2")
    settle(page)
    after = [pixels(page, name) for name in (".dw-inspected", ".dw-thumb")]
    assert before[0] != after[0] and before[1] != after[1]
    assert "0 of 16 codes changed" in page.locator(".dw-readout").first.inner_text()


@pytest.mark.browser
def test_several_on_a_page_keep_to_themselves(browser, site):
    """Two equal ones and another: no shared ids, each with its own state."""
    with visit(browser, f"{site}two.html") as seen:
        page = seen.page
        page.wait_for_function("document.querySelectorAll('.dw-cells').length === 6")
        settle(page)
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))
        others = [said(page, i) for i in (2, 4)]
        page.locator(".dw-cells").first.focus()
        page.keyboard.press("ArrowRight")
        settle(page)
        assert [said(page, i) for i in (2, 4)] == others
    assert seen.clean()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_inspector(browser, site, theme):
    """Names, roles and contrast in both themes."""
    with visit(browser, f"{site}one.html", viewport={"width": 700, "height": 1000}) as seen:
        seen.page.wait_for_selector(".dw-cells")
        assert_accessible(seen.page, theme)
    assert seen.clean()


@pytest.mark.browser
def test_on_a_phone_a_finger_picks_and_nothing_overflows(browser, site):
    """390 px wide: a tap marks a place."""
    with visit(browser, f"{site}one.html", **PHONE) as seen:
        page = seen.page
        page.wait_for_selector(".dw-cells")
        settle(page)
        place = page.locator(".dw-inspected")
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        finger(page, [(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])])
        settle(page)
        assert said(page, 0).startswith("row 1, column 1, ")
        assert not too_wide(page)
    assert seen.clean()
