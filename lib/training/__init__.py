"""Training for every chapter: the loop, the average of the weights, recipes, checkpoints with cards, measured trends.

====================  =============================================================================
`fit`, `Record`       the loop as a generator: a record after each update, the caller owns the rest
`EMA`                 running average of the weights
`cosine`, `constant`  learning-rate schedules with warm-up
`random_batches`      batches that follow from (seed, step)
`Recipe`, `train`     a whole training as data; carried out in memory
`run`                 carried out on disk: survives being killed and resumes bit for bit
`save`, `load`        safetensors beside a JSON `card`
`cells`, `trend`      measured tables: what is finished survives; reading one back
`track`               a progress bar that leaves nothing behind
====================  =============================================================================
"""

from lib.training.batches import random_batches, step_generator
from lib.training.checkpoint import card, load, save
from lib.training.ema import EMA
from lib.training.files import to_json, write_atomically
from lib.training.loop import Record, adamw, fit
from lib.training.machine import hardware, versions
from lib.training.precision import autocast, has_native_bf16
from lib.training.progress import track
from lib.training.recipe import Recipe
from lib.training.runs import run
from lib.training.schedule import constant, cosine
from lib.training.tables import cells, spread, trend
from lib.training.trainer import Trainer, train

__all__ = [
    "EMA", "Recipe", "Record", "Trainer", "adamw", "autocast", "card", "cells", "constant", "cosine", "fit", "hardware",
    "has_native_bf16", "load", "random_batches", "run", "save", "spread", "step_generator", "to_json", "track", "train",
    "trend", "versions", "write_atomically",
]  # fmt: skip
