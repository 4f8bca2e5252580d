"""What a model drew from a caption, checked and packed for the caption builder."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange

from lib.widgets.sheets import columns_for, sheet

MAX_WALK, MAX_WORDS, MAX_BYTES = 12, 40, 1_000_000
MAP_QUALITY = 90  # maps are smooth: half a per cent of error on average, at less than half the bytes


class Drawn(NamedTuple):
    """One picture and how it came about.

    Attributes:
        picture: bytes (3, H, W).
        walk: estimates of the picture on the way to it, from noise on, bytes (K, 3, H, W), K at most 12; the finished
            picture is not among them.
        words: what the model read, word by word, marks such as <start> included.
        maps: how much each word is attended to at every place: (words, h, w), the mean over the walk, or
            (K, words, h, w), one for each estimate; not negative. H and W are multiples of h and w.
        unknown: words that the model did not know.
    """

    picture: Any
    walk: Any = None
    words: Sequence[str] = ()
    maps: Any = None
    unknown: Sequence[str] = ()


def split_words(text: str) -> list[str]:
    """The words of a text in lower case; every mark that stands between them is one too."""
    return re.findall(r"[\w’']+|[^\w\s]", text.lower())


def as_drawn(given: Any, what: str) -> Drawn:
    """A picture alone, or a tuple in the order of `Drawn`, as arrays: maps become (M, words, h, w).

    Raises:
        ValueError: saying which part of ``what`` does not fit.
    """
    parts = Drawn(*given) if isinstance(given, tuple) else Drawn(given)
    picture = _bytes(parts.picture, 3, f"{what}'s picture")
    walk = _walk(parts.walk, picture, what)
    words, unknown = ([str(word) for word in part or ()] for part in (parts.words, parts.unknown))
    if len(words) > MAX_WORDS:
        raise ValueError(f"{what} must have at most {MAX_WORDS} words, got {len(words)}")
    return Drawn(picture, walk, words, _maps(parts.maps, words, len(walk), picture, what), unknown)


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _bytes(value: Any, num_dims: int, what: str) -> np.ndarray:
    array = _array(value)
    if array.dtype != np.uint8 or array.ndim != num_dims or array.shape[-3] != 3:
        raise ValueError(
            f"{what} must be bytes ({'K, ' * (num_dims - 3)}3, H, W), got {array.dtype} {array.shape}; pictures in "
            f"[-1, 1] become them by ((x.clamp(-1, 1) + 1) * 127.5).round().byte()"
        )
    return array


def _walk(value: Any, picture: np.ndarray, what: str) -> np.ndarray:
    if value is None:
        return np.zeros((0, *picture.shape), np.uint8)
    walk = _bytes(value, 4, f"{what}'s walk")
    if walk.shape[1:] != picture.shape or len(walk) > MAX_WALK:
        raise ValueError(
            f"{what}'s walk must be at most {MAX_WALK} pictures as large as the finished one, "
            f"{picture.shape}, got {walk.shape}"
        )
    return walk


def _maps(value: Any, words: list[str], num_walk: int, picture: np.ndarray, what: str) -> np.ndarray:
    if value is None:
        return np.zeros((0, len(words), 1, 1))
    maps = _array(value).astype(np.float64)
    maps = maps[None] if maps.ndim == 3 else maps
    if maps.ndim != 4 or len(maps) not in (1, num_walk) or maps.shape[1] != len(words) or not words:
        raise ValueError(
            f"{what}'s maps must be ({len(words)} words, h, w) or ({num_walk}, {len(words)}, h, w), "
            f"got {_array(value).shape}"
        )
    if not np.isfinite(maps).all() or maps.min() < 0:
        raise ValueError(f"{what}'s maps must be finite and not negative, got {maps.min():.4g} to {maps.max():.4g}")
    if any(large % small for large, small in zip(picture.shape[1:], maps.shape[2:], strict=True)):
        raise ValueError(f"{what}'s maps must divide pictures of {picture.shape[1:]}, got {maps.shape[2:]}")
    return maps


def facts(drawn: Drawn) -> dict:
    """What a page is told beside the pixels: the words, those unknown, how many pictures and maps, and the largest
    attention to each word."""
    peaks = drawn.maps.max((0, 2, 3)) if len(drawn.maps) else np.zeros(0)
    return {
        "words": list(drawn.words),
        "unknown": list(drawn.unknown),
        "frames": len(drawn.walk),
        "maps": len(drawn.maps),
        "peaks": [float(f"{peak:.3g}") for peak in peaks],
    }


def map_bytes(drawn: Drawn) -> np.ndarray:
    """(M, words, h, w) bytes: 255 is the largest attention to the word."""
    if not len(drawn.maps):
        return np.zeros(drawn.maps.shape, np.uint8)
    peaks = drawn.maps.max((0, 2, 3), keepdims=True)
    return np.floor(255 * drawn.maps / np.maximum(peaks, 1e-12) + 0.5).astype(np.uint8)


def sizes_of(drawn: Sequence[Drawn]) -> list[int]:
    """Height and width of the pictures, then of the maps; 0 where there are none."""
    if not drawn:
        return [0, 0, 0, 0]
    pictures = {one.picture.shape[1:] for one in drawn}
    maps = {one.maps.shape[2:] for one in drawn if len(one.maps)}
    for what, found in (("pictures", pictures), ("maps", maps)):
        if len(found) > 1:
            raise ValueError(f"answers must have {what} of one size, got {sorted(found)}")
    return [*pictures.pop(), *(maps.pop() if maps else (0, 0))]


def pack(drawn: Sequence[Drawn], quality: int | None, walk_quality: int | None) -> dict:
    """WebP sheets of the finished pictures, the estimates and the maps, in the order of the answers."""
    walks = [frame for one in drawn for frame in one.walk]
    maps = [rearrange(map_bytes(one), "m w h v -> (m w) 1 h v") for one in drawn if len(one.maps)]
    kinds = {"picture": ([one.picture for one in drawn], quality), "walk": (walks, walk_quality)}
    kinds["map"] = (np.concatenate(maps) if maps else [], None if walk_quality is None else MAP_QUALITY)
    made: dict[str, Any] = {"columns": {name: columns_for(len(pictures)) for name, (pictures, _) in kinds.items()}}
    for name, (pictures, how) in kinds.items():
        made[name] = b""
        if len(pictures):
            columns = made["columns"][name]
            made[name] = sheet(np.stack(list(pictures)), columns, how, most=MAX_BYTES, what="answers")
    weight = sum(len(made[name]) for name in kinds)
    if weight > MAX_BYTES:
        raise ValueError(
            f"answers must pack into {MAX_BYTES // 1000} kB, got {weight // 1000} kB; set quality=85, a lower "
            f"walk_quality, or give fewer"
        )
    return made


def unpacked(drawn: Drawn) -> dict:
    """An answer for the page without packing: it travels once, to a browser on the same machine."""
    sizes = [*drawn.picture.shape[1:], *drawn.maps.shape[2:]]
    pixels = {"picture": drawn.picture.tobytes(), "walk": drawn.walk.tobytes(), "map": map_bytes(drawn).tobytes()}
    return {**facts(drawn), **pixels, "sizes": list(sizes)}
