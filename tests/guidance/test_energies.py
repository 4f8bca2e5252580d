"""Energies of pictures: likeness to a group of emoji, and Gram matrices."""

import pytest
import torch

from lib.ddpm import schedules
from lib.ddpm.recipe import all_pictures
from lib.guidance import (
    EnergyGuided,
    gram,
    group_feature,
    similarity,
    similarity_energy,
    style_distance,
    style_energy,
)
from lib.guidance.energies import feature_maps
from lib.guidance.recipe import groups
from lib.metrics import emoji_features
from lib.metrics.features import network


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_held_out_flags_are_closer_to_flags_than_anything_else_is():
    """The mean feature of a group points to it, on pictures that no training of the mean has seen."""
    x, y = all_pictures(32, "heldout")[::4], groups("heldout")[::4]
    cosine = similarity(x, group_feature("Flags"))
    assert cosine[y == 8].mean() > cosine[y != 8].mean() + 0.3 and cosine.abs().max() <= 1
    assert group_feature("Flags").norm().item() == pytest.approx(1, abs=1e-5)


def test_the_energy_of_likeness_is_minus_the_cosine_of_the_shipped_features():
    """The same numbers as `emoji_features`, which has no gradient."""
    x = all_pictures(32)[:3]
    wanted = torch.randn(64, generator=generator())
    expected = -torch.cosine_similarity(emoji_features(x), wanted[None], dim=1)
    torch.testing.assert_close(similarity_energy(wanted)(x), expected)


def test_the_gram_matrix_is_the_mean_product_of_channels():
    """By hand for two channels at two places: rows (1, 2) and (3, 4), divided by 2 · 1 · 2."""
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    torch.testing.assert_close(gram(maps), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)


def test_the_gram_matrix_does_not_care_where_things_are():
    """Any order of the places gives the same matrix; twice as strong maps give four times as much."""
    maps = torch.randn(2, 3, 4, 5, generator=generator())
    moved = maps.flatten(2)[..., torch.randperm(20, generator=generator())].reshape(maps.shape)
    torch.testing.assert_close(gram(moved), gram(maps))
    torch.testing.assert_close(gram(2 * maps), 4 * gram(maps))


def test_feature_maps_are_those_of_the_network_that_makes_the_features():
    """Going on from the last map by hand ends in the shipped features."""
    x, model = all_pictures(32)[:2], network()
    maps = feature_maps(x)
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 16, 16), (64, 16, 16), (128, 8, 8), (128, 8, 8)]
    with torch.no_grad():
        features = model.standardize(model.embed(model.blocks[3:](maps[-1]).flatten(1)))
    torch.testing.assert_close(features, emoji_features(x), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="images must be 32 or 64 pixels wide, got 48"):
        feature_maps(torch.zeros(1, 3, 48, 48))


def test_the_style_of_a_picture_is_at_distance_0_from_itself_and_near_its_mirror_image():
    """Mirrored, almost the same texture is elsewhere; another emoji is much further away."""
    x = all_pictures(32)
    style = x[[100]]
    same, mirrored, other = style_distance(torch.cat([style, style.flip(-1), x[[2000]]]), style).tolist()
    assert same < 1e-9 and mirrored < 0.2 * other
    with pytest.raises(ValueError, match=r"style must be one picture, \(1, 3, S, S\), got shape \(2, 3, 32, 32\)"):
        style_distance(x[:2], x[:2])


@pytest.mark.parametrize("kind", ["words", "style"])
def test_following_an_energy_lowers_it(kind):
    """One guided answer for a denoiser that answers "x_0" with what it sees: the energy of its estimate falls."""
    x = all_pictures(32)
    energy = similarity_energy(group_feature("Flags")) if kind == "words" else style_energy(x[[100]])
    alpha_bar, t = schedules.cosine(50), torch.full((2,), 10)
    x_t = 0.8 * x[[5, 900]]
    scale = 0.5 if kind == "words" else 5.0
    guided = EnergyGuided(lambda x, t: 1.0 * x, energy, scale, alpha_bar=alpha_bar, target="x_0")
    with torch.no_grad():
        answer = guided(x_t, t)
        before, after = energy(x_t), energy(answer)
    assert (after < before).all(), (before, after)
