"""Shapes and meaning of VQ-VAE, VQ-VAE-2 and the model with the Gumbel relaxation; the loss in its terms."""

import math

import pytest
import torch
import torch.nn.functional as F

import lib.vqvae as vqvae
from lib.training import fit

SMALL = {"num_codes": 8, "code_dim": 3, "channels": (6, 8), "num_blocks": 1, "hidden": 4}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(num: int = 2, size: int = 16, dtype=torch.float32) -> torch.Tensor:
    return torch.rand(num, 3, size, size, generator=generator(), dtype=dtype) * 2 - 1


def small(kind=vqvae.VQVAE, **changes):
    torch.manual_seed(0)
    return kind(**{**SMALL, **changes})


def with_codes_in_the_cloud(model, x):
    """Codes drawn from the encoder's outputs, so that a small model uses several of them."""
    with torch.no_grad():
        vectors = model.encoder(x).movedim(1, -1).flatten(0, 2)
        model.quantizer.codebook.copy_(vectors[torch.randperm(len(vectors), generator=generator())[: model.num_codes]])
    return model


@pytest.mark.parametrize(("channels", "side"), [((8,), 8), ((6, 8), 4), ((4, 6, 8), 2)])
def test_each_width_halves_the_picture_once(channels, side):
    """64 pixels and two widths make 16 x 16 indices, with three 8 x 8; here 16 pixels."""
    model = small(channels=channels)
    x = pictures()
    indices = model.encode(x)
    assert indices.shape == (2, side, side) and indices.dtype == torch.int64
    assert model.decode(indices).shape == x.shape == model(x).x_hat.shape


def test_the_indices_are_all_that_the_decoder_gets():
    """Encoding to integers and decoding them is the whole model, up to the rounding of the copied gradient."""
    x = pictures(dtype=torch.float64)
    model = with_codes_in_the_cloud(small().double(), x).eval()
    output = model(x)
    assert len(model.encode(x).unique()) > 2
    torch.testing.assert_close(model.decode(model.encode(x)), output.x_hat)
    assert torch.equal(output.quantized[0].indices, model.encode(x))


def test_a_code_decides_about_the_pixels_around_its_place_only():
    """No normalisation in the decoder: swapping one code changes nothing further away than its convolutions reach."""
    model = with_codes_in_the_cloud(small(channels=(6, 8)), pictures(size=64))
    indices = torch.zeros(1, 16, 16, dtype=torch.int64)
    other = indices.clone()
    other[0, 8, 8] = 3
    with torch.no_grad():
        changed = (model.decode(other) != model.decode(indices)).any(1)[0]
    rows = changed.any(1).nonzero().flatten()
    assert changed.any()
    assert rows.min() >= 4 * (8 - 3) and rows.max() < 4 * (8 + 4)  # two 3 x 3 convolutions and two transposed ones


def test_the_loss_is_the_sum_of_its_three_terms():
    """Error as a share of the variance, codebook, and a quarter of the commitment."""
    x = pictures(dtype=torch.float64)
    model = with_codes_in_the_cloud(small(update="loss").double(), x)
    z_e = model.encoder(x)
    z_q = model.quantizer.embed(model.encode(x))
    error = F.mse_loss(model.decoder(z_q), x) / 0.37
    expected = error + 1.25 * F.mse_loss(z_e, z_q)
    torch.testing.assert_close(vqvae.vq_loss(model, x), expected)
    torch.testing.assert_close(vqvae.vq_loss(model, x, commitment_weight=2.0), error + 3 * F.mse_loss(z_e, z_q))
    terms = vqvae.vq_terms(model, x)
    torch.testing.assert_close(terms.reconstruction, error)
    with pytest.raises(ValueError, match="commitment_weight must not be negative"):
        vqvae.vq_loss(model, x, commitment_weight=-1.0)


def test_every_part_learns_from_its_term():
    """Reconstruction: decoder and encoder, not the codebook; the other two terms move one side each."""
    x = pictures()
    model = with_codes_in_the_cloud(small(update="loss"), x)
    parts = {"encoder": model.encoder, "quantizer": model.quantizer, "decoder": model.decoder}
    reached = {}
    for name, term in vqvae.vq_terms(model, x)._asdict().items():
        grads = {}
        for part, module in parts.items():
            found = torch.autograd.grad(term, list(module.parameters()), retain_graph=True, allow_unused=True)
            grads[part] = any(g is not None and g.abs().sum() > 0 for g in found)
        reached[name] = {part for part, has in grads.items() if has}
    assert reached == {"reconstruction": {"encoder", "decoder"}, "codebook": {"quantizer"}, "commitment": {"encoder"}}


@pytest.mark.parametrize("kind", [vqvae.VQVAE, vqvae.VQVAE2])
@pytest.mark.parametrize("update", vqvae.QUANTIZERS)
def test_a_training_step_works_in_both_precisions(kind, update):
    """Losses are float32 and finite; the same step with the same seed gives the same codebook."""
    for precision in ("fp32", "bf16"):
        books = []
        for _ in range(2):
            model = small(kind, update=update)
            losses = [r.loss for r in fit(model, vqvae.vq_loss, lambda step: pictures(4), 2, precision=precision)]
            assert all(math.isfinite(loss) for loss in losses)
            books.append([value for key, value in model.state_dict().items() if "codebook" in key])
        assert all(torch.equal(a, b) for a, b in zip(*books, strict=True))


def test_a_handful_of_pictures_is_learned_by_heart():
    """Four flat colours and four codes at least: the error falls to a small share of the variance."""
    colours = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]])[:, :, None, None].expand(4, 3, 16, 16)
    model = small(channels=(16, 16))
    model.quantizer.decay = 0.8  # few steps: the running mean must be quick
    for _ in fit(model, vqvae.vq_loss, lambda step: colours, 200, lr=5e-3, precision="fp32"):
        pass
    model.eval()
    assert vqvae.vq_terms(model, colours).reconstruction < 0.05
    assert len(model.encode(colours).unique()) >= 4


def test_an_unknown_update_rule_and_missing_widths_are_refused():
    """The message lists what there is."""
    with pytest.raises(ValueError, match="loss, ema, ema_restart"):
        small(update="adam")
    with pytest.raises(ValueError, match="at least one width"):
        small(channels=())


# ---- two grids


def test_two_grids_have_their_sizes_and_both_reach_the_picture():
    """16 pixels, two halvings: a bottom of 4 x 4 and a top of 2 x 2; changing either changes the picture."""
    model, x = small(vqvae.VQVAE2).eval(), pictures()
    for name in ("top", "bottom"):
        torch.nn.init.normal_(getattr(model, f"quantizer_{name}").codebook)
    top, bottom = model.encode(x)
    assert top.shape == (2, 2, 2) and bottom.shape == (2, 4, 4)
    x_hat = model.decode(top, bottom)
    assert x_hat.shape == x.shape
    assert (model.decode((top + 1) % 8, bottom) != x_hat).any() and (model.decode(top, (bottom + 1) % 8) != x_hat).any()
    with pytest.raises(ValueError, match="twice as high and wide"):
        model.decode(top, top)


def with_two_codebooks_in_the_cloud(model, x):
    """The same for two grids: first the top, then the bottom given the top."""
    with torch.no_grad():
        features = model.encoder_bottom(x)
        outputs = {"top": model.encoder_top(features)}
        for name in ("top", "bottom"):
            quantizer = getattr(model, f"quantizer_{name}")
            vectors = outputs[name].movedim(1, -1).flatten(0, 2)
            quantizer.codebook.copy_(vectors[:: len(vectors) // model.num_codes][: model.num_codes])
            outputs["bottom"] = model._bottom(features, model.quantizer_top.eval()(outputs["top"]).z_q)
    return model


def test_forward_and_encode_agree_for_two_grids_and_losses_add_up():
    """The bottom is chosen given the quantised top, in training as in encoding."""
    x = pictures(dtype=torch.float64)
    model = with_two_codebooks_in_the_cloud(small(vqvae.VQVAE2).double().eval(), x)
    output = model(x)
    for grid, indices in zip(output.quantized, model.encode(x), strict=True):
        assert torch.equal(grid.indices, indices) and not torch.equal(*indices)
    torch.testing.assert_close(model.decode(*model.encode(x)), output.x_hat)
    terms = vqvae.vq_terms(model, x)
    torch.testing.assert_close(terms.commitment, sum(grid.commitment_loss for grid in output.quantized))


def test_the_first_encoder_learns_from_both_grids():
    """What goes back from the top's codes alone, and from the bottom's, reaches the shared encoder."""
    x = pictures(dtype=torch.float64)
    model = with_two_codebooks_in_the_cloud(small(vqvae.VQVAE2).double().eval(), x)
    for grid in model(x).quantized:
        (gradient,) = torch.autograd.grad(grid.z_q.pow(2).sum(), model.encoder_bottom[0].weight, retain_graph=True)
        assert gradient.abs().max() > 0


# ---- the bound


def test_the_cost_of_a_grid_of_codes():
    """128 x 128 x 3 bytes against 32 x 32 indices of 9 bits: 42.7 times fewer bits, as the paper says of its models."""
    bits = vqvae.code_nats(32 * 32, math.log2(512)) / math.log(2)
    assert bits == pytest.approx(9216) and 128 * 128 * 3 * 8 / bits == pytest.approx(42.67, abs=0.01)
    with pytest.raises(ValueError, match="must not be negative"):
        vqvae.code_nats(-1, 3.0)


def test_the_negative_bound_is_a_gaussian_log_likelihood_plus_the_code():
    """Against torch.distributions for one small picture."""
    x, x_hat = pictures(1, 4, torch.float64), pictures(1, 4, torch.float64).flip(0) * 0.5
    log_p = torch.distributions.Normal(x_hat, 0.3).log_prob(x).sum().item()
    error = (x - x_hat).square().sum().item()
    assert vqvae.negative_bound(error, 48, 0.3, 5.0) == pytest.approx(5 - log_p)
    with pytest.raises(ValueError, match="pixel_std"):
        vqvae.negative_bound(error, 48, 0.0, 5.0)


def test_the_kl_of_a_sure_posterior_is_log_k_at_every_place():
    """All weight on one index: the KL to the uniform prior is h·w·log K; for uniform logits it is zero."""
    sure = 200 * F.one_hot(torch.randint(7, (2, 3, 4), generator=generator()), 7).double()
    torch.testing.assert_close(vqvae.kl_to_uniform(sure), torch.full((2,), 12 * math.log(7), dtype=torch.float64))
    assert vqvae.code_nats(12, math.log2(7)) == pytest.approx(12 * math.log(7))
    assert vqvae.kl_to_uniform(torch.ones(1, 2, 2, 5)).abs().max() < 1e-6


# ---- the Gumbel relaxation


def test_gumbel_noise_has_its_mean_and_variance():
    """Euler's constant 0.5772 and pi²/6, within four standard errors."""
    noise = vqvae.gumbel_noise(torch.zeros(100_000, dtype=torch.float64), generator())
    assert noise.isfinite().all()
    assert abs(noise.mean().item() - 0.5772) < 4 * (math.pi**2 / 6 / 1e5) ** 0.5
    assert abs(noise.var().item() - math.pi**2 / 6) < 0.04


def test_the_largest_of_logits_plus_noise_is_a_categorical_draw():
    """The Gumbel-max trick: frequencies equal the softmax, whatever the temperature."""
    logits = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64).expand(60_000, 3)
    for temperature in (0.1, 5.0):
        drawn = vqvae.gumbel_softmax(logits, temperature, generator()).argmax(-1)
        torch.testing.assert_close(
            torch.bincount(drawn, minlength=3) / 60_000, logits[0].softmax(0).float(), rtol=0, atol=0.01
        )


def test_a_low_temperature_is_nearly_one_hot_and_gradients_pass_at_any():
    """Weights add up to 1; argmax has no gradient, the relaxation has."""
    logits = torch.randn(50, 6, generator=generator(), dtype=torch.float64, requires_grad=True)
    noise = vqvae.gumbel_noise(logits.detach(), generator())
    sharp, soft = (vqvae.gumbel_softmax(logits, tau, noise=noise) for tau in (0.01, 2.0))
    torch.testing.assert_close(sharp.sum(-1), torch.ones(50, dtype=torch.float64))
    assert sharp.max(-1).values.mean() > 0.97 > 0.7 > soft.max(-1).values.mean()
    assert torch.autograd.grad(soft.square().sum(), logits)[0].abs().max() > 0
    with pytest.raises(ValueError, match="temperature must be positive"):
        vqvae.gumbel_softmax(logits, 0.0)


def test_the_gumbel_model_codes_decodes_and_its_loss_is_its_two_terms():
    """As for the VAE of chapter 2, with another posterior; kl_weight scales the second term."""
    model, x = small(vqvae.GumbelVAE).double(), pictures(dtype=torch.float64)
    assert model.encode(x).shape == (2, 4, 4) and model.decode(model.encode(x)).shape == x.shape
    x_hat, logits = model(x, generator(), 0.7)
    error = (x_hat - x).square().flatten(1).sum(1) / (2 * 0.2**2)
    for weight in (0.0, 1.0, 6.6):
        loss = vqvae.gumbel_loss(model, x, generator(), temperature=0.7, kl_weight=weight)
        torch.testing.assert_close(loss, (error + weight * vqvae.kl_to_uniform(logits)).mean())
    with pytest.raises(ValueError, match="kl_weight not negative"):
        vqvae.gumbel_loss(model, x, kl_weight=-1.0)
