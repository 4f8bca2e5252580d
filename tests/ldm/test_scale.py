"""The scale of latents: measured, applied, undone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.ldm.autoencoder import AutoencoderKL
from lib.ldm.scale import Latents, Scaling, decode_all, encode_all, measure_scaling


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 100), st.floats(0.01, 50), st.booleans())
def test_scaled_latents_have_standard_deviation_1(seed, spread, centre):
    """Whatever they had before; with centring every channel has mean 0 as well; undoing gives back the latents."""
    z = normal(6, 3, 4, 4, seed=seed) * spread + torch.tensor([1.0, -2.0, 0.5])[:, None, None]
    scaling = measure_scaling(z, centre=centre)
    scaled = scaling.apply(z)
    assert scaled.std(correction=0).item() == pytest.approx(1, rel=1e-4)
    if centre:
        assert scaled.mean((0, 2, 3)).abs().max() < 1e-4
    torch.testing.assert_close(scaling.undo(scaled), z, rtol=1e-4, atol=1e-4 * spread)


def test_without_centring_it_is_the_factor_of_the_original():
    """1 / std over all values, and no shift."""
    z = normal(6, 3, 4, 4) + 1
    found = measure_scaling(z, centre=False)
    assert found.scale == pytest.approx(1 / z.std(correction=0).item(), rel=1e-5) and found.shift == ()


def test_a_data_set_is_encoded_in_chunks_and_comes_back():
    """The chunk makes no difference; the helper's latents are scaled, its pictures are not."""
    torch.manual_seed(0)
    model = AutoencoderKL(2, 8, (1, 2), num_groups=4).eval()
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = Latents.of(model, images, chunk=2)
    whole = encode_all(model, images, chunk=5)
    torch.testing.assert_close(latents.scaling.undo(latents.z), whole, rtol=0, atol=0.02)
    assert latents.z.std(correction=0).item() == pytest.approx(1, rel=1e-3)
    torch.testing.assert_close(latents.decode(model), decode_all(model, whole), rtol=0, atol=0.05)
    given_scaling = Latents.of(model, images, Scaling(2.0))
    torch.testing.assert_close(given_scaling.z, 2 * whole, rtol=0, atol=0.04)
    assert len(latents.decode(model, slice(1, 3))) == 2


def test_what_has_no_scale_is_refused():
    """A constant, a broken latent, a factor of 0, another number of channels."""
    with pytest.raises(ValueError, match="z must vary and be finite to have a scale"):
        measure_scaling(torch.ones(2, 3, 4, 4))
    with pytest.raises(ValueError, match="scale must be a positive number, got 0"):
        Scaling(0.0)
    with pytest.raises(ValueError, match="z must have 2 channels, as many as shift"):
        Scaling(1.0, (0.0, 0.0)).apply(normal(1, 3, 2, 2))
