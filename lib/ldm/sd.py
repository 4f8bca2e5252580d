"""The sizes of Stable Diffusion 1, built from this chapter's own classes without memory for weights, and counted.

Same blocks in the same places, so the numbers agree to the last parameter. What differs is the number of groups in the
norms of the U-Net, 32 there and 8 here, which changes what is computed and not how much there is to learn.
"""

from typing import Any

import torch
from torch import nn

from lib.ldm.autoencoder import AutoencoderKL
from lib.ldm.unet import LatentUNet

STABLE_DIFFUSION_1: dict[str, Any] = {
    "autoencoder": {
        "latent_channels": 4, "channels": 128, "multipliers": (1, 2, 4, 4), "num_res_blocks": 2, "num_groups": 32,
    },
    "unet": {
        "in_channels": 4, "channels": 320, "multipliers": (1, 2, 4, 4), "num_res_blocks": 2,
        "attention_resolutions": (64, 32, 16), "size": 64, "num_heads": 8, "context_dim": 768,
    },
    "context": (77, 768),
    "scale": 0.18215,
    "picture": (3, 512, 512),
    "latent": (4, 64, 64),
}  # fmt: skip
"""Arguments for the two networks, and the numbers around them.

Source: the configuration v1-inference of the published code; Rombach et al. 2022, arXiv:2112.10752.
"""


def stable_diffusion_autoencoder() -> AutoencoderKL:
    """KL-f8 on the device "meta": 83,653,863 parameters, none of them stored."""
    with torch.device("meta"):
        return AutoencoderKL(**STABLE_DIFFUSION_1["autoencoder"])


def stable_diffusion_unet() -> LatentUNet:
    """The U-Net on the device "meta": 859,520,964 parameters, 16 places that look at the words."""
    with torch.device("meta"):
        return LatentUNet(**STABLE_DIFFUSION_1["unet"])


def count(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
