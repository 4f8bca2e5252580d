"""Copies for a class, without solutions and instructor notes.     python -m lib.site.student [FILES] [--out FOLDER]

The stubs of the exercises stay, and so does everything else. Outputs are cleared: a class runs the notebooks itself.
The copies import the installed ``lib``, so they run from any folder.
"""

import argparse
import shutil
import sys
from pathlib import Path

from nbformat import NotebookNode

from lib.site.notebooks import CHAPTERS, ROOT, chapters
from lib.site.twins import COURSE, dumps, read_ipynb, tidy, write

REMOVED = {"solution", "instructor"}


def student_copy(notebook: NotebookNode, stem: str) -> NotebookNode:
    """The notebook without solutions, instructor notes and outputs."""
    notebook = tidy(notebook, stem)
    del notebook.metadata[COURSE]
    notebook.cells = [cell for cell in notebook.cells if not REMOVED & set(cell.metadata.get("tags", []))]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def build(files: list[Path], out: Path) -> list[Path]:
    """Write the copies, with the pages and pictures that they link to; returns the notebooks."""
    out.mkdir(parents=True, exist_ok=True)
    twins = {path.with_suffix(".md").name for path in chapters()}
    for page in CHAPTERS.glob("*.md"):
        if page.name not in twins:
            shutil.copy(page, out)
    if (CHAPTERS / "images").exists():
        shutil.copytree(CHAPTERS / "images", out / "images", dirs_exist_ok=True)
    for path in files:
        write(out / path.name, dumps(student_copy(read_ipynb(path), path.stem)))
    return [out / path.name for path in files]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lib.site.student", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; default: all numbered chapters")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "student")
    options = parser.parse_args(arguments)
    for path in build([path.with_suffix(".ipynb") for path in options.files] or chapters(), options.out):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
