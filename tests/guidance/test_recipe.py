"""The trainings of the chapter, their batches, and the readers that judge samples."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch

from lib.data import COLOURS, HELD_OUT_PAIRS, shapes
from lib.data.shape_sample import PAIR_IS_HELD_OUT
from lib.data.shape_sdf import CLASSES
from lib.ddpm.recipe import all_pictures
from lib.guidance import CFGModel, recipe
from lib.guidance.quality import (
    NUM_PAIRS,
    distances,
    draw,
    draw_cfg,
    evenly,
    group_accuracy,
    group_of_subgroup,
    pair_label,
    read_group,
    real_shapes,
    shape_accuracy,
)
from lib.guidance.recipe import (
    DIFFUSION,
    RECIPES,
    SCHEDULE_OF,
    evaluate_classifier,
    evaluate_groups,
    evaluate_shapes,
    groups,
    groups_batch,
    shapes_batch,
)
from lib.training import Trainer, card, load
from lib.training.files import CHECKPOINTS


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_described_and_makes_an_update(name):
    """The card must be JSON; model, batch, loss and schedule fit together."""
    source = RECIPES[name]
    described = json.loads(json.dumps(source.describe()))
    assert f"(name={name})" in described["loss_fn"] and (name in DIFFUSION or SCHEDULE_OF[name] in DIFFUSION)
    small = replace(source, batch_fn=partial(source.batch_fn, batch_size=4))
    record = Trainer(small, seed=0, num_steps=2).advance()
    assert 0.1 < record.loss < 6


def test_shapes_come_with_the_labels_of_their_class_and_colour_and_never_a_held_out_pair():
    """The label is 6 · class + colour; the six pairs are absent from training and present where all are asked for."""
    x, y = shapes_batch(1, generator(), batch_size=200)
    scenes = shapes(200, num_objects=1, generator=generator())
    assert torch.equal(x, scenes.images) and torch.equal(y, 6 * scenes.class_idx[:, 0] + scenes.colour_idx[:, 0])
    assert not PAIR_IS_HELD_OUT.flatten()[y].any()
    held_out = {
        pair_label(torch.tensor(CLASSES.index(name)), torch.tensor(list(COLOURS).index(colour))).item()
        for colour, name in HELD_OUT_PAIRS
    }
    assert held_out == set(PAIR_IS_HELD_OUT.flatten().nonzero()[:, 0].tolist()) and NUM_PAIRS == 36
    _, y = shapes_batch(1, generator(), batch_size=50, split="heldout")
    assert PAIR_IS_HELD_OUT.flatten()[y].all()


def test_emoji_come_with_their_groups_mirrored_or_not():
    """Every picture of a batch is found among the training pictures, with its own group."""
    x, y = groups_batch(1, generator(), batch_size=20)
    found = {picture.numpy().tobytes(): label.item() for picture, label in zip(all_pictures(32), groups(), strict=True)}
    mirrored = 0
    for picture, label in zip(x, y.tolist(), strict=True):
        keys = [picture.contiguous().numpy().tobytes(), picture.flip(-1).contiguous().numpy().tobytes()]
        assert label in [found.get(key) for key in keys]
        mirrored += keys[0] not in found
    assert 2 < mirrored < 18


def test_real_shapes_are_read_as_what_they_are():
    """The reader takes no part in training; on real pictures it is right, and a wrong label is noticed."""
    scenes = shapes(60, num_objects=1, split="all", seed=3)
    y = pair_label(scenes.class_idx[:, 0], scenes.colour_idx[:, 0])
    found = shape_accuracy(scenes.images, y)
    assert found["class_right"] > 0.95 and found["colour_right"] == 1 and found["found"] == 1
    wrong = shape_accuracy(scenes.images, (y + 1) % 36)
    assert wrong["right"] == 0 and wrong["colour_right"] == 0
    assert ("right_held_out" in found) == PAIR_IS_HELD_OUT.flatten()[y].any().item()


def test_the_judge_of_groups_is_right_for_most_held_out_emoji():
    """Each subgroup belongs to one group; three of four held-out emoji are recognised, and nearly all known ones."""
    assert len(group_of_subgroup()) == 99 and set(group_of_subgroup().tolist()) == set(range(9))
    x, y = all_pictures(32, "heldout"), groups("heldout")
    right = group_accuracy(x, y)
    assert 0.7 < right["group_right"] and right["group_right_mean"] < right["group_right"]
    assert (read_group(all_pictures(32)[::20]) == groups()[::20]).double().mean() > 0.97


@pytest.mark.filterwarnings("ignore:.*cannot fill a covariance")
def test_real_pictures_are_at_distance_1_of_real_pictures():
    """As far away as others of their kind; pictures of noise are further, and cover nothing."""
    real, others, more = real_shapes(160, 1), real_shapes(40, 2), real_shapes(40, 3)
    same = distances(more, real, others)
    assert 0.5 < same["frechet_relative"] < 2 and same["precision"] > 0.7 and same["recall"] > 0.7
    noise = distances(torch.rand(40, 3, 32, 32, generator=generator()) * 2 - 1, real, others)
    assert noise["frechet_relative"] > 5 and noise["recall"] < 0.2
    with pytest.raises(ValueError, match="images and others must be equally many, got 40 and 160"):
        distances(more, others, real)


def test_samples_follow_from_the_seed_and_each_label_has_its_picture():
    """Chunks have noise of their own; the same seed starts from the same noise whatever the scale."""
    model, y = RECIPES["cfg_shapes"].make_model(0).eval(), evenly(5)
    settings = {"num_steps": 1, **DIFFUSION["cfg_shapes"], "chunk": 3}
    one = draw_cfg(model, y, 3.0, **settings)
    assert one.shape == (5, 3, 32, 32) and one.abs().max() <= 1
    assert torch.equal(one, draw_cfg(model, y, 3.0, **settings))
    assert not torch.equal(one, draw_cfg(model, y, 3.0, **settings, seed=1)) and not torch.equal(one[0], one[3])
    seen = []
    spy = lambda labels: lambda x_t, t: seen.append((labels.tolist(), x_t)) or x_t  # noqa: E731
    draw(spy, y, **settings)
    assert [labels for labels, _ in seen] == [[0, 1, 2], [3, 4]]
    draw(lambda labels: CFGModel(model, labels, 1.0), y, **settings)


@pytest.mark.filterwarnings("ignore:.*cannot fill a covariance")
@pytest.mark.parametrize("name", RECIPES)
def test_the_card_gets_its_numbers_from_an_untrained_network(name, monkeypatch):
    """Everything that `evaluate` names, in seconds, and all of it JSON; nobody guesses right but by chance."""
    monkeypatch.setattr(recipe, "SCALES", (1.0, 2.0))
    monkeypatch.setattr(recipe, "SAMPLING_STEPS", 1)
    monkeypatch.setattr(recipe, "LEVELS", (1, 800))
    few = {"train": all_pictures(32)[::32], "heldout": all_pictures(32, "heldout")}
    monkeypatch.setattr(recipe, "all_pictures", lambda size, split="train": few[split])
    model = RECIPES[name].make_model(0).eval()
    if name in SCHEDULE_OF:
        found = evaluate_classifier(model, name=name, num=36)
        assert set(found) == {"right, t=1", "right, t=800", "largest_class"}
    elif name == "cfg_shapes":
        found = evaluate_shapes(model, num=36)
        assert found["right, s=1"] < 0.3 and {"right_held_out, s=2", "frechet_relative, s=2"} <= set(found)
    else:
        found = evaluate_groups(model, every=12)
        assert {"group_right, s=1", "group_right_mean, s=2", "frechet_relative, s=2", "recall, s=2"} <= set(found)
    json.dumps(found)


def test_the_shipped_networks_do_what_their_cards_say():
    """Whatever is shipped: labels are obeyed, more so at scale 2, and classifiers read what is nearly clean."""
    for name in {path.stem for path in CHECKPOINTS.glob("*.json")} & set(RECIPES):
        model, metrics = load(name), card(name)["metrics"]
        if name in SCHEDULE_OF:
            found = evaluate_classifier(model, name=name, num=100)
            assert found["right, t=1"] == pytest.approx(metrics["right, t=1"], abs=0.12), name
            assert metrics["right, t=1"] > metrics["largest_class"] + 0.1, name
        elif name == "cfg_shapes":
            y = evenly(36)
            images = draw_cfg(model, y, 2.0, num_steps=10, **DIFFUSION[name])
            assert shape_accuracy(images, y)["right"] > 0.6 and metrics["right, s=2"] > 0.8, name
        else:
            assert metrics["group_right, s=2"] > metrics["group_right, s=1"] - 0.02, name
            assert metrics["frechet_relative, s=1"] < 3, name
