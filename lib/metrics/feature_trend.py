"""Does the Fréchet distance in the emoji features rise with what we mean by worse? Measured on known damage.

Every row compares one random half of all emoji with the other half after something was done to it. Nothing done gives
the floor that the size of the sets sets.
"""

import functools
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.data import emoji, shapes
from lib.data.emoji_pictures import is_held_out
from lib.metrics.damage import add_noise, blend, blur, shift
from lib.metrics.features import emoji_features, frechet_unit, network
from lib.metrics.frechet import frechet_distance
from lib.metrics.judge import split_bases, split_pictures
from lib.metrics.precision_recall import precision_recall
from lib.metrics.recipe import harm_randomly
from lib.training import cells, spread, step_generator

LEVELS = {  # of each kind of damage, from mild to heavy; widths and shifts count pixels of a 32-pixel picture
    "blur": (0.4, 0.6, 0.8, 1.0, 1.5, 2.0),
    "noise": (0.05, 0.1, 0.15, 0.2, 0.3, 0.5),
    "shift": (1.0, 2.0, 4.0, 6.0),
    "double exposure": (0.05, 0.1, 0.2, 0.3, 0.5),
    "subgroups dropped": (0.0, 0.1, 0.25, 0.5, 0.75, 0.9),  # 0: pictures drawn with repetition, nothing else
    "scenes mixed in": (0.05, 0.1, 0.25, 0.5, 1.0),
}
BOTH_SIZES = ("blur", "noise")  # the others are measured at 32 pixels only
SAMPLE_SIZES = (250, 500, 1000, 2000, 3000)
CONFOUND = (
    "The network was trained on most of these pictures and was shown blur, noise, shift and double exposure: that it "
    "notices them says less about damage it has never seen. It cannot tell the amount of double exposure of unseen "
    "concepts. Over half of the emoji show people in many variants, so halves without a common concept differ by the "
    "few concepts with over a hundred. Precision is easily fooled: emoji without near neighbours have balls so wide "
    "that together they hold most drawn scenes; recall is not."
)


@dataclass(frozen=True)
class Case:
    """One row of the table: what is done (``kind``), how much of it, at which picture size."""

    kind: str
    level: float = 0.0
    size: int = 32

    @property
    def label(self) -> str:
        """How the table names the row."""
        level = f" {self.level:g}" if self.level or self.kind in LEVELS else ""
        return f"{self.kind}{level}, {self.size} px"


def feature_distance(seeds: list[int]) -> dict[str, Any]:
    """Fréchet distance, precision and recall in the emoji features against known damage, set size and split."""
    rows = cells("feature_distance", all_cases(), seeds, measure)
    return {
        "rows": rows,
        "summary": summary(rows),
        "rises_with_damage": rises_with_damage(rows),
        "unit": {str(size): frechet_unit(size) for size in (32, 64)},
        "paper": {
            "Heusel et al. 2017, arXiv:1706.08500, figure 3": "FID rises with noise, blur, swirl, black rectangles, "
            "salt and pepper, and with foreign pictures mixed in",
            "Chong and Forsyth 2020, arXiv:1911.07023": "the bias of the estimate falls like 1/N",
        },
        "damage_read_from_unseen_concepts": {str(size): damage_reading(size) for size in (32, 64)},
        "confound": CONFOUND,
    }


def all_cases() -> dict[str, Case]:
    """Every row of the table by its label."""
    cases = []
    for size in (32, 64):
        cases += [Case(kind, size=size) for kind in ("random halves", "halves by concept", "train and held-out")]
        for kind, levels in LEVELS.items():
            if size == 32 or kind in BOTH_SIZES:
                cases += [Case(kind, level, size) for level in levels]
    cases += [Case("two draws", float(num)) for num in SAMPLE_SIZES]
    return {case.label: case for case in cases}


def measure(case: Case, seed: int) -> dict[str, Any]:
    """One row: the distance, in units too, with precision and recall of the changed set."""
    real, fake = two_sets(case, seed)
    distance = frechet_distance(real, fake)
    precision, recall = precision_recall(real, fake)
    return {
        "kind": case.kind, "level": case.level, "size": case.size, "num": [len(real), len(fake)],
        "frechet": distance, "units": distance / frechet_unit(case.size), "precision": precision, "recall": recall,
    }  # fmt: skip


def two_sets(case: Case, seed: int) -> tuple[Float[Tensor, "N D"], Float[Tensor, "M D"]]:
    """Features of the untouched pictures of a row, and of those that something was done to."""
    data, features = emoji(case.size, "all"), clean_features(case.size)
    if case.kind == "train and held-out":
        heldout = torch.tensor([is_held_out(row.base) for row in data.table])
        return features[~heldout], features[heldout]
    if case.kind == "two draws":  # with replacement, so both are samples of one and the same distribution
        generator = step_generator(seed, int(case.level), "two draws")
        first, second = torch.randint(len(data), (2, int(case.level)), generator=generator)
        return features[first], features[second]
    by_concept = case.kind == "halves by concept"
    half = split_bases(data.labels("base")[0], seed) if by_concept else split_pictures(len(data), seed)
    return features[half], changed(case, (~half).nonzero().flatten(), step_generator(seed, 0, case.kind))


def changed(case: Case, index: Int[Tensor, " M"], generator: torch.Generator) -> Float[Tensor, "M D"]:
    """Features of the pictures that ``index`` names after what ``case`` does to them."""
    features = clean_features(case.size)[index]
    if case.kind == "subgroups dropped":
        subgroup = emoji(case.size, "all").labels("subgroup")[0][index]
        return features[kept_pictures(subgroup, case.level, generator)]
    if case.kind == "scenes mixed in":
        num = round(case.level * len(index))
        order = torch.randperm(len(index), generator=generator)
        scenes = shapes(num, case.size, generator=generator).images
        return torch.cat([features[order[num:]], emoji_features(scenes)])
    if case.level:
        return emoji_features(damaged(case, emoji(case.size, "all").images[index], generator))
    return features


def damaged(case: Case, images: Float[Tensor, "M 3 S S"], generator: torch.Generator) -> Float[Tensor, "M 3 S S"]:
    """The pictures after the damage of ``case``."""
    pixel = case.size / 32
    if case.kind == "blur":
        return torch.cat([blur(part, case.level * pixel) for part in images.split(256)])
    if case.kind == "noise":
        return add_noise(images, case.level, generator)
    if case.kind == "shift":
        return shift(images, int(case.level * pixel), int(case.level * pixel))
    if case.kind == "double exposure":
        return blend(images, images[torch.randperm(len(images), generator=generator)], case.level)
    raise ValueError(f"no damage is called {case.kind!r}; there are {', '.join(LEVELS)}")


def kept_pictures(subgroup: Int[Tensor, " M"], dropped: float, generator: torch.Generator) -> Int[Tensor, " M"]:
    """As many pictures as before, drawn from the subgroups that are left when a share of them is dropped.

    The order in which subgroups go depends on the generator only, so a larger share drops more of the same.
    """
    order = torch.randperm(int(subgroup.max()) + 1, generator=generator)
    left = torch.isin(subgroup, order[round(dropped * len(order)) :]).nonzero().flatten()
    return left[torch.randint(len(left), (len(subgroup),), generator=generator)]


@functools.cache
def clean_features(size: int) -> Float[Tensor, "N D"]:
    """Features of all emoji as they are, computed once in a process."""
    return emoji_features(emoji(size, "all").images)


def damage_reading(size: int) -> dict[str, float]:
    """How well the network reads the amount of damage off held-out emoji: R², 1 is exact, 0 a guess."""
    images, amount = harm_randomly(emoji(size, "heldout").images, step_generator(0, size, "damage reading"))
    with torch.no_grad():
        answer = network().heads["damage"](emoji_features(images))[:, -amount.shape[1] :]
    explained = 1 - (answer - amount).square().mean(0) / amount.var(0, correction=0)
    return dict(zip(("fading", "double exposure", "blur", "noise"), explained.tolist(), strict=True))


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each setting: means over the seeds, and the spread of the distance."""
    table = []
    for setting in dict.fromkeys(row["setting"] for row in rows):
        group = [row for row in rows if row["setting"] == setting]
        means = {
            key: sum(row[key] for row in group) / len(group) for key in ("frechet", "units", "precision", "recall")
        }
        about = {key: group[0][key] for key in ("setting", "kind", "level", "size")}
        std = spread([row["frechet"] for row in group])["std"] if len(group) > 1 else None
        table.append(about | means | {"frechet_std": std})
    return table


def rises_with_damage(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """For each kind of damage: does every seed's distance rise from level to level, beginning with none?"""
    answers = {}
    for size in (32, 64):
        for kind in LEVELS if size == 32 else BOTH_SIZES:
            rises = []
            for seed in {row["seed"] for row in rows}:
                own = [row for row in rows if row["seed"] == seed and row["size"] == size]
                kinds = ("random halves", kind) if LEVELS[kind][0] else (kind,)
                levels = [row["frechet"] for row in own if row["kind"] in kinds]
                rises += [low < high for low, high in pairwise(levels)]
            answers[f"{kind}, {size} px"] = all(rises)
    return answers
