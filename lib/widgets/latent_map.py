"""The latent map: drag a point through a two-dimensional latent space and see what the decoder makes of it."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import traitlets as tr
from einops import rearrange
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from lib.widgets.base import StaticAnyWidget, bundle, one_of
from lib.widgets.nn import export_layers, output_shape

MAX_CODES, MAX_PICTURES, MAX_GROUPS, MAX_ZOOM = 4000, 400, 10, 64
# light-theme colours of the groups, as in static/widget.css; here they serve the preview picture
PALETTE = ("3b45b5", "0a76a0", "147a64", "4f7d1e", "7a6f0a", "a86300", "c0392b", "b02a6b", "8a3fa8", "666666")


class _Point(tr.TraitType):
    """Two finite numbers, kept as a list of floats."""

    info_text = "two finite numbers"

    def validate(self, obj, value):
        try:
            point = [float(v) for v in value]
        except (TypeError, ValueError) as error:
            raise ValueError(f"z must be two numbers, got {value!r}") from error
        if len(point) != 2 or not all(math.isfinite(v) and abs(v) <= 1e6 for v in point):
            raise ValueError(f"z must be two finite numbers (at most 1e6 in size), got {value!r}")
        return point


def _points(label: str, codes, num: int | None) -> np.ndarray:
    array = np.asarray(codes.detach().cpu() if isinstance(codes, Tensor) else codes, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or not 2 <= len(array) <= MAX_CODES or not np.isfinite(array).all():
        raise ValueError(
            f"codes[{label!r}] must be finite numbers of shape (N, 2) with N from 2 to {MAX_CODES}, got {array.shape}"
        )
    if num is not None and len(array) != num:
        raise ValueError(f"every model must code the same pictures: codes[{label!r}] has {len(array)} rows, not {num}")
    return array


def thumbnail_sheet(pictures: Float[Tensor, "K 3 H W"], tile: int) -> bytes:
    """Pictures in [-1, 1], shrunk to ``tile`` pixels, as one PNG with 20 in a row and 128 colours: small, and good
    enough to recognise an emoji.

    Raises:
        ValueError: if there are more than 400 pictures, or a value lies outside [-1, 1].
    """
    if not 1 <= len(pictures) <= MAX_PICTURES:
        raise ValueError(f"pictures must be 1 to {MAX_PICTURES}, got {len(pictures)}; pass fewer, the rest stay dots")
    if pictures.min() < -1 or pictures.max() > 1:
        raise ValueError(f"pictures must lie in [-1, 1], got [{pictures.min():.3g}, {pictures.max():.3g}]")
    pixels = rearrange(((pictures.float() + 1) * 127.5).round().to(torch.uint8).cpu().numpy(), "k c h w -> k h w c")
    rows = math.ceil(len(pixels) / 20)
    sheet = Image.new("RGB", (20 * tile, rows * tile), "white")
    for i, picture in enumerate(pixels):
        small = Image.fromarray(picture).resize((tile, tile), Image.Resampling.BOX)
        sheet.paste(small, ((i % 20) * tile, (i // 20) * tile))
    file = io.BytesIO()
    sheet.quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


class LatentMap(StaticAnyWidget):
    """A scatter of two-dimensional codes with a cross to drag; beside it the picture decoded at the cross.

    Reading and setting from Python: ``w.z`` (two numbers), ``w.model`` (one of the labels), ``w.grid`` (pictures
    decoded on a grid, under the dots) and ``w.zoom`` (1 shows the whole cloud, 4 a quarter of its width; at first so
    that most codes can be told apart).

    Args:
        decoders: label -> network from (B, 2) to (B, 3 or 1, H, W) in [-1, 1], made of the layers that
            :func:`lib.widgets.nn.export_layers` knows.
        codes: label -> (N, 2) codes of the same N pictures under each model, N from 2 to 4000.
        pictures: (K, 3, H, W) in [-1, 1], K ≤ 400: the pictures of the first K codes, to show the nearest one.
        labels: for each code the number of its group, 0 to 9.
        group_names: names of the groups, for the legend.
        names: for each picture a name, for the caption and for readers who listen.
        z: where the cross starts; default the code nearest to the median.
        model: the label to start with; default the first.
        choice_label: what the choice between the models is called on the page, for example "KL weight".
        tile: side of a thumbnail in pixels.

    Raises:
        ValueError: naming the argument, if shapes, labels or layers do not fit together.
    """

    _esm = bundle("latent_map.js")
    _alt = "Map of a latent space: codes as dots, coloured by group, and the picture decoded at the cross"

    z = _Point([0.0, 0.0]).tag(sync=True)
    model = tr.Unicode().tag(sync=True)
    models = tr.List().tag(sync=True)
    labels = tr.Bytes().tag(sync=True)
    group_names = tr.List(tr.Unicode()).tag(sync=True)
    names = tr.List(tr.Unicode()).tag(sync=True)
    sprite = tr.Bytes().tag(sync=True)
    tile = tr.Int(24).tag(sync=True)
    num_pictures = tr.Int(0).tag(sync=True)
    choice_label = tr.Unicode("model").tag(sync=True)
    grid = tr.Bool(False).tag(sync=True)
    zoom = tr.Float(1.0).tag(sync=True)

    def __init__(
        self,
        decoders: Mapping[str, nn.Module],
        codes: Mapping,
        *,
        pictures: Float[Tensor, "K 3 H W"] | None = None,
        labels=None,
        group_names: Sequence[str] = (),
        names: Sequence[str] = (),
        z=None,
        model: str | None = None,
        choice_label: str = "model",
        tile: int = 24,
    ):
        if not decoders or list(decoders) != list(codes):
            raise ValueError(f"decoders and codes need the same labels, got {list(decoders)} and {list(codes)}")
        num, entries = None, []
        for label, decoder in decoders.items():
            points = _points(label, codes[label], num)
            num = len(points)
            entries.append(_entry(label, decoder, points))
        num_pictures = 0 if pictures is None else len(pictures)
        if num_pictures > num or (names and len(names) != num_pictures):
            raise ValueError(
                f"{num} codes take at most {num} pictures, each with a name, got {num_pictures} and {len(names)} names"
            )
        self._decoders = dict(decoders)
        label = next(iter(decoders)) if model is None else model
        super().__init__(
            models=entries,
            model=label,
            z=_middle(codes, label) if z is None else z,
            labels=_group_bytes(labels, num, group_names),
            group_names=list(group_names),
            names=list(names),
            sprite=b"" if pictures is None else thumbnail_sheet(pictures, tile),
            num_pictures=num_pictures,
            tile=tile,
            choice_label=choice_label,
            zoom=_first_zoom(codes, label),
        )

    @tr.validate("model")
    def _known_model(self, proposal):
        return one_of(proposal, (entry["label"] for entry in self.models))

    @tr.validate("zoom")
    def _zoom_in_range(self, proposal):
        if not 1 <= proposal["value"] <= MAX_ZOOM:
            raise ValueError(f"zoom must lie in [1, {MAX_ZOOM}], got {proposal['value']!r}")
        return proposal["value"]

    def decode(self) -> Float[Tensor, "C H W"]:
        """The picture at the cross, by torch: what the browser shows, to about 1e-3 (it has 16-bit weights)."""
        decoder = self._decoders[self.model]
        parameter = next(decoder.parameters())
        with torch.no_grad():
            return decoder(torch.tensor([self.z]).to(parameter))[0].cpu()

    def preview(self) -> np.ndarray:
        """Dots, cross and decoded picture side by side."""
        entry = next(entry for entry in self.models if entry["label"] == self.model)
        codes = np.frombuffer(entry["codes"], "<f4").reshape(-1, 2)
        labels = np.frombuffer(self.labels, np.uint8) if self.labels else np.zeros(len(codes), np.uint8)
        return np.concatenate([_dots(codes, labels, self.z), _enlarged(self.decode())], axis=1)


def _entry(label: str, decoder: nn.Module, points: np.ndarray) -> dict:
    shape = output_shape(decoder, num_inputs=2)
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ValueError(f"decoders[{label!r}] must make pictures of shape (1 or 3, H, W), got {shape}")
    program, weights = export_layers(decoder)
    codes = points.astype("<f4").tobytes()
    return {"label": str(label), "program": program, "weights": weights, "shape": list(shape), "codes": codes}


def _middle(codes: Mapping, label: str) -> list[float]:
    if label not in codes:
        raise ValueError(f"model must be one of {list(codes)}, got {label!r}")
    points = _points(label, codes[label], None)
    distances = ((points - np.median(points, axis=0)) ** 2).sum(1)
    return [round(float(v), 4) for v in points[distances.argmin()]]


def _first_zoom(codes: Mapping, label: str) -> float:
    """A power of two up to 8 at which nine of ten codes still fit: stragglers do not make the rest tiny."""
    points = _points(label, codes[label], None)
    bulk = np.quantile(np.abs(points - np.median(points, axis=0)).max(1), 0.9)
    whole = (points.max(0) - points.min(0)).max() / 2
    return float(2 ** np.clip(np.floor(np.log2(whole / bulk)), 0, 3)) if bulk > 0 else 1.0


def _group_bytes(labels, num: int, group_names: Sequence[str]) -> bytes:
    if labels is None:
        if group_names:
            raise ValueError("group_names need labels: the number of the group of each code")
        return b""
    array = np.asarray(labels.detach().cpu() if isinstance(labels, Tensor) else labels)
    if array.shape != (num,) or array.dtype.kind not in "iu":
        raise ValueError(f"labels must be {num} whole numbers, got {array.dtype} of shape {array.shape}")
    if not 1 <= len(group_names) <= MAX_GROUPS or array.min() < 0 or array.max() >= len(group_names):
        raise ValueError(
            f"labels must number the group_names (1 to {MAX_GROUPS} of them), got {array.min()} to {array.max()} for "
            f"{len(group_names)} names"
        )
    return array.astype(np.uint8).tobytes()


def _dots(codes: np.ndarray, labels: np.ndarray, z: Sequence[float], side: int = 256) -> np.ndarray:
    """Codes as 4-pixel squares and z as a cross, on white."""
    center = (codes.min(0) + codes.max(0)) / 2
    radius = max(1.25 * np.abs(codes - center).max(), np.abs(np.asarray(z) - center).max(), 1e-6)

    def place(points: np.ndarray) -> np.ndarray:
        unit = (points - center) / radius * np.array([1, -1])
        return np.clip(np.round((unit + 1) / 2 * (side - 1)), 3, side - 4).astype(int)

    pixels = np.full((side, side, 3), 255, np.uint8)
    pixels[[0, -1], :] = pixels[:, [0, -1]] = 170
    colours = np.array([[int(name[i : i + 2], 16) for i in (0, 2, 4)] for name in PALETTE], np.uint8)
    for (x, y), label in zip(place(codes), labels, strict=True):
        pixels[y - 2 : y + 2, x - 2 : x + 2] = colours[label]
    x, y = place(np.asarray([z]))[0]
    pixels[y, max(x - 9, 0) : x + 10] = pixels[max(y - 9, 0) : y + 10, x] = 0
    return pixels


def _enlarged(picture: Tensor, side: int = 256) -> np.ndarray:
    """A picture at a whole multiple of its size, centred on white; what a model puts outside [-1, 1] is cut off."""
    pixels = ((picture.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    pixels = np.broadcast_to(pixels, (3, *pixels.shape[1:]))
    scale = max(1, side // max(pixels.shape[1:]) - 1)
    large = rearrange(pixels.repeat(scale, 1).repeat(scale, 2), "c h w -> h w c")
    square = np.full((max(side, large.shape[0]), large.shape[1] + 32, 3), 255, np.uint8)
    top = (square.shape[0] - large.shape[0]) // 2
    square[top : top + large.shape[0], 16 : 16 + large.shape[1]] = large
    return square
