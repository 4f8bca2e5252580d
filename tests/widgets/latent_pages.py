"""Small widgets of chapter 7 for tests: scenes, walks of blurred ones, maps of noise, a decoder that enlarges."""

import io
import time

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, interpolate

from lib.data import CLASSES, COLOURS, RELATIONS, SIZES, shapes
from lib.widgets import CaptionBuilder, LatentViewer, latent_stage

TEMPLATE = "a {} {} {}[ {} a {} {} {}]"
THING = [("size", list(SIZES)), ("colour", list(COLOURS)), ("shape", list(CLASSES))]
SLOTS = [*THING, ("relation", ["", *RELATIONS]), *THING]
VOCABULARY = ["a", "and", *SIZES, *COLOURS, *CLASSES, *" ".join(RELATIONS).split()]


def as_bytes(pictures: torch.Tensor) -> np.ndarray:
    """Pictures in [-1, 1] as bytes."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def cut(sheet: bytes, columns: int, side: int) -> np.ndarray:
    """The pictures of a sheet, (number, 3, side, side)."""
    pixels = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))
    return pixels.reshape(-1, side, columns, side, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, side, side)


def smooth(num: int, words: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Positive maps that sum to 1 over the words at every place: (num, words, side, side)."""
    rough = torch.randn(num, words, max(4, side // 4), max(4, side // 4), generator=generator)
    return interpolate(rough, size=(side, side), mode="bicubic").softmax(1)


def drawn(image: torch.Tensor, text: str, *, num_walk: int, side: int, seed: int, per_step: bool = True) -> tuple:
    """A picture, a walk to it out of noise that is blurred less and less, its words and their maps."""
    generator, size = torch.Generator().manual_seed(seed), image.shape[-1]
    walk = []
    for k in range(num_walk):
        share = (k + 1) / (num_walk + 1)
        noise = torch.randn(1, 3, size // 4, size // 4, generator=generator)
        coarse = interpolate(noise, size=(size, size), mode="bicubic")
        blurred = avg_pool2d(image[None], 9, 1, 4, count_include_pad=False)
        walk.append((share * (share * image + (1 - share) * blurred) + 0.25 * (1 - share) * coarse)[0])
    words = ["<start>", *text.split(), "<end>"]
    maps = smooth(num_walk if per_step else 1, len(words), side, generator)
    return as_bytes(image), as_bytes(torch.stack(walk)), words, maps if per_step else maps[0], ()


def answers(num: int, size: int, settings=((30, 3.0, 0),), **how) -> dict[tuple, tuple]:
    """An answer for each of some scenes and settings."""
    scenes = shapes(num, size, 2, seed=5)
    texts = list(map(str, scenes.captions))
    made = {}
    for i in range(num):
        for steps, scale, seed in settings:
            made[texts[i], steps, scale, seed] = drawn(scenes.images[i], texts[i], seed=10 * i + seed, **how)
    return made


def caption_builder(**changes) -> CaptionBuilder:
    """Four captions of scenes of 16 x 16 pixels, one of them with three more settings; every byte is kept."""
    made = answers(4, 16, num_walk=3, side=4)
    first = next(iter(made))
    for seed, more in enumerate([(30, 1.0, 0), (30, 7.5, 0), (30, 3.0, 1)]):
        made[first[0], *more] = drawn(shapes(1, 16, 2, seed=seed).images[0], first[0], num_walk=3, side=4, seed=seed)
    settings = {"slots": SLOTS, "template": TEMPLATE, "vocabulary": VOCABULARY, "walk_quality": None}
    return CaptionBuilder(made, **{**settings, **changes})


def slow_model(text: str, steps: int, scale: float, seed: int) -> tuple:
    """Stands for a model: half a second, a picture that depends on everything, and an error for a zebra."""
    time.sleep(0.5)
    if "zebra" in text:
        raise ValueError("no zebras today")
    image = shapes(1, 16, 2, seed=seed + steps + round(10 * scale) + len(text)).images[0]
    return drawn(image, text, num_walk=3, side=4, seed=seed)


def stage(pictures: torch.Tensor, factor: int, channels: int, numbers: dict | None = None):
    """Latents: means over squares, mixed into some channels; the decoder unmixes them and enlarges."""
    mix = torch.randn(channels, 3, generator=torch.Generator().manual_seed(channels))
    latents = torch.einsum("kc,nchw->nkhw", mix, avg_pool2d(pictures, factor))
    back = torch.linalg.pinv(mix)
    decode = lambda z: interpolate(torch.einsum("ck,nkhw->nchw", back, z), scale_factor=factor, mode="nearest")  # noqa: E731
    return latent_stage(latents, decode, numbers)


def latent_viewer(size: int = 16, num: int = 3, factors=(2, 4, 8), **changes) -> LatentViewer:
    """Scenes under three autoencoders that only average; every byte is kept."""
    pictures = shapes(num, size, 2, seed=1).images
    table = {"PSNR": [31.27, 24.5, 19.0], "cost": ["1", "¼", "¹⁄₁₆"]}
    stages = {
        str(f): stage(pictures, f, 3 + (f == 4), {name: values[i % 3] for name, values in table.items()})
        for i, f in enumerate(factors)
    }
    return LatentViewer(as_bytes(pictures), stages, **{"edit_quality": None, **changes})


def hwc(picture: np.ndarray) -> np.ndarray:
    """(3, H, W) as (H, W, 3)."""
    return picture.transpose(1, 2, 0)
