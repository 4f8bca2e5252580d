"""A progress bar for people who are watching, and nothing for those who are not."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm


def track(items: Iterable[Any], total: int | None = None, description: str = "") -> Iterator[Any]:
    """Pass items on, with a progress bar that shows their loss if they have one and disappears at the end.

    Silent without a terminal, under ``COURSE_QUIET=1``, and whenever a notebook is executed by a program, so that
    nothing of it is stored.

    Args:
        items: anything to loop over; `fit` for instance.
        total: how many there will be, where ``len(items)`` cannot tell.
        description: a word in front of the bar.
    """
    live_notebook = "JPY_SESSION_NAME" in os.environ and "ipykernel" in sys.modules
    if os.environ.get("COURSE_QUIET", "0") not in ("", "0") or not (live_notebook or sys.stderr.isatty()):
        yield from items
        return
    options = {"total": total, "desc": description or None, "leave": False, "mininterval": 0.3}
    with _NotebookBar(items, file=sys.stdout, **options) if live_notebook else tqdm(items, **options) as bar:
        for item in bar:
            if hasattr(item, "loss"):
                bar.set_postfix_str(f"loss {item.loss:.4g}", refresh=False)
            yield item


class _NotebookBar(tqdm):
    """A text bar that takes itself back with backspaces; JupyterLab applies them before it stores an output."""

    @staticmethod
    def status_printer(file):
        shown = 0

        def show(text: str) -> None:
            nonlocal shown
            file.write("\b" * shown + text)
            file.flush()
            shown = len(text)

        return show

    def display(self, msg=None, pos=None):
        super().display(msg, pos)
        return False  # True would make tqdm end with a carriage return
