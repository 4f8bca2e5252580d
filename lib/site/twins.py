"""A notebook and its text twin: reading, writing and comparing the two files of a chapter.

``chapters/NN_name.md`` (MyST text) is what people write and review. ``chapters/NN_name.ipynb`` holds the same cells
with their outputs. *Inputs* are what both files share: the kind, the source and a few metadata of each cell. The
``.ipynb`` remembers a hash of the inputs at the last moment when both files agreed, so that one can tell which was
edited since.
"""

import copy
import hashlib
import json
import os
import re
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
SHARED_METADATA = ("tags", "mystnb", "slideshow")
COURSE = "course"  # the key of our own notebook metadata: {"inputs": hash, "executed": hash}
DERIVED_TAGS = {"solution": "hide-cell", "instructor": "remove-cell"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}
HEADER = "---\nkernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n"
MYST = {"extension": ".md", "format_name": "myst"}


def shared_metadata(metadata: dict) -> dict:
    """The metadata that both files keep; a solution also gets ``hide-cell``, an instructor note ``remove-cell``."""
    kept = {key: copy.deepcopy(metadata[key]) for key in SHARED_METADATA if metadata.get(key)}
    for tag, derived in DERIVED_TAGS.items():
        tags = kept.get("tags", [])
        if tag in tags and derived not in tags:
            kept["tags"] = [*tags, derived]
    return kept


def inputs(notebook: NotebookNode) -> list[tuple[str, str, dict]]:
    """(kind, source, shared metadata) of every cell that is not empty."""
    cells = [(cell.cell_type, cell.source.strip("\n"), shared_metadata(cell.metadata)) for cell in notebook.cells]
    return [cell for cell in cells if cell[1].strip()]


def digest(notebook: NotebookNode) -> str:
    """A hash of the inputs alone: outputs, counters and the layout of the files do not enter."""
    text = json.dumps(inputs(notebook), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_ipynb(path: Path) -> NotebookNode:
    """Read an ``.ipynb``.

    Raises:
        ValueError: if the file is not a notebook.
    """
    try:
        return nbformat.reads(path.read_text("utf8"), as_version=4)
    except Exception as error:
        raise ValueError(f"{path} is not a readable notebook ({error}); mend it or restore it from git") from error


def read_md(path: Path) -> NotebookNode:
    """Read a MyST text twin.

    Raises:
        ValueError: if the text cannot be understood as MyST.
    """
    try:
        return jupytext.reads(path.read_text("utf8"), fmt=MYST)
    except Exception as error:
        raise ValueError(f"{path} is not readable as MyST text ({error}); look at the cell options it names") from error


def to_md(notebook: NotebookNode) -> str:
    """The MyST text of a notebook, with our constant header.

    Raises:
        ValueError: if the text would not give back the same cells (attached pictures, unusual fences).
    """
    for number, cell in enumerate(notebook.cells, 1):
        if cell.get("attachments"):
            raise ValueError(f"cell {number} holds a pasted picture, which text cannot hold: save it as a file")
    bare = nbformat.v4.new_notebook(metadata={"language_info": dict(LANGUAGE)})
    for kind, source, metadata in inputs(notebook):
        bare.cells.append(getattr(nbformat.v4, f"new_{kind}_cell")(source, metadata=NotebookNode(metadata)))
        del bare.cells[-1]["id"]
    text = HEADER + re.sub(r"\A---\n.*?\n---\n", "", jupytext.writes(bare, fmt=MYST), count=1, flags=re.DOTALL)
    again = inputs(jupytext.reads(text, fmt=MYST))
    for number, (cell, back) in enumerate(zip_longest(inputs(notebook), again), 1):
        if back != cell:
            raise ValueError(f"cell {number} cannot be written as MyST text without loss: {str(cell)[:200]}")
    return text


def from_md(text: NotebookNode, old: NotebookNode | None, stem: str) -> NotebookNode:
    """A tidy notebook with the cells of the text; outputs are carried over for cells whose source did not change."""
    pool: dict[tuple[str, str], list] = {}
    for cell in old.cells if old else []:
        pool.setdefault((cell.cell_type, cell.source.strip("\n")), []).append(cell)
    notebook = nbformat.v4.new_notebook()
    notebook.metadata[COURSE] = dict(old.metadata.get(COURSE, {})) if old else {}
    for kind, source, metadata in inputs(text):
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(source, metadata=NotebookNode(metadata))
        before = pool.get((kind, source))
        if kind == "code" and before:
            match = before.pop(0)
            cell.outputs, cell.execution_count = match.outputs, match.execution_count
        notebook.cells.append(cell)
    return tidy(notebook, stem)


def tidy(notebook: NotebookNode, stem: str) -> NotebookNode:
    """A copy without everything that changes from run to run or from editor to editor."""
    notebook = copy.deepcopy(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    course = notebook.metadata.get(COURSE, {})
    notebook.metadata = NotebookNode({"kernelspec": dict(KERNEL), "language_info": dict(LANGUAGE), COURSE: course})
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    for number, cell in enumerate(notebook.cells):
        cell.source = cell.source.strip("\n")
        cell["id"] = f"{stem}-{number:03d}"
        cell.metadata = NotebookNode(shared_metadata(cell.metadata))
        if {"solution", "instructor"} & set(cell.metadata.get("tags", [])):
            cell.metadata["jupyter"] = {"source_hidden": True}  # JupyterLab folds it
        if cell.cell_type == "code":
            cell.outputs = tidy_outputs(cell.outputs, cell.metadata.get("mystnb", {}).get("image", {}).get("alt"))
    return notebook


def tidy_outputs(outputs: list, alt: str | None = None) -> list:
    """Drop stderr and widget views, join pieces of standard output, give pictures their alternative text."""
    kept: list = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
        elif "data" in output:
            if WIDGET_VIEW in output.data and "text/html" not in output.data:
                continue  # a plain ipywidget: without a kernel nothing of it is left
            output.data.pop(WIDGET_VIEW, None)  # beside our HTML it would say "model not found" in JupyterLab
            images = [mime for mime in output.data if mime.startswith("image/")]
            output.metadata = NotebookNode({mime: {"alt": alt} for mime in images if alt})  # nbconvert reads it here
        kept.append(output)
    return kept


def dumps(notebook: NotebookNode) -> str:
    """The exact text of an ``.ipynb`` file."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write(path: Path, text: str) -> None:
    """Replace a file in one step: a reader, or a crash, sees the old file or the new one and nothing between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def backup(path: Path) -> Path:
    """Copy a file to ``NAME.backup-1`` (or 2, 3, ...) beside it; an existing copy is never overwritten."""
    number = 1
    while True:
        copy_path = path.with_name(f"{path.name}.backup-{number}")
        try:
            with copy_path.open("xb") as file:
                file.write(path.read_bytes())
            return copy_path
        except FileExistsError:
            number += 1
