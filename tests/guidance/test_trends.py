"""How the trend of the scale is measured: one network for all rows, the same noise, and every pass counted."""

import json

import pytest
import torch

from lib.ddpm.recipe import all_pictures
from lib.guidance import trends
from lib.guidance.model import ClassUNet, NoisyClassifier
from lib.guidance.recipe import NUM_GROUPS, PARTS
from lib.guidance.trends import Setting, guidance_scale, measure, samples_of, settings


@pytest.fixture
def tiny(monkeypatch):
    """Untrained networks, two steps, few pictures."""

    def networks(data: str):
        torch.manual_seed(0)
        classes = PARTS if data == "shapes" else NUM_GROUPS
        unet = ClassUNet(classes, 8, multipliers=(1, 1), attention_resolutions=(), size=32, num_heads=2)
        for parameter in unet.out.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
        return unet.eval(), NoisyClassifier(classes, channels=8, multipliers=(1, 1), num_heads=2).eval()

    monkeypatch.setattr(trends, "networks", networks)
    monkeypatch.setattr(trends, "SAMPLING_STEPS", 2)
    monkeypatch.setattr(trends, "NUM_SHAPES", 36)
    monkeypatch.setattr(trends, "EVERY_EMOJI", 12)
    few = {"train": all_pictures(32)[::32], "heldout": all_pictures(32, "heldout")}
    monkeypatch.setattr(trends, "all_pictures", lambda size, split="train": few[split])
    monkeypatch.setattr(trends, "device", lambda: "cpu")


def test_the_table_has_the_rows_of_the_paper_and_no_row_twice():
    """Without labels and with them, each without a classifier and with it; and classifier-free scales."""
    found = settings()
    assert len(set(found.values())) == len(found) == 2 * (2 * 4 + 5)
    assert found["emoji, unconditional"] == Setting("emoji", 0.0, 0.0)
    assert found["shapes, conditional, classifier 10"] == Setting("shapes", 1.0, 10.0)
    assert found["shapes, classifier-free 3"] == Setting("shapes", 3.0, 0.0)


def test_passes_are_counted_for_every_kind_of_guidance(tiny):
    """Denoiser alone 1; two answers 2; classifier forward and back 2 more."""
    y = torch.arange(3)
    passes = [
        samples_of(Setting("shapes", *scales), y, 0)[1] for scales in ((0.0, 0.0), (1.0, 0.0), (3.0, 0.0), (0.0, 5.0))
    ]
    assert passes == [1, 1, 2, 3]


@pytest.mark.filterwarnings("ignore:.*cannot fill a covariance")
@pytest.mark.parametrize("data", ["shapes", "emoji"])
def test_a_cell_gives_every_number(data, tiny):
    """Accuracy, distance, precision, recall, cost; JSON."""
    found = measure(Setting(data, 2.0), 0)
    accuracy = {"right", "right_held_out"} if data == "shapes" else {"group_right", "group_right_mean", "copy_rate"}
    assert accuracy | {"frechet_relative", "precision", "recall", "saturated", "passes_per_step"} <= set(found)
    json.dumps(found)


def test_the_summary_holds_mean_and_spread_over_seeds(monkeypatch):
    """One entry for every number and row."""

    def fake_cells(name, found, seeds, function):
        return [{"setting": key, "seed": s, "minutes": 1.0, "recall": float(s)} for key in found for s in seeds]

    monkeypatch.setattr(trends, "cells", fake_cells)
    result = guidance_scale([1, 2, 3])
    assert result["summary"]["recall, emoji, conditional"]["mean"] == 2 and len(result["summary"]) == len(settings())
    assert "Table 4" in result["paper"] and result["confound"]
