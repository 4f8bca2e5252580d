"""The chapter against `diffusers`: schedules, forward jump, posterior, 1,000-step sampling, blocks of the U-Net.

There, arrays begin with the first noisy level: its index t is our t + 1.
"""

import math

import pytest
import torch
from compared import TOLERANCE, gap, normal
from diffusers import DDPMScheduler
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D

from lib.ddpm import schedules
from lib.ddpm.blocks import Downsample, ResBlock, SelfAttention, Upsample, timestep_embedding
from lib.ddpm.decoder import decoder_nll, round_to_levels
from lib.ddpm.forward import posterior, predict_x_0, q_sample, v_target
from lib.ddpm.sampling import log_variance, sample

OPTIONS = {
    "linear": {"beta_schedule": "linear"},
    "linear, other ends": {"beta_schedule": "linear", "beta_start": 1e-3, "beta_end": 0.03},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}
OURS = {
    "linear": schedules.linear(1000),
    "linear, other ends": schedules.linear(1000, 1e-3, 0.03),
    "cosine": schedules.cosine(1000),
}
PREDICTION = {"eps": "epsilon", "x_0": "sample", "v": "v_prediction"}


@pytest.mark.parametrize("name", OURS)
def test_the_schedules_equal_those_of_diffusers(name):
    """alpha_bar[t + 1] is alphas_cumprod[t]."""
    assert gap(OURS[name][1:], DDPMScheduler(**OPTIONS[name]).alphas_cumprod) <= TOLERANCE


@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"])
def test_the_betas_of_every_schedule_of_diffusers_give_its_alphas_cumprod(kind):
    """Those that this chapter does not name can be brought in through their betas."""
    theirs = DDPMScheduler(beta_schedule=kind)
    alpha_bar = schedules.from_betas(theirs.betas)
    assert gap(alpha_bar[1:], theirs.alphas_cumprod) <= TOLERANCE
    assert gap(schedules.betas(alpha_bar)[1:], theirs.betas) <= TOLERANCE


@pytest.mark.parametrize(("start", "end", "tau"), [(-3.0, 3.0, 1.0), (0.0, 3.0, 0.5), (-3.0, 3.0, 0.3)])
def test_the_sigmoid_schedule_equals_the_listing_of_its_paper(start, end, tau):
    """Written out with torch; away from the end, where the paper cuts alpha_bar off and we cut beta off."""
    u = torch.linspace(0, 1, 1001, dtype=torch.float64)
    v_start, v_end = (torch.sigmoid(torch.tensor(value / tau, dtype=torch.float64)) for value in (start, end))
    expected = (v_end - torch.sigmoid((u * (end - start) + start) / tau)) / (v_end - v_start)
    ours = schedules.sigmoid(1000, start, end, tau)
    assert gap(ours[:-1], expected[:-1]) <= 1e-10


@pytest.mark.parametrize("name", OURS)
def test_the_forward_jump_and_v_equal_diffusers(name):
    """One picture for each of five levels."""
    scheduler, t = DDPMScheduler(**OPTIONS[name]), torch.tensor([0, 1, 250, 700, 999])
    x_0, eps = normal(5, 3, 8, 8), normal(5, 3, 8, 8, seed=1)
    assert gap(q_sample(x_0, t + 1, eps, OURS[name]), scheduler.add_noise(x_0, eps, t)) <= TOLERANCE
    assert gap(v_target(x_0, eps, t + 1, OURS[name]), scheduler.get_velocity(x_0, eps, t)) <= TOLERANCE


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("target", PREDICTION)
@pytest.mark.parametrize("t", [1, 2, 500, 990])
def test_the_posterior_mean_equals_a_step_of_diffusers_without_noise(name, target, t):
    """In float64, because errors of eps are multiplied by up to 1/sqrt(alpha_bar)."""
    scheduler = DDPMScheduler(**OPTIONS[name], prediction_type=PREDICTION[target], clip_sample=False)
    x_t, output = normal(2, 3, 8, 8).double(), normal(2, 3, 8, 8, seed=1).double()
    alpha_bar = schedules.from_betas(scheduler.betas)  # their rounding of beta to float32 included
    scheduler.alphas_cumprod = alpha_bar[1:]
    x_0_hat = predict_x_0(x_t, output, t, alpha_bar, target)
    ours = posterior(x_0_hat, x_t, t, alpha_bar)
    source = torch.Generator().manual_seed(3)
    theirs = scheduler.step(output, t - 1, x_t, generator=source)
    scale = max(1.0, x_0_hat.abs().max().item())
    assert gap(x_0_hat, theirs.pred_original_sample) / scale <= TOLERANCE
    if t > 1:
        variance = scheduler._get_variance(t - 1)
        assert gap(ours.variance.squeeze(), variance) <= TOLERANCE
        z = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        assert gap(ours.mean + variance.sqrt() * z, theirs.prev_sample) / scale <= TOLERANCE
    else:
        assert gap(ours.mean, theirs.prev_sample) / scale <= TOLERANCE


@pytest.mark.parametrize("t", [2, 3, 500, 1000])
def test_the_three_variances_equal_diffusers(t):
    """fixed_small is beta_tilde, fixed_large is beta, learned_range the mixture of their logarithms."""
    scheduler, alpha_bar, raw = DDPMScheduler(), schedules.linear(1000), normal(2, 3, 8, 8)
    scheduler.alphas_cumprod = alpha_bar[1:]  # their 1 - alphas_cumprod in float32 is off by 1e-4 at low levels
    for ours, theirs in (("beta_tilde", "fixed_small"), ("beta", "fixed_large")):
        found = log_variance(ours, t, t - 1, alpha_bar, raw).exp().squeeze()
        expected = scheduler._get_variance(t - 1, variance_type=theirs)
        assert gap(found / expected, torch.ones(())) <= TOLERANCE
    theirs = scheduler._get_variance(t - 1, predicted_variance=raw, variance_type="learned_range")
    assert gap(log_variance("learned", t, t - 1, alpha_bar, raw, raw), theirs) <= TOLERANCE


class Listening:
    """A model with a definite answer that does not explode: a fixed convolution of the input, damped."""

    def __init__(self, channels: int, out_channels: int):
        self.kernel = 0.2 * normal(out_channels, channels, 3, 3, seed=5)

    def __call__(self, x_t, t):
        return torch.tanh(torch.nn.functional.conv2d(x_t, self.kernel.to(x_t), padding=1) + t[0] / 1000)


@pytest.mark.parametrize(
    ("ours", "theirs", "clip"),
    [
        ("beta_tilde", "fixed_small", False),
        ("beta", "fixed_large", False),
        ("beta_tilde", "fixed_small", True),
        ("learned", "learned_range", True),
    ],
)
def test_a_thousand_steps_of_ancestral_sampling_equal_diffusers(ours, theirs, clip):
    """From the same x_T with the same noise at every step, the finished pictures agree; so do all states between."""
    alpha_bar = schedules.cosine(1000)
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type=theirs, clip_sample=clip,
                              prediction_type="v_prediction")  # fmt: skip
    scheduler.alphas_cumprod = alpha_bar[1:]  # float64: a thousand steps would pile up the rounding of float32
    model = Listening(3, 6 if ours == "learned" else 3)
    x_T = normal(2, 3, 4, 4).double()
    states = sample(model, x_T.shape, alpha_bar, torch.Generator().manual_seed(7), target="v", variance=ours,
                    clip=clip, x_T=x_T)  # fmt: skip
    x_t, source, worst = x_T, torch.Generator().manual_seed(7), 0.0
    for state in states:
        worst = max(worst, gap(state.x_t, x_t))
        if state.t:
            output = model(x_t, torch.full((2,), state.t))
            x_t = scheduler.step(output, state.t - 1, x_t, generator=source).prev_sample
    assert state.t == 0 and worst <= TOLERANCE


def test_with_the_float32_arrays_of_diffusers_a_thousand_steps_differ_by_less_than_a_level_of_brightness():
    """Their rounding of alphas_cumprod, not the formulas, makes 1e-4 of difference; a level of brightness is 8e-3."""
    alpha_bar, scheduler, model = schedules.linear(1000), DDPMScheduler(), Listening(3, 3)
    x_t, source = normal(2, 3, 4, 4), torch.Generator().manual_seed(7)
    for state in sample(model, x_t.shape, alpha_bar, torch.Generator().manual_seed(7), clip=True, x_T=x_t):
        assert gap(state.x_t, x_t) < 1e-3
        if state.t:
            x_t = scheduler.step(model(x_t, torch.full((2,), state.t)), state.t - 1, x_t, generator=source).prev_sample


@pytest.mark.parametrize("num_steps", [10, 50, 250])
def test_fewer_steps_equal_diffusers_with_trailing_spacing(num_steps):
    """Trailing spacing also ends at T; the step to the clean picture is the last one in both."""
    alpha_bar = schedules.linear(1000)
    scheduler = DDPMScheduler(timestep_spacing="trailing", clip_sample=True)
    scheduler.alphas_cumprod = alpha_bar[1:]
    scheduler.set_timesteps(num_steps)
    levels = schedules.spaced(1000, num_steps)
    assert [t + 1 for t in scheduler.timesteps.tolist()] == levels[::-1]
    model, x_T = Listening(3, 3), normal(2, 3, 4, 4).double()
    *_, state = sample(model, x_T.shape, alpha_bar, torch.Generator().manual_seed(7), levels=levels, clip=True, x_T=x_T)
    x_t, source = x_T, torch.Generator().manual_seed(7)
    for t in scheduler.timesteps:
        x_t = scheduler.step(model(x_t, t.expand(2) + 1), t, x_t, generator=source).prev_sample
    assert gap(state.x_t, x_t) <= TOLERANCE


@pytest.mark.parametrize(("cosine_first", "shift", "dim"), [(False, 1.0, 32), (True, 0.0, 32), (False, 0.0, 33)])
def test_the_time_embedding_equals_diffusers(cosine_first, shift, dim):
    """For every option: order of sines and cosines, spacing of the frequencies, odd lengths."""
    t = torch.arange(1, 1001, 37)
    theirs = get_timestep_embedding(t, dim, flip_sin_to_cos=cosine_first, downscale_freq_shift=shift)
    assert gap(timestep_embedding(t, dim, cosine_first=cosine_first, shift=shift), theirs) <= TOLERANCE


def fill(module: torch.nn.Module) -> None:
    """Random numbers in place of the initial ones and zeros."""
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=source))


def copy_layers(pairs: list[tuple[torch.nn.Module, torch.nn.Module]]) -> None:
    for ours, theirs in pairs:
        theirs.load_state_dict(ours.state_dict())


def same_gradients(ours, theirs, x, *more):
    """Outputs, and gradients with respect to the input, agree."""
    x_ours, x_theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    out_ours, out_theirs = ours(x_ours, *more), theirs(x_theirs)
    assert gap(out_ours, out_theirs) <= TOLERANCE * max(1.0, out_ours.abs().max().item())
    out_ours.sin().mean().backward()
    out_theirs.sin().mean().backward()
    assert gap(x_ours.grad, x_theirs.grad) <= TOLERANCE


@pytest.mark.parametrize("out_channels", [16, 24])
def test_the_residual_block_equals_diffusers_after_copying_weights(out_channels):
    """With and without a change of width; their small constant in the norm is 1e-6 unless told otherwise."""
    ours = ResBlock(16, out_channels, 20)
    fill(ours)
    theirs = ResnetBlock2D(in_channels=16, out_channels=out_channels, temb_channels=20, groups=8, eps=1e-5)
    pairs = [(ours.norm1, theirs.norm1), (ours.conv1, theirs.conv1), (ours.emb_proj, theirs.time_emb_proj)]
    pairs += [(ours.norm2, theirs.norm2), (ours.conv2, theirs.conv2)]
    if out_channels != 16:
        pairs.append((ours.shortcut, theirs.conv_shortcut))
    copy_layers(pairs)
    x, emb = normal(2, 16, 6, 6), normal(2, 20, seed=2)
    same_gradients(ours, lambda y: theirs(y, emb), x, emb)


@pytest.mark.parametrize("num_heads", [1, 4])
def test_the_attention_block_equals_diffusers_after_copying_weights(num_heads):
    """Their three projections are the thirds of ours."""
    ours = SelfAttention(16, num_heads)
    fill(ours)
    theirs = Attention(16, heads=num_heads, dim_head=16 // num_heads, norm_num_groups=8, bias=True, eps=1e-5,
                       residual_connection=True)  # fmt: skip
    copy_layers([(ours.norm, theirs.group_norm), (ours.out, theirs.to_out[0])])
    for layer, weight, bias in zip((theirs.to_q, theirs.to_k, theirs.to_v), ours.qkv.weight.chunk(3),
                                   ours.qkv.bias.chunk(3), strict=True):  # fmt: skip
        layer.load_state_dict({"weight": weight, "bias": bias})
    same_gradients(ours, theirs, normal(2, 16, 5, 6), torch.zeros(2, 3))


@pytest.mark.parametrize(("kind", "other"), [(Downsample, Downsample2D), (Upsample, Upsample2D)])
def test_changes_of_resolution_equal_diffusers_after_copying_weights(kind, other):
    """One convolution each."""
    ours, theirs = kind(16), other(16, use_conv=True, **({"padding": 1} if kind is Downsample else {}))
    fill(ours)
    copy_layers([(ours.conv, theirs.conv)])
    same_gradients(ours, theirs, normal(2, 16, 6, 6), torch.zeros(2, 3))


def test_the_decoder_equals_the_usual_code_with_the_exact_distribution_function():
    """The two papers' code, with torch's normal distribution in place of a tanh approximation to it."""
    x = round_to_levels(torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double() * 2 - 1)
    x[0, 0, 0, 0], x[0, 0, 0, 1] = -1, 1
    mean, logvar = x + 0.02 * normal(4, 3, 8, 8).double(), torch.tensor(2 * math.log(0.03)).double()
    gauss = torch.distributions.Normal(0.0, 1.0)
    centred, inverse_std = x - mean, torch.exp(-0.5 * logvar)
    cdf_plus, cdf_min = (gauss.cdf(inverse_std * (centred + shift)) for shift in (1 / 255, -1 / 255))
    usual = torch.where(
        x < -0.999, cdf_plus.log(), torch.where(x > 0.999, (1 - cdf_min).log(), (cdf_plus - cdf_min).log())
    )
    assert gap(decoder_nll(x, mean, logvar), -usual) <= 1e-9
