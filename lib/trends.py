"""Measure a trend of any chapter: ``python -m lib.trends NAME`` writes data/trends/NAME.json; ``--list`` shows all."""

import argparse
import importlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.training.files import TRENDS, runs_folder, to_json, write_atomically
from lib.training.machine import hardware, versions
from lib.training.tables import cells_folder

PACKAGE = Path(__file__).parent
Measurement = Callable[[list[int]], dict[str, Any]]


def trends() -> dict[str, Measurement]:
    """Every trend of the course by name, from ``TRENDS`` of each ``lib/<package>/trends.py``.

    Raises:
        ValueError: if two packages use one name.
    """
    found: dict[str, Measurement] = {}
    for path in sorted(PACKAGE.glob("*/trends.py")):
        for name, measurement in importlib.import_module(f"lib.{path.parent.name}.trends").TRENDS.items():
            if name in found:
                raise ValueError(f"lib.{path.parent.name}.trends: the name {name!r} is taken")
            found[name] = measurement
    return found


def measure(name: str, measurement: Measurement, seeds: list[int], fresh: bool = False) -> Path:
    """Measure one trend and write its table; returns the file.

    Cells that an interrupted measurement finished are used again, and forgotten once the table is written.

    Args:
        name: of the trend.
        measurement: ``seeds -> JSON values``.
        seeds: fewer than three make a trial, whose table stays in ``runs/trends``.
        fresh: throw away the cells of an interrupted measurement.
    """
    folder = cells_folder(name)
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    start = time.monotonic()
    result = measurement(seeds)
    spent = sum(json.loads(path.read_text("utf8"))["minutes"] for path in folder.glob("*.json"))
    minutes = round(max(spent, (time.monotonic() - start) / 60), 2)
    about = {"name": name, "seeds": seeds, "minutes": minutes, "hardware": hardware(), "versions": versions()}
    target = TRENDS if len(seeds) >= 3 else runs_folder() / "trends"
    path = write_atomically(target / f"{name}.json", to_json(about | result))
    shutil.rmtree(folder, ignore_errors=True)
    return path


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m lib.trends", description="Measure a trend of the course.")
    parser.add_argument("name", nargs="?", help="the trend; --list shows all")
    parser.add_argument("--list", action="store_true", help="show the trends and stop")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="0 1 2 unless said otherwise")
    parser.add_argument("--fresh", action="store_true", help="forget the cells of an interrupted measurement")
    asked = parser.parse_args(argv)
    known = trends()
    if asked.list or not asked.name:
        for name, measurement in known.items():
            print(f"{name:28} {(measurement.__doc__ or '').strip().splitlines()[0] if measurement.__doc__ else ''}")
        return
    if asked.name not in known:
        parser.error(f"there is no trend {asked.name!r}; there are {', '.join(known)}")
    path = measure(asked.name, known[asked.name], asked.seeds, asked.fresh)
    print(f"{asked.name}: {json.loads(path.read_text('utf8'))['minutes']} minutes, written to {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
