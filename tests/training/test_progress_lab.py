"""The progress bar in the JupyterLab of a learner."""

import time
from pathlib import Path

import nbformat
import pytest
from browser import chromium, visit
from lab import jupyterlab, open_notebook, run_cell, write_notebook

CELL = """
import time
from lib.training import track
for step in track(range(20), description="ae_2d"):
    time.sleep(0.1)
print("done")
"""


@pytest.mark.browser
@pytest.mark.slow
def test_a_bar_is_seen_while_it_runs_and_is_not_in_the_saved_notebook(tmp_path, monkeypatch):
    """tqdm's own bar leaves a widget that cannot be found again when the notebook is opened; ours leaves nothing."""
    monkeypatch.delenv("COURSE_QUIET", raising=False)
    folder, private = tmp_path / "notebooks", tmp_path / "private"
    folder.mkdir()
    private.mkdir()
    write_notebook(folder / "bar.ipynb", [CELL.strip()])
    with chromium() as browser, jupyterlab(folder, private) as address:
        with visit(browser, address + "api/status", viewport={"width": 1400, "height": 900}) as seen:
            page = seen.page
            page.set_default_timeout(60_000)
            open_notebook(page, address, "bar.ipynb")
            run_cell(page, 0)
            page.wait_for_selector(".jp-OutputArea-output:has-text('ae_2d:')")
            page.wait_for_selector(".jp-OutputArea-output:has-text('done')")
            page.locator(".jp-NotebookPanel-toolbar [data-jp-item-name=save]").first.click()
            deadline = time.time() + 20
            while "done" not in str(outputs(folder)) and time.time() < deadline:
                page.wait_for_timeout(100)
    assert outputs(folder) == [("stream", "stdout", "done\n")]


def outputs(folder: Path) -> list[tuple[str, str, str]]:
    """What the saved notebook holds beside its source."""
    (cell,) = nbformat.read(folder / "bar.ipynb", 4).cells
    return [(output.output_type, output.get("name"), output.get("text")) for output in cell.outputs]
