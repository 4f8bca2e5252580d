"""A recipe says everything about one training; chapters keep theirs in ``lib/<chapter>/recipe.py``, dict ``RECIPES``.

The recipe ``smoke`` at the end is the smallest example. It trains in seconds and tries out the machinery.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import nn

from lib.training.batches import Batch, random_batches, step_generator
from lib.training.checkpoint import build, class_path
from lib.training.files import check_name
from lib.training.loop import LossFn, Schedule, adamw
from lib.training.schedule import cosine


@dataclass(frozen=True)
class Recipe:
    """One training, from the model's class to the numbers on its card.

    Give either ``data`` and ``batch_size``, or ``batch_fn``. Functions are called when training begins, so that
    importing a recipe loads nothing.

    Args:
        name: of the recipe and of its checkpoint.
        build: the model's class (or its dotted path) and its constructor arguments, which must be JSON values.
        loss_fn: ``(model, batch, generator) -> scalar``, all noise from the generator; ``functools.partial`` fixes
            weights.
        num_steps: number of updates.
        data: returns the training set: a tensor, or a tuple or dict of tensors with the same number of rows.
        batch_size: rows of an update.
        batch_fn: ``(step, generator) -> batch``, for data that are drawn rather than stored.
        lr: learning rate at the top of the schedule.
        schedule: ``(step, num_steps) -> factor`` of the learning rate.
        optimizer: ``(parameters, lr) -> optimizer``.
        max_grad_norm: longer gradients are scaled down to this length.
        ema_decay: decay of the weights' running average, which then is what is stored; None stores the weights
            themselves.
        num_shards: parts of a batch with noise of their own; as many processes as divide it can share the work. 1 for
            losses that need the batch in one piece and for models that change buffers in forward.
        precision: "auto", "bf16" or "fp32".
        half: store the weights as float16.
        evaluate: ``model -> {metric: number}``, run on the CPU with the stored weights and the global generator seeded.
        data_hash: SHA-256 of the data, or a function that returns it; drawn data name their generator instead.
        start: changes a new model in place before its training, for instance by copying weights of a shipped one.
        note: one sentence for whoever reads the card.

    Raises:
        ValueError: if the name is no file name, or not exactly one source of batches is given.
    """

    name: str
    build: tuple[type[nn.Module] | str, dict[str, Any]]
    loss_fn: LossFn
    num_steps: int
    data: Callable[[], Batch] | None = None
    batch_size: int | None = None
    batch_fn: Callable[[int, torch.Generator], Batch] | None = None
    lr: float = 1e-3
    schedule: Schedule = cosine
    optimizer: Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer] = adamw
    max_grad_norm: float = 1.0
    ema_decay: float | None = None
    num_shards: int = 2
    precision: str = "auto"
    half: bool = False
    evaluate: Callable[[nn.Module], dict[str, Any]] | None = None
    data_hash: str | Callable[[], str] = ""
    start: Callable[[nn.Module], None] | None = None
    note: str = ""

    def __post_init__(self):
        check_name(self.name)
        if (self.data is None) == (self.batch_fn is None):
            raise ValueError(f"recipe {self.name}: give either data (with batch_size) or batch_fn")
        if (self.data is None) != (self.batch_size is None):
            raise ValueError(f"recipe {self.name}: batch_size goes with data, and only with it")

    def make_model(self, seed: int) -> nn.Module:
        """A new model, its random initial weights from the seed, then ``start``; the global generator is left alone."""
        with torch.random.fork_rng([]):
            torch.random.default_generator.manual_seed(step_generator(seed, 0, "model").initial_seed())
            model = build(class_path(self.build[0]), self.build[1])
            if self.start is not None:
                self.start(model)
            return model

    def batches(self, seed: int) -> Callable[[int], Batch]:
        """The function from step to batch; the data are loaded now."""
        if self.batch_fn is None:
            return random_batches(self.data(), self.batch_size, seed)
        return lambda step: self.batch_fn(step, step_generator(seed, step, "batch"))

    def describe(self) -> dict[str, Any]:
        """The recipe as JSON values: functions by their dotted names, with the arguments that a ``partial`` fixes."""
        left_out = {"build", "data_hash", "evaluate", "half", "note"}
        described = {
            field.name: _describe(getattr(self, field.name)) for field in fields(self) if field.name not in left_out
        }
        return {key: value for key, value in described.items() if value is not None} | {
            "class": class_path(self.build[0]),
            "kwargs": self.build[1],
        }


def _describe(value: Any) -> Any:
    """A JSON value for a field of a recipe."""
    if isinstance(value, partial):
        fixed = [repr(item) for item in value.args] + [
            f"{key}={_describe(item)}" for key, item in value.keywords.items()
        ]
        return f"{_describe(value.func)}({', '.join(fixed)})"
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value


class SmokeNet(nn.Module):
    """The smallest model with everything that a resumed training must bring back: weights, a buffer, and dropout.

    The buffer counts forwards, so several processes, which share the forwards out, each count fewer; the weights agree.
    """

    def __init__(self, width: int = 16):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Conv2d(width, 3, 3, padding=1),
        )
        self.register_buffer("num_forwards", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.num_forwards += 1
        return self.layers(x)


def smoke_loss(model: nn.Module, x_0: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mean squared error of pictures recovered from noisy ones."""
    eps = torch.randn(x_0.shape, generator=generator, device=x_0.device)
    return (model(x_0 + 0.5 * eps).float() - x_0).square().mean()


def smoke_batch(step: int, generator: torch.Generator) -> torch.Tensor:
    """Eight pictures of 16 x 16 pixels, each of one random colour."""
    return (2 * torch.rand(8, 3, 1, 1, generator=generator) - 1).expand(8, 3, 16, 16)


RECIPES = {
    "smoke": Recipe(
        name="smoke",
        build=(SmokeNet, {"width": 16}),
        loss_fn=smoke_loss,
        batch_fn=smoke_batch,
        num_steps=200,
        lr=1e-2,
        ema_decay=0.99,
        evaluate=lambda model: {"num_forwards": model.num_forwards.item()},
        data_hash="drawn by lib.training.recipe.smoke_batch",
        note="Tries out the machinery.",
    )
}
