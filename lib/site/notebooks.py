"""Keep the notebooks and their text twins together, and run them.

    python -m lib.site.notebooks sync  [FILES] [--from md|ipynb]   carry the edits of one file over to the other
    python -m lib.site.notebooks run   [FILES] [--from md|ipynb]   sync, execute in a clean kernel, tidy, write
    python -m lib.site.notebooks check [FILES]                     say what is out of step; change nothing

FILES are ``.md`` or ``.ipynb`` files of chapters; without any, all numbered chapters. Edit whichever file you like: if
only one was edited since both agreed, the other follows. If both were edited, nothing is touched until you choose with
``--from``, and the file that loses is kept as a backup beside it.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from lib.site.pictures import lighten
from lib.site.twins import COURSE, backup, digest, dumps, from_md, read_ipynb, read_md, tidy, to_md, write

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "chapters"
TIMEOUT = 600  # seconds for one cell


class Conflict(ValueError):
    """Both files of a chapter were edited, or a file changed while its notebook was running."""


def chapters(folder: Path = CHAPTERS) -> list[Path]:
    """The numbered chapters, as paths of their ``.ipynb`` files, whether they exist yet or not."""
    found = [*folder.glob("[0-9][0-9]_*.md"), *folder.glob("[0-9][0-9]_*.ipynb")]
    return sorted({path.with_suffix(".ipynb") for path in found})


def edited(ipynb: Path) -> str:
    """Which file holds edits that the other has not: ``"none"``, ``"md"``, ``"ipynb"`` or ``"both"``.

    Raises:
        FileNotFoundError: if neither file exists.
    """
    md = ipynb.with_suffix(".md")
    if not ipynb.exists() and not md.exists():
        raise FileNotFoundError(f"neither {md} nor {ipynb.name} exists")
    if not ipynb.exists():
        return "md"
    notebook = read_ipynb(ipynb)
    if not md.exists():
        return "ipynb"
    now_ipynb, now_md = digest(notebook), digest(read_md(md))
    last = notebook.metadata.get(COURSE, {}).get("inputs")
    if now_ipynb == now_md:
        return "none"
    return {now_ipynb: "md", now_md: "ipynb"}.get(last, "both")


def sync(ipynb: Path, prefer: str | None = None) -> str:
    """Make both files of a chapter agree and leave the ``.ipynb`` tidy; returns one sentence on what was done.

    Args:
        ipynb: the notebook; its twin is the ``.md`` beside it.
        prefer: ``"md"`` or ``"ipynb"``, the file to keep when both were edited; the other is copied to a backup first.

    Raises:
        Conflict: if both files were edited and ``prefer`` is None.
        ValueError: if a file is unreadable or cannot be written as text without loss.
        FileNotFoundError: if neither file exists.
    """
    md, source, kept = ipynb.with_suffix(".md"), edited(ipynb), ""
    if source == "both" and prefer is None:
        raise Conflict(
            f"{md} and {ipynb} were both edited since they last agreed; nothing was changed. "
            "Look at both, then choose (the other one is kept as a backup beside it):\n"
            f"  python -m lib.site.notebooks sync {ipynb} --from md      keeps the text\n"
            f"  python -m lib.site.notebooks sync {ipynb} --from ipynb   keeps the notebook"
        )
    if prefer not in (None, source) and source != "none":
        loser = ipynb if prefer == "md" else md
        if not (md if prefer == "md" else ipynb).exists():
            raise FileNotFoundError(f"--from {prefer} asks for a file that does not exist beside {loser}")
        kept = f"; the other version is kept as {backup(loser).name}" if loser.exists() else ""
        source = prefer
    if source == "ipynb":
        write(md, to_md(read_ipynb(ipynb)))
    old = read_ipynb(ipynb) if ipynb.exists() else None
    notebook = from_md(read_md(md), old, ipynb.stem)
    notebook.metadata[COURSE] = {**notebook.metadata[COURSE], "inputs": digest(notebook)}
    if not ipynb.exists() or dumps(notebook) != ipynb.read_text("utf8"):
        write(ipynb, dumps(notebook))
    follows = {"md": f"{ipynb.name} follows {md.name}", "ipynb": f"{md.name} follows {ipynb.name}"}
    return follows.get(source, "both files agree") + kept


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells in a fresh kernel that works in ``folder`` and has ``COURSE_QUIET=1``; returns the notebook."""
    environment = {**os.environ, "COURSE_QUIET": "1"}
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute(env=environment)


def run(ipynb: Path, prefer: str | None = None) -> str:
    """Sync, execute from the text in a clean kernel, tidy, and replace the ``.ipynb`` in one step.

    Raises:
        Conflict: if both files were edited, or one was edited while the notebook ran.
        CellExecutionError: if a cell failed; the old ``.ipynb`` keeps its outputs.
    """
    sync(ipynb, prefer)
    md, start = ipynb.with_suffix(".md"), time.perf_counter()
    before = md.read_bytes(), ipynb.read_bytes()
    notebook = execute(from_md(read_md(md), None, ipynb.stem), ipynb.parent)
    notebook = lighten(tidy(notebook, ipynb.stem))
    notebook.metadata[COURSE] = {"inputs": digest(notebook), "executed": digest(notebook)}
    if (md.read_bytes(), ipynb.read_bytes()) != before:
        raise Conflict(f"{md.name} or {ipynb.name} was edited during the run; nothing was written. Run it again.")
    write(ipynb, dumps(notebook))
    return f"ran in {time.perf_counter() - start:.0f} s, {ipynb.stat().st_size / 1e6:.2f} MB"


def check(ipynb: Path) -> list[str]:
    """Everything that keeps a chapter from being committed, one sentence each; an empty list is good."""
    source = edited(ipynb)
    if not ipynb.exists():
        return [f"{ipynb.name} does not exist yet: run it"]
    notebook, problems = read_ipynb(ipynb), []
    if source != "none":
        problems.append(f"{ipynb.name} and its text twin differ (edited: {source}): sync them")
    elif notebook.metadata.get(COURSE, {}).get("executed") != digest(notebook):
        problems.append("it was edited since it was last run: run it")
    if dumps(tidy(notebook, ipynb.stem)) != ipynb.read_text("utf8"):
        problems.append("it holds traces of an editor or of a run (outputs on stderr, widget views, metadata): sync it")
    for cell in notebook.cells:
        outputs = str(cell.get("outputs", ""))
        if "'output_type': 'error'" in outputs:
            problems.append(f"cell {cell.id} ended in an error")
        if str(ROOT) in outputs or str(Path.home()) + "/" in outputs:
            problems.append(f"an output of cell {cell.id} names a folder of this computer")
    return problems


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lib.site.notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=["run", "check", "sync"])
    parser.add_argument("files", nargs="*", type=Path, help="chapters (.md or .ipynb); default: all numbered chapters")
    parser.add_argument("--from", dest="prefer", choices=["md", "ipynb"], help="which file to keep if both were edited")
    options = parser.parse_args(arguments)
    failed = 0
    for ipynb in sorted({path.with_suffix(".ipynb") for path in options.files}) or chapters():
        try:
            if options.command == "check":
                problems = check(ipynb)
                failed += bool(problems)
                message = "; ".join(problems) or "fine"
            else:
                message = (run if options.command == "run" else sync)(ipynb, options.prefer)
        except (CellExecutionError, DeadKernelError, OSError, ValueError) as error:
            failed, message = failed + 1, re.sub(r"\x1b\[[\d;]*m", "", f"{type(error).__name__}: {error}")
        print(f"{ipynb.stem}: {message}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
