"""The trainings of the chapter, the batches they see, and the numbers that judge their samples."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch

from lib.data import mixture, points
from lib.ddpm import ExactModel, PointMLP, UNet, last, sample
from lib.ddpm.quality import COPY_PSNR, compare, draw, energy_distance, nearest_training
from lib.ddpm.recipe import (
    DIFFUSION,
    POINTS,
    RECIPES,
    all_pictures,
    diffusion_loss,
    emoji_batch,
    evaluate_points,
    grow,
    points_batch,
)
from lib.training import Trainer, card, load, train
from lib.training.files import CHECKPOINTS


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_described_and_has_its_schedule(name):
    """The card must be JSON, and name the loss and its settings; a model without its schedule is of no use."""
    recipe = RECIPES[name]
    described = json.loads(json.dumps(recipe.describe()))
    assert recipe.name == name and described["loss_fn"] == f"lib.ddpm.recipe.diffusion_loss(name={name})"
    assert set(DIFFUSION[name]) == {"alpha_bar", "target"}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_an_update_with_its_own_batch(name):
    """Model, batch, loss and schedule fit together; a network that answers 0 pays the variance of the target."""
    recipe = RECIPES[name]
    small = replace(recipe, batch_fn=partial(recipe.batch_fn, batch_size=4))
    record = Trainer(small, seed=0, num_steps=2).advance()
    assert 0.2 < record.loss < 2


@torch.no_grad()
def test_the_large_network_begins_as_the_small_one_on_even_squares():
    """Where the four pixels of every square are equal it gives the small network's answer to all four."""
    large, small = RECIPES["ddpm_emoji64"].make_model(0).eval(), load("ddpm_emoji32")
    x_t, t = torch.randn(2, 3, 32, 32, generator=generator()), torch.tensor([5, 700])

    def even(x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    torch.testing.assert_close(large(even(x_t), t), even(small(x_t, t)), rtol=0, atol=1e-5)
    noise = torch.randn(2, 3, 64, 64, generator=generator(1))
    noise = noise - even(torch.nn.functional.avg_pool2d(noise, 2))  # zero in the mean of every square
    torch.testing.assert_close(large(even(x_t) + noise, t), even(small(x_t, t)), rtol=0, atol=1e-4)


def test_weights_of_another_layout_are_refused():
    """A network with other stages cannot begin with these weights."""
    with pytest.raises(RuntimeError, match="down"):
        grow(
            UNet(channels=32, multipliers=[1, 2], attention_resolutions=[], size=64, patch_size=2), name="ddpm_emoji32"
        )


def test_a_batch_follows_from_the_generator_and_half_of_it_is_mirrored():
    """Every picture is a training picture or the mirror image of one."""
    x = emoji_batch(1, generator(), size=32, batch_size=40)
    assert torch.equal(x, emoji_batch(1, generator(), size=32, batch_size=40)) and x.abs().max() <= 1
    originals = {picture.numpy().tobytes() for picture in all_pictures(32)}
    same = [picture.numpy().tobytes() in originals for picture in x]
    mirrored = [picture.flip(-1).contiguous().numpy().tobytes() in originals for picture in x]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))
    assert 10 < sum(same) < 40


def test_points_are_new_in_every_batch():
    """There is no set to learn by heart."""
    assert not torch.equal(points_batch(1, generator(0), batch_size=8), points_batch(1, generator(1), batch_size=8))


def test_the_loss_of_a_recipe_uses_its_own_schedule_and_target():
    """v of clean-looking levels is nearly the noise, of noisy ones minus the picture: an answer of 0 costs about 0.7
    of emoji, and 1 of noise.
    """
    x_0 = emoji_batch(1, generator(), size=32, batch_size=64)
    zeros = lambda x_t, t: torch.zeros_like(x_t)  # noqa: E731
    level = DIFFUSION["ddpm_emoji32"]["alpha_bar"][1:].mean().float()
    expected = level + (1 - level) * x_0.square().mean()
    found = diffusion_loss(zeros, x_0, generator(), name="ddpm_emoji32")
    assert found.item() == pytest.approx(expected.item(), rel=0.05)


def test_the_exact_network_has_no_gap_and_samples_like_new_points():
    """The best score there is: what a trained network is measured against."""
    numbers = evaluate_points(ExactModel(mixture(POINTS), **DIFFUSION["ddpm_points"]), num=1000)
    assert numbers["eps_gap"] < 1e-10 and 0.05 < numbers["eps_floor"] < 0.9
    assert numbers["energy_relative"] < 4 and numbers["smallest_share_of_eight"] > 0.6


def test_a_short_training_on_points_beats_an_untrained_network():
    """120 updates of a small network: the gap to the exact noise falls by more than half."""
    recipe = replace(RECIPES["ddpm_points"], build=(PointMLP, {"hidden": 64}), num_steps=120, ema_decay=0.9)
    trained = evaluate_points(train(recipe, seed=0), num=300)
    born = evaluate_points(PointMLP(hidden=64), num=300)
    assert trained["eps_gap"] < 0.5 * born["eps_gap"]
    assert trained["energy_relative"] < born["energy_relative"]


def test_training_pictures_as_samples_are_all_copies_at_distance_zero():
    """The trap of a distance to the training data: the training set itself scores best. The copy rate tells."""
    train_set, heldout = all_pictures(32)[::12], all_pictures(32, "heldout")[::6]
    copies = compare(train_set[: len(heldout)].flip(-1), train_set, heldout)
    assert copies["copy_rate"] == 1 and copies["psnr_to_nearest"] > 100
    fresh = compare(heldout, train_set, heldout)
    assert fresh["frechet_relative"] == 1 and fresh["copy_rate"] == 0
    with pytest.raises(ValueError, match="at least as many as the 87 held-out pictures, got 5"):
        compare(heldout[:5], train_set, heldout)


def test_no_held_out_picture_counts_as_a_copy():
    """The limit is above the closest pair of different concepts."""
    closeness, _ = nearest_training(all_pictures(32, "heldout")[::5], all_pictures(32))
    assert closeness.max() < COPY_PSNR


def test_the_nearest_training_picture_is_found_mirrored_or_not():
    """Index and closeness of the better of the two."""
    train_set = all_pictures(32)[:50]
    closeness, index = nearest_training(torch.stack([train_set[7], train_set[31].flip(-1)]), train_set)
    assert index.tolist() == [7, 31] and (closeness > 60).all()


def test_samples_follow_from_the_seed_and_stay_in_range():
    """Chunks have noise of their own; nothing depends on the global generator."""
    torch.manual_seed(0)
    model = UNet(channels=8, multipliers=(1, 2), attention_resolutions=(), size=16, num_heads=2).eval()
    settings = {"alpha_bar": DIFFUSION["ddpm_emoji32"]["alpha_bar"], "target": "v"}
    one = draw(model, 5, 16, 3, **settings, chunk=3)
    torch.manual_seed(5)
    assert torch.equal(one, draw(model, 5, 16, 3, **settings, chunk=3))
    assert one.shape == (5, 3, 16, 16) and one.abs().max() <= 1 and not torch.equal(one[0], one[3])
    assert not torch.equal(one, draw(model, 5, 16, 3, **settings, chunk=3, seed=1))


def test_the_energy_distance_is_zero_for_equal_clouds_and_grows_with_their_distance():
    """And for two points it is twice their distance."""
    x = points("two_moons", 200, generator())
    assert energy_distance(x, x) == pytest.approx(0, abs=1e-12)
    assert 0 < energy_distance(x, x + 0.1) < energy_distance(x, x + 0.5)
    assert energy_distance(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])) == pytest.approx(10)


def test_the_exact_network_can_be_sampled_with_the_settings_of_the_recipe():
    """What the docstring of the module shows."""
    settings = DIFFUSION["ddpm_points"]
    x = last(sample(ExactModel(mixture(POINTS), **settings), (50, 2), generator=generator(), **settings)).x_t
    assert x.shape == (50, 2) and x.isfinite().all()


def test_the_shipped_models_score_what_their_cards_say():
    """Whatever is shipped: points are measured again; emoji must reach the aim, copy little, and denoise unseen emoji
    far better than a network that answers nothing.
    """
    shipped = {path.stem for path in CHECKPOINTS.glob("ddpm_*.json")}
    for name in shipped & set(RECIPES):
        model, metrics = load(name), card(name)["metrics"]
        if name == "ddpm_points":
            found = evaluate_points(model)
            assert all(found[key] == pytest.approx(value, rel=0.05, abs=0.01) for key, value in metrics.items())
            continue
        size = RECIPES[name].build[1]["size"]
        x_0 = all_pictures(size, "heldout")[::8]
        loss, nothing = (
            diffusion_loss(m, x_0, generator(), name=name).item() for m in (model, lambda x_t, t: torch.zeros_like(x_t))
        )
        assert loss < 0.3 * nothing, name
        assert metrics["frechet_relative"] <= 3 and metrics["copy_rate"] <= 0.2, name
