"""The book, built once for all tests of the site."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.site.build import build


@dataclass(frozen=True)
class Book:
    """A built book: where its pages lie and how long the building took."""

    html: Path
    seconds: float

    @property
    def pages(self) -> list[Path]:
        """The pages that a reader sees."""
        return sorted((self.html / "chapters").glob("*.html"))

    @property
    def chapters(self) -> list[Path]:
        """The pages made from notebooks."""
        return [page for page in self.pages if page.name[:2].isdigit()]


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Book:
    """The book of this repository, with warnings as errors."""
    start = time.perf_counter()
    html = build(tmp_path_factory.mktemp("book"))
    return Book(html, time.perf_counter() - start)
