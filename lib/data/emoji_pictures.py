"""The emoji pictures as tensors: 3,655 drawings with names, at 32 or 64 pixels, split by the concept they show.

The pictures lie in ``data/emoji`` as sprite sheets that a person can look at, with one row of ``emoji.csv`` for each;
`lib.data.emoji_build` made them. Many are variants of one picture (five skin tones, two genders), so a random split
would test a model on near-copies of what it was trained on. Here a whole *base* concept goes to one side.
"""

import csv
import functools
import hashlib
import io
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

FOLDER = Path(__file__).parents[2] / "data" / "emoji"
SHEET_SIZE = 64
HELD_OUT_SHARE = 0.15
SPLITS = ("train", "heldout", "all")
REBUILD = "restore data/emoji from the repository (git checkout -- data/emoji) or run python -m lib.data.emoji_build"


class EmojiDataError(ValueError):
    """A shipped file of the emoji data is missing a row, damaged or edited."""


@dataclass(frozen=True)
class Emoji:
    """What is known of one picture.

    Attributes:
        index: position in Unicode's list, the same in every split.
        char: the character or sequence itself.
        name: Unicode's English name, for example "man cook: dark skin tone".
        group: one of nine, for example "Food & Drink".
        subgroup: one of about a hundred, for example "food-fruit".
        base: the concept that all variants of one picture share, for example "cook".
        skin_tone: "none", one of five ("light" … "dark"), or two joined by "+".
        gender: "man", "woman", "person", "mixed" (several people), or "none" where nobody is shown.
    """

    index: int
    char: str
    name: str
    group: str
    subgroup: str
    base: str
    skin_tone: str
    gender: str


@dataclass(frozen=True, eq=False)
class EmojiSet:
    """Pictures with their rows of the table.

    Attributes:
        images: float32 in [-1, 1], RGB, on white; the white background is exactly 1.
        table: one `Emoji` for each picture, in the order of the pictures.
        hash: SHA-256 of the shipped files (of the list of their SHA-256 sums), the same for every split and size.
    """

    images: Float[Tensor, "N 3 S S"]
    table: tuple[Emoji, ...]
    hash: str

    def __len__(self) -> int:
        return len(self.table)

    def labels(self, field: str = "group") -> tuple[Int64[Tensor, " N"], list[str]]:
        """Number the values of a field, for example the nine groups.

        The classes are those of the whole data, so a class has the same number in every split and selection.

        Raises:
            ValueError: if there is no such field.
        """
        classes = _classes(field)
        number = {name: k for k, name in enumerate(classes)}
        return torch.tensor([number[getattr(row, field)] for row in self.table], dtype=torch.int64), classes

    def where(self, **values: str | int | tuple | list | set) -> "EmojiSet":
        """Select pictures whose fields have the given value, or one of several: ``where(group="Flags")``.

        Raises:
            ValueError: if there is no such field, or a value that no emoji has (a misspelling).
        """
        allowed = {}
        for field, value in values.items():
            allowed[field] = set(value) if isinstance(value, tuple | list | set) else {value}
            unknown = allowed[field] - set(_classes(field))
            if unknown:
                known = ", ".join(map(repr, _classes(field)[:12]))
                raise ValueError(f"no emoji has {field} {sorted(map(str, unknown))}; values are: {known}, …")
        keep = [k for k, row in enumerate(self.table) if all(getattr(row, f) in v for f, v in allowed.items())]
        return EmojiSet(self.images[keep], tuple(self.table[k] for k in keep), self.hash)


def emoji(size: int = 32, split: str = "train") -> EmojiSet:
    """Load the emoji pictures.

    Args:
        size: 64, as shipped, or 32, where each pixel is the mean of four.
        split: "train" (about 85 % of the concepts), "heldout" (the others) or "all".

    Raises:
        ValueError: if ``size`` or ``split`` is none of these.
        FileNotFoundError: if a shipped file is missing.
        EmojiDataError: if a shipped file is damaged.
    """
    if size not in (32, SHEET_SIZE):
        raise ValueError(f"size must be 32 or 64, got {size!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    pictures, table, sums = _load(FOLDER)
    keep = [k for k, row in enumerate(table) if split == "all" or is_held_out(row.base) == (split == "heldout")]
    block = SHEET_SIZE // size
    kept = pictures[keep]
    total = sum(kept[:, i::block, j::block].astype(np.uint16) for i in range(block) for j in range(block))
    images = rearrange(torch.from_numpy(total.astype(np.float32)), "n h w c -> n c h w").contiguous()
    images.div_(127.5 * block**2).sub_(1)
    return EmojiSet(images, tuple(table[k] for k in keep), sums)


def is_held_out(base: str) -> bool:
    """Say on which side a concept lies: fixed by the SHA-256 of its name, so it never depends on order or seed."""
    return int.from_bytes(hashlib.sha256(base.encode()).digest()[:4], "big") < HELD_OUT_SHARE * 2**32


@functools.cache
def _classes(field: str) -> list:
    """All values of a field in the order of the list."""
    names = [f.name for f in fields(Emoji)]
    if field not in names:
        raise ValueError(f"an emoji has the fields {', '.join(names)}; got {field!r}")
    return list(dict.fromkeys(getattr(row, field) for row in _load(FOLDER)[1]))


@functools.cache
def _load(folder: Path) -> tuple[UInt8[np.ndarray, "N 64 64 3"], tuple[Emoji, ...], str]:
    """Verify and read all shipped files, once in a process."""
    sums = _read(folder, "SHA256SUMS")
    files = {}
    for line in sums.decode().splitlines():
        expected, name = line.split("  ")
        files[name] = _read(folder, name)
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise EmojiDataError(f"{folder / name} is damaged: its SHA-256 is not {expected[:12]}…; {REBUILD}")
    if "emoji.csv" not in files:
        raise EmojiDataError(f"{folder / 'SHA256SUMS'} does not list emoji.csv; {REBUILD}")
    rows = list(csv.DictReader(io.StringIO(files["emoji.csv"].decode("utf-8"), newline="")))
    sheets = {name: np.asarray(Image.open(io.BytesIO(data))) for name, data in files.items() if name.endswith(".png")}
    pictures = np.stack([_cut(sheets, row) for row in rows])
    pictures.flags.writeable = False
    names = [f.name for f in fields(Emoji) if f.name != "index"]
    table = tuple(Emoji(int(row["index"]), *(row[name] for name in names)) for row in rows)
    return pictures, table, hashlib.sha256(sums).hexdigest()


def _read(folder: Path, name: str) -> bytes:
    """Read a shipped file, or say which one is missing."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"the emoji file {folder / name} is missing; {REBUILD}") from None


def _cut(sheets: dict[str, np.ndarray], row: dict[str, str]) -> UInt8[np.ndarray, "64 64 3"]:
    """Cut one picture out of its sheet."""
    top, left = int(row["row"]) * SHEET_SIZE, int(row["column"]) * SHEET_SIZE
    cell = sheets[row["sheet"]][top : top + SHEET_SIZE, left : left + SHEET_SIZE] if row["sheet"] in sheets else None
    if cell is None or cell.shape != (SHEET_SIZE, SHEET_SIZE, 3):
        raise EmojiDataError(f"emoji.csv places {row['name']!r} outside {row['sheet']}; {REBUILD}")
    return cell
