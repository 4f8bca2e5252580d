"""Files of other projects that the site and the slides carry along, so that a page asks no other host for anything."""

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MATHJAX_PACKAGE = "sphinx-mathjax-offline"


def copy_mathjax(folder: Path) -> Path:
    """Copy MathJax 3 and its fonts (2 MB) from the installed PyPI package into ``folder/mathjax``, unless it is there.

    Raises:
        FileNotFoundError: if the package is not installed.
    """
    target = folder / "mathjax"
    if (target / "tex-chtml.js").exists():
        return target
    try:
        package = Path(distribution(MATHJAX_PACKAGE).locate_file("sphinx-mathjax-offline/static/mathjax"))
    except PackageNotFoundError:
        raise FileNotFoundError(f"{MATHJAX_PACKAGE} is not installed; run: make test  or  make book") from None
    fonts = next(package.glob("output/chtml/fonts/**/MathJax_Main-Regular.woff")).parent
    shutil.copytree(fonts, target / fonts.relative_to(package), dirs_exist_ok=True)
    shutil.copy(package / "tex-chtml.js", target)  # last: its presence says that the copy is complete
    return target


def copy_reveal(folder: Path) -> Path:
    """Copy reveal.js and our slide style into ``folder/reveal``."""
    shutil.copytree(STATIC / "reveal", folder / "reveal", dirs_exist_ok=True)
    shutil.copytree(STATIC / "slides", folder / "reveal", dirs_exist_ok=True)
    return folder / "reveal"
