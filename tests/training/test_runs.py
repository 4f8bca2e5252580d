import json
from dataclasses import replace
from functools import partial

import pytest
import torch

from lib import train as command
from lib.training import Recipe, Trainer, card, cosine, load, run, train
from lib.training.recipe import RECIPES, SmokeNet, smoke_batch, smoke_loss


def weights(model) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    assert all(ours[key].equal(theirs[key]) for key in ours)


def interrupted(recipe, at: int, **options):
    """Run a recipe, and be stopped just before update number ``at``."""

    def stops(step, generator):
        if step == at:
            raise KeyboardInterrupt
        return smoke_batch(step, generator)

    stops.__module__, stops.__qualname__ = smoke_batch.__module__, smoke_batch.__qualname__  # the same recipe by name
    with pytest.raises(KeyboardInterrupt):
        run(replace(recipe, batch_fn=stops), device="cpu", **options)


@pytest.mark.parametrize("options", [{}, {"ema_decay": None}, {"precision": "fp32", "num_shards": 1}])
def test_a_state_brings_back_everything_bit_for_bit(recipe, options):
    """Weights, average, moments, counters, buffers, history: continuing equals never having stopped."""
    recipe = replace(recipe, **options)
    whole, first, second = (Trainer(recipe, seed=5) for _ in range(3))
    for _ in range(12):
        whole.advance()
    for _ in range(5):
        first.advance()
    assert second.load_state(first.save_state(note="here")) == {"note": "here"}
    while second.step < 12:
        second.advance()
    assert second.history == whole.history
    assert_same(weights(second.model), weights(whole.model))
    assert_same(weights(second.result), weights(whole.result))
    ours, theirs = second.optimizer.state_dict()["state"], whole.optimizer.state_dict()["state"]
    assert all(ours[i][key].equal(theirs[i][key]) for i in ours for key in ours[i])


def test_a_state_may_be_taken_before_the_first_update(recipe):
    """A run can be killed in its first second."""
    one, other = Trainer(recipe, seed=1), Trainer(recipe, seed=1)
    other.load_state(one.save_state())
    assert other.step == 0 and other.advance() == one.advance()


def test_a_state_keeps_the_memory_layout_of_the_weights(recipe):
    """A model that was moved to channels-last goes on in channels-last, moments of the optimiser included."""
    one, other = Trainer(recipe), Trainer(recipe)
    one.advance()
    other.model.to(memory_format=torch.channels_last)
    other.load_state(one.save_state())
    moment = other.optimizer.state[other.model.layers[4].weight]["exp_avg"]
    assert moment.is_contiguous(memory_format=torch.channels_last)
    assert moment.equal(one.optimizer.state[one.model.layers[4].weight]["exp_avg"])


@pytest.mark.parametrize(
    "change, said",
    [
        ({"lr": 0.02}, "lr = 0.01; now it is 0.02"),
        ({"num_shards": 1}, "num_shards = 2; now it is 1"),
        ({"ema_decay": None}, "ema_decay"),
        ({"schedule": partial(cosine, warmup=0.5)}, "schedule"),
        ({"build": (SmokeNet, {"width": 8})}, "kwargs"),
        ({"data_hash": lambda: "other"}, "data_hash = 'drawn by .*'other'"),
    ],
)
def test_a_state_of_another_recipe_is_refused(recipe, change, said):
    """The first difference is named with both values."""
    state = Trainer(recipe).save_state()
    with pytest.raises(ValueError, match=said):
        Trainer(replace(recipe, **change)).load_state(state)


def test_an_interrupted_run_goes_on_to_the_same_end(recipe, runs, tmp_path):
    """The checkpoint of the run that stopped before update 7 equals that of the run that did not, byte for byte."""
    run(recipe, device="cpu", out=tmp_path / "whole")
    interrupted(recipe, 7, save_every=0.0)
    about = run(recipe, device="cpu", resume=True, out=tmp_path / "resumed")
    names = [tmp_path / folder / "smoke.safetensors" for folder in ("whole", "resumed")]
    assert names[0].read_bytes() == names[1].read_bytes()
    assert about["history"] == card("smoke", tmp_path / "whole")["history"] and about["steps"] == 12
    assert not (runs / "smoke" / "state.safetensors").exists()


def test_nothing_to_resume_is_said(recipe):
    """Asking for it may be a slip in the name."""
    with pytest.raises(FileNotFoundError, match="no unfinished run of 'smoke'"):
        run(recipe, device="cpu", resume=True)


@pytest.mark.parametrize(
    "options, said", [({"seed": 1}, "seed = 0; now it is 1"), ({"num_steps": 20}, "num_steps = 12; now it is 20")]
)
def test_resuming_with_another_seed_or_length_is_refused(recipe, options, said):
    """The result would be a mixture that no command can make again."""
    interrupted(recipe, 3)
    with pytest.raises(ValueError, match=said):
        run(recipe, device="cpu", resume=True, **options)


def test_an_unfinished_run_is_not_overwritten_in_silence(recipe, tmp_path):
    """Hours of work may be in it: the reader says resume or fresh, and not both."""
    interrupted(recipe, 3)
    with pytest.raises(FileExistsError, match="--resume, or discard it with --fresh"):
        run(recipe, device="cpu")
    with pytest.raises(ValueError, match="one of them"):
        run(recipe, device="cpu", resume=True, fresh=True)
    assert run(recipe, device="cpu", fresh=True, out=tmp_path)["steps"] == 12


def test_a_half_written_state_is_ignored_and_removed(recipe, runs, tmp_path):
    """A killed process leaves a temporary file beside the good state."""
    interrupted(recipe, 5, save_every=0.0)
    leftover = runs / "smoke" / ".state.safetensors.123.tmp"
    leftover.write_bytes(b"half")
    assert run(recipe, device="cpu", resume=True, out=tmp_path)["steps"] == 12
    assert not leftover.exists()


def test_a_shipped_checkpoint_is_replaced_only_by_the_recipe_as_it_stands(recipe, runs, tmp_path, monkeypatch):
    """Another seed or length is an experiment and stays with the run."""
    monkeypatch.setattr("lib.training.runs.CHECKPOINTS", tmp_path / "shipped")
    run(recipe, device="cpu", num_steps=3)
    run(recipe, device="cpu", seed=1)
    assert not (tmp_path / "shipped").exists() and card("smoke", runs / "smoke")["seed"] == 1
    run(recipe, device="cpu")
    assert card("smoke", tmp_path / "shipped")["seed"] == 0


def test_the_metrics_are_those_of_the_stored_weights(recipe, tmp_path):
    """With half=True the model is rounded before it is evaluated, so the card speaks of the file beside it."""

    def first_weight(model):
        return {"weight": model.layers[0].weight[0, 0, 0, 0].item(), "drawn": torch.rand(1).item()}

    torch.manual_seed(11)
    about = run(replace(recipe, half=True, evaluate=first_weight), device="cpu", seed=2, out=tmp_path)
    assert about["metrics"] == first_weight_after_seed(load("smoke", folder=tmp_path), first_weight, 2)
    assert about["metrics_seed"] == 2 and about["data_hash"] and about["recipe"]["loss_fn"].endswith("smoke_loss")


def first_weight_after_seed(model, evaluate, seed):
    torch.manual_seed(seed)
    return evaluate(model)


def test_training_in_memory_gives_the_weights_of_the_run(recipe, tmp_path, runs):
    """`train` and `run` carry out the same updates; `train` writes nothing."""
    model = train(recipe, seed=4)
    assert not runs.exists() and len(model.history) == 12
    run(recipe, seed=4, device="cpu", out=tmp_path)
    assert_same(weights(load("smoke", folder=tmp_path)), weights(model))


def test_the_seed_decides_weights_batches_and_noise_and_nothing_else_does(recipe):
    """The state of the global generator has no part in it, and is left alone."""
    torch.manual_seed(1)
    one = train(recipe, seed=0)
    torch.manual_seed(2)
    expected = torch.Generator().manual_seed(2)
    other, third = train(recipe, seed=0), train(recipe, seed=1)
    assert torch.rand(1).equal(torch.rand(1, generator=expected))
    assert_same(weights(one), weights(other))
    assert not weights(one)["layers.0.weight"].equal(weights(third)["layers.0.weight"])


def test_a_recipe_names_one_source_of_batches():
    """Both or none would leave open what is trained on."""
    common = {"name": "x", "build": (SmokeNet, {}), "loss_fn": smoke_loss, "num_steps": 1}
    for wrong in ({}, {"batch_fn": smoke_batch, "batch_size": 4}, {"data": lambda: torch.zeros(4)}):
        with pytest.raises(ValueError, match="recipe x"):
            Recipe(**common, **wrong)


def test_a_recipe_draws_batches_from_data(recipe):
    """``data`` is called when training begins, not when the recipe is read."""
    called = []
    source = replace(recipe, batch_fn=None, data=lambda: called.append(1) or torch.arange(6), batch_size=6)
    assert not called
    assert source.batches(seed=0)(1).sort().values.tolist() == list(range(6)) and called == [1]


def test_fixed_arguments_of_a_loss_are_on_the_card():
    """Two recipes that differ only in a weight of the loss must be told apart."""
    recipe = replace(RECIPES["smoke"], loss_fn=partial(smoke_loss, kl_weight=4.0))
    assert recipe.describe()["loss_fn"] == "lib.training.recipe.smoke_loss(kl_weight=4.0)"
    assert json.loads(json.dumps(recipe.describe())) == recipe.describe()


def test_the_command_lists_recipes_and_names_mistakes(capsys):
    """Mistakes end in one line and the exit status 2."""
    command.main(["--list"])
    assert "smoke" in capsys.readouterr().out
    for argv, said in ((["smok"], "no recipe 'smok'; there are"), (["smoke", "--resume"], "no unfinished run")):
        with pytest.raises(SystemExit) as stop:
            command.main(argv)
        assert stop.value.code == 2 and said in capsys.readouterr().err


def test_every_recipe_has_the_name_it_is_filed_under():
    """`python -m lib.train NAME` finds all of them, and importing them loads no data."""
    for name, recipe in command.recipes().items():
        assert recipe.name == name
        json.dumps(recipe.describe(), allow_nan=False)


def test_several_processes_that_would_not_start_are_refused(recipe, monkeypatch):
    """`accelerate launch --cpu --num_processes 2` without mpirun starts one process and says nothing; we do."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ValueError, match="--multi_gpu --num_processes 2"):
        run(recipe, device="cpu")
