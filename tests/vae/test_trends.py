"""How the chapter's trends are measured, and what the measured tables say."""

import statistics

import pytest
import torch

from lib.ae import AutoEncoder
from lib.training import trend
from lib.vae import VAE
from lib.vae.trends import WEIGHTS, codes_of, compare, contestants, weighted

SMALL = {"channels": (4, 8, 8, 8), "hidden": 16}


def rows(name: str, setting: str) -> list[dict]:
    """The rows of one setting, one for each of at least three seeds."""
    found = [row for row in trend(name)["rows"] if row["setting"] == setting]
    assert len({row["seed"] for row in found}) >= 3
    return found


def mean(setting: str, key: str) -> float:
    """The mean over the seeds of the rate-distortion table."""
    return statistics.fmean(row[key] for row in rows("vae_rate_distortion", setting))


def test_autoencoder_and_vae_differ_in_nothing_but_the_loss_and_the_second_head():
    """Same sizes, pictures, updates, learning rate and averaging."""
    recipes = contestants()
    first, second = (recipes[name].describe() for name in ("AE", "VAE"))
    differing = {key for key in first if first[key] != second.get(key)}
    assert differing == {"class", "loss_fn"}
    assert recipes["AE"].build[0] is AutoEncoder and recipes["VAE"].build[0] is VAE


def test_the_code_of_a_vae_is_its_mean():
    """Both kinds of encoder are asked in the same way."""
    torch.manual_seed(0)
    x = torch.rand(5, 3, 32, 32) * 2 - 1
    vae, autoencoder = VAE(3, **SMALL), AutoEncoder(3, **SMALL)
    torch.testing.assert_close(codes_of(vae, x), vae.encode(x)[0].detach())
    torch.testing.assert_close(codes_of(autoencoder, x), autoencoder.encode(x).detach())


def test_only_the_weight_differs_between_the_recipes_of_the_curve():
    """One thing is varied at a time."""
    described = [weighted(weight).describe() for weight in WEIGHTS]
    losses = {each.pop("loss_fn") for each in described}
    assert len(losses) == len(WEIGHTS) and all(each == described[0] for each in described)


def test_copies_of_the_data_have_distance_zero_and_full_recall():
    """A decoder that returns training pictures is the best and the worst at once: nothing is new."""
    from lib.metrics import emoji_features

    class Copier(torch.nn.Module):
        def forward(self, z):
            return images[z[:, 0].long()]

    images = torch.rand(80, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    model = torch.nn.Module()
    model.decoder = Copier()
    result = compare(model, torch.arange(80.0)[:, None], images, emoji_features(images))
    assert result["frechet"] == pytest.approx(0, abs=1e-4)
    assert result["precision"] == result["recall"] == 1
    assert result["psnr_to_nearest"] == float("inf")


def test_random_codes_cost_an_autoencoder_a_factor_and_a_vae_little():
    """The chapter's central claim, in each training: N(0, I) against the model's own reconstructions."""
    ratios = {
        name: [row["N(0, I)"]["frechet"] / row["reconstructions"]["frechet"] for row in rows("vae_random_codes", name)]
        for name in ("AE", "VAE")
    }
    assert min(ratios["AE"]) > 5
    assert max(ratios["VAE"]) < 2
    assert min(ratios["AE"]) > 3 * max(ratios["VAE"])


def test_the_price_is_a_worse_reconstruction():
    """In each pair of trainings with the same seed."""
    for ae, vae in zip(rows("vae_random_codes", "AE"), rows("vae_random_codes", "VAE"), strict=True):
        assert vae["reconstructions"]["frechet"] > ae["reconstructions"]["frechet"]
        assert vae["N(0, I)"]["frechet"] < ae["N(0, I)"]["frechet"]


def test_a_larger_weight_lowers_the_rate_and_raises_the_distortion():
    """Moving along the curve of Alemi et al.: both means are monotone in the weight."""
    settings = [f"{weight:g}" for weight in WEIGHTS]
    rates = [mean(setting, "rate_train") for setting in settings]
    distortions = [mean(setting, "distortion_train") for setting in settings]
    assert rates == sorted(rates, reverse=True)
    assert distortions == sorted(distortions)


def test_the_largest_weight_collapses():
    """pixel_std² times the weight is then larger than the variance of the data in any direction (V34)."""
    for row in rows("vae_rate_distortion", f"{max(WEIGHTS):g}"):
        assert row["active_units"] == 0
        assert row["rate_train"] < 0.1
    assert mean(f"{min(WEIGHTS):g}", "active_units") > 25


def test_the_best_bits_and_the_best_samples_have_different_weights():
    """Weight 1 is the ELBO and wins in bits, on pictures seen and unseen; samples are best where the gap to the prior
    is smaller.
    """
    settings = [f"{weight:g}" for weight in WEIGHTS]
    for split in ("train", "heldout"):
        assert min(settings, key=lambda setting: mean(setting, f"bits_per_dim_{split}")) == "1"
    best = min(settings, key=lambda setting: mean(setting, "frechet_samples"))
    assert float(best) > 1
    assert mean(best, "aggregate_gap") < mean("1", "aggregate_gap")
