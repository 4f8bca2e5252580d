"""Networks that are told a label: what they are at birth, how the label enters, and how parts of labels combine."""

import itertools

import pytest
import torch

from lib.ddpm import UNet, schedules
from lib.guidance import (
    AdaGNBlock,
    ClassPointMLP,
    ClassUNet,
    LabelEmbedding,
    NoisyClassifier,
    cfg_loss,
    classifier_loss,
    modulate,
)
from lib.guidance.model import combine_parts, split_label
from lib.training import fit

SMALL = {"channels": 8, "multipliers": (1, 2), "attention_resolutions": (), "size": 16, "num_heads": 2}
ALPHA_BAR = schedules.cosine(50)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(num_classes=5, **changes) -> ClassUNet:
    torch.manual_seed(0)
    return ClassUNet(num_classes, **SMALL | changes)


def awake(model):
    """The model with small random numbers in place of the zeros that it is born with."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator(1)))
    return model


def pictures(num: int = 3) -> torch.Tensor:
    return torch.randn(num, 3, 16, 16, generator=generator())


def test_a_new_network_answers_zero_and_its_blocks_are_their_shortcuts():
    """The last layers are zeros, whatever the label says."""
    assert (small()(pictures(), torch.tensor([1, 7, 9]), torch.tensor([0, 3, 5])) == 0).all()
    x, emb = torch.randn(2, 8, 4, 4, generator=generator()), torch.randn(2, 5, generator=generator())
    assert torch.equal(AdaGNBlock(8, 8, 5)(x, emb), x)


def test_scale_0_and_shift_0_leave_features_as_they_are():
    """Scale is counted from 1; scale first, then shift."""
    h, shift, scale = torch.randn(3, 2, 4, generator=generator())
    assert torch.equal(modulate(h, torch.zeros(2, 4), torch.zeros(2, 4)), h)
    torch.testing.assert_close(modulate(h, shift, scale), h + h * scale + shift)


def test_the_embedding_sets_mean_and_spread_of_every_channel_after_the_norm():
    """With one channel to a group the norm gives mean 0 and spread 1; then the projection's word alone counts."""
    block = awake(AdaGNBlock(8, 8, 5)).eval()
    seen = {}
    block.conv2.register_forward_pre_hook(lambda module, inputs: seen.update(h=inputs[0]))
    emb = torch.randn(2, 5, generator=generator())
    scale, shift = block.emb_proj(torch.nn.functional.silu(emb)).chunk(2, dim=1)
    block.norm2.weight.data.fill_(1), block.norm2.bias.data.fill_(0)
    original = torch.nn.functional.silu
    try:
        torch.nn.functional.silu = lambda x: x if x.ndim == 4 else original(x)  # look before the last SiLU
        block(torch.randn(2, 8, 16, 16, generator=generator()), emb)
    finally:
        torch.nn.functional.silu = original
    torch.testing.assert_close(seen["h"].mean((2, 3)), shift, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(seen["h"].std((2, 3), correction=0), (1 + scale).abs(), rtol=1e-3, atol=1e-3)


def test_all_residual_blocks_are_exchanged_and_nothing_else():
    """The network of chapter 4 with another block: the same attention, the same widths."""
    kinds = [type(module).__name__ for module in small().modules()]
    plain = [type(module).__name__ for module in UNet(**SMALL).modules()]
    assert kinds.count("AdaGNBlock") == plain.count("ResBlock") == 8 and "ResBlock" not in kinds
    for kind in ("SelfAttention", "Downsample", "Upsample", "Stem", "Out"):
        assert kinds.count(kind) == plain.count(kind)


@pytest.mark.parametrize("kind", ["pictures", "points"])
def test_the_answer_depends_on_the_label_and_each_row_on_its_own(kind):
    """Another label, another answer; without a label the answer is that of the null label."""
    model = awake(small()) if kind == "pictures" else awake(ClassPointMLP(5, hidden=16))
    x_t = pictures(1) if kind == "pictures" else torch.ones(1, 2)
    x_t, t = x_t.expand(3, *x_t.shape[1:]), torch.full((3,), 7)
    together = model(x_t, t, torch.tensor([0, 4, 5]))
    apart = [(a - b).abs().max().item() for a, b in itertools.combinations(together, 2)]
    assert min(apart) > 1e-3
    torch.testing.assert_close(model(x_t[:1], t[:1], torch.tensor([4])), together[1:2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model(x_t, t)[0], together[2], rtol=1e-4, atol=1e-5)


def test_a_label_of_two_parts_is_the_sum_of_two_rows():
    """Red star minus blue star is red ring minus blue ring; the null label has rows of its own."""
    table = LabelEmbedding((3, 4), 6)
    row = lambda first, second: table(torch.tensor([4 * first + second]))  # noqa: E731
    torch.testing.assert_close(row(0, 2) - row(1, 2), row(0, 3) - row(1, 3))
    torch.testing.assert_close(row(2, 1), (table.tables[0].weight[2] + table.tables[1].weight[1])[None])
    null = table(torch.tensor([table.null_label]))
    torch.testing.assert_close(null, (table.tables[0].weight[3] + table.tables[1].weight[4])[None])
    assert table.null_label == 12 and [t.num_embeddings for t in table.tables] == [4, 5]
    assert LabelEmbedding(9, 6).tables[0].num_embeddings == 10


def test_parts_come_apart_and_together_in_one_order():
    """y = 12 a + 4 b + c for sizes (2, 3, 4); the logits of all labels stand in the same order."""
    y = torch.arange(24)
    a, b, c = split_label(y, (2, 3, 4))
    assert torch.equal(12 * a + 4 * b + c, y) and a.max() == 1 and b.max() == 2 and c.max() == 3
    parts = tuple(torch.randn(1, size, generator=generator(size)) for size in (2, 3, 4))
    whole = combine_parts(parts)
    torch.testing.assert_close(whole[0], parts[0][0, a] + parts[1][0, b] + parts[2][0, c])


def test_the_probability_of_a_pair_is_the_product_of_those_of_its_parts():
    """Independent parts, given the picture."""
    parts = (torch.randn(5, 3, generator=generator()), torch.randn(5, 4, generator=generator(1)))
    pair = combine_parts(parts).softmax(1).reshape(5, 3, 4)
    torch.testing.assert_close(pair, parts[0].softmax(1)[:, :, None] * parts[1].softmax(1)[:, None, :])


def test_the_classifier_reads_the_picture_and_the_level():
    """Logits of every label; a batch equals its rows one by one."""
    torch.manual_seed(0)
    model = awake(NoisyClassifier((3, 4), channels=8, multipliers=(1, 2), num_heads=2)).eval()
    x_t, t = pictures(), torch.tensor([1, 40, 40])
    logits = model(x_t, t)
    assert logits.shape == (3, 12) and model.num_classes == 12
    assert (model(x_t, torch.tensor([1, 1, 40]))[1] - logits[1]).abs().max() > 1e-4
    torch.testing.assert_close(model(x_t[[1]], t[[1]]), logits[[1]], rtol=1e-4, atol=1e-5)


def test_a_network_overfits_two_labelled_pictures():
    """Black for label 0, white for label 1: told the label, the estimate at high noise follows it."""
    x_0 = torch.cat([-torch.ones(6, 3, 16, 16), torch.ones(6, 3, 16, 16)])
    batch, model = (x_0, torch.arange(12) // 6), small(num_classes=2)
    loss = lambda m, b, g: cfg_loss(m, b, g, alpha_bar=ALPHA_BAR[[0, 48]], target="x_0", drop_prob=0.3)  # noqa: E731
    for _ in fit(model, loss, lambda step: batch, 40, lr=1e-2, precision="fp32"):
        pass
    x_t, t = torch.randn(1, 3, 16, 16, generator=generator()).expand(3, -1, -1, -1), torch.full((3,), 1)
    with torch.no_grad():
        black, white, null = model.eval()(x_t, t, torch.tensor([0, 1, 2])).mean((1, 2, 3))
    assert black < -0.5 and white > 0.5 and black + 0.2 < null < white - 0.2


def test_a_classifier_learns_to_tell_noisy_black_from_noisy_white():
    """The loss falls below that of guessing, log 2."""
    torch.manual_seed(0)
    x_0 = torch.cat([-torch.ones(8, 3, 16, 16), torch.ones(8, 3, 16, 16)])
    model = NoisyClassifier(2, channels=8, multipliers=(1, 2), num_heads=2)
    loss = lambda m, b, g: classifier_loss(m, b, g, alpha_bar=ALPHA_BAR)  # noqa: E731
    records = list(fit(model, loss, lambda step: (x_0, torch.arange(16) // 8), 40, lr=5e-3, precision="fp32"))
    assert sum(r.loss for r in records[-5:]) / 5 < 0.2


def test_wrong_labels_are_refused():
    """Labels outside the table, of the wrong number, or of no class at all."""
    model = small()
    with pytest.raises(ValueError, match=r"y must lie in 0\.\.5, the last of which means 'not told', got 0\.\.6"):
        model(pictures(2), torch.tensor([1, 1]), torch.tensor([0, 6]))
    with pytest.raises(ValueError, match="num_classes must be at least 1, or one such number for each part"):
        LabelEmbedding((3, 0), 4)
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 3, 16, 16\)"):
        model(torch.zeros(2, 3, 8, 8), torch.tensor([1, 1]))
