"""Videos of shapes: straight flight, mirrors at the sides, truth in every frame."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.data.shape_motion import bounce, moving_shapes
from lib.data.shape_scenes import draw_scenes


@given(start=st.floats(0.2, 0.8), speed=st.floats(-0.5, 0.5), steps=st.integers(0, 60))
def test_bounce_equals_a_simulation_step_by_step(start, speed, steps):
    """The closed form must agree with moving on and turning round whenever a mirror was passed."""
    low, high, position, velocity = 0.2, 0.8, start, speed
    for _ in range(steps):
        position += velocity
        while not low <= position <= high:
            position = 2 * (low if position < low else high) - position
            velocity = -velocity
    values = torch.tensor([start, speed * steps, low, high], dtype=torch.float64)
    where, sign = bounce(*values)
    assert float(where) == pytest.approx(position, abs=1e-9)
    if min(position - low, high - position) > 1e-9:  # on the mirror both directions are true
        assert speed == 0 or float(sign) * speed == pytest.approx(velocity)


def test_shapes_stay_in_the_picture_and_some_bounce():
    """Every box of every frame lies inside; velocities change sign and nothing else."""
    moving = moving_shapes(20, 24, speed=0.08)
    boxes = moving.frames.boxes_xyxy
    assert (boxes > -1e-5).all() and (boxes < 1 + 1e-5).all()
    assert (moving.velocity[:, :1] * moving.velocity < 0).any()
    torch.testing.assert_close(moving.velocity.abs(), moving.velocity[:, :1].abs().expand_as(moving.velocity))


def test_a_centre_moves_by_its_velocity_away_from_the_sides():
    """Where the direction of travel stays, no side was met in between: a step is too short for two."""
    moving = moving_shapes(20, 16, speed=0.05)
    step = moving.centre.diff(dim=1)
    steady = moving.velocity[:, 1:] == moving.velocity[:, :-1]
    torch.testing.assert_close(step[steady], moving.velocity[:, :-1][steady], rtol=0, atol=1e-5)
    length = moving.velocity.norm(dim=-1)
    assert (length >= 0.025 - 1e-6).all() and (length <= 0.05 + 1e-6).all()


def test_a_frame_is_the_drawing_of_its_truth():
    """Each frame is a picture like any other, with boxes and masks; the last one counts from the end too."""
    moving = moving_shapes(3, 5)
    frame = moving.frame(-1)
    names = ("class_idx", "colour_idx", "size_idx", "centre", "rotation", "depth", "present")
    again = draw_scenes(*(getattr(frame, name) for name in names), 32)
    assert torch.equal(frame.images, again.images) and torch.equal(frame.images, moving.videos[:, 4])
    assert torch.equal(frame.masks, again.masks) and torch.equal(frame.centre, moving.centre[:, 4])
    assert moving.videos.shape == (3, 5, 3, 32, 32) and len(moving) == 3


def test_same_seed_same_video():
    """All randomness comes from the seed; attributes stay fixed through a video."""
    one, two = moving_shapes(2, 4, seed=5), moving_shapes(2, 4, seed=5)
    assert torch.equal(one.videos, two.videos)
    assert not torch.equal(one.videos, moving_shapes(2, 4, seed=6).videos)
    assert torch.equal(one.frame(0).colour_idx, one.frame(3).colour_idx)


@pytest.mark.parametrize(
    "wrong", [{"num": 0}, {"size": 4}, {"speed": 0.9}, {"split": "heldout_relation"}, {"max_rotation": -1.0}]
)
def test_settings_that_no_video_can_have_are_refused(wrong):
    """The message names the argument and the value received."""
    with pytest.raises(ValueError, match="got"):
        moving_shapes(**{"num": 1, **wrong})
