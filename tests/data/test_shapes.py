"""Scenes of shapes: the truth that comes with a picture is the truth."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.data import captions as words
from lib.data import shape_sdf as sdf
from lib.data.captions import COLOURS, HELD_OUT_PAIRS, RELATIONS, SIZES, Caption, held_out_facts, parse_caption
from lib.data.shape_sample import GAP, RADII, RELATION_MARGIN, relation_between
from lib.data.shape_scenes import PALETTE, draw_scenes, shapes
from lib.data.shape_sdf import CLASSES, coverage, pixel_centres, shape_extent, shape_sdf

CLASS_INDEX = st.integers(0, len(CLASSES) - 1)
ANGLE = st.floats(-math.pi, math.pi)


def corners(name: str) -> torch.Tensor:
    """Outline of an upright polygon of radius 1, written down corner by corner."""

    def around(radii: list[float]) -> list[tuple[float, float]]:
        angles = [2 * math.pi * k / len(radii) for k in range(len(radii))]
        return [(r * math.sin(a), -r * math.cos(a)) for r, a in zip(radii, angles, strict=True)]

    side, arm, half = sdf.HALF_SIDE, sdf.ARM_LENGTH, sdf.ARM_HALF_WIDTH
    outlines = {
        "square": [(-side, -side), (side, -side), (side, side), (-side, side)],
        "triangle": around([sdf.TRIANGLE_TIP] * 3),
        "star": around([sdf.STAR_TIP, sdf.STAR_NOTCH] * 5),
        "cross": [(half, -arm), (half, -half), (arm, -half), (arm, half), (half, half), (half, arm)]
        + [(-half, arm), (-half, half), (-arm, half), (-arm, -half), (-half, -half), (-half, -arm)],
    }
    return torch.tensor(outlines[name], dtype=torch.float64)


def area(name: str) -> float:
    """Area of a shape of radius 1: circle and ring by radius, polygons by the shoelace formula."""
    if name == "circle":
        return math.pi
    if name == "ring":
        outer, inner = sdf.RING_MIDDLE + sdf.RING_HALF_WIDTH, sdf.RING_MIDDLE - sdf.RING_HALF_WIDTH
        return math.pi * (outer**2 - inner**2)
    x, y = corners(name).T
    return 0.5 * float((x * y.roll(-1) - y * x.roll(-1)).sum().abs())


def one_shape(index: int, radius: float, angle: float, size: int, centre=(0.5, 0.5)) -> torch.Tensor:
    """Distances of one shape on the pixels of a picture."""
    points = pixel_centres(size)[None] - torch.tensor(centre)
    return shape_sdf(torch.tensor([index]), points, torch.tensor([radius]), torch.tensor([angle]))[0]


@pytest.mark.parametrize("name", ["square", "triangle", "star", "cross"])
def test_polygon_distance_is_the_distance_to_the_outline(name):
    """By definition: its absolute value is the least distance to any side, its sign says inside or outside."""
    start = corners(name)
    side = start.roll(-1, 0) - start
    points = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4 - 2
    offset = points[:, None] - start
    share = ((offset * side).sum(-1) / (side * side).sum(-1)).clamp(0, 1)
    brute = (offset - share[..., None] * side).norm(dim=-1).amin(1)
    above = start[:, 1] > points[:, 1:]
    crosses = above != above.roll(-1, 1)  # does the side cross the height of the point, and to the right of it?
    at = start[:, 0] + (points[:, 1:] - start[:, 1]) / side[:, 1].where(side[:, 1] != 0, 1) * side[:, 0]
    inside = (crosses & (at > points[:, :1])).sum(1) % 2 == 1
    measured = getattr(sdf, name)(points)
    torch.testing.assert_close(measured, torch.where(inside, -brute, brute), rtol=0, atol=1e-6)


def test_circle_and_ring_distances_on_a_line():
    """Along a line through the centre the distances are differences of radii."""
    points = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, -2.0]])
    torch.testing.assert_close(sdf.circle(points), torch.tensor([-1.0, -0.5, 1.0]))
    middle, half = sdf.RING_MIDDLE, sdf.RING_HALF_WIDTH
    torch.testing.assert_close(sdf.ring(points), torch.tensor([middle - half, middle - half - 0.5, 2 - middle - half]))


@given(index=CLASS_INDEX, angle=ANGLE, radius=st.floats(0.05, 0.4), seed=st.integers(0, 99))
def test_distance_changes_at_most_as_fast_as_the_point_moves(index, angle, radius, seed):
    """A distance to a set is 1-Lipschitz (triangle inequality), rotated and scaled or not."""
    p, q = torch.rand(2, 1, 200, 2, generator=torch.Generator().manual_seed(seed))
    settings = torch.tensor([radius]), torch.tensor([angle])
    change = shape_sdf(torch.tensor([index]), p, *settings) - shape_sdf(torch.tensor([index]), q, *settings)
    assert (change.abs() <= (p - q).norm(dim=-1) + 1e-5).all()


@pytest.mark.parametrize("index", range(len(CLASSES)), ids=CLASSES)
@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_covered_pixels_add_up_to_the_area(index, angle):
    """The shares of the pixels that a shape covers sum to its area, known in closed form."""
    radius = 0.25
    covered = coverage(one_shape(index, radius, angle, 256), 256).mean()
    assert float(covered) == pytest.approx(area(CLASSES[index]) * radius**2, rel=2e-3)


@given(angle=ANGLE, index=st.sampled_from([0, 4]))
def test_turning_a_round_shape_changes_nothing(angle, index):
    """Circle and ring are symmetric under every rotation."""
    torch.testing.assert_close(one_shape(index, 0.2, angle, 32), one_shape(index, 0.2, 0.0, 32), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "fold"), [("square", 4), ("triangle", 3), ("star", 5), ("cross", 4)])
def test_a_polygon_repeats_after_its_own_angle_only(name, fold):
    """An n-fold shape turned by 2π/n is itself, by half of that it is not."""
    index = CLASSES.index(name)
    upright, full, half = (one_shape(index, 0.2, share * 2 * math.pi / fold, 64) for share in (0, 1, 0.5))
    torch.testing.assert_close(full, upright, rtol=0, atol=1e-5)
    assert (half - upright).abs().max() > 0.02


def test_rotation_is_clockwise():
    """Turned by a quarter clockwise, the tip of a triangle points to the right."""
    inside = one_shape(CLASSES.index("triangle"), 0.25, math.pi / 2, 64) < 0
    assert inside[:, int(64 * (0.5 + 0.25 * 1.2))].any() and not inside[int(64 * (0.5 - 0.25 * 1.2))].any()


@given(index=CLASS_INDEX, angle=ANGLE, radius=st.floats(0.1, 0.3))
def test_box_of_a_turned_shape_touches_its_pixels(index, angle, radius):
    """Tight: the outermost pixels of a fine drawing lie within a pixel of the box, and none is outside."""
    size = 400
    box = 0.5 + shape_extent(torch.tensor(index), torch.tensor(radius), torch.tensor(angle))
    rows, columns = (one_shape(index, radius, angle, size) < 0.5 / size).nonzero().T
    seen = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / size
    torch.testing.assert_close(seen, box, rtol=0, atol=1.6 / size)


def test_box_corners_and_box_middle_agree_and_hold_the_mask():
    """Both formats describe one box, inside the picture, and its sides are those of the pixels of the shape."""
    scenes = shapes(60, 256, 2)
    centre, extent = scenes.boxes_cxcywh.split(2, dim=-1)
    torch.testing.assert_close(torch.cat([centre - extent / 2, centre + extent / 2], -1), scenes.boxes_xyxy)
    assert (scenes.boxes_xyxy >= 0).all() and (scenes.boxes_xyxy <= 1).all()
    for axis, low, high in ((2, 0, 2), (3, 1, 3)):  # summed over rows: columns, that is x
        filled = scenes.full_masks.any(axis).float()
        first, last = filled.argmax(-1) / 256, 1 - filled.flip(-1).argmax(-1) / 256
        torch.testing.assert_close(first, scenes.boxes_xyxy[..., low], rtol=0, atol=2 / 256)
        torch.testing.assert_close(last, scenes.boxes_xyxy[..., high], rtol=0, atol=2 / 256)


def test_what_is_painted_later_hides_what_is_below():
    """Visible masks share no pixel, together cover what the full masks cover, and the topmost is whole."""
    scenes = shapes(200, 32, 3, allow_overlap=True)
    assert (scenes.masks.sum(1) <= 1).all()
    assert torch.equal(scenes.masks.any(1), scenes.full_masks.any(1))
    top = scenes.depth.argmax(1)
    assert (scenes.visibility[torch.arange(200), top] == 1).all()
    assert scenes.visibility.min() < 0.5  # some are hidden: the test sees both cases


def test_a_pixel_well_inside_a_visible_mask_has_the_colour_of_the_object():
    """The picture agrees with the masks: away from the edges a pixel is the palette colour, or white."""
    scenes = shapes(100, 64, 3, allow_overlap=True)
    points = pixel_centres(64) - scenes.centre[:, :, None, None].flatten(0, 1)
    parts = scenes.class_idx.flatten(), points, RADII[scenes.size_idx].flatten(), scenes.rotation.flatten()
    far_from_edges = (shape_sdf(*parts).abs().view(100, 3, 64, 64) > 0.5 / 64).all(1, keepdim=True)
    alone = torch.cat([~scenes.masks.any(1, keepdim=True), scenes.masks], 1) & far_from_edges  # first the background
    colours = torch.cat([torch.ones(100, 1, 3), PALETTE[scenes.colour_idx]], 1)
    for place in range(4):
        expected = colours[:, place, :, None, None].expand_as(scenes.images)
        here = alone[:, place, None].expand_as(scenes.images)
        torch.testing.assert_close(scenes.images[here], expected[here], rtol=0, atol=1e-5)


def test_half_size_drawing_is_the_average_of_the_large_one():
    """The same seed gives the same scene at any size, and smooth edges make size a matter of averaging."""
    small, large = shapes(50, 32, seed=3), shapes(50, 64, seed=3)
    assert torch.equal(small.centre, large.centre) and small.captions == large.captions
    averaged = torch.nn.functional.avg_pool2d(large.images, 2)
    assert (small.images - averaged).square().mean().sqrt() < 0.02


def test_shapes_stay_apart_unless_overlap_is_allowed():
    """Without overlap the outlines keep the gap everywhere; with it, some shapes meet."""

    def closest(scenes):
        points = pixel_centres(64) - scenes.centre.view(-1, 1, 1, 2)
        parts = scenes.class_idx.flatten(), points, RADII[scenes.size_idx].flatten(), scenes.rotation.flatten()
        distance = shape_sdf(*parts).view(-1, 2, 64, 64)
        return distance.sum(1).amin((1, 2))  # at most the width of the gap, where it is narrowest

    assert closest(shapes(300)).min() > GAP - 1e-3
    assert closest(shapes(300, allow_overlap=True)).min() < 0


@pytest.mark.parametrize("num_objects", [1, 2, 4])
def test_training_never_shows_what_is_held_out(num_objects):
    """Neither a held-out pair nor, in either wording, a held-out relation."""
    for caption in map(parse_caption, shapes(2000, num_objects=num_objects).captions):
        assert not {(colour, name) for _, colour, name in caption.things} & set(HELD_OUT_PAIRS)
    scenes = shapes(2000, num_objects=num_objects)
    for i in range(num_objects):
        for j in range(num_objects):
            facts = zip(
                *(
                    part.tolist()
                    for part in (scenes.class_idx[:, i], scenes.relations[:, i, j], scenes.class_idx[:, j])
                ),
                strict=True,
            )
            assert not any((CLASSES[a], RELATIONS[r], CLASSES[b]) in held_out_facts() for a, r, b in facts if r >= 0)


def test_held_out_split_shows_exactly_one_held_out_pair():
    """One novelty at a time, so that an error has one cause; all six pairs occur."""
    seen = set()
    for caption in map(parse_caption, shapes(500, split="heldout").captions):
        pairs = {(colour, name) for _, colour, name in caption.things} & set(HELD_OUT_PAIRS)
        assert len(pairs) == 1
        seen |= pairs
        (_, _, a), (_, _, b) = caption.things
        assert (a, caption.relations[0], b) not in held_out_facts()
    assert seen == set(HELD_OUT_PAIRS)


def test_held_out_pair_is_never_on_an_absent_object():
    """With a varying number of objects the one novelty is still among those that can be seen."""
    for caption in map(parse_caption, shapes(300, num_objects=(1, 3), split="heldout").captions):
        assert len({(colour, name) for _, colour, name in caption.things} & set(HELD_OUT_PAIRS)) == 1


def test_held_out_relation_split_shows_one_between_the_first_two():
    """Each caption tells a held-out relation of things whose pairs of colour and shape were seen; all twelve occur."""
    seen = set()
    for caption in map(parse_caption, shapes(500, num_objects=3, split="heldout_relation").captions):
        (_, _, a), (_, _, b), _ = caption.things
        seen.add((a, caption.relations[0], b))
        assert not {(colour, name) for _, colour, name in caption.things} & set(HELD_OUT_PAIRS)
    assert seen == held_out_facts()


def test_held_out_pairs_use_every_colour_and_every_shape_once():
    """So that holding out leaves the frequency of single words as it was."""
    colours, names = zip(*HELD_OUT_PAIRS, strict=True)
    assert sorted(colours) == sorted(COLOURS) and sorted(names) == sorted(CLASSES)
    ends = [name for a, _, b in words.HELD_OUT_RELATIONS for name in (a, b)]
    assert all(ends.count(name) == 2 for name in CLASSES) and len(held_out_facts()) == 12


def test_every_word_is_drawn_equally_often():
    """Uniform marginals: no colour, shape, size or relation can be guessed from frequency (5 standard errors)."""
    scenes = shapes(4000)
    for index, number in ((scenes.class_idx, 6), (scenes.colour_idx, 6), (scenes.relations[:, 0, 1], 4)):
        share, count = index.flatten().bincount(minlength=number) / index.numel(), index.numel()
        assert (share - 1 / number).abs().max() < 5 * math.sqrt(1 / number / count)
    assert scenes.size_idx.float().mean() == pytest.approx(0.5, abs=0.05)  # large ones find room a little less often


def test_captions_tell_the_truth():
    """Parsed back, a caption names the attributes of each object and the relation that its centres have."""
    scenes = shapes(200, num_objects=3)
    for i, caption in enumerate(map(parse_caption, scenes.captions)):
        for j, (size, colour, name) in enumerate(caption.things):
            assert size == list(SIZES)[scenes.size_idx[i, j]]
            assert colour == list(COLOURS)[scenes.colour_idx[i, j]] and name == CLASSES[scenes.class_idx[i, j]]
        for j, relation in enumerate(caption.relations, start=1):
            dx, dy = (scenes.centre[i, 0] - scenes.centre[i, j]).tolist()
            assert abs(abs(dx) - abs(dy)) >= RELATION_MARGIN - 1e-6
            words_true = {"left of": dx < 0, "right of": dx > 0, "above": dy < 0, "below": dy > 0}
            assert words_true[relation] and (relation in ("left of", "right of")) == (abs(dx) > abs(dy))


THING = st.tuples(st.sampled_from(list(SIZES)), st.sampled_from(list(COLOURS)), st.sampled_from(CLASSES))


@given(first=THING, others=st.lists(st.tuples(st.sampled_from(RELATIONS), THING), max_size=3))
def test_parsing_undoes_writing(first, others):
    """A caption is read back word for word."""
    caption = Caption((first, *(thing for _, thing in others)), tuple(relation for relation, _ in others))
    assert parse_caption(str(caption)) == caption


@pytest.mark.parametrize(
    "text",
    [
        "",
        "large red star",
        "a large red star and a small blue ring",
        "a large pink star",
        "a large red star left of",
        "a large red star left of a small blue ring above a small green cross",
        "a large red star and left of a small blue ring",
    ],
)
def test_what_is_no_caption_is_refused(text):
    """Silence would count a wrong picture as right."""
    with pytest.raises(ValueError):
        parse_caption(text)


@pytest.mark.parametrize(
    ("things", "relations"),
    [
        ((), ()),
        ((("large", "red", "star"),), ("above",)),
        ((("large", "red", "star"),) * 2, ()),
        ((("large", "red", "star"),) * 2, ("beside",)),
        ((("huge", "red", "star"),), ()),
    ],
)
def test_a_caption_that_nobody_could_write_is_refused(things, relations):
    """One relation for each object after the first, and known words only; also when built from its parts."""
    with pytest.raises(ValueError):
        Caption(things, relations)


def test_relation_and_its_reverse_are_opposites():
    """If a is left of b then b is right of a; an exact tie is horizontal."""
    relations = shapes(100, num_objects=3).relations
    off_diagonal = ~torch.eye(3, dtype=torch.bool)
    assert torch.equal(relations[:, off_diagonal], relations.mT[:, off_diagonal] ^ 1)
    assert (relations.diagonal(dim1=1, dim2=2) == -1).all()
    assert RELATIONS[relation_between(torch.tensor([0.2, 0.2]), torch.tensor([0.5, 0.5]))] == "left of"


def test_same_seed_same_scenes_and_other_seed_other_scenes():
    """All randomness comes from the seed or the generator."""
    one, two, other = shapes(20, seed=1), shapes(20, seed=1), shapes(20, seed=2)
    assert torch.equal(one.images, two.images) and one.captions == two.captions
    assert one.captions != other.captions
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(shapes(20, generator=generator).images, one.images)
    assert not torch.equal(shapes(20, generator=generator).images, one.images)  # the generator moved on


def test_noise_has_the_asked_strength_and_leaves_the_truth_alone():
    """The difference to the clean picture of the same seed is the noise."""
    noisy, clean = shapes(50, noise_std=0.3), shapes(50)
    assert float((noisy.images - clean.images).std()) == pytest.approx(0.3, rel=0.02)
    assert torch.equal(noisy.centre, clean.centre)


def test_absent_objects_leave_no_trace():
    """With (1, 4) objects, the places that are not present have no mask, no box, no relation and no word."""
    scenes = shapes(100, num_objects=(1, 4))
    count = scenes.present.sum(1)
    assert set(count.tolist()) == {1, 2, 3, 4}
    assert not scenes.full_masks[~scenes.present].any() and (scenes.boxes_xyxy[~scenes.present] == 0).all()
    assert (scenes.relations[~scenes.present] == -1).all()
    assert [len(parse_caption(caption).things) for caption in scenes.captions] == count.tolist()
    blank = draw_scenes(*(getattr(scenes, name) for name in TRUTH), torch.zeros_like(scenes.present), 32)
    assert (blank.images == 1).all()


TRUTH = ("class_idx", "colour_idx", "size_idx", "centre", "rotation", "depth")


def test_a_part_of_the_scenes_keeps_pictures_and_truth_together():
    """Indexing by number, slice or mask picks the same scenes everywhere."""
    scenes = shapes(10)
    assert (
        len(scenes[3]) == 1
        and scenes[3].captions == scenes.captions[3:4]
        and scenes[-1].captions == scenes.captions[-1:]
    )
    assert scenes[2:5].captions == scenes.captions[2:5]
    large = scenes.size_idx[:, 0] == 1
    assert all(caption.startswith("a large") for caption in scenes[large].captions) and large.any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"num": 0},
        {"size": 8},
        {"num_objects": 0},
        {"num_objects": (3, 2)},
        {"split": "test"},
        {"noise_std": -1.0},
        {"max_rotation": -0.1},
        {"num_objects": 1, "split": "heldout_relation"},
    ],
)
def test_settings_that_no_scene_can_have_are_refused(wrong):
    """The message names the argument and the value received."""
    with pytest.raises(ValueError, match="got"):
        shapes(**{"num": 2, **wrong})


def test_too_many_shapes_for_the_picture_are_refused():
    """Rather than drawing forever."""
    with pytest.raises(ValueError, match="allow_overlap"):
        shapes(1, num_objects=30)
    with pytest.raises(ValueError, match="got 5"):
        shapes(1, num_objects=(1, 5))
    assert len(shapes(1, num_objects=30, allow_overlap=True).images) == 1


def test_unknown_class_or_radius_is_refused():
    """An index beyond the table would otherwise leave memory uninitialised."""
    points, zero = torch.zeros(1, 4, 2), torch.zeros(1)
    with pytest.raises(ValueError, match="class_idx"):
        shape_sdf(torch.tensor([6]), points, zero + 1, zero)
    with pytest.raises(ValueError, match="radius"):
        shape_sdf(torch.tensor([0]), points, zero, zero)
