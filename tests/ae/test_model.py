"""Shapes, limits and invariances of the autoencoders."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lib.ae import AutoEncoder, Decoder, Encoder, LinearAutoEncoder, num_parameters

SMALL = {"channels": (4, 8, 8, 8), "hidden": 16}


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.sampled_from([8, 16, 32]), st.integers(1, 5))
def test_code_and_picture_have_the_promised_shapes(batch, latent_dim, size, in_channels):
    """Each stride-2 convolution halves an even size exactly, and each upsampling doubles it, so the round trip
    restores the size.
    """
    channels = (4, 8, 8, 8)[: {8: 2, 16: 3, 32: 4}[size]]
    encoder = Encoder(2 * latent_dim, channels, 8, size, in_channels)
    decoder = Decoder(latent_dim, channels, 8, size)
    outputs = encoder(torch.randn(batch, in_channels, size, size))
    assert outputs.shape == (batch, 2 * latent_dim)
    assert decoder(outputs[:, :latent_dim]).shape == (batch, 3, size, size)


def test_every_output_value_lies_between_minus_one_and_one():
    """The decoder ends in tanh, so even a code far from all data gives a valid picture."""
    decoder = Decoder(2, **SMALL)
    pictures = decoder(1000 * torch.randn(8, 2))
    assert pictures.abs().max() <= 1


def test_pictures_are_coded_one_by_one():
    """Group normalisation looks at one picture at a time, so the company in the batch must not change a code."""
    torch.manual_seed(0)
    model = AutoEncoder(3, **SMALL).double()
    x = torch.rand(5, 3, 32, 32, dtype=torch.float64) * 2 - 1
    together = model(x)
    alone = torch.cat([model(picture[None]) for picture in x])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


def test_the_bottleneck_is_all_that_passes():
    """The decoder sees the code alone: equal codes give equal pictures, whatever was encoded."""
    model = AutoEncoder(3, **SMALL)
    with torch.no_grad():
        for parameter in model.encoder[-1].parameters():
            parameter.zero_()
    x_hat = model(torch.rand(4, 3, 32, 32) * 2 - 1)
    torch.testing.assert_close(x_hat, x_hat[:1].expand_as(x_hat))


def test_an_autoencoder_can_learn_one_batch_by_heart():
    """Eight pictures fit through 16 numbers; a model that cannot lower this loss tenfold has a broken path
    somewhere.
    """
    torch.manual_seed(0)
    model = AutoEncoder(16, **SMALL)
    x = torch.nn.functional.interpolate(torch.rand(8, 3, 4, 4) * 1.6 - 0.8, scale_factor=8.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(120):
        loss = (model(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_the_two_dimensional_decoder_is_small_enough_for_a_page():
    """The browser runs this decoder for every drag of the pointer, and its weights are stored in the notebook."""
    from lib.ae.recipe import RECIPES

    model = AutoEncoder(**RECIPES["ae_2d"].build[1])
    assert num_parameters(model.decoder) <= 80_000


def test_the_64_dimensional_model_stays_below_its_budget():
    """A stored checkpoint of at most 1.5 million 16-bit numbers is 3 MB."""
    from lib.ae.recipe import RECIPES

    model = AutoEncoder(**RECIPES["ae_64d"].build[1])
    assert num_parameters(model) <= 1_500_000


def test_decoders_use_only_layers_that_the_browser_knows():
    """The latent map runs the decoder in JavaScript, layer by layer."""
    known = (nn.Linear, nn.SiLU, nn.Unflatten, nn.GroupNorm, nn.Upsample, nn.Conv2d, nn.Tanh)
    assert all(isinstance(layer, known) for layer in Decoder(2))


def test_a_linear_autoencoder_is_affine():
    """Two affine maps in a row are one affine map: f(x) + f(y) = f(x + y) + f(0)."""
    model = LinearAutoEncoder(6, 2).double()
    x, y = torch.randn(2, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(model(x) + model(y), model(x + y) + model(torch.zeros_like(x)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 24}, "four times|4 times"),
        ({"channels": (8, 8)}, "needs 4 widths for size 32"),
        ({"channels": (8, 8, 8, 8, 8)}, "needs 4 widths for size 32"),
        ({"channels": (8, 8, 8, 10)}, "multiple of 4"),
        ({"channels": (0, 8, 8, 8)}, "positive multiple of 4"),
    ],
)
def test_widths_that_do_not_fit_are_refused_in_words(arguments, words):
    """A wrong number of widths would otherwise end in a matrix of the wrong shape, deep inside the first forward."""
    for build in (Encoder, Decoder):
        with pytest.raises(ValueError, match=words):
            build(2, **arguments)
