"""The chapter against `diffusers`: steps, whole walks, inversion, spacings, and the places where the two differ.

There, timesteps begin with the first noisy level: timestep i is our level i + 1, and the clean picture is an extra
number, ``final_alpha_cumprod``, reached whenever a step would go below timestep 0.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from compared import TOLERANCE, gap
from diffusers import DDIMInverseScheduler, DDIMScheduler

from lib.ddim import ddim_step, eta_sigma, euler_step, invert, sample
from lib.ddim.subsequences import leading, linspace, trailing
from lib.ddpm import last, predict_eps, schedules

PREDICTION = {"eps": "epsilon", "x_0": "sample", "v": "v_prediction"}
SPACING = {"leading": leading, "trailing": trailing, "linspace": linspace}
ALPHA_BAR = schedules.linear(1000)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scheduler_of(num_steps: int, kind: type = DDIMScheduler, **options):
    """Their scheduler with our float64 alpha_bar in place of its float32 one."""
    scheduler = kind(**({"clip_sample": False} | options))
    scheduler.alphas_cumprod = ALPHA_BAR[1:]
    one = torch.ones((), dtype=torch.float64)
    end = one if scheduler.config.set_alpha_to_one else ALPHA_BAR[1]
    scheduler.final_alpha_cumprod = scheduler.initial_alpha_cumprod = end
    scheduler.set_timesteps(num_steps)
    return scheduler


def model(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """A definite answer that depends on the picture and on the level, and does not explode."""
    kernel = 0.2 * normal(3, 3, 3, 3, seed=5)
    return torch.tanh(torch.nn.functional.conv2d(x_t, kernel, padding=1) + t[0] / 1000)


def their_walk(scheduler, x_t: torch.Tensor, source: torch.Generator, **settings) -> torch.Tensor:
    for timestep in scheduler.timesteps:
        output = model(x_t, timestep.expand(len(x_t)) + 1)
        x_t = scheduler.step(output, timestep, x_t, generator=source, **settings).prev_sample
    return x_t


@pytest.mark.parametrize("num_steps", [2, 5, 7, 10, 20, 50, 100, 250, 999, 1000])
@pytest.mark.parametrize("name", SPACING)
def test_the_levels_are_their_timesteps_plus_one(name, num_steps):
    """Every spacing, whether the number of steps divides 1,000 or not."""
    timesteps = scheduler_of(num_steps, timestep_spacing=name).timesteps.tolist()
    assert [t + 1 for t in reversed(timesteps)] == SPACING[name](1000, num_steps)


@pytest.mark.parametrize("offset", [0, 1])
def test_the_offset_of_leading_is_their_steps_offset(offset):
    """1 for Stable Diffusion."""
    timesteps = scheduler_of(20, steps_offset=offset).timesteps.tolist()
    assert [t + 1 for t in reversed(timesteps)] == leading(1000, 20, offset)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("target", PREDICTION)
@pytest.mark.parametrize("name", SPACING)
@pytest.mark.parametrize("clip", [False, True])
def test_every_step_equals_theirs(name, target, eta, clip):
    """From timestep i to i - T // S, whatever the spacing; below 0 that is our level 0. With clipping, when they are
    told to compute the noise anew.
    """
    scheduler = scheduler_of(10, timestep_spacing=name, prediction_type=PREDICTION[target], clip_sample=clip)
    x_t, output, eps = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), normal(2, 3, 4, 4, seed=2)
    for timestep in scheduler.timesteps.tolist():
        t, s = timestep + 1, max(0, timestep + 1 - 100)
        noise = {"variance_noise": eps} if eta else {}
        theirs = scheduler.step(output, timestep, x_t, eta=eta, use_clipped_model_output=clip, **noise)
        ours = ddim_step(x_t, output, t, s, ALPHA_BAR, eps, eta=eta, target=target, clip=clip)
        scale = max(1.0, theirs.pred_original_sample.abs().max().item())
        assert gap(ours, theirs.prev_sample) / scale <= TOLERANCE
        variance = scheduler._get_variance(timestep, timestep - 100)
        assert gap(eta_sigma(ALPHA_BAR, t, s).square(), variance) <= TOLERANCE


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("target", PREDICTION)
@pytest.mark.parametrize(("name", "num_steps"), [("leading", 10), ("leading", 7), ("trailing", 10), ("trailing", 50)])
def test_whole_walks_equal_theirs(name, num_steps, target, eta):
    """Same x_T, same noise: leading at any number of steps, trailing where it divides 1,000."""
    scheduler = scheduler_of(num_steps, timestep_spacing=name, prediction_type=PREDICTION[target], clip_sample=True)
    x_T = normal(2, 3, 4, 4)
    settings = {"levels": SPACING[name](1000, num_steps), "eta": eta, "target": target, "clip": True, "x_T": x_T}
    ours = last(sample(model, x_T.shape, ALPHA_BAR, torch.Generator().manual_seed(7), **settings)).x_t
    theirs = their_walk(scheduler, x_T, torch.Generator().manual_seed(7), eta=eta, use_clipped_model_output=True)
    assert gap(ours, theirs) <= TOLERANCE


@pytest.mark.parametrize(("name", "num_steps"), [("linspace", 10), ("linspace", 50), ("trailing", 7), ("leading", 7)])
def test_off_by_one_their_steps_do_not_end_where_the_next_one_begins(name, num_steps):
    """Their stride is T // S for every spacing. With linspace, and with trailing where S does not divide T, a picture
    that was brought to one level is treated next as if it were at another, up to 11 levels away; their walk is ours
    only if ours is made to do the same.
    """
    scheduler = scheduler_of(num_steps, timestep_spacing=name)
    timesteps, stride = scheduler.timesteps.tolist(), 1000 // num_steps
    slips = [here - stride - there for here, there in pairwise(timesteps)]
    assert any(slips) == (name != "leading") and max(map(abs, slips)) <= 12
    x_T = normal(2, 3, 4, 4)
    theirs = their_walk(scheduler, x_T, torch.Generator())
    mended = last(sample(model, x_T.shape, ALPHA_BAR, levels=SPACING[name](1000, num_steps), x_T=x_T)).x_t
    x_t = x_T
    for t in (timestep + 1 for timestep in timesteps):
        x_t = ddim_step(x_t, model(x_t, torch.tensor([t])), t, max(0, t - stride), ALPHA_BAR)
    scale = theirs.abs().max().item()
    assert gap(x_t, theirs) / scale <= TOLERANCE
    assert (gap(mended, theirs) / scale > 1e-3) == (name != "leading")


def test_off_by_one_trailing_in_seven_steps_ends_at_level_one():
    """7 · 142 is 994: the last step goes from timestep 142 to timestep 0, our level 1; some noise stays."""
    scheduler = scheduler_of(7, timestep_spacing="trailing")
    assert scheduler.timesteps[-1] - 1000 // 7 == 0
    x_t, output = normal(1, 3, 4, 4), normal(1, 3, 4, 4, seed=1)
    theirs = scheduler.step(output, scheduler.timesteps[-1], x_t).prev_sample
    assert gap(ddim_step(x_t, output, 143, 1, ALPHA_BAR), theirs) <= TOLERANCE
    assert gap(ddim_step(x_t, output, 143, 0, ALPHA_BAR), theirs) > 1e-3


@pytest.mark.parametrize("offset", [0, 1])
def test_off_by_one_without_set_alpha_to_one_a_walk_ends_at_level_one(offset):
    """Stable Diffusion's settings: the last step goes to level 1, not to 0. With offset 0 it goes from level 1 to
    level 1 and leaves the picture as it was.
    """
    scheduler = scheduler_of(20, steps_offset=offset, set_alpha_to_one=False)
    x_t, output, timestep = normal(1, 3, 4, 4), normal(1, 3, 4, 4, seed=1), scheduler.timesteps[-1]
    theirs = scheduler.step(output, timestep, x_t).prev_sample
    assert timestep == offset
    ours = ddim_step(x_t, output, 2, 1, ALPHA_BAR) if offset else x_t
    assert gap(ours, theirs) <= TOLERANCE
    assert gap(ddim_step(x_t, output, 1 + offset, 0, ALPHA_BAR), theirs) > 1e-3


def test_by_default_they_clip_the_picture_and_keep_the_old_noise():
    """Then the two no longer add up to x_t, and eta = 1 is not DDPM with clipping."""
    x_t, output, eps, timestep = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), normal(2, 3, 4, 4, seed=2), 899
    scheduler = scheduler_of(10, clip_sample=True)
    kept = scheduler.step(output, timestep, x_t, eta=1.0, variance_noise=eps).prev_sample
    ours = ddim_step(x_t, output, 900, 800, ALPHA_BAR, eps, eta=1.0, clip=True)
    assert gap(ours, kept) > 0.1
    above, below = ALPHA_BAR[900], ALPHA_BAR[800]
    x_0_hat = ((x_t - (1 - above).sqrt() * output) / above.sqrt()).clamp(-1, 1)
    sigma_step = eta_sigma(ALPHA_BAR, 900, 800)
    by_hand = below.sqrt() * x_0_hat + (1 - below - sigma_step**2).sqrt() * output + sigma_step * eps
    assert gap(by_hand, kept) <= TOLERANCE


def test_with_their_own_float32_arrays_a_walk_differs_by_less_than_a_level_of_brightness():
    """Rounding of alphas_cumprod, not the formulas; a level of brightness is 8e-3."""
    scheduler = DDIMScheduler(clip_sample=True)
    scheduler.set_timesteps(50)
    x_T = normal(2, 3, 4, 4)
    theirs = their_walk(scheduler, x_T, torch.Generator(), use_clipped_model_output=True)
    ours = last(sample(model, x_T.shape, ALPHA_BAR, levels=leading(1000, 50), clip=True, x_T=x_T)).x_t
    assert gap(ours, theirs) < 1e-3


@pytest.mark.parametrize(("name", "num_steps"), [("leading", 10), ("leading", 7), ("trailing", 10), ("trailing", 50)])
def test_inversion_that_asks_above_equals_theirs(name, num_steps):
    """Their picture is always one stride below the timestep that the network is asked at."""
    scheduler = scheduler_of(num_steps, DDIMInverseScheduler, timestep_spacing=name)
    levels = SPACING[name](1000, num_steps)
    assert [t + 1 for t in scheduler.timesteps.tolist()] == levels
    x_0 = normal(2, 3, 4, 4).tanh()
    x_t = x_0
    for timestep in scheduler.timesteps:
        x_t = scheduler.step(model(x_t, timestep.expand(2) + 1), timestep, x_t).prev_sample
    ours = last(invert(model, x_0, ALPHA_BAR, levels, ask_above=True)).x_t
    assert gap(ours, x_t) <= TOLERANCE
    assert gap(last(invert(model, x_0, ALPHA_BAR, levels)).x_t, x_t) > 1e-3


@pytest.mark.parametrize("target", PREDICTION)
def test_their_inverse_step_turns_an_answer_into_noise_at_the_level_where_the_picture_is(target):
    """We do so at the level that the network was asked about; for the target eps there is no difference. At level 0
    theirs would divide by zero for a network that answers with x_0.
    """
    scheduler = scheduler_of(10, DDIMInverseScheduler, prediction_type=PREDICTION[target])
    x_s, output = normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1)
    for t in leading(1000, 10)[1:]:
        theirs = scheduler.step(output, t - 1, x_s).prev_sample
        eps_hat = predict_eps(x_s, output, t - 100, ALPHA_BAR, target)
        scale = max(1.0, eps_hat.abs().max().item())
        assert gap(euler_step(x_s, eps_hat, t - 100, t, ALPHA_BAR), theirs) / scale <= TOLERANCE
        elsewhere = euler_step(x_s, predict_eps(x_s, output, t, ALPHA_BAR, target), t - 100, t, ALPHA_BAR)
        assert (gap(elsewhere, theirs) > 1e-3) == (target != "eps")
    first = scheduler.step(output, 0, x_s).prev_sample
    assert first.isfinite().all() == (target != "x_0")


def test_their_trailing_spacing_has_a_timestep_too_many_for_some_numbers_of_steps():
    """np.arange(1000, 0, -1000/61) rounds itself a 62nd number, almost 0, whose timestep is -1: the *last* entry of
    alphas_cumprod. Halves may also fall to either side there; ours are exact.
    """
    timesteps = scheduler_of(61, timestep_spacing="trailing").timesteps.tolist()
    assert len(timesteps) == 62 and timesteps[-1] == -1
    assert [t + 1 for t in timesteps[-2::-1]] == trailing(1000, 61)
    differing = []
    for num_steps in range(2, 1001):
        theirs = np.round(np.arange(1000, 0, -1000 / num_steps))[:num_steps][::-1]
        differing += [np.abs(theirs - trailing(1000, num_steps)).max()]
    assert max(differing) == 1
