"""The identities that the chapter's exercises lead to; the checks of every chapter are in tests/exercises."""

import pytest
import torch
from torch.testing import assert_close

from lib.ddim import ddim_step, eta_sigma, q_sigma
from lib.ddim.exercises import EXERCISES
from lib.ddpm.schedules import linear


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_two_short_steps_of_ddpm_are_one_long_one(eta):
    """Given the picture, the posterior of a Markov chain may be walked over any levels; so may a walk without noise."""
    alpha_bar = linear(1000)
    for t, m, s in ((900, 500, 200), (300, 250, 10)):
        short = eta_sigma(alpha_bar, t, m, eta), eta_sigma(alpha_bar, m, s, eta)
        long = EXERCISES["ddim.two_steps"].reference(alpha_bar, t, m, s, *short)
        assert_close(long, eta_sigma(alpha_bar, t, s, eta))


def test_the_largest_eta_is_the_one_that_the_library_refuses_to_pass():
    """A hair below it there is a step, a hair above it there is none."""
    alpha_bar, x = linear(1000), torch.ones(1, 1, dtype=torch.float64)
    most = EXERCISES["ddim.limit"].reference(alpha_bar, 300, 200).item()
    ddim_step(x, x, 300, 200, alpha_bar, x, eta=most - 1e-6)
    with pytest.raises(ValueError, match="eta must lie in"):
        ddim_step(x, x, 300, 200, alpha_bar, x, eta=most + 1e-6)


def test_sigma_hat_has_no_member_in_a_step_that_is_too_long():
    """What the exercise says when it is solved: alpha-bar_t below the square of alpha-bar_s leaves no room."""
    alpha_bar, x = linear(1000), torch.ones(1, 1, dtype=torch.float64)
    for t, s, fits in ((200, 199, True), (300, 200, False)):
        sigma = (1 - alpha_bar[t] / alpha_bar[s]).sqrt()
        assert (alpha_bar[t] > alpha_bar[s] ** 2).item() == fits
        if fits:
            q_sigma(x, x, t, alpha_bar, sigma, s)
            continue
        with pytest.raises(ValueError, match="sigma_step must have"):
            q_sigma(x, x, t, alpha_bar, sigma, s)


def test_the_slope_read_off_a_step_is_the_answer_that_made_it():
    """Also between states that are many levels apart."""
    alpha_bar, x = linear(1000), torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()
    x_s = ddim_step(x, x.flip(0), 900, 100, alpha_bar)
    assert_close(EXERCISES["ddim.slope"].reference(x, x_s, 900, 100, alpha_bar), x.flip(0))
