"""The chapter's trainings: data, the numbers on the cards, and what the shipped models can do."""

import pytest
import torch

from lib.ae import AutoEncoder, num_parameters
from lib.ae.recipe import RECIPES as AE_RECIPES
from lib.ae.recipe import all_pictures, map_pictures
from lib.data import COLOURS, HELD_OUT_PAIRS, emoji
from lib.metrics import psnr
from lib.training import card, load
from lib.vae import VAE, ConditionalVAE, elbo_terms, log_likelihood_constant, reconstruct
from lib.vae.recipe import KL_WEIGHTS, RECIPES, bits, evaluate_shapes, frechet, moved, one_shape

MAPS = [name for name in RECIPES if name.startswith("vae_2d")]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_variations_keep_their_colours_and_follow_from_the_generator():
    """Values stay in [-1, 1]; about a quarter are originals (two coins), and one in two is at least mirrored."""
    x = moved(1, generator(), batch_size=400)
    assert x.shape == (400, 3, 32, 32) and x.abs().max() <= 1
    torch.testing.assert_close(x, moved(1, generator(), batch_size=400))
    originals = {picture.numpy().tobytes() for picture in all_pictures()}
    mirrored = {picture.flip(-1).contiguous().numpy().tobytes() for picture in all_pictures()}
    is_original = [picture.numpy().tobytes() in originals for picture in x]
    is_mirrored = [picture.numpy().tobytes() in mirrored for picture in x]
    assert 0.2 < sum(is_original) / 400 < 0.4  # a few pictures are their own mirror image
    assert 0.4 < sum(a or b for a, b in zip(is_original, is_mirrored, strict=True)) / 400 < 0.6


def test_a_batch_of_shapes_shows_what_its_condition_says():
    """The condition is the truth about each scene, and no held-out pair is among them."""
    from lib.data import CLASSES
    from lib.metrics import read_scene

    images, condition = one_shape(1, generator(), batch_size=64)
    reading = read_scene(images, num_objects=1)
    assert torch.equal(reading.class_idx[:, 0], condition[:, :6].argmax(1))
    assert torch.equal(reading.colour_idx[:, 0], condition[:, 6:].argmax(1))
    pairs = zip(condition[:, 6:].argmax(1), condition[:, :6].argmax(1), strict=True)
    names = {(list(COLOURS)[colour], CLASSES[shape]) for colour, shape in pairs}
    assert not names & set(HELD_OUT_PAIRS)


def test_bits_are_the_terms_of_the_elbo_with_its_constant():
    """Two pictures computed by hand: nats to bits, per value, on 256 levels."""
    torch.manual_seed(0)
    model, x = VAE(2, (4, 8, 8, 8), 16), torch.rand(2, 3, 32, 32) * 2 - 1
    distortion, rate = elbo_terms(model, x, generator())
    nats = (distortion + rate).mean().item() + log_likelihood_constant(3072)
    result = bits(model, x)
    assert result["distortion"] == pytest.approx(distortion.mean().item())
    assert result["rate"] == pytest.approx(rate.mean().item())
    assert result["bits_per_dim"] == pytest.approx(nats / 3072 / 0.6931472 + 6.994353, abs=1e-4)


def test_the_unit_of_distance_is_that_of_two_halves():
    """The data themselves are at distance 0; a blurred set is not."""
    x = all_pictures()[:300]
    assert frechet(x, x) == pytest.approx(0, abs=1e-4)
    assert frechet(torch.nn.functional.avg_pool2d(x, 5, 1, 2), x) > 0.2


@pytest.mark.parametrize("name", MAPS)
def test_the_maps_differ_from_that_of_the_autoencoder_in_the_loss_only(name):
    """Same pictures and sizes, a decoder small enough for a page."""
    ours, theirs = RECIPES[name], AE_RECIPES["ae_2d"]
    assert ours.build[1] == theirs.build[1]
    assert (ours.batch_size, ours.lr, ours.ema_decay) == (theirs.batch_size, theirs.lr, theirs.ema_decay)
    assert num_parameters(VAE(**ours.build[1]).decoder) <= 80_000
    assert torch.equal(ours.data(), map_pictures().images)


def test_the_64_dimensional_vae_has_the_sizes_of_the_autoencoder():
    """Only the second head is new."""
    ours, theirs = RECIPES["vae_64d"].build[1], AE_RECIPES["ae_64d"].build[1]
    assert ours == theirs
    assert num_parameters(VAE(**ours)) - num_parameters(AutoEncoder(**theirs)) == 64 * 257


def test_the_shipped_map_scores_all_that_its_card_says():
    """File, architecture and data belong together; PSNR to 0.05 dB, distances to 5 %."""
    name = "vae_2d_kl_medium"
    found, metrics = RECIPES[name].evaluate(load(name)), card(name)["metrics"]
    assert found.keys() == metrics.keys()
    for metric, value in metrics.items():
        assert found[metric] == pytest.approx(value, abs=0.05, rel=0.05), metric


@pytest.mark.parametrize("name", [*MAPS, "vae_64d"])
def test_every_shipped_vae_scores_on_held_out_pictures_what_its_card_says(name):
    """The quick part of the card: PSNR, rate, distortion and bits of pictures that no training saw."""
    model, metrics = load(name), card(name)["metrics"]
    assert isinstance(model, VAE)
    pictures = map_pictures("heldout").images if name in MAPS else emoji(32, "heldout").images
    assert psnr(reconstruct(model, pictures), pictures).mean().item() == pytest.approx(
        metrics["psnr_heldout"], abs=0.05
    )
    for metric, value in bits(model, pictures).items():
        assert value == pytest.approx(metrics[f"{metric}_heldout"], rel=0.02, abs=0.01), metric


def test_every_map_is_shipped_and_a_larger_weight_means_a_smaller_rate():
    """The five cards in the order of their weights, down to a collapsed one."""
    cards = [card(f"vae_2d_kl_{label}")["metrics"] for label in KL_WEIGHTS]
    rates = [metrics["rate_train"] for metrics in cards]
    assert rates == sorted(rates, reverse=True)
    assert [metrics["active_units"] for metrics in cards[:3]] == [2, 2, 2]
    assert cards[-1]["active_units"] == 0 and cards[-1]["rate_train"] < 0.1


def test_a_vae_reconstructs_worse_than_an_autoencoder_of_the_same_size():
    """The rate costs decibels."""
    ours, theirs = card("vae_64d")["metrics"], card("ae_64d")["metrics"]
    assert ours["psnr_train"] < theirs["psnr_train"]


def test_the_shipped_conditional_vae_obeys():
    """Class and colour as asked, far above chance (a sixth), with places as spread as in the data; the card agrees.

    Not always: some codes from the prior fall between the trained ones and are drawn as torn shapes. The chapter shows
    them, and the same network with codes of other scenes.
    """
    model = load("cvae_shapes")
    assert isinstance(model, ConditionalVAE)
    found = evaluate_shapes(model, num=360)
    assert found["class_right"] >= 0.8 and found["colour_right"] >= 0.9
    assert found["centre_std"] > 0.7 * found["true_centre_std"]
    assert 0.2 < found["large_share"] < 0.8
    assert found["class_right"] == pytest.approx(card("cvae_shapes")["metrics"]["class_right"], abs=0.05)
