"""Recorded chains: what is rebuilt is what was sampled, and recording hardly changes the sampling."""

import pytest
import torch

from lib.data import PointSet
from lib.ddpm import ExactModel, ancestral_step, schedules
from lib.ddpm.record import record_trajectory, to_pixels, to_unit
from lib.widgets.portable_noise import normals

ALPHA_BAR = schedules.cosine(200)
SHAPE = (3, 8, 8)


class Watched:
    """A model that remembers what it saw."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def __call__(self, x_t, t):
        self.seen.append((int(t[0]), x_t.clone()))
        return self.model(x_t, t)


def exact() -> ExactModel:
    pictures = torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return ExactModel(PointSet(pictures), ALPHA_BAR, "v")


def noise(step: int) -> torch.Tensor:
    return torch.stack([torch.from_numpy(normals(192, 5, 1000 * i + step)).reshape(SHAPE) for i in range(3)])


def test_rebuilt_states_are_what_the_model_saw():
    """Every x_t to the rounding of float32, and the guess of the noise follows from it."""
    model = Watched(exact())
    film = record_trajectory(model, ALPHA_BAR, SHAPE, num_samples=3, num_steps=60, seed=5, target="v")
    states = list(film.states())
    assert [state.t for state in states] == [*film.levels, 0] and film.levels[0] == 200 and len(film.levels) == 60
    for (t, seen), state in zip(model.seen, states, strict=False):
        assert t == state.t
        torch.testing.assert_close(state.x_t, seen)
        level = ALPHA_BAR[t].float()
        again = level.sqrt() * state.x_0_hat + (1 - level).sqrt() * state.eps_hat
        torch.testing.assert_close(again, seen, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(states[-1].x_t, to_unit(film.x_0_hat[:, -1]).float())


def test_rounding_hardly_moves_a_chain():
    """The library's sampler with the same noise, unrounded: within four pixel values on the way, two at the end."""
    model, film = exact(), record_trajectory(exact(), ALPHA_BAR, SHAPE, num_samples=3, num_steps=60, seed=5, target="v")
    x_t, levels, apart = noise(0), [*film.levels, 0], []
    for k, (state, s) in enumerate(zip(film.states(), [*levels[1:], None], strict=True)):
        apart.append((x_t - state.x_t).abs().max().item() * 127.5)
        if s is not None:
            output = model(x_t, torch.full((3,), state.t))
            x_t = ancestral_step(x_t, output, state.t, s, ALPHA_BAR, noise(k + 1), target="v", clip=True)
    assert max(apart) <= 4 and apart[-1] <= 2, apart


def test_the_same_seed_gives_the_same_film_and_another_another():
    """Nothing but the seed decides."""
    films = [
        record_trajectory(exact(), ALPHA_BAR, SHAPE, num_samples=2, num_steps=9, seed=s, target="v") for s in (1, 1, 2)
    ]
    assert torch.equal(films[0].x_0_hat, films[1].x_0_hat)
    assert not torch.equal(films[0].x_0_hat, films[2].x_0_hat)
    assert not torch.equal(films[0].x_0_hat[0], films[0].x_0_hat[1])


def test_pixels_keep_the_ends_and_stay_where_they_hardly_moved():
    """Black, white and rounding to half a grain; a pixel keeps its value until it is too far away."""
    values = torch.linspace(-1, 1, 500)
    for grain in (1, 2, 4):
        pixels = to_pixels(values, grain)
        assert pixels[0] == 0 and pixels[-1] == 255
        assert (to_unit(pixels) - values).abs().max() <= (grain / 2 + 1e-4) / 127.5
        assert torch.isin(pixels, torch.tensor([*range(0, 255, grain), 255], dtype=torch.uint8)).all()
    moved = to_unit(torch.tensor([100, 103, 104, 97, 90], dtype=torch.uint8))
    before = torch.full((5,), 100, dtype=torch.uint8)
    assert to_pixels(moved, 4, before).tolist() == [100, 100, 104, 100, 88]
    assert to_pixels(moved, 1, before).tolist() == [100, 103, 104, 97, 90]
    assert to_pixels(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


@pytest.mark.parametrize("changes", [{"num_samples": 0}, {"num_steps": 0}, {"num_steps": 1000}, {"num_steps": 1001}])
def test_numbers_out_of_range_are_refused(changes):
    """At most 999 steps, since streams of noise are numbered so, and no more than the chain has."""
    with pytest.raises(ValueError, match="num_steps"):
        record_trajectory(exact(), schedules.cosine(1000), SHAPE, **changes)


def test_a_model_that_breaks_is_told():
    """Not a film of black pictures."""
    with pytest.raises(ValueError, match="finite"):
        record_trajectory(lambda x_t, t: x_t / 0, ALPHA_BAR, SHAPE, num_samples=1, num_steps=3)
