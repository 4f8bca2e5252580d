"""Draw the emoji pictures that the course ships: ``python -m lib.data.emoji_build``.

Needs two Debian packages, ``fonts-noto-color-emoji`` (the artwork) and ``unicode-data`` (the list and the names); no
other program of the course needs them. Every fully-qualified emoji is drawn at the one size the font holds (136 x 128
pixels), put on white, centred in a square and reduced to 64 x 64. The result is written to ``data/emoji``: sprite
sheets, one row in ``emoji.csv`` for each picture, and ``SHA256SUMS`` (also readable by ``sha256sum -c``).
"""

import argparse
import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
from einops import rearrange, reduce
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont, features

from lib.data.emoji_names import Entry, describe, read_list

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
LIST = Path("/usr/share/unicode/emoji/emoji-test.txt")
FOLDER = Path(__file__).parents[2] / "data" / "emoji"

SIZE = 64
COLUMNS, ROWS = 24, 24  # of one sheet
FONT_SIZE = 109  # the only size at which this bitmap font can be opened
GLYPH_WIDTH, GLYPH_HEIGHT = 136, 128
NEAR = 9.0  # grey levels; see `near_pairs`
COLUMN_NAMES = (
    "index", "char", "codepoints", "name", "group", "subgroup", "base", "skin_tone", "gender", "sheet", "row", "column",
)  # fmt: skip


def open_font(path: str | Path = FONT) -> ImageFont.FreeTypeFont:
    """Open the colour font.

    Raises:
        FileNotFoundError: if it is not installed.
        RuntimeError: if Pillow cannot join the characters of a sequence into one picture.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no emoji font at {path}: install the Debian package fonts-noto-color-emoji")
    if not features.check("raqm"):
        raise RuntimeError("Pillow has no raqm layout here, so flags and families would fall apart: install libraqm")
    return ImageFont.truetype(str(path), FONT_SIZE)


def draw(char: str, font: ImageFont.FreeTypeFont, size: int = SIZE) -> UInt8[np.ndarray, "size size 3"]:
    """Draw one emoji on white, centred, reduced from the font's own 136 pixels.

    The filter (Hamming, Pillow) has no negative lobes: it leaves no halo, so the background stays exactly white.

    Raises:
        ValueError: if the font has no picture for ``char``, or draws it as several pictures side by side.
    """
    left, top, right, bottom = font.getbbox(char)
    if (right - left, bottom - top) != (GLYPH_WIDTH, GLYPH_HEIGHT):
        raise ValueError(f"{char!r} is drawn {right - left} x {bottom - top}: the font does not hold it as one picture")
    glyph = Image.new("RGBA", (GLYPH_WIDTH, GLYPH_WIDTH), (255, 255, 255, 0))
    offset = (GLYPH_WIDTH - GLYPH_HEIGHT) // 2
    ImageDraw.Draw(glyph).text((0, offset), char, font=font, embedded_color=True)
    picture = Image.new("RGB", glyph.size, "white")
    picture.paste(glyph, (0, 0), glyph)
    return np.asarray(picture.resize((size, size), Image.Resampling.HAMMING))


def near_pairs(
    images: UInt8[np.ndarray, "N S S 3"], others: UInt8[np.ndarray, "M S S 3"], near: float = NEAR
) -> list[tuple[int, int]]:
    """Find pairs of pictures that are the same up to a flip, a quarter turn and a small difference.

    Pictures are averaged down to 16 x 16; two are near when the root mean square of their difference, over pixels and
    colours, is below ``near`` grey levels (of 255) in one of the eight orientations.
    """

    a, b = (reduce(x.astype(np.float32), "n (h i) (w j) c -> n h w c", "mean", h=16, w=16) for x in (images, others))
    a = rearrange(a, "n h w c -> n (h w c)")
    pairs = set()
    for turns in range(4):
        for flip in (1, -1):
            turned = rearrange(np.rot90(b, turns, (1, 2))[:, :, ::flip], "n h w c -> n (h w c)")
            square = (a**2).sum(1)[:, None] + (turned**2).sum(1)[None] - 2 * a @ turned.T
            pairs |= set(zip(*(i.tolist() for i in np.nonzero(square < near**2 * a.shape[1])), strict=True))
    return sorted(pairs)


def merge_bases(bases: list[str], pairs: list[tuple[int, int]]) -> list[str]:
    """Give pictures joined by a pair one base: the shortest name among them, the first in the list on a tie."""
    parent = {base: base for base in bases}

    def root(base: str) -> str:
        while parent[base] != base:
            base = parent[base]
        return base

    order = {base: (len(base), i) for i, base in reversed(list(enumerate(bases)))}
    for i, j in pairs:
        first, second = sorted((root(bases[i]), root(bases[j])), key=order.__getitem__)
        parent[second] = first
    return [root(base) for base in bases]


def layout(entries: list[Entry]) -> list[tuple[str, int, int]]:
    """Place every emoji at (sheet, row, column): a new sheet for each group, and when one is full."""
    places, names = [], list(dict.fromkeys(entry.group for entry in entries))
    seen: Counter[str] = Counter()
    for entry in entries:
        part, cell = divmod(seen[entry.group], COLUMNS * ROWS)
        seen[entry.group] += 1
        words = entry.group.lower().replace("&", "and").replace(" ", "_")
        places.append((f"sheet_{names.index(entry.group) + 1}{'abcdef'[part]}_{words}.png", *divmod(cell, COLUMNS)))
    return places


def write_sheets(folder: Path, images: UInt8[np.ndarray, "N S S 3"], places: list[tuple[str, int, int]]) -> None:
    """Write the sprite sheets, lossless and without any time stamp."""
    for name in sorted({place[0] for place in places}):
        cells = {(row, column): k for k, (sheet, row, column) in enumerate(places) if sheet == name}
        num_rows = 1 + max(row for row, _ in cells)
        sheet = np.full((num_rows * SIZE, COLUMNS * SIZE, 3), 255, np.uint8)
        for (row, column), k in cells.items():
            sheet[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE] = images[k]
        Image.fromarray(sheet).save(folder / name, optimize=True)


def write_table(folder: Path, entries: list[Entry], bases: list[str], places: list[tuple[str, int, int]]) -> None:
    """Write ``emoji.csv``, one row for each picture."""
    with open(folder / "emoji.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMN_NAMES)
        for k, (e, base, place) in enumerate(zip(entries, bases, places, strict=True)):
            codepoints = " ".join(f"{ord(c):04X}" for c in e.char)
            table.writerow((k, e.char, codepoints, e.name, e.group, e.subgroup, base, e.skin_tone, e.gender, *place))


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of the table and of every sheet to ``SHA256SUMS``."""
    files = [folder / "emoji.csv", *sorted(folder.glob("sheet_*.png"))]
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def build(folder: Path = FOLDER, font: Path = FONT, emoji_list: Path = LIST) -> list[str]:
    """Draw everything into ``folder`` and return a few lines that say what was drawn."""
    entries, opened = describe(read_list(emoji_list)), open_font(font)
    images = np.stack([draw(entry.char, opened) for entry in entries])
    by_name = [entry.base for entry in entries]
    bases = merge_bases(by_name, near_pairs(images, images))
    places = layout(entries)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("sheet_*.png"):
        old.unlink()
    write_sheets(folder, images, places)
    write_table(folder, entries, bases, places)
    write_sums(folder)
    identical = Counter(image.tobytes() for image in images)
    size = sum(file.stat().st_size for file in folder.glob("sheet_*.png"))
    return [
        f"{len(entries)} pictures, {len(identical)} of them different",
        f"{len(set(by_name))} bases by name, {len(set(bases))} after merging near-identical pictures",
        f"{len(set(p[0] for p in places))} sheets, {size / 1e6:.1f} MB",
    ]


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m lib.data.emoji_build", description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: data/emoji)")
    parser.add_argument("--font", type=Path, default=FONT, help="NotoColorEmoji.ttf")
    parser.add_argument("--list", type=Path, default=LIST, help="Unicode's emoji-test.txt")
    options = parser.parse_args()
    print("\n".join(build(options.folder, options.font, options.list)))


if __name__ == "__main__":
    main()
