"""What figures of particles in the plane share: a schedule, data as the page reads them, traits and their limits."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
import traitlets as tr
from jaxtyping import Float
from torch import Tensor

from lib.data import GaussianMixture
from lib.widgets.base import STATIC, StaticAnyWidget, one_of
from lib.widgets.portable_noise import normals

MAX_POINTS, MAX_SETS = 300, 8


class PlaneWidget(StaticAnyWidget):
    """A square of the plane, a schedule of noise levels, and the seed of all noise.

    Args:
        alpha_bar: the schedule.
        num_levels: the fewest and the most steps that it may have.
        starts: places, two float32 each, that the square must hold.
        state: traits of the subclass.
    """

    seed = tr.Int(0).tag(sync=True)
    alpha_bar = tr.Bytes().tag(sync=True)
    reach = tr.Float(3.0).tag(sync=True)

    def __init__(
        self, alpha_bar: Float[Tensor, " levels"], num_levels: tuple[int, int], starts: Iterable[bytes], **state
    ):
        self._alpha_bar = checked_schedule(alpha_bar, *num_levels)
        packed = self._alpha_bar.numpy().astype("<f8").tobytes()
        super().__init__(alpha_bar=packed, reach=_reach(starts), **state)

    @property
    def last_level(self) -> int:
        """T, the level of the most noise."""
        return len(self._alpha_bar) - 1

    @tr.validate("seed")
    def _seed_in_range(self, proposal):
        if not 0 <= proposal["value"] < 2**31:
            raise ValueError(f"seed must lie in 0..{2**31 - 1}, got {proposal['value']!r}")
        return proposal["value"]

    def _on_picture(self, places: np.ndarray, side: int) -> np.ndarray:
        """Where places in the plane lie on a picture of that many pixels a side."""
        return (places * [1, -1] / self.reach + 1) / 2 * (side - 1)


class LevelWidget(PlaneWidget):
    """With the level of noise in view, t."""

    t = tr.Int(0).tag(sync=True)

    @tr.validate("t")
    def _t_in_range(self, proposal):
        if not 0 <= proposal["value"] <= self.last_level:
            raise ValueError(f"t must lie in 0..{self.last_level}, got {proposal['value']!r}")
        return proposal["value"]


class SamplerWidget(PlaneWidget):
    """With particles that start as noise."""

    _css = StaticAnyWidget._css + "".join(
        (STATIC / name).read_text("utf8") for name in ("diffusion.css", "sampler.css")
    )

    num = tr.Int().tag(sync=True)

    @property
    def x_T(self) -> Float[np.ndarray, "N 2"]:
        """Where the particles start, the same numbers as in the browser."""
        return normals(2 * self.num, self.seed, 0).reshape(-1, 2)


class SetsWidget(PlaneWidget):
    """With sets of data to choose from, and a place of the reader's own.

    Args:
        data: name -> (N, 2) points, N at most 300, or a Gaussian mixture in the plane; 1 to 8 sets.
        alpha_bar: the schedule.
        num_levels: the fewest and the most steps that it may have.
        name: the set to begin with; None is the first.
        seed: of all noise.
        state: traits of the subclass.
    """

    data = tr.Unicode().tag(sync=True)
    own = tr.List(default_value=[1.5, 1.5]).tag(sync=True)
    sets = tr.List().tag(sync=True)

    def __init__(
        self,
        data: Mapping[str, Tensor | GaussianMixture],
        alpha_bar: Float[Tensor, " levels"],
        num_levels: tuple[int, int],
        name: str | None,
        seed: int,
        **state,
    ):
        sets = entries(data, seed)
        super().__init__(alpha_bar, num_levels, (entry["start"] for entry in sets), sets=sets, seed=seed, **state)
        self.data = sets[0]["name"] if name is None else name

    @tr.validate("data")
    def _known_set(self, proposal):
        return one_of(proposal, (entry["name"] for entry in self.sets))

    @tr.validate("own")
    def _inside(self, proposal):
        place = [float(v) for v in proposal["value"]]
        if len(place) != 2 or not all(abs(v) <= self.reach for v in place):
            raise ValueError(f"own must be two numbers in [-{self.reach:g}, {self.reach:g}], got {proposal['value']!r}")
        return place

    def _start(self) -> np.ndarray:
        """The places of the chosen set, (N, 2)."""
        entry = next(entry for entry in self.sets if entry["name"] == self.data)
        return np.frombuffer(entry["start"], "<f4").reshape(-1, 2)


def checked_schedule(alpha_bar: Tensor, fewest: int, most: int) -> Tensor:
    """The schedule in float64.

    Raises:
        ValueError: if it has fewer or more steps than that, does not begin with 1, or does not fall to above 0.
    """
    values = alpha_bar.double()
    if values.ndim != 1 or not fewest <= len(values) - 1 <= most:
        raise ValueError(
            f"alpha_bar must hold {fewest} to {most} steps and its first entry 1, got {tuple(values.shape)}"
        )
    if values[0] != 1 or not (values.diff() < 0).all() or not values[-1] > 0:
        raise ValueError(
            f"alpha_bar must begin with 1, fall at every step and stay above 0, got {values.tolist()[:4]} …"
        )
    return values


def mixture_numbers(mixture: GaussianMixture) -> dict:
    """Weights, means and covariances (xx, xy, yy) as flat lists."""
    covs = torch.stack([mixture.covs[:, 0, 0], mixture.covs[:, 0, 1], mixture.covs[:, 1, 1]], dim=1)
    return {
        "weights": mixture.weights.tolist(),
        "means": mixture.means.flatten().tolist(),
        "covs": covs.flatten().tolist(),
    }


def entries(data: Mapping[str, Tensor | GaussianMixture], seed: int) -> list[dict]:
    """Sets of data as the browser reads them, each with up to 300 places where its particles start.

    Raises:
        ValueError: if there are too few or too many sets, or one is neither points in the plane nor a mixture.
    """
    if not isinstance(data, Mapping) or not 1 <= len(data) <= MAX_SETS:
        raise ValueError(f"data must be a dict of 1 to {MAX_SETS} names with their sets, got {data!r:.60}")
    return [_entry(str(name), one, seed) for name, one in data.items()]


def _reach(starts: Iterable[bytes]) -> float:
    """Half the side of a square around 0 that holds all starting places and most of the noise."""
    largest = max(float(np.abs(np.frombuffer(start, "<f4")).max()) for start in starts)
    return math.ceil(10 * max(3.0, 1.1 * largest)) / 10


def _entry(name: str, data: Tensor | GaussianMixture, seed: int) -> dict:
    if isinstance(data, GaussianMixture):
        if data.means.shape[1] != 2:
            raise ValueError(f"data[{name!r}] must be a mixture in the plane, got {data.means.shape[1]} dimensions")
        start, made = data.sample(MAX_POINTS, torch.Generator().manual_seed(seed)), mixture_numbers(data)
    else:
        start, made = data, {}
        if start.ndim != 2 or start.shape[1] != 2 or not 1 <= len(start) <= MAX_POINTS or not start.isfinite().all():
            raise ValueError(
                f"data[{name!r}] must be 1 to {MAX_POINTS} finite points (N, 2) or a mixture, got {tuple(start.shape)}"
            )
    return {"name": name, "start": start.detach().cpu().numpy().astype("<f4").tobytes(), **made}
