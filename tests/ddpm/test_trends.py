"""How the chapter's trends are measured: one thing is varied at a time, on equal terms."""

import json
from dataclasses import asdict

import pytest
import torch

from lib.ddpm import round_to_levels, trends
from lib.ddpm.recipe import all_pictures
from lib.ddpm.trends import TRENDS, Setting, bits, eight_bit_batch, measure, measure_variances, short_recipe, table


@pytest.fixture
def tiny(monkeypatch):
    """Everything in seconds: a chain of 25 steps, two updates, few pictures, two sampling steps."""
    few = {split: all_pictures(32, split)[::step] for split, step in (("train", 32), ("heldout", 6))}
    monkeypatch.setattr(trends, "all_pictures", lambda size, split="train": few[split])
    for name, value in {
        "CHAIN": 25, "UPDATES": 2, "BATCH_SIZE": 4, "NUM_BOUND": 2, "SAMPLING_STEPS": 2, "STEP_COUNTS": (1,),
        "NETWORK": {"channels": 8, "multipliers": [1, 1], "attention_resolutions": [], "size": 32},
    }.items():  # fmt: skip
        monkeypatch.setattr(trends, name, value)


def settings_of(name: str, monkeypatch) -> dict[str, Setting]:
    """The settings that a trend would measure, without measuring them."""
    seen = {}

    def fake_cells(name, settings, seeds, function):
        seen.update(settings)
        return [{"setting": label} for label in settings]

    monkeypatch.setattr(trends, "cells", fake_cells)
    TRENDS[name]([0])
    return seen


@pytest.mark.parametrize(
    ("name", "varied"),
    [("ddpm_objective", {"loss"}), ("ddpm_target", {"target"}), ("ddpm_schedule", {"schedule"})],
)
def test_nothing_differs_between_settings_but_what_is_varied(name, varied, monkeypatch):
    """A difference in the numbers can then have one cause only."""
    settings = [asdict(setting) for setting in settings_of(name, monkeypatch).values()]
    different = {key for key in settings[0] if len({setting[key] for setting in settings}) > 1}
    assert different == varied


def test_all_recipes_are_the_same_but_for_the_loss_and_the_channels_for_the_variance():
    """The same network, batches, rate and number of updates."""
    plain, hybrid = short_recipe(Setting()), short_recipe(Setting("hybrid"))
    assert plain.build[1] | {"learned_variance": True} == hybrid.build[1]
    for field in ("num_steps", "lr", "ema_decay", "batch_fn"):
        assert getattr(plain, field) == getattr(hybrid, field)


def test_batches_hold_levels_of_brightness():
    """The bound prices levels, and refuses anything in between."""
    x = eight_bit_batch(1, torch.Generator().manual_seed(0))
    assert x.shape == (trends.BATCH_SIZE, 3, 32, 32)
    torch.testing.assert_close(round_to_levels(x), x)


@pytest.mark.parametrize("loss", ["simple", "bound", "hybrid"])
def test_a_cell_gives_every_number(loss, tiny):
    """Train, bound and samples for each loss, small enough to be tried here."""
    found = measure(Setting(loss, variance="learned" if loss == "hybrid" else "beta_tilde"), 0)
    assert set(found) == {
        "bits_per_dim", "bits_last_step", "frechet_relative", "precision", "recall", "copy_rate", "final_loss",
    }  # fmt: skip
    assert found["bits_per_dim"] > found["bits_last_step"] > 0 and found["frechet_relative"] > 1
    json.dumps(found)


def test_the_variances_are_compared_on_one_model(tiny):
    """Three bounds, and a distance for each of them; with one step no noise is drawn, so all are equal."""
    found = measure_variances(Setting("hybrid", variance="learned"), 0)
    assert len(found) == 3 + 3
    one_step = {found[f"frechet_relative, {name}, 1 steps"] for name in trends.VARIANCES}
    assert len(one_step) == 1


def test_the_bound_of_an_untrained_network_does_not_depend_on_the_draw(tiny):
    """The noise is the same for every model, so that differences are those of the models."""
    from lib.ddpm.model import UNet

    torch.manual_seed(0)
    model = UNet(**trends.NETWORK).eval()
    assert bits(model, Setting()) == bits(model, Setting())


def test_the_summary_holds_mean_and_spread_over_seeds(monkeypatch):
    """One entry for every number and setting; what two trends share is measured once, and named by each as it likes."""

    def fake_cells(name, settings, seeds, function):
        return [{"setting": key, "seed": s, "minutes": 1.0, "bits": float(s)} for key in settings for s in seeds]

    monkeypatch.setattr(trends, "cells", fake_cells)
    result = table("ddpm_short", {"a": Setting(), "b": Setting("bound")}, [1, 2, 3], measure, "paper")
    assert result["summary"]["bits, a"]["mean"] == 2 and result["summary"]["bits, b"]["num"] == 3
    assert [row["setting"] for row in result["rows"]] == ["a"] * 3 + ["b"] * 3
