"""The training of the feature network: its batches, its loss, its judge."""

import pytest
import torch

from lib.data import emoji
from lib.metrics.features import FeatureNet
from lib.metrics.judge import accuracy, split_bases, split_pictures
from lib.metrics.recipe import LABELS, NUM_CLASSES, RECIPES, draw_batch, feature_loss, harm_randomly, move
from lib.training import step_generator


def test_the_heads_have_one_output_for_each_class():
    """The recipe states the numbers so that importing it loads no data; they must be those of the data."""
    data = emoji(32, "all")
    assert {field: len(data.labels(field)[1]) for field in LABELS} == NUM_CLASSES


def test_a_batch_follows_from_the_step_alone():
    """The same generator state gives the same pictures, and sizes alternate: both are needed to resume bit for bit."""
    first, again = (draw_batch(7, step_generator(0, 7, "batch")) for _ in range(2))
    assert first.keys() == again.keys() == {"images", "damage", *LABELS}
    for key in first:
        torch.testing.assert_close(first[key], again[key], rtol=0, atol=0)
    assert first["images"].shape == (128, 3, 32, 32)
    assert draw_batch(8, step_generator(0, 8, "batch"))["images"].shape == (128, 3, 64, 64)
    assert first["images"].abs().max() <= 1 + 1e-6


def test_no_held_out_concept_is_ever_drawn():
    """The accuracies on the card are those of unseen concepts only if these never enter a batch."""
    heldout = emoji(32, "heldout").labels("base")[0]
    for step in range(3):
        assert not torch.isin(draw_batch(step, step_generator(0, step, "batch"))["base"], heldout).any()


def test_the_targets_say_which_pictures_were_left_alone(generator):
    """Where all four knobs are at zero the picture is untouched, and there are such pictures and others."""
    images = emoji(32, "train").images[:64]
    harmed, harm = harm_randomly(images, generator)
    alone = (harm == 0).all(1)
    assert 0 < alone.sum() < 64
    torch.testing.assert_close(harmed[alone], images[alone], rtol=0, atol=0)
    assert ((harmed - images).abs().amax((1, 2, 3)) > 0).eq(~alone).all()


def test_a_move_goes_where_its_target_says(generator):
    """The centre of mass of the ink moves by the stated share of the width (a tenth of a half picture is one unit)."""
    images = torch.ones(64, 3, 64, 64)
    images[..., 28:36, 28:36] = -1
    moved, place = move(images, generator)
    ink = (1 - moved).mean(1)
    position = (torch.arange(64) + 0.5) / 32 - 1
    centre = [(ink.sum(axis) * position).sum(1) / ink.sum((1, 2)) for axis in (1, 2)]
    torch.testing.assert_close(torch.stack(centre, 1) / 0.1, place[:, 1:], rtol=0, atol=0.03)
    torch.testing.assert_close((ink.sum((1, 2)) / ink[place[:, 0] == 0].sum((1, 2)).mean()).log() / 2 / 0.1,
                               place[:, 0], rtol=0, atol=0.15)  # fmt: skip


def test_the_loss_falls_when_one_batch_is_repeated():
    """A network that cannot learn one batch by heart is wired wrongly somewhere."""
    model = FeatureNet(num_features=16, channels=8, heads=NUM_CLASSES | {"damage": 7}).train()
    batch = {key: value[:32] for key, value in draw_batch(1, step_generator(0, 1, "batch")).items()}
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = feature_loss(model, batch, torch.Generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_halves_by_concept_share_no_concept_and_are_nearly_equal():
    """A variant of a picture on the other side would make the two halves look closer than they are."""
    bases = emoji(32, "all").labels("base")[0]
    for seed in range(3):
        half = split_bases(bases, seed)
        assert not torch.isin(bases[half], bases[~half]).any()
        assert abs(half.sum() - len(bases) / 2) < 130  # the most variants of one concept
    assert split_pictures(11, 0).sum() == 5


def test_every_concept_counts_once_in_an_accuracy():
    """Right on all pictures of half of the concepts is an accuracy of one half, however many variants they have."""
    data = emoji(32, "heldout")
    bases, subgroup = data.labels("base")[0], data.labels("subgroup")[0]
    right = torch.isin(bases, bases.unique()[::2])
    oracle = torch.nn.Module()
    oracle.heads = {"subgroup": torch.nn.Identity()}
    answers = torch.nn.functional.one_hot(torch.where(right, subgroup, (subgroup + 1) % 99), 99).float()
    num = len(bases.unique())
    assert accuracy(oracle, answers, data, "subgroup") == pytest.approx((num + 1) // 2 / num)


def test_the_recipe_fits_the_shipped_size():
    """Two bytes for each weight must stay below two megabytes."""
    model = RECIPES["emoji_features"].make_model(0)
    assert 2 * sum(weight.numel() for weight in model.parameters()) < 2e6
