"""The caption builder: from words to a picture, the walk to it, and what the model looks at for each word."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import traitlets as tr
from einops import repeat

from lib.widgets.base import STATIC, StaticAnyWidget, bundle
from lib.widgets.caption_grammar import checked_slots
from lib.widgets.drawn import Drawn, as_drawn, facts, pack, sizes_of, split_words, unpacked
from lib.widgets.sheets import overlay

MAX_ANSWERS, MAX_TEXT = 200, 200

Key = tuple[tuple[str, ...], int, float, int]


class CaptionBuilder(StaticAnyWidget):
    """Choose or type a caption; see the picture, the walk to it, and each word's map laid over it.

    The page holds the answers that were drawn beforehand. Beside a kernel, ``generate`` draws any other caption.

    Reading and setting from Python: ``w.text``, ``w.steps``, ``w.guidance_scale``, ``w.seed``; ``w.word`` (number of
    the word whose map is shown, -1 for none; setting takes a word, too); ``w.estimate`` (0 is the first estimate of the
    walk, -1 the finished picture); ``w.mean_map`` (maps of the whole walk, or of the step). Reading: ``w.answer``.
    ``w.draw()`` draws here and now what the page does not hold.

    Args:
        answers: (text, steps, scale, seed) -> a picture, or a tuple in the order of `lib.widgets.drawn.Drawn`; at most
            200, all pictures and maps of one size. Those of ``generate`` are added.
        slots: (label, words) for each gap of the sentence; "" leaves the gap empty. Without slots a caption is typed.
        template: the sentence with {} for each gap; a part in square brackets goes when a gap in it is empty.
        vocabulary: the words that the model knows; others are marked while typing. None marks nothing.
        generate: (text, steps, scale, seed) -> as an answer; its errors are told to the reader.
        start: (text, steps, scale, seed) to begin with; default the first answer.
        quality: of the finished pictures: None keeps every byte, 1 to 100 makes the page smaller.
        walk_quality: of the estimates on the way, likewise; None keeps the maps exact, too.

    Raises:
        ValueError: naming the argument that does not fit, or if the pictures need more than 1 MB.
    """

    _esm = bundle("caption_builder.js")
    _css = StaticAnyWidget._css + "".join((STATIC / name).read_text("utf8") for name in ("diffusion.css", "latent.css"))

    text = tr.Unicode("").tag(sync=True)
    steps = tr.Int(1).tag(sync=True)
    guidance_scale = tr.Float(1.0).tag(sync=True)
    seed = tr.Int(0).tag(sync=True)
    word = tr.Union([tr.Int(), tr.Unicode()], default_value=-1).tag(sync=True)
    estimate = tr.Int(-1).tag(sync=True)
    mean_map = tr.Bool(True).tag(sync=True)
    slots = tr.List().tag(sync=True)
    template = tr.Unicode("").tag(sync=True)
    vocabulary = tr.List().tag(sync=True)
    live = tr.Bool(False).tag(sync=True)
    stored = tr.List().tag(sync=True)
    sizes = tr.List(tr.Int()).tag(sync=True)
    sheets = tr.Dict().tag(sync=True)
    request = tr.Dict().tag(sync=True)
    reply = tr.Dict().tag(sync=True)

    def __init__(
        self,
        answers: Mapping[tuple, Any] | None = None,
        *,
        slots: Sequence = (),
        template: str = "",
        vocabulary: Iterable[str] | None = None,
        generate: Callable[[str, int, float, int], Any] | None = None,
        start: tuple | None = None,
        quality: int | None = None,
        walk_quality: int | None = 80,
    ):
        keys = [_key(*_four("answers' keys", key)) for key in answers or {}]
        drawn = [as_drawn(given, f"answers[{key!r}]") for key, given in (answers or {}).items()]
        if len(keys) > MAX_ANSWERS or not (keys or start):
            raise ValueError(f"answers must be 1 to {MAX_ANSWERS}, or start be given, got {len(keys)} and {start!r}")
        self.answers: dict[Key, Drawn] = dict(zip(keys, drawn, strict=True))
        if len(self.answers) < len(keys):
            raise ValueError(f"answers must differ in words or settings, got {len(keys) - len(self.answers)} twice")
        self._generate = generate
        super().__init__(
            slots=checked_slots(slots, template),
            template=template,
            vocabulary=sorted({word.lower() for word in vocabulary or ()}),
            live=generate is not None,
            stored=[_told(key, one) for key, one in zip(answers or {}, drawn, strict=True)],
            sizes=sizes_of(drawn),
            sheets=pack(drawn, quality, walk_quality),
        )
        self.text, self.steps, self.guidance_scale, self.seed = _four("start", start or next(iter(answers)))
        self.observe(self._hear, "request")
        self.observe(self._forget, ["text", "steps", "guidance_scale", "seed", "reply"])

    def _forget(self, change) -> None:
        """A word or an estimate that another answer does not have is shown no longer."""
        if self.answer and self.word >= len(self.words):
            self.word = -1
        if self.answer and self.estimate > len(self.answer.walk):
            self.estimate = -1

    @tr.validate("text")
    def _known_text(self, proposal):
        text = proposal["value"]
        if len(text) > MAX_TEXT or len(text.splitlines()) > 1:
            raise ValueError(f"text must be one line of at most {MAX_TEXT} letters, got {text!r:.80}")
        return text

    @tr.validate("steps", "seed")
    def _known_count(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        low, high = {"steps": (1, 1000), "seed": (0, 2**31 - 1)}[name]
        if not low <= value <= high:
            raise ValueError(f"{name} must lie in {low}..{high}, got {value!r}")
        return value

    @tr.validate("guidance_scale")
    def _known_scale(self, proposal):
        if not 0 <= proposal["value"] <= 30:
            raise ValueError(f"guidance_scale must lie in [0, 30], got {proposal['value']!r}")
        return proposal["value"]

    @tr.validate("word")
    def _known_word(self, proposal):
        value, words = proposal["value"], self.words
        if isinstance(value, str) and value.lower() in words:
            return words.index(value.lower())
        if isinstance(value, str) or not -1 <= value < len(words):
            raise ValueError(f"word must be -1, or one of {words} or its number, got {value!r}")
        return value

    @tr.validate("estimate")
    def _known_estimate(self, proposal):
        last = len(self.answer.walk) if self.answer else 0
        if not -1 <= proposal["value"] <= last:
            raise ValueError(f"estimate must lie in -1..{last}, got {proposal['value']!r}")
        return proposal["value"]

    @property
    def key(self) -> Key:
        """The words of the caption and the settings: what an answer is looked up by."""
        return _key(self.text, self.steps, self.guidance_scale, self.seed)

    @property
    def answer(self) -> Drawn | None:
        """What was drawn for the caption and the settings, or None."""
        return self.answers.get(self.key)

    @property
    def words(self) -> list[str]:
        """The words of the answer as the model read them; without one, those of the text."""
        return list(self.answer.words) if self.answer and self.answer.words else split_words(self.text)

    def draw(self) -> Drawn:
        """Draw the caption with the settings, unless that has been done, and show it.

        Raises:
            ValueError: if there is no model and no such answer.
        """
        if self.answer is None:
            if self._generate is None:
                raise ValueError(f"text must be a stored caption where there is no model, got {self.text!r}")
            given = self._generate(self.text, self.steps, self.guidance_scale, self.seed)
            self.answers[self.key] = as_drawn(given, f"the picture of {self.text!r}")
        asked = {"text": self.text, "steps": self.steps, "scale": self.guidance_scale, "seed": self.seed}
        self.reply = {**asked, **unpacked(self.answer), "number": self.request.get("number", 0), "error": ""}
        return self.answer

    def _hear(self, change) -> None:
        """Answer a request of the page; what goes wrong is told there in words."""
        asked = change["new"]
        try:
            self.text, self.steps, self.seed = str(asked["text"]), int(asked["steps"]), int(asked["seed"])
            self.guidance_scale = float(asked["scale"])
            self.draw()
        except Exception as error:  # whatever a model may raise: a reader should see it, not the log of the kernel
            self.reply = {**asked, "error": str(error) or type(error).__name__}

    @property
    def _alt(self) -> str:
        return f"A picture drawn from the caption “{self.text}”, to be looked at word by word"

    def preview(self) -> np.ndarray | None:
        """The picture, and beside it the map of the word, if one is chosen."""
        one = self.answer
        if one is None:
            return None
        large = np.ascontiguousarray(repeat(one.picture, "rgb h w -> (h k) (w l) rgb", k=3, l=3))
        if self.word < 0 or not len(one.maps):
            return large
        weight = one.maps[:, self.word].mean(0)
        weight = weight / max(float(weight.max()), 1e-12)
        return np.concatenate([large, overlay(large, weight)], axis=1)


def _four(what: str, key: Any) -> tuple[str, int, float, int]:
    """Text, steps, scale and seed, if it is these."""
    numbers = key[1:] if isinstance(key, tuple) and len(key) == 4 and isinstance(key[0], str) else [math.nan]
    if any(isinstance(n, bool) or not isinstance(n, int | float) or not math.isfinite(n) for n in numbers):
        raise ValueError(f"{what} must be (text, steps, scale, seed), got {key!r:.120}")
    return key[0], int(key[1]), float(key[2]), int(key[3])


def _key(text: str, steps: int, scale: float, seed: int) -> Key:
    return tuple(split_words(text)), steps, float(scale), seed


def _told(key: tuple, drawn: Drawn) -> dict:
    return {**dict(zip(("text", "steps", "scale", "seed"), _four("answers' keys", key), strict=True)), **facts(drawn)}
