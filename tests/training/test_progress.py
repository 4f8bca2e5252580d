import io
import sys
import time

import pytest

from lib.training import Record, track

RECORDS = [Record(step, 1 / step, 0.1, 1.0) for step in range(1, 6)]


class Screen(io.StringIO):
    """A text stream that remembers whether a person is looking."""

    def __init__(self, terminal: bool):
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def shown(self) -> str:
        """What remains after backspaces and carriage returns, by the rules that JupyterLab applies to a stored text."""
        line: list[str] = []
        position = 0
        for character in self.getvalue():
            if character == "\r":
                position = 0
            elif character == "\b":
                position = max(0, position - 1)
                del line[position : position + 1]
            else:
                line[position : position + 1] = character
                position += 1
        return "".join(line).strip(" ")


@pytest.fixture
def screens(monkeypatch):
    """A function that puts screens in the place of standard output and error (pytest replaces these after setup)."""
    monkeypatch.delenv("COURSE_QUIET", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)

    def put(terminal: bool = True) -> tuple[Screen, Screen]:
        out, error = Screen(terminal), Screen(terminal)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", error)
        return out, error

    return put


def test_a_terminal_shows_the_loss_and_is_clean_afterwards(screens):
    """Items pass through unchanged, and the bar overwrites itself with blanks at the end."""
    out, error = screens()
    assert list(track(slowly(RECORDS), total=5, description="ae_2d")) == RECORDS
    assert "ae_2d" in error.getvalue() and "loss 0." in error.getvalue()
    assert error.shown() == "" and not out.getvalue()


def test_a_bar_in_jupyterlab_takes_itself_back(screens, monkeypatch):
    """Backspaces delete every character that was written, so the saved notebook holds none."""
    monkeypatch.setenv("JPY_SESSION_NAME", "chapters/01.ipynb")
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    out, error = screens(terminal=False)
    assert list(track(slowly(RECORDS), total=5, description="ae_2d")) == RECORDS
    assert "ae_2d" in out.getvalue() and "\r" not in out.getvalue()
    assert out.shown() == "" and not error.getvalue()


def slowly(records):
    """Records that take longer than the bar's shortest interval, so that it is drawn more than once."""
    for record in records:
        time.sleep(0.11)
        yield record


@pytest.mark.parametrize("quiet", ["1", "yes"])
def test_quiet_is_silent(screens, monkeypatch, quiet):
    """Tests, and the command that executes the notebooks, ask for it."""
    monkeypatch.setenv("COURSE_QUIET", quiet)
    seen = screens()
    assert list(track(RECORDS)) == RECORDS and not any(screen.getvalue() for screen in seen)


def test_without_a_terminal_it_is_silent(screens):
    """A log file or an executed notebook has no one who watches."""
    seen = screens(terminal=False)
    assert list(track(RECORDS)) == RECORDS and not any(screen.getvalue() for screen in seen)


def test_leaving_the_loop_early_closes_the_bar(screens):
    """`break` is the way to stop training."""
    _, error = screens()
    for record in track(RECORDS):
        if record.step == 2:
            break
    assert error.getvalue() and error.shown() == ""
