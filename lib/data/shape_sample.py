"""Drawing lots for scenes of shapes: which things, and where they stand.

Everything is drawn for all scenes at once. Places are drawn by rejection: a list of candidates for each object, of
which the first allowed one is taken, so that every allowed place is equally likely.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.data.captions import COLOURS, HELD_OUT_PAIRS, RELATIONS, SIZES, held_out_facts
from lib.data.shape_sdf import CLASSES, UNIT_REACH, shape_extent

RADII = torch.tensor(list(SIZES.values()))
SPLITS = ("train", "heldout", "heldout_relation", "all")

EDGE = 0.02  # free border of the picture
GAP = 0.04  # free space between two shapes that must not overlap: more than a pixel at 32 pixels
RELATION_MARGIN = 0.08  # how far the larger of the two offsets exceeds the other, where a caption tells the relation
NUM_CANDIDATES, NUM_ATTEMPTS = 32, 100
MOST_APART = 4  # more shapes hardly ever find room side by side


def relation_between(centre_a: Float[Tensor, "*#batch 2"], centre_b: Float[Tensor, "*#batch 2"]) -> Int[Tensor, "..."]:
    """Where a is, seen from b: index into ``RELATIONS``.

    The larger of the two offsets between the centres decides; with equal offsets it is the horizontal one.
    """
    dx, dy = (centre_a - centre_b).unbind(-1)
    across, down = (dx > 0).long(), 2 + (dy > 0).long()  # left of, right of | above, below
    return torch.where(dx.abs() >= dy.abs(), across, down)


def _pair_table() -> Tensor:
    table = torch.zeros(len(CLASSES), len(COLOURS), dtype=torch.bool)
    for colour, name in HELD_OUT_PAIRS:
        table[CLASSES.index(name), list(COLOURS).index(colour)] = True
    return table


def _fact_table() -> Tensor:
    table = torch.zeros(len(CLASSES), len(RELATIONS), len(CLASSES), dtype=torch.bool)
    for a, relation, b in held_out_facts():
        table[CLASSES.index(a), RELATIONS.index(relation), CLASSES.index(b)] = True
    return table


PAIR_IS_HELD_OUT = _pair_table()  # (classes, colours)
FACT_IS_HELD_OUT = _fact_table()  # (classes, relations, classes)


def draw_things(
    present: Bool[Tensor, "B N"], split: str, generator: torch.Generator
) -> tuple[Int[Tensor, "B N"], Int[Tensor, "B N"], Int[Tensor, " B"]]:
    """Draw shape and colour of every object, and the relation that the first two must have (-1: any).

    In "heldout" exactly one object of each scene has a held-out pair of colour and shape; in "train" none has.
    """
    num, most = present.shape
    class_idx = torch.randint(len(CLASSES), (num, most), generator=generator)
    wanted = torch.full((num,), -1)
    if split == "heldout_relation":
        facts = FACT_IS_HELD_OUT.nonzero()
        class_a, wanted, class_b = facts[torch.randint(len(facts), (num,), generator=generator)].unbind(-1)
        class_idx[:, 0], class_idx[:, 1] = class_a, class_b
    allowed = torch.ones_like(PAIR_IS_HELD_OUT) if split == "all" else ~PAIR_IS_HELD_OUT
    colour_idx = torch.multinomial(allowed[class_idx.flatten()].float(), 1, generator=generator).view(num, most)
    if split == "heldout":
        pairs = PAIR_IS_HELD_OUT.nonzero()
        chosen = pairs[torch.randint(len(pairs), (num,), generator=generator)]
        scene, slot = torch.arange(num), (torch.rand(num, generator=generator) * present.sum(1)).long()
        class_idx[scene, slot], colour_idx[scene, slot] = chosen.unbind(-1)
    return class_idx, colour_idx, wanted


def draw_places(
    class_idx: Int[Tensor, "B N"],
    rotation: Float[Tensor, "B N"],
    present: Bool[Tensor, "B N"],
    wanted: Int[Tensor, " B"],
    *,
    split: str,
    allow_overlap: bool,
    generator: torch.Generator,
) -> tuple[Int[Tensor, "B N"], Float[Tensor, "B N 2"]]:
    """Draw size and centre of every object such that shapes stay inside the picture, keep apart, and obey the split.

    Sizes are drawn together with the places, anew in each attempt: where space is short, large shapes are rarer.

    Raises:
        ValueError: if some scene has no room.
    """
    num, most = class_idx.shape
    size_idx, centre, todo = torch.zeros(num, most, dtype=torch.long), torch.zeros(num, most, 2), torch.arange(num)
    for _ in range(NUM_ATTEMPTS):
        tries = max(1, 256 // len(todo))  # the last few scenes are tried many times at once
        scene = todo.repeat_interleave(tries)
        sizes = torch.randint(len(SIZES), (len(scene), most), generator=generator)
        things = class_idx[scene], RADII[sizes], rotation[scene]
        placed, fits = torch.zeros(len(scene), most, 2), torch.ones(len(scene), dtype=torch.bool)
        for i in range(most):
            candidates = _candidates(things, i, generator)
            allowed = torch.ones(len(scene), NUM_CANDIDATES, dtype=torch.bool)
            for j in range(i):
                allowed &= _relation_is_allowed(candidates, placed[:, j, None], things[0], wanted[scene], i, j, split)
                if not allow_overlap:
                    allowed &= _are_apart(candidates, placed[:, j, None], things, i, j)
            fits &= allowed.any(1) | ~present[scene, i]
            placed[:, i] = candidates[torch.arange(len(scene)), allowed.int().argmax(1)]
        fits = fits.view(-1, tries)
        done = fits.any(1)
        chosen = (torch.arange(len(todo)) * tries + fits.int().argmax(1))[done]  # the first try that fits
        size_idx[todo[done]], centre[todo[done]] = sizes[chosen], placed[chosen]
        todo = todo[~done]
        if not len(todo):
            return size_idx, centre
    raise ValueError(f"found no room for {most} objects side by side; ask for fewer objects or set allow_overlap=True")


def _candidates(things, i, generator) -> Tensor:
    """Places for the centre of object i that keep its box inside the picture."""
    box = shape_extent(*(part[:, i, None] for part in things))
    low, high = EDGE - box[..., :2], 1 - EDGE - box[..., 2:]
    return low + (high - low) * torch.rand(len(box), NUM_CANDIDATES, 2, generator=generator)


def _relation_is_allowed(candidates, other, class_idx, wanted, i, j, split) -> Tensor:
    """Whether object i at the candidate places may be seen so from object j, and clearly if a caption tells it."""
    relation = relation_between(candidates, other)
    fits = torch.ones_like(relation, dtype=torch.bool)
    if split != "all":
        fits = ~FACT_IS_HELD_OUT[class_idx[:, i, None], relation, class_idx[:, j, None]]
    if i == 1:
        wanted = wanted[:, None] ^ 1  # seen from the first object it is the opposite
        fits = torch.where(wanted >= 0, relation == wanted, fits)
    if j == 0:
        dx, dy = (candidates - other).abs().unbind(-1)
        fits &= (dx - dy).abs() >= RELATION_MARGIN
    return fits


def _are_apart(candidates, other, things, i, j) -> Tensor:
    """Whether two shapes keep ``GAP``: their circumscribed circles do, or their boxes do along one axis."""
    class_idx, radius, _ = things
    box_i, box_j = shape_extent(*(part[:, [i, j]] for part in things))[:, :, None].unbind(1)
    offset, reach = other - candidates, (radius * UNIT_REACH[class_idx])[:, [i, j]]
    circles = offset.norm(dim=-1) >= reach.sum(1, keepdim=True) + GAP
    before, after = offset + box_j[..., :2] - box_i[..., 2:], box_i[..., :2] - box_j[..., 2:] - offset
    return circles | (torch.maximum(before, after) >= GAP).any(-1)
