"""Latent diffusion that is wrong on purpose, each failure with the number that gives it away.

Every number can be read from a model that one has, without the broken line in sight.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ldm.diffusion import LatentDiffusion, TextBatch, text_loss
from lib.ldm.loss import first_stage_loss
from lib.ldm.scale import Scaling, decode_all, encode_all
from lib.ldm.text import UNKNOWN, Tokenizer, Tokens, split_words
from lib.training import step_generator

# ---- no scale factor

AS_THEY_ARE = Scaling(1.0)
"""Broken line: ``z = autoencoder.latent(x)``, and straight into the noise.

Training and sampling still agree, and the decoder is given what it expects, so the pictures need not tell. What can be
measured is the schedule: every level is another one than it is called, see `log_snr_shift`.
"""


def log_snr_shift(z: Float[Tensor, "N C h w"]) -> float:
    """How far these latents move every level of a schedule, in units of log SNR: 0 if they are scaled.

    Latents of standard deviation sigma_z have sigma_z² times the signal-to-noise ratio that the schedule says. At +4
    (sigma_z = 7) the middle of the walk is still nearly clean; at -4 nearly all levels are noise. Whether the last
    level still shows something of the picture is up to the schedule: with sigma_z = 5.5 the ratio there is 0.14 for
    that of Stable Diffusion (alpha_bar_T = 0.0047) and 7e-8, nothing, for the cosine of this chapter (2.4e-9).
    """
    return 2 * math.log(z.double().std(correction=0).item())


# ---- a KL weight far too large

heavy_kl_loss = partial(first_stage_loss, penalty_weight=1.0)
"""Broken line: ``penalty_weight=1.0``, a million times the weight of the paper.

A direction in which pictures vary too little to pay for its divergence is switched off (step L04). Which ones these
are depends on the pictures and on the factor, and so does what is left to be seen; `signal_to_noise` measures it.
"""


@torch.no_grad()
def signal_to_noise(autoencoder: nn.Module, images: Float[Tensor, "N 3 S S"]) -> float:
    """Spread of the means over pictures and places, over the noise that the encoder adds, for the best channel.

    Far above 1 in a sound first stage. Below 1 every channel brings the decoder more noise than picture. Above 1 some
    channel gets through, which is no proof that enough of them do.
    """
    mu, logvar = autoencoder.encode(images)
    spread = mu.transpose(0, 1).flatten(1).std(1, correction=0)
    noise = (0.5 * logvar).exp().transpose(0, 1).flatten(1).mean(1)
    return (spread / noise).max().item()


# ---- artefacts of the decoder, taken for artefacts of the diffusion


def rebuilt(autoencoder: nn.Module, images: Float[Tensor, "N 3 S S"]) -> Float[Tensor, "N 3 S S"]:
    """Real pictures through the first stage alone: what hardly any second stage can surpass."""
    return decode_all(autoencoder, encode_all(autoencoder, images))


def decoder_share(
    score: Callable[[Float[Tensor, "N 3 S S"]], float],
    autoencoder: nn.Module,
    real: Float[Tensor, "N 3 S S"],
    made: Float[Tensor, "N 3 S S"],
) -> float:
    """Which share of what samples lack is lost in the first stage already: 1 all of it, 0 nothing.

    Near 1, a longer training of the U-Net is time wasted.

    Args:
        score: of pictures, the higher the better: the share of captions read rightly, minus a Fréchet distance, ….
        autoencoder: the first stage.
        real: pictures of the data.
        made: pictures of the second stage, in the same number.

    Raises:
        ValueError: if the samples are no worse than real pictures.
    """
    best, floor, reached = score(real), score(rebuilt(autoencoder, real)), score(made)
    if reached >= best:
        raise ValueError(f"made must score below the real pictures for anything to be lost, got {reached} and {best}")
    return (best - floor) / (best - reached)


# ---- text ignored

deaf_loss = partial(text_loss, drop_prob=1.0)
"""Broken line: ``drop_prob=1.0``. Every text is replaced by the null text; the model is never told anything."""


@torch.no_grad()
def text_gain(
    model: LatentDiffusion,
    batch: TextBatch,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "v",
    seed: int = 0,
    others: Int[Tensor, "B L"] | None = None,
) -> float:
    """How much larger the loss becomes, in shares of itself, when every latent is told another text.

    0 for a model that does not listen, whatever its pictures look like. Levels and noise are the same both times.

    Args:
        model: with a text encoder.
        batch: scaled latents, and the tokens of their texts.
        alpha_bar: the schedule.
        target: what the model is asked for.
        seed: of levels and noise.
        others: tokens of the other texts; those of the neighbour in the batch if not given.
    """
    z, ids = batch
    losses = []
    for told in (ids, ids.roll(1, 0) if others is None else others):
        source = step_generator(seed, 0, "text gain")
        loss = text_loss(model, (z, told), source, alpha_bar=alpha_bar, target=target, drop_prob=0.0)
        losses.append(loss.item())
    return losses[1] / losses[0] - 1


# ---- words that the model never saw


def silent_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokens:
    """Broken line: ``[number[word] for word in words if word in number]``. Unknown words are left out without a word.

    "a golden star" becomes "a star", and the picture a star of any colour.
    """
    known = [" ".join(word for word in split_words(text) if word in tokenizer.number) for text in texts]
    return tokenizer(known)


def unreported_words(tokens: Tokens, texts: Sequence[str]) -> int:
    """Words of the texts that are neither known ones among the tokens nor reported as unknown; must be 0."""
    asked = sum(len(split_words(text)) for text in texts)
    known = int((tokens.ids > UNKNOWN).sum())
    return asked - known - sum(len(words) for words in tokens.unknown)
