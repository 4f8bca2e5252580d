"""Every failure fails in the way described, and its number tells it from a sound model."""

import math

import pytest
import torch

from lib.data import shapes
from lib.ddpm import schedules
from lib.ldm import failures
from lib.ldm.diffusion import LatentDiffusion, text_loss
from lib.ldm.failures import AS_THEY_ARE, decoder_share, log_snr_shift, signal_to_noise, text_gain
from lib.ldm.loss import FirstStage, first_stage_loss
from lib.ldm.scale import measure_scaling
from lib.ldm.text import make_tokenizer
from lib.training import fit

ALPHA_BAR = schedules.cosine(50)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spread", [0.1, 1.0, 7.0])
def test_unscaled_latents_shift_every_level(spread):
    """log SNR moves by 2 log s; scaling brings it back to 0, whatever the spread was."""
    z = spread * normal(8, 4, 8, 8)
    assert log_snr_shift(AS_THEY_ARE.apply(z)) == pytest.approx(2 * torch.tensor(spread).log().item(), abs=0.05)
    assert abs(log_snr_shift(measure_scaling(z).apply(z))) < 1e-4


def test_what_the_last_level_still_shows_depends_on_the_schedule():
    """A ratio of 0.14 at the end of Stable Diffusion's schedule, and nothing at the end of the cosine one."""
    z = normal(8, 4, 8, 8)
    z = 5.5 * z / z.std()
    stable_diffusion = schedules.from_betas(torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square().tolist())
    last = [bar[-1].item() for bar in (stable_diffusion, schedules.cosine(1000))]
    ratios = [math.exp(log_snr_shift(z)) * bar / (1 - bar) for bar in last]
    assert last == pytest.approx([0.0047, 2.4e-9], rel=0.02) and ratios == pytest.approx([0.14, 7.3e-8], rel=0.02)


def first_stage() -> FirstStage:
    torch.manual_seed(0)
    return FirstStage(critic_channels=0, latent_channels=2, channels=8, multipliers=(1, 2), num_groups=4)


def test_a_heavy_kl_term_leaves_more_noise_than_picture():
    """After the same few updates the sound one carries the picture, the other noise."""
    x, found = shapes(8, seed=0).images, {}
    for name, loss in (("sound", first_stage_loss), ("heavy", failures.heavy_kl_loss)):
        model = first_stage()
        list(fit(model, loss, lambda _: x, 40, lr=1e-2, precision="fp32"))
        found[name] = signal_to_noise(model.autoencoder.eval(), x)
    assert found["heavy"] < 1 < 3 < found["sound"]


def test_what_the_decoder_loses_no_second_stage_can_bring_back():
    """Samples that are as poor as reconstructions lack what the decoder lost; poorer ones a share of it."""
    autoencoder, real = first_stage().autoencoder.eval(), shapes(4, seed=0).images

    def score(x):
        return -(x - real).square().mean().item()

    floor = failures.rebuilt(autoencoder, real)
    assert decoder_share(score, autoencoder, real, floor) == pytest.approx(1)
    assert decoder_share(score, autoencoder, real, real + 2 * (floor - real)) == pytest.approx(1 / 4, rel=1e-4)
    with pytest.raises(ValueError, match="made must score below the real pictures"):
        decoder_share(score, autoencoder, real, real)


def test_a_model_that_was_never_told_does_not_listen():
    """Two latents and two texts that belong together: told the wrong one, only the sound model does worse."""
    gains = {}
    for name, loss in (("sound", text_loss), ("deaf", failures.deaf_loss)):
        torch.manual_seed(0)
        options = {"in_channels": 2, "channels": 8, "size": 8, "attention_resolutions": (4,), "num_heads": 2}
        model = LatentDiffusion("captions", context_dim=8, text_depth=1, **options)
        ids = model.tokenizer(["a large red star", "a small blue ring"] * 4).ids
        z = torch.cat([torch.ones(1, 2, 8, 8), -torch.ones(1, 2, 8, 8)] * 4)

        def objective(net, batch, generator, loss=loss):
            return loss(net, batch, generator, alpha_bar=ALPHA_BAR)

        list(fit(model, objective, lambda _, z=z, ids=ids: (z, ids), 60, lr=1e-2, precision="fp32"))
        gains[name] = text_gain(model.eval(), (z, ids), alpha_bar=ALPHA_BAR)
    assert gains["sound"] > 0.3 and abs(gains["deaf"]) < 0.05


def test_words_left_out_in_silence_are_counted():
    """The sound tokenizer leaves a token and a report for each."""
    tokenizer, texts = make_tokenizer("captions"), ["a golden star", "a red star", "two moons"]
    assert failures.unreported_words(tokenizer(texts), texts) == 0
    silent = failures.silent_tokens(tokenizer, texts)
    assert failures.unreported_words(silent, texts) == 3 and not any(silent.unknown)
    secret = tokenizer(texts)._replace(unknown=[()] * len(texts))  # a token in their place, and no word about it
    assert failures.unreported_words(secret, texts) == 3
    assert torch.equal(silent.ids[0], tokenizer(["a star"]).ids[0])
