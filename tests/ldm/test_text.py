"""Words, what is not known, and a context that sees words on both sides and no padding."""

import pytest
import torch

from lib.data import emoji, shapes
from lib.ldm.text import END, PAD, START, UNKNOWN, TextEncoder, Tokenizer, caption_words, make_tokenizer, split_words


def encoder(num_tokens: int = 10, max_length: int = 6) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(num_tokens, max_length, dim=8, depth=2, num_heads=2).eval()


def test_a_text_becomes_start_words_end_and_padding():
    """And back: the names of the columns of an attention map."""
    tokenizer = Tokenizer(["a", "star"], 6)
    tokens = tokenizer(["A star", "", "star star star a"])
    assert tokens.ids.tolist() == [[START, 4, 5, END, PAD, PAD], [START, END] + [PAD] * 4, [START, 5, 5, 5, 4, END]]
    assert tokens.mask.sum(1).tolist() == [4, 2, 6] and tokens.unknown == [(), (), ()]
    assert tokenizer.decode(tokens.ids[0]) == ["<start>", "a", "star", "<end>"]


def test_unknown_words_are_told_to_the_caller():
    """Nothing is dropped: <unk> stands where the word was, and the word is in the answer."""
    tokens = Tokenizer(["a", "star"], 6)(["a golden star", "a star", "two moons"])
    assert tokens.ids[0].tolist() == [START, 4, UNKNOWN, 5, END, PAD]
    assert tokens.unknown == [("golden",), (), ("two", "moons")]


def test_marks_are_words_and_words_stay_whole():
    """Apostrophes belong to their word."""
    assert split_words("Flag: Côte d’Ivoire") == ["flag", ":", "côte", "d’ivoire"]
    assert split_words("medium-light, O’Clock") == ["medium", "-", "light", ",", "o’clock"]


@pytest.mark.parametrize("split", ["train", "heldout", "heldout_relation"])
def test_every_caption_is_known_word_by_word(split):
    """Held-out compositions consist of words that training has seen; so do captions of three shapes, if they fit."""
    tokens = make_tokenizer("captions")(shapes(50, num_objects=2, split=split).captions)
    assert not any(tokens.unknown) and (tokens.ids != UNKNOWN).all()
    assert len(caption_words()) == len(set(caption_words()))


def test_names_of_training_emoji_are_known_and_some_held_out_ones_are_not():
    """The vocabulary is that of the training names; new concepts bring new words."""
    tokenizer = make_tokenizer("emoji")
    assert not any(tokenizer([row.name for row in emoji(32).table]).unknown)
    unknown = tokenizer([row.name for row in emoji(32, "heldout").table]).unknown
    assert 0 < sum(map(bool, unknown)) < len(unknown)


def test_padding_makes_no_difference():
    """The same text in a longer row has the same context."""
    model = encoder()
    short, mask = model(torch.tensor([[START, 4, 5, END]]))
    long, long_mask = model(torch.tensor([[START, 4, 5, END, PAD, PAD]]))
    torch.testing.assert_close(long[:, :4], short)
    assert mask.all() and long_mask.tolist() == [[True] * 4 + [False] * 2]


def test_every_word_sees_every_other_on_both_sides():
    """Changing the last word changes the context of the first, and the other way round: it is no decoder."""
    model = encoder()
    base = model(torch.tensor([[START, 4, 5, 6, END]]))[0]
    for changed in (1, 3):
        ids = torch.tensor([[START, 4, 5, 6, END]])
        ids[0, changed] = 7
        assert ((model(ids)[0] - base).abs().amax(2) > 1e-4).all()


def test_order_matters():
    """ "star left of ring" is not "ring left of star": positions are learned."""
    model = encoder()
    one, other = (model(torch.tensor([[START, *words, END]]))[0] for words in ((4, 5, 6), (6, 5, 4)))
    assert (one[:, [1, 2, 3]] - other[:, [3, 2, 1]]).abs().max() > 1e-4


def test_wrong_texts_and_tokens_are_refused():
    """Which argument, the rule, and what came."""
    tokenizer = Tokenizer(["a"], 4)
    with pytest.raises(ValueError, match="a text must have at most 2 words, got 3: 'a a a'"):
        tokenizer(["a a a"])
    with pytest.raises(ValueError, match="texts must be a list of texts, got a single one: 'a'"):
        tokenizer("a")
    with pytest.raises(ValueError, match="words must be different, got 1 repetitions"):
        Tokenizer(["a", "a"], 4)
    with pytest.raises(ValueError, match="max_length must leave room"):
        Tokenizer(["a"], 2)
    with pytest.raises(ValueError, match="vocabulary must be one of captions, emoji, got 'all'"):
        make_tokenizer("all")
    with pytest.raises(ValueError, match="ids must have at most 6 tokens, got 7"):
        encoder()(torch.ones(1, 7, dtype=torch.int64))
    with pytest.raises(ValueError, match="ids must lie in 0..9, got up to 10"):
        encoder()(torch.tensor([[1, 10, 2]]))
    with pytest.raises(ValueError, match="dim must divide into num_heads = 3, got 8"):
        TextEncoder(4, 4, 8, 1, 3)
