"""From captions to pictures, from layouts to pictures, and holes filled, with networks small enough to think about."""

import pytest
import torch

from lib.data import HELD_OUT_PAIRS, emoji, parse_caption, shapes
from lib.data.captions import held_out_facts
from lib.ddpm import last, q_sample, schedules
from lib.guidance import CFGModel, guide
from lib.ldm.autoencoder import AutoencoderKL
from lib.ldm.conditioning import (
    NUM_LAYOUT_CHANNELS,
    LayoutDiffusion,
    inpaint,
    known_places,
    layout_loss,
    layout_of,
)
from lib.ldm.diffusion import LatentDiffusion, text_loss
from lib.ldm.quality import (
    SPLITS,
    caption_scores,
    captions_to_test,
    emoji_test_names,
    layout_scores,
    score_captions_by_kind,
)
from lib.ldm.sampling import DIFFUSION, TextToImage
from lib.ldm.scale import Scaling
from lib.ldm.text import UNKNOWN
from lib.training import fit

SMALL = {"in_channels": 2, "channels": 8, "size": 8, "attention_resolutions": (4,), "num_heads": 2}
TEXTS = ["a large red star left of a small blue ring", "a small green cross above a large red circle"]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def awake(model: torch.nn.Module) -> torch.nn.Module:
    for number, parameter in enumerate(model.parameters()):
        parameter.data = 0.15 * normal(*parameter.shape, seed=number) + (parameter.ndim == 1)
    return model


def told() -> LatentDiffusion:
    torch.manual_seed(0)
    return awake(LatentDiffusion("captions", context_dim=8, text_depth=1, **SMALL)).eval()


@pytest.fixture(scope="module")
def bundle() -> TextToImage:
    torch.manual_seed(1)
    autoencoder = AutoencoderKL(2, 8, (1, 2), num_groups=4).eval()
    return TextToImage(told(), autoencoder, Scaling(2.0, (0.5, -0.5)), schedules.cosine(20))


def test_a_table_of_texts_answers_as_the_model_does_text_by_text():
    """Row 0 is the null text, row i + 1 text i; without a row it is the null text; guidance works on it unchanged."""
    model = told()
    table, tokens = model.conditioned(TEXTS)
    x_t, t = normal(2, 2, 8, 8), torch.tensor([3, 5])
    torch.testing.assert_close(table(x_t, t, torch.tensor([1, 2])), model(x_t, t, model.tokenizer(TEXTS).ids))
    torch.testing.assert_close(table(x_t, t), model(x_t, t, model.null_tokens(2)))
    cond, uncond = table(x_t, t, torch.tensor([2, 2])), table(x_t, t)
    torch.testing.assert_close(CFGModel(table, 2, 3.0)(x_t, t), guide(uncond, cond, 3.0), rtol=1e-4, atol=1e-5)
    assert (cond - uncond).abs().max() > 1e-4 and len(tokens.ids) == 3


def test_dropped_texts_become_the_null_text():
    """At drop_prob 1 the loss is that of the null text, whatever the texts say; at 0 that of the texts."""
    model, z = told(), normal(4, 2, 8, 8)
    ids = model.tokenizer(TEXTS * 2).ids
    settings = {"alpha_bar": schedules.cosine(20), "target": "v"}

    def loss(tokens, drop_prob):
        return text_loss(model, (z, tokens), noise(), drop_prob=drop_prob, **settings).item()

    assert loss(ids, 1.0) == loss(ids.roll(1, 0), 1.0) == pytest.approx(loss(model.null_tokens(4), 0.0))
    assert loss(ids, 0.0) != pytest.approx(loss(ids.roll(1, 0), 0.0), rel=1e-6)


def test_text_encoder_and_unet_learn_together():
    """One loss moves both, and a model of two latents becomes better."""
    torch.manual_seed(0)
    model = LatentDiffusion("captions", context_dim=8, text_depth=1, **SMALL)
    z = torch.cat([torch.ones(1, 2, 8, 8), -torch.ones(1, 2, 8, 8)] * 2)
    batch = z, model.tokenizer(TEXTS * 2).ids
    before = model.text_encoder.tokens.weight.clone()

    def loss(net, rows, generator):
        return text_loss(net, rows, generator, alpha_bar=schedules.cosine(20))

    losses = [r.loss for r in fit(model, loss, lambda _: batch, 30, lr=1e-2, precision="fp32")]
    assert not torch.equal(before, model.text_encoder.tokens.weight)
    assert sum(losses[-10:]) < 0.85 * sum(losses[:10])


def test_every_caption_gets_its_picture(bundle):
    """The same seed, the same picture, in the range of pictures; another text or seed, another one."""
    one = bundle.generate(TEXTS, num_steps=3)
    again, other_seed, other_text = (
        bundle.generate(TEXTS, num_steps=3), bundle.generate(TEXTS, num_steps=3, seed=1),
        bundle.generate(TEXTS[::-1], num_steps=3),
    )  # fmt: skip
    assert one.images.shape == (2, 3, 16, 16) and one.images.abs().max() <= 1
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.latents, other_seed.latents) and not torch.equal(one.latents, other_text.latents)
    torch.testing.assert_close(bundle.decode(one.latents), one.images)
    unscaled = one.latents / 2 + torch.tensor([0.5, -0.5])[:, None, None]
    with torch.no_grad():
        expected = bundle.autoencoder.decode(unscaled).clamp(-1, 1)
    torch.testing.assert_close(one.images, expected, rtol=0, atol=0.05)
    alone = bundle.generate(TEXTS[:1], num_steps=3)
    end = last(bundle.states(TEXTS[0], num_steps=3)).x_t
    torch.testing.assert_close(end.float(), alone.latents, rtol=0.02, atol=0.02)


def test_calls_are_counted(bundle):
    """One for each level without guidance, two with it; chunks do not add up."""
    counts = [bundle.generate(TEXTS, num_steps=3, guidance_scale=s, chunk=1).num_calls for s in (0.0, 1.0, 4.0)]
    assert counts == [3, 3, 6]


def test_every_word_has_a_map_at_every_step(bundle):
    """Of the text, not of the null text; over the words they sum to 1; looking changes nothing."""
    for scale in (1.0, 3.0):
        words, maps, image = bundle.attention(TEXTS[0], num_steps=3, guidance_scale=scale)
        assert words == ["<start>", *TEXTS[0].split(), "<end>"] and maps.shape == (3, 12, 8, 8)
        torch.testing.assert_close(maps.sum(1), torch.ones(3, 8, 8), rtol=1e-3, atol=1e-3)
        assert (maps > 0).all(), "the null text has no such words"
        assert not torch.equal(maps[0], maps[1]) and not torch.equal(maps[1], maps[2])
        made = bundle.generate(TEXTS[:1], num_steps=3, guidance_scale=scale).images
        torch.testing.assert_close(image, made, rtol=0.02, atol=0.02)


def test_scale_0_is_the_null_text(bundle):
    """Then nothing that is said matters."""
    silent = bundle.generate(["", ""], num_steps=2, guidance_scale=1.0)
    deaf = bundle.generate(TEXTS, num_steps=2, guidance_scale=0.0)
    torch.testing.assert_close(deaf.latents, silent.latents)


def test_unknown_words_come_back_with_the_picture(bundle):
    """Nobody has to guess why there is no gold."""
    made = bundle.generate(["a large golden star", TEXTS[0]], num_steps=1)
    assert made.unknown == [("golden",), ()]
    _, tokens = bundle.denoiser.conditioned(["a large golden star"])
    assert (tokens.ids[1] == UNKNOWN).sum() == 1
    with pytest.raises(ValueError, match="texts must hold at least one text"):
        bundle.generate([])


def test_a_layout_tells_classes_and_no_colours():
    """Shares of the places: they add up to 1, are where the masks are, and ignore colour."""
    scenes = shapes(5, 64, (1, 2), seed=0)
    layout = layout_of(scenes, 16)
    assert not scenes.present.all() and layout.shape == (5, NUM_LAYOUT_CHANNELS, 16, 16)
    torch.testing.assert_close(layout.sum(1), torch.ones(5, 16, 16))
    for scene in range(5):
        for index in range(int(scenes.present[scene].sum())):
            of_class = scenes.class_idx[scene] == scenes.class_idx[scene, index]
            area = scenes.masks[scene][of_class].sum() / 16
            assert layout[scene, scenes.class_idx[scene, index]].sum().item() == pytest.approx(area.item(), rel=1e-4)
    with pytest.raises(ValueError, match="size must divide the 64 pixels of the scenes, got 7"):
        layout_of(scenes, 7)


def test_a_layout_that_was_dropped_is_not_even_background():
    """At drop_prob 1 the loss is that of zeros; row 0 of the table is the same."""
    torch.manual_seed(0)
    model = awake(LayoutDiffusion(**SMALL)).eval()
    layouts, z = layout_of(shapes(4, 32, 2, seed=0), 8), normal(4, 2, 8, 8)
    options = {"alpha_bar": schedules.cosine(20)}
    dropped = layout_loss(model, (z, layouts), noise(), drop_prob=1.0, **options)
    zeros = layout_loss(model, (z, torch.zeros_like(layouts)), noise(), drop_prob=0.0, **options)
    shown = layout_loss(model, (z, layouts), noise(), drop_prob=0.0, **options)
    assert dropped == zeros != shown
    table, t = model.conditioned(layouts), torch.tensor([1, 2, 3, 4])
    torch.testing.assert_close(table(z, t), model(z, t, torch.zeros_like(layouts)))
    torch.testing.assert_close(table(z, t, torch.tensor([1, 2, 3, 4])), model(z, t, layouts))


def test_a_place_is_known_if_all_its_pixels_are():
    """One unknown pixel spoils its place, and no other."""
    known = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    known[0, 0, 5, 2] = False
    assert (~known_places(known, 4)).nonzero().tolist() == [[0, 0, 1, 0]]
    with pytest.raises(ValueError, match="known must be a multiple of 3 pixels high and wide"):
        known_places(known, 3)


def test_inpainting_keeps_what_is_known_at_every_level():
    """The model always sees the known part at its level of noise, and in the end it is there, exactly."""
    alpha_bar, z = schedules.cosine(20), normal(3, 2, 8, 8)
    known = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    known[..., :4] = True
    seen = []

    def model(x_t, t):
        seen.append((int(t[0]), x_t))
        return torch.zeros_like(x_t)

    states = list(inpaint(model, z, known, alpha_bar, noise(), levels=[2, 9, 20]))
    assert [state.t for state in states] == [20, 9, 2, 0] and [t for t, _ in seen] == [20, 9, 2]
    torch.testing.assert_close(states[-1].x_t[..., :4], z[..., :4])
    source = noise()
    torch.randn(z.shape, generator=source)
    for t, x_t in seen:
        expected = q_sample(z, t, torch.randn(z.shape, generator=source), alpha_bar)
        torch.testing.assert_close(x_t[..., :4], expected[..., :4])
        assert not torch.allclose(x_t[..., 4:], expected[..., 4:])
    with pytest.raises(ValueError, match="known must be \\(8, 8\\) as the latents are, got \\(4, 4\\)"):
        list(inpaint(model, z, known[..., ::2, ::2], alpha_bar, noise(), levels=[2]))


def test_inpainting_with_the_exact_denoiser_fills_a_hole_as_the_data_would():
    """Latents whose two halves are equal: the exact posterior mean makes the unknown half like the known one."""
    alpha_bar = schedules.cosine(50)

    def exact(x_t, t):
        """E[x_0 | x_t] for x_0 = (a, a), a ~ N(0, 1): both halves speak about the same a."""
        ab = alpha_bar[t].float()[:, None, None, None]
        a = ab.sqrt() * (x_t[..., :1] + x_t[..., 1:]) / (1 + ab)
        return a.expand_as(x_t)

    z = normal(400, 1, 1, 1).expand(-1, -1, -1, 2)
    known = torch.tensor([True, False]).expand(400, 1, 1, 2)
    made = last(inpaint(exact, z, known, alpha_bar, noise(), levels=list(range(1, 51)), target="x_0")).x_t
    found = torch.corrcoef(made[:, 0, 0].mT)[0, 1]
    assert found > 0.9


def test_captions_are_judged_by_what_is_seen():
    """Real pictures are read as what they are; the captions of others are not theirs."""
    scenes = shapes(40, 64, 2, seed=5)
    right, wrong = caption_scores(scenes.images, scenes.captions), caption_scores(scenes.images, scenes.captions[::-1])
    assert right["all"] > 0.9 and right["found"] > 0.97 and wrong["all"] < 0.1 and wrong["colour"] < 0.6


def kind_of(caption: str) -> str:
    """What is new about a caption of any number of shapes: one of `SPLITS`, or "both"."""
    said = parse_caption(caption)
    pair = any((colour, shape) in HELD_OUT_PAIRS for _, colour, shape in said.things)
    first, *others = (shape for _, _, shape in said.things)
    facts = {(first, relation, other) for relation, other in zip(said.relations, others, strict=True)}
    relation = bool(facts & held_out_facts())
    return ("both" if relation else "held_out_pairs") if pair else ("held_out_relations" if relation else "seen")


def test_test_captions_are_of_the_kind_they_are_said_to_be():
    """Seen ones have nothing held out; the others have what their name says."""
    for kind in SPLITS:
        found = {kind_of(caption) for caption in captions_to_test(40, kind)}
        assert found == {kind}
    assert kind_of("a small red ring left of a large blue cross") == "both"
    assert parse_caption(captions_to_test(1)[0]) and len(captions_to_test(7)) == 7
    with pytest.raises(ValueError, match="kind must be one of seen, held_out_pairs, held_out_relations, got 'new'"):
        captions_to_test(3, "new")


def test_scores_come_kind_by_kind():
    """White pictures show nothing of any caption."""
    found = score_captions_by_kind(lambda texts: torch.ones(len(texts), 3, 32, 32), 4)
    assert found["all, seen"] == found["found, held_out_pairs"] == found["relation, held_out_relations"] == 0


def test_names_to_draw_are_spread_over_all_emoji():
    """As many as there are held-out emoji, none twice, from every group."""
    names, table = emoji_test_names(), emoji(32).table
    group = {row.name: row.group for row in table}
    assert len(set(names)) == len(names) == len(emoji(32, "heldout"))
    assert {group[name] for name in names} == {row.group for row in table}


def test_layouts_are_judged_by_class_and_box():
    """The scenes themselves fulfil their layout; mirrored ones hardly."""
    scenes = shapes(30, 64, 2, seed=6)
    assert layout_scores(scenes.images, scenes)["both"] > 0.9
    assert layout_scores(scenes.images.flip(-1), scenes)["both"] < 0.5


def test_the_schedule_of_the_chapter_ends_in_noise():
    """And the target is v, as in the chapters before."""
    assert DIFFUSION["alpha_bar"][-1] < 1e-3 and DIFFUSION["target"] == "v"
