"""A derivation as a widget, and as Markdown."""

from typing import TYPE_CHECKING

from lib.derivation.derivation import Derivation
from lib.derivation.mathml import prose_to_html, to_mathml
from lib.derivation.steps import Group, Result, Step

if TYPE_CHECKING:
    from lib.widgets import DerivationView


def view(derivation: Derivation, zoom: int | None = None) -> "DerivationView":
    """The widget of a derivation, formulas converted and checks run.

    Raises:
        ValueError: if there is no such zoom level.
    """
    from lib.widgets import DerivationView

    zoom = derivation.levels[0] if zoom is None else _known(derivation, zoom)
    steps = [_step(step, result) for step, result in zip(derivation.steps, derivation.verified, strict=True)]
    groups = {
        level: [_group(derivation, f"{level}-{i}", group) for i, group in enumerate(members)]
        for level, members in derivation.zoom.items()
    }
    return DerivationView(title=derivation.title, steps=steps, groups=groups, levels=list(derivation.levels), zoom=zoom)


def markdown(derivation: Derivation, zoom: int | None = None) -> str:
    """One paragraph per step of the finest level, or per group of a coarser one.

    Raises:
        ValueError: if there is no such zoom level.
    """
    zoom = len(derivation.steps) if zoom is None else _known(derivation, zoom)
    blocks = [f"**{derivation.title}**"]
    if zoom in derivation.zoom:
        for group in derivation.zoom[zoom]:
            blocks += [f"**{group.title}** ({group.first} to {group.last})", f"$$\n{summary(derivation, group)}\n$$"]
        return "\n\n".join(blocks) + "\n"
    last = None
    for step, result in zip(derivation.steps, derivation.verified, strict=True):
        start = "" if step.before == last else f"{step.before}\n\\;\\longrightarrow\\;\n"
        title = f" *{heading(step)}*" if step.title else ""
        mark = "checked" if result.passed else "FAILED"
        blocks += [f"**{step.id}**{title} {step.why}", f"$$\n{start}{step.after}\n$$"]
        blocks += [f"{mark}, {step.kind}: {result.evidence}"]
        last = step.after
    return "\n\n".join(blocks) + "\n"


def heading(step: Step) -> str:
    """The title as a sentence of its own."""
    end = "" if step.title.endswith(("?", ".")) else "."
    return step.title[:1].upper() + step.title[1:] + end


def summary(derivation: Derivation, group: Group) -> str:
    """LaTeX for a whole group."""
    if group.summary:
        return group.summary
    ends = {step.id: step for step in derivation.steps}
    return f"{ends[group.first].before}\\;\\longrightarrow\\;{ends[group.last].after}"


def _known(derivation: Derivation, zoom: int) -> int:
    if zoom not in derivation.levels:
        raise ValueError(f"zoom must be one of {', '.join(map(str, derivation.levels))}, got {zoom}")
    return zoom


def _step(step: Step, result: Result) -> dict:
    title = f"<strong>{prose_to_html(heading(step))}</strong> " if step.title else ""
    return {
        "id": step.id,
        "before_mathml": to_mathml(step.before),
        "after_mathml": to_mathml(step.after),
        "why_html": title + prose_to_html(step.why),
        "kind": step.kind,
        "result": {"passed": result.passed, "evidence": result.evidence},
    }


def _group(derivation: Derivation, key: str, group: Group) -> dict:
    formula = to_mathml(summary(derivation, group))
    return {"id": key, "title": group.title, "first": group.first, "last": group.last, "summary_mathml": formula}
