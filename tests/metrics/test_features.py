"""The shipped feature network: what it accepts, what its card claims, and that its distances follow damage."""

import pytest
import torch

from lib.data import emoji
from lib.metrics import emoji_features, frechet_distance, frechet_unit, precision_recall
from lib.metrics.damage import add_noise, blend, blur, shift
from lib.metrics.feature_trend import Case, all_cases, clean_features, damage_reading, kept_pictures, measure, two_sets
from lib.metrics.judge import split_pictures
from lib.training import card, step_generator, trend


@pytest.fixture(scope="module")
def halves():
    """400 + 400 random emoji at 32 pixels."""
    images = emoji(32, "all").images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order[:400]], images[order[400:800]]


@pytest.mark.parametrize("size", [32, 64])
def test_a_picture_has_64_features_that_do_not_depend_on_its_company(size):
    """No layer looks across the batch in eval mode, so batches of any size give the same rows."""
    images = emoji(size, "heldout").images[:5]
    features = emoji_features(images)
    assert features.shape == (5, 64)
    torch.testing.assert_close(emoji_features(images, batch_size=2), features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(emoji_features(images[3:4])[0], features[3], rtol=1e-4, atol=1e-4)


def test_features_need_no_gradient_and_an_empty_set_is_empty():
    """They judge; nothing is trained through them."""
    assert not emoji_features(emoji(32, "heldout").images[:1].requires_grad_()).requires_grad
    assert emoji_features(torch.zeros(0, 3, 32, 32)).shape == (0, 64)


@pytest.mark.usefixtures("as_reader")
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 28, 28), r"shape \(N, 3, 32, 32\) or \(N, 3, 64, 64\), got \(2, 3, 28, 28\)"),
        (torch.zeros(3, 32, 32), r"got \(3, 32, 32\)"),
        (torch.zeros(2, 1, 32, 32), r"got \(2, 1, 32, 32\)"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "floating-point numbers in .* got torch.uint8"),
        (torch.full((2, 3, 32, 32), 1.2), "got values from 1.2 to 1.2; bring"),
        (torch.full((2, 3, 32, 32), float("nan")), "got values from nan to nan"),
    ],
)
def test_bad_pictures_are_named(images, message):
    """Which argument, the rule, the value received, what to do; nothing is clamped in silence."""
    with pytest.raises(ValueError, match=message):
        emoji_features(images)


@pytest.mark.parametrize(
    "levels",
    [
        lambda x, g: [blur(x, sigma) for sigma in (0.0, 0.75, 1.5, 3.0)],
        lambda x, g: [add_noise(x, sigma, g) for sigma in (0.0, 0.15, 0.3, 0.6)],
        lambda x, g: [shift(x, pixels, pixels) for pixels in (0, 1, 3, 6)],
        lambda x, g: [blend(x, x.flip(0), share) for share in (0.0, 0.15, 0.3, 0.5)],
        lambda x, g: [x[: len(x) // fewer].repeat(fewer, 1, 1, 1) for fewer in (1, 2, 4, 8)],
    ],
    ids=["blur", "noise", "shift", "double exposure", "few pictures repeated"],
)
def test_the_distance_rises_with_damage(halves, levels):
    """The point of the metric: more damage to the other half of the data, more distance."""
    real, fake = emoji_features(halves[0]), levels(halves[1], torch.Generator().manual_seed(0))
    distances = [frechet_distance(real, emoji_features(images)) for images in fake]
    assert distances == sorted(distances)
    assert distances[-1] > 2 * distances[0]


def test_repeating_few_pictures_costs_recall_and_not_precision(halves):
    """A generator that knows 50 of 400 pictures draws real ones only, and few of them."""
    real, fake = (emoji_features(images) for images in halves)
    full = precision_recall(real, fake)
    collapsed = precision_recall(real, fake[:50].repeat(8, 1))
    assert collapsed.recall < 0.2 < full.recall
    # a point that is there eight times has three neighbours at distance 0, so its ball is empty: see the recall
    assert collapsed.precision == pytest.approx(full.precision, abs=0.15)


def test_the_card_states_the_unit_of_distance():
    """One split of the ten, measured again, must lie within the spread that the card claims."""
    stated = card("emoji_features")["metrics"]["frechet_halves_32px"]
    assert stated["num"] == 10
    assert frechet_unit(32) == stated["mean"]
    assert frechet_unit(64) == card("emoji_features")["metrics"]["frechet_halves_64px"]["mean"]
    again = measure(Case("halves by concept"), seed=0)
    assert stated["min"] - 0.05 <= again["frechet"] <= stated["max"] + 0.05
    assert again["units"] == pytest.approx(again["frechet"] / stated["mean"])


def test_a_random_split_is_closer_than_a_split_by_concept():
    """Variants of one picture on both sides make halves alike: the two floors must not be confused."""
    metrics = card("emoji_features")["metrics"]
    for size in (32, 64):
        assert metrics[f"frechet_random_halves_{size}px"]["max"] < metrics[f"frechet_halves_{size}px"]["min"]


def test_the_network_knows_unseen_concepts_better_than_a_guess():
    """Twice the share of the most frequent answer, on concepts that were never shown."""
    metrics = card("emoji_features")["metrics"]
    for size in (32, 64):
        assert metrics[f"subgroup_accuracy_{size}px"] > 2 * metrics["subgroup_accuracy_of_guessing"]


def test_an_unknown_size_has_no_unit():
    """The unit was measured at two sizes."""
    with pytest.raises(ValueError, match="size must be 32 or 64, got 28"):
        frechet_unit(28)


def test_the_measured_table_has_every_row_and_its_distances_rise():
    """The table shipped must be the one the code describes, and the claim of the chapter texts must stand in it."""
    table = trend("feature_distance")
    assert {row["setting"] for row in table["rows"]} == set(all_cases())
    assert len(table["seeds"]) >= 3
    assert len(table["rows"]) == len(table["seeds"]) * len(all_cases())
    assert all(table["rises_with_damage"].values())
    assert table["unit"] == {str(size): frechet_unit(size) for size in (32, 64)}


def test_dropping_more_subgroups_drops_the_same_ones_and_others():
    """Only then is the damage of one row contained in that of the next."""
    subgroup = torch.arange(20).repeat(100)
    kept = [
        set(subgroup[kept_pictures(subgroup, share, step_generator(0, 0, "test"))].tolist())
        for share in (0.0, 0.5, 0.9)
    ]
    assert kept[2] < kept[1] < kept[0]
    assert [len(names) for names in kept] == [20, 10, 2]


def test_both_sets_of_a_row_are_disjoint_random_halves():
    """A picture that is on both sides would count as distance 0 however the rest was damaged."""
    real, fake = two_sets(Case("random halves"), seed=1)
    half = split_pictures(len(clean_features(32)), 1)
    torch.testing.assert_close(real, clean_features(32)[half], rtol=0, atol=0)
    torch.testing.assert_close(fake, clean_features(32)[~half], rtol=0, atol=0)


def test_blur_and_noise_can_be_read_off_unseen_concepts():
    """A measure of quality that sees them on known pictures only would reward a generator for new pictures."""
    for size, read in trend("feature_distance")["damage_read_from_unseen_concepts"].items():
        assert min(read["blur"], read["noise"]) > 0.8, size
    assert damage_reading(32)["noise"] > 0.8
