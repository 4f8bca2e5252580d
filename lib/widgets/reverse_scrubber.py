"""The reverse scrubber: recorded chains of a trained model, walked through step by step."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
import traitlets as tr
from einops import rearrange
from jaxtyping import UInt8

from lib.widgets.base import STATIC, StaticAnyWidget, bundle

MAX_SAMPLES = 8


class ReverseScrubber(StaticAnyWidget):
    """From noise to picture: x_t, the guess of x_0 and the guess of the noise at every recorded step.

    The page holds the guesses and the seed; the browser rebuilds every x_t from them.

    Reading and setting from Python: ``w.sample`` (which chain) and ``w.step`` (0 is x_T, the last is the finished
    picture). Reading only: ``w.t`` (the level of the step) and ``w.state`` (t, x_t, x_0_hat and eps_hat of the chain).

    Args:
        film: what `lib.ddpm.record.record_trajectory` returns; 1 to 8 chains of colour pictures.
        names: one for each chain; default "sample 1", ….
        sample: the chain to begin with.
        step: the step to begin with; default two thirds of the way.

    Raises:
        ValueError: if the film holds no colour pictures or too many chains, or names, sample or step do not fit.
    """

    _esm = bundle("reverse_scrubber.js")
    _css = StaticAnyWidget._css + (STATIC / "diffusion.css").read_text("utf8")
    _alt = "Denoising step by step: the noisy picture, the model's guess of the clean one, and its guess of the noise"

    sample = tr.Int(0).tag(sync=True)
    step = tr.Int(0).tag(sync=True)
    levels = tr.List(tr.Int()).tag(sync=True)
    alpha_bar = tr.Bytes().tag(sync=True)
    shape = tr.List(tr.Int()).tag(sync=True)
    seed = tr.Int().tag(sync=True)
    names = tr.List(tr.Unicode()).tag(sync=True)
    packed = tr.List(tr.Bytes()).tag(sync=True)

    def __init__(self, film, names: Sequence[str] | None = None, *, sample: int = 0, step: int | None = None):
        x_0_hat = film.x_0_hat
        if x_0_hat.dtype != torch.uint8 or x_0_hat.ndim != 5 or x_0_hat.shape[2] != 3:
            raise ValueError(f"film.x_0_hat must be bytes (N, S, 3, H, W), got {x_0_hat.dtype} {tuple(x_0_hat.shape)}")
        count, steps = x_0_hat.shape[:2]
        if not 1 <= count <= MAX_SAMPLES:
            raise ValueError(f"film must hold 1 to {MAX_SAMPLES} chains, got {count}; record fewer samples")
        names = [f"sample {i + 1}" for i in range(count)] if names is None else [str(name) for name in names]
        if len(names) != count:
            raise ValueError(f"names must be one for each of the {count} chains, got {len(names)}")
        super().__init__(
            levels=[int(t) for t in film.levels],
            alpha_bar=film.alpha_bar.double().numpy().astype("<f8").tobytes(),
            shape=list(x_0_hat.shape[2:]),
            seed=film.seed,
            names=names,
            packed=[pack(chain.numpy()) for chain in x_0_hat],
        )
        self._states = list(film.states())
        self.sample, self.step = sample, round(2 * steps / 3) if step is None else step

    @tr.validate("sample")
    def _known_sample(self, proposal):
        return _within("sample", proposal["value"], len(self.names) - 1)

    @tr.validate("step")
    def _known_step(self, proposal):
        return _within("step", proposal["value"], len(self.levels))

    @property
    def t(self) -> int:
        """The level of the step: T at first, 0 at the end."""
        return [*self.levels, 0][self.step]

    @property
    def state(self) -> tuple:
        """t, and x_t, x_0_hat, eps_hat of the chain in view, each (3, H, W)."""
        t, *pictures = self._states[self.step]
        return t, *(picture[self.sample] for picture in pictures)

    def preview(self) -> np.ndarray:
        """The three pictures side by side."""
        _, x_t, x_0_hat, eps_hat = self.state
        scale, parts = max(1, 192 // x_t.shape[-1]), []
        for picture in (x_t, x_0_hat, eps_hat / 3):
            pixels = ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
            large = rearrange(pixels.repeat(scale, 1).repeat(scale, 2), "c h w -> h w c")
            parts += [large, np.full((large.shape[0], 12, 3), 255, np.uint8)]
        return np.concatenate(parts[:-1], axis=1)


def pack(pictures: UInt8[np.ndarray, "S 3 H W"]) -> bytes:
    """Pictures of one chain as few bytes: differences from step to step, modulo 256, then zlib."""
    change = pictures.copy()
    change[1:] -= pictures[:-1]
    return zlib.compress(change.tobytes(), 9)


def _within(name: str, value: int, last: int) -> int:
    if not 0 <= value <= last:
        raise ValueError(f"{name} must lie in 0..{last}, got {value!r}")
    return value
