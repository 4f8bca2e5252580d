"""How the trends are measured: one picture set for all, equal updates against equal compute, every call counted."""

import json

import pytest
import torch

from lib.data import shapes
from lib.ldm import trends
from lib.ldm.autoencoder import AutoencoderKL
from lib.ldm.diffusion import LatentDiffusion
from lib.ldm.loss import FirstStage
from lib.ldm.sampling import DIFFUSION, TextToImage
from lib.ldm.scale import Scaling
from lib.ldm.trends import COST_SETTINGS, FIRST_STAGES, Setting, denoiser, flops, settings


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Untrained first stages, few pictures, few steps."""

    def untrained(name: str):
        torch.manual_seed(0)
        levels = {"2": (1, 2), "4": (1, 2, 2), "8": (1, 2, 2, 2)}[name.split("_f")[1][0]]
        return FirstStage(critic_channels=0, channels=8, multipliers=levels, num_groups=4).eval()

    monkeypatch.setattr(trends, "load", untrained)
    for name, value in (("NUM_TRAINING", 8), ("BATCH", 4), ("NUM_SAMPLES", 4), ("SAMPLING_STEPS", 1), ("TIMED", 2)):
        monkeypatch.setattr(trends, name, value)
    monkeypatch.setattr(trends, "NUM_STEPS", 2)
    monkeypatch.setattr(trends, "held_out_pictures", lambda: shapes(8, 64, 2, seed=0).images)
    trends.training_data.cache_clear()


def test_equal_compute_gives_coarse_latents_more_updates():
    """An update at f = 2 costs more than one at f = 4, and one at f = 8 less; at equal updates none is changed."""
    found = settings(lambda f: {2: 4.0, 4: 1.0, 8: 0.25}[f])
    assert found == {
        "f=2, equal updates": Setting(2, 2), "f=4, equal updates": Setting(4, 2), "f=8, equal updates": Setting(8, 2),
        "f=2, equal compute": Setting(2, 0), "f=8, equal compute": Setting(8, 8),
    }  # fmt: skip


def test_the_network_is_the_same_for_every_f_and_its_cost_falls():
    """As many parameters; operations fall nearly with the number of places."""
    models = {factor: denoiser(factor) for factor in FIRST_STAGES}
    sizes = {sum(p.numel() for p in model.parameters()) for model in models.values()}
    costs = [flops(models[factor]) for factor in (2, 4, 8)]
    assert len(sizes) == 1 and 3 < costs[0] / costs[1] < 6 and 2 < costs[1] / costs[2] < 5


@pytest.mark.filterwarnings("ignore:.*cannot fill a covariance")
def test_a_cell_of_each_trend_gives_every_number(monkeypatch):
    """JSON, with the cost beside the quality."""
    floor = trends.measure_floor("ldm_kl_f8", 0)
    assert {"psnr", "perceptual", "frechet", "latent_numbers"} == set(floor)
    quality = trends.measure_quality(Setting(8, 2), 0)
    assert {"frechet", "all", "colour", "training_seconds", "num_steps"} <= set(quality) and quality["num_steps"] == 2

    def bundle(name: str) -> TextToImage:
        torch.manual_seed(0)
        net = LatentDiffusion("emoji", channels=8, attention_resolutions=(8,)).eval()
        return TextToImage(net, AutoencoderKL(4, 8, (1, 2, 2), num_groups=4).eval(), Scaling(), **DIFFUSION)

    monkeypatch.setattr(trends, "text_to_image", bundle)
    cost = trends.measure_cost(("ldm_emoji", 2, 3.0), 0)
    assert cost["network_calls"] == 4 and cost["cpu_seconds"] > 0
    json.dumps([floor, quality, cost])
    assert {name for name, _, _ in COST_SETTINGS.values()} == {"ddpm_emoji64", "ldm_emoji"}


def test_relations_begin_as_their_setting_says(monkeypatch):
    """Places told or not, words first or not; and the numbers are those of wrong captions."""
    begun = []
    monkeypatch.setattr(trends, "RELATIONS_STEPS", 2)
    monkeypatch.setattr(trends, "start_with_words", lambda model: begun.append("words"))
    gains = []

    def gain(model, batch, *, others, **_):
        told = model.unet.middle[1].places is not None
        gains.append((told, (batch[1] != others).sum(1).tolist()))
        return 0.5

    monkeypatch.setattr(trends.failures, "text_gain", gain)
    for label, setting in trends.RELATIONS_SETTINGS.items():
        assert trends.measure_relations(setting, 0) == {"relation turned": 0.5, "colours exchanged": 0.5}
        assert (label.startswith("places told"), "words first" in label) == setting == (gains[-1][0], bool(begun))
        begun.clear()
    assert all(set(changed) <= wanted for (_, changed), wanted in zip(gains, [{1}, {0, 2}] * 4, strict=True))


def test_the_tables_hold_rows_spread_paper_and_confound(monkeypatch):
    """One entry for every number and row."""

    def fake_cells(name, found, seeds, function):
        return [{"setting": key, "seed": s, "minutes": 1.0, "psnr": float(s)} for key in found for s in seeds]

    monkeypatch.setattr(trends, "cells", fake_cells)
    for function in trends.TRENDS.values():
        table = function([1, 2, 3])
        assert table["paper"] and table["confound"] and all(row["mean"] == 2 for row in table["summary"].values())
        json.dumps(table)
