"""VQ-VAE against independent implementations: plain loops and torch.nn.functional, and vector-quantize-pytorch."""

import math

import pytest
import torch
import torch.nn.functional as F
from vector_quantize_pytorch import VectorQuantize

import lib.vqvae as vqvae

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def vectors(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# ---- written out without the library's functions


def plain_quantise(z_e, codebook):
    """Loops over places; distances one by one; returns codes, indices, and the mean squared distance."""
    z_q, indices, total = torch.zeros_like(z_e), torch.zeros(z_e.shape[0], *z_e.shape[2:], dtype=torch.int64), 0.0
    for b in range(z_e.shape[0]):
        for i in range(z_e.shape[2]):
            for j in range(z_e.shape[3]):
                distances = [((z_e[b, :, i, j] - code) ** 2).sum().item() for code in codebook]
                best = distances.index(min(distances))
                z_q[b, :, i, j], indices[b, i, j] = codebook[best], best
                total += distances[best]
    return z_q, indices, total / z_e.numel()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", vqvae.QUANTIZERS.values())
def test_codes_and_losses_equal_plain_loops(kind, dtype):
    """Every rule looks codes up alike; both losses are the mean squared distance to the chosen code."""
    quantizer = kind(9, 4).to(dtype).eval()
    with torch.no_grad():
        quantizer.codebook.copy_(vectors(9, 4, seed=1))
    z_e = vectors(2, 4, 3, 5, dtype=dtype)
    z_q, indices, distance = plain_quantise(z_e, quantizer.codebook.detach())
    quantized = quantizer(z_e)
    assert torch.equal(quantized.indices, indices)
    assert (quantized.z_q - z_q).abs().max() <= TOLERANCE[dtype]
    for loss in (quantized.codebook_loss, quantized.commitment_loss):
        assert abs(loss.item() - distance) <= TOLERANCE[dtype]


def functional_forward(weights, x, num_halvings, num_blocks):
    """The network without modules: weights in their order of use; the gradient of z_q is copied by hand."""
    values = iter(weights.items())
    take = lambda: (next(values)[1], next(values)[1])  # noqa: E731

    def block(x):
        kernel, bias = take()
        hidden = F.conv2d(x.clamp(min=0), kernel, bias, padding=1)
        kernel, bias = take()
        return x + F.conv2d(hidden.clamp(min=0), kernel, bias)

    for _ in range(num_halvings):
        kernel, bias = take()
        x = F.conv2d(x, kernel, bias, stride=2, padding=1).clamp(min=0)
    kernel, bias = take()
    x = F.conv2d(x, kernel, bias, padding=1)
    for _ in range(num_blocks):
        x = block(x)
    kernel, bias = take()
    z_e = F.conv2d(x.clamp(min=0), kernel, bias)
    codebook = next(values)[1]
    _, indices, _ = plain_quantise(z_e.detach(), codebook.detach())
    z_q = codebook[indices].permute(0, 3, 1, 2)
    x = z_q.detach() + z_e - z_e.detach()
    kernel, bias = take()
    x = F.conv2d(x, kernel, bias, padding=1)
    for _ in range(num_blocks):
        x = block(x)
    for _ in range(num_halvings):
        kernel, bias = take()
        x = F.conv_transpose2d(x.clamp(min=0), kernel, bias, stride=2, padding=1)
    return torch.tanh(x), z_e, z_q


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("channels", "num_blocks"), [((6,), 2), ((4, 6), 1)])
def test_forward_loss_and_gradients_equal_a_network_without_modules(dtype, channels, num_blocks):
    """Same weights, same pictures: picture, loss, and the gradient of every weight and code agree."""
    torch.manual_seed(0)
    model = vqvae.VQVAE(7, 3, channels, num_blocks=num_blocks, hidden=4, update="loss").to(dtype)
    with torch.no_grad():
        model.quantizer.codebook.copy_(0.3 * vectors(7, 3, seed=2))
    weights = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    x = torch.rand(2, 3, 8, 8, dtype=dtype, generator=torch.Generator().manual_seed(1)) * 2 - 1

    x_hat, z_e, z_q = functional_forward(weights, x, len(channels), num_blocks)
    assert (model(x).x_hat - x_hat).abs().max() <= TOLERANCE[dtype]
    distance_to_codes = ((z_e.detach() - z_q) ** 2).mean() + 0.25 * ((z_e - z_q.detach()) ** 2).mean()
    theirs = ((x - x_hat) ** 2).mean() / 0.37 + distance_to_codes
    ours = vqvae.vq_loss(model, x)
    assert abs(ours.item() - theirs.item()) <= TOLERANCE[dtype]
    ours.backward()
    theirs.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad - weights[name].grad).abs().max() <= TOLERANCE[dtype], name


def test_the_running_mean_equals_the_recursion_of_the_paper_with_counts():
    """N_k, m_k and m_k / N_k as in appendix A.1, in counts; with batches of one size they differ from shares by a
    factor.
    """
    size, decay, tiny = 24, 0.9, 1e-6
    quantizer = vqvae.EMAQuantizer(5, 3, decay=decay, tiny=tiny / size).double()
    codebook = quantizer.codebook.clone()
    quantizer.share.fill_(0.2)
    quantizer.total.copy_(codebook / 5)
    counts, sums = torch.full((5,), size / 5, dtype=torch.float64), codebook * size / 5
    for step in range(6):
        z_e = vectors(2, 3, 3, 4, seed=step)
        _, indices, _ = plain_quantise(z_e, codebook)
        rows, chosen = z_e.permute(0, 2, 3, 1).reshape(-1, 3), indices.flatten()
        for k in range(5):
            counts[k] = decay * counts[k] + (1 - decay) * (chosen == k).double().sum()
            sums[k] = decay * sums[k] + (1 - decay) * rows[chosen == k].sum(0)
        full = counts.sum()
        codebook = sums / ((counts + tiny) / (full + 5 * tiny) * full)[:, None]
        assert torch.equal(quantizer(z_e).indices, indices)
        torch.testing.assert_close(quantizer.codebook, codebook, rtol=1e-10, atol=1e-12)


# ---- the transformer and the relaxation against torch's own


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_block_of_the_prior_equals_torchs_encoder_layer_with_a_causal_mask(dtype):
    """torch.nn.TransformerEncoderLayer with norm_first, the same weights and a mask over what comes later."""
    torch.manual_seed(0)
    block = vqvae.prior.Block(12, 3, dropout=0.0).to(dtype).eval()
    layer = torch.nn.TransformerEncoderLayer(
        12, 3, 48, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=dtype
    ).eval()
    pairs = [
        (layer.self_attn.in_proj_weight, block.attention.qkv.weight),
        (layer.self_attn.in_proj_bias, block.attention.qkv.bias),
    ]
    modules = (layer.self_attn.out_proj, layer.linear1, layer.linear2, layer.norm1, layer.norm2)
    ours = (block.attention.out, block.mlp[0], block.mlp[2], block.norm_attention, block.norm_mlp)
    for theirs, mine in zip(modules, ours, strict=True):
        pairs += [(theirs.weight, mine.weight), (theirs.bias, mine.bias)]
    with torch.no_grad():
        for target, source in pairs:
            source.add_(0.1 * torch.randn_like(source))
            target.copy_(source)
    x = vectors(2, 7, 12, dtype=dtype)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(7, dtype=dtype)
    assert (block(x)[0] - layer(x, src_mask=mask, is_causal=True)).abs().max() <= TOLERANCE[dtype]


def test_the_relaxation_equals_torchs_relaxed_one_hot_categorical_and_gumbel_softmax():
    """Same noise by the same seed for torch.nn.functional.gumbel_softmax; the divergence by torch.distributions."""
    logits = vectors(4, 3, 2, 6)
    torch.manual_seed(5)
    theirs = F.gumbel_softmax(logits, tau=0.7)
    torch.manual_seed(5)
    noise = -torch.empty_like(logits).exponential_().log()
    assert (vqvae.gumbel_softmax(logits, 0.7, noise=noise) - theirs).abs().max() <= 1e-12
    posterior = torch.distributions.Categorical(logits=logits)
    uniform = torch.distributions.Categorical(logits=torch.zeros_like(logits))
    divergence = torch.distributions.kl_divergence(posterior, uniform).sum((1, 2))
    assert (vqvae.kl_to_uniform(logits) - divergence).abs().max() <= 1e-12
    counts = torch.tensor([3, 0, 5, 1])
    entropy = torch.distributions.Categorical(counts / counts.sum()).entropy().item()
    assert vqvae.entropy_bits(counts) == pytest.approx(entropy / math.log(2), rel=1e-6)


# ---- vector-quantize-pytorch


def published(**changes):
    """The quantiser of vector-quantize-pytorch with the plain straight-through estimator."""
    settings = {"dim": 6, "codebook_size": 11, "accept_image_fmap": True, "rotation_trick": False}
    return VectorQuantize(**{**settings, "commitment_weight": 0.25, "decay": 0.9, "eps": 1e-5, **changes})


def test_codes_loss_and_gradient_equal_the_published_package():
    """After copying the codebook: the same codes, the same commitment term, the same gradient for the encoder."""
    theirs, ours = published().train(), vqvae.EMAQuantizer(11, 6, decay=0.9).train()
    codebook = vectors(11, 6, seed=1, dtype=torch.float32)
    theirs._codebook.embed.copy_(codebook[None])
    ours.codebook.copy_(codebook)
    upstream = vectors(2, 6, 4, 5, seed=2, dtype=torch.float32)
    z_e = vectors(2, 6, 4, 5, dtype=torch.float32).requires_grad_()
    their_z_q, their_indices, their_loss = theirs(z_e)
    their_grad = torch.autograd.grad((their_z_q * upstream).sum() + their_loss.sum(), z_e)[0]
    quantized = ours(z_e)
    loss = 0.25 * quantized.commitment_loss
    grad = torch.autograd.grad((quantized.z_q * upstream).sum() + loss, z_e)[0]
    assert torch.equal(quantized.indices, their_indices)
    assert (quantized.z_q - their_z_q).abs().max() <= 1e-5
    assert abs(loss.item() - their_loss.item()) <= 1e-5
    assert (grad - their_grad).abs().max() <= 1e-5


def test_the_running_codebook_equals_the_published_package_over_many_batches():
    """Their counts are our shares times the size of a batch; after ten batches the codebooks are the same."""
    size = 2 * 4 * 5
    theirs, ours = published().train(), vqvae.EMAQuantizer(11, 6, decay=0.9, tiny=1e-5 / size).train()
    codebook = vectors(11, 6, seed=1, dtype=torch.float32)
    theirs._codebook.embed.copy_(codebook[None])
    theirs._codebook.embed_avg.copy_(codebook[None] * size / 11)
    theirs._codebook.cluster_size.fill_(size / 11)
    ours.codebook.copy_(codebook)
    ours.total.copy_(codebook / 11)
    for step in range(10):
        z_e = vectors(2, 6, 4, 5, seed=10 + step, dtype=torch.float32)
        assert torch.equal(ours(z_e).indices, theirs(z_e)[1])
    assert (ours.codebook - theirs._codebook.embed[0]).abs().max() <= 1e-5
    assert (ours.share * size - theirs._codebook.cluster_size[0]).abs().max() <= 1e-4
