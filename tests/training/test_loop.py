from functools import partial

import pytest
import torch
from torch import nn

from lib.training import Record, adamw, constant, fit, has_native_bf16, random_batches
from lib.training.loop import Updater

FLAT = partial(constant, warmup=0.0)
INF = float("inf")


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 1).double()


def squared(model, batch, generator):
    x, y = batch
    return (model(x) - y).square().mean()


def data(rows: int = 8):
    g = torch.Generator().manual_seed(1)
    return torch.randn(rows, 3, generator=g).double(), torch.randn(rows, 1, generator=g).double()


def sgd_fit(model, loss_fn, batches, num_steps, lr=0.1, **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return fit(model, loss_fn, batches, num_steps, optimizer=optimizer, schedule=FLAT, precision="fp32", **options)


def test_an_update_is_one_step_against_the_gradient():
    """w becomes w - lr * 2/N X^T (X w + b - y), written out by hand."""
    model, (x, y) = linear(), data()
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    residual = x @ weight.T + bias - y
    (record,) = sgd_fit(model, squared, [(x, y)], 1, max_grad_norm=INF)
    torch.testing.assert_close(model.weight.detach(), weight - 0.1 * 2 / 8 * residual.T @ x)
    torch.testing.assert_close(model.bias.detach(), bias - 0.1 * 2 * residual.mean(0))
    assert record.step == 1 and record.lr == 0.1
    assert record.loss == pytest.approx(residual.square().mean().item(), rel=1e-6)


def test_a_record_comes_after_its_update():
    """The caller sees the weights that the update made; an EMA in the loop body is then never one step late."""
    model, batch = linear(), data()
    before = model.weight.detach().clone()
    for _ in sgd_fit(model, squared, [batch], 1):
        assert not model.weight.equal(before)


def test_a_long_gradient_is_shortened_to_the_limit():
    """One SGD step then has length lr * max_grad_norm, and the record tells the length before."""
    model, batch = linear(), data()
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    (record,) = sgd_fit(model, lambda m, b, g: 1000 * squared(m, b, g), [batch], 1, max_grad_norm=0.5)
    moved = (nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm().item()
    assert moved == pytest.approx(0.1 * 0.5, rel=1e-4) and record.grad_norm > 100


@pytest.mark.parametrize("num_shards", [2, 4])
def test_shards_leave_the_gradient_of_a_noiseless_loss_as_it_is(num_shards):
    """The mean over equal parts of means is the mean."""
    models = [linear(), linear()]
    for model, shards in zip(models, (1, num_shards), strict=True):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        record = Updater(model, squared, optimizer, 1, FLAT, INF, "fp32", 0, shards)(1, data())
    torch.testing.assert_close(models[0].weight, models[1].weight, rtol=1e-12, atol=1e-12)
    assert record.loss == pytest.approx(squared(linear(), data(), None).item(), rel=1e-6)


def test_every_shard_has_noise_of_its_own():
    """Equal noise in both halves would halve the information of a batch."""
    drawn = []

    def noisy(model, batch, generator):
        drawn.append(torch.randn(4, generator=generator))
        return squared(model, batch, None)

    model = linear()
    update = Updater(model, noisy, torch.optim.SGD(model.parameters(), lr=0.1), 2, FLAT, num_shards=2, precision="fp32")
    update(1, data())
    update(2, data())
    assert len({tuple(noise.tolist()) for noise in drawn}) == 4


def test_noise_of_layers_follows_from_seed_and_step_and_spares_the_caller():
    """Dropout draws from the global generator, which is seeded for each update and then put back."""

    def run(before: int, seed: int) -> list[float]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.5), nn.Linear(16, 1)).double()
        torch.manual_seed(before)
        expected = torch.Generator().manual_seed(before)
        losses = []
        for record in fit(model, squared, [data()], 3, precision="fp32", seed=seed):
            assert torch.rand(1).equal(torch.rand(1, generator=expected))
            losses.append(record.loss)
        return losses

    assert run(before=1, seed=7) == run(before=2, seed=7) != run(before=1, seed=8)


def test_noise_of_layers_is_not_the_noise_of_the_loss():
    """One stream of numbers for both would couple, say, a dropout mask with the noise of a diffusion loss."""
    drawn = []

    def watch(model, batch, generator):
        drawn.append((torch.rand(4), torch.rand(4, generator=generator)))
        return squared(model, batch, None)

    list(fit(linear(), watch, [data()], 2, precision="fp32"))
    assert not any(ours.equal(theirs) for ours, theirs in drawn) and not drawn[0][0].equal(drawn[1][0])


@pytest.mark.parametrize("broken", [float("nan"), INF])
def test_a_loss_that_is_not_finite_stops_training_and_names_the_step(broken):
    """The weights stay those of the last good step, so they can be looked at."""
    model, kept = linear(), None

    def breaks(model, batch, generator):
        breaks.step += 1
        return squared(model, batch, None) * (broken if breaks.step == 3 else 1)

    breaks.step = 0
    with pytest.raises(FloatingPointError, match="step 3: the loss is (nan|inf)"):
        for record in sgd_fit(model, breaks, [data()], 5):
            kept = model.weight.detach().clone()
            assert record.step < 3
    assert model.weight.equal(kept)


def test_a_gradient_that_is_not_finite_stops_training_too():
    """The square root of 0 has a finite value and an infinite slope."""

    def root(model, batch, generator):
        return (model.weight * 0).abs().sqrt().sum()

    with pytest.raises(FloatingPointError, match="step 1: the loss is 0 and the gradient norm nan"):
        list(sgd_fit(linear(), root, [data()], 2))


def test_batches_are_taken_from_a_function_of_the_step_or_in_turn():
    """A list is begun again at its end; a function is asked for steps 1, 2, …"""
    seen = []

    def watch(model, batch, generator):
        seen.append(batch)
        return squared(model, data(), None)

    list(fit(linear(), watch, ["a", "b"], 5, precision="fp32"))
    list(fit(linear(), watch, lambda step: step, 3, precision="fp32"))
    assert seen == ["a", "b", "a", "b", "a", 1, 2, 3]


@pytest.mark.parametrize(
    "batches, said", [((b for b in [data()]), "ran dry before step 2"), (data()[0], "random_batches")]
)
def test_batches_that_cannot_work_are_refused(batches, said):
    """A used-up generator, and the classic slip of passing the data themselves, whose rows would become batches."""
    with pytest.raises(ValueError, match=said):
        list(fit(linear(), squared, batches, 2, precision="fp32"))


def test_a_loss_of_several_numbers_is_refused():
    """The gradient of a vector is not defined; the mean was forgotten."""
    with pytest.raises(ValueError, match=r"one number, got a tensor of shape \(8, 1\)"):
        list(fit(linear(), lambda m, b, g: (m(b[0]) - b[1]).square(), [data()], 1, precision="fp32"))


@pytest.mark.parametrize("precision, expected", [("fp32", torch.float32), ("bf16", torch.bfloat16), ("auto", None)])
def test_layers_compute_in_the_asked_precision_and_weights_stay_float32(precision, expected):
    """Autocast rounds the inputs of matrix products only; "auto" follows the processor."""
    expected = expected or (torch.bfloat16 if has_native_bf16() else torch.float32)
    model = nn.Linear(3, 1)
    types = []

    def watch(model, batch, generator):
        y = model(batch)
        types.append(y.dtype)
        return y.float().square().mean()

    list(fit(model, watch, [torch.randn(4, 3)], 1, precision=precision))
    assert types == [expected] and model.weight.dtype == torch.float32


def test_an_unknown_precision_is_refused():
    """A typing slip must not mean float32 in silence."""
    with pytest.raises(ValueError, match="got 'fp16'"):
        list(fit(linear(), squared, [data()], 1, precision="fp16"))


def test_a_line_is_learned_to_the_last_digit():
    """Smoke test of defaults: targets made by a linear map are fitted until almost nothing is left."""
    x, _ = data(64)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]).double() + 3
    records = list(fit(linear(), squared, random_batches((x, y), 16), 400, lr=0.1, precision="fp32"))
    assert records[-1].loss < 1e-4 * records[0].loss and isinstance(records[0], Record)


def test_adamw_does_not_decay_weights_unless_asked():
    """With a zero gradient the default leaves a weight alone."""
    weight = nn.Parameter(torch.ones(3))
    for options, expected in (({}, 1.0), ({"weight_decay": 0.5}, 0.95)):
        weight.data.fill_(1)
        weight.grad = torch.zeros(3)
        adamw([weight], 0.1, **options).step()
        assert weight.tolist() == pytest.approx([expected] * 3)
