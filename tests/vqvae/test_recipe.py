"""The data that the chapter's models are trained on, how they are judged, and the numbers on their cards."""

import math
from dataclasses import replace

import pytest
import torch

import lib.vqvae as vqvae
from lib.training import card, load, train
from lib.training.files import CHECKPOINTS
from lib.vqvae import recipe
from lib.vqvae.recipe import RECIPES, TOKENIZER


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shipped(name: str) -> str:
    """Skip while a checkpoint has not been trained."""
    if not (CHECKPOINTS / f"{name}.json").exists():
        pytest.skip(f"{name} is not trained yet: python -m lib.train {name}")
    return name


@pytest.fixture
def few(monkeypatch):
    """Eighty pictures instead of three thousand."""
    images = recipe.all_pictures()[:80]
    monkeypatch.setattr(recipe, "all_pictures", lambda: images)
    return images


@pytest.mark.parametrize("make", [recipe.varied, recipe.moved])
def test_variations_are_pictures_and_follow_from_the_generator(make, few):
    """Values stay in [-1, 1], and the same generator gives the same batch, so that a training can be resumed."""
    x = make(1, generator(), batch_size=8)
    assert x.shape == (8, 3, 64, 64) and x.abs().max() <= 1
    torch.testing.assert_close(x, make(1, generator(), batch_size=8))
    assert not torch.equal(x, make(1, generator(1), batch_size=8))


def test_pictures_are_mirrored_left_to_right_and_never_upside_down(few):
    """About a quarter of what is moved is an original, another quarter its mirror image."""
    x = recipe.moved(1, generator(), 80)
    found = [{picture.numpy().tobytes() for picture in images} for images in (few, few.flip(-1), few.flip(-2))]
    symmetric = found[0] | found[1]
    share = [sum(picture.numpy().tobytes() in images for picture in x) / 80 for images in found]
    assert 0.1 < share[0] < 0.5 and 0.1 < share[1] < 0.5
    assert not any(picture.numpy().tobytes() in found[2] - symmetric for picture in x)


def test_moving_keeps_the_colours_and_varying_does_not(few):
    """A sample is judged by whether it could be an emoji; for the codebook any colours are welcome."""
    tint = lambda x: (x.mean((2, 3)).argsort(1) * torch.tensor([1, 3, 9])).sum(1)  # noqa: E731
    originals = {tuple(row) for row in few.mean((2, 3)).argsort(1).tolist()}
    kinds = {tuple(row) for row in recipe.varied(1, generator(), 80).mean((2, 3)).argsort(1).tolist()}
    assert len(kinds) >= len(originals) and len(kinds) >= 4
    x = recipe.moved(1, generator(), 80)
    assert len(tint(x).unique()) <= len(tint(few).unique()) + 1


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "vqvae_prior"])
def test_two_updates_of_each_recipe_and_its_metrics(name, few):
    """The recipe runs in one piece (running codebooks), and its evaluation gives finite numbers of a sensible size."""
    short = replace(RECIPES[name], num_steps=2, batch_fn=lambda step, g: recipe.varied(step, g, 4))
    assert short.num_shards == 1
    model = train(short)
    numbers = recipe.measure(model, few, few[:20])
    assert all(math.isfinite(value) for value in numbers.values())
    grids = recipe.codes_of(model, few)
    assert numbers["bits_per_picture"] == pytest.approx(
        sum(grid[0].numel() for grid in grids) * math.log2(model.num_codes), abs=0.1
    )
    suffixes = ("",) if len(grids) == 1 else ("_top", "_bottom")
    for suffix, grid in zip(suffixes, grids, strict=True):
        assert numbers[f"codes_used{suffix}"] == len(grid.unique())
    torch.testing.assert_close(recipe.decode_all(model, *grids), model(few).x_hat.detach(), atol=1e-4, rtol=0)


def test_the_prior_learns_codes_of_the_tokenizer_and_is_measured_against_random_codes(few, monkeypatch):
    """With a small tokenizer that was not trained: batches are grids of its indices, and every number is there."""
    torch.manual_seed(0)
    small = vqvae.VQVAE(512, 4, (8, 8, 8), num_blocks=1, hidden=4).eval()
    with torch.no_grad():
        vectors = small.encoder(few).movedim(1, -1).flatten(0, 2)
    small.quantizer.codebook.copy_(vectors[torch.randperm(len(vectors), generator=generator())[:512]])
    monkeypatch.setattr(recipe, "tokenizer", lambda: small)
    batch = recipe.code_batch(1, generator(), 6)
    assert (
        batch.shape == (6, 8, 8)
        and batch.dtype == torch.int64
        and torch.equal(batch, recipe.code_batch(1, generator(), 6))
    )
    arguments = {**RECIPES["vqvae_prior"].build[1], "width": 16, "depth": 1, "num_heads": 2}
    short = replace(RECIPES["vqvae_prior"], build=(vqvae.CodePrior, arguments), num_steps=2, batch_fn=recipe.code_batch)
    numbers = recipe.evaluate_prior(train(short), num=80)
    assert numbers["bits_uniform"] == 9 and 0 <= numbers["copy_rate"] <= 1
    assert 0 < numbers["bits_marginal"] <= 9
    assert {"frechet_samples", "frechet_uniform_codes", "frechet_shuffled_codes", "recall"} <= set(numbers)


def test_shuffled_codes_keep_their_frequencies():
    """Only their places are new."""
    codes = vqvae.uniform_codes(5, 7, (3, 4), generator())
    again = recipe.shuffled(codes, generator())
    assert torch.equal(vqvae.count_codes(again, 7), vqvae.count_codes(codes, 7)) and not torch.equal(again, codes)


def test_the_shape_of_the_tokenizer_is_that_of_the_prior():
    """The prior's number of codes and its grid are the tokenizer's: each width halves 64 pixels once."""
    tokens, prior = RECIPES[TOKENIZER].build[1], RECIPES["vqvae_prior"].build[1]
    side = 64 // 2 ** len(tokens["channels"])
    assert prior["num_codes"] == tokens["num_codes"] and prior["grid"] == (side, side)


def test_the_decoder_of_the_inspector_is_small():
    """It travels inside the page: at most 100,000 numbers, a quarter of a megabyte."""
    kind, arguments = RECIPES["vqvae_emoji64"].build
    assert sum(p.numel() for p in kind(**arguments).decoder.parameters()) <= 100_000


@pytest.mark.parametrize("name", RECIPES)
def test_the_shipped_model_scores_what_its_card_says(name):
    """The file, the architecture and the data belong together."""
    model, metrics = load(shipped(name)), card(name)["metrics"]
    if name == "vqvae_prior":
        assert metrics["bits_heldout"] < metrics["bits_marginal"] < metrics["bits_uniform"]
        assert 2 * metrics["frechet_samples"] < metrics["frechet_uniform_codes"]
        return
    found = recipe.evaluate(model)
    for key, value in metrics.items():
        assert found[key] == pytest.approx(value, rel=0.02, abs=0.05)
    used = [value / model.num_codes for key, value in metrics.items() if key.startswith("codes_used")]
    assert min(used) > 0.8
