"""The noise slider: how a sample z = mu + sigma eps moves when mu, sigma or the noise changes."""

import math

import numpy as np
import torch
import traitlets as tr
from torch import nn

from lib.widgets.base import StaticAnyWidget, bundle
from lib.widgets.nn import export_layers, output_shape

RANGES = {"mu": (-3.0, 3.0), "logvar": (-6.0, 2.0), "eps": (-3.5, 3.5)}


class _Number(tr.TraitType):
    """A finite number within the range of its slider."""

    info_text = "a number on its slider"

    def validate(self, obj, value):
        low, high = RANGES[self.name]
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.name} must be a number, got {value!r}") from error
        if not low <= number <= high:
            raise ValueError(f"{self.name} must lie in [{low:g}, {high:g}], the range of its slider, got {number:g}")
        return number


class NoiseSlider(StaticAnyWidget):
    """Sliders for mu, log sigma^2 and eps; above them the noise, the density of the code, and the sample between them.

    Arrows show how fast z moves with mu (always 1) and with sigma (eps): the gradients that pass through a sample. A
    button draws new noise; earlier draws stay as thin lines and move along, because their noise stays the same.

    Reading and setting from Python: ``w.mu``, ``w.logvar``, ``w.eps``; reading only: ``w.z``, ``w.sigma``, ``w.kl``.

    Args:
        mu: mean, in [-3, 3].
        logvar: log of the variance, in [-6, 2].
        eps: the noise, in [-3.5, 3.5].
        seed: of the noise that the button draws; the n-th press gives the same number in every browser.
        decoder: network from (B, D) to (B, 3 or 1, H, W) in [-1, 1]; shows the pictures at mu and at z.
        origin: the code (D numbers) decoded at 0; default zeros.
        direction: what is added for each unit of z (D numbers); default the first axis.

    Raises:
        ValueError: naming the argument that is out of its range or does not fit the decoder.

    Source: Kingma and Welling 2014, arXiv:1312.6114, section 2.4 and appendix B.
    """

    _esm = bundle("noise_slider.js")
    _alt = "Reparameterisation: noise above, the density of the code below, and the sample z = μ + σε that joins them"

    mu = _Number(0.0).tag(sync=True)
    logvar = _Number(0.0).tag(sync=True)
    eps = _Number(0.0).tag(sync=True)
    seed = tr.Int(0).tag(sync=True)
    draws = tr.Int(0).tag(sync=True)
    decoder = tr.Dict().tag(sync=True)

    def __init__(
        self,
        mu: float | int = 1.0,
        logvar: float | int = -1.0,
        eps: float | int = 1.2,
        *,
        seed: int = 0,
        decoder: nn.Module | None = None,
        origin=None,
        direction=None,
    ):
        entry = {} if decoder is None else _entry(decoder, origin, direction)
        super().__init__(mu=mu, logvar=logvar, eps=eps, seed=seed, decoder=entry)

    @property
    def sigma(self) -> float:
        """Standard deviation, exp(logvar / 2)."""
        return math.exp(self.logvar / 2)

    @property
    def z(self) -> float:
        """The sample mu + sigma eps."""
        return self.mu + self.sigma * self.eps

    @property
    def kl(self) -> float:
        """KL divergence from N(mu, sigma^2) to N(0, 1), in nats."""
        return 0.5 * (self.mu**2 + self.sigma**2 - self.logvar - 1)

    def preview(self) -> np.ndarray:
        """The density of the code, the prior as a dotted line, and the sample as a bar."""
        width, height, base = 440, 150, 135
        x = np.linspace(-6, 6, width)

        def curve(mu: float, sigma: float) -> np.ndarray:
            return np.exp(-0.5 * ((x - mu) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))

        code, prior = curve(self.mu, self.sigma), curve(0.0, 1.0)
        scale = (base - 10) / max(0.44, code.max())
        rows = np.arange(height)[:, None]
        pixels = np.full((height, width, 3), 255, np.uint8)
        pixels[(rows <= base) & (rows > base - scale * code)] = (186, 212, 236)
        pixels[(base - scale * prior).round().astype(int)[::4], np.arange(width)[::4]] = (60, 60, 60)
        pixels[base] = 120
        place = int(np.clip(round((self.z + 6) / 12 * (width - 1)), 2, width - 3))
        pixels[20 : base + 8, place - 1 : place + 2] = (163, 58, 0)
        return pixels


def _entry(decoder: nn.Module, origin, direction) -> dict:
    first = next((layer for layer in decoder.modules() if isinstance(layer, nn.Linear)), None)
    if first is None:
        raise ValueError("decoder must begin with a Linear layer, whose inputs are the code")
    dim = first.in_features
    origin = [0.0] * dim if origin is None else [float(v) for v in origin]
    direction = [1.0] + [0.0] * (dim - 1) if direction is None else [float(v) for v in direction]
    if len(origin) != dim or len(direction) != dim or not torch.tensor(origin + direction).isfinite().all():
        raise ValueError(
            f"origin and direction must be {dim} finite numbers each, got {len(origin)} and {len(direction)}"
        )
    shape = output_shape(decoder, num_inputs=dim)
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ValueError(f"decoder must make pictures of shape (1 or 3, H, W), got {shape}")
    program, weights = export_layers(decoder)
    return {"program": program, "weights": weights, "shape": list(shape), "origin": origin, "direction": direction}
