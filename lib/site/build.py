"""Build the book from the one file ``book.yml``.     python -m lib.site.build [--out FOLDER]

``book.yml`` is an ordinary Jupyter Book 1 configuration with one more key, ``toc``. Jupyter Book wants the table of
contents as a file of its own, so it is written out first. Warnings are errors. The notebooks are published as they were
committed: nothing is executed here. The pages lie in ``_build/html`` and ask no other host for anything.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import yaml

from lib.site.notebooks import ROOT
from lib.site.vendor import copy_mathjax


def write_toc(config: Path) -> Path:
    """Write the ``toc`` of ``book.yml`` to ``_build/_toc.yml`` beside it.

    Raises:
        ValueError: if there is no ``toc`` or it names a file that does not exist.
    """
    toc = yaml.safe_load(config.read_text("utf8")).get("toc")
    if not toc:
        raise ValueError(f"{config} has no key 'toc'")
    named = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    if missing := [name for name in named if not (config.parent / name).exists()]:
        raise ValueError(f"{config} names files that do not exist: {', '.join(missing)}")
    path = config.parent / "_build" / "_toc.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(toc, sort_keys=False), "utf8")
    return path


def build(out: Path = ROOT, arguments: tuple[str, ...] = (), root: Path = ROOT) -> Path:
    """Build the book that lies in ``root``; returns the folder of its pages, ``OUT/_build/html``.

    Raises:
        RuntimeError: if Jupyter Book reports an error or a warning.
    """
    config = root / "book.yml"
    copy_mathjax(root / "_build" / "vendor")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(root)]
    command += ["--config", str(config), "--toc", str(write_toc(config)), "--path-output", str(out)]
    command += ["-W", "-n", "--keep-going", "--all", *arguments]  # else a changed style sheet alone is not copied
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the book was not built:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return out / "_build" / "html"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lib.site.build", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT, help="the pages go to OUT/_build/html")
    options, more = parser.parse_known_args(arguments)
    try:
        print(f"open {build(options.out.resolve(), tuple(more)) / 'chapters' / 'index.html'}")
    except (RuntimeError, ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
