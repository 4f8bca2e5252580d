"""Up to the noise and down again: the error falls with the steps."""

import pytest
import torch

from lib.data import GaussianMixture
from lib.ddim import euler_step, gaussian_flow, invert, round_trip
from lib.ddim.inversion import noise_at
from lib.ddim.subsequences import evenly
from lib.ddpm import ExactModel, last, schedules
from lib.ddpm.forward import TARGETS

ALPHA_BAR = schedules.linear(1000)
V = 0.25
GAUSS = GaussianMixture(torch.ones(1), torch.zeros(1, 2), V * torch.eye(2)[None])


def pictures(num: int = 10) -> torch.Tensor:
    return GAUSS.sample(num, torch.Generator().manual_seed(0)).double()


class Asked:
    """A model that notes where it is asked."""

    def __init__(self, model):
        self.model, self.levels, self.inputs = model, [], []

    def __call__(self, x_t, t):
        self.levels.append(t[0].item())
        self.inputs.append(x_t)
        return self.model(x_t, t)


@pytest.mark.parametrize("ask_above", [False, True])
def test_inversion_converges_to_the_exact_flow_with_order_one(ask_above):
    """For Gaussian data the noise that belongs to a picture is known; twice the steps halve the error."""
    x_0, model = pictures(), ExactModel(GAUSS, ALPHA_BAR)
    exact = gaussian_flow(x_0, 1.0, ALPHA_BAR[-1].item(), V)
    errors = []
    for num_steps in (100, 200):
        x_T = last(invert(model, x_0, ALPHA_BAR, evenly(1000, num_steps), ask_above=ask_above)).x_t
        errors.append(((x_T - exact).norm() / exact.norm()).item())
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.15) and errors[1] < 0.02


@pytest.mark.parametrize("ask_above", [False, True])
def test_the_error_of_a_round_trip_falls_with_the_number_of_steps(ask_above):
    """Root mean square about as 1 over the steps, on Gaussian data."""
    x_0, model = pictures(), ExactModel(GAUSS, ALPHA_BAR)
    errors = [
        round_trip(model, x_0, ALPHA_BAR, evenly(1000, num), ask_above=ask_above).error.mean().sqrt().item()
        for num in (20, 40, 80)
    ]
    assert errors[0] > 1.5 * errors[1] > 1.5**2 * errors[2]


def test_asking_above_makes_about_half_the_error_of_asking_here():
    """Of the two slips of a step up, the picture's and the level's, it leaves one; the other is the larger here."""
    x_0, model, levels = pictures(), ExactModel(GAUSS, ALPHA_BAR), evenly(1000, 100)
    here, above = (
        round_trip(model, x_0, ALPHA_BAR, levels, ask_above=ask).error.mean().sqrt().item() for ask in (False, True)
    )
    assert above == pytest.approx(here / 2, rel=0.2)


def test_corrections_make_the_step_up_the_inverse_of_the_step_down():
    """Asked often enough at the point it reaches, the step settles where the sampler comes from."""
    x_0, model, levels = pictures(), ExactModel(GAUSS, ALPHA_BAR), evenly(1000, 20)
    errors = [
        round_trip(model, x_0, ALPHA_BAR, levels, num_corrections=num).error.mean().sqrt().item() for num in (0, 1, 8)
    ]
    assert errors[1] < 0.3 * errors[0] and errors[2] < 1e-4 * errors[0]


def test_where_the_network_is_asked():
    """Here: at the level of the picture, but at the first of the levels for the clean one. Above: where it goes."""
    x_0, levels = pictures(2), [10, 400, 1000]
    for ask_above, expected in ((False, [10, 10, 400]), (True, [10, 400, 1000])):
        model = Asked(ExactModel(GAUSS, ALPHA_BAR))
        states = list(invert(model, x_0, ALPHA_BAR, levels, ask_above=ask_above))
        assert model.levels == expected and [state.t for state in states] == [0, *levels]
        assert all(torch.equal(x, state.x_t) for x, state in zip(model.inputs, states, strict=False))


def test_every_state_follows_from_the_one_before():
    """x_t = euler_step of the last state, whose two estimates add up to it."""
    states = list(invert(ExactModel(GAUSS, ALPHA_BAR), pictures(3), ALPHA_BAR, [10, 400, 1000]))
    for now, then in zip(states, states[1:], strict=False):
        torch.testing.assert_close(then.x_t, euler_step(now.x_t, now.eps_hat, now.t, then.t, ALPHA_BAR))
        level = ALPHA_BAR[now.t]
        torch.testing.assert_close(level.sqrt() * now.x_0_hat + (1 - level).sqrt() * now.eps_hat, now.x_t + (
            0 if now.t else (1 - level).sqrt() * now.eps_hat))  # fmt: skip
    assert torch.equal(states[0].x_0_hat, states[0].x_t)


@pytest.mark.parametrize("ask_above", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_inverts_alike(target, ask_above):
    """All answers are turned into noise at the level that was asked about; level 0 included, where x_0 has none."""
    x_0, levels = pictures(3), evenly(1000, 10)
    usual, other = (
        last(invert(ExactModel(GAUSS, ALPHA_BAR, name), x_0, ALPHA_BAR, levels, target=name, ask_above=ask_above)).x_t
        for name in ("eps", target)
    )
    torch.testing.assert_close(other, usual)


def test_the_round_trip_returns_noise_pictures_and_their_difference():
    """The error is a mean square for each picture."""
    x_0, levels = pictures(4), evenly(1000, 20)
    model = ExactModel(GAUSS, ALPHA_BAR)
    found = round_trip(model, x_0, ALPHA_BAR, levels)
    assert torch.equal(found.x_T, last(invert(model, x_0, ALPHA_BAR, levels)).x_t)
    torch.testing.assert_close(found.error, (found.back - x_0).square().mean(1))
    assert found.error.shape == (4,)


def test_the_noise_of_a_round_trip_has_variance_one():
    """Gaussian data have to end as standard normal noise, or it is no noise the sampler knows."""
    x_T = last(invert(ExactModel(GAUSS, ALPHA_BAR), pictures(2000), ALPHA_BAR, evenly(1000, 50))).x_t
    assert x_T.var().item() == pytest.approx(1, rel=0.1)


def test_a_model_with_a_learned_variance_can_be_asked_for_its_noise():
    """The second half of the channels is left aside."""
    x_t = pictures(3)
    model = lambda x, t: torch.cat([x, 0 * x], 1)  # noqa: E731
    assert torch.equal(noise_at(model, x_t, 5, ALPHA_BAR), x_t)


def test_what_makes_no_sense_is_refused():
    """Levels that fall, fewer than no corrections."""
    model = ExactModel(GAUSS, ALPHA_BAR)
    with pytest.raises(ValueError, match="levels must rise"):
        next(invert(model, pictures(1), ALPHA_BAR, [5, 3]))
    with pytest.raises(ValueError, match="num_corrections must not be negative, got -1"):
        next(invert(model, pictures(1), ALPHA_BAR, [3], num_corrections=-1))
