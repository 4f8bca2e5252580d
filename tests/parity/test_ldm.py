"""The first stage against `diffusers`: blocks, both halves, whole autoencoders, sizes of the published ones."""

import pytest
import torch
from compared import TOLERANCE, gap, normal, randomized
from diffusers import AutoencoderKL as TheirKL
from diffusers import VQModel
from diffusers.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D
from torch import nn

from lib.ldm.autoencoder import AutoencoderKL, VQAutoencoder
from lib.ldm.autoencoder_blocks import Downsample, ResnetBlock, Upsample


def their_name(name: str, num_levels: int) -> str:
    """The name in `diffusers` of a parameter of ours: theirs counts the way up from the lowest resolution."""
    for ours, theirs in (
        ("mid.block_1.", "mid_block.resnets.0."), ("mid.block_2.", "mid_block.resnets.1."),
        ("mid.attn_1.norm.", "mid_block.attentions.0.group_norm."), ("mid.attn_1.q.", "mid_block.attentions.0.to_q."),
        ("mid.attn_1.k.", "mid_block.attentions.0.to_k."), ("mid.attn_1.v.", "mid_block.attentions.0.to_v."),
        ("mid.attn_1.proj_out.", "mid_block.attentions.0.to_out.0."), ("norm_out.", "conv_norm_out."),
        ("nin_shortcut.", "conv_shortcut."), (".block.", ".resnets."),
        (".downsample.", ".downsamplers.0."), (".upsample.", ".upsamplers.0."),
    ):  # fmt: skip
        name = name.replace(ours, theirs)
    for level in range(num_levels):
        name = name.replace(f"down.{level}.", f"down_blocks.{level}.")
        name = name.replace(f"decoder.up.{level}.", f"decoder.up_blocks.{num_levels - 1 - level}.")
    return name


def copied(ours: nn.Module, theirs: nn.Module, num_levels: int) -> nn.Module:
    """Their model with our weights: every parameter of either has its partner."""
    state = {their_name(name, num_levels): value for name, value in ours.named_parameters()}
    shapes = {name: value.shape for name, value in theirs.named_parameters() if not name.startswith("quantize.")}
    state = {name: value.reshape(shapes[name]) for name, value in state.items()}  # their attention is linear layers
    missing = theirs.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys and all(key.startswith("quantize.") for key in missing.missing_keys)
    return theirs.eval()


@pytest.mark.parametrize("out_channels", [16, 24])
def test_the_residual_block_equals_diffusers(out_channels):
    """With and without a change of width."""
    ours = randomized(ResnetBlock(16, out_channels, 8))
    theirs = ResnetBlock2D(in_channels=16, out_channels=out_channels, temb_channels=None, groups=8, eps=1e-6)
    theirs.load_state_dict({name.replace("nin", "conv"): value for name, value in ours.state_dict().items()})
    x = normal(2, 16, 6, 6)
    assert gap(ours(x), theirs(x, None)) <= TOLERANCE


def test_halving_and_doubling_equal_diffusers():
    """The border of zeros on the right and below only; the values repeated before the convolution."""
    x = normal(2, 8, 6, 6)
    down, up = randomized(Downsample(8)), randomized(Upsample(8))
    their_down, their_up = Downsample2D(8, use_conv=True, padding=0), Upsample2D(8, use_conv=True)
    their_down.conv.load_state_dict(down.conv.state_dict())
    their_up.conv.load_state_dict(up.conv.state_dict())
    assert down(x).shape == (2, 8, 3, 3) and gap(down(x), their_down(x)) <= TOLERANCE
    assert up(x).shape == (2, 8, 12, 12) and gap(up(x), their_up(x)) <= TOLERANCE


@pytest.mark.parametrize(("multipliers", "num_blocks"), [((1, 2), 1), ((1, 2, 2), 2), ((1, 1, 2, 2), 1)])
def test_the_kl_autoencoder_equals_diffusers(multipliers, num_blocks):
    """Mean, log variance, its cut-off included, and pictures, at f = 2, 4 and 8."""
    levels = len(multipliers)
    ours = randomized(AutoencoderKL(3, 16, multipliers, num_blocks, 8)).eval()
    theirs = TheirKL(
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=tuple(16 * m for m in multipliers), layers_per_block=num_blocks, latent_channels=3,
        norm_num_groups=8,
    )  # fmt: skip
    copied(ours, theirs, levels)
    x = normal(2, 3, 32, 32)
    with torch.no_grad():
        ours.quant_conv.bias[3:] += torch.tensor([40.0, -60.0, 0.0])
        theirs.quant_conv.bias.copy_(ours.quant_conv.bias)
        (mu, logvar), posterior = ours.encode(x), theirs.encode(x).latent_dist
        assert mu.shape == (2, 3, 32 // 2 ** (levels - 1), 32 // 2 ** (levels - 1))
        assert gap(mu, posterior.mean) <= TOLERANCE and gap(logvar, posterior.logvar) <= TOLERANCE
        assert logvar.max() == 20 and logvar.min() == -30
        assert gap(ours.decode(mu), theirs.decode(mu).sample) <= TOLERANCE


def test_the_vq_autoencoder_equals_diffusers():
    """The map before rounding, and pictures of rounded maps: rounding belongs to the decoder in both."""
    ours = randomized(VQAutoencoder(32, 3, 16, (1, 2, 2), 1, 8)).eval()
    ours.quantize.codebook.copy_(normal(32, 3))
    theirs = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 32), layers_per_block=1, latent_channels=3, num_vq_embeddings=32, norm_num_groups=8,
    )  # fmt: skip
    copied(ours, theirs, 3)
    with torch.no_grad():
        theirs.quantize.embedding.weight.copy_(ours.quantize.codebook)
        x = normal(2, 3, 32, 32)
        z = ours.latent(x)
        assert gap(z, theirs.encode(x).latents) <= TOLERANCE
        assert gap(ours.decode(z), theirs.decode(z).sample) <= TOLERANCE
        assert gap(ours(x).x_hat, ours.decode(z)) <= TOLERANCE


def test_the_autoencoder_of_stable_diffusion_has_as_many_parameters():
    """83,653,863, in ours and in theirs, counted without memory for weights."""
    with torch.device("meta"):
        ours = AutoencoderKL(4, 128, (1, 2, 4, 4), 2, 32)
        theirs = TheirKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        )  # fmt: skip
    counts = [sum(p.numel() for p in model.parameters()) for model in (ours, theirs)]
    assert counts == [83_653_863] * 2
