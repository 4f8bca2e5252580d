"""The measuring program measures what it says, and its tables land where they are quoted."""

import nbformat
import pytest

from lib import bench


@pytest.fixture
def hungry(tmp_path):
    """A notebook that waits a second and takes 200 MB."""
    code = "import time; time.sleep(1); held = bytearray(200_000_000)"
    path = tmp_path / "01_hungry.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    return path


def test_seconds_and_memory_of_a_notebook_are_those_of_its_kernel(hungry):
    """The kernel is another process: the memory of this one must not be counted, and a wait must."""
    found = bench.measure_notebook(hungry)
    assert 1 <= found["seconds"] < 30
    assert 0.2 < found["peak_gb"] < 0.6


def test_a_notebook_that_fails_is_not_measured(tmp_path):
    """A run that stopped half-way would look fast."""
    path = tmp_path / "01_broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        bench.measure_notebook(path)


RESULT = {
    "notebooks": {"01_a": {"seconds": 45.0, "peak_gb": 1.13, "mb": 1.6}},
    "training": {"ae": {"pictures_per_second": 12345, "minutes": 3.2}},
    "pages": {"book_seconds": 9.0, "01_a": {"page_mb": 2.51, "painted_p50_ms": 14.2, "painted_p95_ms": 21.4}},
}


def test_tables_replace_only_what_stands_between_their_marks():
    """Blocks on lines and inside a line are renewed, twice with the same result; other text stays."""
    cell = "| <!-- bench:minutes:01_a -->9<!-- bench:end --> |"
    text = f"before\n<!-- bench:pages -->\nold\n<!-- bench:end -->\n{cell}\nafter\n"
    once = bench.renew(text, bench.tables(RESULT))
    assert "old" not in once and "| 01_a | 2.5 MB | 14 / 21 ms |" in once
    assert "| <!-- bench:minutes:01_a -->0.8<!-- bench:end --> |" in once
    assert once.startswith("before\n") and once.endswith("after\n")
    assert bench.renew(once, bench.tables(RESULT)) == once


def test_what_was_never_measured_leaves_its_place_alone():
    """An empty table would look like a measurement."""
    text = "<!-- bench:training -->\nkept\n<!-- bench:end -->\n"
    assert bench.renew(text, bench.tables({"notebooks": RESULT["notebooks"]})) == text


def test_the_readme_quotes_the_measured_numbers():
    """The tables in README.md and on the landing page are those of data/trends/bench.json."""
    import json

    made = bench.tables(json.loads(bench.RESULT.read_text("utf8")))
    for path in bench.QUOTING:
        text = path.read_text("utf8")
        assert "<!-- bench:" in text
        assert bench.renew(text, made) == text, path.name
