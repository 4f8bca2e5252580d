"""A way to see the messages that a reader sees."""

import jaxtyping
import pytest


@pytest.fixture
def as_reader():
    """Switch the shape checks of the tests off: a reader has none, and gets the messages that the functions write."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
