"""The transformer over codes: what it may see, that it is a distribution, and that the cache changes nothing."""

import itertools
import math

import pytest
import torch

import lib.vqvae as vqvae
from lib.training import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prior(num_codes=5, grid=(3, 4), seed=0, **changes) -> vqvae.CodePrior:
    """A small prior that is not uniform: random weights everywhere, the last layer's too."""
    torch.manual_seed(seed)
    model = vqvae.CodePrior(num_codes, grid, **{"width": 16, "depth": 2, "num_heads": 2, **changes}).double().eval()
    for embedding in (model.token, model.row, model.column):
        torch.nn.init.normal_(embedding.weight)
    torch.nn.init.normal_(model.head.weight, std=0.5)
    return model


def test_each_place_sees_only_what_comes_before_it():
    """Changing an index changes the logits after it and none at it or before it."""
    model = prior()
    indices = vqvae.uniform_codes(2, 5, (3, 4), generator())
    logits = model(indices).flatten(1, 2)
    for place in range(12):
        other = indices.clone().flatten(1)
        other[:, place] = (other[:, place] + 1) % 5
        changed = (model(other.reshape(2, 3, 4)).flatten(1, 2) - logits).abs().amax((0, 2)) > 1e-9
        assert changed.tolist() == [i > place for i in range(12)]


def test_each_place_is_told_its_row_and_its_column():
    """Without any block, the logits are those of the index before, the row and the column, and of nothing else."""
    model = prior(depth=0)
    indices = vqvae.uniform_codes(1, 5, (3, 4), generator())
    before = [5, *indices.flatten().tolist()[:-1]]
    for place, index in enumerate(before):
        x = model.token.weight[index] + model.row.weight[place // 4] + model.column.weight[place % 4]
        torch.testing.assert_close(model(indices).flatten(0, 2)[place], model.head(model.norm(x)))


def test_probabilities_of_all_grids_add_up_to_one():
    """Two codes on a 2 x 2 grid: sixteen grids, each the product of its conditionals."""
    model = prior(2, (2, 2))
    grids = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(16, 2, 2)
    log_p = model(grids).log_softmax(-1).gather(-1, grids[..., None]).sum((1, 2, 3))
    assert log_p.exp().sum().item() == pytest.approx(1)
    assert vqvae.prior_loss(model, grids).item() == pytest.approx(-log_p.mean().item() / 4, rel=1e-6)


def test_draws_have_the_probabilities_of_the_model():
    """Frequencies of the sixteen grids among 8,000 draws, within five standard errors."""
    model = prior(2, (2, 2))
    grids = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(16, 2, 2)
    p = model(grids).log_softmax(-1).gather(-1, grids[..., None]).sum((1, 2, 3)).exp().detach()
    assert p.max() > 3 * p.min(), "a uniform model would prove little"
    drawn = vqvae.sample_codes(model, 8000, generator()).flatten(1) @ torch.tensor([8, 4, 2, 1])
    found = torch.bincount(drawn, minlength=16) / 8000
    assert ((found - p).abs() <= 5 * (p * (1 - p) / 8000).sqrt()).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_with_and_without_the_cache_the_same_codes_are_drawn(temperature):
    """The cache keeps what would be computed again; in float64 the same generator draws the same grids."""
    model = prior()
    drawn = [
        vqvae.sample_codes(model, 20, generator(), temperature=temperature, cached=cached) for cached in (True, False)
    ]
    assert torch.equal(*drawn)
    assert drawn[0].shape == (20, 3, 4) and len(drawn[0].unique()) == 5


def test_step_by_step_the_logits_are_those_of_all_places_at_once():
    """The cache's logits against the causal mask's, to the last digits."""
    model = prior()
    indices = vqvae.uniform_codes(3, 5, (3, 4), generator())
    all_at_once = model(indices).flatten(1, 2)
    before, past = torch.full((3, 1), 5), None
    for place in range(12):
        logits, past = model.continue_from(before, place, past)
        torch.testing.assert_close(logits[:, 0], all_at_once[:, place], rtol=1e-10, atol=1e-12)
        before = indices.flatten(1)[:, place : place + 1]
    with pytest.raises(ValueError, match="one token at a time, got 2"):
        model.continue_from(torch.zeros(3, 2, dtype=torch.int64), 3, past)


def test_a_new_prior_is_uniform_and_a_low_temperature_prefers_likely_codes():
    """log K nats before any training; at a low temperature the draws repeat one another."""
    fresh = vqvae.CodePrior(7, (2, 3), width=8, depth=1, num_heads=2).eval()
    indices = vqvae.uniform_codes(4, 7, (2, 3), generator())
    assert vqvae.prior_loss(fresh, indices).item() == pytest.approx(math.log(7))
    kinds = [len(vqvae.sample_codes(prior(), 50, generator(), temperature=tau).unique(dim=0)) for tau in (0.01, 1.0)]
    assert kinds[0] <= 3 < kinds[1]


def test_it_learns_a_rule_between_neighbours():
    """Every index is its left neighbour plus one: only the first of each grid stays unknown."""
    first = torch.arange(4)[:, None]
    grids = ((first + torch.arange(6)) % 4).reshape(4, 2, 3)
    torch.manual_seed(0)
    model = vqvae.CodePrior(4, (2, 3), width=32, depth=1, num_heads=2, dropout=0.0)
    for _ in fit(model, vqvae.prior_loss, lambda step: grids, 120, lr=1e-2, precision="fp32"):
        pass
    assert vqvae.prior_loss(model.eval(), grids).item() < 1.15 * math.log(4) / 6
    drawn = vqvae.sample_codes(model, 50, generator()).flatten(1)
    assert ((drawn.diff(dim=1) % 4) == 1).float().mean() > 0.95


def test_what_does_not_fit_is_refused():
    """Heads, sizes, temperatures, and a model that would drop values while it draws."""
    with pytest.raises(ValueError, match="num_heads must divide width"):
        vqvae.CodePrior(4, width=10, num_heads=4)
    with pytest.raises(ValueError, match=r"grids of \(3, 4\), got \(4, 3\)"):
        prior()(torch.zeros(1, 4, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="temperature must be positive"):
        vqvae.sample_codes(prior(), 1, temperature=0.0)
    with pytest.raises(ValueError, match="eval mode"):
        vqvae.sample_codes(prior().train(), 1)
