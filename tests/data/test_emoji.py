"""The emoji pictures: complete, centred, exactly loaded, and split so that no test picture was seen in training."""

import csv
import hashlib
import shutil
from collections import defaultdict

import numpy as np
import pytest
import torch
from einops import reduce

from lib.data import EmojiDataError, emoji, emoji_build, emoji_names, emoji_pictures

FONT_2_042 = "e5899ed38b8ed83e08bd3ac5de09791e9d19d288333a796de1d35ad17396f1ec"
HAS_PACKAGES = (
    emoji_build.LIST.is_file()
    and emoji_build.FONT.is_file()
    and hashlib.sha256(emoji_build.FONT.read_bytes()).hexdigest() == FONT_2_042  # later fonts draw other pictures
)
needs_packages = pytest.mark.skipif(not HAS_PACKAGES, reason="needs fonts-noto-color-emoji 2.042 and unicode-data")


@pytest.fixture(scope="module")
def everything():
    return emoji(64, "all")


@pytest.fixture(scope="module")
def pixels():
    return emoji_pictures._load(emoji_pictures.FOLDER)[0]


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the shipped folder that a test may damage."""
    folder = tmp_path / "emoji"
    shutil.copytree(emoji_pictures.FOLDER, folder)
    monkeypatch.setattr(emoji_pictures, "FOLDER", folder)
    yield folder
    emoji_pictures._classes.cache_clear()


# --- the pictures ---


def test_all_fully_qualified_emoji_are_there(everything):
    """Unicode 15.0 lists 3,655 of them, in nine groups, under different names."""
    assert len(everything) == len(everything.images) == 3655
    assert len({row.name for row in everything.table}) == len({row.char for row in everything.table}) == 3655
    assert [row.index for row in everything.table] == list(range(3655))
    assert len(everything.labels("group")[1]) == 9


def test_no_picture_is_blank(pixels):
    """The smallest pictures are the small squares and diamonds; a missing glyph would leave no ink at all."""
    ink = (pixels != 255).any(-1).sum((1, 2))
    assert ink.min() > 100


def test_no_picture_touches_the_border(pixels):
    """The font keeps a margin of 4 of 136 pixels, so an off-centre or cropped picture would show in the outer ring."""
    ring = np.ones((64, 64), bool)
    ring[1:-1, 1:-1] = False
    assert (pixels[:, ring] == 255).all()


def test_pictures_are_centred(pixels):
    """Most emoji are symmetric squares or discs, so the ink of the average picture balances about the middle."""
    ink = (255.0 - pixels).mean((0, 3))
    middle = (ink.sum(0) @ np.arange(64) / ink.sum(), ink.sum(1) @ np.arange(64) / ink.sum())
    assert middle == pytest.approx((31.5, 31.5), abs=2.0)


def test_white_is_exactly_one_and_values_fill_the_range(everything):
    """255 -> 1 and 0 -> -1, as every chapter expects of an image."""
    assert everything.images.dtype == torch.float32
    assert everything.images[:, :, 0, 0].eq(1).all()
    assert everything.images.min() == -1 and everything.images.max() == 1


def test_pixels_survive_loading(everything, pixels):
    """Scaling to [-1, 1] can be undone exactly, so nothing was lost on the way."""
    back = ((everything.images[::37] + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    np.testing.assert_array_equal(back.numpy(), pixels[::37])


def test_32_pixels_are_means_of_four(everything):
    """The small size is an area average of the large one, for every picture and in the same order."""
    small = emoji(32, "all")
    assert small.table == everything.table
    torch.testing.assert_close(small.images, reduce(everything.images, "n c (h 2) (w 2) -> n c h w", "mean"))


def test_changing_a_picture_does_not_change_the_next_load():
    """Every call hands out its own tensor, although the files are read once."""
    emoji(32, "heldout").images.zero_()
    assert emoji(32, "heldout").images.max() == 1


# --- the split ---


def test_no_base_is_on_both_sides():
    """Variants of one picture on both sides would make a memorised picture look like a generalised one."""
    train, held_out = emoji(32, "train"), emoji(32, "heldout")
    assert not {row.base for row in train.table} & {row.base for row in held_out.table}
    assert sorted(r.index for r in train.table + held_out.table) == list(range(3655))
    assert 0.10 < len(held_out) / 3655 < 0.20
    assert set(train.labels()[0].tolist()) == set(held_out.labels()[0].tolist()) == set(range(9))


def test_no_held_out_picture_has_a_near_copy_in_training(everything, pixels):
    """Flips, quarter turns and differences of a few pixels count as copies, whatever the names say."""
    held_out = np.array([emoji_pictures.is_held_out(row.base) for row in everything.table])
    assert emoji_build.near_pairs(pixels[held_out], pixels[~held_out]) == []


def test_identical_pictures_share_a_base(everything, pixels):
    """Norway, Bouvet Island and Svalbard have one flag; it can lie on one side only."""
    bases = defaultdict(set)
    for picture, row in zip(pixels, everything.table, strict=True):
        bases[picture.tobytes()].add(row.base)
    assert len(bases) == 3641
    assert all(len(names) == 1 for names in bases.values())


def test_skin_tone_hair_and_gender_never_change_the_base(everything):
    """The metamorphic form of the rule: names that differ by tone only must agree in their base."""
    bases = defaultdict(set)
    for row in everything.table:
        head, qualifiers = emoji_names.split_name(row.name)
        bases[head, *(q for q in qualifiers if not q.endswith("skin tone"))].add(row.base)
    assert all(len(names) == 1 for names in bases.values())


def rows_by_name():
    return {row.name: row for row in emoji(32, "all").table}


@pytest.mark.parametrize(
    ("name", "base", "skin_tone", "gender"),
    [
        ("man health worker: dark skin tone", "health worker", "dark", "man"),
        ("woman frowning", "person frowning", "none", "woman"),
        ("men wrestling", "people wrestling", "none", "man"),
        ("woman: medium skin tone, red hair", "person", "medium", "woman"),
        ("person: beard", "person", "none", "person"),
        ("mermaid", "merperson", "none", "woman"),
        ("boy: light skin tone", "child", "light", "man"),
        ("kiss: woman, man, light skin tone, dark skin tone", "kiss", "light+dark", "mixed"),
        ("women holding hands", "people holding hands", "none", "woman"),
        ("family: man, woman, girl, boy", "family", "none", "mixed"),
        ("family: woman, girl", "family", "none", "woman"),
        ("handshake: dark skin tone, light skin tone", "handshake", "dark+light", "none"),
        ("flag: Svalbard & Jan Mayen", "flag: Norway", "none", "none"),
        ("keycap: 7", "keycap", "none", "none"),
        ("five-thirty", "clock face", "none", "none"),
        ("alarm clock", "alarm clock", "none", "none"),
        ("waning crescent moon", "moon phase", "none", "none"),
        ("light blue heart", "heart", "none", "none"),
        ("broken heart", "broken heart", "none", "none"),
        ("woman’s hat", "woman’s hat", "none", "none"),
        ("down-left arrow", "arrow", "none", "none"),
    ],
)
def test_names_are_understood(name, base, skin_tone, gender):
    """Each line is one rule of `lib.data.emoji_names`."""
    row = rows_by_name()[name]
    assert (row.base, row.skin_tone, row.gender) == (base, skin_tone, gender)


# --- selecting ---


def test_labels_mean_the_same_in_every_split():
    """A classifier trained on one split is tested on the other, so class numbers must not depend on the split."""
    for part in (emoji(32, "train"), emoji(32, "heldout").where(group=("Flags", "Symbols"))):
        labels, classes = part.labels("group")
        assert [classes[k] for k in labels.tolist()] == [row.group for row in part.table]
        assert classes == emoji(32, "all").labels("group")[1]


def test_where_selects_pictures_with_their_rows():
    """One field by value, one by several values; both must hold."""
    train = emoji(32, "train")
    part = train.where(gender="woman", skin_tone=("light", "dark"))
    keep = [r.gender == "woman" and r.skin_tone in ("light", "dark") for r in train.table]
    assert 100 < len(part) == sum(keep)
    assert part.table == tuple(r for r, k in zip(train.table, keep, strict=True) if k)
    torch.testing.assert_close(part.images, train.images[torch.tensor(keep)])
    assert part.hash == train.hash


def test_wrong_requests_are_named():
    """The message repeats what was received and what is possible."""
    with pytest.raises(ValueError, match="32 or 64, got 48"):
        emoji(48)
    with pytest.raises(ValueError, match="train, heldout, all, got 'test'"):
        emoji(32, "test")
    with pytest.raises(ValueError, match="fields index, char.*got 'colour'"):
        emoji(32, "heldout").labels("colour")
    with pytest.raises(ValueError, match="no emoji has group .*Flag'.*Smileys"):
        emoji(32, "heldout").where(group="Flag")


# --- damaged files ---


@pytest.mark.parametrize("name", ["SHA256SUMS", "emoji.csv", "sheet_9a_flags.png"])
def test_a_missing_file_is_named(copied, name):
    """The reader learns which file and how to get it back."""
    (copied / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; restore data/emoji"):
        emoji(32)


@pytest.mark.parametrize("name", ["emoji.csv", "sheet_3a_animals_and_nature.png"])
def test_one_changed_byte_is_noticed(copied, name):
    """One flipped bit changes the SHA-256."""
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(EmojiDataError, match=f"{name} is damaged"):
        emoji(32)


def test_a_row_that_points_outside_its_sheet_is_noticed(copied):
    """A table and sheets from different builds have valid sums but do not belong together."""
    with open(copied / "emoji.csv", encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    table[5][-2] = "99"
    with open(copied / "emoji.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
    emoji_build.write_sums(copied)
    with pytest.raises(EmojiDataError, match="outside sheet_1a"):
        emoji(32)


def test_the_hash_names_the_data(copied):
    """Cards of checkpoints carry this hash, so other pictures must give another one, and every split the same."""
    before = emoji(32, "train").hash
    assert before == emoji(64, "heldout").hash and len(before) == 64
    (copied / "emoji.csv").write_bytes((copied / "emoji.csv").read_bytes() + b"\n")
    emoji_build.write_sums(copied)
    emoji_pictures._load.cache_clear()
    assert emoji(32, "train").hash != before


# --- building ---


def test_near_pairs_finds_turned_and_slightly_changed_pictures(generator):
    """All eight orientations of a picture are near to it; a picture of other noise is not."""
    noise = torch.rand(2, 16, 16, 3, generator=generator).mul(255).byte().numpy().repeat(4, 1).repeat(4, 2)
    one, other = noise
    turned = [np.rot90(one, k)[:, ::flip] for k in range(4) for flip in (1, -1)]
    changed = np.clip(one.astype(int) + 6, 0, 255).astype(np.uint8)
    found = emoji_build.near_pairs(np.stack([*turned, changed, other]), one[None])
    assert found == [(k, 0) for k in range(9)]


def test_near_bases_are_merged_under_the_shortest_name():
    """Near pairs chain: a-b and b-c put all three together; the rest keeps its name."""
    bases = ["flag: Bouvet Island", "flag: Norway", "cat", "flag: Svalbard", "flag: Norway"]
    merged = emoji_build.merge_bases(bases, [(0, 3), (3, 1), (2, 2)])
    assert merged == ["flag: Norway", "flag: Norway", "cat", "flag: Norway", "flag: Norway"]


def test_the_build_says_which_package_is_missing(tmp_path):
    """The two Debian packages are needed by this one program only, so many readers will not have them."""
    with pytest.raises(FileNotFoundError, match="fonts-noto-color-emoji"):
        emoji_build.open_font(tmp_path / "no.ttf")
    with pytest.raises(FileNotFoundError, match="unicode-data"):
        emoji_names.read_list(tmp_path / "no.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="no fully-qualified emoji"):
        emoji_names.read_list(tmp_path / "empty.txt")


@needs_packages
def test_drawing_again_gives_the_shipped_pictures(everything, pixels):
    """The committed script is the one that made the committed pictures."""
    font = emoji_build.open_font()
    for k in range(0, 3655, 101):
        np.testing.assert_array_equal(emoji_build.draw(everything.table[k].char, font), pixels[k])


@needs_packages
@pytest.mark.parametrize("char", ["😀😀", "😀\u200d🐸", "\U0010fffd"])
def test_what_the_font_does_not_hold_as_one_picture_is_refused(char):
    """Two pictures, a sequence that the font cannot join, and a missing glyph would spoil the data silently."""
    with pytest.raises(ValueError, match="picture"):
        emoji_build.draw(char, emoji_build.open_font())


@needs_packages
def test_a_small_build_can_be_loaded(tmp_path, monkeypatch):
    """Building and loading meet in the files alone: 40 emoji of two groups, drawn, written, verified, read."""
    lines = emoji_build.LIST.read_text("utf-8").splitlines()
    starts = [lines.index("# group: Smileys & Emotion"), lines.index("# group: Flags")]
    (tmp_path / "list.txt").write_text("\n".join(line for s in starts for line in lines[s : s + 24]), "utf-8")
    emoji_build.build(tmp_path / "out", emoji_list=tmp_path / "list.txt")
    monkeypatch.setattr(emoji_pictures, "FOLDER", tmp_path / "out")
    built = emoji(64, "all")
    monkeypatch.undo()
    shipped = {row.name: k for k, row in enumerate(emoji(64, "all").table)}
    assert len(built) > 30
    torch.testing.assert_close(built.images, emoji(64, "all").images[[shipped[row.name] for row in built.table]])
