"""Each broken VQ-VAE is broken in the way that the gallery describes."""

from pathlib import Path

import pytest
import torch

import lib.vqvae as vqvae
from lib.training import fit
from lib.vqvae.failures import (
    FarQuantizer,
    NoStopQuantizer,
    RestlessQuantizer,
    SimilarityQuantizer,
    change_by_looking,
    codebook_gradient,
    encoder_gradient,
    epoch_perplexity,
    no_codebook_loss,
    runaway,
    with_quantizer,
)


def pictures(num: int = 16) -> torch.Tensor:
    """Smooth pictures, all different."""
    coarse = torch.rand(num, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")


def healthy(update: str = "loss") -> vqvae.VQVAE:
    """A small model, not trained, whose codes lie among the encoder's outputs."""
    torch.manual_seed(0)
    model = vqvae.VQVAE(16, 4, (8, 8), num_blocks=1, hidden=4, update=update)
    with torch.no_grad():
        vectors = model.encoder(pictures()).movedim(1, -1).flatten(0, 2)
        order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))
        model.quantizer.codebook.copy_(vectors[order[:16]])
    return model


def train(model, num_steps=60):
    for _ in fit(model, vqvae.vq_loss, lambda step: pictures(), num_steps, lr=2e-3, precision="fp32"):
        pass
    return model.eval()


def test_far_codes_die_and_restarts_bring_them_back():
    """One code takes all the vectors; training without restarts does not change that, with restarts it does."""
    broken = with_quantizer(healthy(), FarQuantizer)
    assert epoch_perplexity(broken, pictures()) < 3
    assert epoch_perplexity(train(broken), pictures()) < 3
    mended = with_quantizer(healthy(), FarQuantizer)
    mended.quantizer = vqvae.RestartQuantizer(16, 4, decay=0.9)
    mended.quantizer.codebook.copy_(FarQuantizer(16, 4).codebook)
    assert epoch_perplexity(train(mended), pictures()) > 5


def test_without_the_codebook_term_the_codes_never_move():
    """No gradient reaches them from any other term."""
    model, x = healthy(), pictures()
    assert codebook_gradient(model, no_codebook_loss(model, x)) == 0
    assert codebook_gradient(model, vqvae.vq_loss(model, x)) > 0
    before = model.quantizer.codebook.detach().clone()
    for _ in fit(model, no_codebook_loss, lambda step: x, 5, precision="fp32"):
        pass
    assert torch.equal(model.quantizer.codebook, before)


def test_without_the_stop_gradient_the_encoder_learns_nothing_from_the_picture():
    """Forward nothing changes; backward z_e cancels and the codes get what was the encoder's."""
    model, x = healthy(), pictures()
    broken = with_quantizer(model, NoStopQuantizer)
    torch.testing.assert_close(broken(x).x_hat, model(x).x_hat)
    assert encoder_gradient(model, x) > 1e-4
    assert encoder_gradient(broken, x) < 1e-9
    error = vqvae.vq_terms(broken, x).reconstruction
    assert codebook_gradient(broken, error) > 0 == codebook_gradient(model, vqvae.vq_terms(model, x).reconstruction)


def test_by_similarity_fewer_codes_are_used():
    """Long codes take what belongs to nearer, shorter ones."""
    model = healthy()
    assert epoch_perplexity(with_quantizer(model, SimilarityQuantizer), pictures()) < 0.6 * epoch_perplexity(
        model, pictures()
    )


def test_a_codebook_that_learns_in_evaluation_changes_by_looking():
    """A test that changes what it tests: the second look at the same pictures gives other codes."""
    model = healthy("ema")
    assert change_by_looking(model, pictures()) == 0
    assert change_by_looking(with_quantizer(model, RestlessQuantizer), pictures()) > 1e-4


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_with_commitment_the_encoder_stops_where_both_pulls_are_equal(weight):
    """−2 from the error and 2 β z from the commitment cancel at z = 1/β."""
    assert runaway(weight, 500)[-1] == pytest.approx(1 / weight, rel=1e-3)


def test_without_commitment_the_encoder_runs_away_at_constant_speed():
    """Nothing pulls back: 0.2 further at every step of rate 0.1."""
    path = torch.tensor(runaway(0.0, 100), dtype=torch.float64)
    torch.testing.assert_close(path.diff(), torch.full((99,), 0.2, dtype=torch.float64), rtol=1e-4, atol=0)
    with pytest.raises(ValueError, match="must not be negative"):
        runaway(-1.0)


def test_every_broken_quantiser_is_in_the_gallery():
    """The chapter shows each of them by name."""
    chapter = Path(__file__).parents[2] / "chapters/03_vqvae.md"
    if not chapter.exists():
        pytest.skip("the chapter is not written yet")
    text = chapter.read_text("utf8")
    for name in ("FarQuantizer", "NoStopQuantizer", "SimilarityQuantizer", "RestlessQuantizer", "no_codebook_loss"):
        assert name in text, name
