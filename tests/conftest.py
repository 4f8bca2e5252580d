"""Settings shared by all tests: one thread a worker, reproducible hypothesis, an empty progress bar."""

import os

os.environ.setdefault("COURSE_QUIET", "1")

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("course", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("course")


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of randomness."""
    return torch.Generator().manual_seed(0)
