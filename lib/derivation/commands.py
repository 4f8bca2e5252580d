"""LaTeX commands that take arguments, and the MathML elements that they and the parser build."""

import html

from lib.derivation import symbols as sym

Atom = tuple[str, str]
"""Class of an atom as in TeX (ord, func, large, bin, rel, open, close, punct, space) and its MathML."""

_ENVIRONMENTS = {
    "aligned": ("", ""),
    "cases": ("{", ""),
    "pmatrix": ("(", ")"),
    "bmatrix": ("[", "]"),
    "matrix": ("", ""),
}
_AFTER_WHICH_A_SIGN_IS_BINARY = ("ord", "close")


def operator(text: str, attributes: str = "") -> str:
    """An ``<mo>`` with no space around it and other attributes as given."""
    return f'<mo lspace="0" rspace="0" {attributes}>{html.escape(text)}</mo>'.replace(" >", ">")


def relation(text: str) -> str:
    """A relation with the space that TeX gives it; a colon gets none, as in x_{1:T}."""
    if text in "=<>≤≥≠≈∼∈":  # browsers know these
        return f"<mo>{html.escape(text)}</mo>"
    width = "0" if text == ":" else "0.278em"
    return f'<mo lspace="{width}" rspace="{width}" stretchy="false">{html.escape(text)}</mo>'


def binary(text: str, before: str) -> Atom:
    """A sign between two terms, or in front of one."""
    if before in _AFTER_WHICH_A_SIGN_IS_BINARY:
        return "bin", f'<mo lspace="0.222em" rspace="0.222em">{text}</mo>'
    return "bin", f'<mo form="prefix" lspace="0" rspace="0">{text}</mo>'


def delimiter(text: str, form: str, attributes: str = 'stretchy="false"') -> str:
    """A bracket, or nothing for the dot of ``\\right.``; a bar looks alike on both sides and must be told its own."""
    if not text:
        return ""
    side = f'form="{form}" ' if text in "|‖/" else ""
    return f"<mo {side}{attributes}>{text}</mo>"


def upright(text: str) -> str:
    """A name in upright letters."""
    variant = ' mathvariant="normal"' if len(text) == 1 else ""
    return f"<mi{variant}>{html.escape(text)}</mi>"


class Commands:
    """Methods ``do_NAME`` of the parser: each reads the arguments of one command and returns an atom."""

    def do_frac(self, name: str) -> Atom:
        return "ord", f"<mfrac>{self.group()}{self.group()}</mfrac>"

    def do_dfrac(self, name: str) -> Atom:
        return "ord", f'<mstyle displaystyle="true" scriptlevel="0">{self.do_frac(name)[1]}</mstyle>'

    def do_tfrac(self, name: str) -> Atom:
        return "ord", f'<mstyle displaystyle="false" scriptlevel="0">{self.do_frac(name)[1]}</mstyle>'

    def do_sqrt(self, name: str) -> Atom:
        if self.peek() != "[":
            return "ord", f"<msqrt>{self.group()}</msqrt>"
        self.take()
        index = self.row(("]",))
        self.expect("]")
        return "ord", f"<mroot>{self.group()}{index}</mroot>"

    def do_underbrace(self, name: str) -> Atom:
        return "ord", f'<munder>{self.group()}<mo stretchy="true">⏟</mo></munder>'

    def do_overbrace(self, name: str) -> Atom:
        return "ord", f'<mover>{self.group()}<mo stretchy="true">⏞</mo></mover>'

    def do_overset(self, name: str) -> Atom:
        above = self.group()
        return "rel", f"<mover>{self.group()}{above}</mover>"

    do_stackrel = do_overset

    def do_text(self, name: str) -> Atom:
        return "ord", f"<mtext>{html.escape(self.letters()).replace(' ', '&#xA0;')}</mtext>"

    def do_mathrm(self, name: str) -> Atom:
        return "ord", upright(self.letters())

    def do_operatorname(self, name: str) -> Atom:
        return "func", upright(self.letters())

    def do_left(self, name: str) -> Atom:
        opening = delimiter(self.delimiter(), "prefix", 'stretchy="true" symmetric="true"')
        inside = self.row(())
        self.expect("\\right")
        closing = delimiter(self.delimiter(), "postfix", 'stretchy="true" symmetric="true"')
        return "ord", f"<mrow>{opening}{inside}{closing}</mrow>"

    def do_begin(self, name: str) -> Atom:
        """Rows separated by ``\\\\`` and cells by ``&``, ended by ``\\end``."""
        environment = self.letters()
        if environment not in _ENVIRONMENTS:
            raise ValueError(f"\\begin{{{environment}}} is not known")
        rows = [[self.row(())]]
        while self.peek() in ("&", "\\\\"):
            if self.take() == "&":
                rows[-1].append(self.row(()))
            else:
                rows.append([self.row(())])
        self.expect("\\end")
        if self.letters() != environment:
            raise ValueError(f"\\begin{{{environment}}} is not ended")
        opening, closing = _ENVIRONMENTS[environment]
        fences = [
            delimiter(mark, form, 'stretchy="true"') for mark, form in ((opening, "prefix"), (closing, "postfix"))
        ]
        return "ord", f"<mrow>{fences[0]}{_table(rows, environment)}{fences[1]}</mrow>"


def _table(rows: list[list[str]], environment: str) -> str:
    """Cells to the left in cases, to the right and left in turn when aligned, else centred."""
    sides = {"aligned": ("right", "left"), "cases": ("left", "left")}.get(environment, ("center", "center"))
    style = ' displaystyle="true"' if environment == "aligned" else ""
    padding = "padding-left: 0; padding-right: 0;" if environment == "aligned" else ""
    cells = [
        "".join(f'<mtd style="text-align: {sides[i % 2]}; {padding}">{cell}</mtd>' for i, cell in enumerate(row))
        for row in rows
    ]
    return f"<mtable{style}>{''.join(f'<mtr>{row}</mtr>' for row in cells)}</mtable>"


LARGE_WITHOUT_LIMITS = {name for name in sym.LARGE if name.endswith("int")}
