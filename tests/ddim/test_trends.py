"""How the chapter's trends are measured: only steps and noise are varied, on one model."""

import json

import pytest
import torch

from lib.ddim import round_trip, sample, trends
from lib.ddim.quality import draw
from lib.ddim.subsequences import evenly
from lib.ddim.trends import ETAS, PAPER, TRENDS, crossing, label_of, measure_inversion, measure_samples, ratios
from lib.ddpm import UNet, last, schedules
from lib.ddpm.recipe import all_pictures
from lib.training import autocast, step_generator, trend


@pytest.fixture
def tiny(monkeypatch):
    """An untrained small network, few pictures, one and two steps."""
    few = {split: all_pictures(32, split)[::step] for split, step in (("train", 32), ("heldout", 16))}
    torch.manual_seed(0)
    model = UNet(channels=8, multipliers=[1, 1], attention_resolutions=[], size=32).eval()
    monkeypatch.setattr(trends, "all_pictures", lambda size, split="train": few[split])
    monkeypatch.setattr(trends, "network", lambda: model)
    monkeypatch.setattr(trends, "device", lambda: "cpu")
    for name, value in {
        "STEP_COUNTS": (1, 2), "INVERSION_STEPS": (2, 3), "NUM_INVERTED": 2, "CHUNK": 33,
        "EVERY_HELDOUT": 1, "NUM_SAMPLES": len(few["heldout"]),
    }.items():  # fmt: skip
        monkeypatch.setattr(trends, name, value)
    return model


def test_as_many_pictures_are_drawn_as_are_held_out():
    """Small sets look further away, so that both sides of the ratio must be of one size."""
    assert len(all_pictures(32, "heldout")[:: trends.EVERY_HELDOUT]) == trends.NUM_SAMPLES


def test_training_pictures_themselves_are_the_floor_of_the_table(tiny):
    """Nearer than new emoji, another number for every seed, the same for the same seeds."""
    found = trends.floor([0, 1, 2])
    assert 0 < found["min"] < found["max"] < 1 and found == trends.floor([0, 1, 2])


@pytest.mark.parametrize("eta", ETAS)
def test_a_cell_gives_every_number(eta, tiny):
    """Draw, compare, divide the seconds by the pictures."""
    found = measure_samples((2, eta), 0)
    assert set(found) == {"frechet_relative", "frechet_samples", "precision", "recall", "seconds_per_picture"}
    assert found["frechet_relative"] > 1 and 0 < found["seconds_per_picture"] < 10
    json.dumps(found)


def test_with_one_step_every_amount_of_noise_draws_the_same_pictures(tiny):
    """There is no room for noise at level 0, and all settings of a seed share x_T."""
    found = {measure_samples((1, eta), 0)["frechet_relative"] for eta in ETAS}
    assert len(found) == 1 and found != {measure_samples((1, "eta 0"), 1)["frechet_relative"]}


def test_a_round_trip_is_measured_on_held_out_pictures_chosen_by_the_seed(tiny):
    """Two seeds measure two choices; both numbers are plain ones for a JSON file."""
    found = measure_inversion((3, False), 0)
    assert set(found) == {"error", "std_of_noise"} and found["error"] >= 0
    assert found != measure_inversion((3, False), 1)


def test_the_error_of_a_round_trip_is_that_of_values_in_the_unit_range(tiny, monkeypatch):
    """A quarter of the mean square in [-1, 1], as in the paper's table; here of all pictures, whatever the seed."""
    pictures = trends.all_pictures(32, "heldout")
    monkeypatch.setattr(trends, "NUM_INVERTED", len(pictures))
    expected = round_trip(tiny, pictures, trends.DIFFUSION["ddpm_emoji32"]["alpha_bar"], evenly(1000, 2), target="v")
    assert measure_inversion((2, False), 5)["error"] == pytest.approx(expected.error.mean().item() / 4, rel=1e-4)


def test_the_tables_hold_every_setting_the_paper_s_numbers_and_a_sentence_on_the_crossing(tiny, monkeypatch):
    """With the cells given, nothing but arithmetic is left."""

    def fake_cells(name, settings, seeds, function):
        zeros = {"frechet_relative": 2.0, "seconds_per_picture": 0.1, "error": 0.5, "std_of_noise": 1.0}
        return [{"setting": label, "seed": seed} | zeros for label in settings for seed in seeds]

    monkeypatch.setattr(trends, "cells", fake_cells)
    table = TRENDS["ddim_steps_eta"]([0, 1, 2])
    assert table["summary"]["frechet_relative, training emoji"]["num"] == 3
    assert len(table["rows"]) == 3 * 2 * 5 and table["summary"]["frechet_relative, sigma-hat, 2 steps"]["mean"] == 2
    assert table["summary"]["seconds_per_picture, 2 steps"]["num"] == 15 and "no crossing" in table["crossing"]
    inversion = TRENDS["ddim_inversion"]([0, 1, 2])
    assert len(inversion["rows"]) == 3 * 2 * 2 and inversion["summary"]["error, asked above, 3 steps"]["num"] == 3
    json.dumps([table, inversion])


def test_the_paper_s_ratios_and_its_crossing():
    """10 steps over 1,000: 3.3 without noise, 116 with sigma-hat, which alone is better than eta 0, at 1,000 steps."""
    counts = (10, 20, 50, 100, 1000)
    found = {label_of(num, eta): [fid] for eta in PAPER for num, fid in zip(counts, PAPER[eta], strict=True)}
    table = ratios(found)
    assert table["eta 0"]["ours"] == table["eta 0"]["paper"] == pytest.approx(3.307, abs=1e-3)
    assert table["sigma-hat"]["paper"] == pytest.approx(115.9, abs=0.1)
    assert crossing(found) == "With 1000 steps sigma-hat is the first to beat eta 0 by more than both spreads."


def test_a_lead_within_the_spreads_is_no_crossing():
    """A mean 0.1 lower counts with spreads of 0.04 each, and not with 0.06; the stored sentence follows its rows."""
    found = {label_of(num, eta): [2.0, 2.0] for eta in PAPER for num in trends.STEP_COUNTS}
    for spread, crosses in ((0.04, True), (0.06, False)):
        step = spread / 2**0.5
        found[label_of(20, "eta 0")] = [2.0 - step, 2.0 + step]
        found[label_of(20, "eta 0.5")] = [1.9 - step, 1.9 + step]
        assert crossing(found).startswith("With 20 steps eta 0.5" if crosses else "There is no crossing")
    stored = trend("ddim_steps_eta")
    measured = {row["setting"]: [] for row in stored["rows"]}
    for row in stored["rows"]:
        measured[row["setting"]].append(row["frechet_relative"])
    assert stored["crossing"] == crossing(measured)


def test_chunks_have_noise_of_their_own_and_pictures_stay_in_range():
    """Two chunks of one draw differ; the same seed draws the same pictures."""
    torch.manual_seed(0)
    model = UNet(channels=8, multipliers=[1, 1], attention_resolutions=[], size=32).eval()
    settings = {"alpha_bar": schedules.cosine(20), "target": "v", "eta": 0.5, "chunk": 2}
    samples = draw(model, 4, 32, [10, 20], **settings)
    assert samples.shape == (4, 3, 32, 32) and samples.abs().max() <= 1
    assert not torch.equal(samples[:2], samples[2:]) and torch.equal(samples, draw(model, 4, 32, [10, 20], **settings))


def test_a_drawn_chunk_is_a_walk_with_clipped_estimates():
    """The first chunk has the noise of its own generator; a network whose estimates leave the range tells the rest."""
    torch.manual_seed(0)
    model = UNet(channels=8, multipliers=[1, 1], attention_resolutions=[], size=32).eval()
    torch.nn.init.normal_(model.out[-1].weight, std=1.0)
    diffusion = {"alpha_bar": schedules.cosine(20), "target": "v"}
    with autocast("auto", "cpu"):
        walk = sample(model, (2, 3, 32, 32), diffusion["alpha_bar"], step_generator(0, 0, "samples"), levels=[10, 20],
                      eta=0.5, target="v", clip=True)  # fmt: skip
        expected = last(walk).x_t.float().clamp(-1, 1)
    torch.testing.assert_close(draw(model, 2, 32, [10, 20], **diffusion, eta=0.5), expected)
