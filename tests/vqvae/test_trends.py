"""How the chapter's trends are measured, and what the measured tables say."""

import math
import statistics

import pytest
import torch

from lib.training import trend
from lib.training.files import TRENDS
from lib.vqvae import count_codes, trends
from lib.vqvae.trends import NUM_CODES, WIDTHS, bits, cross_entropy_bits, measure_use, vqvae_with


def measured(name: str) -> list[dict]:
    """Rows of a table, skipped while it has not been measured."""
    if not (TRENDS / f"{name}.json").exists():
        pytest.skip(f"{name} is not measured yet: python -m lib.trends {name}")
    return trend(name)["rows"]


@pytest.fixture
def few(monkeypatch):
    """Forty-eight pictures for training and as many held out; two updates."""
    sets = {split: trends.pictures(split)[:48] for split in ("train", "heldout")}
    monkeypatch.setattr(trends, "pictures", lambda split="train": sets[split])
    for name in ("USE_STEPS", "BITS_STEPS", "PRIOR_STEPS"):
        monkeypatch.setattr(trends, name, 2)
    return sets


def test_only_width_and_rule_differ_between_the_recipes():
    """One thing is varied at a time."""
    recipes = [vqvae_with(width, "ema", 10) for width in WIDTHS]
    assert [recipe.build[1]["code_dim"] for recipe in recipes] == list(WIDTHS)
    assert len({str({**recipe.build[1], "code_dim": 0}) for recipe in recipes}) == 1
    rules = [vqvae_with(8, rule, 10).build[1] for rule in ("loss", "ema", "ema_restart")]
    assert len({str({**rule, "update": ""}) for rule in rules}) == 1


def test_a_measurement_of_use_counts_over_all_pictures(few):
    """A batch cannot show more than the epoch has."""
    found = measure_use((4, "ema_restart"), 0)
    assert 0 < found["used"] <= 1 and 1 <= found["perplexity_of_a_batch"] <= NUM_CODES
    assert found["used"] * NUM_CODES >= found["perplexity"] - 1e-6
    assert math.isfinite(found["psnr_heldout"])


@pytest.mark.parametrize("kind", ["vae", "vqvae"])
def test_a_measurement_of_bits_adds_code_and_picture(kind, few):
    """Bits per value of the picture alone, plus the bits of the code divided by the number of values."""
    found = trends.measure_bits(kind, 0)
    for key in [key for key in found if key.startswith("code_bits")]:
        total = found["bits" + key.removeprefix("code_bits")]
        assert total == pytest.approx(found["picture_bits"] + found[key] / 3072)
    if kind == "vqvae":
        assert found["code_bits_uniform"] == 64 * 8


def test_counted_frequencies_need_the_entropy_on_the_same_codes_and_more_on_others():
    """One is added to each count, so that a code that was never seen is not impossible."""
    codes = torch.randint(4, (500, 3, 3), generator=torch.Generator().manual_seed(0))
    counts = count_codes(codes, 4)
    assert cross_entropy_bits(codes, counts) == pytest.approx(2, abs=0.01)
    assert cross_entropy_bits(torch.full((1, 2, 2), 4), count_codes(codes, 5)) > 10
    few = count_codes(codes[:1], 4)
    share = [2 ** -cross_entropy_bits(torch.full((1, 1, 1), k), few) for k in range(4)]
    assert sum(share) == pytest.approx(1) and min(share) > 0


def test_bits_of_a_perfect_spread_are_those_of_a_gaussian():
    """With s² the mean squared error, a value costs log2(s sqrt(2 pi e)) less log2 of the distance of two levels."""
    s = 0.1
    expected = math.log2(s * math.sqrt(2 * math.pi * math.e)) - math.log2(2 / 255)
    assert bits(3072 * s**2, s, 0.0) == pytest.approx(expected)


def test_every_setting_has_three_seeds():
    """Twelve settings of the codebook, two of the bits."""
    for name, num in (("vqvae_codebook_use", 12), ("vqvae_bits", 2)):
        rows = measured(name)
        assert len({row["setting"] for row in rows}) == num
        assert all(sum(other["setting"] == row["setting"] for other in rows) >= 3 for row in rows)


def test_restarts_keep_more_codes_in_use_than_running_means_without():
    """At every width, mean over the seeds."""
    rows = measured("vqvae_codebook_use")
    for width in WIDTHS:
        used = {
            rule: statistics.fmean(row["used"] for row in rows if row["setting"] == f"{rule}, {width}")
            for rule in ("ema", "ema_restart")
        }
        assert used["ema_restart"] > used["ema"]


def test_a_better_prior_makes_the_same_codes_cheaper():
    """Uniform, counted, transformer: fewer bits each time, for the same pictures."""
    for row in measured("vqvae_bits"):
        if row["setting"].startswith("VQ"):
            assert row["bits_uniform"] > row["bits_counted"] > row["bits_transformer"]
