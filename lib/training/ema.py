"""A running average of a model's weights: the copy that samples better than the weights themselves."""

import copy

import torch
from torch import nn


class EMA:
    """Exponential moving average of a model's weights; buffers are copied, not averaged.

    After update number n the average keeps ``min(decay, (1 + n) / (10 + n))`` of itself and takes the rest from the
    model. The second term lets the average follow closely at first, so that random initial weights do not linger
    through a short training.

    Args:
        model: the model to follow; it is copied, in eval mode.
        decay: what is kept of the average in an update, in [0, 1). 0.999 looks back over about 1,000 updates.

    Raises:
        ValueError: if ``decay`` is outside [0, 1), or `update` is given a model with other weights.

    Source: Polyak & Juditsky 1992; the warm-up is that of TensorFlow's ExponentialMovingAverage (``num_updates``).
    """

    def __init__(self, model: nn.Module, decay: float):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.decay, self.num_updates = decay, 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``, and copy its buffers."""
        ours, theirs = list(self.model.parameters()), list(model.parameters())
        if [p.shape for p in ours] != [p.shape for p in theirs]:
            raise ValueError("update needs the model that this EMA was made from; its weights have other shapes")
        self.num_updates += 1
        keep = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        for mine, new in zip(ours, theirs, strict=True):
            mine.lerp_(new, 1 - keep)
        for mine, new in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(new)
