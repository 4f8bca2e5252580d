"""Small widgets of chapter 4 for tests: random pictures, a chain sampled by the exact denoiser of three pictures."""

import torch

from lib.data import PointSet, mixture, points
from lib.ddpm import ExactModel, schedules
from lib.ddpm.record import Film, record_trajectory
from lib.widgets import Particles, ReverseScrubber, ScheduleLab


def random_pictures(num: int, size: int, seed: int = 0) -> torch.Tensor:
    """Pictures of large coloured squares in [-1, 1]."""
    coarse = torch.rand(num, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return coarse.repeat_interleave(size // 4, 2).repeat_interleave(size // 4, 3)


def schedule_lab(**changes) -> ScheduleLab:
    """Two pictures; A is drawn, B is cosine."""
    pictures = dict(zip(("one", "two"), random_pictures(2, 64), strict=True))
    return ScheduleLab(pictures, **{"a": "drawn", "b": "cosine", "num_steps": 200, "t": 80, **changes})


def film(num_steps: int = 12) -> Film:
    """Two chains of 16 x 16 pictures under the exact denoiser."""
    model = ExactModel(PointSet(random_pictures(3, 16, seed=1)), schedules.cosine(100), "v")
    settings = {"num_samples": 2, "num_steps": num_steps, "seed": 7, "target": "v"}
    return record_trajectory(model, schedules.cosine(100), (3, 16, 16), **settings)


def reverse_scrubber() -> ReverseScrubber:
    """Twelve steps of two chains."""
    return ReverseScrubber(film(), ["left", "right"])


def particles(**changes) -> Particles:
    """A finite set and a mixture, 50 steps."""
    moons = points("two_moons", 60, torch.Generator().manual_seed(0))
    data = {"moons": moons, "clouds": mixture("gaussians8")}
    return Particles(data, schedules.shortened_linear(50), **{"t": 20, "seed": 3, **changes})
