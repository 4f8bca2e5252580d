"""The measured trends of chapter 7: what is lost at each factor f, what is won by it, and what a picture costs.

python -m lib.trends ldm_floor               (needs the first stages)
python -m lib.trends ldm_quality_over_f      (needs the first stages and ldm_words; trains small second stages)
python -m lib.trends ldm_cost                (needs ldm_emoji and the ddpm_emoji64 of chapter 4)
python -m lib.trends ldm_relations           (needs ldm_kl_f4 and ldm_words; trains second stages for a short while)
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lib.data import emoji, shapes
from lib.ddpm.quality import draw
from lib.ddpm.recipe import DIFFUSION as PIXEL_DIFFUSION
from lib.ldm import failures
from lib.ldm.diffusion import LatentDiffusion, TextBatch, text_loss
from lib.ldm.first_stage import SIZE, latent_numbers, reconstruction_numbers
from lib.ldm.quality import caption_scores, captions_to_test, recoloured, turned
from lib.ldm.sampling import DIFFUSION, TextToImage, text_to_image
from lib.ldm.scale import Latents, encode_all
from lib.ldm.second_stage import loss_with_text, start_with_words
from lib.training import cells, fit, load, random_batches, spread, step_generator
from lib.vqvae.recipe import frechet

FIRST_STAGES = {2: "ldm_kl_f2", 4: "ldm_kl_f4", 8: "ldm_kl_f8"}
FLOOR = (*FIRST_STAGES.values(), "ldm_vq_f4", "ldm_kl_f4_no_gan")

NUM_TRAINING = 3000
NUM_STEPS = 500
"""Updates at f = 4; at equal compute the others get as many as cost the same."""
BATCH = 32
NUM_SAMPLES = 96
SAMPLING_STEPS = 25
TIMED = 16

FLOOR_PAPER = (
    "Rombach et al. 2022 (arXiv:2112.10752), Table 8 and the published models, 256 pixels: reconstruction FID of "
    "KL f4 0.27, f8 0.90, f16 0.87; of VQ f4 0.58, f8 1.14, f16 5.15; PSNR of KL f4 27.5, f8 24.2."
)
QUALITY_PAPER = (
    "Rombach et al. 2022 (arXiv:2112.10752), Figs. 6 and 7: after 2 million updates the FID of LDM-1 is 38 above that "
    "of LDM-8; 4 to 16 are a good balance, 4 and 8 best. These are equal updates, with batches of 7 (f1) to 112 (f32) "
    "pictures; Fig. 17 repeats it at equal compute, with qualitatively the same result (appendix D.5)."
)
RELATIONS_STEPS = 200
NOISIEST = 700
"""Above this level it is decided where things are."""

RELATIONS_SETTINGS = {
    "as in the paper": (False, False),
    "places told": (True, False),
    "words first": (False, True),
    "places told, words first": (True, True),
}
"""What a second stage begins with: transformers that are told places, the text encoder of ``ldm_words``."""

RELATIONS_PAPER = (
    "Rombach et al. 2022 (arXiv:2112.10752) and its code: the transformers of the U-Net are not told where a place is, "
    "and the text encoder begins with random weights; Stable Diffusion's was trained beforehand, on texts and pictures."
)
COST_PAPER = (
    "Rombach et al. 2022 (arXiv:2112.10752), Tables 3, 10 and 18, ImageNet at 256 pixels: ADM 0.12 pictures a second "
    "after 916 V100-days of training, LDM-4 0.7 after 271, without the 29 of its first stage."
)


@functools.cache
def held_out_pictures() -> Tensor:
    """Emoji and scenes that no training has seen."""
    scenes = shapes(512, SIZE, 2, split="heldout", seed=3).images
    return torch.cat([emoji(SIZE, "heldout").images, scenes])


def measure_floor(name: str, seed: int) -> dict[str, Any]:
    """Reconstructions of half of the held-out pictures, drawn by the seed, by a shipped first stage."""
    autoencoder, images = load(name).autoencoder, held_out_pictures()
    order = torch.randperm(len(images), generator=step_generator(seed, 0, "pictures"))
    some = images[order[: len(images) // 2]]
    numbers = reconstruction_numbers(autoencoder, some)
    return {key: round(value, 5) for key, value in numbers.items()} | {
        "latent_numbers": latent_numbers(autoencoder, some[:64])["latent_numbers"]
    }


def ldm_floor(seeds: list[int]) -> dict[str, Any]:
    """The reconstruction floor over f: PSNR, perceptual distance, Fréchet distance; KL, VQ, with and without critic."""
    rows = cells("ldm_floor", {name: name for name in FLOOR}, seeds, measure_floor)
    confound = (
        "One training of each first stage; the seeds vary the pictures. All have about a million parameters, and "
        "equally many updates, except f = 2, whose attention at 32 x 32 places makes an update dearer."
    )
    return _table(rows, FLOOR_PAPER, confound)


@dataclass(frozen=True)
class Setting:
    """A second stage on the latents of factor f, trained for so many updates."""

    factor: int
    num_steps: int


def denoiser(factor: int) -> LatentDiffusion:
    """The same small network for every f; only the size and the channels of the latent differ."""
    autoencoder = load(FIRST_STAGES[factor]).autoencoder
    return LatentDiffusion(
        "captions", in_channels=autoencoder.latent_channels, size=SIZE // factor, channels=32, multipliers=(1, 2),
        attention_resolutions=(), told_places=True,
    )  # fmt: skip


def flops(model: LatentDiffusion) -> int:
    """Operations of one answer for one latent."""
    x_t, ids = torch.zeros(1, *model.latent_shape), model.null_tokens(1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x_t, torch.ones(1, dtype=torch.int64), ids)
    return counter.get_total_flops()


def settings(cost: Callable[[int], float]) -> dict[str, Setting]:
    """Every f at equal updates and at equal compute; ``cost`` is that of an update at f."""
    equal_steps = {f"f={f}, equal updates": Setting(f, NUM_STEPS) for f in FIRST_STAGES}
    return equal_steps | {
        f"f={f}, equal compute": Setting(f, round(NUM_STEPS * cost(4) / cost(f))) for f in FIRST_STAGES if f != 4
    }


@functools.cache
def training_data(factor: int) -> tuple[Latents, Tensor]:
    """Latents of new scenes and the tokens of their captions."""
    scenes = shapes(NUM_TRAINING, SIZE, 2, split="train", seed=11)
    model = denoiser(factor)
    return Latents.of(load(FIRST_STAGES[factor]).autoencoder, scenes.images), model.tokenizer(scenes.captions).ids


def measure_quality(setting: Setting, seed: int) -> dict[str, Any]:
    """Train one second stage; Fréchet distance of its pictures from real scenes, and what the captions got."""
    latents, ids = training_data(setting.factor)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = denoiser(setting.factor)
    start_with_words(model)
    start, batches = time.process_time(), random_batches((latents.z, ids), BATCH, seed)
    for _ in fit(model, loss_with_text, batches, setting.num_steps, lr=1e-3, seed=seed):
        pass
    seconds = time.process_time() - start
    autoencoder = load(FIRST_STAGES[setting.factor]).autoencoder
    bundle = TextToImage(model.eval(), autoencoder, latents.scaling, **DIFFUSION)
    captions = captions_to_test(NUM_SAMPLES)
    made = bundle.generate(list(captions), guidance_scale=2.0, num_steps=SAMPLING_STEPS, seed=seed).images
    real = shapes(NUM_SAMPLES, SIZE, 2, seed=12).images
    numbers = caption_scores(made, captions) | {"frechet": frechet(made, real), "training_seconds": seconds}
    return {key: round(value, 4) for key, value in numbers.items()} | {"num_steps": setting.num_steps}


def ldm_quality_over_f(seeds: list[int]) -> dict[str, Any]:
    """Quality of short trainings over f, at equal updates and at equal compute: two different orders."""
    costs = {factor: flops(denoiser(factor)) for factor in FIRST_STAGES}
    rows = cells("ldm_quality_over_f", settings(costs.__getitem__), seeds, measure_quality)
    confound = (
        f"Short trainings of a small network on {NUM_TRAINING} scenes. Compute is counted in operations of the second "
        "stage, not in seconds, and the first stage and its cost are left out. All begin with the text encoder of "
        "ldm_words, which learned from latents of f = 4. Small sets of samples."
    )
    return _table(rows, QUALITY_PAPER, confound) | {"flops": {f"f={factor}": cost for factor, cost in costs.items()}}


def measure_relations(setting: tuple[bool, bool], seed: int) -> dict[str, Any]:
    """Train on the noisiest levels for a short while; how much a caption that is wrong in one respect then costs."""
    told_places, words_first = setting
    latents, ids = training_data(4)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = LatentDiffusion("captions", channels=48, attention_resolutions=(8,), told_places=told_places)
    if words_first:
        start_with_words(model)
    noisiest = {"alpha_bar": DIFFUSION["alpha_bar"][[0, *range(NOISIEST, len(DIFFUSION["alpha_bar"]))]]}

    def loss(model: nn.Module, batch: TextBatch, generator: torch.Generator) -> Tensor:
        return text_loss(model, batch, generator, **noisiest)

    for _ in fit(model, loss, random_batches((latents.z, ids), BATCH, seed), RELATIONS_STEPS, lr=1e-3, seed=seed):
        pass
    scenes = shapes(NUM_SAMPLES, SIZE, 2, split="train", seed=13)
    z = latents.scaling.apply(encode_all(load(FIRST_STAGES[4]).autoencoder, scenes.images))
    tokens = model.eval().tokenizer
    wrong = {"relation turned": turned, "colours exchanged": recoloured}
    return {
        name: round(
            failures.text_gain(
                model, (z, tokens(scenes.captions).ids), **noisiest, seed=seed,
                others=tokens([change(caption) for caption in scenes.captions]).ids,
            ), 5,
        )
        for name, change in wrong.items()
    }  # fmt: skip


def ldm_relations(seeds: list[int]) -> dict[str, Any]:
    """What lets a second stage learn "left": transformers that are told places, and words that were learned before."""
    rows = cells("ldm_relations", RELATIONS_SETTINGS, seeds, measure_relations)
    confound = (
        f"{RELATIONS_STEPS} updates with {BATCH} latents of {NUM_TRAINING} scenes, on levels above {NOISIEST} only: it "
        "shows who learns sooner, not who would never learn. The words were learned once, from 20,000 other scenes "
        "and in 1,000 updates of a small network, which the other settings do not have."
    )
    return _table(rows, RELATIONS_PAPER, confound)


def measure_cost(setting: tuple[str, int, float], seed: int) -> dict[str, Any]:
    """CPU-seconds and network calls for one picture, in a batch of `TIMED`; loading is not counted."""
    name, num_steps, scale = setting
    if name == "ddpm_emoji64":
        model = load(name)
        run = functools.partial(draw, model, TIMED, SIZE, num_steps, **PIXEL_DIFFUSION[name], seed=seed)
        calls = num_steps
    else:
        bundle = text_to_image(name)
        names = [row.name for row in emoji(32).table[:TIMED]]
        run = functools.partial(bundle.generate, names, guidance_scale=scale, num_steps=num_steps, seed=seed)
        calls, model = num_steps * (1 if scale in (0, 1) else 2), bundle.denoiser
    run()
    start = time.process_time()
    run()
    seconds = (time.process_time() - start) / TIMED
    return {"cpu_seconds": round(seconds, 4), "network_calls": calls, "parameters": _count(model)}


COST_SETTINGS = {
    "pixels, 100 steps": ("ddpm_emoji64", 100, 1.0),
    "pixels, 30 steps": ("ddpm_emoji64", 30, 1.0),
    "latents, 30 steps": ("ldm_emoji", 30, 1.0),
    "latents, 30 steps, guided": ("ldm_emoji", 30, 3.0),
}


def ldm_cost(seeds: list[int]) -> dict[str, Any]:
    """What a picture of 64 pixels costs in pixels and in latents."""
    rows = cells("ldm_cost", COST_SETTINGS, seeds, measure_cost)
    confound = (
        "Two networks of about the same size; the one for pixels works on patches of 2 x 2, so at 32 x 32 places, and "
        "the one for latents at 16 x 16. A decoder follows, once. Times depend on what else the machine does."
    )
    return _table(rows, COST_PAPER, confound)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _table(rows: list[dict[str, Any]], paper: str, confound: str) -> dict[str, Any]:
    """Rows, mean and spread over seeds of every number, what the paper says, and what to beware of."""
    summary = {}
    for label in dict.fromkeys(row["setting"] for row in rows):
        of_label = [row for row in rows if row["setting"] == label]
        for key in of_label[0].keys() - {"setting", "seed", "minutes"}:
            if len(of_label) > 1:
                summary[f"{key}, {label}"] = spread([row[key] for row in of_label])
    return {"rows": rows, "summary": dict(sorted(summary.items())), "paper": paper, "confound": confound}


TRENDS = {
    "ldm_floor": ldm_floor,
    "ldm_quality_over_f": ldm_quality_over_f,
    "ldm_cost": ldm_cost,
    "ldm_relations": ldm_relations,
}
