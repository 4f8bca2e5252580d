"""JupyterLab as a learner has it: widgets live beside a kernel, and every save arrives in the file."""

import os
import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from browser import middle, pixels, settle, visit
from lab import ROOT, dialogs, environment, jupyterlab, open_notebook, run_cell, write_notebook
from widget_pages import latent_map

pytestmark = pytest.mark.browser

CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))[:1]
LIVE = [
    "from widget_pages import latent_map\nw = latent_map()\nw",
    "w.z = [1.5, -0.5]",
    "w.model = '1'",
    "print('z =', w.z, w.model)",
]
DIFFUSION = [
    "from diffusion_pages import *\nlab, film, plane = schedule_lab(), reverse_scrubber(), particles()\nlab",
    "film",
    "plane",
    "lab.num_steps, lab.schedule_a, lab.params_a = 100, 'linear', {'beta_end': 0.05}\n"
    "lab.t, film.step, plane.t = 30, 3, 5",
    "print('read:', lab.t, lab.params_b['s'], film.sample, film.t, plane.t, plane.own[0] != 1.5)",
]
SAMPLING = [
    "from sampler_pages import *\ngrid, walks, field = frame_explorer(), steps_explorer(), guidance_field()\ngrid",
    "walks",
    "field",
    "grid.choose(steps=20)\nwalks.num_steps, walks.eta, field.guidance_scale, field.t = 7, 0.5, 4.0, 12",
    "print('read:', grid.values['steps'], walks.num_steps, walks.data, field.guidance_scale, field.w, field.wanted)",
]
TWIN = """---
kernelspec:
  display_name: Python 3 (ipykernel)
  language: python
  name: python3
---

```{code-cell} ipython3
answer = "from the text twin"
```
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab over a folder with notebooks, with and without text twins."""
    private, folder = tmp_path_factory.mktemp("private"), tmp_path_factory.mktemp("notebooks")
    write_notebook(folder / "live.ipynb", LIVE)
    write_notebook(folder / "diffusion.ipynb", DIFFUSION)
    write_notebook(folder / "sampling.ipynb", SAMPLING)
    shown = {"text/html": latent_map().static_html(), "text/plain": "LatentMap()"}
    for name in ("still", "trusted"):
        stored = nbformat.v4.new_output("display_data", shown)
        write_notebook(folder / f"{name}.ipynb", [f"{name} = latent_map()"], {0: [stored]})
    for name in ("alone", "newer_twin", "older_twin"):
        write_notebook(folder / f"{name}.ipynb", ['answer = "from the notebook"'])
    now = time.time()
    for name, age in (("newer_twin", -3600), ("older_twin", 3600)):
        (folder / f"{name}.md").write_text(TWIN, "utf8")
        os.utime(folder / f"{name}.md", (now - age, now - age))
    settings = [ROOT / "pyproject.toml", *(ROOT / "chapters").glob("*jupytext*"), *ROOT.glob("*jupytext*")]
    for path in settings:  # where jupytext looks for what is paired
        shutil.copy(path, folder)
    for path in CHAPTERS:
        for file in (path, path.with_suffix(".md")):
            shutil.copy(file, folder)  # copies: the chapters themselves are not touched
        os.utime(folder / path.with_suffix(".md").name, (now + 60, now + 60))
    trust = [sys.executable, "-m", "jupyter", "trust", str(folder / "trusted.ipynb")]
    subprocess.run(trust, env=environment(private), check=True, capture_output=True)
    with jupyterlab(folder, private) as address:
        yield address, folder


@pytest.fixture
def page(browser, lab):
    """A fresh visit; no widget may ask another host for anything."""
    with visit(browser, lab[0] + "api/status", viewport={"width": 1400, "height": 1200}) as seen:
        seen.page.set_default_timeout(30_000)
        yield seen.page
    assert not seen.outside, seen.outside
    assert not [error for error in seen.errors if "dw-" in error or "widget" in error.lower()], seen.errors


def test_the_map_is_live_and_python_sets_and_reads_it(page, lab):
    """Setting w.z and w.model changes the picture; a drag arrives in w.z when the hand lets go."""
    open_notebook(page, lab[0], "live.ipynb")
    run_cell(page, 0)
    page.wait_for_selector(".dw-cross", timeout=60_000)
    shown = [pixels(page, ".dw-picture")]
    for number in (1, 2):
        run_cell(page, number)
        deadline = time.time() + 20
        while (now := pixels(page, ".dw-picture")) == shown[-1] and time.time() < deadline:
            page.wait_for_timeout(50)
        shown.append(now)
    assert len(set(shown)) == 3
    cross = page.locator(".dw-cross")
    assert cross.get_attribute("aria-valuenow") == "1.5"
    x, y = middle(page, ".dw-cross")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 50, y - 30, steps=4)
    page.mouse.up()
    settle(page)
    dragged = float(cross.get_attribute("aria-valuenow"))
    assert dragged < 1.5
    run_cell(page, 3)
    page.wait_for_selector(".jp-OutputArea-output:has-text('z =')")
    printed = page.locator(".jp-OutputArea-output:has-text('z =')").last.inner_text()
    assert f"z = [{dragged:g}," in printed and printed.strip().endswith("1")


def test_the_widgets_of_diffusion_are_live_and_python_sets_and_reads_them(page, lab):
    """What Python sets is shown by all three; what keys and presses change arrives in Python."""
    open_notebook(page, lab[0], "diffusion.ipynb")
    for number, ready in enumerate((".dw-noised", ".dw-choice", ".dw-plane")):
        run_cell(page, number)
        page.wait_for_selector(ready, timeout=60_000)
    run_cell(page, 3)
    number = lambda name: page.get_by_label(f"{name}, number", exact=True)  # noqa: E731
    wanted = """(t) => [...document.querySelectorAll(".dw-number")]
      .some((e) => e.ariaLabel === "t, number" && e.value === t)"""
    for value in ("30", "5"):
        page.wait_for_function(wanted, arg=value)
    assert number("Schedule A, β last").input_value() == "0.05" and number("T").input_value() == "100"
    assert number("step").input_value() == "3"
    for name, value in (("Schedule B, s", "0.1"), ("step", "6")):
        number(name).fill(value)
        page.keyboard.press("Enter")
    page.get_by_role("button", name="Sample 2: right").click()
    page.locator(".dw-timeline .dw-range").first.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".dw-own").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    settle(page)
    run_cell(page, 4)
    printed = page.locator(".jp-OutputArea-output:has-text('read:')")
    printed.wait_for()
    assert printed.inner_text().strip() == "read: 31 0.1 1 50 5 True"


def test_the_widgets_of_sampling_are_live_and_python_sets_and_reads_them(page, lab):
    """What Python sets is shown by all three; what keys and choices change arrives in Python."""
    open_notebook(page, lab[0], "sampling.ipynb")
    for number, ready in enumerate((".dw-frame-picture", ".dw-particle-walks", ".dw-particle-arrows")):
        run_cell(page, number)
        page.wait_for_selector(ready, timeout=60_000, state="attached")
    run_cell(page, 3)
    number = lambda name: page.get_by_label(f"{name}, number", exact=True)  # noqa: E731
    wanted = """([name, value]) => [...document.querySelectorAll(".dw-number")]
      .some((e) => e.ariaLabel === name + ", number" && e.value === value)"""
    for shown in (["steps S", "7"], ["scale s", "4"], ["t", "12"]):
        page.wait_for_function(wanted, arg=shown)
    steps = page.get_by_label("steps", exact=True)
    assert steps.get_attribute("aria-valuetext") == "steps 20"
    steps.focus()
    page.keyboard.press("ArrowLeft")
    for name, value in (("steps S", "9"), ("scale s", "6.5")):
        number(name).fill(value)
        page.keyboard.press("Enter")
    page.get_by_label("data", exact=True).select_option("clouds")
    page.get_by_label("others", exact=True).check(force=True)
    settle(page)
    run_cell(page, 4)
    printed = page.locator(".jp-OutputArea-output:has-text('read:')")
    printed.wait_for()
    assert printed.inner_text().strip() == "read: 5 9 clouds 6.5 5.5 others"


def test_keys_pressed_in_a_figure_stay_there(page, lab):
    """In command mode JupyterLab takes arrows and letters for itself: the slider would stand still, a cell would go."""
    open_notebook(page, lab[0], "live.ipynb")
    run_cell(page, 0)
    page.wait_for_selector(".dw-cross", timeout=60_000)
    num_cells, slider = page.locator(".jp-CodeCell").count(), page.locator(".dw-range").first
    selected = "[...document.querySelectorAll('.jp-Cell')].findIndex((c) => c.classList.contains('jp-mod-active'))"
    slider.focus()
    cell, value = page.evaluate(selected), float(slider.input_value())
    for key in ("ArrowRight", "ArrowUp", "x", "d", "d"):
        page.keyboard.press(key)
    settle(page)
    assert float(slider.input_value()) > value
    assert page.locator(".jp-CodeCell").count() == num_cells and page.evaluate(selected) == cell


def test_a_notebook_not_yet_trusted_shows_the_preview(page, lab):
    """As after a fresh clone: scripts are held back, the picture of the first state stands there."""
    open_notebook(page, lab[0], "still.ipynb")
    page.wait_for_selector(".jp-OutputArea-output img")
    assert page.locator(".dw-cross").count() == 0


def test_a_trusted_notebook_is_live_before_anything_runs(page, lab):
    """The stored HTML starts by itself; no cell has run."""
    open_notebook(page, lab[0], "trusted.ipynb")
    page.wait_for_selector(".dw-cross")
    before = pixels(page, ".dw-picture")
    page.focus(".dw-cross")
    page.keyboard.press("Shift+ArrowRight")
    assert pixels(page, ".dw-picture") != before


@pytest.mark.parametrize("name", ["alone", "newer_twin", "older_twin", *(path.stem for path in CHAPTERS)])
def test_a_learner_who_edits_and_saves_is_never_refused_and_loses_nothing(page, lab, name):
    """Whatever lies beside the notebook, it opens as it is, and the toolbar's save puts the edit into the file.

    JupyterLab has jupytext beside it here, which refuses a notebook whose paired text is newer. So nothing is paired
    through jupytext: the notebook alone is what a learner edits, and its text twin stays untouched.
    """
    address, folder = lab
    file, twin = folder / f"{name}.ipynb", folder / f"{name}.md"
    text_before = twin.read_bytes() if twin.exists() else None
    cells_before = [cell.source for cell in nbformat.read(file, 4).cells]
    open_notebook(page, address, file.name)
    if name in ("alone", "newer_twin", "older_twin"):
        page.get_by_text("from the notebook").first.wait_for()
    for edit in ("my_first_edit = 1", "my_second_edit = 2"):
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+End")
        page.keyboard.type(f"\n{edit}")
        page.locator(".jp-CodeCell .cm-content").first.get_by_text(edit).first.wait_for()
        deadline = time.time() + 60  # seconds; a busy machine saves late
        while time.time() < deadline:  # a save may be ignored while one runs, and a late kernel adds its name
            page.locator(".jp-NotebookPanel-toolbar [data-jp-item-name=save]").first.click()
            page.wait_for_timeout(500)
            if edit in file.read_text("utf8") and not page.locator(".lm-TabBar-tab.jp-mod-dirty").count():
                break
        assert edit in file.read_text("utf8") and not page.locator(".lm-TabBar-tab.jp-mod-dirty").count()
        assert dialogs(page) == []
        if twin.exists():
            os.utime(twin)  # somebody touches the twin between two saves
    cells_after = [cell.source for cell in nbformat.read(file, 4).cells]
    assert len(cells_after) == len(cells_before)
    assert all(after.startswith(before) for before, after in zip(cells_before, cells_after, strict=True))
    if text_before is not None:
        assert twin.read_bytes() == text_before
    page.reload()
    page.wait_for_selector(".jp-Notebook .jp-CodeCell .cm-content")
    page.get_by_text("my_second_edit").first.wait_for()
    assert dialogs(page) == []
