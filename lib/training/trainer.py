"""One training of a recipe, step by step, with a state that can be put into a file and taken out again bit for bit."""

import functools
import json
from dataclasses import astuple
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from lib.training.ema import EMA
from lib.training.loop import Record, Updater
from lib.training.progress import track
from lib.training.recipe import Recipe


class Trainer:
    """A recipe being carried out.

    Args:
        recipe: what to train and how.
        seed: decides initial weights, batches and noise.
        num_steps: another length than the recipe's; the schedule is stretched to it.
        device: where to compute.
        accelerator: a Hugging Face ``Accelerator`` when several processes train together.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        seed: int = 0,
        num_steps: int | None = None,
        device: torch.device | str = "cpu",
        accelerator=None,
    ):
        self.recipe, self.seed, self.num_steps = recipe, seed, recipe.num_steps if num_steps is None else num_steps
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {self.num_steps}")
        self.model = recipe.make_model(seed).to(device)
        self.optimizer = recipe.optimizer(self.model.parameters(), recipe.lr)
        self.ema = EMA(self.model, recipe.ema_decay) if recipe.ema_decay is not None else None
        self.batch_of = recipe.batches(seed)
        self.update = Updater(
            self.model, recipe.loss_fn, self.optimizer, self.num_steps, recipe.schedule,
            recipe.max_grad_norm, recipe.precision, seed, recipe.num_shards, accelerator,
        )  # fmt: skip
        self.num_processes = accelerator.num_processes if accelerator else 1
        self.history: list[Record] = []

    @property
    def step(self) -> int:
        """How many updates have been made."""
        return len(self.history)

    @functools.cached_property
    def data_hash(self) -> str:
        """The hash of the data, or the name of what draws them."""
        return self.recipe.data_hash() if callable(self.recipe.data_hash) else self.recipe.data_hash

    @property
    def result(self) -> nn.Module:
        """The model that is worth keeping: the average if the recipe keeps one, in eval mode."""
        return (self.ema.model if self.ema else self.model).eval()

    def advance(self) -> Record:
        """Make the next update."""
        record = self.update(self.step + 1, self.batch_of(self.step + 1))
        if self.ema:
            self.ema.update(self.model)
        self.history.append(record)
        return record

    def plan(self) -> dict[str, Any]:
        """All that decides the course of this training; two runs with equal plans are the same run."""
        plan = self.recipe.describe() | {
            "seed": self.seed,
            "num_steps": self.num_steps,
            "precision": self.update.precision,
            "data_hash": self.data_hash,
        }
        return json.loads(json.dumps(plan))

    def save_state(self, **extra: Any) -> bytes:
        """Weights, average, optimiser, history and plan as one safetensors file; ``extra`` JSON values go with them."""
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        if self.ema:
            tensors |= {f"ema.{key}": value for key, value in self.ema.model.state_dict().items()}
        optimizer = self.optimizer.state_dict()
        for number, entries in optimizer["state"].items():
            tensors |= {f"optimizer.{number}.{key}": torch.as_tensor(value) for key, value in entries.items()}
        tensors["history"] = torch.tensor([astuple(record) for record in self.history], dtype=torch.float64)
        meta = {
            "plan": self.plan(),
            "groups": optimizer["param_groups"],
            "num_ema": self.ema.num_updates if self.ema else 0,
        }
        stored = {
            key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()
        }
        return safetensors.torch.save(stored, {"state": json.dumps(meta | {"extra": extra})})

    def load_state(self, content: bytes) -> dict[str, Any]:
        """Go back to where `save_state` was called; returns its ``extra``.

        Raises:
            ValueError: if the state belongs to another plan, naming the first difference.
        """
        meta, tensors = _read_state(content)
        ours = self.plan()
        for key in sorted(ours.keys() | meta["plan"].keys()):
            before, now = meta["plan"].get(key), ours.get(key)
            if before != now:
                raise ValueError(
                    f"the state was made with {key} = {before!r}; now it is {now!r}; ask for the same, or begin afresh"
                )
        self.model.load_state_dict(_part(tensors, "model."))
        if self.ema:
            self.ema.model.load_state_dict(_part(tensors, "ema."))
            self.ema.num_updates = meta["num_ema"]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in _part(tensors, "optimizer.").items():
            number, _, entry = key.partition(".")
            state.setdefault(int(number), {})[entry] = self._like_parameter(int(number), value)
        self.optimizer.load_state_dict({"state": state, "param_groups": meta["groups"]})
        self.history = [Record(int(step), *rest) for step, *rest in tensors["history"].tolist()]
        return meta["extra"]

    def _like_parameter(self, number: int, value: Tensor) -> Tensor:
        """A tensor of the optimiser in the memory layout of the weight it belongs to."""
        parameter = self.update.parameters[number]
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value) if value.shape == parameter.shape else value


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _read_state(content: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Metadata and tensors of a state."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return json.loads(header["__metadata__"]["state"]), safetensors.torch.load(content)


def train(
    recipe: Recipe, *, seed: int = 0, num_steps: int | None = None, device: torch.device | str = "cpu"
) -> nn.Module:
    """Carry out a recipe in memory, writing nothing; returns the model in eval mode, with its ``history`` of records.

    Args:
        recipe: what to train and how.
        seed: decides initial weights, batches and noise.
        num_steps: another length than the recipe's.
        device: where to compute.
    """
    trainer = Trainer(recipe, seed=seed, num_steps=num_steps, device=device)
    for _ in track(
        (trainer.advance() for _ in range(trainer.num_steps)), total=trainer.num_steps, description=recipe.name
    ):
        pass
    model = trainer.result
    model.history = trainer.history
    return model
