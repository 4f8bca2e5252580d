import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = os.environ | {"OMP_NUM_THREADS": "1", "COURSE_QUIET": "1"}


def killing(*arguments) -> dict:
    command = [sys.executable, "-m", "tests.training.killing", *map(str, arguments)]
    out = subprocess.run(command, cwd=ROOT, env=SETTINGS, capture_output=True, text=True, timeout=300)
    assert not out.returncode, out.stderr
    return json.loads(out.stdout)


def train(runs: Path, *arguments) -> subprocess.Popen:
    command = [sys.executable, "-m", "lib.train", "smoke", "--steps", "800", "--device", "cpu", "--save-every", "0"]
    return subprocess.Popen([*command, *arguments], cwd=ROOT, env=SETTINGS | {"COURSE_RUNS": str(runs)})


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(tmp_path):
    """Twelve times SIGKILL, resumed each time: an update depends on the stored state and on (seed, step) alone."""
    found = killing("chain", tmp_path, 0)
    assert found["kills"] >= 10 and len(set(found["hashes"].values())) == 1


@pytest.mark.slow
def test_a_run_killed_while_it_writes_ends_with_the_same_bits(tmp_path):
    """Five moments of a write, of states, the weights and the card: one rename commits each file."""
    found = killing("moments", tmp_path)
    assert found["kills"] == 20 and len(found["hashes"]) == 6 and len(set(found["hashes"].values())) == 1


@pytest.mark.slow
def test_the_command_killed_and_resumed_ends_with_the_same_bits(tmp_path):
    """`python -m lib.train`, then `--resume`, as a reader types them, killed twice once a state is on the disk."""
    whole, draw = train(tmp_path / "whole"), random.Random(0)
    state = tmp_path / "killed" / "smoke" / "state.safetensors"
    for options in ([], ["--resume"]):
        process, before = train(tmp_path / "killed", *options), state.stat().st_mtime_ns if state.exists() else 0
        while not (state.exists() and state.stat().st_mtime_ns > before):
            assert process.poll() is None, "the run ended before it wrote a state"
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert train(tmp_path / "killed", "--resume").wait() == 0 and whole.wait() == 0
    files = [tmp_path / run / "smoke" / "smoke.safetensors" for run in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    histories = [file.with_name("history.csv").read_text("utf8") for file in files]
    assert histories[0] == histories[1]
