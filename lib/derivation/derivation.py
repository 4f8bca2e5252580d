"""A derivation: its steps, the zoom levels that gather them, and errors planted to test the checks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lib.derivation.checks import CheckFailed
from lib.derivation.steps import Group, Result, Step

if TYPE_CHECKING:
    from lib.widgets import DerivationView


@dataclass(frozen=True)
class Verification:
    """The results of all steps, in order. True if every check passes; its text says how many of which kind."""

    results: tuple[Result, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Ids of the steps whose check fails."""
        return tuple(result.id for result in self.results if not result.passed)

    def __bool__(self) -> bool:
        return not self.failed

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __repr__(self) -> str:
        kinds = Counter(result.kind for result in self.results)
        counts = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
        passed = len(self.results) - len(self.failed)
        lines = [f"{passed} of {len(self.results)} steps confirmed by their checks ({counts})"]
        return "\n".join(lines + [f"{r.id} fails: {r.evidence}" for r in self.results if not r.passed])


class Quantities:
    """The named formulas that the checks of a derivation use, so that a wrong one can be put in their place.

    >>> Q = Quantities(kl=lambda mu, variance: …)
    >>> Q.kl(0.3, 2.0)
    """

    def __init__(self, **named: Any):
        self._named = dict(named)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_named"][name]
        except KeyError:
            raise AttributeError(f"there is no quantity {name!r}, only {', '.join(self.__dict__['_named'])}") from None

    @contextmanager
    def replaced(self, **wrong: Any) -> Iterator[None]:
        """Within the block, the named quantities are those given.

        Raises:
            ValueError: if there is no quantity of that name.
        """
        unknown = sorted(set(wrong) - set(self._named))
        if unknown or not wrong:
            raise ValueError(f"replace some of {', '.join(self._named)}; got {', '.join(unknown) or 'nothing'}")
        kept = dict(self._named)
        self._named.update(wrong)
        try:
            yield
        finally:
            self._named = kept


@dataclass(frozen=True)
class Derivation:
    """A derivation whose every step is executed.

    Args:
        name: short name, e.g. "vae.elbo".
        title: what is derived, in words.
        steps: in order.
        zoom: number of groups -> the groups, each level a partition of the steps into consecutive ranges and a
            refinement of the coarser levels. The level of all steps comes by itself.
        quantities: what `sabotage` may replace.

    Raises:
        ValueError: if ids repeat, or a level is no such partition; the message names the level and the step.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    zoom: Mapping[int, Sequence[Group]] = field(default_factory=dict)
    quantities: Quantities | None = None

    def __post_init__(self) -> None:
        repeated = [step_id for step_id, number in Counter(step.id for step in self.steps).items() if number > 1]
        if repeated or not self.steps:
            raise ValueError(f"{self.name}: steps must be at least one with different ids, got {repeated or 'none'}")
        object.__setattr__(self, "zoom", MappingProxyType(dict(sorted(self.zoom.items()))))
        finer = set(range(len(self.steps)))
        for level, groups in reversed(self.zoom.items()):
            starts = self._starts(level, groups)
            if not starts <= finer:
                split = self.steps[min(starts - finer)].id
                raise ValueError(f"{self.name}: zoom level {level} begins a group at {split}, a finer level does not")
            finer = starts

    def _starts(self, level: int, groups: Sequence[Group]) -> set[int]:
        """Positions at which groups begin, after checking that they cover the steps one after the other."""
        if level != len(groups) or not 1 <= level < len(self.steps):
            raise ValueError(
                f"{self.name}: zoom level {level} must have {level} groups of some steps, got {len(groups)}"
            )
        place = {step.id: position for position, step in enumerate(self.steps)}
        expected, starts = 0, set()
        for group in groups:
            first, last = place.get(group.first, -1), place.get(group.last, -1)
            if first != expected or last < first:
                wanted = self.steps[expected].id if expected < len(self.steps) else "no step any more"
                got = f"{group.first} to {group.last}"
                raise ValueError(f"{self.name}: zoom level {level}, '{group.title}' must begin at {wanted}, got {got}")
            starts.add(first)
            expected = last + 1
        if expected != len(self.steps):
            raise ValueError(f"{self.name}: zoom level {level} leaves out {self.steps[expected].id} and what follows")
        return starts

    @property
    def levels(self) -> tuple[int, ...]:
        """Zoom levels from coarse to fine; the last is the number of steps."""
        return (*self.zoom, len(self.steps))

    def verify(self) -> Verification:
        """Run the check of every step."""
        return Verification(tuple(_run(step) for step in self.steps))

    @cached_property
    def verified(self) -> Verification:
        """The result of `verify`, computed once."""
        return self.verify()

    def sabotage(self, **wrong: Any) -> tuple[str, ...]:
        """Ids of the steps that notice when the named quantities are replaced by wrong ones.

        Raises:
            ValueError: if the derivation has no such quantity.
        """
        if self.quantities is None:
            raise ValueError(f"{self.name} has no quantities that could be replaced")
        with self.quantities.replaced(**wrong):
            return self.verify().failed

    def show(self, zoom: int | None = None) -> "DerivationView":
        """The derivation as a widget with a zoom control; starts at the coarsest level if none is given."""
        from lib.derivation.render import view

        return view(self, zoom)

    def to_markdown(self, zoom: int | None = None) -> str:
        """All steps, or the groups of a zoom level, as Markdown with formulas; for places without scripts."""
        from lib.derivation.render import markdown

        return markdown(self, zoom)


def _run(step: Step) -> Result:
    """A check that crashes has failed too: a wrong quantity may well make it crash."""
    try:
        evidence, passed = step.check(), True
    except CheckFailed as failure:
        evidence, passed = str(failure), False
    except Exception as error:
        evidence, passed = f"{type(error).__name__}: {error}", False
    if not isinstance(evidence, str) or not evidence:
        raise TypeError(f"the check of {step.id} must return its evidence as a text, got {evidence!r}")
    return Result(step.id, step.kind, passed, evidence)
