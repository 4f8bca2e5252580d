"""The data that the chapter's models are trained on, and the numbers on their cards."""

import pytest
import torch
from torch import nn

from lib.ae import AutoEncoder
from lib.ae.recipe import RECIPES, all_pictures, augmented, map_pictures, quality, turned
from lib.training import card, load


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_variations_are_pictures_and_follow_from_the_generator():
    """Values stay in [-1, 1], and the same generator gives the same batch, so that a training can be resumed."""
    x = augmented(1, generator(), batch_size=16)
    assert x.shape == (16, 3, 32, 32)
    assert x.abs().max() <= 1
    torch.testing.assert_close(x, augmented(1, generator(), batch_size=16))
    assert not torch.equal(x, augmented(1, generator(1), batch_size=16))


def test_about_one_in_eight_variations_is_an_original():
    """Three coins decide, and one of the six orders of channels changes nothing: 1/2 · 1/2 · (1/2 + 1/12) = 0.146."""
    originals = {picture.numpy().tobytes() for picture in all_pictures()}
    x = augmented(1, generator(), batch_size=1000)
    share = sum(picture.numpy().tobytes() in originals for picture in x) / 1000
    assert 0.1 < share < 0.25  # a few pictures are symmetric or grey, and stay originals when mirrored or recoloured


def test_turning_a_white_picture_leaves_it_white():
    """What comes in from outside is white, the background of every emoji."""
    white = torch.ones(4, 3, 32, 32)
    torch.testing.assert_close(turned(white, generator()), white)


def test_turning_keeps_most_of_a_picture_and_changes_it():
    """Small turns: the mean colour hardly moves, the pixels do."""
    x = all_pictures()[:64]
    y = turned(x, generator())
    assert (y.mean((1, 2, 3)) - x.mean((1, 2, 3))).abs().max() < 0.35
    assert (y - x).abs().mean() > 0.02


def test_the_map_shows_one_skin_tone_of_each_person():
    """Five skin tones would make most dots of the map people."""
    assert {row.skin_tone for row in map_pictures().table} == {"none"}


def test_quality_of_a_perfect_copy_is_infinite_and_of_white_is_known():
    """The identity has no error; white against -1 everywhere is off by 2, the peak: 0 dB."""

    class White(nn.Module):
        def forward(self, x):
            return torch.ones_like(x)

    black = -torch.ones(2, 3, 8, 8)
    assert quality(nn.Identity(), {"a": black}) == {"psnr_a": float("inf")}
    assert quality(White(), {"b": black}) == {"psnr_b": 0.0}


@pytest.mark.parametrize("name", RECIPES)
def test_the_shipped_model_scores_what_its_card_says(name):
    """The file, the architecture and the data belong together; half-precision storage costs less than 0.05 dB."""
    model, about = load(name), card(name)
    assert isinstance(model, AutoEncoder)
    found = RECIPES[name].evaluate(model)
    for metric, value in about["metrics"].items():
        assert found[metric] == pytest.approx(value, abs=0.05)


def test_64_numbers_beat_pca_with_64_components_on_pictures_never_seen():
    """PCA with 64 components, fitted to the same training pictures, reaches 19.4 dB there."""
    assert card("ae_64d")["metrics"]["psnr_heldout"] > 19.8
    assert card("ae_64d")["metrics"]["psnr_train"] > card("ae_64d")["metrics"]["psnr_heldout"]
