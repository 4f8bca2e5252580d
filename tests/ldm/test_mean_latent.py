"""The mean latent of a text: what it converges to, where its patches land, how its words are handed on."""

import pytest
import torch
from torch.nn import functional as F

from lib.data import shapes
from lib.ddpm import simple_loss
from lib.ldm import LatentDiffusion, MeanLatent, copy_text_encoder, mean_latent_loss
from lib.ldm.quality import recoloured, turned
from lib.training import fit

SMALL = {"context_dim": 16, "size": 4, "in_channels": 2, "dim": 16, "depth": 1}


def made(seed: int = 0, **options) -> MeanLatent:
    torch.manual_seed(seed)
    return MeanLatent(**SMALL | options)


def test_it_learns_the_mean_of_what_the_text_allows():
    """Two latents for each of two captions that differ in one relation: their means, and the loss is their variance."""
    z = torch.randn(4, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    model = made()
    captions = ["a large red star left of a small blue ring", "a large red star right of a small blue ring"]
    ids = model.tokenizer([captions[0]] * 2 + [captions[1]] * 2).ids
    for _ in fit(model, mean_latent_loss, lambda step: (z, ids), 200, lr=1e-2, seed=0):
        pass
    means = torch.stack([z[:2].mean(0), z[2:].mean(0)])
    torch.testing.assert_close(model(ids[[0, 2]]), means, rtol=0, atol=0.1)
    assert (means[0] - means[1]).abs().mean() > 0.5  # one word makes the difference
    within = (z - means.repeat_interleave(2, 0)).square().mean()
    assert mean_latent_loss(model, (z, ids)).item() == pytest.approx(within.item(), rel=0.02)


def test_its_loss_is_that_of_v_at_the_noisiest_level():
    """Where nothing of the latent is left, v = -z whatever the noise."""
    model, z = made(), torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    ids = model.tokenizer(shapes(3, 32, 2, seed=0).captions).ids
    whole = simple_loss(
        lambda x_t, t: -model(ids), z, torch.Generator().manual_seed(2), alpha_bar=torch.tensor([1.0, 0.0]), target="v"
    )
    torch.testing.assert_close(mean_latent_loss(model, (z, ids)), whole)


def test_patches_are_put_together_as_unfold_takes_them_apart():
    """Row by row; inside a patch channel, row, column."""
    model = made(depth=0)
    ids = model.tokenizer(["", "a large red star"]).ids
    patches = model.out(model.norm(model.places))
    again = F.unfold(model(ids), 2, stride=2)
    torch.testing.assert_close(again, patches.T.expand(2, -1, -1))


def test_the_text_encoder_is_handed_on():
    """The same context afterwards, and only the encoder is touched."""
    words, other = made(1, context_dim=64), LatentDiffusion(channels=8, attention_resolutions=())
    before = {key: value.clone() for key, value in other.unet.state_dict().items()}
    copy_text_encoder(words, other)
    ids = words.tokenizer(["a small green cross"]).ids
    assert torch.equal(words.text_encoder(ids)[0], other.text_encoder(ids)[0])
    assert all(torch.equal(value, before[key]) for key, value in other.unet.state_dict().items())
    with torch.no_grad():
        other.text_encoder.positions.add_(1)
    assert not torch.equal(words.text_encoder.positions, other.text_encoder.positions)  # a copy, not a share


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": "emoji"}, "both models must know the same words"),
        ({"context_dim": 32}, "same width and depth"),
        ({"text_depth": 1}, "same width and depth"),
    ],
)
def test_an_encoder_of_another_kind_is_refused(options, message):
    """And the target keeps what it had."""
    words, other = made(1, **{"context_dim": 64} | options), LatentDiffusion(channels=8, attention_resolutions=())
    before = other.text_encoder.positions.clone()
    with pytest.raises(ValueError, match=message):
        copy_text_encoder(words, other)
    assert torch.equal(before, other.text_encoder.positions)


@pytest.mark.parametrize("options", [{"patch": 3}, {"dim": 18}])
def test_sizes_must_divide(options):
    """Said with both numbers."""
    with pytest.raises(ValueError, match="size must divide into patches and dim into heads, got"):
        made(**options)


def test_captions_are_made_wrong_in_one_respect():
    """Relations turned round, colours exchanged; twice gives the caption back."""
    caption = "a large red star left of a small blue ring"
    assert turned(caption) == "a large red star right of a small blue ring"
    assert recoloured(caption) == "a large blue star left of a small red ring"
    for caption in shapes(20, 32, 2, seed=0).captions:
        assert turned(caption) != caption == turned(turned(caption)) == recoloured(recoloured(caption))
