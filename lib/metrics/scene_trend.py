"""How far the scene reader can be trusted: shares of attributes read rightly over overlap, noise and blur, measured."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lib.data import Scenes, shapes
from lib.metrics.damage import blur
from lib.metrics.scene_scores import compare_scenes
from lib.metrics.scenes import read_scene
from lib.training import cells, spread

NUM_SCENES = 256  # of each row and seed
NUM_DRAWN = 4096  # from which those with the asked overlap are taken
ATTRIBUTES = ("class", "colour", "size", "box", "relation", "all")
VISIBLE = ((0.75, 1.0), (0.5, 0.75), (0.25, 0.5), (0.05, 0.25))  # share of the more hidden object that can be seen
NOISE = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # standard deviation; pictures lie in [-1, 1]
BLUR = (0.5, 0.75, 1.0, 1.5, 2.0)  # standard deviation in pixels of a 32-pixel picture
REQUIRED = 0.995  # of the attributes of clean scenes without overlap


@dataclass(frozen=True)
class Case:
    """One row of the table: what makes reading hard, how much of it, at which picture size."""

    kind: str
    level: float | tuple[float, float]
    size: int

    @property
    def label(self) -> str:
        """How the table names the row."""
        level = "{:g} to {:g} seen".format(*self.level) if isinstance(self.level, tuple) else f"{self.level:g}"
        return f"{self.kind}{f' {level}' if self.level else ''}, {self.size} px"


def scene_reader(seeds: list[int]) -> dict[str, Any]:
    """Attributes that the scene reader gets right on clean, overlapping, noisy and blurred scenes of two objects."""
    rows = cells("scene_reader", all_cases(), seeds, measure)
    table = summary(rows)
    clean = [row[name] for row in table if row["kind"] == "clean" for name in ATTRIBUTES]
    return {
        "rows": rows,
        "summary": table,
        "clean_is_read": min(clean) >= REQUIRED,
        "about": "Shares of objects (class, colour, size, box), of pairs (relation) and of scenes (all). A box is "
        "right from an intersection over union of 0.5 on. `hidden` is the share of the more hidden objects with class, "
        "colour and size right. `confidence_orders` is the probability that a scene read rightly has a higher least "
        "confidence than one read wrongly: 0.5 would be chance, null means that there is nothing to order.",
        "confound": "The reader knows the six shapes, the six colours and the two sizes, and how many objects there "
        "are. With little to be seen several scenes give the same picture; no reader can tell them apart.",
    }


def all_cases() -> dict[str, Case]:
    """Every row of the table by its label."""
    cases = []
    for size in (32, 64):
        cases += [Case("clean", 0.0, size), *(Case("overlap", seen, size) for seen in VISIBLE)]
        cases += [Case("noise", std, size) for std in NOISE] + [Case("blur", sigma, size) for sigma in BLUR]
    return {case.label: case for case in cases}


def measure(case: Case, seed: int) -> dict[str, Any]:
    """One row: shares read rightly, and what the confidence is worth."""
    scenes, images = scenes_of(case, seed)
    reading = read_scene(images, 2)
    right = compare_scenes(reading, scenes)
    hidden = (torch.arange(len(scenes)), scenes.visibility.argmin(1))
    attributes = right["class"] & right["colour"] & right["size"]
    return {
        "kind": case.kind, "level": case.level, "size": case.size, "num": len(scenes),
        **{name: float(right[name].float().mean()) for name in ATTRIBUTES},
        "hidden": float(attributes[hidden].float().mean()) if case.kind == "overlap" else None,
        "confidence": float(reading.confidence.mean()),
        "confidence_orders": order_share(reading.confidence.amin(1), right["all"]),
    }  # fmt: skip


def scenes_of(case: Case, seed: int) -> tuple[Scenes, Tensor]:
    """Scenes of a row, and their pictures as the reader gets them."""
    if case.kind == "overlap":
        low, high = case.level
        scenes = shapes(NUM_DRAWN, case.size, split="all", allow_overlap=True, seed=seed)
        seen = scenes.visibility.amin(1)
        scenes = scenes[((seen >= low) & (seen < high)).nonzero()[:NUM_SCENES, 0]]
        return scenes, scenes.images
    noise_std = case.level if case.kind == "noise" else 0.0
    scenes = shapes(NUM_SCENES, case.size, split="all", noise_std=noise_std, seed=seed)
    return scenes, blur(scenes.images, case.level * case.size / 32) if case.kind == "blur" else scenes.images


def order_share(confidence: Tensor, right: Tensor) -> float | None:
    """Probability that a right one has the higher confidence, ties counted half; None if all are right or all wrong."""
    if right.all() or not right.any():
        return None
    gap = confidence[right][:, None] - confidence[~right]
    return float(((gap > 0).float() + 0.5 * (gap == 0)).mean())


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each setting: means over the seeds, and the spread of the scenes that are read without an error."""
    table = []
    for setting in dict.fromkeys(row["setting"] for row in rows):
        group = [row for row in rows if row["setting"] == setting]
        about = {name: group[0][name] for name in ("setting", "kind", "level", "size")}
        for name in (*ATTRIBUTES, "hidden", "confidence", "confidence_orders"):
            values = [row[name] for row in group if row[name] is not None]
            about[name] = sum(values) / len(values) if values else None
        about["all_std"] = spread([row["all"] for row in group])["std"] if len(group) > 1 else None
        table.append(about)
    return table
