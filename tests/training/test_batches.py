from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.training import random_batches, step_generator
from lib.training.batches import map_leaves, num_rows, shard, to_device


class Pair(NamedTuple):
    images: torch.Tensor
    captions: list


def numbers(*key):
    return torch.rand(4, generator=step_generator(*key)).tolist()


@given(st.integers(0, 5), st.integers(0, 2000))
def test_noise_follows_from_seed_step_and_purpose(seed, step):
    """Made again it is the same; with another seed, step or purpose it is another."""
    here = numbers(seed, step, "noise")
    assert here == numbers(seed, step, "noise")
    others = [numbers(seed + 1, step, "noise"), numbers(seed, step + 1, "noise"), numbers(seed, step, "batch")]
    assert here not in others


@given(st.integers(1, 4), st.integers(1, 5))
def test_shards_put_together_are_the_batch(num_shards, size):
    """Equal parts of consecutive rows, of every part of a nested batch alike."""
    rows = num_shards * size
    batch = {"pair": Pair(torch.arange(rows), [str(i) for i in range(rows)]), "y": (torch.arange(rows) * 2,)}
    parts = [shard(batch, number, num_shards) for number in range(num_shards)]
    assert all(num_rows(part) == size for part in parts)
    assert torch.cat([part["pair"].images for part in parts]).equal(batch["pair"].images)
    assert sum((part["pair"].captions for part in parts), []) == batch["pair"].captions
    assert torch.cat([part["y"][0] for part in parts]).equal(batch["y"][0])


def test_unequal_shards_are_refused():
    """Five rows in two parts would weigh two of the rows more than three."""
    with pytest.raises(ValueError, match="5 rows .* num_shards=2"):
        shard(torch.zeros(5), 0, 2)


def test_parts_with_different_numbers_of_rows_are_refused():
    """Pictures and labels that do not pair up are a mistake in the data."""
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        num_rows((torch.zeros(3), torch.zeros(4)))


def test_what_is_no_batch_is_refused_by_name():
    """A data set object has to say itself which tensors it means."""
    with pytest.raises(TypeError, match="got a int"):
        map_leaves(lambda leaf: leaf, (torch.zeros(2), 3))


@given(st.integers(1, 30), st.integers(0, 100))
def test_random_batches_do_not_repeat_a_row(batch_size, step):
    """Drawn by a permutation; pictures keep their labels."""
    x, y = random_batches((torch.arange(30), torch.arange(30) * 10), batch_size, seed=1)(step)
    assert len(set(x.tolist())) == batch_size
    assert y.equal(x * 10)


def test_random_batches_visit_every_row_equally_often():
    """2,000 batches of 5 out of 10: each row about 1,000 times, standard deviation 22."""
    batch_of = random_batches(torch.arange(10), 5)
    counts = torch.bincount(torch.cat([batch_of(step) for step in range(2000)]), minlength=10)
    assert (counts - 1000).abs().max() < 6 * 22.4


@pytest.mark.parametrize("batch_size", [0, 11])
def test_a_batch_larger_than_the_data_is_refused(batch_size):
    """It could only be filled by repeating rows."""
    with pytest.raises(ValueError, match="batch_size must lie in 1..10"):
        random_batches(torch.arange(10), batch_size)


def test_batches_move_to_a_device_with_their_lists():
    """Lists of captions have no device; the meta device stands for a GPU here."""
    images, captions = to_device((torch.zeros(2), ["a", "b"]), "meta")
    assert images.device.type == "meta" and captions == ["a", "b"]
