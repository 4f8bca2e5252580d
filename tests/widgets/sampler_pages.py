"""Small widgets of chapters 5 and 6 for tests."""

import numpy as np
import torch

from lib.data import mixture, points
from lib.ddpm import schedules
from lib.widgets import FrameExplorer, GuidanceField, StepsExplorer

STEPS, ETA, NAMES = [1, 5, 20], [0.0, 0.5, 1.0, 2.0], ["left", "right"]


def frames() -> np.ndarray:
    """Pictures of 8 x 8 pixels for three numbers of steps, four etas and two names, all different."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (3, 4, 2, 3, 8, 8), generator=generator, dtype=torch.uint8).numpy()


def frame_explorer(**changes) -> FrameExplorer:
    """Two pictures side by side, a slider for steps and one for eta, one number a picture and one for both."""
    error = np.arange(24.0).reshape(3, 4, 2) / 8
    settings = {
        "numbers": {"error": error, "distance": -np.arange(12.0).reshape(3, 4, 1)},
        "titles": {"eta": "η"},
        "place": {"steps": 1},
    }
    axes = {"steps": STEPS, "eta": ETA, "picture": NAMES}
    return FrameExplorer(frames(), axes, **{**settings, **changes})


def steps_explorer(**changes) -> StepsExplorer:
    """A finite set and a mixture, 50 levels, five steps."""
    moons = points("two_moons", 60, torch.Generator().manual_seed(0))
    data = {"moons": moons, "clouds": mixture("gaussians8")}
    return StepsExplorer(data, schedules.shortened_linear(50), **{"num_steps": 5, "seed": 3, **changes})


def guidance_field(**changes) -> GuidanceField:
    """Three clouds in two classes, 40 levels, half way."""
    classes = {"wide": [0], "others": [1, 2]}
    alpha_bar = schedules.shortened_linear(40)
    return GuidanceField(mixture("mixture"), classes, alpha_bar, **{"guidance_scale": 3.0, "seed": 2, **changes})
