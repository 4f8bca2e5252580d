"""The networks: shapes, the level's way into them, what they are at birth, and that they can learn."""

import math

import pytest
import torch

from lib.ddpm import schedules
from lib.ddpm.blocks import Downsample, ResBlock, SelfAttention, TimeEmbedding, Upsample, timestep_embedding
from lib.ddpm.loss import simple_loss
from lib.ddpm.model import PointMLP, UNet
from lib.training import fit

SMALL = {"channels": 8, "multipliers": (1, 2), "attention_resolutions": (8,), "size": 16, "num_heads": 2}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**changes) -> UNet:
    torch.manual_seed(0)
    return UNet(**SMALL | changes)


def awake(model):
    """The model with small random numbers in place of the zeros that it is born with."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator(1)))
    return model


@pytest.mark.parametrize("changes", [{}, {"num_res_blocks": 2}, {"multipliers": (1, 2, 3), "in_channels": 1}])
def test_the_answer_has_the_shape_of_the_picture(changes):
    """Every output of the way down is used once on the way up, whatever the number of blocks and stages."""
    model = awake(small(**changes))
    channels = changes.get("in_channels", 3)
    x_t = torch.randn(2, channels, 16, 16, generator=generator())
    assert model(x_t, torch.tensor([1, 1000])).shape == x_t.shape
    num_blocks, num_stages = changes.get("num_res_blocks", 1), len(changes.get("multipliers", (1, 2)))
    assert len(model.down) == len(model.up) == num_stages * (num_blocks + 1)


def test_a_learned_variance_doubles_the_channels():
    """First half the estimate, second half the variance."""
    x_t, t = torch.randn(2, 3, 16, 16, generator=generator()), torch.tensor([1, 7])
    assert small(learned_variance=True)(x_t, t).shape == (2, 6, 16, 16)
    assert PointMLP(learned_variance=True)(x_t[:, 0, 0, :2], t).shape == (2, 4)


def test_a_new_network_answers_zero():
    """The last layer is zeros, so the first loss is exactly the variance of the target: 1 for noise."""
    x_t, t = torch.randn(2, 3, 16, 16, generator=generator()), torch.tensor([1, 7])
    assert (small()(x_t, t) == 0).all()
    assert (PointMLP()(x_t[:, 0, 0, :2], t) == 0).all()


def test_blocks_are_born_as_their_shortcut():
    """Their last layer is zeros: depth costs nothing at first."""
    x, emb = torch.randn(2, 8, 4, 4, generator=generator()), torch.randn(2, 5, generator=generator())
    assert torch.equal(ResBlock(8, 8, 5)(x, emb), x)
    assert torch.equal(SelfAttention(8, 2)(x, emb), x)
    block = ResBlock(8, 16, 5)
    torch.testing.assert_close(block(x, emb), block.shortcut(x))


@pytest.mark.parametrize("model", [awake(small()), awake(PointMLP(hidden=16))], ids=["UNet", "PointMLP"])
def test_the_answer_depends_on_the_level_and_each_row_on_its_own(model):
    """The same input at two levels gives two answers; a batch equals its rows one by one."""
    x = torch.randn(1, 3, 16, 16, generator=generator()) if isinstance(model, UNet) else torch.ones(1, 2)
    x_t, t = x.expand(3, *x.shape[1:]), torch.tensor([1, 500, 1000])
    together = model(x_t, t)
    assert (together[0] - together[1]).abs().max() > 1e-3 and (together[1] - together[2]).abs().max() > 1e-3
    for i in range(3):
        torch.testing.assert_close(model(x_t[[i]], t[[i]]), together[[i]], rtol=1e-4, atol=1e-5)


def test_the_level_reaches_every_residual_block():
    """A gradient flows from the answer through each block's projection of the level."""
    model = awake(small())
    model(torch.randn(1, 3, 16, 16, generator=generator()), torch.tensor([5])).square().sum().backward()
    blocks = [block for block in model.modules() if isinstance(block, ResBlock)]
    assert len(blocks) == 2 + 2 + 4
    assert all(block.emb_proj.weight.grad.abs().max() > 0 for block in blocks)


def test_attention_sits_where_it_was_asked_for():
    """At 8 x 8, after each residual block, and once in the middle."""
    model = small()
    assert sum(isinstance(block, SelfAttention) for block in model.modules()) == 1 + 2 + 1
    assert sum(isinstance(block, SelfAttention) for block in small(attention_resolutions=()).modules()) == 1


def test_resolution_halves_and_doubles():
    """16 to 8 and back; nothing else changes."""
    x, emb = torch.randn(2, 8, 16, 16, generator=generator()), torch.zeros(2, 5)
    assert Downsample(8)(x, emb).shape == (2, 8, 8, 8)
    assert Upsample(8)(Downsample(8)(x, emb), emb).shape == x.shape


def test_attention_does_not_care_about_the_order_of_places():
    """Without position codes, moving the inputs moves the outputs along."""
    attention = awake(SelfAttention(8, 2))
    x, order = torch.randn(1, 8, 3, 4, generator=generator()), torch.randperm(12, generator=generator())
    moved = x.flatten(2)[..., order].reshape(x.shape)
    expected = attention(x, torch.zeros(1, 5)).flatten(2)[..., order].reshape(x.shape)
    torch.testing.assert_close(attention(moved, torch.zeros(1, 5)), expected)


def test_the_embedding_begins_with_one_radian_a_step_and_ends_with_one_in_max_period():
    """Sines of t and of t/10000 by hand, cosines in the second half."""
    rows = timestep_embedding(torch.tensor([3, 1000]), 8)
    expected = torch.tensor([math.sin(3), math.sin(3e-4), math.cos(3), math.cos(3e-4)])
    torch.testing.assert_close(rows[0, [0, 3, 4, 7]], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(rows.square().sum(1), torch.tensor([4.0, 4.0]))
    assert timestep_embedding(torch.tensor([1]), 7).shape == (1, 7)
    with pytest.raises(ValueError, match="dim must be at least 4, got 2"):
        timestep_embedding(torch.tensor([1]), 2)


def test_all_levels_have_different_embeddings():
    """The nearest two of 1,000 rows are still clearly apart."""
    rows = timestep_embedding(torch.arange(1, 1001), 32)
    distances = torch.cdist(rows, rows) + 10 * torch.eye(1000)
    assert distances.min() > 0.5


def test_channels_last_and_bfloat16_change_nothing_but_the_speed():
    """The answer under autocast differs by rounding only, and leaves in the usual order in memory."""
    model = awake(small())
    x_t, t = torch.randn(2, 3, 16, 16, generator=generator()), torch.tensor([1, 7])
    exact = model(x_t, t)
    assert exact.is_contiguous() and model.down[1][0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(x_t, t).float()
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max() + 0.02


def test_patches_are_laid_out_where_they_came_from():
    """Pixel (9, 20) is row 1, column 0 of patch (4, 10); shapes come back."""
    model = awake(small(size=32, patch_size=2, multipliers=(1, 2)))
    x_t, t = torch.randn(1, 3, 32, 32, generator=generator()), torch.tensor([3])
    assert model(x_t, t).shape == x_t.shape
    assert model.down[0].conv.in_channels == 12 and model.out[-1].out_channels == 12
    one_pixel = torch.zeros(1, 3, 32, 32)
    one_pixel[0, 1, 9, 20] = 1
    unfolded = []
    model.down[0].register_forward_pre_hook(lambda module, inputs: unfolded.append(inputs[0]))
    model(one_pixel, t)
    assert unfolded[0][0, :, 4, 10].nonzero().tolist() == [[4 + 2]]  # channel 1, row 1 and column 0 of its patch

    class Echo(torch.nn.Module):
        def forward(self, x):
            return unfolded[-1]  # what went in, in place of the answer: it must be laid out as it was

    model.out = Echo()
    assert torch.equal(model(x_t, t), x_t)


def test_a_saved_network_is_the_same_after_loading():
    """Names and shapes of the weights follow from the arguments."""
    model, other = awake(small()), small()
    other.load_state_dict(model.state_dict())
    x_t, t = torch.randn(1, 3, 16, 16, generator=generator()), torch.tensor([3])
    assert torch.equal(other(x_t, t), model(x_t, t))


def test_the_unet_for_emoji_has_under_three_million_weights():
    """Stored in half precision it must stay far below 12 MB."""
    model = UNet(channels=32, multipliers=(1, 2, 4))
    assert 2.4e6 < sum(p.numel() for p in model.parameters()) < 3e6


@pytest.mark.parametrize("kind", ["UNet", "PointMLP"])
def test_one_batch_can_be_learned_by_heart(kind):
    """The loss falls well below that of answering zero: gradients reach what they should."""
    alpha_bar = schedules.shortened_linear(50)
    if kind == "UNet":
        model, x_0 = small(), torch.rand(4, 3, 16, 16, generator=generator()) * 2 - 1
    else:
        torch.manual_seed(0)
        model, x_0 = PointMLP(hidden=32), torch.tensor([[1.0, 1.0], [-1.0, 0.0]]).repeat(64, 1)
    loss = lambda m, x, g: simple_loss(m, x, g, alpha_bar=alpha_bar)  # noqa: E731
    losses = [record.loss for record in fit(model, loss, lambda step: x_0, 60, lr=5e-3, precision="fp32")]
    assert sum(losses[-10:]) / 10 < 0.5 * sum(losses[:3]) / 3


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: small(size=15), "size must be divisible by 2"),
        (lambda: small(channels=12), "widths must divide into 8 groups and 2 heads, got \\[12, 24\\]"),
        (lambda: small(attention_resolutions=(4,)), "attention_resolutions must be among \\[16, 8\\], got \\(4,\\)"),
        (lambda: small()(torch.zeros(1, 3, 8, 8), torch.tensor([1])), "x_t must have shape \\(B, 3, 16, 16\\)"),
    ],
)
def test_networks_that_cannot_be_are_refused(build, words):
    """The message names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=words):
        build()


def test_the_embedding_of_a_level_is_made_in_the_precision_of_the_weights():
    """A float64 network stays float64."""
    assert TimeEmbedding(8, 16).double()(torch.tensor([3])).dtype == torch.float64
