"""The second stage against `diffusers`: attention to words, transformer blocks, and the sizes of Stable Diffusion 1."""

import pytest
import torch
from compared import TOLERANCE, gap, normal, randomized
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel

from lib.ldm.attention import SpatialTransformer, TransformerBlock
from lib.ldm.sd import STABLE_DIFFUSION_1, count, stable_diffusion_unet
from lib.ldm.unet import cross_attention_sites


@pytest.mark.parametrize("context_dim", [12, None])
def test_the_transformer_block_equals_diffusers_name_by_name(context_dim):
    """The parameters have the same names, so that one's can be loaded into the other."""
    ours = randomized(TransformerBlock(16, context_dim, 4, 4))
    theirs = BasicTransformerBlock(16, 4, 4, cross_attention_dim=context_dim, double_self_attention=context_dim is None)
    theirs.load_state_dict(ours.state_dict())
    x, context = normal(2, 9, 16), None if context_dim is None else normal(2, 5, context_dim, seed=1)
    assert gap(ours(x, context), theirs(x, encoder_hidden_states=context)) <= TOLERANCE


def test_the_spatial_transformer_equals_diffusers_with_padding():
    """Norm, convolution, block, convolution, shortcut; words of padding are not looked at."""
    ours = randomized(SpatialTransformer(16, 12, 4, depth=2))
    theirs = Transformer2DModel(4, 4, 16, num_layers=2, norm_num_groups=8, cross_attention_dim=12)
    theirs.load_state_dict(ours.state_dict())
    x, context = normal(2, 16, 6, 6), normal(2, 5, 12, seed=1)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    answer = theirs(x, encoder_hidden_states=context, encoder_attention_mask=mask).sample
    assert gap(ours(x, context, mask), answer) <= TOLERANCE * max(1.0, answer.abs().max().item())


def test_the_unet_of_stable_diffusion_has_as_many_parameters_and_sites():
    """859,520,964 in ours and in theirs, counted without memory for weights; 16 blocks look at 77 x 768 numbers."""
    with torch.device("meta"):
        theirs = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    ours = stable_diffusion_unet()
    assert count(ours) == count(theirs) == 859_520_964
    their_sites = [name for name, module in theirs.named_modules() if isinstance(module, Transformer2DModel)]
    assert len(cross_attention_sites(ours)) == len(their_sites) == 16
    shapes = [sorted(tuple(p.shape) for p in model.parameters()) for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert {module.to_k.in_features for name, module in theirs.named_modules() if name.endswith("attn2")} == {768}
    assert STABLE_DIFFUSION_1["context"] == (77, 768)
