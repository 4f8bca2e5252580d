"""The codebook inspector: a picture as a grid of codes, of which any can be exchanged."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import traitlets as tr
from einops import rearrange
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn

from lib.widgets.base import StaticAnyWidget, bundle
from lib.widgets.nn import export_layers

MAX_PICTURES, MAX_CODES = 40, 1024


class CodebookInspector(StaticAnyWidget):
    """Pick a place of the grid and try another code there; the picture is decoded in the browser.

    Beside it: what every code looks like alone, how often each is used, and a slider that leaves the codebook on the
    straight line between two codes.

    Reading and setting from Python: ``w.picture`` (which example), ``w.cell`` (row and column), ``w.code`` (the code
    there), ``w.codes`` (the whole grid, row by row), ``w.other`` and ``w.blend`` (the vector at the place is
    (1 - blend) times its code plus blend times the other).

    Args:
        decoder: network from (B, D, h, w) to pictures (B, 3, H, W) in [-1, 1], made of the layers that
            :func:`lib.widgets.nn.export_layers` knows.
        codebook: (K, D), K at most 1024.
        indices: (N, h, w) grids of codes of the example pictures, at most 40.
        counts: how often each code occurs over all pictures, not only the examples.
        names: a name for each example.
        cell: row and column to begin with; default the middle.

    Raises:
        ValueError: naming the argument, if shapes, indices or layers do not fit together.
    """

    _esm = bundle("codebook_inspector.js")
    _alt = "A picture decoded from a grid of codes, the codes of the codebook one by one, and how often each is used"

    picture = tr.Int(0).tag(sync=True)
    cell = tr.List(tr.Int()).tag(sync=True)
    codes = tr.List(tr.Int()).tag(sync=True)
    other = tr.Int(0).tag(sync=True)
    blend = tr.Float(0.0).tag(sync=True)
    program = tr.List().tag(sync=True)
    weights = tr.Bytes().tag(sync=True)
    codebook = tr.Bytes().tag(sync=True)
    codebook_shape = tr.List(tr.Int()).tag(sync=True)
    grid_shape = tr.List(tr.Int()).tag(sync=True)
    originals = tr.Bytes().tag(sync=True)
    counts = tr.Bytes().tag(sync=True)
    names = tr.List(tr.Unicode()).tag(sync=True)
    tiles = tr.Bytes().tag(sync=True)
    tile = tr.Int().tag(sync=True)
    tile_columns = tr.Int().tag(sync=True)

    def __init__(
        self,
        decoder: nn.Module,
        codebook: Float[Tensor, "K D"],
        indices: Int[Tensor, "N h w"],
        counts: Int[Tensor, " _"],
        names: Sequence[str],
        *,
        cell: Sequence[int] | None = None,
    ):
        codebook = codebook.detach().cpu().float()
        _check(codebook, indices, counts, names)
        self._decoder, self._codebook, self._indices = decoder, codebook, indices.cpu()
        self._shape = list(indices.shape[1:])
        program, weights = export_layers(decoder)
        tiles = self._tiles()
        first = self._indices[0].flatten().tolist()
        super().__init__(
            codebook_shape=list(codebook.shape),
            grid_shape=self._shape,
            cell=[side // 2 for side in self._shape] if cell is None else list(cell),
            codes=first,
            other=int(torch.as_tensor(counts).argmax()),
            program=program,
            weights=weights,
            codebook=codebook.numpy().astype("<f4").tobytes(),
            originals=self._indices.numpy().astype("<u2").tobytes(),
            counts=counts.cpu().numpy().astype("<u4").tobytes(),
            names=list(names),
            tiles=tiles.tobytes(),
            tile=tiles.shape[1],
            tile_columns=2 ** math.ceil(math.log2(len(codebook)) / 2),
        )
        self.observe(self._own_codes, "picture")

    @property
    def code(self) -> int:
        """The code at the cell."""
        return self.codes[self._place]

    @code.setter
    def code(self, value: int):
        self.codes = [int(value) if i == self._place else old for i, old in enumerate(self.codes)]

    @property
    def _place(self) -> int:
        return self.cell[0] * self._shape[1] + self.cell[1]

    def _own_codes(self, change) -> None:
        self.codes, self.blend = self._indices[change["new"]].flatten().tolist(), 0.0

    @tr.validate("picture")
    def _known_picture(self, proposal):
        return _within("picture", proposal["value"], len(self._indices))

    @tr.validate("other")
    def _known_other(self, proposal):
        return _within("other", proposal["value"], len(self._codebook))

    @tr.validate("cell")
    def _known_cell(self, proposal):
        if len(proposal["value"]) != 2:
            raise ValueError(f"cell must be a row and a column, got {proposal['value']!r}")
        for name, value, size in zip(("row", "column"), proposal["value"], self._shape, strict=True):
            _within(f"cell's {name}", value, size)
        return proposal["value"]

    @tr.validate("codes")
    def _known_codes(self, proposal):
        if len(proposal["value"]) != math.prod(self._shape):
            raise ValueError(f"codes must be {math.prod(self._shape)} numbers, got {len(proposal['value'])}")
        for value in proposal["value"]:
            _within("code", value, len(self._codebook))
        return proposal["value"]

    @tr.validate("blend")
    def _known_blend(self, proposal):
        if not 0 <= proposal["value"] <= 1:
            raise ValueError(f"blend must lie in [0, 1], got {proposal['value']!r}")
        return proposal["value"]

    def vector(self) -> Float[Tensor, " D"]:
        """The vector at the cell: its code, or a point on the way to the other one."""
        return (1 - self.blend) * self._codebook[self.code] + self.blend * self._codebook[self.other]

    def decode(self) -> Float[Tensor, "3 H W"]:
        """The picture, by torch: what the browser shows, to about 1e-3 (it has 16-bit weights)."""
        z_q = rearrange(self._codebook[torch.tensor(self.codes)], "(h w) d -> d h w", h=self._shape[0]).clone()
        z_q[:, self.cell[0], self.cell[1]] = self.vector()
        with torch.no_grad():
            return self._decoder(z_q[None].to(next(self._decoder.parameters())))[0].float().cpu()

    def preview(self) -> np.ndarray:
        """The decoded picture beside the codes."""
        side, columns = 256, 2 ** math.ceil(math.log2(len(self._codebook)) / 2)
        tiles = np.frombuffer(self.tiles, np.uint8).reshape(-1, self.tile, self.tile, 3)
        missing = -len(tiles) % columns
        tiles = np.concatenate([tiles, np.full((missing, *tiles.shape[1:]), 255, np.uint8)])
        sheet = rearrange(tiles, "(r c) h w rgb -> (r h) (c w) rgb", c=columns)
        parts = [_enlarged(_pixels(self.decode()[None])[0], side), _enlarged(sheet, side)]
        return np.concatenate([parts[0], np.full((side, 8, 3), 255, np.uint8), parts[1]], axis=1)

    def _tiles(self) -> np.ndarray:
        """What a grid full of one code decodes to in its middle, for every code: (K, side, side, 3) bytes."""
        height, width = (min(size, 8) for size in self._shape)
        z_q = self._codebook[:, :, None, None].expand(-1, -1, height, width)
        was_training = self._decoder.training
        with torch.no_grad():
            parameter = next(self._decoder.eval().parameters())
            pictures = torch.cat([self._decoder(part.to(parameter)).float().cpu() for part in z_q.split(64)])
        self._decoder.train(was_training)
        if pictures.ndim != 4 or pictures.shape[1] != 3:
            raise ValueError(f"decoder must make pictures (B, 3, H, W), got {tuple(pictures.shape)}")
        cell = pictures.shape[2] // height
        side, top, left = min(cell, 8), height // 2 * cell, width // 2 * cell
        return _pixels(pictures[:, :, top : top + side, left : left + side])


def _check(codebook: Tensor, indices: Tensor, counts: Tensor, names: Sequence[str]) -> None:
    if not 2 <= len(codebook) <= MAX_CODES or not codebook.isfinite().all():
        raise ValueError(f"codebook must hold 2 to {MAX_CODES} finite codes, got shape {tuple(codebook.shape)}")
    if indices.is_floating_point() or indices.min() < 0 or indices.max() >= len(codebook):
        raise ValueError(
            f"indices must be whole numbers in 0..{len(codebook) - 1}, got {indices.min()} to {indices.max()}"
        )
    if not 1 <= len(indices) <= MAX_PICTURES or len(names) != len(indices):
        raise ValueError(
            f"indices must be 1 to {MAX_PICTURES} grids, each with a name, got {len(indices)} and {len(names)} names"
        )
    if counts.shape != (len(codebook),) or counts.min() < 0 or counts.sum() == 0:
        raise ValueError(
            f"counts must be {len(codebook)} numbers, not negative nor all zero, got shape {tuple(counts.shape)}"
        )


def _within(name: str, value: int, size: int) -> int:
    if not 0 <= value < size:
        raise ValueError(f"{name} must lie in 0..{size - 1}, got {value!r}")
    return value


def _pixels(pictures: Float[Tensor, "K 3 H W"]) -> np.ndarray:
    bytes_ = ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    return rearrange(bytes_, "k c h w -> k h w c")


def _enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), Image.Resampling.NEAREST))
