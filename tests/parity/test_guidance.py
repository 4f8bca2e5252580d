"""Guidance against `diffusers`: the residual block with scale and shift, both conventions of the scale, rescaling."""

import pytest
import torch
from compared import TOLERANCE, gap, normal
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.guiders.guider_utils import rescale_noise_cfg
from diffusers.models.embeddings import LabelEmbedding as DiffusersLabels
from diffusers.models.resnet import ResnetBlock2D

from lib.guidance import AdaGNBlock, CFGModel, LabelEmbedding, from_w, guide, rescale


@pytest.mark.parametrize("out_channels", [16, 24])
def test_the_residual_block_equals_diffusers_after_copying_weights(out_channels):
    """Answers and gradients, with and without a change of width; scale comes before shift in the projection."""
    ours = AdaGNBlock(16, out_channels, 20)
    for number, parameter in enumerate(ours.parameters()):
        parameter.data = 0.2 * normal(*parameter.shape, seed=number) + (parameter.ndim == 1)
    theirs = ResnetBlock2D(
        in_channels=16, out_channels=out_channels, temb_channels=20, groups=8, eps=1e-5,
        time_embedding_norm="scale_shift",
    )  # fmt: skip
    pairs = [(ours.norm1, theirs.norm1), (ours.conv1, theirs.conv1), (ours.emb_proj, theirs.time_emb_proj)]
    pairs += [(ours.norm2, theirs.norm2), (ours.conv2, theirs.conv2)]
    if out_channels != 16:
        pairs.append((ours.shortcut, theirs.conv_shortcut))
    for mine, other in pairs:
        other.load_state_dict(mine.state_dict())
    inputs = [[normal(2, 16, 6, 6).requires_grad_(), normal(2, 20, seed=1).requires_grad_()] for _ in range(2)]
    answers = [block(*pair) for block, pair in zip((ours, theirs), inputs, strict=True)]
    assert gap(*answers) <= TOLERANCE * max(1.0, answers[0].abs().max().item())
    for answer in answers:
        answer.sin().mean().backward()
    assert all(gap(a.grad, b.grad) <= TOLERANCE for a, b in zip(*inputs, strict=True))


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0, 7.5])
def test_both_conventions_equal_diffusers(scale):
    """Its guider counts as we do, unless it is asked for the original formulation, whose scale is w."""
    uncond, cond = normal(2, 3, 8, 8), normal(2, 3, 8, 8, seed=1)
    theirs = ClassifierFreeGuidance(guidance_scale=scale, use_original_formulation=False)
    assert gap(guide(uncond, cond, scale), theirs.forward(cond, uncond).pred) <= TOLERANCE
    original = ClassifierFreeGuidance(guidance_scale=scale, use_original_formulation=True)
    if scale:  # at w = 0 theirs is switched off, and takes one answer only
        assert gap(guide(uncond, cond, from_w(scale)), original.forward(cond, uncond).pred) <= TOLERANCE
    assert gap(guide(uncond, cond, 1 + scale), uncond + (1 + scale) * (cond - uncond)) <= TOLERANCE


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_rescaling_equals_diffusers(share):
    """The function of its pipelines, and the same inside its guider."""
    uncond, cond = normal(2, 4, 8, 8), normal(2, 4, 8, 8, seed=1)
    guided = guide(uncond, cond, 6.0)
    assert gap(rescale(guided, cond, share), rescale_noise_cfg(guided, cond, share)) <= TOLERANCE
    theirs = ClassifierFreeGuidance(guidance_scale=6.0, guidance_rescale=share).forward(cond, uncond).pred
    assert gap(rescale(guided, cond, share), theirs) <= TOLERANCE


def test_the_doubled_batch_equals_the_lines_of_the_pipelines():
    """Null labels first, then the labels, and the two halves put together as they all do it."""
    model = lambda x, t, y: torch.sin(x * (1 + y.reshape(-1, 1, 1, 1)) + t.reshape(-1, 1, 1, 1))  # noqa: E731
    model.null_label = 3
    x_t, t, y = normal(2, 3, 8, 8), torch.tensor([5, 5]), torch.tensor([0, 2])
    doubled = model(torch.cat([x_t] * 2), torch.cat([t] * 2), torch.cat([torch.tensor([3, 3]), y]))
    noise_pred_uncond, noise_pred_text = doubled.chunk(2)
    theirs = noise_pred_uncond + 4.0 * (noise_pred_text - noise_pred_uncond)
    assert gap(CFGModel(model, y, 4.0)(x_t, t), theirs) <= TOLERANCE


def test_the_table_of_labels_equals_that_of_the_diffusion_transformer():
    """One row more than classes, the last for "not told"."""
    theirs = DiffusersLabels(7, 12, dropout_prob=0.1)
    ours = LabelEmbedding(7, 12)
    ours.tables[0].load_state_dict(theirs.embedding_table.state_dict())
    y, dropped = torch.tensor([0, 6, 3, 3]), torch.tensor([0, 0, 0, 1])
    told = torch.where(dropped == 1, ours.null_label, y)
    theirs.train()
    assert gap(ours(told), theirs(y, force_drop_ids=dropped)) == 0
