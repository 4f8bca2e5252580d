"""The nearest code, the copied gradient, three ways in which a codebook learns, and how its use is counted."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lib.vqvae as vqvae
from lib.vqvae.quantizer import smoothed

KINDS = vqvae.QUANTIZERS.values()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


# ---- the nearest code


@given(num=st.integers(1, 20), num_codes=st.integers(1, 12), dim=st.integers(1, 5), seed=st.integers(0, 1000))
def test_the_nearest_code_equals_brute_force(num, num_codes, dim, seed):
    """All distances, one after another."""
    z, codebook = normal(num, dim, seed=seed), normal(num_codes, dim, seed=seed + 1)
    distances = (z[:, None] - codebook).square().sum(-1)
    assert vqvae.nearest_code(z, codebook).tolist() == distances.argmin(1).tolist()


@pytest.mark.parametrize("num_codes", [2, 7, 16, 33, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_of_equal_distances_the_lowest_index_wins(num_codes, dtype):
    """A code that stands in the book twice is found at its first place; halfway between two codes the first wins."""
    codebook = normal(num_codes, 8, dtype=dtype)
    twice = torch.cat([codebook, codebook])
    z = normal(50, 8, seed=1, dtype=dtype)
    assert (vqvae.nearest_code(z, twice) < num_codes).all()
    square = torch.tensor([[1, 1], [1, -1], [-1, -1], [-1, 1]], dtype=dtype)
    z = torch.tensor([[0, 0], [0, -1], [-1, 0], [1, 0]], dtype=dtype)
    assert vqvae.nearest_code(z, square).tolist() == [0, 1, 2, 0]


def test_long_codes_win_by_distance_not_by_similarity():
    """A longer code in the same direction has the larger dot product and may still be further away."""
    codebook = torch.tensor([[1.0, 0.0], [10.0, 0.0]])
    assert vqvae.nearest_code(torch.tensor([[2.0, 0.0]]), codebook).tolist() == [0]


def test_codes_are_chosen_in_float32_under_bfloat16_autocast():
    """Distances in bfloat16 have three figures; codes that differ in the fourth would be confused."""
    z, codebook = (3 + 0.3 * normal(num, 4, seed=num, dtype=torch.float32) for num in (200, 32))
    exact = vqvae.nearest_code(z, codebook)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(vqvae.nearest_code(z, codebook), exact)
        in_bfloat16 = (codebook.square().sum(1) - 2 * z @ codebook.T).argmin(1)
    assert (in_bfloat16 != exact).float().mean() > 0.1


def test_vectors_and_codes_must_have_the_same_length():
    """The message names the argument and both lengths."""
    for codebook in (torch.zeros(3, 5), torch.zeros(0, 4)):
        with pytest.raises(ValueError, match="as long as the vectors, 4 numbers"):
            vqvae.nearest_code(torch.zeros(2, 4), codebook)


# ---- the copied gradient


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other():
    """z_e + (z_q − z_e): the bracket is a constant, so dL/dz_e = dL/dz_q, and z_q itself gets none."""
    z_e, z_q = (normal(3, 4, seed=seed).requires_grad_() for seed in (0, 1))
    out = vqvae.straight_through(z_e, z_q)
    torch.testing.assert_close(out, z_q, rtol=0, atol=1e-15)
    upstream = normal(3, 4, seed=2)
    to_e, to_q = torch.autograd.grad(out, (z_e, z_q), upstream, allow_unused=True)
    assert torch.equal(to_e, upstream) and to_q is None
    with pytest.raises(ValueError, match="same shape"):
        vqvae.straight_through(z_e, z_q[:1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_gets_the_gradient_that_arrives_at_the_decoder(kind):
    """Through the whole quantiser, for every update rule; the loss is nonlinear, so the value must be that of z_q."""
    quantizer = kind(5, 3).double()
    z_e = normal(2, 3, 4, 4).requires_grad_()
    quantized = quantizer.eval()(z_e)
    loss = quantized.z_q.pow(3).sum()
    torch.testing.assert_close(torch.autograd.grad(loss, z_e)[0], 3 * quantized.z_q.detach() ** 2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_leaves_is_the_vector_of_the_index(kind):
    """One integer at each place, and the vector at that place is the codebook's row of that number."""
    quantizer = kind(7, 3).double().eval()
    z_e = normal(2, 3, 4, 5)
    quantized = quantizer(z_e)
    assert quantized.indices.shape == (2, 4, 5) and quantized.z_q.shape == (2, 3, 4, 5)
    for b, i, j in ((0, 0, 0), (1, 3, 4), (0, 2, 1)):
        own = quantizer.codebook[quantized.indices[b, i, j]]
        torch.testing.assert_close(quantized.z_q[b, :, i, j], own)
        assert (z_e[b, :, i, j] - quantizer.codebook).norm(dim=1).argmin() == quantized.indices[b, i, j]
    assert torch.equal(quantizer.embed(quantized.indices), quantizer.embed(quantizer.indices(z_e)))


def test_each_loss_moves_its_own_side():
    """Same value, two stop-gradients: the codebook loss has no gradient for z_e, the commitment loss none for e."""
    quantizer = vqvae.VectorQuantizer(4, 3).double()
    z_e = normal(2, 3, 2, 2).requires_grad_()
    quantized = quantizer(z_e)
    assert (
        quantized.codebook_loss.item() == pytest.approx(quantized.commitment_loss.item())
        and quantized.codebook_loss > 0
    )
    book = torch.autograd.grad(quantized.codebook_loss, (z_e, quantizer.codebook), allow_unused=True, retain_graph=True)
    commit = torch.autograd.grad(quantized.commitment_loss, (z_e, quantizer.codebook), allow_unused=True)
    assert book[0] is None and book[1].abs().sum() > 0
    assert commit[1] is None and commit[0].abs().sum() > 0
    expected = 2 * (z_e - quantizer.embed(quantized.indices)) / z_e.numel()
    torch.testing.assert_close(commit[0], expected.detach())


# ---- running means


def train_once(quantizer, vectors, seed=0):
    """One training step on rows of vectors; returns the indices chosen before it."""
    return quantizer.train()(vectors.T[None, :, :, None], generator(seed)).indices.flatten()


def test_without_memory_a_running_mean_is_one_step_of_k_means():
    """Decay 0: each chosen code becomes the mean of its vectors."""
    quantizer = vqvae.EMAQuantizer(3, 2, decay=0.0, tiny=1e-300).double()
    quantizer.codebook.copy_(torch.tensor([[1.0, 0], [-1, 0], [0, 5]]))
    vectors = normal(50, 2) - torch.tensor([0.0, 3])
    chosen = train_once(quantizer, vectors)
    for k in chosen.unique():
        torch.testing.assert_close(quantizer.codebook[k], vectors[chosen == k].mean(0))


def test_the_running_mean_follows_its_recursion():
    """Shares and totals keep `decay` of themselves; the code is total over share, whatever the size of the batch."""
    quantizer = vqvae.EMAQuantizer(4, 3, decay=0.9).double()
    share, total = quantizer.share.clone(), quantizer.total.clone()
    for step, size in enumerate((7, 40, 13)):
        vectors = normal(size, 3, seed=step)
        chosen = train_once(quantizer, vectors)
        hot = torch.nn.functional.one_hot(chosen, 4).double()
        share = 0.9 * share + 0.1 * hot.mean(0)
        total = 0.9 * total + 0.1 * hot.T @ vectors / size
        torch.testing.assert_close(quantizer.share, share)
        torch.testing.assert_close(quantizer.codebook, total / smoothed(share, quantizer.tiny)[:, None])
    assert quantizer.share.sum().item() == pytest.approx(1)


def test_a_code_that_nobody_chooses_stays_and_then_fades_to_zero():
    """Total and share fade alike, so their ratio stays, until the share is smaller than what smoothing adds to it."""
    quantizer = vqvae.EMAQuantizer(2, 2, decay=0.5, tiny=1e-6).double()
    quantizer.codebook.copy_(torch.tensor([[0.0, 0], [50, 0]]))
    quantizer.total.copy_(quantizer.codebook / 2)
    norms = []
    for step in range(40):
        train_once(quantizer, normal(20, 2, seed=step) / 1000)
        norms.append(quantizer.codebook[1].norm().item())
    assert norms[5] == pytest.approx(50, rel=1e-3) and norms[-1] < 0.01


@pytest.mark.parametrize("kind", [vqvae.EMAQuantizer, vqvae.RestartQuantizer])
def test_a_running_codebook_stands_still_in_evaluation_and_has_no_weights(kind):
    """What is measured must not change by measuring; and no optimiser may move it."""
    quantizer = kind(4, 3).double()
    before = quantizer.codebook.clone()
    quantizer.eval()(normal(2, 3, 4, 4))
    assert torch.equal(quantizer.codebook, before) and not list(quantizer.parameters())
    quantizer.train()(normal(2, 3, 4, 4))
    assert not torch.equal(quantizer.codebook, before)


def test_smoothing_keeps_the_sum_and_lifts_zero():
    """(p + tiny) / (1 + K tiny), times the old sum; a large tiny makes all equal."""
    share = torch.tensor([0.75, 0.25, 0.0], dtype=torch.float64)
    assert smoothed(share, 1e-3).sum().item() == pytest.approx(1)
    assert smoothed(share, 1e-3)[2].item() == pytest.approx(1e-3 / 1.003)
    torch.testing.assert_close(smoothed(2 * share, 1e9), torch.full_like(share, 2 / 3))


def test_a_dead_code_starts_again_as_a_vector_of_the_batch():
    """Codes far away are never chosen; with restarts they move among the vectors, without they stay dead."""
    results = {}
    for kind in (vqvae.EMAQuantizer, vqvae.RestartQuantizer):
        quantizer = kind(8, 2, decay=0.5).double()
        quantizer.codebook[1:] += 100
        quantizer.total.copy_(quantizer.codebook / 8)
        for step in range(20):
            chosen = train_once(quantizer, normal(200, 2, seed=step), seed=step)
        results[kind] = len(chosen.unique())
    assert results == {vqvae.EMAQuantizer: 1, vqvae.RestartQuantizer: 8}


def test_the_first_batch_places_all_codes_where_restarts_are_on():
    """At birth every code is dead, so after one batch each of them is one of its vectors."""
    quantizer, vectors = vqvae.RestartQuantizer(6, 2).double(), normal(50, 2)
    assert quantizer.dead.all()
    train_once(quantizer, vectors)
    assert (quantizer.codebook[:, None] == vectors).all(-1).any(1).all() and not quantizer.dead.any()


def test_only_dead_codes_start_again_and_the_generator_decides_where():
    """A restarted code equals a vector of the batch and has the share of equal use; living codes are running means."""
    books = []
    for seed in (0, 0, 1):
        quantizer = vqvae.RestartQuantizer(3, 2, decay=0.5).double()
        quantizer.share.copy_(torch.tensor([0.5, 0.5, 0.01]))
        quantizer.codebook.copy_(torch.tensor([[2.0, 0], [-2, 0], [0, 90]]))
        quantizer.total.copy_(quantizer.codebook * quantizer.share[:, None])
        vectors = normal(30, 2)
        train_once(quantizer, vectors, seed=seed)
        assert (quantizer.codebook[2] == vectors).all(1).any()
        assert not (quantizer.codebook[0] == vectors).all(1).any()
        assert quantizer.share[2].item() == pytest.approx(1 / 3) and not quantizer.dead.any()
        torch.testing.assert_close(quantizer.total[2], quantizer.codebook[2] / 3)
        books.append(quantizer.codebook.clone())
    assert torch.equal(books[0], books[1]) and not torch.equal(books[0], books[2])


@pytest.mark.parametrize("kind", KINDS)
def test_under_autocast_codes_losses_and_buffers_stay_float32(kind):
    """The encoder hands over bfloat16; a running mean in bfloat16 would stop moving."""
    quantizer = kind(16, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quantized = quantizer(normal(2, 4, 3, 3).bfloat16(), generator())
    floating = [quantized.z_q, quantized.codebook_loss, quantized.commitment_loss, *quantizer.state_dict().values()]
    assert {value.dtype for value in floating} == {torch.float32}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: vqvae.VectorQuantizer(0, 3), "at least 1"),
        (lambda: vqvae.EMAQuantizer(4, 3, decay=1.0), r"decay must lie in \[0, 1\)"),
        (lambda: vqvae.EMAQuantizer(4, 3, tiny=0.0), "tiny be positive"),
        (lambda: vqvae.RestartQuantizer(4, 3, restart_below=0.0), "restart_below"),
    ],
)
def test_impossible_quantisers_are_refused(make, words):
    """The message says what came."""
    with pytest.raises(ValueError, match=words):
        make()


# ---- counting


@pytest.mark.parametrize("used", [1, 2, 7])
def test_perplexity_of_equal_use_is_the_number_of_codes_in_use(used):
    """The entropy of a uniform distribution over n codes is log2 n, however many codes are never used."""
    counts = torch.cat([torch.full((used,), 5), torch.zeros(3, dtype=torch.int64)])
    assert vqvae.perplexity(counts) == pytest.approx(used)
    assert vqvae.entropy_bits(counts) == pytest.approx(math.log2(used))


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=10).filter(any))
def test_perplexity_lies_between_one_and_the_codes_in_use(counts):
    """Unequal use lowers it; equality holds only for equal use."""
    value, used = vqvae.perplexity(torch.tensor(counts)), sum(count > 0 for count in counts)
    assert 1 - 1e-9 <= value <= used + 1e-9
    entropy = torch.distributions.Categorical(torch.tensor(counts, dtype=torch.float64)).entropy()
    assert value == pytest.approx(entropy.exp().item())


def test_the_perplexity_of_a_batch_is_below_that_of_an_epoch():
    """512 codes in equal use look like about half as many in 300 draws: a batch cannot show them all."""
    indices = torch.randint(512, (100, 300), generator=generator())
    counts = sum(vqvae.count_codes(batch, 512) for batch in indices)
    batch = vqvae.perplexity(vqvae.count_codes(indices[0], 512))
    assert vqvae.perplexity(counts) > 500 and batch < 300
    assert torch.equal(counts, vqvae.count_codes(indices, 512)) and counts.sum() == indices.numel()


def test_counts_and_indices_out_of_range_are_refused():
    """A negative count, nothing counted, an index beyond the book."""
    for counts in (torch.tensor([1, -1]), torch.zeros(4, dtype=torch.int64)):
        with pytest.raises(ValueError, match="counts must not be negative nor all zero"):
            vqvae.perplexity(counts)
    with pytest.raises(ValueError, match=r"0\.\.3, got 0 to 4"):
        vqvae.count_codes(torch.tensor([0, 4]), 4)
