"""The second stage as one module: a latent U-Net and the text encoder that learns with it, and their loss.

Guidance and samplers of earlier chapters ask for ``model(x_t, t)`` or ``model(x_t, t, y)``, y a number for each row.
`Conditioned` gives them that: a table of contexts, made once for a walk, of which the first is that of the null text.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from lib.ddpm import simple_loss
from lib.guidance import drop_labels
from lib.ldm.text import TextEncoder, Tokens, make_tokenizer
from lib.ldm.unet import LatentUNet

TextBatch = tuple[Float[Tensor, "B C s s"], Int[Tensor, "B L"]]


class LatentDiffusion(nn.Module):
    """A denoiser of latents that is told a text.

    Args:
        vocabulary: "captions" or "emoji".
        context_dim: width of the context.
        text_depth: transformer blocks of the text encoder.
        options: of `LatentUNet`.

    Raises:
        ValueError: if there is no such vocabulary.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.3.
    """

    def __init__(self, vocabulary: str = "captions", context_dim: int = 64, text_depth: int = 2, **options: Any):
        super().__init__()
        self.tokenizer = make_tokenizer(vocabulary)
        self.text_encoder = TextEncoder(len(self.tokenizer), self.tokenizer.max_length, context_dim, text_depth)
        self.unet = LatentUNet(context_dim=context_dim, **options)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a latent."""
        return self.unet.in_channels, self.unet.size, self.unet.size

    def null_tokens(self, num: int, device: torch.device | str = "cpu") -> Int[Tensor, "n L"]:
        """The null text, ``num`` times."""
        return self.tokenizer([""]).ids.to(device).expand(num, -1)

    def forward(
        self, x_t: Float[Tensor, "B C s s"], t: Int[Tensor, " B"], ids: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B C s s"]:
        context, mask = self.text_encoder(ids)
        return self.unet(x_t, t, context, mask)

    def conditioned(self, texts: list[str]) -> tuple["Conditioned", Tokens]:
        """The model for these texts: row 0 is the null text, row i + 1 text i. Each is encoded once."""
        tokens = self.tokenizer(["", *texts])
        context, mask = self.text_encoder(tokens.ids.to(self.text_encoder.positions.device))
        return Conditioned(self.unet, context, mask), tokens


class Conditioned:
    """A model with a table of conditions: ``model(x_t, t, y)`` is told row y, ``model(x_t, t)`` row 0, nothing.

    Guidance without a classifier can use it as it would a model that is told labels.

    Args:
        model: ``model(x_t, t, context, mask)`` for texts, ``model(x_t, t, layout)`` for layouts.
        tables: what the model is told, one row for each condition: contexts and which rows of each count, or layouts.
    """

    null_label = 0

    def __init__(self, model: Callable[..., Tensor], *tables: Shaped[Tensor, "n ..."]):
        self.model, self.tables = model, tables

    def __call__(
        self, x_t: Float[Tensor, "B C s s"], t: Int[Tensor, " B"], y: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B C s s"]:
        y = torch.full_like(t, self.null_label) if y is None else y
        return self.model(x_t, t, *(table[y] for table in self.tables))


def text_loss(
    model: LatentDiffusion,
    batch: TextBatch,
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "v",
    drop_prob: float = 0.1,
) -> Float[Tensor, ""]:
    """L_simple on scaled latents, told the text except where it was dropped; U-Net and text encoder learn together.

    Args:
        model: what is trained.
        batch: scaled latents, and the tokens of their texts.
        generator: draws what is dropped first, then the levels, then the noise.
        alpha_bar: the schedule.
        target: what the model is asked for: "eps", "x_0" or "v".
        drop_prob: share of texts replaced by the null text, in [0, 1].

    Raises:
        ValueError: if ``drop_prob`` is outside [0, 1].

    Source: Rombach et al. 2022, arXiv:2112.10752, eq. 3; Ho & Salimans 2022, arXiv:2207.12598, algorithm 1.
    """
    z, ids = batch
    rows = torch.arange(len(z), device=z.device)
    rows = drop_labels(rows, len(z), drop_prob, generator)  # one row more holds the null text
    ids = torch.cat([ids, model.null_tokens(1, ids.device)])[rows]
    context, mask = model.text_encoder(ids)
    return simple_loss(
        lambda x_t, t: model.unet(x_t, t, context, mask).float(), z, generator, alpha_bar=alpha_bar, target=target
    )
