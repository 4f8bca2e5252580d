"""The scene reader: what it says about a picture is what the picture was drawn from."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.data import COLOURS, RELATIONS, parse_caption, shapes
from lib.data.shape_scenes import draw_scenes
from lib.data.shape_sdf import CLASSES, coverage, pixel_centres, shape_sdf
from lib.metrics import compare_captions, compare_scenes, read_scene, score_captions, score_scenes
from lib.metrics.damage import blur
from lib.metrics.scene_fit import SYMMETRY, fit_shape, search, templates
from lib.metrics.scene_objects import Objects, closer, fit_maps
from lib.metrics.scene_scores import box_overlap
from lib.metrics.scene_trend import Case, measure, order_share, summary

ATTRIBUTES = ("class", "colour", "size", "box", "relation", "all")


def scene_of(*objects, size: int = 32):
    """One scene drawn from (class, colour, size index, x, y), from back to front."""
    kind, colour, large, x, y = zip(*objects, strict=True)
    index = (
        torch.tensor([[CLASSES.index(name) for name in kind]]),
        torch.tensor([[list(COLOURS).index(c) for c in colour]]),
    )
    centre, zero = torch.stack([torch.tensor([x]), torch.tensor([y])], -1), torch.zeros(1, len(objects))
    depth = torch.arange(len(objects))[None]
    return draw_scenes(*index, torch.tensor([large]), centre, zero, depth, depth >= 0, size)


@pytest.mark.parametrize(("size", "seed"), [(32, 11), (64, 12)])
def test_clean_scenes_are_read_right(size, seed):
    """Side by side and without noise a drawing determines its scene, so at least 99.5 % of each attribute is read."""
    scenes = shapes(500, size, split="all", seed=seed)
    reading = read_scene(scenes.images)
    scores = score_scenes(reading, scenes)
    assert set(scores) == set(ATTRIBUTES) and min(scores.values()) >= 0.995
    assert reading.confidence.min() > 0.99 and reading.error.max() < 1e-4


@pytest.mark.parametrize("num_objects", [1, 3, 4])
def test_scenes_of_other_numbers_of_objects_are_read_right(num_objects):
    """The number of objects is an argument, not an assumption."""
    scenes = shapes(60, num_objects=num_objects, split="all", seed=3)
    assert min(score_scenes(read_scene(scenes.images, num_objects), scenes).values()) >= 0.98


def test_centres_and_angles_are_exact_to_a_hundredth_of_a_pixel():
    """The smooth fit ends where the drawing is equal to the picture; a round shape has no angle."""
    scenes = shapes(60, split="all", num_objects=1, seed=4)
    reading = read_scene(scenes.images, 1)
    assert (reading.centre - scenes.centre).abs().max() < 0.01 / 32
    angular = (scenes.class_idx != CLASSES.index("circle")) & (scenes.class_idx != CLASSES.index("ring"))
    assert (reading.rotation - scenes.rotation)[angular].abs().max() < 0.005
    torch.testing.assert_close(reading.boxes_xyxy, scenes.boxes_xyxy, rtol=0, atol=0.02 / 32)
    low, high = reading.boxes_xyxy.split(2, -1)
    torch.testing.assert_close(reading.boxes_cxcywh, torch.cat([(low + high) / 2, high - low], -1))


def test_two_alike_side_by_side_are_two():
    """Same shape and colour, even size: found one after the other, each at its own place."""
    for large in (0, 1):
        scenes = scene_of(("star", "red", large, 0.25, 0.3), ("star", "red", large, 0.72, 0.6))
        assert score_scenes(read_scene(scenes.images), scenes)["all"] == 1


def test_a_shape_that_hides_another_is_told_from_the_hidden_one():
    """Depth is read: the same two shapes painted in the other order give the other order."""
    large, small = ("square", "blue", 1, 0.5, 0.5), ("circle", "yellow", 0, 0.62, 0.45)
    for objects in ((large, small), (("circle", "yellow", 1, 0.4, 0.5), ("star", "red", 1, 0.6, 0.5))):
        scenes = scene_of(*objects)
        reading = read_scene(scenes.images)
        assert score_scenes(reading, scenes)["all"] == 1
        assert torch.equal(reading.class_idx, scenes.class_idx)  # from back to front


def test_overlap_noise_and_blur_within_reason_do_little_harm():
    """What generated pictures have: partly hidden shapes, noise of 0.3, edges blurred over a pixel."""
    overlapping = shapes(64, split="all", allow_overlap=True, seed=6)
    overlapping = overlapping[overlapping.visibility.amin(1) > 0.5]
    assert score_scenes(read_scene(overlapping.images), overlapping)["all"] > 0.93
    noisy = shapes(64, split="all", noise_std=0.3, seed=7)
    assert score_scenes(read_scene(noisy.images), noisy)["all"] > 0.97
    plain = shapes(32, split="all", seed=8)
    blurred = read_scene(blur(plain.images, 0.75))
    assert score_scenes(blurred, plain)["all"] > 0.93 and blurred.edge.mean() > 1.5


def test_swapped_colours_score_nothing():
    """The score can fail: pictures whose red and blue channels are exchanged agree in all but colour."""
    scenes = shapes(60, split="train", seed=9)
    red_or_blue = ((scenes.colour_idx == 0) | (scenes.colour_idx == 2)).all(1)
    scenes = scenes[red_or_blue]
    scores = score_scenes(read_scene(scenes.images.flip(1)), scenes)
    assert scores["colour"] < 0.05 and scores["all"] == 0 and scores["box"] > 0.95


def test_a_mirrored_picture_turns_the_relation_round():
    """Left and right change places, above and below do not; shapes upright in the mirror stay what they are."""
    scenes = shapes(40, max_rotation=0.0, seed=10)
    plain, mirrored = (read_scene(images, max_rotation=0.0) for images in (scenes.images, scenes.images.flip(-1)))
    first = [RELATIONS[row] for row in scenes.relations[:, 0, 1].tolist()]
    scores = compare_scenes(mirrored, scenes)["relation"][:, 0]
    assert score_scenes(plain, scenes)["relation"] == 1
    turned = torch.tensor([relation in ("left of", "right of") for relation in first])
    swapped = [
        str(caption).replace("left", "?").replace("right", "left").replace("?", "right") for caption in scenes.captions
    ]
    assert score_captions(mirrored, swapped)["all"] == 1
    assert turned.any() and not scores.all()


def test_captions_of_the_pictures_are_all_right_and_of_others_not():
    """The same pictures against their own captions, and against those of their neighbours."""
    scenes = shapes(40, num_objects=3, seed=13)
    reading = read_scene(scenes.images, 3)
    assert min(score_captions(reading, scenes.captions).values()) == 1
    other = score_captions(reading, scenes.captions[1:] + scenes.captions[:1])
    assert other["all"] == 0 and other["class"] < 0.6 and other["relation"] < 0.8
    assert [len(parse_caption(caption).things) for caption in reading.captions] == [3] * 40


def test_one_wrong_word_costs_that_word_only():
    """Each fact is counted by itself: with one relation changed, the words stay right and "all" fails."""
    scenes = scene_of(("star", "red", 1, 0.25, 0.5), ("ring", "blue", 0, 0.75, 0.5))
    reading = read_scene(scenes.images)
    caption = "a large red star left of a small blue ring"
    assert scenes.captions == [caption] and score_captions(reading, [caption])["all"] == 1
    turned = "a small blue ring right of a large red star"
    assert score_captions(reading, [turned])["all"] == 1
    for word, other, name in (
        ("left of", "above", "relation"),
        ("red", "green", "colour"),
        ("ring", "circle", "class"),
    ):
        scores = score_captions(reading, [caption.replace(word, other)])
        wrong = {key for key, value in scores.items() if value < 1}
        assert wrong == {name, "all"}


def test_what_is_not_there_is_not_found():
    """Asked for two objects where there is one, or none, the reader gives the missing ones no confidence."""
    single = scene_of(("cross", "green", 1, 0.4, 0.6))
    reading = read_scene(torch.cat([single.images, torch.ones(1, 3, 32, 32)]), 2)
    assert reading.found.sum(1).tolist() == [1, 0]
    scores = score_captions(reading, ["a large green cross above a large green cross"] * 2)
    assert scores["class"] == 0.25 and scores["relation"] == 0 and scores["all"] == 0
    noise = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert read_scene(noise).confidence.amin(1).max() < 0.6


@given(st.integers(0, 2**31 - 1))
def test_the_gain_of_an_object_is_what_the_squared_error_falls_by(seed):
    """The identity behind the search: 2 T toward - T² weight, summed, equals the error before minus the error after."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(1, 3, 20, 20, generator=generator) * 2 - 1
    scene = shapes(1, 20, 3, split="all", allow_overlap=True, generator=generator)
    parts = scene.class_idx, scene.colour_idx, scene.size_idx, scene.centre, scene.rotation
    objects = Objects(*parts, torch.ones(1, 3))
    for place in range(3):
        others = objects.without(place)
        toward, weight = (part[0, scene.colour_idx[0, place]] for part in fit_maps(images, others, place))
        cover = objects.cover(20)[0, place]
        gain = (2 * toward * cover - weight * cover**2).sum()
        torch.testing.assert_close(gain, (others.error(images) - objects.error(images))[0], rtol=1e-4, atol=1e-2)


def test_the_reader_draws_as_the_generator_does():
    """Otherwise no fit could be perfect: same pixels from the same scene, depth included."""
    scenes = shapes(30, num_objects=3, split="all", allow_overlap=True, seed=14)
    order = scenes.depth.argsort(1)
    parts = (scenes.class_idx, scenes.colour_idx, scenes.size_idx)
    index, centre = [part.gather(1, order) for part in parts], scenes.centre[torch.arange(30)[:, None], order]
    objects = Objects(*index, centre, scenes.rotation.gather(1, order), torch.ones(30, 3))
    torch.testing.assert_close(objects.draw(32), scenes.images)
    assert torch.equal(closer(scenes.images, objects.without(0), objects.without(0)).centre, objects.without(0).centre)


def test_a_reading_draws_the_picture_that_was_read():
    """Analysis and synthesis close the circle."""
    scenes = shapes(20, seed=15)
    assert (read_scene(scenes.images).draw(32) - scenes.images).abs().max() < 0.05


def test_search_finds_a_shape_to_a_pixel():
    """The coarse step: the best correlation lies at the centre of an upright shape."""
    scenes = shapes(40, num_objects=1, max_rotation=0.0, split="all", seed=16)
    maps = fit_maps(scenes.images, Objects.none(40), 0)
    assert (search(*maps) - scenes.centre[:, 0]).abs().max() <= 1 / 32
    found = fit_shape(*maps, scenes.centre[:, 0] + 0.03, 0.0, blurred=False)
    torch.testing.assert_close(found.centre, scenes.centre, rtol=0, atol=1e-4)


def test_a_symmetric_turn_makes_the_same_shape():
    """The templates cover one period of each shape; turned by it, the shape is itself, so nothing is left out."""
    points = pixel_centres(64)[None] - 0.5
    for index, period in enumerate(SYMMETRY):
        sharp = [
            shape_sdf(torch.tensor([index]), points, torch.tensor([0.2]), torch.tensor([a])) for a in (0.0, period)
        ]
        torch.testing.assert_close(coverage(sharp[0], 64), coverage(sharp[1], 64), rtol=0, atol=1e-3)
    assert templates(32, math.pi, True).rotation.abs().max() <= math.pi / 3 + 1e-6


def test_shapes_turned_by_any_angle_are_read():
    """With the full circle allowed the reader looks at a full period of each shape."""
    scenes = shapes(40, split="all", max_rotation=math.pi, seed=17)
    assert score_scenes(read_scene(scenes.images, max_rotation=math.pi), scenes)["all"] > 0.95


def test_reading_does_not_depend_on_the_company():
    """One picture at a time or many together, the answer is the same."""
    images = shapes(5, split="all", seed=18).images
    together = read_scene(images)
    alone = [read_scene(images[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(torch.cat([one.centre for one in alone]), together.centre, rtol=0, atol=1e-4)
    assert [one.captions[0] for one in alone] == together.captions


def test_box_overlap_of_known_boxes():
    """Half a unit square shifted by half: intersection 1/2, union 3/2; apart: 0; the same: 1."""
    one = torch.tensor([0.0, 0.0, 1.0, 1.0])
    others = torch.tensor([[0.5, 0.0, 1.5, 1.0], [2.0, 2.0, 3.0, 3.0], [0.0, 0.0, 1.0, 1.0]])
    torch.testing.assert_close(box_overlap(one.expand(3, 4), others), torch.tensor([1 / 3, 0.0, 1.0]))


def test_a_row_of_the_trend_counts_what_the_scores_count(monkeypatch):
    """A small row of the table equals a reading done by hand; overlap takes scenes from its interval only."""
    monkeypatch.setattr("lib.metrics.scene_trend.NUM_SCENES", 24)
    monkeypatch.setattr("lib.metrics.scene_trend.NUM_DRAWN", 200)
    row = measure(Case("clean", 0.0, 32), seed=0)
    assert [row[name] for name in ATTRIBUTES] == [1.0] * 6 and row["confidence_orders"] is None and row["num"] == 24
    overlap = measure(Case("overlap", (0.5, 0.75), 32), seed=0)
    assert 0 < overlap["num"] <= 24 and 0.5 < overlap["hidden"] <= 1
    table = summary([{"setting": "a", "seed": seed, **row} for seed in (0, 1)])
    assert table[0]["all"] == 1 and table[0]["all_std"] == 0 and table[0]["hidden"] is None


def test_order_share_is_the_probability_of_the_right_order():
    """Three of four pairs in order and one tie counted half."""
    confidence, right = torch.tensor([0.9, 0.5, 0.5, 0.4]), torch.tensor([True, True, False, False])
    assert order_share(confidence, right) == pytest.approx(3.5 / 4)
    assert order_share(confidence, torch.ones(4, dtype=torch.bool)) is None


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [
        (torch.zeros(1, 3, 8, 8), {}, "at least 16"),
        (torch.zeros(1, 3, 32, 30), {}, "got"),
        (torch.zeros(0, 3, 32, 32), {}, "at least one"),
        (torch.full((1, 3, 32, 32), torch.nan), {}, "finite"),
        (torch.full((1, 3, 32, 32), 255.0), {}, "rescale"),
        (torch.zeros(1, 3, 32, 32), {"num_objects": 0}, "num_objects"),
        (torch.zeros(1, 3, 32, 32), {"max_rotation": 4.0}, "max_rotation"),
    ],
)
def test_what_is_no_picture_is_refused(as_reader, images, settings, message):
    """Rather than read nonsense from it."""
    with pytest.raises(ValueError, match=message):
        read_scene(images, **settings)


def test_unequal_numbers_are_refused(as_reader):
    """A pairing of different numbers of objects or scenes would count something else."""
    scenes = shapes(2, num_objects=(1, 2), seed=1)
    reading = read_scene(scenes.images)
    with pytest.raises(ValueError, match="as many"):
        compare_scenes(reading, shapes(3))
    scenes.present[:, 1] = False
    with pytest.raises(ValueError, match="absent"):
        compare_scenes(reading, scenes)
    for captions in (["a large red star"] * 2, ["a large red star above a small red star"]):
        with pytest.raises(ValueError, match="captions"):
            compare_captions(reading, captions)
