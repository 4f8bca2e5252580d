"""A small grammar: a sentence with gaps, and the words that fit into each."""

import re
from collections.abc import Sequence

MAX_SLOTS, MAX_CHOICES = 12, 60


def checked_slots(slots: Sequence, template: str) -> list[dict]:
    """Slots as a page takes them, after a look at whether sentence and slots belong together.

    Args:
        slots: (label, words) for each gap; "" among the words leaves the gap empty.
        template: the sentence with {} for each gap. A part in square brackets is left out when a gap in it is empty.

    Raises:
        ValueError: naming the slot or the template that does not fit.
    """
    made = []
    for label, words in slots:
        words = [" ".join(str(word).split()) for word in words]
        if not 1 <= len(words) <= MAX_CHOICES or len(set(words)) < len(words):
            raise ValueError(f"slot {label!r} must have 1 to {MAX_CHOICES} different words, got {words!r:.80}")
        made.append({"label": str(label), "words": words})
    if len(made) > MAX_SLOTS:
        raise ValueError(f"slots must be at most {MAX_SLOTS}, got {len(made)}")
    if template.count("{}") != len(made) or re.search(r"[{}]", template.replace("{}", "")):
        raise ValueError(f"template must have one {{}} for each of the {len(made)} slots, got {template!r}")
    if not re.fullmatch(r"[^\[\]]*(\[[^\[\]]*\][^\[\]]*)*", template):
        raise ValueError(f"template must open and close its square brackets one after another, got {template!r}")
    return made


def fill(template: str, words: Sequence[str]) -> str:
    """The sentence with a word in each gap.

    Raises:
        ValueError: if there are not as many words as gaps.
    """
    if template.count("{}") != len(words):
        raise ValueError(f"words must be {template.count('{}')}, one for each gap, got {len(words)}")
    left, parts = list(words), []
    for part in re.split(r"(\[[^\]]*\])", template):
        own = [left.pop(0) for _ in range(part.count("{}"))]
        if part.startswith("[") and "" in own:
            continue
        parts.append(part.strip("[]").format(*own))
    return " ".join("".join(parts).split())
