"""A folder of runs for each test, and a small recipe."""

from dataclasses import replace

import pytest

from lib.training.recipe import RECIPES


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Unfinished work of a test stays in its own folder."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def recipe():
    """Twelve updates of the smallest model."""
    return replace(RECIPES["smoke"], num_steps=12)
