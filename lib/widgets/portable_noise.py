"""Random numbers that Python and the browser agree on: number i of a stream is a function of (seed, stream, i) alone.

A widget stores three integers instead of an array of noise, and rebuilds it wherever it is looked at.
"""

import numpy as np

_WORD = 0xFFFFFFFF
GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio


def _mix(x: np.ndarray) -> np.ndarray:
    """Scramble 32-bit words: neighbours become unrelated, and no two words become equal."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x21F0AAAD)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x735A2D97)
    return x ^ (x >> np.uint32(15))


def words(num: int, seed: int, stream: int = 0) -> np.ndarray:
    """The first ``num`` 32-bit words of a stream, as uint32.

    Args:
        num: how many.
        seed: in 0..2^32 - 1.
        stream: in 0..2^32 - 1; streams of one seed are unrelated.

    Raises:
        ValueError: if one of the three is out of its range.
    """
    for name, value in (("num", num), ("seed", seed), ("stream", stream)):
        if not 0 <= value <= _WORD:
            raise ValueError(f"{name} must lie in 0..2^32 - 1, got {value}")
    key = _mix(_mix(np.array([(seed + GOLDEN) & _WORD], np.uint32)) ^ np.uint32(stream))
    return _mix(_mix(np.arange(num, dtype=np.uint32) + np.uint32(GOLDEN)) ^ key)


def uniforms(num: int, seed: int, stream: int = 0) -> np.ndarray:
    """Numbers between 0 and 1, both excluded, float64."""
    return (words(num, seed, stream) + 0.5) / 2.0**32


def normals(num: int, seed: int, stream: int = 0) -> np.ndarray:
    """Standard normal numbers, float64; the browser has the same to about 1e-13.

    Source: Box and Muller 1958, "A note on the generation of random normal deviates".
    """
    pairs = uniforms(2 * ((num + 1) // 2), seed, stream).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:num]
