"""Two public picture collections, fetched once: Fashion-MNIST and CIFAR-10.

The course runs without them; they are for comparisons with published numbers. A file is kept only when its SHA-256 is
the known one, mirrors are tried in turn, and a cache folder filled by hand works on a machine without a network.
Both formats are read directly (IDX, and the binary version of CIFAR-10): nothing is unpacked to disk or unpickled.
"""

import gzip
import logging
import os
import struct
import tarfile
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pooch
import requests
import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

CACHE_VARIABLE = "GENERATIVE_VISION_CACHE"


class DownloadError(RuntimeError):
    """A public data set cannot be had; the message says which file and what to do."""


class OfflineError(DownloadError):
    """A file is not in the cache and no mirror delivered it."""


class CorruptFileError(DownloadError):
    """A file is not the published one, or breaks the rules of its format."""


class TruncatedFileError(DownloadError):
    """A file ends too early."""


class MissingMemberError(DownloadError):
    """An archive lacks one of the files it should hold."""


@dataclass(frozen=True)
class RemoteFile:
    """One published file: the folders on the web that hold it, its name, size in bytes, and SHA-256."""

    mirrors: tuple[str, ...]
    name: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Pictures with class labels, kept as bytes to save memory.

    Attributes:
        pixels: 0 … 255.
        labels: class numbers.
        classes: the name of each class.
    """

    pixels: UInt8[Tensor, "N C H W"]
    labels: Int64[Tensor, " N"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, index: slice | list[int] | Int64[Tensor, " B"] = slice(None)) -> Float[Tensor, "B C H W"]:
        """Selected pictures (all by default) as float32 in [-1, 1]."""
        return self.pixels[index].float() / 127.5 - 1


# The SHA-256 sums are those that several independent public loaders carry beside the publishers' own MD5 sums.
_FASHION = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
_CIFAR = (
    "https://www.cs.toronto.edu/~kriz/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
)
# fmt: off
FASHION_FILES = {  # split -> (images, labels)
    "train": (
        RemoteFile(_FASHION, "train-images-idx3-ubyte.gz", 26_421_880,
                   "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        RemoteFile(_FASHION, "train-labels-idx1-ubyte.gz", 29_515,
                   "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    ),
    "test": (
        RemoteFile(_FASHION, "t10k-images-idx3-ubyte.gz", 4_422_102,
                   "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        RemoteFile(_FASHION, "t10k-labels-idx1-ubyte.gz", 5_148,
                   "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
}
CIFAR_FILE = RemoteFile(_CIFAR, "cifar-10-binary.tar.gz", 170_052_171,
                        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
CIFAR_MEMBERS = {  # split -> files inside the archive
    "train": tuple(f"cifar-10-batches-bin/data_batch_{k}.bin" for k in range(1, 6)),
    "test": ("cifar-10-batches-bin/test_batch.bin",),
}
FASHION_CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat",
                   "sandal", "shirt", "sneaker", "bag", "ankle boot")
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# fmt: on


def download(name: str, split: str = "train", cache: str | Path | None = None) -> LabelledImages:
    """Fetch a public data set, or take it from the cache, verify it, and read it.

    Args:
        name: "fashion_mnist" (60,000 + 10,000 grey pictures, 28 x 28) or "cifar10" (50,000 + 10,000, 3 x 32 x 32).
        split: "train" or "test", as published.
        cache: folder for the downloaded files. Without it: the folder named by the environment variable
            ``GENERATIVE_VISION_CACHE``, or else the user's cache folder. Files put there by hand are used as they are.

    Raises:
        ValueError: if there is no such data set or split.
        OfflineError: if a file is neither in the cache nor to be had; the message says which file to put where.
        CorruptFileError, TruncatedFileError, MissingMemberError: if a file is not what was published.
    """
    readers = {"fashion_mnist": _read_fashion_mnist, "cifar10": _read_cifar10}
    if name not in readers:
        raise ValueError(f"name must be one of {', '.join(readers)}, got {name!r}")
    if split not in CIFAR_MEMBERS:
        raise ValueError(f"split must be train or test, got {split!r}")
    folder = Path(cache or os.environ.get(CACHE_VARIABLE) or pooch.os_cache("generative-vision"))
    return readers[name](split, folder.expanduser())


def fetch(file: RemoteFile, folder: Path) -> Path:
    """Return the path of a verified file, downloading it first where it is missing.

    The download goes to a temporary file that takes its name only when the hash is right, so an interrupted run
    leaves nothing half-finished behind.
    """
    path = folder / file.name
    if path.exists():
        _verify(path, file)
        return path
    failures: dict[str, type[DownloadError]] = {}
    for mirror in file.mirrors:
        downloader = pooch.HTTPDownloader(timeout=30, headers={"Accept-Encoding": "identity"})
        try:
            pooch.get_logger().setLevel(logging.WARNING)
            pooch.retrieve(mirror + file.name, f"sha256:{file.sha256}", file.name, folder, downloader=downloader)
            return path
        except requests.exceptions.ChunkedEncodingError:
            failures[mirror] = TruncatedFileError
        except requests.RequestException:  # no connection, no such host, an error page, too slow
            failures[mirror] = OfflineError
        except ValueError:  # pooch: the hash differs
            failures[mirror] = CorruptFileError
    words = {OfflineError: "no answer", TruncatedFileError: "broke off", CorruptFileError: "wrong SHA-256"}
    worst = max(failures.values(), key=list(words).index)
    tried = "; ".join(f"{mirror}: {words[failure]}" for mirror, failure in failures.items())
    raise worst(
        f"{file.name} could not be downloaded ({tried}). Without a network: fetch it elsewhere ({file.num_bytes:,} "
        f"bytes, SHA-256 {file.sha256}) and put it into {folder}, or let {CACHE_VARIABLE} name the folder that holds it"
    )


def _verify(path: Path, file: RemoteFile) -> None:
    """Compare a cached file with what was published."""
    if pooch.file_hash(str(path), alg="sha256") == file.sha256:
        return
    size = path.stat().st_size
    if size < file.num_bytes:
        raise TruncatedFileError(f"{path} ends after {size:,} of {file.num_bytes:,} bytes: delete it and try again")
    raise CorruptFileError(f"{path} is not the published file (its SHA-256 differs): delete it and try again")


def _read_fashion_mnist(split: str, folder: Path) -> LabelledImages:
    """Read two IDX files."""
    image_file, label_file = (fetch(file, folder) for file in FASHION_FILES[split])
    pixels, labels = read_idx(image_file, num_dims=3), read_idx(label_file, num_dims=1)
    if len(pixels) != len(labels):
        raise CorruptFileError(f"{image_file} holds {len(pixels)} pictures but {label_file} {len(labels)} labels")
    return LabelledImages(pixels[:, None], _checked(labels, label_file), FASHION_CLASSES)


def read_idx(path: Path, num_dims: int) -> UInt8[Tensor, "..."]:
    """Read a gzipped IDX file of bytes: two zeros, type 8, number of dimensions, sizes (big-endian), values."""
    try:
        data = gzip.decompress(path.read_bytes())
    except EOFError:
        raise TruncatedFileError(f"{path} ends inside its compressed data") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CorruptFileError(f"{path} is not a gzip file: {error}") from None
    start = 4 + 4 * num_dims
    if data[:4] != bytes([0, 0, 8, num_dims]):
        raise CorruptFileError(f"{path} does not start like an IDX file of bytes with {num_dims} dimensions")
    if len(data) < start:
        raise TruncatedFileError(f"{path} ends inside its header")
    shape = struct.unpack(f">{num_dims}I", data[4:start])
    if len(data) - start != prod(shape):
        error = TruncatedFileError if len(data) - start < prod(shape) else CorruptFileError
        raise error(f"{path} announces {shape} values and holds {len(data) - start}")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy())


def _read_cifar10(split: str, folder: Path) -> LabelledImages:
    """Read the records of the binary version: one byte for the class, then 32 x 32 red, green and blue values."""
    path = fetch(CIFAR_FILE, folder)
    blocks = []
    for name, data in read_members(path, CIFAR_MEMBERS[split]).items():
        if len(data) == 0 or len(data) % 3073:
            raise TruncatedFileError(f"{name} in {path} has {len(data)} bytes, not a multiple of 3,073")
        blocks.append(np.frombuffer(data, np.uint8).reshape(-1, 3073))
    records = torch.from_numpy(np.concatenate(blocks))
    pixels = rearrange(records[:, 1:], "n (c h w) -> n c h w", c=3, h=32).contiguous()
    return LabelledImages(pixels, _checked(records[:, 0], path), CIFAR_CLASSES)


def read_members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Read files of a .tar.gz into memory, by exact name and in this order; nothing is written to disk."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isreg() and member.name in names:
                    found[member.name] = archive.extractfile(member).read()
    except EOFError:
        raise TruncatedFileError(f"{path} ends inside its compressed data") from None
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error) as error:
        if "unexpected end of data" in str(error):
            raise TruncatedFileError(f"{path} ends inside a member") from None
        raise CorruptFileError(f"{path} is not a .tar.gz archive: {error}") from None
    if missing := [name for name in names if name not in found]:
        raise MissingMemberError(f"{path} lacks {', '.join(missing)}")
    return {name: found[name] for name in names}


def _checked(labels: UInt8[Tensor, " N"], path: Path) -> Int64[Tensor, " N"]:
    """Class numbers 0 … 9."""
    if len(labels) and labels.max() > 9:
        raise CorruptFileError(f"{path} holds the class number {labels.max().item()}; ten classes end at 9")
    return labels.long()
