"""Train a recipe of any chapter: ``python -m lib.train NAME``; ``--list`` shows them all.

The same on several processes or machines: ``accelerate launch --multi_gpu --num_processes 2 -m lib.train NAME``, with
``--device cpu`` behind it for processes without a GPU (``accelerate launch --cpu`` would want mpirun), or ``torchrun
--nproc_per_node 2 -m lib.train NAME``. The loss curve is that of one process: batches and noise are the same.
"""

import argparse
import importlib
import sys
from pathlib import Path

from lib.training import Recipe, run

PACKAGE = Path(__file__).parent


def recipes() -> dict[str, Recipe]:
    """Every recipe of the course by name, from ``RECIPES`` of each ``lib/<package>/recipe.py``.

    Raises:
        ValueError: if two packages use one name, or a recipe is filed under another name than its own.
    """
    found: dict[str, Recipe] = {}
    for path in sorted(PACKAGE.glob("*/recipe.py")):
        for name, recipe in importlib.import_module(f"lib.{path.parent.name}.recipe").RECIPES.items():
            if name in found or name != recipe.name:
                raise ValueError(
                    f"lib.{path.parent.name}.recipe files {recipe.name!r} under {name!r}: taken, or not its name"
                )
            found[name] = recipe
    return found


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m lib.train", description="Train a recipe of the course.")
    parser.add_argument("name", nargs="?", help="the recipe; --list shows all")
    parser.add_argument("--list", action="store_true", help="show the recipes and stop")
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished run, bit for bit on a CPU")
    parser.add_argument("--fresh", action="store_true", help="throw an unfinished run away and begin again")
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed than 0; the checkpoint then stays in runs/NAME"
    )
    parser.add_argument("--steps", type=int, help="another number of updates; the checkpoint then stays in runs/NAME")
    parser.add_argument("--device", help="cpu, cuda, …; a GPU if there is one, unless said otherwise")
    parser.add_argument(
        "--save-every", type=float, default=30.0, metavar="SECONDS", help="how often the state is written (30)"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the checkpoint goes, instead of data/checkpoints")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command; a mistake of the user ends in one line, not in a traceback."""
    parser = arguments()
    asked = parser.parse_args(argv)
    known = recipes()
    if asked.list or not asked.name:
        for name, recipe in known.items():
            print(f"{name:24} {recipe.num_steps:>7,} steps  {recipe.note}")
        return
    if asked.name not in known:
        parser.error(f"there is no recipe {asked.name!r}; there are {', '.join(known)}")
    try:
        card = run(
            known[asked.name], seed=asked.seed, num_steps=asked.steps, device=asked.device,
            resume=asked.resume, fresh=asked.fresh, save_every=asked.save_every, out=asked.out,
        )  # fmt: skip
    except (FileNotFoundError, FileExistsError, FloatingPointError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"stopped; go on with: python -m lib.train {asked.name} --resume\n")
    if card:
        size = f"{card['minutes']:.1f} minutes, {card['bytes'] / 1e6:.2f} MB"
        print(f"{card['name']}: {card['steps']} steps, {size}; {card['metrics']}")


if __name__ == "__main__":
    main(sys.argv[1:])
