"""What each LaTeX command means in MathML: letters, operators, functions, delimiters, accents, spaces."""

import unicodedata

_SMALL = "alpha beta gamma delta zeta eta theta iota kappa mu nu xi pi rho sigma tau upsilon chi psi omega"
LETTERS = {name: unicodedata.lookup(f"GREEK SMALL LETTER {name.upper()}") for name in _SMALL.split()} | {
    name: unicodedata.lookup(f"GREEK CAPITAL LETTER {name.upper()}")
    for name in "Gamma Delta Theta Xi Pi Sigma Phi Psi Omega".split()
}
LETTERS |= {
    "lambda": "λ",
    "Lambda": "Λ",
    "epsilon": "ϵ",
    "varepsilon": "ε",
    "phi": "ϕ",
    "varphi": "φ",
    "vartheta": "ϑ",
    "ell": "ℓ",
    "infty": "∞",
    "emptyset": "∅",
    "varnothing": "∅",
    "hbar": "ℏ",
}

RELATIONS = {
    "=": "=",
    "<": "<",
    ">": ">",
    ":": ":",
    "le": "≤",
    "leq": "≤",
    "ge": "≥",
    "geq": "≥",
    "ne": "≠",
    "neq": "≠",
    "ll": "≪",
    "gg": "≫",
    "approx": "≈",
    "equiv": "≡",
    "sim": "∼",
    "simeq": "≃",
    "propto": "∝",
    "in": "∈",
    "notin": "∉",
    "subset": "⊂",
    "mid": "∣",
    "Vert": "∥",
    "perp": "⟂",
    "to": "→",
    "mapsto": "↦",
    "Rightarrow": "⇒",
    "Leftrightarrow": "⇔",
    "implies": "⟹",
    "iff": "⟺",
    "rightarrow": "→",
    "leftarrow": "←",
    "longrightarrow": "⟶",
    "coloneqq": "≔",
    "eqqcolon": "≕",
}
"""``\\Vert`` is the bar between the two densities of a KL divergence; a norm is ``\\lVert … \\rVert``."""

BINARY = {
    "+": "+",
    "-": "−",
    "*": "∗",
    "cdot": "⋅",
    "times": "×",
    "odot": "⊙",
    "otimes": "⊗",
    "oplus": "⊕",
    "pm": "±",
    "mp": "∓",
    "cup": "∪",
    "cap": "∩",
    "circ": "∘",
    "setminus": "∖",
}

ORDINARY = {
    "nabla": "∇",
    "partial": "∂",
    "forall": "∀",
    "exists": "∃",
    "dots": "…",
    "ldots": "…",
    "cdots": "⋯",
    "!": "!",
}
ORDINARY |= {
    "/": "/",
    "|": "|",
    "vert": "|",
    "vdots": "⋮",
    "top": "⊤",
    "prime": "′",
    "star": "⋆",
    "%": "%",
    "#": "#",
    "&": "&",
}

PUNCTUATION = {",": ",", ";": ";", ".": "."}

LARGE = {"sum": "∑", "prod": "∏", "int": "∫", "iint": "∬", "bigcup": "⋃", "bigcap": "⋂"}
"""Operators that grow in display style; all but the integrals carry their limits above and below there."""

FUNCTIONS = {name: name for name in "log ln exp sin cos tan tanh arg det dim ker sgn".split()}
LIMIT_FUNCTIONS = {name: name for name in "min max sup inf lim".split()}

OPENING = {"(": "(", "[": "[", "{": "{", "lVert": "‖", "lvert": "|", "langle": "⟨", "lfloor": "⌊", "lceil": "⌈"}
CLOSING = {")": ")", "]": "]", "}": "}", "rVert": "‖", "rvert": "|", "rangle": "⟩", "rfloor": "⌋", "rceil": "⌉"}
DELIMITERS = OPENING | CLOSING | {"|": "|", "\\|": "‖", "Vert": "‖", "vert": "|", "mid": "∣", "/": "/", ".": ""}

ACCENTS = {
    "hat": "^",
    "widehat": "^",
    "tilde": "~",
    "widetilde": "~",
    "bar": "¯",
    "overline": "¯",
    "vec": "→",
    "dot": "˙",
}
WIDE_ACCENTS = {"widehat", "widetilde", "overline"}

SPACES = {",": 0.167, ":": 0.222, ";": 0.278, " ": 0.25, "quad": 1.0, "qquad": 2.0, "!": 0.0, "enspace": 0.5}
"""In em. Negative thin spaces become nothing: browsers do not agree on them."""

SIZES = {"big": 1.2, "Big": 1.8, "bigg": 2.4, "Bigg": 3.0}
"""Height of a delimiter in em, as TeX has it; a suffix l, r or m only tells its role."""

_ALPHABETS = {"mathbb": "DOUBLE-STRUCK", "mathcal": "SCRIPT", "mathbf": "BOLD", "boldsymbol": "BOLD ITALIC"}
ALPHABETS = frozenset(_ALPHABETS)


def in_alphabet(command: str, character: str) -> str:
    """The character of a mathematical alphabet: ("mathbb", "E") -> "𝔼".

    Raises:
        ValueError: if the alphabet does not have it.
    """
    alphabet = _ALPHABETS[command]
    name = unicodedata.name(character, "")
    kind = "CAPITAL" if "CAPITAL" in name else "SMALL"
    last = name.split()[-1]
    candidates = [f"MATHEMATICAL {alphabet} {kind} {last}", f"MATHEMATICAL {alphabet} {name}"]
    if alphabet in ("DOUBLE-STRUCK", "SCRIPT"):  # a few were encoded long before the others
        candidates.append(f"{alphabet} {kind} {last}")
    if alphabet == "BOLD ITALIC":  # digits and operators have no slanted form
        candidates.append(f"MATHEMATICAL BOLD {name}")
    special = {"ϵ": "EPSILON SYMBOL", "ϕ": "PHI SYMBOL"}.get(character)
    if special:
        candidates.append(f"MATHEMATICAL {alphabet} {special}")
    for candidate in candidates:
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            continue
    raise ValueError(f"\\{command} has no form of {character!r}")
