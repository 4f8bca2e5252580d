"""Lighter figures for the notebooks: a page full of small pictures needs 256 colours, not 16 million."""

import base64
import io

import numpy as np
from nbformat import NotebookNode
from PIL import Image

LARGE = 40_000
"""Bytes; smaller figures are mostly lines and text and gain little."""

VISIBLE = 4.0
"""Mean difference, of 255, that a figure may suffer; beyond it the figure stays as it was."""


def fewer_colours(png: bytes) -> bytes:
    """The same picture in the 256 colours that fit it best; unchanged if small, if done before, or if it would show."""
    if len(png) < LARGE:
        return png
    picture = Image.open(io.BytesIO(png))
    if picture.mode == "P":
        return png
    full = picture.convert("RGB")
    reduced = full.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=8, dither=Image.Dither.NONE)
    difference = np.abs(np.asarray(reduced.convert("RGB"), float) - np.asarray(full, float)).mean()
    written = io.BytesIO()
    reduced.save(written, "PNG", optimize=True)
    return written.getvalue() if difference <= VISIBLE and len(written.getvalue()) < len(png) else png


def lighten(notebook: NotebookNode) -> NotebookNode:
    """Replace the large figures of a notebook in place; returns it."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            stored = output.get("data", {}).get("image/png")
            if stored:
                png = fewer_colours(base64.b64decode(stored))
                output.data["image/png"] = base64.b64encode(png).decode()
    return notebook
