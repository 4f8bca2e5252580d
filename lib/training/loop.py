"""The training loop: one update as an object, many updates as a generator that the caller drives."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.training.batches import Batch, shard, step_generator, to_device
from lib.training.precision import autocast, resolve_precision
from lib.training.schedule import cosine

LossFn = Callable[[nn.Module, Batch, torch.Generator], Tensor]
Schedule = Callable[[int, int], float]


@dataclass(frozen=True)
class Record:
    """One update: its number from 1, the loss before it, the learning rate, the gradient's norm before clipping."""

    step: int
    loss: float
    lr: float
    grad_norm: float


class Objective(nn.Module):
    """The loss as a module, so that a wrapper round it sees every use of the model, whichever methods are called."""

    def __init__(self, model: nn.Module, loss_fn: LossFn):
        super().__init__()
        self.model, self.loss_fn = model, loss_fn

    def forward(self, batch: Batch, generator: torch.Generator) -> Tensor:
        return self.loss_fn(self.model, batch, generator)


class Updater:
    """Makes one update of a model: loss, gradient, clipping, learning rate, step.

    A batch is cut into ``num_shards`` equal parts, each with its own source of noise, and the loss is the mean over the
    parts. One process computes the parts one after another; several processes share them out. So the noise of every
    row, and with it the loss curve, does not depend on how many processes there are.

    Args:
        model: in training mode during updates.
        loss_fn: ``(model, batch, generator) -> scalar``; draws all its noise from the generator.
        optimizer: its learning rates are the ones that ``schedule`` multiplies.
        num_steps: length of the whole training.
        schedule: ``(step, num_steps) -> factor``.
        max_grad_norm: longer gradients are scaled down to this length; ``inf`` switches clipping off.
        precision: "auto", "bf16" or "fp32".
        seed: with the step, decides all noise, that of dropout layers included.
        num_shards: parts of a batch; a multiple of the number of processes.
        accelerator: a Hugging Face ``Accelerator`` when several processes train together.

    Raises:
        ValueError: if ``num_shards`` is not a multiple of the number of processes, or the loss is not one number.
        FloatingPointError: if the loss or the gradient is not finite; the weights are still those of the step before.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        optimizer: torch.optim.Optimizer,
        num_steps: int,
        schedule: Schedule = cosine,
        max_grad_norm: float = 1.0,
        precision: str = "auto",
        seed: int = 0,
        num_shards: int = 1,
        accelerator=None,
    ):
        self.model, self.optimizer, self.num_steps, self.schedule = model, optimizer, num_steps, schedule
        self.max_grad_norm, self.seed, self.num_shards, self.accelerator = max_grad_norm, seed, num_shards, accelerator
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.device = self.parameters[0].device
        self.precision = resolve_precision(precision, self.device)
        world, rank = (accelerator.num_processes, accelerator.process_index) if accelerator else (1, 0)
        if num_shards % world:
            raise ValueError(f"num_shards must be a multiple of the {world} processes, got {num_shards}")
        self.shards = range(rank, num_shards, world)
        self.objective = Objective(model, loss_fn)
        if world > 1:
            self.objective = accelerator.prepare(self.objective)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def __call__(self, step: int, batch: Batch) -> Record:
        """Make update number ``step``, counted from 1, on this batch."""
        factor = self.schedule(step, self.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        self.model.train()
        self.optimizer.zero_grad()
        loss = sum(self._backward(step, batch, number) for number in self.shards) / len(self.shards)
        if self.accelerator:
            loss = self.accelerator.reduce(loss, "mean")
        grad_norm = nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        record = Record(step, loss.item(), self.optimizer.param_groups[0]["lr"], grad_norm.item())
        if not (loss.isfinite() and grad_norm.isfinite()):
            raise FloatingPointError(
                f"step {step}: the loss is {record.loss:.4g} and the gradient norm {record.grad_norm:.4g}: training "
                f"has diverged. Lower the learning rate ({record.lr:.3g} here), warm up longer, or look for log(0), "
                "0/0 or exp of a large number in the loss. No weight was changed in this step."
            )
        self.optimizer.step()
        return record

    def _backward(self, step: int, batch: Batch, number: int) -> Tensor:
        """Add the gradient of one shard to those of the others; returns its loss."""
        part = to_device(shard(batch, number, self.num_shards), self.device)
        generator = step_generator(self.seed, step, f"loss of shard {number}", self.device)
        others_follow = self.accelerator and number != self.shards[-1]
        wait = self.accelerator.no_sync(self.objective) if others_follow else contextlib.nullcontext()
        devices = [self.device] if self.device.type == "cuda" else []
        with wait, torch.random.fork_rng(devices):
            # layers with noise of their own, such as dropout, draw from the global generator
            torch.manual_seed(step_generator(self.seed, step, f"layers in shard {number}").initial_seed())
            with autocast(self.precision, self.device):
                loss = self.objective(part, generator)
            if loss.ndim:
                raise ValueError(f"loss_fn must return one number, got a tensor of shape {tuple(loss.shape)}")
            (loss / len(self.shards)).backward()
        return loss.detach().float()


def adamw(parameters: Iterable[nn.Parameter], lr: float, **options) -> torch.optim.AdamW:
    """AdamW without weight decay unless asked for: the optimiser that every chapter starts from.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2.
    """
    return torch.optim.AdamW(parameters, lr=lr, **{"weight_decay": 0.0, "fused": True, **options})


def fit(
    model: nn.Module,
    loss_fn: LossFn,
    batches: Iterable[Batch] | Callable[[int], Batch],
    num_steps: int,
    *,
    lr: float = 1e-3,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Schedule = cosine,
    max_grad_norm: float = 1.0,
    precision: str = "auto",
    seed: int = 0,
) -> Iterator[Record]:
    """Train a model; yields a `Record` after each update. Plots, averages and stopping belong to the loop around it.

    Args:
        model: trained in place.
        loss_fn: ``(model, batch, generator) -> scalar``; draws all its noise from the generator.
        batches: a function from the step (1, 2, …) to a batch, see `random_batches`; or an iterable, begun again when
            it ends.
        num_steps: number of updates.
        lr: learning rate at the top of the schedule, for the default optimiser `adamw`.
        optimizer: another optimiser over the model's parameters; its own learning rates then count, and ``lr`` does
            not.
        schedule: ``(step, num_steps) -> factor`` of the learning rate.
        max_grad_norm: longer gradients are scaled down to this length; ``inf`` switches clipping off.
        precision: "auto" computes in bfloat16 where the processor does so natively; write ``.float()`` on the model's
            output before squares and exponentials. "fp32" and "bf16" insist.
        seed: decides the noise of each update, together with its number.

    Raises:
        ValueError: if ``batches`` is a single tensor or runs dry, or the loss is not one number.
        FloatingPointError: if the loss or the gradient is not finite, naming the step.
    """
    optimizer = optimizer or adamw(model.parameters(), lr)
    update = Updater(model, loss_fn, optimizer, num_steps, schedule, max_grad_norm, precision, seed)
    batch_of = batches if callable(batches) else _one_by_one(batches)
    for step in range(1, num_steps + 1):
        yield update(step, batch_of(step))


def _one_by_one(batches: Iterable[Batch]) -> Callable[[int], Batch]:
    """Hand out the batches of an iterable in turn, beginning again at its end."""
    if isinstance(batches, Tensor):
        raise ValueError("batches is a single tensor; random_batches(data, batch_size) makes batches of its rows")
    iterator = iter(batches)

    def batch_of(step: int) -> Batch:
        nonlocal iterator
        for _ in range(2):
            for batch in iterator:
                return batch
            iterator = iter(batches)
        raise ValueError(f"batches ran dry before step {step}; give a list, a DataLoader, or a function of the step")

    return batch_of
