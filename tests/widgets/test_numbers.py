"""The numbers behind the widgets: JavaScript against torch."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from node import node

from lib.widgets import NoiseSlider


def close(got, expected, rtol=1e-10, atol=1e-12):
    torch.testing.assert_close(torch.as_tensor(got, dtype=torch.float64), expected.double(), rtol=rtol, atol=atol)


# ---- the latent map


def test_nearest_code_and_usual_gap_equal_brute_force():
    """All distances at once, by torch; the gap is the median of the distances to the nearest other code."""
    torch.manual_seed(0)
    for count in (2, 7, 30, 401):
        codes, points = torch.randn(count, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
        data = {"codes": codes.flatten().tolist(), "points": points.tolist()}
        near, gap = node(
            "latent_numbers.js",
            "return [data.points.map((z) => m.nearest(data.codes, z)), m.usualGap(data.codes)];",
            data,
        )
        distances = torch.cdist(points, codes)
        assert [entry["index"] for entry in near] == distances.argmin(1).tolist()
        close([entry["distance"] for entry in near], distances.min(1).values)
        among = torch.cdist(codes, codes) + torch.diag(torch.full((count,), math.inf, dtype=torch.float64))
        stride = max(1, math.ceil(count / 400))
        close(gap, among.min(1).values[::stride].quantile(0.5))


def test_nearest_among_the_first_codes_only():
    """Only some codes have a picture; the nearest picture is sought among those."""
    assert node("latent_numbers.js", "return m.nearest([5, 5, 0, 0], [0, 0], 1).index;") == 0


def test_the_square_holds_all_codes_and_the_view_also_the_cross():
    """Centre and half side against minimum and maximum; a cross outside widens the view just enough."""
    torch.manual_seed(1)
    codes = torch.randn(40, 2, dtype=torch.float64) * torch.tensor([3.0, 0.5])
    data = {"codes": codes.flatten().tolist()}
    code = """const square = m.cloudSquare(data.codes);
      return [square, m.viewSquare(square, square.center), m.viewSquare(square, [100, 0])];"""
    square, view, wide = node("latent_numbers.js", code, data)
    low, high = codes.min(0).values, codes.max(0).values
    close(square["center"], (low + high) / 2)
    close(square["radius"], (high - low).max() / 2)
    close(view["radius"], 1.25 * (high - low).max() / 2)
    close(wide["radius"], 100 - (low + high)[0] / 2)


def test_a_zoomed_view_stays_until_the_cross_comes_near_its_edge():
    """Four times smaller, around the cross; it stays for a small move and follows a large one or another zoom."""
    code = """const cloud = { center: [0, 0], radius: 8 }, view = m.viewSquare(cloud, [1, 1], 4);
      const views = [view, m.viewSquare(cloud, [2, 3.2], 4, view), m.viewSquare(cloud, [2, 3.3], 4, view),
        m.viewSquare(cloud, [2, 2], 8, view)];
      return [views, m.holds(view, [3.4, 1]), m.holds(view, [3.6, 1])];"""
    views, inside, outside = node("latent_numbers.js", code)
    assert [v["center"] for v in views] == [[1, 1], [1, 1], [2, 3.3], [2, 2]]
    assert [v["radius"] for v in views] == [2.5, 2.5, 2.5, 1.25]
    assert inside and not outside


def test_a_walk_keeps_its_direction_and_adds_its_step():
    """Each step lengthens the way from the centre by the same amount along the same ray, and leaves the centre too."""
    code = """const cloud = { center: [1, -2], radius: 3 }, path = [[1.3, -1.6]];
      for (let i = 0; i < 5; i++) path.push(m.stepOut(cloud, path.at(-1), 0.5));
      const away = (z) => m.distanceFrom(cloud, z);
      return [path.map(away), path, away(m.stepOut(cloud, [1, -2], 0.5))];"""
    distances, path, from_centre = node("latent_numbers.js", code)
    close(distances, 0.5 + 0.5 * torch.arange(6.0, dtype=torch.float64))
    close([(y + 2) / (x - 1) for x, y in path], torch.full((6,), 4 / 3, dtype=torch.float64))
    assert math.isclose(from_centre, 0.5)


def test_the_grid_fills_the_view_evenly():
    """Middles of equal cells, the first at the top left."""
    points = node("latent_numbers.js", "return m.gridPoints({ center: [1, -2], radius: 3 }, 3);")
    expected = [[x, y] for y in (0, -2, -4) for x in (-1, 1, 3)]
    close(points, torch.tensor(expected))


# ---- the noise slider


def grid() -> torch.Tensor:
    """Values of (mu, logvar, eps) over the whole range of the sliders."""
    values = torch.cartesian_prod(torch.linspace(-3, 3, 4), torch.linspace(-6, 2, 5), torch.linspace(-3.5, 3.5, 4))
    return values.double()


def test_the_sample_and_its_gradients_equal_automatic_differentiation():
    """dz/dmu = 1, dz/dsigma = eps, dz/dlogvar = sigma eps / 2."""
    code = """return data.rows.map(([mu, logvar, eps]) => {
      const g = m.gradients(mu, logvar, eps); return [m.sampleZ(mu, logvar, eps), g.mu, g.sigma, g.logvar]; });"""
    got = node("noise_slider.js", code, {"rows": grid().tolist()})
    mu, logvar, eps = (column.requires_grad_() for column in grid().T.clone())
    sigma = (logvar / 2).exp()
    z = mu + sigma * eps
    by_mu, by_logvar, by_sigma = torch.autograd.grad(z.sum(), (mu, logvar, sigma))
    close(got, torch.stack([z, by_mu, by_sigma, by_logvar], 1).detach())


def test_density_and_divergence_equal_torch_distributions():
    """The curve, and the closed form of the KL divergence in nats."""
    code = """return data.rows.map(([mu, logvar, x]) =>
      [m.density(x, mu, m.sigmaOf(logvar)), m.klToStandardNormal(mu, logvar)]);"""
    got = node("noise_slider.js", code, {"rows": grid().tolist()})
    mu, logvar, x = grid().T
    normal = torch.distributions.Normal(mu, (logvar / 2).exp())
    standard = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    divergence = torch.distributions.kl_divergence(normal, standard)
    close(got, torch.stack([normal.log_prob(x).exp(), divergence], 1), rtol=1e-9)


def test_drawn_noise_is_standard_normal_and_the_same_for_the_same_seed():
    """Mean, variance, and the share within one standard deviation, each within four standard errors."""
    code = """const draw = (seed) => Array.from({ length: 4000 }, (_, n) => m.normalNumber(seed, n));
      return [draw(3), draw(3), draw(4)];"""
    first, again, other = node("noise_slider.js", code)
    assert first == again and first != other
    for values in (torch.tensor(first), torch.tensor(other)):
        assert abs(values.mean()) < 4 / 4000**0.5
        assert abs(values.var() - 1) < 4 * (2 / 4000) ** 0.5
        assert abs((values.abs() < 1).double().mean() - 0.6827) < 4 * (0.6827 * 0.3173 / 4000) ** 0.5
        neighbours = torch.corrcoef(torch.stack([values[:-1], values[1:]]))[0, 1]
        assert abs(neighbours) < 4 / 4000**0.5


@settings(max_examples=20, deadline=None)
@given(mu=st.floats(-3, 3), logvar=st.floats(-6, 2), eps=st.floats(-3.5, 3.5))
def test_python_reads_the_same_sample_and_divergence(mu, logvar, eps):
    """``w.z`` and ``w.kl`` follow the formulas that the page draws."""
    widget = NoiseSlider(mu, logvar, eps)
    sigma = torch.tensor(logvar, dtype=torch.float64).mul(0.5).exp()
    close(widget.z, mu + sigma * eps)
    normal = torch.distributions.Normal(torch.tensor(mu, dtype=torch.float64), sigma)
    standard = torch.distributions.Normal(torch.zeros_like(sigma), torch.ones_like(sigma))
    close(widget.kl, torch.distributions.kl_divergence(normal, standard), atol=1e-9)


# ---- the derivation view and the common parts


def test_outline_gathers_steps_into_the_groups_of_a_level():
    """A level with groups lists them with their steps; a level without lists every step."""
    data = {
        "steps": [{"state": s} for s in ("passed", "passed", "failed", "open")],
        "groups": {"2": [{"id": "A", "first": 0, "last": 1}, {"id": "B", "first": 2, "last": 3}]},
    }
    code = """const coarse = m.outline(data.steps, data.groups, 2), state = (list) => m.stateOf(data.steps, list);
      return [coarse.map((e) => e.steps), m.outline(data.steps, data.groups, 4), coarse.map((e) => state(e.steps)),
        state([0, 3])];"""
    members, fine, states, mixed = node("derivation_view.js", code, data)
    assert members == [[0, 1], [2, 3]]
    assert [entry["step"] for entry in fine] == [0, 1, 2, 3]
    assert states == ["passed", "failed"] and mixed == "open"


def test_a_formula_that_continues_the_line_before_is_not_repeated():
    """Only the first step of a list, or one that starts elsewhere, shows where it starts."""
    data = {"steps": [{"before_mathml": a, "after_mathml": b} for a, b in (("x", "y"), ("y", "z"), ("u", "v"))]}
    assert node("derivation_view.js", "return [0, 1, 2].map((i) => m.startsAfresh(data.steps, i, 0));", data) == [
        True,
        False,
        True,
    ]


def test_ticks_are_round_numbers_inside_the_range():
    """About five of them, equally far apart, each a short decimal."""
    ranges = [[-3, 3], [0.01, 0.07], [-250, 900], [-1e-4, 3e-4], [2, 2.5]]
    for (low, high), ticks in zip(
        ranges, node("ui.js", "return data.r.map(([a, b]) => m.ticks(a, b));", {"r": ranges}), strict=True
    ):
        assert 3 <= len(ticks) <= 8 and low <= min(ticks) and max(ticks) <= high
        steps = torch.tensor(ticks, dtype=torch.float64).diff()
        close(steps, steps[:1].expand_as(steps))
        assert all(len(repr(tick).strip("-0.").replace(".", "")) <= 4 for tick in ticks)


def test_numbers_are_shown_with_a_true_minus_and_no_minus_zero():
    """Hyphens are not minus signs, and -0.00 is a zero."""
    shown = node(
        "ui.js", "return [m.show(-1.005, 1), m.show(-0.0001), m.show(12345.6), m.decimals(0.03), m.decimals(25)];"
    )
    assert shown == ["\u22121.0", "0.00", "1.2e+4", 3, 0]
