"""Attention to words, and the U-Net around it."""

import pytest
import torch
from torch import nn

from lib.ldm.attention import CrossAttention, SpatialTransformer, recorded_attention, waves_of_places, word_maps
from lib.ldm.autoencoder import AutoencoderKL
from lib.ldm.sd import STABLE_DIFFUSION_1, count, stable_diffusion_autoencoder, stable_diffusion_unet
from lib.ldm.unet import LatentUNet, cross_attention_sites


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def awake(model: nn.Module) -> nn.Module:
    """The same model with nothing at zero."""
    for number, parameter in enumerate(model.parameters()):
        parameter.data = 0.15 * normal(*parameter.shape, seed=number) + (parameter.ndim == 1)
    return model


def unet(**options) -> LatentUNet:
    torch.manual_seed(0)
    settings = {"in_channels": 2, "channels": 8, "size": 8, "attention_resolutions": (4,), "num_heads": 2}
    return LatentUNet(**(settings | {"context_dim": 6} | options))


def inputs(model: LatentUNet, num: int = 2):
    return normal(num, model.in_channels, model.size, model.size), torch.arange(1, num + 1), normal(num, 5, 6, seed=1)


def test_attention_is_a_softmax_of_products():
    """Written out for one head: queries from x, keys and values from the context."""
    layer, x, context = CrossAttention(4, 6, 1, 3).double(), normal(1, 2, 4).double(), normal(1, 5, 6, seed=1).double()
    score = layer.to_q(x) @ layer.to_k(context).mT / 3**0.5
    torch.testing.assert_close(layer(x, context), layer.to_out[0](score.softmax(-1) @ layer.to_v(context)))
    torch.testing.assert_close(layer.attn(x, context)[:, 0].double(), score.softmax(-1), rtol=1e-5, atol=1e-6)


def test_recorded_shares_are_those_that_are_used():
    """The shares times the values, through the last layer, are the answer; masked words have share 0."""
    layer, x, context = CrossAttention(8, 6, 2, 4), normal(2, 9, 8), normal(2, 5, 6, seed=1)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    shares = layer.attn(x, context, mask)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 2, 9))
    assert shares[1, :, :, 2:].abs().max() == 0
    values = layer.to_v(context).unflatten(-1, (2, 4)).transpose(1, 2)
    torch.testing.assert_close(layer(x, context, mask), layer.to_out[0]((shares @ values).transpose(1, 2).flatten(2)))


def test_words_of_padding_make_no_difference():
    """Whatever stands behind the mask."""
    model = awake(unet())
    x_t, t, context = inputs(model)
    mask = torch.tensor([[True, True, True, False, False]] * 2)
    changed = torch.where(mask[..., None], context, 100.0)
    torch.testing.assert_close(model(x_t, t, context, mask), model(x_t, t, changed, mask))
    torch.testing.assert_close(model(x_t, t, context[:, :3]), model(x_t, t, context, mask))
    assert (model(x_t, t, context) - model(x_t, t, context, mask)).abs().max() > 1e-4


def test_the_order_of_words_is_no_business_of_the_unet():
    """Attention is a sum over words: only the text encoder's positions tell first from last."""
    model = awake(unet())
    x_t, t, context = inputs(model)
    torch.testing.assert_close(model(x_t, t, context), model(x_t, t, context.flip(1)), rtol=1e-4, atol=1e-5)


def test_a_new_unet_answers_zero_and_a_new_transformer_is_the_identity():
    """The last layer of either begins with zeros."""
    model = unet()
    assert model(*inputs(model)).abs().max() == 0
    x = normal(2, 8, 4, 4)
    assert torch.equal(SpatialTransformer(8, 6, 2)(x, normal(2, 5, 6)), x)


def test_places_are_told_apart_only_if_they_are_told():
    """On a map that is the same everywhere the answer is the same everywhere, unless each place has its own waves."""
    x, context = torch.ones(1, 8, 4, 4), normal(1, 5, 6)
    for side, differs in ((None, False), (4, True)):
        torch.manual_seed(0)
        layer = awake(SpatialTransformer(8, 6, 2, side=side))
        assert (layer(x, context).std((2, 3)).max() > 1e-3) == differs
    waves = waves_of_places(4, 8)
    assert torch.cdist(waves, waves)[~torch.eye(16, dtype=torch.bool)].min() > 0.1
    torch.testing.assert_close(waves[1, :4], waves[2, :4])  # the same row: the first half does not change
    torch.testing.assert_close(waves[1, 4:], waves[9, 4:])  # the same column
    plain, told = unet(), unet(told_places=True)
    assert plain.state_dict().keys() == told.state_dict().keys()
    assert [m.places.shape for m in told.modules() if isinstance(m, SpatialTransformer)] == [(16, 16)] * 4
    with pytest.raises(ValueError, match="channels must be a multiple of 4, got 6"):
        waves_of_places(4, 6)


def test_transformers_stand_where_they_are_asked_for_and_in_the_middle():
    """One after each residual block: one on the way down, two on the way up, and the middle's."""
    assert len(cross_attention_sites(unet())) == 1 + 2 + 1
    assert len(cross_attention_sites(unet(attention_resolutions=(8, 4)))) == 2 + 4 + 1
    assert len(cross_attention_sites(unet(attention_resolutions=()))) == 1
    assert len(cross_attention_sites(unet(num_res_blocks=2))) == 2 + 3 + 1


def test_every_parameter_takes_part():
    """Each gets a gradient from one answer."""
    for options in ({}, {"context_dim": None}):
        model = awake(unet(**options))
        x_t, t, context = inputs(model)
        model(x_t, t, context if options == {} else None).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_attention_is_recorded_site_by_site_and_call_by_call():
    """Nothing is recorded outside; the answer stays the same; maps add up to 1 over words at every place."""
    model = awake(unet(attention_resolutions=(8, 4)))
    x_t, t, context = inputs(model)
    alone = model(x_t, t, context)
    with recorded_attention(model) as maps:
        torch.testing.assert_close(model(x_t, t, context), alone)
        model(x_t, t, context)
    model(x_t, t, context)
    assert len(maps) == len(cross_attention_sites(model)) and {len(found) for found in maps.values()} == {2}
    assert {one.shape[1:] for found in maps.values() for one in found} == {(2, 64, 5), (2, 16, 5)}
    shares = word_maps(maps, 8)
    assert shares.shape == (2, 5, 8, 8)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 8, 8))
    with pytest.raises(ValueError, match="maps must hold at least one call"):
        word_maps({}, 8)


def test_a_map_lies_as_the_picture_does():
    """A place that looks at one word only is bright in that word's map, at its own row and column."""
    shares = torch.zeros(1, 1, 16, 3)
    shares[..., 0] = 1
    shares[0, 0, 4 * 1 + 2] = torch.tensor([0.0, 1.0, 0.0])
    found = word_maps({"site": [shares]}, 4)[0]
    assert found[1].nonzero().tolist() == [[1, 2]] and found[2].abs().max() == 0


def test_what_is_laid_beside_joins_the_input_only():
    """More channels come in, as many as the latent has go out."""
    model = awake(unet(extra_channels=3, context_dim=None))
    x_t, t, _ = inputs(model)
    one, other = (model(x_t, t, beside=normal(2, 3, 8, 8, seed=seed)) for seed in (1, 2))
    assert one.shape == x_t.shape and (one - other).abs().max() > 1e-4


def test_wrong_input_is_refused():
    """Which argument, the rule, and what came."""
    model = unet()
    with pytest.raises(ValueError, match="x_t must have shape \\(B, 2, 8, 8\\), got \\(1, 3, 8, 8\\)"):
        model(normal(1, 3, 8, 8), torch.ones(1, dtype=torch.int64), normal(1, 5, 6))
    with pytest.raises(ValueError, match="beside must have 0 channels, got \\(2, 3, 8, 8\\)"):
        model(*inputs(model), beside=normal(2, 3, 8, 8))
    with pytest.raises(ValueError, match="beside must have 3 channels, got none"):
        unet(extra_channels=3)(*inputs(model))
    with pytest.raises(ValueError, match="channels must divide into num_heads = 3, got 8"):
        SpatialTransformer(8, 6, 3)
    with pytest.raises(ValueError, match="attention_resolutions must be among"):
        unet(attention_resolutions=(2,))


def test_stable_diffusion_is_these_classes_with_other_numbers():
    """48 times fewer numbers than the picture, and sizes counted without storing a weight."""
    vae, net = stable_diffusion_autoencoder(), stable_diffusion_unet()
    assert isinstance(vae, AutoencoderKL) and vae.factor == 8
    assert (count(vae), count(net), len(cross_attention_sites(net))) == (83_653_863, 859_520_964, 16)
    picture, latent = (torch.empty(STABLE_DIFFUSION_1[key], device="meta").numel() for key in ("picture", "latent"))
    assert picture == 48 * latent
    assert next(net.parameters()).is_meta
