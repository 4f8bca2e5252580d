"""The second stages: their latents, what their cards say, and their recipes.

All need the checkpoint of the first stage `lib.ldm.sampling.FIRST_STAGE`, whose card holds the scale of the latents;
``ldm_shapes`` begins with the text encoder of ``ldm_words``.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.data import Scenes, emoji, shapes
from lib.guidance import CFGModel
from lib.ldm.conditioning import LayoutBatch, LayoutDiffusion, layout_loss, layout_of
from lib.ldm.diffusion import LatentDiffusion, TextBatch, text_loss
from lib.ldm.first_stage import SIZE
from lib.ldm.mean_latent import MeanLatent, copy_text_encoder, mean_latent_loss
from lib.ldm.quality import (
    emoji_scores,
    emoji_test_names,
    layout_scores,
    pictures_of,
    recoloured,
    score_captions_by_kind,
    turned,
)  # fmt: skip
from lib.ldm.sampling import DIFFUSION, FIRST_STAGE, TextToImage, draw_latents, scaling_of
from lib.ldm.scale import Scaling, decode_all, encode_all
from lib.ldm.text import make_tokenizer
from lib.training import Recipe, card, load
from lib.vqvae.recipe import all_pictures, data_hash

DROP_PROB = 0.1
NUM_SCENES = {"ldm_shapes": 20_000, "ldm_layout": 12_000}
"""Scenes whose latents are computed once, when a training begins."""

DRAWN_AT_ONCE = 1000
SCALES = (1.0, 2.0, 4.0)
NAME_SCALES = (1.0, 2.0)
SAMPLING_STEPS = 30
BATCH = 64
CAPTIONS_BATCH = 32
"""More updates in the same time."""

WORDS = "ldm_words"
"""The recipe that teaches a text encoder its words, before there is a U-Net."""


class ScenePool(NamedTuple):
    """Scenes as a second stage needs them: scaled latents, tokens of the captions, layouts (as bytes of 255)."""

    z: Float[Tensor, "N C s s"]
    ids: Int[Tensor, "N L"]
    layouts: Tensor


@functools.cache
def first_stage(data: str) -> tuple[nn.Module, Scaling]:
    """The autoencoder and the scale of its latents of "emoji" or "scenes"."""
    return load(FIRST_STAGE).autoencoder, scaling_of(FIRST_STAGE, data)


@functools.cache
def scene_pool(num: int, seed: int = 0) -> ScenePool:
    """Scenes of two shapes without held-out pairs and relations; drawn and encoded some at a time."""
    autoencoder, scaling = first_stage("scenes")
    tokenizer, parts = make_tokenizer("captions"), []
    for first in range(0, num, DRAWN_AT_ONCE):
        scenes = shapes(min(DRAWN_AT_ONCE, num - first), SIZE, 2, split="train", seed=seed + first)
        z = scaling.apply(encode_all(autoencoder, scenes.images))
        layouts = (layout_of(scenes, z.shape[-1]) * 255).round().to(torch.uint8)
        parts.append((z, tokenizer(scenes.captions).ids, layouts))
    return ScenePool(*(torch.cat(part) for part in zip(*parts, strict=True)))


@functools.cache
def emoji_latents() -> tuple[Float[Tensor, "N C s s"], Int[Tensor, "N L"]]:
    """Scaled latents of all training emoji and the tokens of their names."""
    autoencoder, scaling = first_stage("emoji")
    tokens = make_tokenizer("emoji")([row.name for row in emoji(SIZE).table])
    return scaling.apply(encode_all(autoencoder, all_pictures())), tokens.ids


def captions_batch(step: int, generator: torch.Generator, *, batch_size: int = CAPTIONS_BATCH) -> TextBatch:
    """Latents of scenes drawn at random from the pool, and their captions."""
    pool = scene_pool(NUM_SCENES["ldm_shapes"])
    index = torch.randint(len(pool.z), (batch_size,), generator=generator)
    return pool.z[index], pool.ids[index]


def start_with_words(model: LatentDiffusion) -> None:
    """The text encoder of the checkpoint `WORDS` for a new model, which then trains it further."""
    copy_text_encoder(load(WORDS), model)


@torch.no_grad()
def evaluate_words(model: MeanLatent, num: int = 400) -> dict[str, Any]:
    """Mean squared error on new scenes: told the caption, or one that is wrong in one respect."""
    scenes = shapes(num, SIZE, 2, split="train", seed=100)
    autoencoder, scaling = first_stage("scenes")
    z = scaling.apply(encode_all(autoencoder, scenes.images))
    told = {
        "caption": scenes.captions,
        "relation_turned": [turned(caption) for caption in scenes.captions],
        "colours_exchanged": [recoloured(caption) for caption in scenes.captions],
    }
    errors = {
        f"error_{name}": round((model(model.tokenizer(texts).ids) - z).square().mean().item(), 4)
        for name, texts in told.items()
    }
    return errors | {"error_of_overall_mean": round((z - z.mean(0)).square().mean().item(), 4), "captions": num}


def names_batch(step: int, generator: torch.Generator, *, batch_size: int = BATCH) -> TextBatch:
    """Latents of emoji drawn at random, and their names. Not mirrored: names tell left from right."""
    z, ids = emoji_latents()
    index = torch.randint(len(z), (batch_size,), generator=generator)
    return z[index], ids[index]


def layouts_batch(step: int, generator: torch.Generator, *, batch_size: int = BATCH) -> LayoutBatch:
    """Latents of scenes drawn at random from the pool, and their layouts."""
    pool = scene_pool(NUM_SCENES["ldm_layout"])
    index = torch.randint(len(pool.z), (batch_size,), generator=generator)
    return pool.z[index], pool.layouts[index].float() / 255


def loss_with_text(model: LatentDiffusion, batch: TextBatch, generator: torch.Generator) -> Float[Tensor, ""]:
    """`text_loss` with the schedule, target and dropout of this chapter."""
    return text_loss(model, batch, generator, drop_prob=DROP_PROB, **DIFFUSION)


def loss_with_layout(model: LayoutDiffusion, batch: LayoutBatch, generator: torch.Generator) -> Float[Tensor, ""]:
    """`layout_loss` with the schedule, target and dropout of this chapter."""
    return layout_loss(model, batch, generator, drop_prob=DROP_PROB, **DIFFUSION)


def bundle_of(model: LatentDiffusion, data: str) -> TextToImage:
    """A second stage with the autoencoder it was trained on, and the scale of "emoji" or "scenes"."""
    return TextToImage(model, *first_stage(data), **DIFFUSION)


def evaluate_captions(model: LatentDiffusion, num: int = 350) -> dict[str, Any]:
    """What the exact reader finds of ``num`` captions of each kind, at several scales: above a thousand at each."""
    numbers = {}
    for scale in SCALES:
        draw = pictures_of(bundle_of(model, "scenes"), guidance_scale=scale, num_steps=SAMPLING_STEPS)
        found = score_captions_by_kind(draw, num)
        numbers |= {f"{key}, s={scale:g}": value for key, value in found.items()}
    return numbers | {"sampling_steps": SAMPLING_STEPS, "captions_of_each_kind": num}


def evaluate_names(model: LatentDiffusion) -> dict[str, Any]:
    """Distances, precision and recall of one picture for each of many names, at several scales."""
    numbers = {}
    for scale in NAME_SCALES:
        draw = pictures_of(bundle_of(model, "emoji"), guidance_scale=scale, num_steps=SAMPLING_STEPS)
        found = emoji_scores(draw(emoji_test_names()))
        numbers |= {f"{key}, s={scale:g}": value for key, value in found.items()}
    return numbers | {"sampling_steps": SAMPLING_STEPS}


def draw_layouts(
    model: LayoutDiffusion, scenes: Scenes, guidance_scale: float, num_steps: int, seed: int = 0
) -> Float[Tensor, "N 3 S S"]:
    """One picture for the layout of each scene."""
    autoencoder, scaling = first_stage("scenes")
    laid_out = model.conditioned(layout_of(scenes, model.unet.size))
    z = draw_latents(
        lambda rows: CFGModel(laid_out, rows + 1, guidance_scale), len(scenes), model.latent_shape, num_steps,
        seed=seed, **DIFFUSION,
    )  # fmt: skip
    return decode_all(autoencoder, scaling.undo(z))


def evaluate_layouts(model: LayoutDiffusion, num: int = 100) -> dict[str, Any]:
    """Whether shapes of the right class stand where new layouts have them, at several scales."""
    scenes, numbers = shapes(num, SIZE, 2, split="train", seed=100), {}
    for scale in SCALES:
        found = layout_scores(draw_layouts(model, scenes, scale, SAMPLING_STEPS), scenes)
        numbers |= {f"{key}, s={scale:g}": round(value, 4) for key, value in found.items()}
    return numbers | {"sampling_steps": SAMPLING_STEPS}


def latents_hash() -> str:
    """The pictures, and the first stage that encoded them."""
    return f"{data_hash()}, encoded by {FIRST_STAGE} {card(FIRST_STAGE)['file_hash']}"


def second_stage(
    name: str, kind: type[nn.Module], arguments: dict[str, Any], loss: Callable[..., Tensor], num_steps: int,
    **fields: Any,
) -> Recipe:  # fmt: skip
    """The recipe of one second stage on 16 x 16 x 4 latents."""
    network = {"channels": 48, "multipliers": [1, 2], "attention_resolutions": [8], "size": 16, "in_channels": 4}
    return Recipe(
        name=name,
        build=(kind, network | arguments),
        loss_fn=loss,
        num_steps=num_steps,
        lr=1e-3,
        ema_decay=0.999,
        half=True,
        data_hash=latents_hash,
        **fields,
    )


TEXT_ENCODERS = {
    WORDS: Recipe(
        name=WORDS,
        build=(MeanLatent, {"vocabulary": "captions"}),
        loss_fn=mean_latent_loss,
        batch_fn=functools.partial(captions_batch, batch_size=BATCH),
        num_steps=1000,
        lr=1e-3,
        ema_decay=0.99,
        half=True,
        evaluate=evaluate_words,
        data_hash=latents_hash,
        note="The mean latent of a caption; its text encoder is where ldm_shapes begins.",
    )
}

SECOND_STAGES = {
    recipe.name: recipe
    for recipe in (
        second_stage(
            "ldm_shapes", LatentDiffusion, {"vocabulary": "captions", "told_places": True}, loss_with_text, 10_000,
            batch_fn=captions_batch, evaluate=evaluate_captions, start=start_with_words,
            note="Two shapes by their caption; six pairs and six relations are held out.",
        ),
        second_stage(
            "ldm_emoji", LatentDiffusion, {"vocabulary": "emoji"}, loss_with_text, 4600, batch_fn=names_batch,
            evaluate=evaluate_names, note="Emoji by their names.",
        ),
        second_stage(
            "ldm_layout", LayoutDiffusion, {}, loss_with_layout, 2000, batch_fn=layouts_batch,
            evaluate=evaluate_layouts, note="Two shapes by the layout of their classes; colours are left to the model.",
        ),
    )
}  # fmt: skip
"""About 0.55 seconds of one core an update, of 64 latents; the pool takes minutes before the first."""
