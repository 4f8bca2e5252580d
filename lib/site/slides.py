"""Slides from the cells that a chapter marks for them.     python -m lib.site.slides [FILES] [--out FOLDER]

A cell tagged ``slide`` starts a slide, ``slide-more`` continues it, ``fragment`` continues it on a key press; cells
without one of these tags are left out. Instructor cells become speaker notes of the slide before them: press S. A cell
with ``hide-input`` shows only its output. The folder works from a disk or any web server, with no network.
"""

import argparse
import html
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from lib.site.notebooks import ROOT, chapters
from lib.site.twins import read_ipynb
from lib.site.vendor import copy_mathjax, copy_reveal

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="reveal/reset.css">
<link rel="stylesheet" href="reveal/reveal.css">
<style>{pygments}</style>
<link rel="stylesheet" href="reveal/slides.css">
<script>
window.MathJax = {{
  tex: {{inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]], processEscapes: true}},
  chtml: {{matchFontHeight: false}},
  options: {{ignoreHtmlClass: "dw|dw-root", enableMenu: false}}
}};
</script>
<script defer src="mathjax/tex-chtml.js"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{sections}
</div></div>
<script src="reveal/reveal.js"></script>
<script src="reveal/notes.js"></script>
<script src="reveal/slides.js"></script>
</body>
</html>
"""


@dataclass
class Slide:
    """The cells of one slide; ``notes`` are spoken, not shown."""

    cells: list[NotebookNode] = field(default_factory=list)
    notes: list[NotebookNode] = field(default_factory=list)


def group(notebook: NotebookNode) -> list[Slide]:
    """Sort the cells of a chapter into slides.

    Raises:
        ValueError: if a cell continues a slide before any slide has started, or no cell is tagged ``slide``.
    """
    slides: list[Slide] = []
    for number, cell in enumerate(notebook.cells, 1):
        tags = set(cell.metadata.get("tags", []))
        if "slide" in tags:
            slides.append(Slide([cell]))
        elif tags & {"slide-more", "fragment"}:
            if not slides:
                raise ValueError(f"cell {number} continues a slide, but no cell before it is tagged 'slide'")
            slides[-1].cells.append(cell)
        elif "instructor" in tags and slides:
            slides[-1].notes.append(cell)
    if not slides:
        raise ValueError("no cell is tagged 'slide'")
    return slides


def cell_html(cell: NotebookNode, exporter: HTMLExporter) -> str:
    """The HTML of one cell: Markdown, or code with its outputs; a widget gets the room of its code."""
    body, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    shows_widget = any("dw-root" in output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))
    if shows_widget or "hide-input" in cell.metadata.get("tags", []):
        body = re.sub(r'<div class="input">.*?(?=<div class="output_wrapper">|\Z)', "", body, count=1, flags=re.DOTALL)
    return body


def slide_html(slide: Slide, exporter: HTMLExporter) -> str:
    """One ``<section>`` of the page."""
    parts = []
    for cell in slide.cells:
        body = cell_html(cell, exporter)
        parts.append(f'<div class="fragment">{body}</div>' if "fragment" in cell.metadata.tags else body)
    notes = "".join(cell_html(cell, exporter) for cell in slide.notes)
    return "<section>\n" + "\n".join(parts) + f'\n<aside class="notes">{notes}</aside>\n</section>'


def deck(ipynb: Path, title: str) -> str:
    """The HTML page with all slides of one chapter.

    Raises:
        ValueError: if the chapter marks no slides, or marks them wrongly.
    """
    exporter = HTMLExporter(template_name="basic")
    try:
        slides = group(read_ipynb(ipynb))
    except ValueError as error:
        raise ValueError(f"{ipynb}: {error}") from error
    return PAGE.format(
        title=html.escape(title),
        pygments=HtmlFormatter(style="default").get_style_defs(".highlight"),
        sections="\n".join(slide_html(slide, exporter) for slide in slides),
    )


def heading(ipynb: Path) -> str:
    """The first heading of a notebook."""
    found = re.search(r"^# (.+)$", "\n".join(cell.source for cell in read_ipynb(ipynb).cells), re.MULTILINE)
    return found.group(1).strip() if found else ipynb.stem


def build(files: list[Path], out: Path) -> list[Path]:
    """Write one page per chapter and an index; returns the pages."""
    out.mkdir(parents=True, exist_ok=True)
    copy_mathjax(out)
    copy_reveal(out)
    pages, links = [], []
    for ipynb in files:
        pages.append(out / f"{ipynb.stem}.html")
        pages[-1].write_text(deck(ipynb, heading(ipynb)), "utf8")
        links.append(f'<li><a href="{ipynb.stem}.html">{html.escape(heading(ipynb))}</a></li>')
    index = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Slides</title><h1>Slides</h1>'
    (out / "index.html").write_text(f"{index}<ul>{''.join(links)}</ul></html>\n", "utf8")
    return pages


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lib.site.slides", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; default: all numbered chapters")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "slides")
    options = parser.parse_args(arguments)
    for page in build([path.with_suffix(".ipynb") for path in options.files] or chapters(), options.out):
        print(f"{page} ({page.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
