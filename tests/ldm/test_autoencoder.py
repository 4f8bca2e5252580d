"""The first stage's shapes and names, what each latent is, and what it costs."""

import pytest
import torch

from lib.ldm.autoencoder import AutoencoderKL, VQAutoencoder
from lib.ldm.autoencoder_blocks import Downsample, Encoder
from lib.vae.loss import kl_to_standard_normal


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small(kind: type = AutoencoderKL, multipliers=(1, 2), **options):
    torch.manual_seed(0)
    return kind(latent_channels=3, channels=8, multipliers=multipliers, num_groups=4, **options)


@pytest.mark.parametrize(("multipliers", "factor"), [((1,), 1), ((1, 2), 2), ((1, 2, 2), 4), ((1, 1, 2, 2), 8)])
@pytest.mark.parametrize("kind", [AutoencoderKL, VQAutoencoder])
def test_the_number_of_stages_decides_the_factor(kind, multipliers, factor):
    """Each stage but the last halves once."""
    model = small(kind, multipliers)
    x = normal(2, 3, 16, 16)
    z = model.latent(x)
    assert model.factor == factor and z.shape == (2, 3, 16 // factor, 16 // factor)
    assert model.decode(z).shape == x.shape and model(x).x_hat.shape == x.shape


def test_parameters_are_named_as_in_the_original():
    """A published checkpoint of the first stage would be loaded by these names."""
    names = set(small(multipliers=(1, 2)).state_dict())
    expected = {
        "encoder.conv_in.weight", "encoder.down.0.block.0.norm1.weight", "encoder.down.0.block.0.conv1.weight",
        "encoder.down.0.block.0.norm2.bias", "encoder.down.0.block.0.conv2.bias", "encoder.down.0.downsample.conv.bias",
        "encoder.down.1.block.0.nin_shortcut.weight", "encoder.mid.block_1.conv1.weight", "encoder.mid.attn_1.q.weight",
        "encoder.mid.attn_1.proj_out.bias", "encoder.mid.block_2.norm2.weight", "encoder.norm_out.weight",
        "encoder.conv_out.weight", "decoder.conv_in.weight", "decoder.up.0.block.1.conv1.weight",
        "decoder.up.1.upsample.conv.weight", "decoder.conv_out.weight", "quant_conv.weight", "post_quant_conv.bias",
    }  # fmt: skip
    assert expected <= names
    assert "encoder.down.1.downsample.conv.weight" not in names and "decoder.up.0.upsample.conv.weight" not in names


def test_halving_looks_right_and_below():
    """The border is added on two sides only, so the value at (0, 0) sees rows and columns 0 to 2."""
    down, x = Downsample(1), torch.zeros(1, 1, 4, 4)
    down.conv.weight.data.fill_(1.0)
    down.conv.bias.data.zero_()
    for row in range(4):
        for column in range(4):
            x.zero_()[0, 0, row, column] = 1
            rows, columns = ((place <= 2, place >= 2) for place in (row, column))
            assert down(x)[0, 0].bool().tolist() == [[r and c for c in columns] for r in rows]


def test_the_penalty_is_the_divergence_of_chapter_2_per_value_of_the_picture():
    """Summed over places and channels in nats, divided by 3 · 16 · 16."""
    model, x = small(), normal(2, 3, 16, 16)
    mu, logvar = model.encode(x)
    nats = kl_to_standard_normal(mu.flatten(1), logvar.flatten(1)).mean()
    torch.testing.assert_close(model(x).penalty, nats / (3 * 16 * 16))


def test_the_latent_is_the_mean_and_training_adds_noise_of_the_right_size():
    """Same seed, same picture; with a log variance near -infinity nothing is added."""
    model, x = small(), normal(2, 3, 16, 16)
    torch.testing.assert_close(model.latent(x), model.encode(x)[0])
    seeded = [model(x, torch.Generator().manual_seed(seed)).x_hat for seed in (0, 0, 1)]
    assert torch.equal(seeded[0], seeded[1]) and not torch.equal(seeded[0], seeded[2])
    model.quant_conv.bias.data[3:] = -1000.0
    assert model.encode(x)[1].unique().tolist() == [-30.0]
    torch.testing.assert_close(model(x).x_hat, model.decode(model.latent(x)), rtol=1e-3, atol=1e-4)


def test_a_cut_off_log_variance_has_no_gradient():
    """As the docstring says, for better or worse."""
    model = small()
    model.quant_conv.bias.data[3:] = torch.tensor([50.0, -50.0, 0.0])
    model.encode(normal(1, 3, 16, 16))[1].sum().backward()
    assert [grad == 0 for grad in model.quant_conv.bias.grad[3:].tolist()] == [True, True, False]


def test_the_quantiser_belongs_to_the_decoder():
    """What is diffused is the map before rounding; two maps with the same nearest codes give the same picture."""
    model, x = small(VQAutoencoder, num_codes=8).eval(), normal(2, 3, 16, 16)
    model.quantize.codebook.copy_(normal(8, 3))
    z = model.latent(x)
    rounded = model.quantize.embed(model.quantize.indices(z))
    assert not torch.equal(z, rounded)
    torch.testing.assert_close(model.decode(z), model.decode(rounded))
    torch.testing.assert_close(model(x).x_hat, model.decode(z))
    torch.testing.assert_close(model(x).penalty, (z - rounded).square().mean())


def test_the_codebook_learns_in_training_only_and_the_encoder_gets_a_gradient():
    """A running mean has no gradient of its own; straight through reaches the encoder."""
    model, x = small(VQAutoencoder, num_codes=8), normal(2, 3, 16, 16)
    before = model.quantize.codebook.clone()
    model.eval()(x)
    assert torch.equal(before, model.quantize.codebook)
    rebuilt = model.train()(x, torch.Generator().manual_seed(0))
    assert not torch.equal(before, model.quantize.codebook)
    rebuilt.x_hat.square().mean().backward()
    assert model.encoder.conv_in.weight.grad.abs().sum() > 0


def test_wrong_input_is_refused():
    """Which argument, the rule, and what came."""
    model = small(multipliers=(1, 2, 2))
    with pytest.raises(ValueError, match="x must be a multiple of 4 pixels high and wide, got \\(18, 18\\)"):
        model.latent(normal(1, 3, 18, 18))
    with pytest.raises(ValueError, match="z must have 3 channels, got shape \\(1, 4, 4, 4\\)"):
        model.decode(normal(1, 4, 4, 4))
    with pytest.raises(ValueError, match="multipliers must name at least one width"):
        Encoder(3, 8, (), 1, 4)
    with pytest.raises(ValueError, match="channels must divide into num_groups = 8 groups, got 12"):
        Encoder(3, 12, (1,), 1, 8)
