"""The Python side of the widgets of diffusion: what is refused, what is read back."""

import numpy as np
import pytest
import torch
from checks import assert_refused
from diffusion_pages import film, particles, random_pictures, schedule_lab

from lib.data import GaussianMixture
from lib.ddpm import q_sample, schedules
from lib.ddpm.record import Film
from lib.widgets import Particles, ReverseScrubber, ScheduleLab

# ---- the schedule laboratory


def test_schedules_are_those_of_the_library():
    """alpha_bar("a") follows kind, parameters and T; parameters that are not named stay."""
    lab = schedule_lab(a="linear", b="sigmoid", num_steps=50, t=0)
    lab.params_a = {"beta_end": 0.05}
    lab.params_a = {"beta_start": 0.001}
    torch.testing.assert_close(lab.alpha_bar("a"), schedules.linear(50, 0.001, 0.05))
    lab.params_b = {"tau": 0.7}
    torch.testing.assert_close(lab.alpha_bar("b"), schedules.sigmoid(50, tau=0.7))
    lab.schedule_b, lab.num_steps = "cosine", 30
    torch.testing.assert_close(lab.alpha_bar("b"), schedules.cosine(30))
    lab.schedule_b, lab.drawn_b = "drawn", [0.9, 0.8, 0.6, 0.3, 0.2, 0.1]
    drawn = [((i + 1) / 6, value) for i, value in enumerate(lab.drawn_b)]
    torch.testing.assert_close(lab.alpha_bar("b"), schedules.custom(drawn, 30))


def test_the_noised_picture_is_q_sample_of_the_chosen_one():
    """Eight bits of the picture, the noise of the seed."""
    lab = schedule_lab(b="cosine", num_steps=40, t=15, picture="two", seed=9)
    expected = q_sample(random_pictures(2, 64)[1:], 15, lab.eps[None], schedules.cosine(40))[0]
    assert (lab.x_t("b") - expected).abs().max() < 1 / 127
    before = lab.eps
    lab.seed = 10
    assert not torch.equal(lab.eps, before)


def test_t_keeps_its_share_when_the_chain_becomes_shorter():
    """From 150 of 200 to 75 of 100; where t still fits it stays."""
    lab = schedule_lab(num_steps=200, t=150)
    lab.num_steps = 100
    assert lab.t == 75
    lab.num_steps = 80
    assert lab.t == 75


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("schedule_a", "quadratic", "schedule_a must be one of linear, cosine, sigmoid, drawn"),
        ("params_a", {"beta": 0.1}, "no parameter 'beta'"),
        ("params_b", {"s": -0.1}, r"params_b\['s'\] must be a number in \[0, 0.2\]"),
        ("params_b", {"tau": "hot"}, "must be a number"),
        ("drawn_a", [0.9, 0.8, 0.7], "6 to 12 values"),
        ("drawn_a", [0.9, 0.8, 0.7, 0.7, 0.5, 0.4], "must fall"),
        ("drawn_b", [0.9, 0.8, 0.7, 0.6, 0.5, 0.0], "must fall"),
        ("num_steps", 9, "num_steps must lie in 10..1000"),
        ("num_steps", 1001, "num_steps must lie in 10..1000"),
        ("t", 201, "t must lie in 0..200"),
        ("t", -1, "t must lie in 0..200"),
        ("picture", "three", "picture must be one of"),
        ("seed", -1, "seed must lie in"),
    ],
)
def test_the_laboratory_refuses_and_stays_as_it_was(name, value, words):
    """The message names what, the rule and the value; nothing changes."""
    assert_refused(schedule_lab(), name, value, words)


@pytest.mark.parametrize(
    "pictures",
    [{}, {"small": torch.zeros(3, 32, 32)}, {"bright": torch.full((3, 64, 64), 2.0)}],
    ids=["none", "small", "bright"],
)
def test_pictures_that_do_not_fit_are_refused(pictures):
    """64 pixels a side, in [-1, 1], each with a name."""
    with pytest.raises(ValueError, match="pictures"):
        ScheduleLab(pictures)


def test_which_is_a_or_b():
    """A typing error does not silently give the other schedule."""
    with pytest.raises(ValueError, match='"a" or "b"'):
        schedule_lab().alpha_bar("A")


# ---- the reverse scrubber


def test_the_scrubber_reads_level_and_state():
    """Step 0 is x_T at level T, the last step the finished picture at level 0."""
    made = film()
    widget = ReverseScrubber(made, sample=1, step=0)
    states = list(made.states())
    assert widget.t == 100 and widget.step == 0
    torch.testing.assert_close(widget.state[1], states[0].x_t[1])
    widget.step, widget.sample = 12, 0
    assert widget.t == 0
    torch.testing.assert_close(widget.state[2], states[-1].x_0_hat[0])
    assert [len(part) for part in widget.packed] and widget.preview().dtype == np.uint8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sample": 2}, "sample must lie in 0..1"),
        ({"step": 13}, "step must lie in 0..12"),
        ({"step": -1}, "step must lie in 0..12"),
        ({"names": ["one"]}, "names must be one for each of the 2 chains"),
    ],
)
def test_the_scrubber_refuses(arguments, words):
    """The message says how many there are."""
    with pytest.raises(ValueError, match=words):
        ReverseScrubber(film(), **arguments)


def test_a_film_of_another_kind_is_refused():
    """Grey pictures, and too many chains."""
    made = film()
    for x_0_hat, words in ((made.x_0_hat[:, :, :1], "bytes"), (made.x_0_hat.repeat(5, 1, 1, 1, 1), "1 to 8 chains")):
        with pytest.raises(ValueError, match=words):
            ReverseScrubber(Film(made.levels, made.alpha_bar, x_0_hat, made.seed))


# ---- the particles


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data", "spirals", "data must be one of"),
        ("t", 51, "t must lie in 0..50"),
        ("arrows", "wind", "arrows must be one of score, step, none"),
        ("own", [1.0], "own must be two numbers"),
        ("own", [99.0, 0.0], "own must be two numbers"),
        ("seed", -1, "seed must lie in"),
    ],
)
def test_the_particles_refuse_and_stay_as_they_were(name, value, words):
    """The message names what, the rule and the value; nothing changes."""
    assert_refused(particles(), name, value, words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "1 to 8 names"),
        ({"many": torch.zeros(301, 2)}, "1 to 300 finite points"),
        ({"solid": torch.zeros(9, 3)}, "1 to 300 finite points"),
        ({"solid": GaussianMixture(torch.ones(1), torch.zeros(1, 3), torch.eye(3)[None])}, "mixture in the plane"),
    ],
    ids=["none", "many", "three numbers", "three dimensions"],
)
def test_sets_that_do_not_fit_are_refused(data, words):
    """A browser that must stay fluent has limits."""
    with pytest.raises(ValueError, match=words):
        Particles(data, schedules.cosine(50))


@pytest.mark.parametrize("alpha_bar", [schedules.cosine(9), schedules.cosine(201), torch.linspace(0.9, 0.1, 30)])
def test_schedules_for_particles_begin_with_1_and_are_short(alpha_bar):
    """10 to 200 steps."""
    with pytest.raises(ValueError, match="alpha_bar must"):
        Particles({"one": torch.zeros(1, 2)}, alpha_bar)
