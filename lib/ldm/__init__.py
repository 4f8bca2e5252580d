"""Chapter 7: latent diffusion, from a caption to a picture.

Rombach et al. 2022, "High-resolution image synthesis with latent diffusion models", arXiv:2112.10752; the first stage
with its critic from Esser, Rombach & Ommer 2021 (VQ-GAN), arXiv:2012.09841.

| in the text | here |
|---|---|
| E and D, with a KL term or a codebook | `AutoencoderKL`, `VQAutoencoder` |
| the critic, its hinge loss, the adaptive weight | `PatchDiscriminator`, `hinge_loss`, `adaptive_weight` |
| everything the first stage is trained on | `FirstStage`, `first_stage_loss`, `perceptual_distance` |
| latents of standard deviation 1 | `measure_scaling`, `Scaling`, `Latents` |
| words, tokens, context | `Tokenizer`, `make_tokenizer`, `TextEncoder` |
| softmax(q k^T / sqrt(d)) v, with k and v from the words | `CrossAttention`, `SpatialTransformer` |
| which word each place looks at | `recorded_attention`, `word_maps` |
| eps_theta(z_t, t, tau(y)) and its loss | `LatentUNet`, `LatentDiffusion`, `text_loss` |
| what a text says before any picture: E[z given the text] | `MeanLatent`, `mean_latent_loss`, `copy_text_encoder` |
| from a caption to a picture | `TextToImage`, `text_to_image`; for guidance `Conditioned` |
| a layout laid beside the latent; a hole filled | `LayoutDiffusion`, `layout_of`, `inpaint`, `known_places` |
| is it what was asked for? | `quality.caption_scores`, `quality.emoji_scores`, `quality.layout_scores` |
| the sizes of Stable Diffusion 1 | `sd` |
"""

from . import quality, sd
from .attention import CrossAttention, SpatialTransformer, recorded_attention, word_maps
from .autoencoder import AUTOENCODERS, AutoencoderKL, VQAutoencoder
from .conditioning import LayoutDiffusion, inpaint, known_places, layout_loss, layout_of
from .diffusion import Conditioned, LatentDiffusion, text_loss
from .discriminator import PatchDiscriminator, adaptive_weight, generator_loss, hinge_loss
from .loss import FirstStage, first_stage_loss, first_stage_terms
from .mean_latent import MeanLatent, copy_text_encoder, mean_latent_loss
from .perceptual import perceptual_distance
from .sampling import Generated, TextToImage, draw_latents, scaling_of, text_to_image
from .scale import Latents, Scaling, decode_all, encode_all, measure_scaling
from .text import TextEncoder, Tokenizer, Tokens, make_tokenizer
from .unet import LatentUNet, cross_attention_sites

__all__ = [
    "AUTOENCODERS",
    "AutoencoderKL",
    "Conditioned",
    "CrossAttention",
    "FirstStage",
    "Generated",
    "LatentDiffusion",
    "LatentUNet",
    "Latents",
    "LayoutDiffusion",
    "MeanLatent",
    "PatchDiscriminator",
    "Scaling",
    "SpatialTransformer",
    "TextEncoder",
    "TextToImage",
    "Tokenizer",
    "Tokens",
    "VQAutoencoder",
    "adaptive_weight",
    "copy_text_encoder",
    "cross_attention_sites",
    "decode_all",
    "draw_latents",
    "encode_all",
    "first_stage_loss",
    "first_stage_terms",
    "generator_loss",
    "hinge_loss",
    "inpaint",
    "known_places",
    "layout_loss",
    "layout_of",
    "make_tokenizer",
    "mean_latent_loss",
    "measure_scaling",
    "perceptual_distance",
    "quality",
    "recorded_attention",
    "scaling_of",
    "sd",
    "text_loss",
    "text_to_image",
    "word_maps",
]
