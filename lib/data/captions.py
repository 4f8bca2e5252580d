"""The words for scenes of shapes: vocabulary, captions and back, and what is kept out of training.

A caption names every object by size, colour and shape, and says where the first one is, seen from each of the others:
"a large red star left of a small blue ring and above a small green cross".
"""

import re
from dataclasses import dataclass

from lib.data.shape_sdf import CLASSES

COLOURS = {  # red, green, blue in 0..1
    "red": (0.88, 0.16, 0.18),
    "green": (0.17, 0.63, 0.29),
    "blue": (0.13, 0.38, 0.86),
    "yellow": (0.98, 0.80, 0.14),
    "purple": (0.56, 0.27, 0.74),
    "orange": (0.97, 0.50, 0.10),
}
SIZES = {"small": 0.11, "large": 0.18}  # radius, where the picture is 1 wide
RELATIONS = ("left of", "right of", "above", "below")  # the opposite of relation r is r ^ 1

HELD_OUT_PAIRS = (  # colour and shape that never meet in split="train"; every colour and every shape appears once
    ("red", "ring"),
    ("green", "star"),
    ("blue", "triangle"),
    ("yellow", "cross"),
    ("purple", "circle"),
    ("orange", "square"),
)
HELD_OUT_RELATIONS = (  # never in split="train", in neither wording; every shape appears twice
    ("circle", "left of", "square"),
    ("star", "left of", "circle"),
    ("ring", "left of", "cross"),
    ("triangle", "above", "star"),
    ("square", "above", "triangle"),
    ("cross", "above", "ring"),
)

Thing = tuple[str, str, str]  # size, colour, shape


@dataclass(frozen=True)
class Caption:
    """What a caption says: the objects, and where the first one is relative to each of the others.

    Attributes:
        things: (size, colour, shape) of each object, in the order of the caption.
        relations: one word of ``RELATIONS`` for each object after the first: "the first is … that one".
    """

    things: tuple[Thing, ...]
    relations: tuple[str, ...] = ()

    def __post_init__(self):
        vocabulary = (("size", SIZES), ("colour", COLOURS), ("shape", CLASSES))
        for thing in self.things:
            for word, (kind, known) in zip(thing, vocabulary, strict=True):
                if word not in known:
                    raise ValueError(f"unknown {kind} {word!r}; choose from {', '.join(known)}")
        unknown = [word for word in self.relations if word not in RELATIONS]
        if unknown:
            raise ValueError(f"unknown relation {unknown[0]!r}; choose from {', '.join(RELATIONS)}")
        if len(self.relations) != max(len(self.things) - 1, 0) or not self.things:
            raise ValueError(
                f"a caption needs at least one object and one relation for each further object, "
                f"got {len(self.things)} objects and {len(self.relations)} relations"
            )

    def __str__(self) -> str:
        first, *others = (f"a {size} {colour} {shape}" for size, colour, shape in self.things)
        return first + " and".join(
            f" {relation} {other}" for relation, other in zip(self.relations, others, strict=True)
        )


def parse_caption(text: str) -> Caption:
    """Read a caption; the inverse of ``str(caption)``.

    Raises:
        ValueError: if the text is no such caption; the message shows the first part that was not understood.
    """
    thing = r"a (\w+) (\w+) (\w+)"
    match = re.match(thing, text)
    if not match:
        raise ValueError(f'a caption starts like "a large red star", got {text!r}')
    things, relations, end = [match.groups()], [], match.end()
    further = re.compile(rf" ({'|'.join(RELATIONS)}) {thing}")
    while end < len(text):
        start = end + (len(" and") if relations and text.startswith(" and", end) else 0)
        match = further.match(text, start)
        if not match or (relations and start == end):
            raise ValueError(f'a caption goes on like " left of a small blue ring", got {text[end:]!r} in {text!r}')
        relations.append(match[1])
        things.append(match.groups()[1:])
        end = match.end()
    return Caption(tuple(things), tuple(relations))


def held_out_facts() -> set[tuple[str, str, str]]:
    """Held-out relations in both wordings: with "star left of circle" also "circle right of star"."""
    opposite = {RELATIONS[index]: RELATIONS[index ^ 1] for index in range(len(RELATIONS))}
    return {*HELD_OUT_RELATIONS, *((b, opposite[relation], a) for a, relation, b in HELD_OUT_RELATIONS)}
