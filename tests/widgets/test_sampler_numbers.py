"""The numbers behind the widgets of chapters 5 and 6: JavaScript against torch."""

import itertools

import numpy as np
import pytest
import torch
from node import node

from lib import ddim, ddpm
from lib.data import mixture
from lib.ddim import subsequences
from lib.ddim.ode import gaussian_flow
from lib.ddpm import ExactModel, exact_denoised, schedules
from lib.guidance.combine import guide
from lib.widgets.plane import mixture_numbers
from lib.widgets.portable_noise import normals
from lib.widgets.steps_explorer import SPACINGS


def close(got, expected, rtol=1e-10, atol=1e-12):
    torch.testing.assert_close(torch.as_tensor(got, dtype=torch.float64), expected.double(), rtol=rtol, atol=atol)


# ---- pictures on a sheet


def test_every_picture_of_a_grid_has_its_own_place_on_the_sheet():
    """Row-major like numpy; an axis of length 1 has the same number everywhere; rows and columns of the sheet."""
    lengths, short = (3, 4, 2), (3, 1, 2)
    places = list(np.ndindex(*lengths))
    data = {"places": [list(place) for place in places], "lengths": lengths, "short": short}
    code = """return data.places.map((p) => {
      const at = m.flatIndex(p, data.lengths);
      return [at, m.flatIndex(p, data.short), ...m.corner(at, 5, 8, 6)]; });"""
    grid, brief = np.arange(24).reshape(lengths), np.broadcast_to(np.arange(6).reshape(short), lengths)
    for place, got in zip(places, node("frame_numbers.js", code, data), strict=True):
        row, column = divmod(int(grid[place]), 5)
        assert got == [grid[place], brief[place], 8 * column, 6 * row]


def test_numbers_stand_under_a_picture_where_they_differ_between_pictures():
    """An axis in view along which the number has more than one value."""
    cases = [[[3, 4, 1], [2, -1]], [[3, 4, 1], [1, -1]], [[3, 4, 1], [-1, -1]], [[1, 1, 2], [0, 2]]]
    code = "return data.cases.map(([lengths, shown]) => m.differs(lengths, shown));"
    assert node("frame_numbers.js", code, {"cases": cases}) == [False, True, False, True]


# ---- levels, steps, paths


@pytest.mark.parametrize("num_timesteps", [10, 57, 1000])
def test_levels_in_the_browser_are_those_of_the_library(num_timesteps):
    """Every spacing, every number of steps."""
    steps = [S for S in (1, 2, 3, 5, 7, 10, 16, 20, 50, 57, 100, 333, 1000) if num_timesteps >= S]
    code = """const all = Object.entries(m.SPACINGS);
      return data.steps.map((S) => Object.fromEntries(all.map(([k, f]) => [k, f(data.T, S)])));"""
    for num_steps, got in zip(
        steps, node("sampler_numbers.js", code, {"T": num_timesteps, "steps": steps}), strict=True
    ):
        assert tuple(got) == SPACINGS
        for name, levels in got.items():
            assert levels == subsequences.SPACINGS[name](num_timesteps, num_steps), (name, num_steps)


@pytest.mark.parametrize("settings", [{"eta": 0.0}, {"eta": 0.4}, {"eta": 1.0}, {"sigmaHat": True, "eta": 0.4}])
def test_a_step_in_the_browser_is_that_of_the_library(settings):
    """With the same noise, between neighbours, far apart, and to the end."""
    alpha_bar = schedules.shortened_linear(50)
    x, x_0_hat, z = torch.randn(3, 8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pairs = [(50, 49), (50, 20), (20, 3), (3, 0), (1, 0), (50, 0)]
    data = {
        "x": x.flatten().tolist(),
        "x0": x_0_hat.flatten().tolist(),
        "z": z.flatten().tolist(),
        "settings": settings,
    }
    data["pairs"] = [[alpha_bar[t].item(), alpha_bar[s].item()] for t, s in pairs]
    code = "return data.pairs.map(([a, b]) => numbers(m.stepBack(data.x, data.x0, a, b, data.settings, data.z)));"
    for (t, s), got in zip(pairs, node("sampler_numbers.js", code, data), strict=True):
        larger = ddim.sigma_hat(alpha_bar, t, s) if settings.get("sigmaHat") else None
        eta = 0.0 if larger is not None else settings["eta"]
        expected = ddim.ddim_step(x, x_0_hat, t, s, alpha_bar, z, eta=eta, noise_std=larger, target="x_0")
        close(got, expected.flatten())


def test_a_walk_in_the_browser_is_a_sample_of_the_library():
    """Every state from x_T to x_0 under the exact denoiser, with and without noise; none is drawn for the last step."""
    data, alpha_bar, levels = mixture("mixture"), schedules.cosine(40), [3, 10, 22, 40]
    x_T = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    noise = [torch.from_numpy(normals(12, 5, k + 1)).reshape(6, 2) for k in range(3)]
    code = """const { denoiser } = await import(asModule("particle_numbers.js"));
      const { normals } = await import(asModule("portable_noise.js")), asked = [];
      const draw = (k) => { asked.push(k); return normals(12, 5, k + 1); };
      return [{ eta: 0 }, { eta: 0.5 }].map((options) => [
        m.walk(denoiser(data.set), data.alphaBar, data.levels, data.x, options, draw).map(numbers), [...asked]]);"""
    sent = {"set": mixture_numbers(data), "alphaBar": alpha_bar.tolist(), "levels": levels, "x": x_T.flatten().tolist()}
    still, noisy = node("sampler_numbers.js", code, sent)
    assert still[1] == [] and noisy[1] == [0, 1, 2]
    model = ExactModel(data, alpha_bar, "x_0")
    expected = list(ddim.sample(model, (6, 2), alpha_bar, levels=levels, target="x_0", x_T=x_T))
    for state, got in zip(expected, still[0], strict=True):
        close(got, state.x_t.flatten(), rtol=1e-8, atol=1e-9)
    x, falling = x_T, [*reversed(levels), 0]
    for k, (t, s) in enumerate(itertools.pairwise(falling)):
        x_0_hat, z = exact_denoised(data, x, alpha_bar[t]), noise[k] if s else None
        x = ddim.ddim_step(x, x_0_hat, t, s, alpha_bar, z, eta=0.5, target="x_0")
        close(noisy[0][k + 1], x.flatten(), rtol=1e-8, atol=1e-9)


def test_the_fine_path_is_the_exact_flow():
    """For one Gaussian the flow is known: Heun is within a thousandth at 100 levels, one level less exact at half."""
    variance, x_T = 0.3, torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    alpha_bar = schedules.linear(1000)
    one = {"weights": [1.0], "means": [0.0, 0.0], "covs": [variance, 0.0, variance]}
    code = """const { denoiser } = await import(asModule("particle_numbers.js"));
      const levels = (S) => m.SPACINGS.quadratic(1000, S), denoise = denoiser(data.set);
      return data.counts.map((S) => numbers(m.finePath(denoise, data.alphaBar, levels(S), data.x).at(-1)));"""
    sent = {"set": one, "alphaBar": alpha_bar.tolist(), "x": x_T.flatten().tolist(), "counts": [25, 50, 100]}
    exact = gaussian_flow(x_T, alpha_bar[1000].item(), 1.0, variance).flatten()
    errors = [
        (torch.tensor(end, dtype=torch.float64) / exact - 1).abs().max().item()
        for end in node("sampler_numbers.js", code, sent)
    ]
    assert errors[2] < 1e-3 and errors[0] > 2.5 * errors[1] > 6 * errors[2]


def test_distances_and_spread_are_what_torch_says():
    """Mean distance of pairs, mean distance to the nearest, standard deviation over both coordinates."""
    a, b, c = (torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(n)) for n in (9, 9, 20))
    b = b + torch.tensor([1.0, 0.0])
    sent = {name: x.flatten().tolist() for name, x in zip("abc", (a, b, c), strict=True)}
    code = "return [m.meanDistance(data.a, data.b), m.nearestDistance(data.a, data.c), m.spread(data.b)];"
    expected = [
        (a - b).norm(dim=1).mean(),
        torch.cdist(a, c).min(1).values.mean(),
        b.var(0, correction=0).mean().sqrt(),
    ]
    close(node("sampler_numbers.js", code, sent), torch.stack(expected))


# ---- guidance


def test_guided_guesses_are_the_rule_of_the_library():
    """The same combination for noise and for the clean guess; 0 is the mixture and 1 the class, to the bit."""
    data, chosen, scales = mixture("mixture"), [1, 2], [0.0, 1.0, 3.5, 10.0]
    x = 1.5 * torch.randn(10, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    code = """const part = m.restrict(data.all, data.chosen);
      return data.scales.map((s) => numbers(m.guided(data.all, part, s)(0.3)(data.x)));"""
    sent = {"all": mixture_numbers(data), "chosen": chosen, "scales": scales, "x": x.flatten().tolist()}
    level = torch.tensor([1.0, 0.3], dtype=torch.float64)
    whole, one = (exact_denoised(part, x, 0.3) for part in (data, data.select(chosen)))
    for scale, got in zip(scales, node("sampler_numbers.js", code, sent), strict=True):
        eps = [ddpm.predict_eps(x, guess, 1, level, "x_0") for guess in (whole, one)]
        expected = ddpm.predict_x_0(x, guide(*eps, scale), 1, level, "eps")
        close(got, expected.flatten(), rtol=1e-8, atol=1e-9)


def test_densities_classes_and_the_gradient_agree():
    """log q(x_t), the class by Bayes' rule, and: the guided score is the gradient of log q(x_t) q(y | x_t)^s."""
    data, classes, level, scale = mixture("mixture"), [[0], [1, 2]], 0.6, 4.0
    x = (1.2 * torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).requires_grad_()
    code = """const parts = data.classes.map((c) => m.restrict(data.all, c)), log = m.logDensity(data.all, data.level);
      const both = m.guidedLogDensity(data.all, parts[1], data.level, data.scale);
      const at = (f) => [...Array(data.x.length / 2).keys()].map((i) => f(data.x[2 * i], data.x[2 * i + 1]));
      const { score } = await import(asModule("particle_numbers.js"));
      return [at(log), at(both), m.classOf(parts, data.level, data.x), parts.map(m.mixtureSpread),
        numbers(score(m.guided(data.all, parts[1], data.scale), data.level, data.x))];"""
    sent = {"all": mixture_numbers(data), "classes": classes, "level": level, "scale": scale, "x": x.flatten().tolist()}
    log, both, classed, spreads, score = node("sampler_numbers.js", code, sent)
    noisy, parts = data.diffused(level), [data.select(c) for c in classes]
    close(log, noisy.log_prob(x).detach())
    share = noisy.responsibilities(x)[:, 1:].sum(1)
    assert classed == (share > 0.5).long().tolist() and 0 < sum(classed) < 30
    close(spreads, torch.stack([part.cov.diagonal().mean().sqrt() for part in parts]))
    power = noisy.log_prob(x) + scale * share.log()
    apart = torch.tensor(both, dtype=torch.float64) - power.detach()
    close(apart - apart[0], torch.zeros(30), atol=1e-9)
    close(score, torch.autograd.grad(power.sum(), x)[0].flatten(), rtol=1e-6, atol=1e-7)
