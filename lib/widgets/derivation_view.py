"""A derivation as a list of checked steps, with a zoom from a few coarse steps to every fine one."""

import html
from collections.abc import Mapping, Sequence

import traitlets as tr

from lib.widgets.base import StaticAnyWidget, bundle, one_of

_STEP_KEYS = ("id", "before_mathml", "after_mathml", "why_html", "kind", "result")
_GROUP_KEYS = ("id", "title", "first", "last")


class DerivationView(StaticAnyWidget):
    """Steps of a derivation; at each zoom level they are gathered into groups that open where the reader wants more.

    The formulas and reasons are markup made by the course itself and go onto the page as they are: never pass text
    from elsewhere.

    Reading and setting from Python: ``w.zoom`` (one of the levels) and ``w.step`` (id of the step in focus, or "").

    Args:
        title: what is derived.
        steps: in order, each with ``id``, ``before_mathml``, ``after_mathml``, ``why_html``, ``kind`` of check and
            ``result``: a text (empty means not checked, "failed…" means failed) or a dict with ``passed`` (True, False,
            None) and ``evidence``.
        groups: zoom level -> groups in order, each with ``id``, ``title``, ``first`` and ``last`` (step ids, or
            positions counted from 0) and, if wanted, ``summary_mathml``. A level without groups shows every step.
        levels: zoom levels on offer, from coarse to fine; default those of ``groups`` and the number of steps.
        zoom: the level to start with; default the coarsest.
        step: id of the step in focus.

    Raises:
        ValueError: naming the step or group, if a key is missing, an id comes twice, or groups do not cover the steps
            in order.
    """

    _esm = bundle("derivation_view.js")
    _alt = "Derivation, step by step, with a zoom"

    title = tr.Unicode().tag(sync=True)
    levels = tr.List(tr.Int()).tag(sync=True)
    zoom = tr.Int().tag(sync=True)
    step = tr.Unicode().tag(sync=True)
    steps = tr.List().tag(sync=True)
    groups = tr.Dict().tag(sync=True)

    def __init__(
        self,
        title: str,
        steps: Sequence[Mapping],
        groups: Mapping | None = None,
        levels: Sequence[int] | None = None,
        zoom: int | None = None,
        step: str = "",
    ):
        plain_steps = [_plain_step(i, entry) for i, entry in enumerate(steps)]
        ids = [entry["id"] for entry in plain_steps]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError(f"steps must be at least one and each id must be its own, got {ids}")
        plain_groups = {str(level): _plain_groups(level, members, ids) for level, members in (groups or {}).items()}
        plain_groups = {level: members for level, members in plain_groups.items() if members}
        levels = sorted({*map(int, plain_groups), len(ids)}) if levels is None else [int(level) for level in levels]
        self._alt = f"Derivation in {len(ids)} steps: {title}"
        super().__init__(
            title=title,
            steps=plain_steps,
            groups=plain_groups,
            levels=levels,
            zoom=levels[0] if zoom is None and levels else zoom,
            step=step,
        )

    @tr.validate("zoom")
    def _known_level(self, proposal):
        return one_of(proposal, self.levels)

    @tr.validate("step")
    def _known_step(self, proposal):
        known = [entry["id"] for entry in self.steps]
        if proposal["value"] and proposal["value"] not in known:
            raise ValueError(f"step must be empty or one of {known}, got {proposal['value']!r}")
        return proposal["value"]

    def preview_html(self) -> str:
        """The titles of the coarsest groups, or the ids of the steps."""
        groups = self.groups.get(str(self.levels[0]), [])
        lines = [group["title"] for group in groups] or [entry["id"] for entry in self.steps]
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        return f"<p>{html.escape(self._alt)}</p><ol>{items}</ol>"


def _plain_step(position: int, entry: Mapping) -> dict:
    missing = [key for key in _STEP_KEYS if key not in entry]
    if missing:
        raise ValueError(f"steps[{position}] ({entry.get('id', 'no id')}) lacks {missing}")
    result = entry["result"]
    if isinstance(result, Mapping):
        passed, evidence = result.get("passed"), str(result.get("evidence", ""))
    else:
        evidence = str(result or "")
        passed = None if not evidence else not evidence.lower().startswith("fail")
    state = {None: "open", True: "passed", False: "failed"}[passed]
    return {**{key: str(entry[key]) for key in _STEP_KEYS}, "result": evidence, "state": state}


def _plain_groups(level, members: Sequence[Mapping], ids: Sequence[str]) -> list[dict]:
    """Groups with positions in place of ids, checked to follow one another and to cover all steps."""
    made, expected = [], 0
    for group in members:
        missing = [key for key in _GROUP_KEYS if key not in group]
        if missing:
            raise ValueError(f"a group of zoom level {level} ({group.get('id', 'no id')}) lacks {missing}")
        first, last = (ids.index(end) if end in ids else end for end in (group["first"], group["last"]))
        if first != expected or not isinstance(last, int) or not first <= last < len(ids):
            raise ValueError(
                f"group {group['id']!r} of zoom level {level} must begin at step {ids[expected : expected + 1]} and "
                f"end there or later, got {group['first']!r} to {group['last']!r}"
            )
        expected = last + 1
        summary = str(group.get("summary_mathml", ""))
        made.append({"id": str(group["id"]), "title": str(group["title"]), "first": first, "last": last})
        made[-1]["summary_mathml"] = summary
    if made and expected != len(ids):
        raise ValueError(f"the groups of zoom level {level} end at step {ids[expected - 1]}, but the last is {ids[-1]}")
    return made
