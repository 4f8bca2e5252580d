"""The checks of the derivation of latent diffusion notice wrong formulas, and its formulas are the library's."""

import numpy as np
import pytest
import sympy as sp
import torch

from lib.ddpm import q_sample, schedules, v_target
from lib.guidance import guide
from lib.ldm import (
    CrossAttention,
    TextEncoder,
    adaptive_weight,
    cross_attention_sites,
    generator_loss,
    hinge_loss,
    inpaint,
    measure_scaling,
    sd,
)
from lib.ldm.derivation import LDM
from lib.ldm.derivation.quantities import BARS, KEYS, MADE, QUERIES, REAL, Q, sqrt
from lib.ldm.exercises.first_stage import compression
from lib.ldm.failures import log_snr_shift
from lib.vae.loss import kl_to_standard_normal

right = {name: getattr(Q, name) for name in Q._named}
rng = np.random.default_rng(1)


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def agree(pairs: dict[str, tuple]) -> None:
    """What the library built against what was derived, name by name."""
    for name, (built, derived) in pairs.items():
        built = built.detach().numpy() if isinstance(built, torch.Tensor) else built
        np.testing.assert_allclose(np.ravel(built), np.ravel(derived), rtol=1e-6, atol=1e-7, err_msg=name)


def test_the_first_stage_and_its_formulas_are_those_of_the_library():
    """Divergence, compression, the critic's loss and the decoder's, the adaptive weight: the same numbers."""
    mu, logvar = torch.randn(2, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    critic = Q.best_critic(REAL, MADE) + 0.3
    judged = [tensor(np.repeat(critic, np.round(100 * shares).astype(int))) for shares in (REAL, MADE)]
    layer, pulls = torch.zeros(2, dtype=torch.float64, requires_grad=True), tensor([[0.3, 0.4], [6e-5, 8e-5]])
    rebuild, fool = (pull @ layer for pull in pulls)
    config = sd.STABLE_DIFFUSION_1
    numbers = [np.prod(config[name]) for name in ("picture", "latent")]
    side = config["latent"][1]
    agree({
        "divergence": (kl_to_standard_normal(mu, logvar), Q.rate(mu.square().numpy(), logvar.exp().numpy())),
        "compression": (compression(256, 8, 4), Q.compression(256, 8, 4)),
        "sizes of Stable Diffusion": (numbers[0] / numbers[1], Q.compression(512, 8, 4)),
        "places": (side**2, Q.places(512, sd.stable_diffusion_autoencoder().factor)),
        "critic": (hinge_loss(*judged), Q.critic_cost(REAL, MADE, critic).sum()),
        "decoder": (generator_loss(judged[1]), Q.fool(MADE, critic)),
        "weight": (adaptive_weight(rebuild, fool, layer), Q.adaptive(0.5, 1e-4)),
        "cut-off": (adaptive_weight(1e3 * rebuild, fool, layer), Q.adaptive(5e2, 1e-4)),
        "loud critic": (adaptive_weight(rebuild, 1e6 * fool, layer), Q.adaptive(0.5, 1e2)),
        "entropy": (torch.distributions.Normal(0.0, 0.3).entropy(), Q.gaussian_entropy(0.09)),
    })  # fmt: skip


def test_the_scale_and_the_walk_are_those_of_the_library():
    """Scaling and its undoing, the shift of log SNR, v, guidance, and how a known part is noised."""
    z = rng.standard_normal((3, 40)) * [[1.0], [4.0], [2.0]] + 1.0
    latents = tensor(z)[None, :, None]  # (1, C, 1, w)
    scaling, bar = measure_scaling(latents), tensor(BARS)
    mean, std = np.array(scaling.shift)[:, None], 1 / scaling.scale
    one, none = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    of_z, of_eps = (v_target(*pair, 300, bar).item() for pair in ((one, none), (none, one)))
    noised = [q_sample(one, 450, eps, bar).item() for eps in (none, one)]
    agree({
        "scaled": (scaling.apply(latents), Q.scaled(z)),
        "unscaled": (scaling.undo(tensor(Q.scaled(z))[None, :, None]), Q.unscaled(Q.scaled(z), mean, std)),
        "shift of log SNR": (log_snr_shift(latents), Q.log_snr(0.5, z.std())),
        "schedule": (schedules.cosine(1000), BARS),
        "variance of z_t": (noised[0] ** 2 * 9 + (noised[1] - noised[0]) ** 2, Q.z_variance(BARS[450], 9.0)),
        "variance of v": (of_z**2 * 9 + of_eps**2, Q.v_variance(BARS[300], 9.0)),
        "guidance": (guide(none, one, 7.5), Q.guide(0.0, 1.0, 7.5)),
        "known part": ([noised[0], (noised[1] - noised[0]) ** 2], Q.known(1.0, BARS[500], BARS[450])),
    })  # fmt: skip


def test_attention_and_its_sites_are_those_of_the_library():
    """With identities for its projections, the module gives the shares that were derived, padding included."""
    attention = CrossAttention(4, 4, 1, 4).double()
    for layer in (attention.to_q, attention.to_k, attention.to_v, attention.to_out[0]):
        layer.weight.data, layer.bias = torch.eye(4, dtype=torch.float64), None
    config = sd.STABLE_DIFFUSION_1["unet"]
    attention.to_v.weight.data = attention.to_v.weight.data.roll(1, 1)  # so that values are not keys
    places, words, mask = tensor(QUERIES)[None], tensor(KEYS)[None], np.array([True, False, True])
    encoder, ids = TextEncoder(9, 5, dim=8, depth=0, num_heads=2).double(), torch.tensor([[4, 5, 6]])
    context = Q.context(encoder.tokens(ids), encoder.positions[:3])
    agree({
        "shares": (attention.attn(places, words), Q.shares(Q.scores(QUERIES, KEYS))),
        "padding": (
            attention.attn(places, words, torch.from_numpy(mask)[None]),
            Q.masked(Q.scores(QUERIES, KEYS), mask),
        ),
        "what is read": (attention(places, words), Q.attend(QUERIES, KEYS, np.roll(KEYS, -1, 1))),
        "context": (encoder(ids)[0], encoder.norm(context).detach()),
        "sites": (len(cross_attention_sites(sd.stable_diffusion_unet())), sum(Q.sites(**config))),
    })  # fmt: skip


def test_the_frame_of_a_hole_is_at_the_level_just_reached():
    """The second state of `inpaint` stands at level 450: the known part has the derived mean and variance."""
    z, known = torch.ones(1, 1, 200, 200), torch.ones(1, 1, 200, 200, dtype=torch.bool)
    walk = inpaint(lambda x, t: 0 * x, z, known, tensor(BARS), torch.Generator().manual_seed(0), levels=[450, 500])
    next(walk)
    state = next(walk)
    mean, variance = Q.known(1.0, BARS[500], BARS[450])
    assert state.t == 450
    assert state.x_t.mean().item() == pytest.approx(mean, abs=4 * (variance / 40000) ** 0.5)
    assert state.x_t.var().item() == pytest.approx(variance, rel=4 * (2 / 40000) ** 0.5)


def over_places(score):
    """A softmax over the wrong axis."""
    powers = np.exp(score - score.max(-2, keepdims=True))
    return powers / powers.sum(-2, keepdims=True)


def scaled_by_channel(z):
    """One standard deviation for each channel."""
    return (z - z.mean(1, keepdims=True)) / z.std(1, keepdims=True)


ERRORS = {
    "KL with its arguments exchanged": (dict(kl=lambda q, p: right["kl"](p, q)), "L01"),
    "mean for sum in the KL": (dict(kl=lambda q, p: (q * np.log(q / p)).mean(-1)), "L01"),
    "entropy with the wrong sign": (dict(entropy=lambda q: -right["entropy"](q)), "L01"),
    "second stage trained on the prior's draws": (dict(second_stage=lambda q, p: -(p * np.log(q)).sum(-1)), "L01"),
    "entropy without its half": (dict(gaussian_entropy=lambda v: 2 * right["gaussian_entropy"](v)), "L02"),
    "standard deviation for variance in the entropy": (
        dict(gaussian_entropy=lambda v: right["gaussian_entropy"](v**0.5)),
        "L02",
    ),
    "error without the latent's noise": (dict(error=lambda lam, a, w, v: (1 - w * a) ** 2 * lam), "L03 L04 L06"),
    "divergence without its half": (dict(rate=lambda m, v: 2 * right["rate"](m, v)), "L03 L04 L05 L06"),
    "plus log variance": (dict(rate=lambda m, v: right["rate"](m, v) + sp.log(v)), "L03 L05 L06"),
    "squared error without its half": (dict(objective=lambda e, rho, r, b: e / rho + b * r), "L03 L04 L06"),
    "weight on the wrong term": (dict(objective=lambda e, rho, r, b: b * e / (2 * rho) + r), "L03 L05"),
    "gain of the encoder without the weight": (
        dict(encoder_gain=lambda w, rho, b: w / (w**2 + rho)),
        "L03 L04 L05 L06",
    ),
    "posterior variance without the weight": (
        dict(posterior_variance=lambda w, rho, b: rho / (w**2 + rho)),
        "L03 L04 L05 L06",
    ),
    "no collapse": (dict(decoder_gain_squared=lambda lam, rho, b: abs(lam - b * rho)), "L04"),
    "weight divides": (
        dict(decoder_gain_squared=lambda lam, rho, b: right["decoder_gain_squared"](lam, rho, 1 / b)),
        "L04 L05 L06",
    ),
    "spread of the means only": (dict(total_variance=lambda lam, a, v: a**2 * lam), "L05"),
    "gain for its square": (dict(total_variance=lambda lam, a, v: a * lam + v), "L05"),
    "log c for log c squared": (
        dict(cost_of_scale=lambda c, total, b: b * ((c**2 - 1) * total - sp.log(c)) / 2),
        "L05",
    ),
    "a scale that costs nothing": (dict(cost_of_scale=lambda c, total, b: 0 * b), "L05"),
    "a scale that costs without any weight": (
        dict(cost_of_scale=lambda c, total, b: right["cost_of_scale"](c, total, 1)),
        "L05",
    ),
    "cost of a scale at any spread": (
        dict(cost_of_scale=lambda c, total, b: right["cost_of_scale"](c, 1, b)),
        "L05",
    ),
    "decoder variance kept": (dict(fitted_variance=lambda rho, b: rho), "L06"),
    "decoder variance of the weight": (dict(fitted_variance=lambda rho, b: b), "L06"),
    "decoder variance fitted to the root of the error": (dict(fitted_variance=lambda rho, b: sqrt(b * rho)), "L06"),
    "counting with any variance for free": (dict(excess=lambda ratio: 0 * ratio), "L06"),
    "excess with the wrong sign": (dict(excess=lambda ratio: -right["excess"](ratio)), "L06"),
    "excess of the ratio upside down": (dict(excess=lambda ratio: right["excess"](1 / ratio)), "L06"),
    "f for f squared": (dict(compression=lambda size, f, channels: 3 * f / channels), "L07"),
    "colours forgotten": (dict(compression=lambda size, f, channels: f**2 / channels), "L07"),
    "places shrink in one direction only": (dict(places=lambda size, f: size**2 // f), "L08"),
    "a kernel of one pixel": (dict(convolution=lambda places, width: width**2 * places), "L08"),
    "attention as cheap as a convolution": (dict(self_attention=lambda places, width: 2 * width * places), "L08"),
    "hinge without its half": (dict(critic_cost=lambda p, q, d: 2 * right["critic_cost"](p, q, d)), "L10"),
    "hinge without its margin": (
        dict(critic_cost=lambda p, q, d: (p * np.maximum(0, -d) + q * np.maximum(0, d)) / 2),
        "L09 L10",
    ),
    "real and made exchanged": (dict(critic_cost=lambda p, q, d: right["critic_cost"](q, p, d)), "L09 L10"),
    "critic against the majority": (dict(best_critic=lambda p, q: np.sign(q - p)), "L09 L10 L11"),
    "critic of the first GANs": (dict(best_critic=lambda p, q: np.log(p / q)), "L09 L11"),
    "distance without its half": (dict(total_variation=lambda p, q: np.abs(p - q).sum()), "L10 L11"),
    "decoder that wants low marks": (dict(fool=lambda q, d: (q * d).sum()), "L11"),
    "mean for sum in the decoder's term": (dict(fool=lambda q, d: -(q * d).mean()), "L11"),
    "ratio upside down": (dict(ratio=lambda r, f: f / r), "L12 L13"),
    "ratio of squared lengths": (dict(ratio=lambda r, f: r**2 / f**2), "L12 L13"),
    "no cut-off": (dict(adaptive=lambda r, f: r / (f + 1e-4)), "L13"),
    "no small number": (dict(adaptive=lambda r, f: min(r / f if f else np.inf, 1e4)), "L13"),
    "small number outside the fraction": (dict(adaptive=lambda r, f: min(r / max(f, 1e-30) + 1e-4, 1e4)), "L13"),
    "variance for standard deviation": (dict(scaled=lambda z: right["scaled"](z) / z.std()), "L14"),
    "a standard deviation for each channel": (dict(scaled=scaled_by_channel), "L14"),
    "mean forgotten": (dict(scaled=lambda z: z / z.std()), "L14"),
    "undone in the wrong order": (dict(unscaled=lambda z, m, s: (z + m) * s), "L14"),
    "log sigma for its double": (dict(log_snr=lambda b, s: right["log_snr"](b, sqrt(s))), "L15 L16"),
    "shift with the wrong sign": (dict(log_snr=lambda b, s: right["log_snr"](b, 1 / s)), "L15 L16"),
    "time moved the other way": (dict(moved=lambda t, s: right["moved"](t, 1 / s)), "L16"),
    "time divided by the spread": (dict(moved=lambda t, s: t / s), "L16"),
    "variance of z_t at the wrong end": (dict(z_variance=right["v_variance"]), "L17"),
    "variance of z_t always 1": (dict(z_variance=lambda b, v: 1 + 0 * b), "L17"),
    "variance of v always 1": (dict(v_variance=lambda b, v: 1 + 0 * b), "L17"),
    "spread for variance in v": (dict(v_variance=lambda b, v: right["v_variance"](b, sqrt(v))), "L17"),
    "root of d missing": (dict(logit=lambda product, d: product), "L18 L19"),
    "divided by d": (dict(logit=lambda product, d: product / d), "L18 L19"),
    "keys compared by distance": (
        dict(scores=lambda q, k: -((q[:, None] - k) ** 2).sum(-1) / (2 * np.sqrt(k.shape[-1]))),
        "L19",
    ),
    "softmax over places instead of words": (dict(shares=over_places), "L18 L19 L20"),
    "shares without a softmax": (dict(shares=lambda score: score), "L18 L19 L20"),
    "all words equally common": (dict(prior=lambda k: np.full(len(k), 1 / len(k))), "L19"),
    "padding seen": (dict(masked=lambda score, mask: right["shares"](score)), "L20"),
    "padding with a score of 0": (dict(masked=lambda score, mask: right["shares"](score * mask)), "L20"),
    "masked after the softmax": (dict(masked=lambda score, mask: right["shares"](score) * mask), "L20"),
    "words hidden, padding shown": (dict(masked=lambda score, mask: right["masked"](score, ~mask)), "L20"),
    "keys read for values": (dict(attend=lambda q, k, v: right["attend"](q, k, k)), "L19"),
    "first word counts double": (
        dict(attend=lambda q, k, v: right["attend"](q, k, v) + v[:1]),
        "L19 L21",
    ),
    "text encoder without positions": (dict(context=lambda words, positions: words), "L21"),
    "as many blocks up as down": (dict(sites=lambda **c: (right["sites"](**c)[0], 1, right["sites"](**c)[0])), "L22"),
    "words in every layer": (
        dict(sites=lambda **c: right["sites"](**c | {"attention_resolutions": (64, 32, 16, 8)})),
        "L22",
    ),
    "middle forgotten": (dict(sites=lambda **c: (right["sites"](**c)[0], 0, right["sites"](**c)[2])), "L22"),
    "guided away from the text": (dict(guide=lambda u, c, s: u - s * (c - u)), "L23"),
    "started at the conditional answer": (dict(guide=lambda u, c, s: c + s * (c - u)), "L23"),
    "known part at the level before": (dict(known=lambda z, bar_t, bar_next: right["known"](z, bar_t, bar_t)), "L24"),
    "known part kept clean": (dict(known=lambda z, bar_t, bar_next: (z, 0 * bar_next)), "L24"),
    "standard deviation for variance of the known part": (
        dict(known=lambda z, bar_t, bar_next: (sqrt(bar_next) * z, sqrt(1 - bar_next))),
        "L24",
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_a_planted_error_is_noticed_by_the_steps_that_rest_on_it(error):
    """A check that no wrong formula can fail confirms nothing."""
    wrong, witnesses = ERRORS[error]
    with np.errstate(all="ignore"):
        assert set(witnesses.split()) <= set(LDM.sabotage(**wrong))


def test_every_quantity_and_every_step_is_put_to_the_test():
    """No named formula is taken on trust, and no check passes whatever one plants."""
    assert {name for wrong, _ in ERRORS.values() for name in wrong} == set(right)
    assert {step for _, names in ERRORS.values() for step in names.split()} == {step.id for step in LDM.steps}
