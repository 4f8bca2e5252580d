"""Measured tables, cell by cell, so that an interrupted measurement goes on where it stopped; and reading them."""

import ast
import functools
import hashlib
import inspect
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lib.training.files import TRENDS, check_name, runs_folder, to_json, write_atomically

NO_MEASUREMENT = {"__init__.py", "derivation.py", "exercises.py", "failures.py"}


def cells_folder(name: str) -> Path:
    """Where the finished cells of a trend wait until the whole trend is measured."""
    return runs_folder() / "trends" / check_name(name)


def cells(
    name: str, settings: dict[str, Any], seeds: Iterable[int], measure: Callable[[Any, int], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Measure every setting with every seed; a row is ``{"setting", "seed", "minutes", **measure(setting, seed)}``.

    A finished cell is kept in ``runs/trends/NAME`` and not measured again when the command is repeated after an
    interruption, unless the code of the package that defines ``measure`` has changed in between.

    Args:
        name: of the trend.
        settings: what is varied, by the label it has in the table.
        seeds: each setting is measured once with each.
        measure: ``(setting, seed) -> JSON values by name``.
    """
    folder, code = cells_folder(name), code_hash(measure)
    rows = []
    for label, setting in settings.items():
        for seed in seeds:
            key = hashlib.sha256(f"{label}|{seed}|{code}".encode()).hexdigest()[:16]
            path = folder / f"{key}.json"
            if not path.exists():
                start = time.monotonic()
                result = measure(setting, seed)
                row = {"setting": label, "seed": seed, "minutes": round((time.monotonic() - start) / 60, 3)}
                write_atomically(path, to_json(row | result))
            rows.append(json.loads(path.read_text("utf8")))
    return rows


def spread(values: Iterable[float]) -> dict[str, float]:
    """Mean, sample standard deviation, smallest, largest and number of some values.

    Raises:
        ValueError: if there are fewer than two.
    """
    values = list(values)
    if len(values) < 2:
        raise ValueError(f"a spread needs at least two values, got {len(values)}")
    mean, std = statistics.fmean(values), statistics.stdev(values)
    return {"mean": mean, "std": std, "min": min(values), "max": max(values), "num": len(values)}


def trend(name: str, folder: Path | str | None = None) -> dict[str, Any]:
    """A measured table from data/trends.

    Raises:
        FileNotFoundError: if it was not measured, naming those that were.
    """
    folder = Path(folder or TRENDS)
    path = folder / f"{check_name(name)}.json"
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in folder.glob("*.json"))) or "none"
        raise FileNotFoundError(
            f"no trend {name!r} in {folder}; there: {known}. Measure it: python -m lib.trends {name}"
        )
    return json.loads(path.read_text("utf8"))


def code_hash(function: Callable) -> str:
    """A hash of the code a measurement may depend on: the modules beside it, without comments and docstrings."""
    while isinstance(function, functools.partial):
        function = function.func
    home = Path(inspect.getfile(function))
    digest = hashlib.sha256()
    for path in sorted({home, *home.parent.glob("*.py")}):
        if path.name not in NO_MEASUREMENT:
            digest.update(_without_docstrings(path.read_text("utf8")).encode())
    return digest.hexdigest()


def _without_docstrings(source: str) -> str:
    """The syntax tree of a module as text; layout, comments and docstrings leave no trace in it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]
    return ast.dump(tree)
