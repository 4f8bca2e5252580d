"""A notebook and its text twin never lose anybody's work, and a run leaves the same bytes behind every time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_chapter import TEXT, write_small

from lib.site import notebooks, twins
from lib.site.notebooks import Conflict, check, edited, run, sync


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The small chapter, run once."""
    ipynb = write_small(tmp_path_factory.mktemp("finished"))
    run(ipynb)
    return ipynb


@pytest.fixture
def chapter(finished, tmp_path) -> Path:
    """A copy of the finished small chapter that a test may change."""
    for path in (finished, finished.with_suffix(".md")):
        shutil.copy(path, tmp_path)
    return tmp_path / finished.name


def edit_md(ipynb: Path, word: str = "Three") -> None:
    path = ipynb.with_suffix(".md")
    path.write_text(path.read_text("utf8").replace("Two times", f"{word} times"), "utf8")


def edit_ipynb(ipynb: Path, word: str = "Four") -> None:
    notebook = nbformat.read(ipynb, 4)
    notebook.cells[0].source = notebook.cells[0].source.replace("Two times", f"{word} times")
    nbformat.write(notebook, ipynb)


def both(ipynb: Path) -> tuple[bytes, bytes]:
    return ipynb.read_bytes(), ipynb.with_suffix(".md").read_bytes()


def test_a_new_text_becomes_a_finished_notebook(finished):
    """After one run there is nothing left to do: the check is empty and every code cell has its number."""
    assert check(finished) == []
    cells = nbformat.read(finished, 4).cells
    assert [cell.execution_count for cell in cells if cell.cell_type == "code"] == [1, 2, 3, 4]
    assert [cell.id for cell in cells][:2] == ["01_small-000", "01_small-001"]


def test_two_runs_give_the_same_bytes(chapter):
    """Counters, identifiers and metadata are fixed, so a second run changes nothing in git."""
    before = both(chapter)
    run(chapter)
    assert both(chapter) == before


def test_a_run_does_not_write_what_changes_from_run_to_run(finished):
    """Standard error, times and widget state are left out; alternative text goes where exporters look for it."""
    text = finished.read_text("utf8")
    assert "noise" not in "".join(str(cell.get("outputs")) for cell in nbformat.read(finished, 4).cells)
    for word in ("stderr", "iopub", "widgets", "jupytext"):
        assert f'"{word}' not in text
    picture = nbformat.read(finished, 4).cells[-1].outputs[0]
    assert picture.metadata["image/png"]["alt"] == "A small white square on a dark ground."


def test_solutions_and_instructor_notes_are_folded(finished):
    """One tag is enough to write; hiding on the site (a tag) and in JupyterLab (a metadatum) follows from it."""
    for tag, derived in twins.DERIVED_TAGS.items():
        cell = nbformat.v4.new_code_cell("1", metadata={"tags": [tag]})
        (tidied,) = twins.tidy(nbformat.v4.new_notebook(cells=[cell]), "01_x").cells
        assert tidied.metadata.tags == [tag, derived]
        assert tidied.metadata.jupyter.source_hidden is True
    hidden = [cell.metadata.get("jupyter") for cell in nbformat.read(finished, 4).cells]
    assert [value is not None for value in hidden] == [False, False, True, False, True, False]


def test_no_edit_changes_nothing(chapter):
    """A sync of files that agree leaves their bytes alone."""
    before = both(chapter)
    assert edited(chapter) == "none"
    sync(chapter)
    assert both(chapter) == before


def test_an_edited_text_updates_the_notebook(chapter):
    """The text wins where only it was edited; outputs of untouched cells stay, and the check asks for a run."""
    edit_md(chapter)
    text = chapter.with_suffix(".md").read_bytes()
    assert edited(chapter) == "md"
    sync(chapter)
    notebook = nbformat.read(chapter, 4)
    assert "Three times" in notebook.cells[0].source
    assert notebook.cells[-1].outputs
    assert chapter.with_suffix(".md").read_bytes() == text
    assert check(chapter) == ["it was edited since it was last run: run it"]


def test_an_edited_notebook_updates_the_text(chapter):
    """What a reader changed in JupyterLab lands in the text, which otherwise stays the same."""
    edit_ipynb(chapter)
    assert edited(chapter) == "ipynb"
    sync(chapter)
    text = chapter.with_suffix(".md").read_text("utf8")
    assert "Four times" in text
    assert edited(chapter) == "none"
    assert text.replace("Four times", "Two times") == TEXT


def test_two_edited_files_are_refused_and_left_alone(chapter):
    """Both were edited: the message names both files and both ways out, and not a byte changes."""
    edit_md(chapter)
    edit_ipynb(chapter)
    before = both(chapter)
    for command in (sync, run):
        with pytest.raises(Conflict) as refused:
            command(chapter)
        for part in (str(chapter), str(chapter.with_suffix(".md")), "--from md", "--from ipynb"):
            assert part in str(refused.value)
    assert both(chapter) == before
    assert notebooks.main(["sync", str(chapter)]) == 1


@pytest.mark.parametrize(("prefer", "kept", "word"), [("md", ".ipynb", "Three"), ("ipynb", ".md", "Four")])
def test_choosing_one_file_keeps_a_backup_of_the_other(chapter, prefer, kept, word):
    """The losing file survives byte for byte under a new name; a second backup does not overwrite the first."""
    loser, lost = chapter.with_suffix(kept), []
    for round_number in (1, 2):
        edit_md(chapter, f"Three ({round_number})")
        edit_ipynb(chapter, f"Four ({round_number})")
        lost.append(loser.read_bytes())
        sync(chapter, prefer)
        assert f"{word} ({round_number}) times" in nbformat.read(chapter, 4).cells[0].source
        assert f"{word} ({round_number}) times" in chapter.with_suffix(".md").read_text("utf8")
        restore = chapter.with_suffix(".md").read_text("utf8").replace(f"{word} ({round_number})", "Two")
        chapter.with_suffix(".md").write_text(restore, "utf8")
        sync(chapter)
    assert [loser.with_name(f"{loser.name}.backup-{number}").read_bytes() for number in (1, 2)] == lost


def test_choosing_the_unedited_file_keeps_the_edit_too(chapter):
    """``--from md`` while only the notebook was edited drops an edit, so it is backed up first."""
    edit_ipynb(chapter)
    content = chapter.read_bytes()
    sync(chapter, "md")
    assert chapter.with_name(chapter.name + ".backup-1").read_bytes() == content
    assert "Two times" in nbformat.read(chapter, 4).cells[0].source


def test_files_that_never_agreed_are_refused(chapter):
    """Without a remembered hash two different files cannot be ordered, so neither may win silently."""
    notebook = nbformat.read(chapter, 4)
    del notebook.metadata[twins.COURSE]
    nbformat.write(notebook, chapter)
    assert edited(chapter) == "none"
    edit_md(chapter)
    assert edited(chapter) == "both"


def test_a_failing_cell_leaves_the_old_outputs(chapter, capsys):
    """The run stops at the error; inputs are synced, and the outputs of the last good run are still there."""
    path = chapter.with_suffix(".md")
    path.write_text(path.read_text("utf8").replace("x = 21", "x = 21 / 0"), "utf8")
    assert notebooks.main(["run", str(chapter)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert nbformat.read(chapter, 4).cells[-1].outputs


def test_a_killed_run_leaves_the_old_notebook(chapter):
    """kill -9 in the middle of a cell: the notebook has its old bytes and can be run again."""
    path = chapter.with_suffix(".md")
    path.write_text(
        path.read_text("utf8").replace("x = 21", "x = 21\nopen('began', 'w').close()\n__import__('time').sleep(60)"),
        "utf8",
    )
    sync(chapter)
    before = both(chapter)
    process = subprocess.Popen(
        [sys.executable, "-m", "lib.site.notebooks", "run", str(chapter)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (chapter.parent / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (chapter.parent / "began").exists()
    assert both(chapter) == before
    assert sorted(path.suffix for path in chapter.parent.iterdir()) == ["", ".ipynb", ".md"]


def test_a_crash_while_writing_leaves_the_old_file(chapter, monkeypatch):
    """The new text goes to another file first, so that the old one is whole until the very last moment."""
    before = both(chapter)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    edit_md(chapter)
    with pytest.raises(OSError, match="no space"):
        sync(chapter)
    assert chapter.read_bytes() == before[0]
    assert not list(chapter.parent.glob("*.tmp")) and not list(chapter.parent.glob(".*"))


def test_an_edit_during_a_run_is_not_overwritten(chapter, monkeypatch):
    """Somebody saves in JupyterLab while the notebook runs: their file stays and the run is refused."""
    execute = notebooks.execute

    def slow(notebook, folder):
        done = execute(notebook, folder)
        edit_ipynb(chapter)
        return done

    monkeypatch.setattr(notebooks, "execute", slow)
    with pytest.raises(Conflict, match="during the run"):
        run(chapter)
    assert "Four times" in nbformat.read(chapter, 4).cells[0].source


def test_a_pasted_picture_is_refused_before_anything_is_written(chapter):
    """Text cannot hold an attachment, so the notebook keeps it and the message says what to do."""
    edit_ipynb(chapter)
    notebook = nbformat.read(chapter, 4)
    notebook.cells[0]["attachments"] = {"image.png": {"image/png": "AAAA"}}
    nbformat.write(notebook, chapter)
    before = both(chapter)
    with pytest.raises(ValueError, match="pasted picture"):
        sync(chapter)
    assert both(chapter) == before


def test_a_damaged_file_is_named(chapter):
    """Half a notebook is not overwritten with something whole: it may be all that somebody has."""
    chapter.write_text(chapter.read_text("utf8")[:200], "utf8")
    with pytest.raises(ValueError, match=r"01_small\.ipynb is not a readable notebook"):
        sync(chapter)


def test_check_sees_what_must_not_be_committed(chapter):
    """An error, a folder of this computer, and the traces of an editor are each reported."""
    notebook = nbformat.read(chapter, 4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="v", traceback=[])]
    notebook.cells[3].outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"{notebooks.ROOT}/data\n")]
    notebook.metadata["widgets"] = {}
    nbformat.write(notebook, chapter)
    found = " ".join(check(chapter))
    for part in ("ended in an error", "names a folder of this computer", "traces of an editor"):
        assert part in found


def test_a_widget_keeps_its_page_and_loses_its_view():
    """Beside our HTML a widget view would say "model not found" in JupyterLab; a plain ipywidget leaves nothing."""
    view = {twins.WIDGET_VIEW: {"model_id": "1"}}
    ours = nbformat.v4.new_output("display_data", data={**view, "text/html": "<div></div>", "text/plain": "W()"})
    plain = nbformat.v4.new_output("display_data", data={**view, "text/plain": "IntSlider()"})
    (left,) = twins.tidy_outputs([ours, plain])
    assert sorted(left.data) == ["text/html", "text/plain"]


sources = st.text(alphabet=st.sampled_from("ab x#+:-`{}[]()=$\\%'\"é\n\t0"), max_size=60)


@given(
    st.lists(st.tuples(st.sampled_from(["code", "markdown"]), sources, st.sampled_from([(), ("slide",)])), max_size=4)
)
def test_text_gives_back_the_same_cells_or_is_refused(cells):
    """Whatever a cell holds, the twin either keeps it exactly or the tool says that it cannot."""
    notebook = nbformat.v4.new_notebook()
    for kind, source, tags in cells:
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(source)
        cell.metadata.update({"tags": list(tags)} if tags else {})
        notebook.cells.append(cell)
    try:
        text = twins.to_md(notebook)
    except ValueError:
        return
    assert twins.inputs(twins.jupytext.reads(text, fmt=twins.MYST)) == twins.inputs(notebook)


def test_jupyterlab_with_jupytext_opens_and_saves_the_notebook(chapter):
    """No file names the other as its pair: the notebook opens whatever the text holds, and saving leaves the text."""
    from jupytext import TextFileContentsManager

    manager = TextFileContentsManager(root_dir=str(chapter.parent))
    edit_md(chapter)
    os.utime(chapter, (1, 1))  # the text is much newer: with paired files jupytext would refuse to open
    text = chapter.with_suffix(".md").read_bytes()
    model = manager.get(chapter.name)
    assert "Two times" in model["content"].cells[0].source
    model["content"].cells[0].source += "\n\nMy own note."
    manager.save(model, chapter.name)
    assert "My own note." in json.loads(chapter.read_text("utf8"))["cells"][0]["source"][-1]
    assert chapter.with_suffix(".md").read_bytes() == text
    assert edited(chapter) == "both"


def test_a_save_by_jupyterlab_is_tidied(chapter):
    """Lab adds what it likes; one sync puts the bytes of the run back."""
    before = both(chapter)
    notebook = nbformat.read(chapter, 4)
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    notebook.cells[0].metadata["editable"] = True
    notebook.cells[1]["id"] = "something-else"
    nbformat.write(notebook, chapter)
    assert check(chapter) != []
    sync(chapter)
    assert both(chapter) == before
