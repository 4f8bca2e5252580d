"""Many small pictures as one WebP file, and numbers as colours: the same in Python and in the browser."""

import io
import math

import numpy as np
from einops import rearrange
from jaxtyping import Float, Shaped, UInt8
from PIL import Image

MAX_SIDE = 16_000

COLD, WARM = (33, 102, 172), (178, 74, 12)
"""Ends of the diverging colours: far below zero, far above zero. Zero is white."""
SHADE = (0.2, 0.18, 0.34)
"""What is left of red, green and blue where a map laid over a picture is 0."""


def sheet(
    pictures: Shaped[np.ndarray, "N C H W"],
    columns: int,
    quality: int | None = None,
    *,
    most: int = 1_000_000,
    what: str = "frames",
) -> bytes:
    """All pictures on one WebP sheet, row after row.

    Args:
        pictures: bytes, C is 1 or 3.
        columns: pictures in a row.
        quality: None keeps every byte; 1 to 100 makes the file smaller at the cost of fine detail.
        most: bytes that the file may have.
        what: name of the pictures in messages.

    Raises:
        ValueError: if the quality is none of these, or the sheet is too long or too heavy.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality must be None or lie in 1..100, got {quality!r}")
    colour = pictures if pictures.shape[1] == 3 else pictures.repeat(3, axis=1)
    blank = np.zeros((-len(colour) % columns, *colour.shape[1:]), np.uint8)
    pixels = rearrange(np.concatenate([colour, blank]), "(r c) rgb h w -> (r h) (c w) rgb", c=columns)
    if max(pixels.shape) > MAX_SIDE:
        raise ValueError(
            f"{what} must fit on a sheet of 16,000 pixels a side, got {pixels.shape[1]} x {pixels.shape[0]}"
        )
    file = io.BytesIO()
    kind = {"lossless": True, "quality": 75} if quality is None else {"quality": quality}
    made = Image.fromarray(np.ascontiguousarray(pixels))
    made.save(file, "WEBP", method=4, exact=True, **kind)  # 6 takes ten times as long for 1 %
    if file.tell() > most:
        raise ValueError(
            f"{what} must pack into {most // 1000} kB, got {file.tell() // 1000} kB; set quality=80, or show less"
        )
    return file.getvalue()


def columns_for(num: int) -> int:
    """Pictures in a row, so that the sheet is about square."""
    return max(1, math.ceil(math.sqrt(num)))


def diverging(values: Float[np.ndarray, "*shape"], limit: float) -> UInt8[np.ndarray, "*shape 3"]:
    """Colours of signed numbers: white at 0, full colour from ``limit`` on, blue below and orange above.

    Raises:
        ValueError: if the limit is not above 0.
    """
    if not limit > 0:
        raise ValueError(f"limit must lie above 0, got {limit!r}")
    share = np.clip(values / limit, -1, 1)[..., None]
    end = np.where(share < 0, np.array(COLD), np.array(WARM))
    return np.floor(255 + (end - 255) * np.abs(share) + 0.5).astype(np.uint8)


def overlay(picture: UInt8[np.ndarray, "H W 3"], weight: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "H W 3"]:
    """A map laid over a picture: light falls where the weight is near 1, the rest lies in the shade.

    Args:
        picture: its height and width are multiples of the map's.
        weight: in [0, 1].
    """
    height, width = (large // small for large, small in zip(picture.shape[:2], weight.shape, strict=True))
    share = weight.repeat(height, 0).repeat(width, 1)[..., None]
    shade = np.array(SHADE)
    return np.floor(picture * (shade + (1 - shade) * share) + 0.5).astype(np.uint8)
