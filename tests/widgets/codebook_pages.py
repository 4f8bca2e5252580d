"""A small codebook inspector for tests."""

import torch

from lib.vqvae import Decoder, count_codes
from lib.widgets import CodebookInspector

NUM_CODES, DIM, SIDE = 20, 4, 4


def inspector(seed: int = 0, **changes) -> CodebookInspector:
    """Three pictures of 16 x 16 pixels on 4 x 4 grids of 20 codes, of which the last is never used."""
    torch.manual_seed(seed)
    decoder = Decoder(DIM, (6, 8), num_blocks=1, hidden=4)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(2)
    indices = torch.randint(NUM_CODES - 1, (3, SIDE, SIDE))
    settings = {
        "decoder": decoder,
        "codebook": torch.randn(NUM_CODES, DIM),
        "indices": indices,
        "counts": count_codes(indices, NUM_CODES),
        "names": ["apple", "boat", "cat"],
    }
    return CodebookInspector(**{**settings, **changes})
