"""What a text says before any picture is there: the mean of all latents that fit it, and how to learn words by it.

At the noisiest level the best answer does not depend on the latent. It is the mean of what the text allows, a blur with
colours on the sides where they belong. A network without any noise to look through learns it within minutes, and its
text encoder then knows which words belong together before the U-Net begins.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ldm.attention import TransformerBlock
from lib.ldm.diffusion import TextBatch
from lib.ldm.text import TextEncoder, make_tokenizer


class MeanLatent(nn.Module):
    """From a text alone to the mean of the latents that fit it.

    Each patch of places has a vector of its own, which is learned, and looks at the words; no latent is an input.

    Args:
        vocabulary: "captions" or "emoji".
        context_dim: width of the context.
        text_depth: transformer blocks of the text encoder.
        in_channels: channels of the latent.
        size: height and width of the latent.
        patch: height and width of a patch of places.
        dim: width of the patches' vectors.
        depth: transformer blocks of the patches.
        num_heads: heads of each attention.

    Raises:
        ValueError: if there is no such vocabulary, or the size does not divide into patches, or ``dim`` into heads.
    """

    def __init__(
        self,
        vocabulary: str = "captions",
        context_dim: int = 64,
        text_depth: int = 2,
        in_channels: int = 4,
        size: int = 16,
        patch: int = 2,
        dim: int = 96,
        depth: int = 2,
        num_heads: int = 4,
    ):
        super().__init__()
        if size % patch or dim % num_heads:
            raise ValueError(
                f"size must divide into patches and dim into heads, got {size} and {patch}, {dim} and {num_heads}"
            )
        self.tokenizer, self.patch, self.side = make_tokenizer(vocabulary), patch, size // patch
        self.text_encoder = TextEncoder(len(self.tokenizer), self.tokenizer.max_length, context_dim, text_depth)
        self.places = nn.Parameter(0.5 * torch.randn(self.side**2, dim))
        self.blocks = nn.ModuleList(
            [TransformerBlock(dim, context_dim, num_heads, dim // num_heads) for _ in range(depth)]
        )
        self.norm, self.out = nn.LayerNorm(dim), nn.Linear(dim, in_channels * patch**2)

    def forward(self, ids: Int[Tensor, "B L"]) -> Float[Tensor, "B C s s"]:
        context, mask = self.text_encoder(ids)
        tokens = self.places.expand(len(ids), -1, -1)
        for block in self.blocks:
            tokens = block(tokens, context, mask)
        patches = self.out(self.norm(tokens))
        return rearrange(
            patches, "b (h w) (c p q) -> b c (h p) (w q)", h=self.side, p=self.patch, q=self.patch
        ).contiguous()


def mean_latent_loss(
    model: MeanLatent, batch: TextBatch, generator: torch.Generator | None = None
) -> Float[Tensor, ""]:
    """Mean squared error; smallest for the mean of the latents of each text (`L_simple` of v at level T).

    Args:
        model: from tokens to latents.
        batch: scaled latents, and the tokens of their texts.
        generator: not used; nothing is drawn.
    """
    z, ids = batch
    return (model(ids).float() - z).square().mean()


def copy_text_encoder(source: nn.Module, target: nn.Module) -> None:
    """Give ``target`` the weights of the text encoder of ``source``, in place.

    Raises:
        ValueError: if the encoders differ in vocabulary or size.
    """
    if source.tokenizer.words != target.tokenizer.words:
        raise ValueError(
            f"both models must know the same words, got {len(source.tokenizer)} and {len(target.tokenizer)}"
        )
    weights, own = source.text_encoder.state_dict(), target.text_encoder.state_dict()
    if weights.keys() != own.keys() or any(weights[name].shape != own[name].shape for name in own):
        raise ValueError("text encoders must have the same width and depth")
    target.text_encoder.load_state_dict(weights)
