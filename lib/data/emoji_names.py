"""From an emoji's official name to its group, tone, gender and the concept it shows.

The list is Unicode's ``emoji-test.txt`` (Debian package ``unicode-data``). Many of its entries are variants of one
picture: "man health worker: dark skin tone" and "health worker" differ in hair and skin, not in what is shown. The
*base* of an emoji names that shared concept. Training and held-out pictures are separated by base, so a rule here
that is too narrow would let a model be tested on a near-copy of what it has seen. The rules:

- skin tones, hair and gender are removed; "man health worker" belongs to the neutral entry "health worker";
- every family is one base, so is every kiss, every couple with heart, every pair holding hands;
- heads that differ only by hair or beard are the base "person"; boy, girl and child are "child";
- the 24 clock faces are one base; so are the keycaps, the moon phases, the moon faces, the three globes;
- colour variants (hearts, circles, squares, diamonds, books, apples) and mirrored or turned variants (arrows, pointing
  hands, triangles) share a base;
- every flag is its own base.

`lib.data.emoji_build` merges further bases whose pictures turn out to be (nearly) the same.
"""

import re
from dataclasses import dataclass
from pathlib import Path

TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
HAIR = ("red hair", "curly hair", "white hair", "blond hair", "bald", "beard")
MALE, FEMALE = {"man", "men", "boy", "boys"}, {"woman", "women", "girl", "girls"}

# Gendered names that no pattern connects to their neutral sibling: name -> (base, gender).
SPECIAL = {
    "boy": ("child", "man"),
    "girl": ("child", "woman"),
    "old man": ("older person", "man"),
    "old woman": ("older person", "woman"),
    "merman": ("merperson", "man"),
    "mermaid": ("merperson", "woman"),
    "prince": ("person with crown", "man"),
    "princess": ("person with crown", "woman"),
    "Santa Claus": ("Santa Claus", "man"),
    "Mrs. Claus": ("Santa Claus", "woman"),
    "mx claus": ("Santa Claus", "person"),
    "breast-feeding": ("person feeding baby", "woman"),
}

_COLOUR = "(light blue|red|pink|orange|yellow|green|blue|purple|brown|black|grey|white)"
# Things that are not people: (pattern for the whole name, base).
SAME_PICTURE = tuple(
    (re.compile(pattern), base)
    for pattern, base in (
        (r"keycap: .*", "keycap"),
        (r"\w+ o’clock|\w+-thirty", "clock face"),
        (r"(new|full|((first|last) quarter|(waxing|waning) (crescent|gibbous))) moon", "moon phase"),
        (r"(new|full|first quarter|last quarter) moon face", "moon face"),
        (r"globe showing .*", "globe"),
        (rf"{_COLOUR} heart", "heart"),
        (rf"{_COLOUR} circle", "circle"),
        (rf"{_COLOUR} ((large|medium|medium-small|small) )?square", "square"),
        (rf"(large|small) {_COLOUR} diamond", "diamond"),
        (r"(closed|green|blue|orange) book", "book"),
        (r"(red|green) apple", "apple"),
        (r"(left|right)wards hand", "sideways hand"),
        (r"(left|right)wards pushing hand", "pushing hand"),
        (r"palm (up|down) hand", "palm of a hand"),
        (r"backhand index pointing \w+", "pointing backhand"),
        (r"(left|right)-facing fist", "sideways fist"),
        (r"thumbs (up|down)", "thumb"),
        (r"magnifying glass tilted (left|right)", "magnifying glass"),
        (r"red triangle pointed (up|down)", "red triangle"),
        (r"(up|down|left|right)(-(left|right|down))? arrow", "arrow"),
        (r"(left|right) arrow curving \w+", "curving arrow"),
        (r"(BACK|END|ON!|SOON|TOP) arrow", "arrow with word"),
        (r"(up|down)wards button|(play|reverse) button", "triangle button"),
        (r"fast[- ]\w+( button)?", "double triangle button"),
        (r"(last|next) track button", "track button"),
        (r"speaker \w+ volume", "speaker"),
        (r"(closed|open) mailbox with \w+ flag", "mailbox"),
        (r"hourglass (not )?done", "hourglass"),
        (r"(1st|2nd|3rd) place medal", "place medal"),
        (r"(men|women)’s room", "restroom"),
        (r"(horizontal|vertical) traffic light", "traffic light"),
        (r"input latin (upper|lower)case", "input latin"),
        (r"(white|red) (question|exclamation) mark", "punctuation"),
    )
)


@dataclass(frozen=True)
class Entry:
    """One fully-qualified emoji of Unicode's list, with what its name says."""

    char: str
    name: str
    group: str
    subgroup: str
    base: str
    skin_tone: str
    gender: str


def read_list(path: str | Path) -> list[tuple[str, str, str, str]]:
    """Read (char, name, group, subgroup) of all fully-qualified emoji from Unicode's ``emoji-test.txt``.

    Raises:
        FileNotFoundError: if the file is missing; the message says which package holds it.
        ValueError: if the file has no such entries.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no emoji list at {path}: install the Debian package unicode-data")
    rows, group, subgroup = [], "", ""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        elif match := re.fullmatch(r"[0-9A-F ]+; fully-qualified\s*# (\S+) E[\d.]+ (.+)", line):
            rows.append((match[1], match[2], group, subgroup))
    if not rows:
        raise ValueError(f"{path} lists no fully-qualified emoji: is it Unicode's emoji-test.txt?")
    return rows


def describe(rows: list[tuple[str, str, str, str]]) -> list[Entry]:
    """Give every listed emoji its base concept, skin tone and gender (rules in the module's docstring)."""
    heads = {split_name(name)[0] for _, name, _, _ in rows}
    entries = []
    for char, name, group, subgroup in rows:
        head, qualifiers = split_name(name)
        tones = [q.removesuffix(" skin tone") for q in qualifiers if q.endswith(" skin tone")]
        is_person = group == "People & Body" and (subgroup.startswith("person") or subgroup == "family")
        is_person &= subgroup != "person-symbol"
        base, gender = person_base(head, qualifiers, heads) if is_person else (thing_base(head), "none")
        entries.append(Entry(char, name, group, subgroup, base, "+".join(tones) or "none", gender))
    return entries


def split_name(name: str) -> tuple[str, list[str]]:
    """Split "kiss: woman, man, light skin tone" at the colon; flags and keycaps keep their whole name."""
    if name.startswith(("flag: ", "keycap: ")):
        return name, []
    head, _, tail = name.partition(": ")
    return head, [q for q in tail.split(", ") if q]


def person_base(head: str, qualifiers: list[str], heads: set[str]) -> tuple[str, str]:
    """Base and gender ("man", "woman", "mixed" or "person") of an emoji that shows people."""
    if head in SPECIAL:
        return SPECIAL[head]
    words = set(head.split()) | {word for q in qualifiers for word in q.split()}
    gender = {(True, False): "man", (False, True): "woman", (True, True): "mixed", (False, False): "person"}[
        bool(words & MALE), bool(words & FEMALE)
    ]
    if head in ("woman and man holding hands", "women holding hands", "men holding hands"):
        return "people holding hands", gender
    neutral = re.sub(r"\b(men|women)\b", "people", re.sub(r"\b(man|woman)\b", "person", head))
    dropped = re.sub(r"^(man|woman) ", "", head)
    return (dropped if dropped != head and dropped in heads else neutral), gender


def thing_base(name: str) -> str:
    """Base of an emoji that shows no person: colour and direction variants share one."""
    for pattern, base in SAME_PICTURE:
        if pattern.fullmatch(name):
            return base
    return name
