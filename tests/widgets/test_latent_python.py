"""The Python side of the widgets of chapter 7: what is refused, what is read back, how heavy a page is."""

import numpy as np
import pytest
import torch
from checks import assert_refused
from latent_pages import SLOTS, TEMPLATE, answers, caption_builder, cut, slow_model

from lib.widgets import CaptionBuilder
from lib.widgets import drawn as drawn_module
from lib.widgets.caption_grammar import fill
from lib.widgets.drawn import as_drawn
from lib.widgets.sheets import overlay

STORED = answers(4, 16, num_walk=3, side=4)
FIRST = next(iter(STORED))


def enlarged(pictures: np.ndarray, factor: int = 3) -> np.ndarray:
    """(3, H, W) as (kH, kW, 3)."""
    return pictures.transpose(1, 2, 0).repeat(factor, 0).repeat(factor, 1)


# ---- the caption builder: reading and setting


def test_a_caption_is_looked_up_by_its_words_and_settings():
    """Case and spaces make no difference; another setting is another answer, or none."""
    widget = caption_builder()
    assert (widget.text, widget.steps, widget.guidance_scale, widget.seed) == FIRST
    np.testing.assert_array_equal(widget.answer.picture, STORED[FIRST][0])
    widget.text = "  " + FIRST[0].upper()
    np.testing.assert_array_equal(widget.answer.picture, STORED[FIRST][0])
    widget.guidance_scale = 7.5
    assert (widget.answer.picture != STORED[FIRST][0]).any()
    widget.seed = 3
    assert widget.answer is None and widget.preview() is None and widget.words == FIRST[0].split()


def test_sheets_hold_pictures_walks_and_maps_in_the_order_of_the_answers():
    """Without loss each is cut out again; maps have 255 where a word is attended to most."""
    widget = CaptionBuilder(STORED, walk_quality=None)
    sheets, columns = widget.sheets, widget.sheets["columns"]
    pictures, walks = (cut(sheets[name], columns[name], 16) for name in ("picture", "walk"))
    maps = cut(sheets["map"], columns["map"], 4)[:, 0]
    for i, (picture, walk, words, attention, _) in enumerate(STORED.values()):
        np.testing.assert_array_equal(pictures[i], picture)
        np.testing.assert_array_equal(walks[3 * i : 3 * i + 3], walk)
        told = widget.stored[i]
        start = sum(one["maps"] * len(one["words"]) for one in widget.stored[:i])
        own = maps[start : start + 3 * len(words)].reshape(3, -1, 4, 4)
        back = own / 255 * np.array(told["peaks"])[:, None, None]
        np.testing.assert_allclose(back, attention.numpy(), atol=0.005)
        assert (own.max((0, 2, 3)) == 255).all() and (told["frames"], told["maps"]) == (3, 3)


def test_a_word_is_chosen_by_number_or_by_itself_and_forgotten_where_it_is_not():
    """The first of two equal words; a shorter caption has no tenth word; an estimate likewise."""
    widget = caption_builder(generate=slow_model)
    widget.word = "A"
    assert widget.word == widget.words.index("a") == 1
    widget.word, widget.estimate = len(widget.words) - 1, 2
    weight = widget.answer.maps[:, widget.word].mean(0)
    large = enlarged(widget.answer.picture)
    np.testing.assert_array_equal(widget.preview(), np.concatenate([large, overlay(large, weight / weight.max())], 1))
    widget.guidance_scale = 2.0
    assert widget.answer is None and widget.estimate == 2, "kept until there is another answer"
    widget.text = "a ring"
    widget.draw()
    assert (widget.word, widget.estimate) == (-1, 2)


def test_a_picture_alone_is_an_answer():
    """No walk, no words, no maps; the words are those of the text."""
    widget = CaptionBuilder({("a bee", 10, 1, 0): np.zeros((3, 8, 8), np.uint8)})
    assert widget.words == ["a", "bee"] and widget.preview().shape == (24, 24, 3)
    assert widget.stored[0]["frames"] == widget.stored[0]["maps"] == 0 and widget.sizes == [8, 8, 0, 0]


# ---- a model behind it


def ask(widget, number: int, text: str, seed: int = 0) -> dict:
    """What a page hears when it asks."""
    widget.request = {"number": number, "text": text, "steps": 12, "scale": 2.5, "seed": seed}
    return widget.reply


def test_a_model_answers_requests_with_their_number_once_for_each_caption():
    """Settings arrive in Python, the reply has the bytes; the same question again is not drawn again."""
    asked = []

    def model(*key):
        asked.append(key)
        return slow_model(*key)

    widget = caption_builder(generate=model)
    reply = ask(widget, 1, "a red dog", seed=4)
    assert asked == [("a red dog", 12, 2.5, 4)] and widget.live and reply["number"] == 1 and reply["error"] == ""
    assert (widget.text, widget.steps, widget.guidance_scale, widget.seed) == asked[0]
    assert reply["words"] == ["<start>", "a", "red", "dog", "<end>"] and reply["sizes"] == [16, 16, 4, 4]
    assert reply["picture"] == widget.answer.picture.tobytes() and len(reply["walk"]) == 3 * len(reply["picture"])
    assert len(reply["map"]) == 3 * 5 * 16
    assert ask(widget, 2, "A red  dog", seed=4)["number"] == 2 and len(asked) == 1
    widget.text = "a blue dog"
    assert widget.draw() is widget.answer and len(asked) == 2 and widget.reply["text"] == "a blue dog"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a zebra", "no zebras today"),
        ("x" * 201, "one line of at most 200 letters"),
        ("a bad one", "picture must be bytes"),
    ],
)
def test_what_goes_wrong_is_told_in_words(text, words):
    """An error of the model, a caption that is refused, an answer that is none: the reply says so, the next works."""

    def model(text, *settings):
        return np.zeros((3, 4, 4)) if "bad" in text else slow_model(text, *settings)

    widget = caption_builder(generate=model)
    reply = ask(widget, 5, text)
    assert words in reply["error"] and reply["number"] == 5 and "picture" not in reply
    assert ask(widget, 6, "a dog")["error"] == ""


def test_without_a_model_only_stored_captions_are_drawn():
    """The message names the text; a request is answered in words."""
    widget = caption_builder()
    assert widget.draw() is widget.answer and not widget.live
    widget.text = "a dog"
    with pytest.raises(ValueError, match="text must be a stored caption where there is no model, got 'a dog'"):
        widget.draw()
    assert "must be a stored caption" in ask(widget, 1, "a cat")["error"]


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("text", "two\nlines", "text must be one line"),
        ("text", "x" * 201, "at most 200 letters"),
        ("steps", 0, r"steps must lie in 1\.\.1000"),
        ("guidance_scale", -0.5, r"guidance_scale must lie in \[0, 30\]"),
        ("guidance_scale", float("nan"), r"guidance_scale must lie in \[0, 30\]"),
        ("seed", 2**31, r"seed must lie in 0\.\."),
        ("word", 99, "word must be -1, or one of"),
        ("word", "zebra", "word must be -1, or one of .*got 'zebra'"),
        ("estimate", 4, r"estimate must lie in -1\.\.3"),
    ],
)
def test_the_caption_builder_refuses_and_stays_as_it_was(name, value, words):
    """The message names what, the rule and the value; nothing changes."""
    assert_refused(caption_builder(), name, value, words)


PICTURE, MAPS = np.zeros((3, 16, 16), np.uint8), np.ones((2, 4, 4))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (PICTURE.astype(np.float32), r"picture must be bytes \(3, H, W\), got float32"),
        (PICTURE[:1], "picture must be bytes"),
        ((PICTURE, PICTURE), r"walk must be bytes \(K, 3, H, W\)"),
        ((PICTURE, np.zeros((13, 3, 16, 16), np.uint8)), "walk must be at most 12 pictures"),
        ((PICTURE, np.zeros((2, 3, 8, 8), np.uint8)), "as large as the finished one"),
        ((PICTURE, None, ["a"], MAPS), r"maps must be \(1 words, h, w\)"),
        ((PICTURE, None, (), MAPS), r"maps must be \(0 words"),
        ((PICTURE, None, ["a", "b"], -MAPS), "finite and not negative, got -1 to -1"),
        ((PICTURE, None, ["a", "b"], np.full((2, 4, 4), np.nan)), "finite and not negative"),
        ((PICTURE, None, ["a", "b"], np.ones((2, 5, 5))), r"maps must divide pictures of \(16, 16\)"),
        ((PICTURE, None, ["a", "b"], np.ones((3, 2, 4, 4))), r"or \(0, 2, h, w\)"),
        ((PICTURE, None, ["a"] * 41), "at most 40 words, got 41"),
    ],
)
def test_answers_that_do_not_fit_are_refused(given, words):
    """The message says of which answer, which part, and what would fit."""
    with pytest.raises(ValueError, match=words):
        CaptionBuilder({("a bee", 10, 1.0, 0): given})


@pytest.mark.parametrize(
    ("made", "settings", "words"),
    [
        ({}, {}, "answers must be 1 to 200, or start be given"),
        ({("a", 1, 1): PICTURE}, {}, r"answers' keys must be \(text, steps, scale, seed\)"),
        ({("a", 1, True, 0): PICTURE}, {}, "answers' keys must be"),
        (
            {("a b", 1, 1, 0): PICTURE, ("A  b", 1, 1.0, 0): PICTURE},
            {},
            "must differ in words or settings, got 1 twice",
        ),
        ({("a", 1, 1, 0): PICTURE, ("b", 1, 1, 0): PICTURE[:, :8]}, {}, "pictures of one size"),
        (STORED, {"start": ("a bee", 1, 1)}, "start must be"),
        (STORED, {"template": "a {}"}, r"template must have one \{\} for each of the 0 slots"),
        (STORED, {"template": "[a", "slots": []}, "open and close its square brackets"),
        (STORED, {"template": "{}", "slots": [("size", ["a", "a"])]}, "slot 'size' must have 1 to 60 different words"),
        (STORED, {"template": "{}", "slots": [("size", [])]}, "slot 'size' must have"),
        (STORED, {"quality": 0}, r"quality must be None or lie in 1\.\.100"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(made, settings, words):
    """The message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        CaptionBuilder(made, **settings)


def test_as_many_words_as_gaps():
    """Neither more nor fewer."""
    with pytest.raises(ValueError, match="words must be 7, one for each gap, got 6"):
        fill(TEMPLATE, ["a"] * 6)


def test_maps_over_the_walk_and_their_mean_are_both_taken():
    """(words, h, w) becomes one step; a tensor is as good as an array."""
    words = ["a", "b"]
    one = as_drawn((torch.from_numpy(PICTURE), None, words, torch.ones(2, 4, 4)), "it")
    two = as_drawn((PICTURE, np.stack([PICTURE] * 3), words, np.ones((3, 2, 4, 4))), "it")
    assert one.maps.shape == (1, 2, 4, 4) and two.maps.shape == (3, 2, 4, 4)


def noisy(made: dict) -> dict:
    """As a decoder leaves pictures: no two pixels of the background are quite alike."""
    random = np.random.default_rng(0)

    def rough(pictures):
        return np.clip(pictures + random.normal(0, 2.5, pictures.shape), 0, 255).astype(np.uint8)

    return {key: (rough(one[0]), rough(one[1]), *one[2:]) for key, one in made.items()}


def test_sixty_captions_with_walks_and_maps_make_less_than_a_megabyte(monkeypatch):
    """64 x 64 pixels, six estimates and 16 x 16 maps of about ten words: for every step, or exact pictures and the mean
    map. Too much is refused with what would help."""
    every = noisy(answers(60, 64, num_walk=6, side=16))
    mean = {key: (*one[:3], one[3].mean(0), one[4]) for key, one in every.items()}
    how = {"slots": SLOTS, "template": TEMPLATE}
    assert len(CaptionBuilder(every, quality=90, **how).static_html()) < 850_000
    assert len(CaptionBuilder(mean, **how).static_html()) < 900_000
    monkeypatch.setattr(drawn_module, "MAX_BYTES", 300_000)
    with pytest.raises(ValueError, match="answers must pack into 300 kB, got [0-9]+ kB; set quality=85"):
        CaptionBuilder(every, quality=90, **how)
