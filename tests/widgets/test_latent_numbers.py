"""The numbers behind the widgets of chapter 7, in node: equal to numpy and to the library, colours to the byte."""

import itertools

import numpy as np
import pytest
import torch
from latent_pages import SLOTS, TEMPLATE, VOCABULARY, latent_viewer
from node import node

from lib.data import CLASSES, COLOURS, RELATIONS, SIZES, Caption
from lib.ldm.text import split_words
from lib.widgets import drawn
from lib.widgets.caption_grammar import checked_slots, fill
from lib.widgets.latent_stage import CHANGES, EDITS, changed
from lib.widgets.sheets import diverging, overlay

TEXTS = [
    "A large RED star, left of a small blue ring",
    "it's  the dog’s — “home”…",
    "flag: Côte d’Ivoire",
    "",
    "snake_case 3½ + 2²?",
    "猫 and 고양이!",
]


def one_of(choices, index: int):
    """Any choice, by a number that grows."""
    return list(choices)[index % len(choices)]


def captions(num: int) -> list[tuple[list[str], str]]:
    """Words for the gaps of the sentence, and the caption that the library makes of them; every third has one thing."""
    made = []
    for i in range(num):
        things = [(one_of(SIZES, i + k), one_of(COLOURS, 3 * i + k), one_of(CLASSES, 5 * i + 2 * k)) for k in (0, 1)]
        relation = one_of(RELATIONS, i // 2)
        if i % 3:
            made.append(([*things[0], relation, *things[1]], str(Caption(tuple(things), (relation,)))))
        else:
            made.append(([*things[0], "", *things[1]], str(Caption(tuple(things[:1])))))
    return made


# ---- colours


def test_colours_of_signed_numbers_equal_numpy():
    """To the byte: both ends, beyond them, zero, and in between."""
    values = np.concatenate([[-9, -2, 0, -0.0, 2, 9], np.random.default_rng(0).normal(size=50)])
    code = "return numbers(m.diverging(Float64Array.from(data.values), 2));"
    found = np.array(node("colour_numbers.js", code, {"values": values.tolist()})).reshape(-1, 4)
    np.testing.assert_array_equal(found[:, :3], diverging(values, 2.0))
    assert (found[2] == 255).all() and found[0].tolist() == found[1].tolist() and (found[:, 3] == 255).all()


def test_a_map_over_a_picture_equals_numpy():
    """To the byte, for squares that are not square; full light leaves the picture as it is."""
    random = np.random.default_rng(1)
    picture, weight = random.integers(0, 256, (8, 12, 3), dtype=np.uint8), random.random((2, 6))
    weight[0, 0], weight[1, 5] = 1, 0
    rgba = np.concatenate([picture, np.full((8, 12, 1), 255, np.uint8)], axis=2)
    code = "return numbers(m.overlay(Uint8ClampedArray.from(data.pixels), [8, 12], data.weight, [2, 6]));"
    sent = {"pixels": rgba.flatten().tolist(), "weight": weight.flatten().tolist()}
    found = np.array(node("colour_numbers.js", code, sent)).reshape(8, 12, 4)
    np.testing.assert_array_equal(found[..., :3], overlay(picture, weight))
    np.testing.assert_array_equal(found[:4, :2, :3], picture[:4, :2])
    assert (found[4:, 10:, :3] <= 0.35 * picture[4:, 10:] + 1).all()


def test_the_ramp_of_attention_grows_brighter():
    """So a map can be read without colours: its brightness alone keeps the order."""
    code = "return numbers(m.glowing(Float64Array.from({ length: 101 }, (_, i) => i / 100)));"
    colours = np.array(node("colour_numbers.js", code)).reshape(-1, 4)[:, :3]
    brightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > -0.51).all() and brightness[-1] > brightness[0] + 180
    assert (np.diff(brightness[::10]) > 0).all()


# ---- captions


def test_words_are_those_of_the_tokenizer():
    """In three places: the tokenizer, the Python side of the widget, the page."""
    found = node("caption_numbers.js", "return data.texts.map(m.splitWords);", {"texts": TEXTS})
    assert found == [split_words(text) for text in TEXTS] == [drawn.split_words(text) for text in TEXTS]


def test_a_filled_sentence_is_the_caption_of_the_library():
    """In Python and on the page; a relation left empty takes the second thing with it."""
    cases = captions(24)
    sent = {"template": TEMPLATE, "cases": [words for words, _ in cases]}
    found = node("caption_numbers.js", "return data.cases.map((words) => m.fill(data.template, words));", sent)
    assert found == [text for _, text in cases] == [fill(TEMPLATE, words) for words, _ in cases]


def test_a_caption_is_read_back_into_the_gaps_and_other_texts_are_not():
    """What was filled in is found; case and spaces do not matter; half a sentence, or another word, is no caption."""
    cases = captions(24)
    texts = [text for _, text in cases] + ["A  LARGE red star", "a large red", "a large red star left of", "zebra", ""]
    sent = {"template": TEMPLATE, "slots": checked_slots(SLOTS, TEMPLATE), "texts": texts}
    code = "return data.texts.map((text) => m.readGaps(data.template, data.slots, text));"
    found = node("caption_numbers.js", code, sent)
    for (words, _), gaps in zip(cases, found, strict=False):
        assert gaps == (words if words[3] else [*words[:3], "", "", "", ""])
    assert found[24] == ["large", "red", "star", "", "", "", ""] and found[25:] == [None] * 4


def test_a_gap_of_a_part_that_was_left_out_takes_its_old_word():
    """With a relation the second thing comes back; without, it goes; a gap that may be empty stays so."""
    slots = checked_slots(SLOTS, TEMPLATE)
    old = ["small", "red", "star", "above", "large", "blue", "ring"]
    alone = ["large", "red", "star", "", "", "", ""]
    sent = {"slots": slots, "old": old, "alone": alone}
    code = """const { slots, alone, old } = data, choose = (found, i, word) => m.withWord(slots, found, old, i, word);
      return [choose(alone, 3, "below"), choose(alone, 1, "green"), choose(old, 3, "")];"""
    found = node("caption_numbers.js", code, sent)
    assert found[0] == ["large", "red", "star", "below", "large", "blue", "ring"]
    assert fill(TEMPLATE, found[1]) == "a large green star" and fill(TEMPLATE, found[2]) == "a small red star"


def test_empty_words_and_words_of_several_parts_are_read_too():
    """A gap that may be empty, a choice of two words of which one begins the other."""
    slots = [("size", ["", "very large", "very"]), ("thing", ["dog", "large dog"])]
    sent = {"template": "the {} {} !", "slots": checked_slots(slots, "the {} {} !")}
    sent["texts"] = ["the dog!", "the very large dog !", "the very dog!", "the large dog!", "the very large !"]
    code = "return data.texts.map((text) => m.readGaps(data.template, data.slots, text));"
    expected = [["", "dog"], ["very large", "dog"], ["very", "dog"], ["", "large dog"], None]
    assert node("caption_numbers.js", code, sent) == expected
    assert fill("the {} {} !", ["", "dog"]) == "the dog !"
    optional = {"template": "x[ {} y] {}", "slots": [{"words": ["", "red"]}, {"words": ["red"]}], "texts": ["x red"]}
    assert node("caption_numbers.js", code, optional) == [["", "red"]], "a part that was tried leaves nothing behind"


def changes(one: tuple, other: tuple) -> int:
    """Fewest words put in, taken out or exchanged, by trying everything."""
    if not one or not other:
        return len(one) + len(other)
    here = changes(one[1:], other[1:]) + (one[0] != other[0])
    return min(here, changes(one[1:], other) + 1, changes(one, other[1:]) + 1)


def test_changed_words_are_counted_as_by_trying_everything():
    """Over all short texts of two letters; the words that stay are as many as the count leaves, in order."""
    texts = [text for n in range(4) for text in itertools.product("ab", repeat=n)]
    code = "return data.texts.map((a) => data.texts.map((b) => m.wordChanges(a, b)));"
    found = node("caption_numbers.js", code, {"texts": texts})
    for one, row in zip(texts, found, strict=True):
        for other, answer in zip(texts, row, strict=True):
            assert answer["count"] == changes(one, other)
            kept = [word for word, stays in zip(other, answer["kept"], strict=True) if stays]
            assert max(len(one), len(other)) - len(kept) <= answer["count"] <= len(one) + len(other) - 2 * len(kept)
            left = iter(one)
            assert all(word in left for word in kept), "what stays is found in the first, in the same order"


def test_the_nearest_stored_captions_come_first():
    """By changed words, then by steps and scale, then by the seed, then as stored; each other caption once."""
    stored = [
        {"text": text, "steps": 30, "scale": scale, "seed": seed}
        for text in ("a red star", "a red ring", "a blue ring", "A Red  star!")
        for scale in (1, 3)
        for seed in (0, 1)
    ]
    ask = lambda **wanted: [  # noqa: E731
        (one["one"]["text"], one["one"]["scale"], one["one"]["seed"], one["count"])
        for one in node(
            "caption_numbers.js", "return m.nearest(data.stored, data.wanted, 3);", {"stored": stored, "wanted": wanted}
        )
    ]
    found = ask(text="a green ring", steps=30, scale=3, seed=1)
    assert found == [("a red ring", 3, 1, 1), ("a blue ring", 3, 1, 1), ("a red star", 3, 1, 2)]
    same = ask(text="a RED ring", steps=30, scale=4, seed=1)
    assert same == [("a red ring", 3, 1, 0), ("a red ring", 3, 0, 0), ("a red ring", 1, 1, 0)]
    assert ask(text="", steps=1, scale=1, seed=0)[0] == ("a red star", 1, 0, 3)


def test_unknown_words_are_marked_once_and_only_with_a_vocabulary():
    """In lower case, in the order of the text; an empty vocabulary marks nothing."""
    sent = {"text": "a Zebra left of a zebra , unicorn", "known": VOCABULARY}
    code = "return [m.unknownWords(data.text, data.known), m.unknownWords(data.text, [])];"
    assert node("caption_numbers.js", code, sent) == [["zebra", ",", "unicorn"], []]


def test_the_map_of_a_word_is_its_step_or_the_mean_on_its_own_scale():
    """One step stays on the scale of the walk; the mean reaches 1; the peak is in shares of attention."""
    steps = np.random.default_rng(2).integers(0, 200, (3, 12))
    code = """const at = (k) => data.steps[k], show = ({ weight, peak }) => [numbers(weight), peak];
      const all = m.wordMap(at, [0, 1, 2], 12, 0.4), dark = m.wordMap(() => Array(12).fill(0), [0, 1], 12, 0);
      return [show(m.wordMap(at, [1], 12, 0.4)), show(all), show(dark)];"""
    one, mean, none = node("caption_numbers.js", code, {"steps": steps.tolist()})
    np.testing.assert_allclose(one[0], steps[1] / 255, rtol=1e-12)
    assert one[1] == pytest.approx(0.4 * steps[1].max() / 255)
    np.testing.assert_allclose(mean[0], steps.mean(0) / steps.mean(0).max(), rtol=1e-12)
    assert mean[1] == pytest.approx(0.4 * steps.mean(0).max() / 255) and none == [[0] * 12, 0]


# ---- latents


def test_latents_on_the_page_are_those_given_also_after_a_change():
    """Sixteen bits keep five figures; a change touches one channel alone."""
    widget = latent_viewer()
    stage, told = widget._stages["4"], widget.stages[1]
    code = """const { shape, std } = data, area = shape[1] * shape[2];
      const latent = m.latentOf(bytes(data.latents), data.unit, 2, shape);
      const edited = ([factor, sd]) => numbers(m.changed(latent, area, 1, factor, sd * std));
      return [numbers(m.changed(Float64Array.of(1, 2), 1, 1, 3, 4)), numbers(latent), ...data.edits.map(edited)];"""
    sent = {**{name: told[name] for name in ("unit", "shape")}, "latents": list(told["latents"])}
    found = node("latent_places.js", code, {**sent, "std": told["std"][1], "edits": list(EDITS.values())})
    assert found.pop(0) == [1, 10], "first the factor, then the shift"
    size = np.abs(stage.latents).max()
    np.testing.assert_allclose(np.array(found[0]), stage.latents[2].flatten(), atol=2e-5 * size)
    latents, std = torch.from_numpy(stage.latents[2:]), torch.from_numpy(stage.std)
    for name, got in zip(EDITS, found[1:], strict=True):
        expected = changed(latents, std, 1, name)[0].flatten().numpy()
        np.testing.assert_allclose(np.array(got), expected, atol=5e-5 * size)


def test_pixels_places_and_squares_belong_together():
    """Every pixel lies in the square of its place, and the middle of a square belongs to the place."""
    code = """const { picture, maps } = data, found = [];
      for (let y = 0; y < picture[0]; y++) for (let x = 0; x < picture[1]; x++) {
        const place = m.placeOf([y, x], picture, maps), s = m.squareOf(place, picture, maps);
        const inside = y >= s.top && y < s.top + s.height && x >= s.left && x < s.left + s.width;
        const back = m.placeOf(m.middleOf(place, picture, maps), picture, maps);
        found.push([inside, s.height, s.width, back[0] === place[0] && back[1] === place[1]]);
      }
      return found;"""
    for maps in ([4, 8], [12, 24], [1, 1]):
        found = node("latent_places.js", code, {"picture": [12, 24], "maps": maps})
        assert {tuple(row) for row in found} == {(True, 12 / maps[0], 24 / maps[1], True)}


def test_every_changed_picture_has_a_number_of_its_own():
    """Over stages with different numbers of channels, in the order in which Python lays them on the sheet."""
    widget = latent_viewer()
    sent = {"stages": [{"shape": stage["shape"]} for stage in widget.stages]}
    code = """const found = [];
      data.stages.forEach(({ shape }, s) => {
        for (let p = 0; p < 3; p++) for (let c = 0; c < shape[0]; c++) for (let e = 0; e < 6; e++) {
          found.push(m.changedIndex(data.stages, s, 3, p, c, e, 6));
        }
      });
      return found;"""
    total = sum(stage.edited.shape[0] * stage.edited.shape[1] for stage in widget._stages.values()) * len(CHANGES)
    assert node("latent_places.js", code, sent) == list(range(total))
