"""Other conditions than words: a layout laid beside the latent, and the known part of a picture.

A layout has a value for every place, so it needs no attention: it is brought to the size of the latent and becomes more
channels of the input. To fill a hole, nothing is trained at all: at every step the known part is put back.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.data import CLASSES, Scenes
from lib.ddim import ddim_step
from lib.ddim.sampling import clipped_estimates
from lib.ddpm import q_sample, simple_loss
from lib.ddpm.loss import noise_like
from lib.ddpm.sampling import Model, State
from lib.ddpm.schedules import check_levels
from lib.guidance import drop_labels
from lib.ldm.diffusion import Conditioned
from lib.ldm.unet import LatentUNet

NUM_LAYOUT_CHANNELS = len(CLASSES) + 1
"""One for each class of shapes, and the last for the background."""

LayoutBatch = tuple[Float[Tensor, "B C s s"], Float[Tensor, "B K s s"]]


def layout_of(scenes: Scenes, size: int) -> Float[Tensor, "B K s s"]:
    """Which share of each place belongs to each class and to the background; shares sum to 1. Colours are not in it.

    Args:
        scenes: with their masks.
        size: height and width of the latent; the masks are averaged down to it.

    Raises:
        ValueError: if the masks do not divide into ``size`` places.
    """
    if scenes.masks.shape[-1] % size:
        raise ValueError(f"size must divide the {scenes.masks.shape[-1]} pixels of the scenes, got {size}")
    classes = F.one_hot(scenes.class_idx, len(CLASSES)).float()
    shown = einsum(classes, scenes.masks.float(), "b n k, b n h w -> b k h w")  # masks of absent objects are empty
    p = scenes.masks.shape[-1] // size
    shown = reduce(shown, "b k (h p) (w q) -> b k h w", "mean", p=p, q=p)
    return torch.cat([shown, 1 - shown.sum(1, keepdim=True)], dim=1)


class LayoutDiffusion(nn.Module):
    """A denoiser of latents that is shown a layout; a layout of zeros, not even background, means "not told".

    Args:
        options: of `LatentUNet`.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 4.3.2 (concatenation of spatially aligned conditions).
    """

    def __init__(self, **options: Any):
        super().__init__()
        self.unet = LatentUNet(context_dim=None, extra_channels=NUM_LAYOUT_CHANNELS, **options)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a latent."""
        return self.unet.in_channels, self.unet.size, self.unet.size

    def forward(
        self, x_t: Float[Tensor, "B C s s"], t: Int[Tensor, " B"], layout: Float[Tensor, "B K s s"]
    ) -> Float[Tensor, "B C s s"]:
        return self.unet(x_t, t, beside=layout)

    def conditioned(self, layouts: Float[Tensor, "n K s s"]) -> Conditioned:
        """The model for these layouts: row 0 is "not told", row i + 1 layout i."""
        return Conditioned(self, torch.cat([torch.zeros_like(layouts[:1]), layouts]))


def layout_loss(
    model: LayoutDiffusion,
    batch: LayoutBatch,
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "v",
    drop_prob: float = 0.1,
) -> Float[Tensor, ""]:
    """L_simple on scaled latents, shown the layout except where it was dropped. Arguments as for `text_loss`.

    Source: Rombach et al. 2022, arXiv:2112.10752, eq. 3.
    """
    z, layouts = batch
    kept = drop_labels(torch.ones(len(z), dtype=torch.int64, device=z.device), 0, drop_prob, generator)
    layouts = layouts * rearrange(kept, "b -> b 1 1 1")
    return simple_loss(lambda x_t, t: model(x_t, t, layouts).float(), z, generator, alpha_bar=alpha_bar, target=target)


def known_places(known: Bool[Tensor, "B 1 S S"], factor: int) -> Bool[Tensor, "B 1 s s"]:
    """Places of the latent that may be kept: those all of whose pixels are known.

    Raises:
        ValueError: if the pixels do not divide into places.
    """
    if known.shape[-1] % factor or known.shape[-2] % factor:
        raise ValueError(f"known must be a multiple of {factor} pixels high and wide, got {tuple(known.shape[-2:])}")
    return reduce(known, "b 1 (h p) (w q) -> b 1 h w", "min", p=factor, q=factor)


@torch.no_grad()
def inpaint(
    model: Model,
    z_known: Float[Tensor, "B C h w"],
    known: Bool[Tensor, "B 1 _ _"],
    alpha_bar: Float[Tensor, " levels"],
    generator: torch.Generator | None = None,
    *,
    levels: list[int],
    target: str = "v",
) -> Iterator[State]:
    """Fill the unknown part of latents: DDIM, where before every call the known part is put back at its level of noise.

    The model sees a whole noisy latent in which only the hole is its own work, and fits the hole to the rest. It was
    not trained for it, and even with a perfect model the result is no exact draw of the hole given the known part: at
    every level the hole is told the known part only at the noise of that level, never clean. At the noisiest levels it
    can hardly make it out, and by the time it can, much of the hole has been decided.

    Args:
        model: ``model(x_t, t) -> output``, guided or not.
        z_known: scaled latents; values in the hole are not looked at.
        known: where they are to be kept.
        alpha_bar: the schedule.
        generator: draws x_T first, then the noise of the known part at every level.
        levels: rising levels to visit.
        target: what the model answers.

    Yields:
        the state at every level visited, as `lib.ddim.sample` does; the last is the finished latent.

    Raises:
        ValueError: if ``levels`` do not rise within 1..T, or the hole has another size than the latents.

    Source: Lugmayr et al. 2022, arXiv:2201.09865, section 4 (there with random DDPM steps, and jumps back up);
    code of Rombach et al. 2022.
    """
    if known.shape[-2:] != z_known.shape[-2:]:
        raise ValueError(f"known must be {tuple(z_known.shape[-2:])} as the latents are, got {tuple(known.shape[-2:])}")
    levels = check_levels(levels, len(alpha_bar) - 1)
    x_t = noise_like(z_known, generator)
    for t, s in zip(reversed(levels), [*reversed(levels[:-1]), 0], strict=True):
        x_t = torch.where(known, q_sample(z_known, t, noise_like(z_known, generator), alpha_bar), x_t)
        output = model(x_t, torch.full((len(x_t),), t, device=x_t.device))
        yield State(t, x_t, *clipped_estimates(x_t, output, t, alpha_bar, target))
        x_t = ddim_step(x_t, output, t, s, alpha_bar, target=target)
    x_0 = torch.where(known, z_known, x_t)
    yield State(0, x_0, x_0, torch.zeros_like(x_0))
