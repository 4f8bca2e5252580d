"""Carry out a recipe so that it survives being killed: state in runs/NAME, the result in data/checkpoints."""

import os
import time
from pathlib import Path
from typing import Any

import torch

from lib.training.checkpoint import save, stored_tensors
from lib.training.files import CHECKPOINTS, runs_folder, write_atomically
from lib.training.loop import Record
from lib.training.machine import hardware
from lib.training.progress import track
from lib.training.recipe import Recipe
from lib.training.trainer import Trainer


def run(
    recipe: Recipe,
    *,
    seed: int = 0,
    num_steps: int | None = None,
    device: str | None = None,
    resume: bool = False,
    fresh: bool = False,
    save_every: float = 30.0,
    out: Path | str | None = None,
) -> dict[str, Any]:
    """Train a recipe to its end and store the checkpoint; returns its card.

    Args:
        recipe: what to train and how.
        seed: decides initial weights, batches and noise.
        num_steps: another length than the recipe's.
        device: "cpu", "cuda", …; a GPU if there is one, unless said otherwise.
        resume: go on from the state that an unfinished run left; on a CPU the result is the same bit for bit.
        fresh: throw such a state away.
        save_every: seconds between two states written to the disk.
        out: folder of the checkpoint. Unless said otherwise data/checkpoints for the recipe as it stands, and runs/NAME
            for another seed or length, so that an experiment never replaces a shipped checkpoint.

    Raises:
        FileNotFoundError: if there is nothing to resume.
        FileExistsError: if an unfinished run is there and neither ``resume`` nor ``fresh`` says what to do with it.
        ValueError: if the unfinished run had another seed, length or recipe.
    """
    folder = runs_folder() / recipe.name
    path = folder / "state.safetensors"
    accelerator = _accelerator(device)
    first = accelerator is None or accelerator.is_main_process
    default = "cuda" if torch.cuda.is_available() else "cpu"
    device = accelerator.device if accelerator else torch.device(device or default)
    _check_state(recipe.name, path, resume, fresh)
    trainer = Trainer(recipe, seed=seed, num_steps=num_steps, device=device, accelerator=accelerator)
    minutes = trainer.load_state(path.read_bytes())["minutes"] if resume else 0.0
    if accelerator:
        accelerator.wait_for_everyone()
    minutes = _train(trainer, path if first else None, minutes, save_every)
    if accelerator:
        accelerator.end_training()
    if not first:
        return {}
    experiment = seed != 0 or num_steps not in (None, recipe.num_steps)
    write_atomically(folder / "history.csv", _csv(trainer.history))
    card = _store(trainer, minutes, device, Path(out) if out else folder if experiment else CHECKPOINTS)
    path.unlink(missing_ok=True)
    return card


def _accelerator(device: str | None):
    """An Accelerator if ``accelerate launch`` or ``torchrun`` started several processes to train together."""
    if not os.environ.keys() & {"WORLD_SIZE", "ACCELERATE_USE_CPU", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"}:
        return None
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    several_asked = os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_PORT" in os.environ
    if several_asked and accelerator.num_processes == 1:
        raise ValueError(
            "`accelerate launch --cpu` leaves several processes to mpirun and has started only one. Without mpirun: "
            "accelerate launch --multi_gpu --num_processes 2 -m lib.train NAME --device cpu (no GPU is used)"
        )
    return accelerator


def _check_state(name: str, path: Path, resume: bool, fresh: bool) -> None:
    """What an earlier run left must fit what is asked for now."""
    if resume and fresh:
        raise ValueError("resume goes on with an unfinished run and fresh throws it away; ask for one of them")
    if resume and not path.exists():
        raise FileNotFoundError(
            f"no unfinished run of {name!r} to resume: {path} does not exist; run it without --resume"
        )
    if path.exists() and not resume and not fresh:
        raise FileExistsError(
            f"an unfinished run of {name!r} is in {path.parent}; go on with --resume, or discard it with --fresh"
        )


def _train(trainer: Trainer, path: Path | None, minutes: float, save_every: float) -> float:
    """Make the updates that remain, writing the state to ``path`` now and then; returns the minutes of all sessions."""
    start = saved = time.monotonic()
    if path:
        write_atomically(path, trainer.save_state(minutes=minutes))
    remaining = (trainer.advance() for _ in range(trainer.num_steps - trainer.step))
    for record in track(remaining, total=trainer.num_steps - trainer.step, description=trainer.recipe.name):
        now = time.monotonic()
        if path and (now - saved >= save_every or record.step == trainer.num_steps):
            write_atomically(path, trainer.save_state(minutes=minutes + (now - start) / 60))
            saved = now
    return minutes + (time.monotonic() - start) / 60


def _store(trainer: Trainer, minutes: float, device: torch.device, folder: Path) -> dict[str, Any]:
    """Evaluate the model as it will be stored, then store it with its card."""
    recipe, model = trainer.recipe, trainer.result.cpu()
    model.load_state_dict(stored_tensors(model, recipe.half))
    with torch.random.fork_rng([]):
        torch.random.default_generator.manual_seed(trainer.seed)
        metrics = recipe.evaluate(model) if recipe.evaluate else {}
    plan = trainer.plan()
    card = {
        "class": plan.pop("class"),
        "kwargs": plan.pop("kwargs"),
        "seed": plan.pop("seed"),
        "steps": trainer.step,
        "recipe": plan,
        "note": recipe.note,
        "data_hash": plan.pop("data_hash"),
        "hardware": hardware(device),
        "num_processes": trainer.num_processes,
        "minutes": round(minutes, 3),
        "metrics": metrics,
        "metrics_seed": trainer.seed,
        "history": thin(trainer.history),
    }
    return save(recipe.name, model, card, half=recipe.half, folder=folder)


def thin(history: list[Record], num_points: int = 100) -> dict[str, list[Any]]:
    """A loss curve of at most ``num_points`` points, each the mean over an equal stretch of steps."""
    size = max(1, -(-len(history) // num_points))
    stretches = [history[start : start + size] for start in range(0, len(history), size)]
    losses = [sum(record.loss for record in stretch) / len(stretch) for stretch in stretches]
    return {"step": [stretch[-1].step for stretch in stretches], "loss": [float(f"{loss:.6g}") for loss in losses]}


def _csv(history: list[Record]) -> bytes:
    lines = ["step,loss,lr,grad_norm"] + [f"{r.step},{r.loss!r},{r.lr!r},{r.grad_norm!r}" for r in history]
    return ("\n".join(lines) + "\n").encode()
