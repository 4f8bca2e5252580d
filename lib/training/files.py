"""Where things are kept, and how a file is replaced so that a reader finds the old one or the new, never half of it."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHECKPOINTS = ROOT / "data" / "checkpoints"
TRENDS = ROOT / "data" / "trends"


def runs_folder() -> Path:
    """The folder of unfinished work: ``runs/`` (git-ignored), or where the environment variable COURSE_RUNS points."""
    return Path(os.environ.get("COURSE_RUNS") or ROOT / "runs")


def check_name(name: str) -> str:
    """A name becomes a file name, so it may hold letters, digits, ``_``, ``-`` and ``.`` only, beginning with a letter.

    Raises:
        ValueError: if it holds anything else, a path for instance.
    """
    if not re.fullmatch(r"[A-Za-z][\w.-]*", name):
        raise ValueError(f"a name holds letters, digits, '_', '-' and '.' and begins with a letter, got {name!r}")
    return name


def write_atomically(path: Path, content: bytes) -> Path:
    """Replace ``path`` by ``content`` in one step that no crash can cut in two.

    The bytes go to a temporary file beside it, are forced to the disk, and only then take the name by a rename, which
    the file system does wholly or not at all; forcing the folder afterwards makes the rename itself last. A killed
    process leaves at most a temporary file, which the next write of the same file deletes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path


def to_json(value: Any) -> bytes:
    """JSON as a person likes to read it, with a final newline.

    Raises:
        ValueError: if a number is infinite or not a number, which JSON cannot say.
        TypeError: if a value is no JSON value; a tensor needs ``.item()`` or ``.tolist()``.
    """
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
