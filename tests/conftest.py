"""Settings shared by all tests: one thread a worker, reproducible hypothesis, an empty progress bar, a browser."""

import os

os.environ.setdefault("COURSE_QUIET", "1")

import pytest
import torch
from browser import chromium
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("course", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("course")


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of randomness."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def browser():
    """A Chromium for the tests of one file."""
    with chromium() as running:
        yield running
