"""Checkpoints: weights as safetensors beside a JSON card that says how to build the model and whence the weights."""

import importlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from lib.training.files import CHECKPOINTS, check_name, sha256, to_json, write_atomically
from lib.training.machine import hardware, versions

MAX_BYTES = 12_000_000
REQUIRED = ("kwargs", "recipe", "seed", "steps", "data_hash", "minutes", "metrics")


def class_path(cls: type | str) -> str:
    """The dotted path under which a card names a class, such as "lib.vae.model.VAE"."""
    return cls if isinstance(cls, str) else f"{cls.__module__}.{cls.__qualname__}"


def arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments as they come back from a card: lists become tuples, in training as in loading.

    Raises:
        TypeError: if an argument is no JSON value.
    """

    def freeze(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(freeze(item) for item in value)
        return {key: freeze(item) for key, item in value.items()} if isinstance(value, dict) else value

    return freeze(json.loads(to_json(kwargs)))


def build(path: str, kwargs: dict[str, Any]) -> nn.Module:
    """Make the model that ``path`` and ``kwargs`` describe. Only classes of this course are ever made.

    Raises:
        ValueError: if the path leads outside ``lib``, to nothing, to no ``nn.Module``, or the class refuses the
            arguments.
    """
    module_name, _, class_name = path.rpartition(".")
    if not module_name.startswith("lib."):
        raise ValueError(f'a model class must lie in the package "lib", got "{path}"')
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f'there is no class "{path}": {error}; was it renamed after the checkpoint was made?'
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, nn.Module) and cls.__module__.startswith("lib.")):
        raise ValueError(f'"{path}" is no nn.Module class of this course')
    try:
        return cls(**arguments(kwargs))
    except TypeError as error:
        raise ValueError(f"{path} refuses the arguments {kwargs}: {error}") from error


def stored_tensors(model: nn.Module, half: bool = False) -> dict[str, Tensor]:
    """Weights and buffers as a checkpoint stores them: contiguous, on the CPU, floating ones as float16 if ``half``.

    Raises:
        ValueError: if a weight is not finite, or too large for float16.
    """
    tensors = {}
    for key, value in model.state_dict().items():
        value = value.detach().cpu()
        value = value.half() if half and value.is_floating_point() else value
        if not value.isfinite().all():
            raise ValueError(
                f"{key} holds numbers that are not finite" + (" in float16; store with half=False" if half else "")
            )
        tensors[key] = value.clone(memory_format=torch.contiguous_format)
    return tensors


def save(
    name: str, model: nn.Module, card: dict[str, Any], *, half: bool = False, folder: Path | str | None = None
) -> dict[str, Any]:
    """Write ``NAME.safetensors`` and ``NAME.json``, each replaced in one step; returns the card.

    Args:
        name: letters, digits, ``_``, ``-``, ``.``.
        model: any ``nn.Module`` whose class lies in ``lib``.
        card: must hold "kwargs" (constructor arguments), "recipe", "seed", "steps", "data_hash", "minutes", "metrics";
            class, file hash, size, hardware and versions are added, unless the card already says them.
        half: store floating weights as float16, half the size; `load` gives float32 back. Measure the metrics on the
            rounded weights.
        folder: data/checkpoints unless said otherwise.

    Raises:
        ValueError: if the card lacks a field, the file would exceed 12 MB, or `build` cannot make this model from the
            card.
    """
    missing = [key for key in REQUIRED if key not in card]
    if missing:
        raise ValueError(f"the card of {name} lacks {', '.join(missing)}; it must hold {', '.join(REQUIRED)}")
    tensors = stored_tensors(model, half)
    path = card.get("class", class_path(type(model)))
    _fill(build(path, card["kwargs"]), tensors, name)
    content = safetensors.torch.save(tensors)
    if len(content) > MAX_BYTES:
        size, limit = len(content) / 1e6, MAX_BYTES / 1e6
        raise ValueError(f"{name} takes {size:.1f} MB, the limit is {limit:.0f}; use half=True or a smaller model")
    facts = {"name": check_name(name), "class": path, "file_hash": sha256(content), "bytes": len(content)}
    facts["num_parameters"] = sum(p.numel() for p in model.parameters())
    full = facts | {"dtype": "float16" if half else "float32", "hardware": hardware(), "versions": versions()} | card
    folder = Path(folder or CHECKPOINTS)
    text = to_json(full)
    write_atomically(folder / f"{name}.safetensors", content)
    write_atomically(folder / f"{name}.json", text)
    return json.loads(text)


def card(name: str, folder: Path | str | None = None) -> dict[str, Any]:
    """The card of a checkpoint: constructor arguments, recipe, seed, steps, hashes, hardware, minutes, metrics, loss.

    Raises:
        FileNotFoundError: if there is none, naming those that exist.
        ValueError: if the file is no JSON.
    """
    folder = Path(folder or CHECKPOINTS)
    path = folder / f"{check_name(name)}.json"
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in folder.glob("*.json"))) or "none"
        raise FileNotFoundError(
            f"no checkpoint {name!r} in {folder}; there: {known}. Make it with: python -m lib.train {name}"
        )
    try:
        return json.loads(path.read_text("utf8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it, or make it with: python -m lib.train {name}"
        ) from error


def load(name: str, device: torch.device | str = "cpu", folder: Path | str | None = None) -> nn.Module:
    """The model of a checkpoint, in eval mode and float32, after its file has been compared with the card's hash.

    Raises:
        FileNotFoundError: if the card or the weights are missing.
        ValueError: if the file is not the one the card speaks of, or the model in the code no longer fits the weights.
    """
    about = card(name, folder)
    path = Path(folder or CHECKPOINTS) / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(
            f"the card of {name!r} is there, its weights {path} are not; restore them, or: python -m lib.train {name}"
        )
    content = path.read_bytes()
    found = sha256(content)
    if found != about.get("file_hash"):
        raise ValueError(
            f"{path} is not the file its card speaks of: its SHA-256 begins with {found[:12]}, "
            f"the card says {str(about.get('file_hash'))[:12]}. "
            f"It was changed, cut short, or replaced without its card; restore both, or: python -m lib.train {name}"
        )
    model = build(about["class"], about["kwargs"])
    _fill(model, safetensors.torch.load(content), name)
    return model.to(device).eval()


def _fill(model: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
    """Copy tensors into a model, or say what does not fit."""
    expected = model.state_dict()
    wrong = [f"{key} is missing" for key in expected if key not in tensors]
    wrong += [f"{key} is unknown to {type(model).__name__}" for key in tensors if key not in expected]
    for key in expected.keys() & tensors.keys():
        if expected[key].shape != tensors[key].shape:
            wrong.append(f"{key} has shape {tuple(tensors[key].shape)}, the model has {tuple(expected[key].shape)}")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ValueError(
            f"the weights of {name!r} do not fit {type(model).__name__} with the card's arguments: "
            f"{'; '.join(wrong[:5])}{more}"
        )
    model.load_state_dict(tensors)
