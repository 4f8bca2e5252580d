"""The trainings of the chapter: their batches, sizes and cards."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from lib.data import emoji, shapes
from lib.ldm import conditioning, first_stage, sampling, second_stage
from lib.ldm.autoencoder import AutoencoderKL
from lib.ldm.conditioning import Conditioned, LayoutDiffusion, layout_of
from lib.ldm.diffusion import LatentDiffusion
from lib.ldm.first_stage import (
    FIRST_STAGES,
    evaluate_first_stage,
    first_stage_batch,
    from_bytes,
    latent_numbers,
    reconstruction_numbers,
    to_bytes,
)
from lib.ldm.mean_latent import MeanLatent
from lib.ldm.recipe import RECIPES
from lib.ldm.scale import Scaling, decode_all, encode_all
from lib.ldm.sd import count
from lib.ldm.second_stage import SECOND_STAGES
from lib.ldm.text import make_tokenizer
from lib.metrics import psnr
from lib.training import Trainer, card, load, save
from lib.training.files import CHECKPOINTS, to_json
from lib.vqvae.recipe import all_pictures


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch):
    """A small pool: the real one takes long to draw."""
    pool = to_bytes(shapes(24, 64, (1, 3), seed=0).images)
    monkeypatch.setattr(first_stage, "scene_pool", lambda: pool)
    monkeypatch.setattr(first_stage, "held_out_scenes", lambda: shapes(16, 64, 2, split="heldout", seed=1))


@pytest.mark.parametrize("name", FIRST_STAGES)
def test_a_first_stage_is_small_described_and_trained(name):
    """At most 1.5 million parameters beside the critic; the card is JSON; an update changes the autoencoder."""
    source = RECIPES[name]
    to_json(source.describe())
    small = replace(source, batch_fn=partial(first_stage_batch, batch_size=2), build=(source.build[0], tiny(source)))
    trainer = Trainer(small, num_steps=2)
    before = trainer.model.autoencoder.last_layer.clone()
    assert 0 < trainer.advance().loss < 10 and not torch.equal(before, trainer.model.autoencoder.last_layer)
    with torch.device("meta"):
        full = source.build[0](**source.build[1])
    assert sum(p.numel() for p in full.autoencoder.parameters()) <= 1_500_000
    assert full.autoencoder.factor == int(name.split("_f")[1][0]) and full.start < source.num_steps
    assert (full.critic is None) == name.endswith("no_gan")


def tiny(source) -> dict:
    return source.build[1] | {"channels": 8, "num_groups": 4, "start": 0}


def test_half_of_a_batch_are_emoji_and_half_scenes():
    """Scenes are found in the pool; bytes lose less than half a level of brightness."""
    x = first_stage_batch(1, torch.Generator().manual_seed(0), batch_size=6)
    pool = first_stage.scene_pool()
    assert x.shape == (6, 3, 64, 64) and x.abs().max() <= 1 + 1e-6
    in_pool = [(to_bytes(picture[None]) == pool).flatten(1).all(1).any().item() for picture in x.clamp(-1, 1)]
    assert in_pool == [False] * 3 + [True] * 3
    images = shapes(4, 64, seed=3).images
    assert (from_bytes(to_bytes(images)) - images).abs().max() <= 1 / 255 + 1e-6


@pytest.mark.filterwarnings("ignore:.*cannot fill a covariance")
@pytest.mark.parametrize("kind", ["kl", "vq"])
def test_the_card_of_a_first_stage_tells_the_scale(kind):
    """Everything that a second stage must know, as JSON."""
    source = RECIPES["ldm_vq_f4" if kind == "vq" else "ldm_kl_f4"]
    model = replace(source, build=(source.build[0], tiny(source))).make_model(0).eval()
    found = evaluate_first_stage(model, every=400 if kind == "kl" else 200)
    assert {"psnr_heldout", "perceptual_scenes", "frechet_train", "scale_emoji", "shift_scenes"} <= set(found)
    assert len(found["shift_scenes"]) == 4 and found["latent_numbers_emoji"] == 1024
    assert ("codes_used_emoji" in found) == (kind == "vq") and ("noise_std_scenes" in found) == (kind == "kl")
    to_json(found)


def test_the_numbers_of_latents_bring_them_to_standard_deviation_1():
    """The card's scale and shift are those of its pictures; the noise of the encoder is in the same units."""
    torch.manual_seed(0)
    model, x = AutoencoderKL(4, 8, (1, 2, 2), num_groups=4).eval(), shapes(8, 64, 2, seed=0).images
    numbers = latent_numbers(model, x)
    z = Scaling(numbers["scale"], tuple(numbers["shift"])).apply(encode_all(model, x))
    assert z.std(correction=0).item() == pytest.approx(1, rel=1e-3) and z.mean((0, 2, 3)).abs().max() < 1e-3
    with torch.no_grad():
        noise = (model.encode(x)[1] / 2).exp().mean().item() * numbers["scale"]
    assert numbers["noise_std"] == pytest.approx(noise, rel=1e-3)


@pytest.mark.filterwarnings("ignore:.*cannot fill a covariance")
def test_perfect_reconstructions_have_no_distance():
    """An autoencoder that does nothing; one that darkens is further in every number."""

    class Nothing(torch.nn.Linear):
        def latent(self, x):
            return x

        def decode(self, z):
            return z - self.bias.item()

    x, numbers = shapes(8, 64, 2, seed=0).images, []
    for darker in (0.0, 0.3):
        model = Nothing(1, 1)
        model.bias.data.fill_(darker)
        numbers.append(reconstruction_numbers(model, x))
    same, other = numbers
    assert same["perceptual"] == 0 and abs(same["frechet"]) < 1e-6 and same["psnr"] > 60
    assert other["perceptual"] > 1e-4 and other["frechet"] > 1e-3 and 10 < other["psnr"] < 30


def test_a_shipped_model_comes_with_the_scale_of_its_own_data(monkeypatch):
    """Emoji and scenes have latents of different spread."""
    metrics = {"scale_emoji": 2.0, "shift_emoji": [0.0], "scale_scenes": 3.0, "shift_scenes": [1.0]}
    monkeypatch.setattr(sampling, "card", lambda name: {"metrics": metrics})
    first, second = (
        SimpleNamespace(autoencoder=torch.nn.Identity()),
        LatentDiffusion(channels=8, attention_resolutions=()),
    )
    monkeypatch.setattr(sampling, "load", lambda name, device: first if name == "ldm_kl_f4" else second)
    assert sampling.text_to_image("ldm_shapes").scaling == Scaling(3.0, (1.0,))
    assert sampling.text_to_image("ldm_emoji").scaling == Scaling(2.0, (0.0,))
    with pytest.raises(ValueError, match="data must be emoji or scenes, got 'faces'"):
        sampling.scaling_of("ldm_kl_f4", "faces")
    with pytest.raises(ValueError, match="name must be ldm_shapes or ldm_emoji, got 'ldm_layout'"):
        sampling.text_to_image("ldm_layout")


@pytest.fixture
def first_stage_of_noise(monkeypatch):
    """An untrained autoencoder with 16 x 16 x 4 latents in place of the shipped one, and small pools."""
    torch.manual_seed(0)
    autoencoder = AutoencoderKL(4, 8, (1, 2, 2), num_groups=4).eval()
    found = autoencoder, Scaling(3.0, (0.1, 0.2, 0.3, 0.4))
    monkeypatch.setattr(second_stage, "first_stage", lambda data: found)
    monkeypatch.setattr(second_stage, "NUM_SCENES", {"ldm_shapes": 12, "ldm_layout": 12})
    monkeypatch.setattr(second_stage, "DRAWN_AT_ONCE", 5)
    monkeypatch.setattr(second_stage, "all_pictures", lambda: all_pictures()[:6])
    some = SimpleNamespace(table=emoji(32).table[:6])
    monkeypatch.setattr(second_stage, "emoji", lambda size: some)
    second_stage.scene_pool.cache_clear()
    second_stage.emoji_latents.cache_clear()
    yield found
    second_stage.scene_pool.cache_clear()
    second_stage.emoji_latents.cache_clear()


@pytest.mark.parametrize("name", SECOND_STAGES)
def test_a_second_stage_is_small_described_and_trained(name, first_stage_of_noise):
    """At most 4 million parameters, 6 MB in halves; the card is JSON; an update fits model, batch and loss together."""
    source = RECIPES[name]
    to_json(source.describe())
    small = source.build[1] | {"channels": 8}
    recipe = replace(source, build=(source.build[0], small), batch_fn=partial(source.batch_fn, batch_size=4))
    record = Trainer(replace(recipe, data_hash=""), num_steps=2).advance()
    assert 0.2 < record.loss < 5
    model = source.make_model(0)
    assert count(model) <= 3_000_000 and model.latent_shape == (4, 16, 16)


def test_the_pool_has_latents_captions_and_layouts_of_the_same_scenes(first_stage_of_noise):
    """Drawn in parts, in order; what belongs together stays together."""
    autoencoder, scaling = first_stage_of_noise
    pool = second_stage.scene_pool(12)
    scenes = shapes(5, 64, 2, split="train", seed=5)  # the second part
    tokenizer = make_tokenizer("captions")
    assert len(pool.z) == 12 and torch.equal(pool.ids[5:10], tokenizer(scenes.captions).ids)
    torch.testing.assert_close(pool.z[5:10], scaling.apply(encode_all(autoencoder, scenes.images)), rtol=0, atol=0.05)
    assert (pool.layouts[5:10].float() / 255 - layout_of(scenes, 16)).abs().max() < 0.003
    z, ids = second_stage.captions_batch(1, torch.Generator().manual_seed(0), batch_size=3)
    rows = [(pool.z == one).flatten(1).all(1).nonzero().item() for one in z]
    assert torch.equal(pool.ids[rows], ids)


def test_emoji_come_with_their_own_names(first_stage_of_noise):
    """Latents in the order of the table."""
    _, ids = second_stage.emoji_latents()
    names = [row.name for row in emoji(32).table[:6]]
    assert torch.equal(ids, make_tokenizer("emoji")(names).ids)


def test_words_come_first(first_stage_of_noise, monkeypatch):
    """``ldm_shapes`` begins with the text encoder that is shipped as ``ldm_words``, and only with that."""
    source = RECIPES["ldm_words"]
    to_json(source.describe())
    recipe = replace(source, batch_fn=partial(source.batch_fn.func, batch_size=4), data_hash="")
    assert 0.2 < Trainer(recipe, num_steps=2).advance().loss < 5
    words = recipe.make_model(3).eval()
    monkeypatch.setattr(second_stage, "load", {"ldm_words": words}.__getitem__)
    shape_recipe = RECIPES["ldm_shapes"]
    begun, fresh = shape_recipe.make_model(0), replace(shape_recipe, start=None).make_model(0)
    ids = begun.tokenizer(["a large red star above a small blue ring"]).ids
    assert torch.equal(begun.text_encoder(ids)[0], words.text_encoder(ids)[0])
    for key, value in fresh.unet.state_dict().items():
        assert torch.equal(value, begun.unet.state_dict()[key]), key
    assert not torch.equal(fresh.text_encoder(ids)[0], words.text_encoder(ids)[0])


def test_the_card_of_words_tells_what_a_wrong_caption_costs(first_stage_of_noise):
    """Errors against latents of new scenes: of the caption, of two wrong ones, of one mean for all."""
    autoencoder, scaling = first_stage_of_noise
    scenes = shapes(6, 64, 2, split="train", seed=100)
    z = scaling.apply(encode_all(autoencoder, scenes.images))
    told = []

    class Spy(MeanLatent):
        def forward(self, ids):
            told.append(ids)
            return z + len(told)

    found = second_stage.evaluate_words(Spy(), num=6)
    named = ("error_caption", "error_relation_turned", "error_colours_exchanged")
    assert [found[name] for name in named] == pytest.approx([1, 4, 9], rel=1e-3)
    assert found["error_of_overall_mean"] == pytest.approx(z.var(0, correction=0).mean().item(), rel=1e-3)
    assert torch.equal(told[0], make_tokenizer("captions")(scenes.captions).ids)
    assert ((told[1] != told[0]).sum(1) == 1).all() and ((told[2] != told[0]).sum(1) <= 2).all()


@pytest.mark.filterwarnings("ignore:.*cannot fill a covariance")
@pytest.mark.parametrize("name", SECOND_STAGES)
def test_the_card_of_a_second_stage_gets_its_numbers(name, first_stage_of_noise, monkeypatch):
    """From an untrained network, in seconds; JSON, kind by kind and scale by scale."""
    for setting, value in (("SCALES", (1.0, 2.0)), ("NAME_SCALES", (1.0,)), ("SAMPLING_STEPS", 1)):
        monkeypatch.setattr(second_stage, setting, value)
    source = RECIPES[name]
    model = replace(source, build=(source.build[0], source.build[1] | {"channels": 8})).make_model(0).eval()
    if name == "ldm_emoji":
        monkeypatch.setattr(second_stage, "emoji_test_names", lambda: ["red heart"] * 2)
        monkeypatch.setattr(second_stage, "emoji_scores", lambda images: {"num": len(images)})
        found = second_stage.evaluate_names(model)
        assert found["num, s=1"] == 2
    elif name == "ldm_shapes":
        found = second_stage.evaluate_captions(model, num=2)
        assert found["all, held_out_pairs, s=2"] == 0 and "relation, held_out_relations, s=1" in found
    else:
        found = second_stage.evaluate_layouts(model, num=2)
        assert {"class, s=1", "box, s=2", "both, s=2"} <= set(found)
    json.dumps(found)


def test_the_shipped_networks_do_what_their_cards_say():
    """Whatever is shipped: first stages rebuild, second stages obey more at scale 2 than without guidance."""
    for name in {path.stem for path in CHECKPOINTS.glob("ldm_*.json")} & set(RECIPES):
        metrics = card(name)["metrics"]
        if name in FIRST_STAGES:
            images = shapes(16, 64, 2, split="heldout", seed=9).images
            model = load(name).autoencoder
            again = psnr(decode_all(model, encode_all(model, images)), images).mean().item()
            assert again == pytest.approx(metrics["psnr_scenes"], abs=2), name
        elif name == "ldm_shapes":
            assert metrics["all, seen, s=2"] > metrics["all, seen, s=1"] - 0.02, name
        elif name == "ldm_layout":
            assert metrics["class, s=2"] > 0.5, name
        elif name == "ldm_words":
            error = metrics["error_caption"]
            assert error < 0.9 * metrics["error_relation_turned"], name
            assert error < 0.9 * metrics["error_colours_exchanged"] and error < metrics["error_of_overall_mean"], name


@pytest.mark.parametrize("name", ["ldm_vq_f4", "ldm_shapes"])
def test_a_checkpoint_brings_the_model_back(name, tmp_path, first_stage_of_noise):
    """Stored as float16, with its critic, codebook and count; the same latents or answers up to rounding."""
    source = RECIPES[name]
    small = tiny(source) if name in FIRST_STAGES else source.build[1] | {"channels": 8}
    model = replace(source, build=(source.build[0], small)).make_model(0).eval()
    facts = {"recipe": {}, "seed": 0, "steps": 0, "data_hash": "", "minutes": 0.0, "metrics": {}}
    save(name, model, facts | {"kwargs": small}, half=True, folder=tmp_path)
    again = load(name, folder=tmp_path)
    if name in FIRST_STAGES:
        x = first_stage_batch(1, torch.Generator().manual_seed(0), batch_size=2)
        outputs = [net.autoencoder.latent(x) for net in (model, again)]
    else:
        x_t, t = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 900])
        outputs = [net(x_t, t, net.tokenizer(["a large red star", ""]).ids) for net in (model, again)]
    torch.testing.assert_close(*outputs, rtol=0.01, atol=0.01)


def test_a_first_stage_that_was_interrupted_goes_on_as_if_it_had_not_been():
    """Also across the update at which the critic begins, whose optimiser has nothing to remember before."""
    source = RECIPES["ldm_kl_f4"]
    recipe = replace(
        source, build=(source.build[0], tiny(source) | {"start": 3, "critic_channels": 4}), data_hash="",
        batch_fn=partial(first_stage_batch, batch_size=2),
    )  # fmt: skip
    whole = Trainer(recipe, num_steps=4)
    for _ in range(4):
        whole.advance()
    first = Trainer(recipe, num_steps=4)
    first.advance()
    second = Trainer(recipe, num_steps=4)
    second.load_state(first.save_state())
    for _ in range(3):
        second.advance()
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    assert whole.model.num_updates == 4


def test_every_layout_is_drawn_from_its_own_scene(first_stage_of_noise, monkeypatch):
    """Row i + 1 of the table for picture i; at scale 1 no other row is asked for."""
    asked, scenes = [], shapes(3, 64, 2, seed=0)
    wanted = layout_of(scenes, 16)

    class Spy(Conditioned):
        def __call__(self, x_t, t, y=None):
            asked.append(y.tolist())
            torch.testing.assert_close(self.tables[0][y], wanted)
            return torch.zeros_like(x_t)

    monkeypatch.setattr(conditioning, "Conditioned", Spy)
    model = LayoutDiffusion(channels=8, attention_resolutions=())
    assert second_stage.draw_layouts(model, scenes, 1.0, 2).shape == (3, 3, 64, 64)
    assert asked == [[1, 2, 3]] * 2
    pool = second_stage.scene_pool(12)
    z, layouts = second_stage.layouts_batch(1, torch.Generator().manual_seed(0), batch_size=3)
    rows = [(pool.z == one).flatten(1).all(1).nonzero().item() for one in z]
    torch.testing.assert_close(layouts, pool.layouts[rows] / 255)
