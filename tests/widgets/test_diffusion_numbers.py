"""The numbers behind the widgets of diffusion: JavaScript against torch."""

import itertools
import math

import pytest
import torch
from diffusion_pages import film
from node import node

from lib.data import PointSet, mixture, points
from lib.ddpm import ancestral_step, exact_denoised, exact_score, langevin_step, q_sample, schedules
from lib.ddpm.forward import posterior_coefficients
from lib.metrics import psnr
from lib.widgets import schedule_curves
from lib.widgets.portable_noise import normals, uniforms, words

DRAWN = [0.9, 0.7, 0.65, 0.4, 0.2, 0.05, 0.01]
GRID = [
    *({"kind": "linear", "p": {"beta_start": a, "beta_end": b}} for a in (1e-5, 1e-4, 0.02) for b in (1e-3, 0.02, 0.1)),
    *({"kind": "cosine", "p": {"s": s}} for s in (0.0, 0.008, 0.2)),
    *(
        {"kind": "sigmoid", "p": {"start": start, "end": end, "tau": tau}}
        for start, end, tau in itertools.product((-6.0, -3.0, -0.1), (0.1, 3.0, 6.0), (0.3, 1.0, 3.0))
    ),
    {"kind": "drawn", "p": {}},
]


def close(got, expected, rtol=1e-10, atol=1e-12):
    torch.testing.assert_close(torch.as_tensor(got, dtype=torch.float64), expected.double(), rtol=rtol, atol=atol)


# ---- noise that both sides share


def test_noise_in_the_browser_is_the_noise_of_python():
    """Words are equal to the bit; normal numbers to the rounding of logarithm and cosine."""
    cases = [[0, 0], [1, 0], [4, 3079], [2**32 - 1, 2**32 - 1]]
    code = """return data.cases.map(([seed, stream]) => {
      const u = m.uniformStream(seed, stream);
      return [Array.from({ length: 50 }, (_, i) => u(i)), numbers(m.normals(1001, seed, stream))]; });"""
    for (seed, stream), (uniform, normal) in zip(cases, node("portable_noise.js", code, {"cases": cases}), strict=True):
        assert uniform == uniforms(50, seed, stream).tolist()
        close(normal, torch.from_numpy(normals(1001, seed, stream)), rtol=1e-12)


def test_noise_is_standard_normal_and_its_streams_are_unrelated():
    """Moments within four standard errors; correlations of neighbours, of streams and of seeds vanish."""
    num = 40_000
    rows = [torch.from_numpy(normals(num, seed, stream)) for seed, stream in ((0, 0), (0, 1), (1, 0), (5, 1000))]
    for row in rows:
        assert abs(row.mean()) < 4 / num**0.5 and abs(row.var() - 1) < 4 * (2 / num) ** 0.5
        assert abs((row**4).mean() - 3) < 4 * (96 / num) ** 0.5
        for lag in (1, 2, 3):
            assert abs((row[lag:] * row[:-lag]).mean()) < 4 / num**0.5
    off_diagonal = torch.corrcoef(torch.stack(rows)) - torch.eye(4)
    assert off_diagonal.abs().max() < 4 / num**0.5
    assert len(set(words(10_000, 0).tolist())) == 10_000


@pytest.mark.parametrize("name", ["num", "seed", "stream"])
def test_numbers_of_noise_out_of_range_are_refused(name):
    """Three 32-bit numbers."""
    with pytest.raises(ValueError, match=name):
        words(**{"num": 3, "seed": 0, "stream": 0, name: -1})


# ---- schedules


@pytest.mark.parametrize("num_steps", [10, 57, 1000])
def test_schedules_in_the_browser_equal_the_library(num_steps):
    """All kinds over the whole range of the sliders; the Python copy below the chapters as well."""
    data = {"T": num_steps, "grid": GRID, "drawn": DRAWN}
    code = "return data.grid.map(({ kind, p }) => numbers(m.alphaBar(kind, data.T, p, data.drawn)));"
    times = [(i + 1) / len(DRAWN) for i in range(len(DRAWN))]
    drawn = lambda T: schedules.custom([*zip(times, DRAWN, strict=True)], T)  # noqa: E731
    library = {"linear": schedules.linear, "cosine": schedules.cosine, "sigmoid": schedules.sigmoid, "drawn": drawn}
    for entry, got in zip(GRID, node("schedule_numbers.js", code, data), strict=True):
        expected = library[entry["kind"]](num_steps, **entry["p"])
        close(got, expected, rtol=1e-9, atol=1e-12)
        close(schedule_curves.alpha_bar(entry["kind"], num_steps, entry["p"], DRAWN), expected, rtol=1e-12, atol=1e-15)


def test_betas_and_log_snr_in_the_browser_equal_the_library():
    """Every t of a linear and a cosine schedule; at t = 0 beta is 0 and the ratio infinite."""
    code = """const s = m.alphaBar(data.kind, 100, { beta_start: 1e-4, beta_end: 0.02, s: 0.008 }, []);
      return Array.from(s, (_, t) => (t ? [m.betaAt(s, t), m.logSnrAt(s, t)] : [m.betaAt(s, 0), 1e9]));"""
    for kind in ("linear", "cosine"):
        alpha_bar = getattr(schedules, kind)(100)
        expected = torch.stack([schedules.betas(alpha_bar), schedules.log_snr(alpha_bar)], 1)
        got = torch.tensor(node("schedule_numbers.js", code, {"kind": kind}), dtype=torch.float64)
        close(got[1:], expected[1:], rtol=1e-9)
        assert got[0, 0] == 0


def test_a_drawn_schedule_falls_whatever_is_dragged():
    """Points in the way are pushed along; Python accepts every result, and the dragged point is where it was put."""
    generator = torch.Generator().manual_seed(0)
    moves = torch.stack([torch.randint(7, (300,), generator=generator), torch.rand(300, generator=generator)], 1)
    moves[:, 1] = 1.4 * moves[:, 1] - 0.2
    code = """let drawn = data.drawn;
      return data.moves.map(([i, v]) => (drawn = m.moveDrawn(drawn, i, v, { low: 0.0005, gap: 0.002 })));"""
    states = node("schedule_numbers.js", code, {"drawn": DRAWN, "moves": moves.tolist()})
    for (index, value), drawn in zip(moves.tolist(), states, strict=True):
        assert schedule_curves.check_drawn("drawn_a", drawn) == drawn
        low, high = 0.0005 + 0.002 * (6 - index), 1 - 0.002 * (index + 1)
        assert drawn[int(index)] == pytest.approx(min(max(value, low), high), abs=1e-5)


@pytest.mark.parametrize("count", [6, 8, 12])
def test_a_drawing_begins_with_the_curve_that_was_there(count):
    """Points on the cosine schedule, only where it comes too close to 0 lifted above it; Python accepts them."""
    alpha_bar, limits = schedules.cosine(240), {"low": 0.0005, "gap": 0.002}
    data = {"s": alpha_bar.tolist(), "count": count, "limits": limits}
    drawn = node("schedule_numbers.js", "return m.drawnFrom(data.s, data.count, data.limits);", data)
    assert schedule_curves.check_drawn("drawn_a", drawn) == drawn
    close(drawn, alpha_bar[240 // count :: 240 // count], atol=6e-4)
    low = node("schedule_numbers.js", "return m.drawnFrom(data.s, data.count, data.limits);", {**data, "s": [1, 1e-9]})
    assert schedule_curves.check_drawn("drawn_a", low)[-1] == 0.0005


def test_noised_pictures_equal_q_sample():
    """sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps."""
    x_0, eps, alpha_bar = torch.randn(20), torch.randn(20), torch.tensor([1.0, 0.3], dtype=torch.float64)
    got = node(
        "schedule_numbers.js",
        "return numbers(m.noised(data.x, data.eps, 0.3));",
        {"x": x_0.tolist(), "eps": eps.tolist()},
    )
    close(got, q_sample(x_0[None], 1, eps[None], alpha_bar)[0], rtol=1e-5, atol=1e-6)


# ---- recorded chains


def test_the_browser_rebuilds_every_state_of_a_recorded_chain():
    """From guesses and seed alone: x_T, every x_t, the guess of the noise, and how far each guess is from the end."""
    made = film()
    data = {"pixels": made.x_0_hat[1].flatten().tolist(), "alphaBar": made.alpha_bar.tolist(), "seed": made.seed}
    code = """const pixels = Uint8Array.from(data.pixels), n = pixels.length / (data.alphaBar.length - 1);
      const states = m.rebuild(pixels, data.alphaBar, data.seed, 1);
      const guess = (k) => Float32Array.from(pixels.subarray(k * n, (k + 1) * n), m.toUnit);
      return states.map((x, k) => (k === states.length - 1 ? [numbers(x)] :
        [numbers(x), numbers(m.epsHat(x, guess(k), data.alphaBar[k])), m.psnr(guess(k), states.at(-1)), m.norm(x)]));"""
    rebuilt = node("scrubber_numbers.js", code, data)
    states = list(made.states())
    final = states[-1].x_t[1]
    assert len(rebuilt) == len(states)
    for state, (x_t, *rest) in zip(states, rebuilt, strict=True):
        close(x_t, state.x_t[1].flatten(), rtol=1e-5, atol=1e-6)
        if rest:
            eps_hat, decibels, norm = rest
            close(eps_hat, state.eps_hat[1].flatten(), rtol=1e-4, atol=1e-4)
            close(norm, state.x_t[1].norm(), rtol=1e-5)
            if decibels is not None:  # infinite, the guess is the finished picture
                close(decibels, psnr(state.x_0_hat[1:], final[None])[0], rtol=1e-4)


def test_step_coefficients_equal_the_posterior():
    """Mean and standard deviation of q(x_s | x_t, x_0)."""
    alpha_bar = schedules.cosine(40)
    code = """return data.a.slice(1).map((v, i) => {
      const c = m.stepCoefficients(v, data.a[i]); return [c.toX0, c.toXt, c.sigma]; });"""
    got = node("scrubber_numbers.js", code, {"a": alpha_bar.tolist()})
    like = torch.zeros(1, 1, dtype=torch.float64)
    rows = [posterior_coefficients(alpha_bar, t, t - 1, like) for t in range(1, 41)]
    expected = [[a.item(), b.item(), v.sqrt().item()] for a, b, v in rows]
    close(got, torch.tensor(expected, dtype=torch.float64))


def test_packed_differences_are_undone():
    """Sums modulo 256."""
    frames = torch.randint(256, (4, 5), dtype=torch.uint8)
    stored = torch.cat([frames[:1], frames[1:] - frames[:-1]]).flatten().tolist()
    got = node("scrubber_numbers.js", "return numbers(m.unfilter(Uint8Array.from(data.b), 5));", {"b": stored})
    assert got == frames.flatten().tolist()


# ---- particles

SETS = {"points": PointSet(points("two_moons", 40, torch.Generator().manual_seed(1)).double())}
SETS |= {"round": mixture("gaussians8"), "long": mixture("mixture")}


def as_browser(name: str) -> dict:
    data = SETS[name]
    if isinstance(data, PointSet):
        return {"points": data.points.flatten().tolist()}
    covs = [[c[0, 0].item(), c[0, 1].item(), c[1, 1].item()] for c in data.covs]
    return {"weights": data.weights.tolist(), "means": data.means.flatten().tolist(), "covs": sum(covs, [])}


@pytest.mark.parametrize("name", SETS)
def test_score_and_denoiser_in_the_browser_are_exact(name):
    """From almost clean to almost pure noise, near the data and far away."""
    x = 1.5 * torch.randn(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x[0] = torch.tensor([30.0, -40.0])
    levels = [0.9999, 0.9, 0.5, 0.1, 1e-4]
    code = """const denoise = m.denoiser(data.set);
      return data.levels.map((a) => [numbers(denoise(a)(data.x)), numbers(m.score(denoise, a, data.x))]);"""
    data = {"set": as_browser(name), "levels": levels, "x": x.flatten().tolist()}
    for level, (denoised, score) in zip(levels, node("particle_numbers.js", code, data), strict=True):
        close(denoised, exact_denoised(SETS[name], x, level).flatten(), rtol=1e-7, atol=1e-8)
        close(score, exact_score(SETS[name], x, level).flatten(), rtol=1e-6, atol=1e-6)


def test_steps_of_particles_equal_the_library():
    """One ancestral step with the same noise, one Langevin step, and the forward step's two coefficients."""
    data, alpha_bar, t = SETS["long"], schedules.shortened_linear(50), 30
    generator = torch.Generator().manual_seed(3)
    x, z = (torch.randn(20, 2, dtype=torch.float64, generator=generator) for _ in range(2))
    code = """const denoise = m.denoiser(data.set), [x, z] = [data.x, data.z].map((v) => Float64Array.from(v));
      return [m.backwardStep(denoise, x, data.above, data.below, z), m.langevinStep(denoise, x, data.above, 0.05, z),
        m.forwardStep(x, data.above, data.below, z)].map(numbers);"""
    sent = {"set": as_browser("long"), "x": x.flatten().tolist(), "z": z.flatten().tolist()}
    sent |= {"above": alpha_bar[t].item(), "below": alpha_bar[t - 1].item()}
    back, shaken, forward = node("particle_numbers.js", code, sent)
    guess = exact_denoised(data, x, alpha_bar[t])
    close(back, ancestral_step(x, guess, t, t - 1, alpha_bar, z, target="x_0").flatten(), rtol=1e-8)
    close(shaken, langevin_step(x, exact_score(data, x, alpha_bar[t]), 0.05, z).flatten(), rtol=1e-8)
    beta = schedules.betas(alpha_bar)[t].item()
    close(forward, (math.sqrt(1 - beta) * x + math.sqrt(beta) * z).flatten(), rtol=1e-8)
