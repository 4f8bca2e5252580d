"""One style for every figure of the course, one colour per quantity, and pictures shown without smoothing.

    use_style()                                        # once, in the first cell
    ax.plot(steps, losses, color=COLOUR["kl"])
    show_images(images[:16], columns=8)                # last line of a cell: the figure appears

The colours stay apart for readers with deuteranopia or protanopia and on white paper (``tests/test_figures.py``
measures both), and figures keep a white face in a dark page, so a colour means the same everywhere.
"""

import math
import textwrap
from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from einops import rearrange
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

_BASE = {
    "x_0": "#0548a1",  # clean data
    "x_t": "#129cf1",  # noisy data
    "eps": "#5c5a5c",  # noise
    "x_0_hat": "#e97900",  # any estimate of clean data
    "mu": "#10ad6a",
    "sigma": "#4b660e",
    "z": "#e31f2e",  # a code or latent, and q(z)
    "prior": "#bd86b4",  # p(z)
    "kl": "#4d004e",
    "train": "#0e0200",
    "heldout": "#5a1ddb",
}
COLOUR = _BASE | {"data": _BASE["x_0"], "reconstruction": _BASE["x_0_hat"], "posterior": _BASE["z"]}
"""Colour of each quantity; reconstructions, the loss term that compares them, and `x_0_hat` share one."""

CYCLE = tuple(_BASE[name] for name in ("x_0", "x_0_hat", "mu", "z", "x_t", "kl", "sigma", "prior"))
"""Colours in order, for curves that stand for none of the quantities in `COLOUR` (seeds, classes)."""

PIXELS_PER_INCH = 100
_LINE = 15  # figure pixels per line of a title
_GAP = 4  # figure pixels between two pictures
_ROUNDING = 1e-4  # half-precision images may exceed the range by this much


def use_style() -> None:
    """Set the matplotlib defaults of the course: white face, thin axes, readable letters, pixels not smoothed."""
    mpl.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": "#555555",
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=CYCLE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": PIXELS_PER_INCH,
            "figure.facecolor": "white",
            "figure.figsize": (6.4, 3.6),
            "font.size": 10,
            "grid.color": "#e3e3e3",
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "savefig.dpi": PIXELS_PER_INCH,
            "savefig.facecolor": "white",
        }
    )


def image_grid(images: Tensor | Sequence[Tensor], columns: int = 8, clip: bool = False, scale: int = 1) -> np.ndarray:
    """Lay pictures out row by row on a white ground, each pixel a square of ``scale`` × ``scale``.

    Args:
        images: values in [-1, 1], (B, 3, H, W) or (B, 1, H, W), or a list of (C, H, W) tensors of one size.
        clip: cut values outside [-1, 1] off; meant for the output of a model, which may overshoot. Data never need it.

    Returns:
        uint8 array (height, width, 3).

    Raises:
        ValueError: if the shape, the kind of number or the range is wrong.
    """
    pixels = _checked(images, columns, scale, clip)
    filling = -len(pixels) % columns
    pixels = np.pad(pixels, [(0, filling), (0, 0), (0, 0), (0, 0)], constant_values=255)
    pixels = pixels.repeat(scale, axis=1).repeat(scale, axis=2)
    pixels = np.pad(pixels, [(0, 0), (0, _GAP), (0, _GAP), (0, 0)], constant_values=255)
    return rearrange(pixels, "(r k) h w c -> (r h) (k w) c", k=columns)[:-_GAP, :-_GAP]


def show_images(
    images: Tensor | Sequence[Tensor],
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    scale: int = 2,
    clip: bool = False,
    row_titles: Sequence[str] | None = None,
) -> Figure:
    """Draw pictures in rows, without smoothing. Make it the last line of a cell; elsewhere, pass it to ``display``.

    Args:
        images: values in [-1, 1], (B, 3, H, W) or (B, 1, H, W), or a list of (C, H, W) tensors of one size.
        titles: one line above each picture; long ones are wrapped.
        columns: pictures per row; at most 8 if not given.
        scale: figure pixels per picture pixel, a whole number from 1.
        clip: cut values outside [-1, 1] off; meant for the output of a model, which may overshoot. Data never need it.
        row_titles: one name at the left of each row.

    Raises:
        ValueError: if the shape, the kind of number, the range or the number of titles is wrong.
    """
    columns = min(len(images), 8) if columns is None else columns
    grid = image_grid(images, columns, clip, scale)
    rows = math.ceil(len(images) / columns)
    _check_titles(titles=(titles, len(images)), row_titles=(row_titles, rows))
    pitch = (grid.shape[0] + _GAP) // rows, (grid.shape[1] + _GAP) // columns
    titles = ["\n".join(textwrap.wrap(title, max(6, pitch[1] // 6))) for title in titles or []]
    head = max((_LINE * (1 + title.count("\n")) for title in titles), default=0)
    left = max((8 * len(title) + _GAP for title in row_titles or []), default=0)
    figure, canvas = _canvas(left + grid.shape[1], rows * (pitch[0] + head) - _GAP)
    for row in range(rows):
        strip = grid[row * pitch[0] : (row + 1) * pitch[0] - _GAP]
        top = row * (pitch[0] + head) + head
        canvas.imshow(strip, extent=(left, left + strip.shape[1], top + strip.shape[0], top), aspect="auto")
        if row_titles:
            canvas.text(left - _GAP, top + strip.shape[0] / 2, row_titles[row], ha="right", va="center", fontsize=9)
    for index, title in enumerate(titles):
        x, y = left + (index % columns + 0.5) * pitch[1] - _GAP / 2, index // columns * (pitch[0] + head) + head - 2
        canvas.text(x, y, title, ha="center", va="bottom", fontsize=8)
    return figure


def _canvas(width: int, height: int) -> tuple[Figure, Axes]:
    """A white figure of that many pixels whose axes count pixels from the upper left corner."""
    inches = width / PIXELS_PER_INCH, height / PIXELS_PER_INCH
    figure = plt.figure(figsize=inches, dpi=PIXELS_PER_INCH, facecolor="white", layout="none")
    plt.close(figure)  # else Jupyter would draw it a second time
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    canvas.set_axis_off()
    return figure, canvas


def _checked(images: Tensor | Sequence[Tensor], columns: int, scale: int, clip: bool) -> np.ndarray:
    """Pictures as uint8 (B, H, W, 3), or an error that says what is wrong with them."""
    if not isinstance(images, Tensor):
        shapes = sorted({tuple(image.shape) for image in images})
        if len(shapes) != 1:
            raise ValueError(f"images must be at least one picture, all of one size; got the sizes {shapes}")
        images = torch.stack([image.detach() for image in images])
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"images must be (B, 3, H, W) or (B, 1, H, W) with B >= 1, got {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(f"images must be floating-point numbers in [-1, 1], got {images.dtype}")
    for name, number in (("columns", columns), ("scale", scale)):
        if number != int(number) or number < 1:
            raise ValueError(f"{name} must be a whole number from 1, got {number}")
    images = images.detach().float().cpu()
    low, high = images.min().item(), images.max().item()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("images must be finite, got NaN or infinity")
    if not clip and max(-low, high) > 1 + _ROUNDING:
        raise ValueError(
            f"images must lie in [-1, 1], got [{low:.4g}, {high:.4g}]; pass clip=True only for the output of a model"
        )
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).expand(-1, 3, -1, -1)
    return rearrange(pixels, "b c h w -> b h w c").numpy()


def _check_titles(**titles: tuple[Sequence[str] | None, int]) -> None:
    """Each argument by its name, with the number of entries it must have if it is given."""
    for name, (texts, number) in titles.items():
        if texts is not None and len(texts) != number:
            raise ValueError(f"{name} must have {number} entries, got {len(texts)}")
