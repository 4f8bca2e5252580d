"""How the chapter's trends are measured, and what the measured tables say."""

import statistics

import pytest
import torch

from lib.ae import fit_gaussian
from lib.ae.trends import BANDWIDTHS, CODE_SIZES, draws, nearest_psnr, with_code
from lib.training import trend


def test_every_way_of_drawing_gives_as_many_codes_as_there_are():
    """Fréchet distances of sets of different size cannot be compared fairly."""
    codes = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 4 + 2
    ways = draws(codes, torch.Generator().manual_seed(1))
    assert len(ways) == 2 + len(BANDWIDTHS)
    assert all(z.shape == codes.shape and z.dtype == codes.dtype for z in ways.values())
    copies = {name: (z[:, None] == codes).all(-1).any(1).float().mean().item() for name, z in ways.items()}
    assert copies.pop("kernels, bandwidth 0") == 1
    assert set(copies.values()) == {0.0}


def test_the_fitted_gaussian_follows_the_cloud_and_the_standard_normal_does_not():
    """Mean 2 and spread 4 are far from 0 and 1; with 2,000 draws the mean is known to about 0.1."""
    codes = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)) * 4 + 2
    ways = draws(codes, torch.Generator().manual_seed(1))
    assert (fit_gaussian(ways["Gaussian fitted to the codes"])[0] - 2).abs().max() < 0.5
    assert (fit_gaussian(ways["N(0, I)"])[0] - 2).abs().min() > 1.5


def test_a_copy_is_infinitely_near_to_the_training_pictures():
    """The nearest training picture of a training picture is itself."""
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert nearest_psnr(images, images) == nearest_psnr(images.roll(1, 0), images) == float("inf")
    assert nearest_psnr(-images, images) < 20


def test_the_nearest_pictures_are_measured_on_a_random_part_of_a_long_list():
    """Half copies, half not, in two blocks: the first ones alone would be all copies, and so seem far too near."""
    images = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    near, far = images + 0.01, images + 0.1  # errors of 46 and of 26 decibels
    measured = nearest_psnr(torch.cat([near, far]), images, most=40)
    assert 26.1 + 20 / 4 < measured < 46.1 - 20 / 4
    assert measured == nearest_psnr(torch.cat([near, far]), images, most=40)
    assert nearest_psnr(torch.cat([near, far]), images) == pytest.approx(36.02, abs=0.01)


def test_a_reconstruction_is_as_near_as_the_draw_of_a_training_code():
    """A kernel of bandwidth 0 picks reconstructions at random, so both means agree within the chance of the draw."""
    for row in trend("ae_random_codes")["rows"]:
        drawn, rebuilt = (row[name]["psnr_to_nearest"] for name in ("kernels, bandwidth 0", "reconstructions"))
        assert abs(drawn - rebuilt) < 0.6


def test_only_the_code_differs_between_the_recipes_of_the_code_size():
    """One thing is varied at a time."""
    recipes = [with_code(dim) for dim in CODE_SIZES]
    assert [recipe.build[1]["latent_dim"] for recipe in recipes] == list(CODE_SIZES)
    rest = [{**recipe.build[1], "latent_dim": None} for recipe in recipes]
    assert all(arguments == rest[0] for arguments in rest)


def test_random_codes_are_far_worse_than_reconstructions():
    """The chapter's central claim, in each of at least three trainings."""
    rows = trend("ae_random_codes")["rows"]
    assert len({row["seed"] for row in rows}) >= 3
    for row in rows:
        rebuilt = row["reconstructions"]["frechet"]
        assert row["Gaussian fitted to the codes"]["frechet"] > 3 * rebuilt
        assert row["N(0, I)"]["frechet"] > row["Gaussian fitted to the codes"]["frechet"]


def test_kernels_trade_distance_for_copying():
    """A wider kernel is further from the data and less like a single training picture."""
    rows = trend("ae_random_codes")["rows"]
    for key, sign in (("frechet", 1), ("psnr_to_nearest", -1)):
        means = [statistics.fmean(row[f"kernels, bandwidth {h:g}"][key] for row in rows) for h in BANDWIDTHS]
        assert means == sorted(means, key=lambda value: sign * value)


@pytest.mark.parametrize("size", CODE_SIZES)
def test_training_pictures_are_known_better_than_held_out_ones(size):
    """Every model has seen them; so has PCA."""
    rows = [row for row in trend("ae_code_size")["rows"] if int(row["setting"]) == size]
    assert len(rows) >= 3
    for row in rows:
        assert row["psnr_train"] > row["psnr_heldout"]
        assert row["pca_psnr_train"] > row["pca_psnr_heldout"]


def test_for_short_codes_the_autoencoder_beats_pca():
    """A bent sheet of few dimensions comes closer to the data than a flat one."""
    for row in trend("ae_code_size")["rows"]:
        if int(row["setting"]) <= 32:
            assert row["psnr_train"] > row["pca_psnr_train"]


def test_without_variations_a_long_code_does_worse_than_pca_on_unseen_pictures():
    """A bent sheet can pass through the training pictures and be anywhere between them; the text says so."""
    for row in trend("ae_code_size")["rows"]:
        if int(row["setting"]) == 128:
            assert row["psnr_heldout"] < row["pca_psnr_heldout"] - 2
