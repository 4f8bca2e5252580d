"""From words to pictures: a walk in latents, guided without a classifier, and one call of the decoder at the end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.ddim import sample
from lib.ddpm import last, schedules
from lib.ddpm.sampling import Model, State
from lib.ddpm.schedules import spaced
from lib.guidance import CFGModel
from lib.ldm.attention import recorded_attention, word_maps
from lib.ldm.diffusion import LatentDiffusion
from lib.ldm.scale import Scaling, decode_all
from lib.training import autocast, card, load, step_generator

FIRST_STAGE = "ldm_kl_f4"
"""The autoencoder whose latents the shipped second stages were trained on."""

DATA = {"ldm_shapes": "scenes", "ldm_emoji": "emoji", "ldm_layout": "scenes"}
"""What each second stage was trained on: emoji and scenes have latents of different spread."""

DIFFUSION: dict[str, Any] = {"alpha_bar": schedules.cosine(1000), "target": "v"}
"""Schedule and target of every second stage of the chapter."""


class Generated(NamedTuple):
    """What `TextToImage.generate` returns.

    Attributes:
        images: one picture for each text, in [-1, 1].
        latents: scaled, as the walk ended.
        unknown: for each text the words that the model has never seen; it was told <unk> in their place.
        num_calls: passes of the U-Net for each picture; the decoder is called once.
    """

    images: Float[Tensor, "N 3 S S"]
    latents: Float[Tensor, "N C s s"]
    unknown: list[tuple[str, ...]]
    num_calls: int


def walk(
    model: Model, shape: tuple[int, ...], num_steps: int, generator: torch.Generator, *,
    alpha_bar: Float[Tensor, " levels"], target: str,
) -> Iterator[State]:  # fmt: skip
    """DDIM without fresh noise, evenly spaced. Estimates are not clipped: latents have no range, pictures have."""
    levels = spaced(len(alpha_bar) - 1, num_steps)
    return sample(model, shape, alpha_bar, generator, levels=levels, target=target)


@torch.no_grad()
def draw_latents(
    model_for: Callable[[Int[Tensor, " b"]], Model],
    num: int,
    shape: tuple[int, ...],
    num_steps: int,
    *,
    seed: int = 0,
    chunk: int = 64,
    device: torch.device | str = "cpu",
    **diffusion: Any,
) -> Float[Tensor, "N C s s"]:
    """``num`` scaled latents, some at a time; each chunk has an x_T of its own that follows from the seed.

    Args:
        model_for: from the numbers of the rows of a chunk to a model ``(x_t, t) -> output``.
        num: how many.
        shape: of one latent.
        num_steps: levels visited.
        seed: of x_T.
        chunk: latents at a time.
        device: where to compute.
        diffusion: ``alpha_bar`` and ``target``.
    """
    found = []
    for rows in torch.arange(num).split(chunk):
        generator = step_generator(seed, int(rows[0]), "samples", device)
        with autocast("auto", device):
            states = walk(model_for(rows.to(device)), (len(rows), *shape), num_steps, generator, **diffusion)
            found.append(last(states).x_t.float().cpu())
    return torch.cat(found)


@dataclass(frozen=True, eq=False)
class TextToImage:
    """Everything between a caption and a picture.

    Attributes:
        denoiser: U-Net, text encoder and tokenizer.
        autoencoder: whose decoder makes the pictures.
        scaling: of the latents that the denoiser was trained on.
        alpha_bar: the schedule.
        target: what the denoiser answers.
    """

    denoiser: LatentDiffusion
    autoencoder: nn.Module
    scaling: Scaling
    alpha_bar: Float[Tensor, " levels"]
    target: str = "v"

    @property
    def device(self) -> torch.device:
        """Where the denoiser is."""
        return next(self.denoiser.parameters()).device

    def generate(
        self, texts: list[str], *, guidance_scale: float = 3.0, num_steps: int = 30, seed: int = 0, chunk: int = 64
    ) -> Generated:
        """One picture for each text.

        Args:
            texts: captions or names; "" is the null text.
            guidance_scale: s; 0 does not listen, 1 is the model that is told the text, above 1 it is guided away from
                the null text.
            num_steps: levels visited.
            seed: the same seed gives the same x_T whatever texts and scale are.
            chunk: pictures at a time.

        Raises:
            ValueError: if there is no text, or one is too long.
        """
        if not texts:
            raise ValueError("texts must hold at least one text, got none")
        with torch.no_grad():
            model, tokens = self.denoiser.conditioned(texts)
        used: list[CFGModel] = []

        def guided(rows: Tensor) -> CFGModel:
            used.append(CFGModel(model, rows + 1, guidance_scale))
            return used[-1]

        z = draw_latents(
            guided, len(texts), self.denoiser.latent_shape, num_steps, seed=seed, chunk=chunk, device=self.device,
            alpha_bar=self.alpha_bar, target=self.target,
        )  # fmt: skip
        return Generated(self.decode(z), z, tokens.unknown[1:], used[0].num_calls)

    @torch.no_grad()
    def states(self, text: str, *, guidance_scale: float = 3.0, num_steps: int = 30, seed: int = 0) -> Iterator[State]:
        """Every state of the walk to one picture, in scaled latents: `decode` shows them."""
        model, _ = self.denoiser.conditioned([text])
        guided, generator = CFGModel(model, 1, guidance_scale), step_generator(seed, 0, "samples", self.device)
        diffusion = {"alpha_bar": self.alpha_bar, "target": self.target}
        with autocast("auto", self.device):
            yield from walk(guided, (1, *self.denoiser.latent_shape), num_steps, generator, **diffusion)

    def attention(
        self, text: str, *, guidance_scale: float = 3.0, num_steps: int = 30, seed: int = 0
    ) -> tuple[list[str], Float[Tensor, "num_steps words s s"], Float[Tensor, "1 3 S S"]]:
        """Where each word is looked at, at every step of the walk to one picture, from noise to picture.

        Returns:
            the words, <start> and <end> included; for each step and word a map as large as the latent, the mean over
            heads and sites, which sum to 1 over the words at every place; and the picture.
        """
        settings = {"guidance_scale": guidance_scale, "num_steps": num_steps, "seed": seed}
        with recorded_attention(self.denoiser.unet) as recorded:
            end = last(self.states(text, **settings))
        words = self.denoiser.tokenizer.decode(self.denoiser.tokenizer([text]).ids[0])
        maps = [
            word_maps({name: [calls[step][-1:]] for name, calls in recorded.items()}, self.denoiser.latent_shape[-1])[0]
            for step in range(num_steps)  # the last row of a call is told the text, a first one the null text
        ]
        return words, torch.stack(maps)[:, : len(words)], self.decode(end.x_t.float())

    def decode(self, z: Float[Tensor, "N C s s"]) -> Float[Tensor, "N 3 S S"]:
        """Pictures of scaled latents, in [-1, 1]."""
        return decode_all(self.autoencoder, self.scaling.undo(z))


def scaling_of(first_stage: str, data: str) -> Scaling:
    """The scaling on the card of a first stage for the latents of "emoji" or "scenes".

    Raises:
        ValueError: if the card knows no such data.
        FileNotFoundError: if there is no such checkpoint.
    """
    metrics = card(first_stage)["metrics"]
    if f"scale_{data}" not in metrics:
        raise ValueError(f"data must be emoji or scenes, got {data!r}")
    return Scaling(metrics[f"scale_{data}"], tuple(metrics[f"shift_{data}"]))


def text_to_image(name: str, device: torch.device | str = "cpu") -> TextToImage:
    """A shipped second stage with its autoencoder: "ldm_shapes" takes captions, "ldm_emoji" names.

    Raises:
        ValueError: if there is no such second stage.
        FileNotFoundError: if a checkpoint is missing.
    """
    if name not in ("ldm_shapes", "ldm_emoji"):
        raise ValueError(f"name must be ldm_shapes or ldm_emoji, got {name!r}")
    autoencoder = load(FIRST_STAGE, device).autoencoder
    return TextToImage(load(name, device), autoencoder, scaling_of(FIRST_STAGE, DATA[name]), **DIFFUSION)
