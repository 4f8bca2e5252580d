"""Does the picture show what was asked for? Captions are judged by the exact reader, emoji by distances."""

import functools
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from lib.data import COLOURS, Scenes, emoji, shapes
from lib.ddpm.quality import compare
from lib.ddpm.recipe import all_pictures
from lib.ldm.sampling import TextToImage
from lib.metrics import compare_captions, compare_scenes, read_scene

SPLITS = {"seen": "train", "held_out_pairs": "heldout", "held_out_relations": "heldout_relation"}
"""Compositions by what is new about them, and the split of `lib.data.shapes` that draws them."""

FACTS = ("class", "colour", "size", "relation", "all")


@functools.cache
def captions_to_test(num: int, kind: str = "seen", seed: int = 100) -> tuple[str, ...]:
    """Captions of two shapes, drawn for a test.

    Raises:
        ValueError: if ``kind`` is none of `SPLITS`.
    """
    if kind not in SPLITS:
        raise ValueError(f"kind must be one of {', '.join(SPLITS)}, got {kind!r}")
    return tuple(shapes(num, 32, 2, split=SPLITS[kind], seed=seed).captions)


def turned(caption: str) -> str:
    """A caption with its relations turned round: right for left, below for above."""
    words = {"left": "right", "right": "left", "above": "below", "below": "above"}
    return " ".join(words.get(word, word) for word in caption.split())


def recoloured(caption: str) -> str:
    """A caption of two shapes with their colours exchanged."""
    words = caption.split()
    first, second = (index for index, word in enumerate(words) if word in COLOURS)
    words[first], words[second] = words[second], words[first]
    return " ".join(words)


def caption_scores(images: Float[Tensor, "N 3 S S"], captions: list[str] | tuple[str, ...]) -> dict[str, float]:
    """Share of what captions of two shapes say that is read from the pictures, by attribute, and "all" of it at once.

    ``found`` is the share of objects that are there at all.
    """
    reading = read_scene(images, num_objects=2)
    right = compare_captions(reading, list(captions))
    numbers = {fact: right[fact].double().mean().item() for fact in FACTS}
    return numbers | {"found": reading.found.double().mean().item()}


def score_captions_by_kind(
    generate: Callable[[list[str]], Float[Tensor, "N 3 S S"]], num: int, seed: int = 100
) -> dict[str, float]:
    """`caption_scores` of ``num`` captions of each kind: "all, seen", "colour, held_out_pairs", …

    Args:
        generate: from captions to pictures.
        num: captions of each kind.
        seed: of the captions.
    """
    numbers = {}
    for kind in SPLITS:
        captions = captions_to_test(num, kind, seed)
        for fact, share in caption_scores(generate(list(captions)), captions).items():
            numbers[f"{fact}, {kind}"] = round(share, 4)
    return numbers


def emoji_scores(images: Float[Tensor, "N 3 64 64"]) -> dict[str, float]:
    """The numbers of `lib.ddpm.quality.compare` of one picture for each name of `emoji_test_names`."""
    return compare(images, all_pictures(64), all_pictures(64, "heldout"))


def emoji_test_names() -> list[str]:
    """As many names of training emoji as there are held-out ones, evenly from all groups."""
    names, num = [row.name for row in emoji(32).table], len(emoji(32, "heldout"))
    return [names[i * len(names) // num] for i in range(num)]


def layout_scores(images: Float[Tensor, "N 3 S S"], scenes: Scenes) -> dict[str, float]:
    """Share of shapes that stand where the layout had them: class, and box with an overlap of at least one half."""
    right = compare_scenes(read_scene(images, num_objects=scenes.class_idx.shape[1]), scenes)
    numbers = {fact: right[fact].double().mean().item() for fact in ("class", "box")}
    return numbers | {"both": (right["class"] & right["box"]).double().mean().item()}


def pictures_of(bundle: TextToImage, **settings) -> Callable[[list[str]], Float[Tensor, "N 3 S S"]]:
    """A function from texts to pictures, for `score_captions_by_kind`; ``settings`` are those of `generate`."""
    return lambda texts: bundle.generate(texts, **settings).images
