import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lib.training import card, load, run
from lib.training.recipe import RECIPES

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tmp_path, runs):
    """The batch is cut into the same two parts with the same noise, so only the order of a sum of two could differ."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--main_process_port", "0", "-m", "lib.train", "smoke", "--steps", "30", "--device", "cpu"]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "COURSE_QUIET": "1", "COURSE_RUNS": str(tmp_path / "two")}
    out = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=300)
    assert not out.returncode, out.stderr[-2000:]
    run(replace(RECIPES["smoke"]), num_steps=30, device="cpu")
    one, two = runs / "smoke", tmp_path / "two" / "smoke"
    assert [card("smoke", folder)["num_processes"] for folder in (one, two)] == [1, 2]
    curves = [list(csv.DictReader(open(folder / "history.csv", encoding="utf8"))) for folder in (one, two)]
    assert len(curves[0]) == len(curves[1]) == 30
    for ours, theirs in zip(*curves, strict=True):
        assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-5)
    for ours, theirs in zip(
        load("smoke", folder=one).parameters(), load("smoke", folder=two).parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
