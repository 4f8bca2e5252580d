"""A program for test_kill.py: PyTorch is imported once, then runs are forked from here, killed, and resumed.

    python -m tests.training.killing chain FOLDER SEED     kill one run at random moments until it is finished
    python -m tests.training.killing moments FOLDER        kill a run at each chosen moment of a write

Prints one JSON object: the hash of the checkpoint without kills and after them, and how many there were.
"""

import builtins
import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from lib.training import files, run, train
from lib.training.recipe import RECIPES, SmokeNet

RECIPE = replace(RECIPES["smoke"], build=(SmokeNet, {"width": 64}))
WRITES = (("state.safetensors", 1), ("state.safetensors", 5), ("smoke.safetensors", 1), ("smoke.json", 1))
STATE = Path("smoke", "state.safetensors")
MOMENTS = ("half of the bytes", "before fsync", "before the rename", "after the rename", "before the folder's fsync")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fork(folder: Path, resume: bool, sabotage=lambda: None, num_steps: int = 20) -> int:
    """Start the run in a child; returns its process number."""
    process = os.fork()
    if process:
        return process
    os.environ["COURSE_RUNS"] = str(folder)
    sabotage()
    run(RECIPE, num_steps=num_steps, device="cpu", resume=resume, save_every=0.0, out=folder / "out")
    os._exit(0)


def finished(process: int) -> bool:
    """Wait for a child; whether it came to its end rather than being killed."""
    status = os.waitpid(process, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a run ended with the exit status {os.WEXITSTATUS(status)}")
    return os.WIFEXITED(status)


def hash_of(folder: Path) -> str:
    return files.sha256((folder / "out" / "smoke.safetensors").read_bytes())


def kill_at(moment: str, name: str, number: int):
    """Sabotage a child: it kills itself at this moment of its ``number``-th write of the file called ``name``."""
    writes = 0
    armed = False

    def open_file(path, mode):
        nonlocal writes, armed
        writes += f".{name}." in path.name
        armed = f".{name}." in path.name and writes == number
        file = builtins.open(path, mode)
        return Half(file) if armed and moment == "half of the bytes" else file

    def deadly(call, before: bool):
        def wrapped(*values):
            if armed and before:
                die()
            result = call(*values)
            if armed:
                die()
            return result

        return wrapped

    def sabotage():
        files.open = open_file
        if moment == "before fsync":
            os.fsync = deadly(os.fsync, before=True)
        if moment in ("before the rename", "after the rename"):
            os.replace = deadly(os.replace, before=moment.startswith("before"))
        if moment == "before the folder's fsync":
            os.open = deadly(os.open, before=True)

    return sabotage


class Half:
    """A file that writes half of what it is given, and then the process dies."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        die()


def chain(folder: Path, seed: int) -> dict:
    """One run, killed at random moments and resumed, until it comes to its end."""
    begun = time.monotonic()
    assert finished(fork(folder / "whole", resume=False, num_steps=150))
    whole = time.monotonic() - begun
    draw, kills, done = random.Random(seed), 0, False
    while not done:
        process = fork(folder / "killed", resume=(folder / "killed" / STATE).exists(), num_steps=150)
        if kills < 12:
            time.sleep(draw.uniform(0, whole / 14))  # twelve of these cannot finish it
            os.kill(process, signal.SIGKILL)
        done = finished(process)
        kills += not done
    hashes = {"whole": hash_of(folder / "whole"), "killed": hash_of(folder / "killed")}
    return {"hashes": hashes, "kills": kills}


def moments(folder: Path) -> dict:
    """For each moment of a write one run, killed there while it writes state and checkpoint, and resumed each time."""
    assert finished(fork(folder / "whole", resume=False))
    hashes, kills = {"whole": hash_of(folder / "whole")}, 0
    for moment in MOMENTS:
        place = folder / moment.replace(" ", "_")
        for name, number in (
            ("state.safetensors", 1),
            ("state.safetensors", 5),
            ("smoke.safetensors", 1),
            ("smoke.json", 1),
        ):
            killed = not finished(fork(place, (place / STATE).exists(), kill_at(moment, name, number)))
            assert killed, f"{name} was not killed {moment}"
            kills += 1
        assert finished(fork(place, resume=True))
        assert not list(place.rglob(".*.tmp")), "a temporary file was left behind"
        hashes[moment] = hash_of(place)
    return {"hashes": hashes, "kills": kills}


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(RECIPE, num_steps=1)  # loads what PyTorch loads on first use, so that no child has to
    mode, place, *rest = sys.argv[1:]
    print(json.dumps(chain(Path(place), int(rest[0])) if mode == "chain" else moments(Path(place))))
