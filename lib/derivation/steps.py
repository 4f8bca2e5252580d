"""One step of a derivation with its check, and a list in which steps are written down."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["symbolic", "gaussian", "quadrature", "discrete", "monte carlo", "numeric"]


@dataclass(frozen=True)
class Step:
    """One step: a formula turns into the next one, for a reason, and a program confirms it.

    Args:
        id: short and unique in its derivation, e.g. "V03".
        before: LaTeX of the formula that the step starts from, without dollar signs.
        after: LaTeX of what it becomes.
        why: one to three sentences; ``$formulas$`` and ``*stress*`` are set as such.
        check: returns its evidence in words or raises `CheckFailed`; put together from `lib.derivation.checks`.
        kind: how it is checked.
        title: a few words, e.g. "multiply and divide".
    """

    id: str
    before: str
    after: str
    why: str
    check: Callable[[], str]
    kind: Kind
    title: str = ""


@dataclass(frozen=True)
class Group:
    """Consecutive steps shown as one at a coarser zoom level, from the step ``first`` to the step ``last`` (ids).

    ``summary`` is the LaTeX shown for the whole group; from the first *before* to the last *after* if it is empty.
    """

    title: str
    first: str
    last: str
    summary: str = ""


@dataclass(frozen=True)
class Result:
    """What the check of one step found: the evidence, or why it failed."""

    id: str
    kind: Kind
    passed: bool
    evidence: str


class Steps(list[Step]):
    """Steps written down one after the other, each as the function that checks it.

    The docstring of the function is the reason given to the reader; the formula that a step starts from is the one
    where the last step ended, if none is given::

        steps = Steps()

        @steps.add("V01", "p(x)", "q(x) r(x)", kind="numeric", title="factorise")
        def _():
            "It is a product, because …"
            return numeric(p(0.3), q(0.3) * r(0.3))

        @steps.add("V02", "r(x) q(x)", kind="numeric")         # continues from V01
    """

    def add(self, id: str, *formulas: str, kind: Kind, title: str = "") -> Callable[[Callable[[], str]], Step]:
        """A decorator that turns a check into a step; ``formulas`` are (before, after), or (after,) to continue.

        Raises:
            ValueError: if there are no or too many formulas, nothing to continue from, or no docstring.
        """
        if len(formulas) not in (1, 2) or (len(formulas) == 1 and not self):
            raise ValueError(f"{id}: give (before, after), or (after,) to continue from a step; got {len(formulas)}")
        before = formulas[0] if len(formulas) == 2 else self[-1].after

        def write_down(check: Callable[[], str]) -> Step:
            why = " ".join(inspect.cleandoc(check.__doc__ or "").split())
            if not why:
                raise ValueError(f"{id}: the check needs a docstring, which is the reason shown to the reader")
            self.append(Step(id, before, formulas[-1], why, check, kind, title))
            return self[-1]

        return write_down
