"""LaTeX formulas to MathML, which browsers draw themselves: no script, no font, no other host is needed.

It knows the part of LaTeX that the course uses and refuses the rest by name, so that nothing is set wrongly in silence.
The MathML is of the Core level, which Chromium, Firefox and Safari share.
"""

import html
import re
from collections.abc import Callable

from lib.derivation import symbols as sym
from lib.derivation.commands import LARGE_WITHOUT_LIMITS, Atom, Commands, binary, delimiter, operator, relation

_TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\.|[0-9]+(?:\.[0-9]+)?|\s+|.", re.DOTALL)
_THIN = '<mspace width="0.167em"/>'


def to_mathml(latex: str, display: bool = True) -> str:
    """One formula, without dollar signs, as a ``<math>`` element.

    Raises:
        ValueError: naming the command or the bracket, if the formula uses what is not known here or is not balanced.
    """
    try:
        body = _Parser(latex).whole()
    except ValueError as error:
        raise ValueError(f"{error} in the formula {latex}") from None
    attribute = ' display="block"' if display else ""
    return f"<math{attribute}>{body}</math>"


def prose_to_html(text: str) -> str:
    """A sentence with ``$formulas$``, ``*stress*`` and ```code``` as HTML; everything else is escaped.

    Raises:
        ValueError: if a dollar sign is left over or a formula cannot be converted.
    """
    parts = text.split("$")
    if len(parts) % 2 == 0:
        raise ValueError(f"dollar signs must come in pairs, got {text!r}")
    return "".join(to_mathml(part, display=False) if i % 2 else _markup(part) for i, part in enumerate(parts))


def _markup(text: str) -> str:
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)


class _Parser(Commands):
    """Recursive descent over the tokens of one formula."""

    def __init__(self, latex: str):
        self.tokens = _TOKEN.findall(latex.replace(":=", r"\coloneqq ").replace("=:", r"\eqqcolon "))
        self.at = 0

    # ---- reading

    def peek(self, skip: bool = True) -> str:
        while skip and self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, skip: bool = True) -> str:
        token = self.peek(skip)
        if not token:
            raise ValueError("it ends too early")
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        got = self.take()
        if got != token:
            raise ValueError(f"expected {token}, got {got},")

    def whole(self) -> str:
        row = self.row(())
        if self.peek():
            raise ValueError(f"{self.peek()} has no partner")
        return row

    def row(self, ends: tuple[str, ...]) -> str:
        """Atoms up to one of ``ends``, which stays unread, as one element."""
        atoms: list[Atom] = []
        while self.peek() and self.peek() not in (*ends, "}", "&", "\\\\", "\\right", "\\end"):
            visible = [kind for kind, _ in atoms if kind != "space"]
            atoms.append(self.scripted(visible[-1] if visible else "start"))
        parts, before = [], "start"
        for kind, element in atoms:
            if (before in ("ord", "close") and kind == "func") or (
                before == "func" and kind in ("ord", "func", "large")
            ):
                parts.append(_THIN)
            parts.append(element)
            before = kind
        return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"

    def group(self) -> str:
        """The argument of a command: what stands in braces, or the next atom."""
        if self.peek() != "{":
            if self.peek()[:1].isdigit():  # \frac12 takes one digit at a time
                self.tokens[self.at : self.at + 1] = list(self.peek())
            return self.atom("start")[1]
        self.take()
        row = self.row(())
        self.expect("}")
        return row

    def letters(self) -> str:
        """The argument of ``\\text`` and its like, letter by letter."""
        self.expect("{")
        found = []
        while self.peek(skip=False) != "}":
            found.append(self.take(skip=False))
        self.take()
        return "".join({"\\,": " ", "\\ ": " "}.get(token, token) for token in found)

    # ---- atoms

    def scripted(self, before: str) -> Atom:
        """One atom with its sub- and superscript."""
        name = self.peek().lstrip("\\")
        kind, base = self.atom(before)
        scripts: dict[str, str] = {}
        while self.peek() in ("_", "^", "'"):
            token = self.take()
            place = "_" if token == "_" else "^"
            if place in scripts:
                raise ValueError(f"{token} comes twice")
            scripts[place] = "<mo>′</mo>" if token == "'" else self.group()
        above = name in sym.LIMIT_FUNCTIONS or name.endswith(("brace", "name*"))
        above = above or (kind == "large" and name not in LARGE_WITHOUT_LIMITS)
        tags = (
            {"_": "munder", "^": "mover", "_^": "munderover"} if above else {"_": "msub", "^": "msup", "_^": "msubsup"}
        )
        tag = tags.get("".join(sorted(scripts, reverse=True)))
        inner = "".join(scripts[place] for place in "_^" if place in scripts)
        return kind, f"<{tag}>{base}{inner}</{tag}>" if tag else base

    def atom(self, before: str) -> Atom:
        token = self.take()
        if token == "{":
            self.at -= 1
            return "ord", self.group()
        if token.isdigit() or re.fullmatch(r"[0-9.]+", token) and token != ".":
            return "ord", f"<mn>{token}</mn>"
        if token.isalpha():
            return "ord", f"<mi>{token}</mi>"
        return self.symbol(token, token.removeprefix("\\"), before)

    def symbol(self, token: str, name: str, before: str) -> Atom:
        if token.startswith("\\") and hasattr(self, f"do_{name.rstrip('*')}"):
            return getattr(self, f"do_{name.rstrip('*')}")(name)
        if token.startswith("\\") and name.rstrip("lrm") in sym.SIZES:
            return self.sized(name)
        for table, build in self.tables(token):
            if name in table:
                return build(table[name], before)
        if name in sym.ALPHABETS:
            return "ord", self.alphabet(name)
        if name in sym.ACCENTS:
            return "ord", self.accent(name)
        raise ValueError(f"{token} is not known")

    def tables(self, token: str) -> list[tuple[dict, Callable[[str, str], Atom]]]:
        """What a token can be, with the way to build it; a backslash decides for ``\\,`` against ``,`` and its like."""
        command = token.startswith("\\")
        spaces = {"~": 0.25} if not command else sym.SPACES
        return [
            (spaces, lambda width, _: ("space", f'<mspace width="{width}em"/>' if width else "")),
            (sym.LETTERS if command else {}, lambda text, _: ("ord", f"<mi>{text}</mi>")),
            (sym.RELATIONS, lambda text, _: ("rel", relation(text))),
            (sym.BINARY, binary),
            ({"|": "‖"} if command else {}, lambda text, _: ("ord", operator(text, 'stretchy="false"'))),
            (sym.ORDINARY, lambda text, _: ("ord", operator(text, 'stretchy="false"'))),
            (sym.PUNCTUATION, lambda text, _: ("punct", f"<mo>{text}</mo>")),
            (sym.LARGE, lambda text, _: ("large", f"<mo>{text}</mo>")),
            (sym.FUNCTIONS | sym.LIMIT_FUNCTIONS, lambda text, _: ("func", f"<mi>{text}</mi>")),
            (sym.OPENING, lambda text, _: ("open", delimiter(text, "prefix"))),
            (sym.CLOSING, lambda text, _: ("close", delimiter(text, "postfix"))),
        ]

    def alphabet(self, command: str) -> str:
        text = self.group_text()
        return "".join(f"<mi>{sym.in_alphabet(command, character)}</mi>" for character in text)

    def group_text(self) -> str:
        """The letters of an argument: ``{xy}``, ``x`` or ``\\mu``."""
        tokens = [self.take()]
        if tokens == ["{"]:
            tokens = []
            while self.peek() != "}":
                tokens.append(self.take())
            self.take()
        return "".join(sym.LETTERS.get(token.lstrip("\\"), token) for token in tokens)

    def accent(self, name: str) -> str:
        base = self.group()
        stretchy = str(name in sym.WIDE_ACCENTS).lower()
        return f'<mover accent="true">{base}<mo stretchy="{stretchy}">{sym.ACCENTS[name]}</mo></mover>'

    def sized(self, name: str) -> Atom:
        height = sym.SIZES[name.rstrip("lrm")]
        text = self.delimiter()
        kind = {"l": "open", "r": "close"}.get(name[-1]) or ("open" if text in sym.OPENING.values() else "close")
        form = "prefix" if kind == "open" else "postfix"
        return kind, delimiter(
            text, form, f'stretchy="true" symmetric="true" minsize="{height}em" maxsize="{height}em"'
        )

    def delimiter(self) -> str:
        token = self.take()
        name = token if token == "\\|" else token.lstrip("\\")
        if name not in sym.DELIMITERS:
            raise ValueError(f"{token} is no bracket")
        return sym.DELIMITERS[name]
