import io

import numpy as np
import pytest
from PIL import Image

from lib.data import emoji
from lib.site.pictures import LARGE, VISIBLE, fewer_colours


def png_of(pixels: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


@pytest.fixture(scope="module")
def sheet() -> np.ndarray:
    images = ((emoji(64).images[:60] + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
    return np.concatenate([np.concatenate(list(images[k : k + 10]), axis=1) for k in range(0, 60, 10)])


def test_a_large_figure_of_emoji_shrinks_by_half_and_looks_the_same(sheet):
    """256 colours chosen for the picture differ from its own by a few levels of 255."""
    before = png_of(sheet)
    after = fewer_colours(before)
    seen = np.asarray(Image.open(io.BytesIO(after)).convert("RGB"), float)
    assert len(before) > LARGE and len(after) < len(before) / 2
    assert np.abs(seen - sheet).mean() < VISIBLE and fewer_colours(after) == after


def test_small_figures_and_those_that_would_suffer_stay_as_they_are(sheet):
    """A figure below the limit is not touched; neither is noise, which has no 256 colours that fit it."""
    small = png_of(sheet[:64, :64])
    noise = png_of(np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8))
    assert fewer_colours(small) == small and fewer_colours(noise) == noise
