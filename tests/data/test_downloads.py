"""Public data sets from archives in the official formats, made here: no test needs a network beyond this machine."""

import gzip
import hashlib
import http.server
import io
import os
import struct
import tarfile
import threading

import numpy as np
import pytest
import torch

from lib import data
from lib.data import downloads
from lib.data.downloads import RemoteFile


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def idx(values: np.ndarray) -> bytes:
    """The published format: header, sizes as big-endian integers, bytes; then gzip."""
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(header + values.astype(np.uint8).tobytes())


def tar(members: dict[str, bytes | str]) -> bytes:
    """A .tar.gz; a text value makes a symbolic link to it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def remote(name: str, content: bytes, *mirrors: str) -> RemoteFile:
    return RemoteFile(tuple(mirrors), name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this machine: /whole serves files, /short stops half-way, /wrong alters them, /none has none."""
    files: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            folder, name = self.path.strip("/").split("/")
            asked.append(folder)
            body = files.get(name, b"")
            self.send_response(404 if folder == "none" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write({"whole": body, "short": body[: len(body) // 2], "wrong": body[::-1]}.get(folder, body))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        httpd.files, httpd.asked, httpd.url = files, asked, f"http://127.0.0.1:{httpd.server_address[1]}/"
        yield httpd
        httpd.shutdown()


@pytest.fixture
def fashion(monkeypatch, rng):
    """Twelve pictures in the format of Fashion-MNIST, known by name and hash but not yet on disk."""
    pixels, labels = rng.integers(0, 256, (12, 28, 28), dtype=np.uint8), np.arange(12, dtype=np.uint8) % 10
    contents = {"train-images-idx3-ubyte.gz": idx(pixels), "train-labels-idx1-ubyte.gz": idx(labels)}

    def use(changed: dict[str, bytes] | None = None, mirrors: tuple[str, ...] = ()):
        published = contents | (changed or {})
        files = tuple(remote(name, content, *mirrors) for name, content in published.items())
        monkeypatch.setitem(downloads.FASHION_FILES, "train", files)
        return published

    return use, pixels, labels


def fill(folder, contents: dict[str, bytes]):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def cifar(monkeypatch, tmp_path, rng):
    """Put an archive with some members changed (or removed: None) into the cache, its hash known."""
    wanted = [name for names in downloads.CIFAR_MEMBERS.values() for name in names]
    records = {name: rng.integers(0, 10, (4, 3073), dtype=np.uint8) for name in wanted}

    def use(changed: dict | None = None, cut: int | None = None):
        members = {"cifar-10-batches-bin/readme.html": b"<html>"} | {k: v.tobytes() for k, v in records.items()}
        members |= changed or {}
        content = tar({name: body for name, body in members.items() if body is not None})[:cut]
        monkeypatch.setattr(downloads, "CIFAR_FILE", remote("cifar-10-binary.tar.gz", content))
        fill(tmp_path, {"cifar-10-binary.tar.gz": content})
        return records

    return use


# --- what is read ---


def test_fashion_mnist_is_read_from_a_filled_cache(tmp_path, fashion):
    """Every pixel and label comes back; no mirror is known here, so nothing was fetched."""
    use, pixels, labels = fashion
    fill(tmp_path, use())
    got = data.download("fashion_mnist", cache=tmp_path)
    assert got.pixels.shape == (12, 1, 28, 28) and len(got) == 12 and len(got.classes) == 10
    np.testing.assert_array_equal(got.pixels[:, 0].numpy(), pixels)
    assert got.labels.tolist() == labels.tolist()


def test_cifar_10_is_read_in_the_published_order(tmp_path, cifar):
    """A record is the class, then the red, green and blue planes row by row; five files make the training set."""
    records = cifar()
    train, test = (data.download("cifar10", split, cache=str(tmp_path)) for split in ("train", "test"))
    assert len(train) == 20 and len(test) == 4 and train.pixels.shape[1:] == (3, 32, 32)
    third = records["cifar-10-batches-bin/data_batch_2.bin"][1]
    assert train.labels[5] == third[0]
    assert train.pixels[5, 1, 7, 30] == third[1 + 1024 + 7 * 32 + 30]
    np.testing.assert_array_equal(test.pixels.flatten(1).numpy(), records["cifar-10-batches-bin/test_batch.bin"][:, 1:])


def test_images_lie_in_minus_one_to_one(tmp_path, fashion):
    """The bytes 0 and 255 become the ends of the range that all models here expect; a selection gives the same."""
    use, pixels, _ = fashion
    pixels[0, 0, :2] = 0, 255
    fill(tmp_path, use({"train-images-idx3-ubyte.gz": idx(pixels)}))
    got = data.download("fashion_mnist", cache=tmp_path)
    assert got.images().dtype == torch.float32
    assert got.images()[0, 0, 0, :2].tolist() == [-1, 1]
    assert got.images([3, 1]).equal(got.images()[[3, 1]]) and got.images(slice(2)).equal(got.images()[:2])


def test_the_environment_names_the_cache(tmp_path, fashion, monkeypatch):
    """A class room sets one variable to a shared folder."""
    use, *_ = fashion
    fill(tmp_path / "shared", use())
    monkeypatch.setenv("GENERATIVE_VISION_CACHE", str(tmp_path / "shared"))
    assert len(data.download("fashion_mnist")) == 12


# --- what is fetched ---


def test_a_missing_file_is_fetched_once(tmp_path, fashion, server):
    """The second call finds the files and asks nobody."""
    use, pixels, _ = fashion
    server.files |= use(mirrors=(server.url + "whole/",))
    for _ in range(2):
        got = data.download("fashion_mnist", cache=tmp_path / "new" / "folder")
    np.testing.assert_array_equal(got.pixels[:, 0].numpy(), pixels)
    assert server.asked == ["whole", "whole"]  # one for the pictures, one for the labels
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == sorted(server.files)


def test_mirrors_are_tried_in_turn(tmp_path, fashion, server):
    """An absent host, an error page, a broken connection and wrong content are all passed over."""
    use, *_ = fashion
    mirrors = ("http://127.0.0.1:9/", *(server.url + name for name in ("none/", "short/", "wrong/", "whole/")))
    server.files |= use(mirrors=mirrors)
    assert len(data.download("fashion_mnist", cache=tmp_path)) == 12
    assert server.asked == ["none", "short", "wrong", "whole"] * 2


@pytest.mark.parametrize(
    ("folders", "error", "words"),
    [
        ((), data.OfflineError, "no answer"),
        (("none/",), data.OfflineError, "no answer"),
        (("short/",), data.TruncatedFileError, "broke off"),
        (("none/", "wrong/"), data.CorruptFileError, "wrong SHA-256"),
    ],
)
def test_a_failed_download_says_how_to_go_on(tmp_path, fashion, server, folders, error, words):
    """Offline, cut off and tampered with are different errors; each names file, hash, folder and variable."""
    use, *_ = fashion
    published = use(mirrors=("http://127.0.0.1:9/", *(server.url + folder for folder in folders)))
    server.files |= published
    with pytest.raises(error, match=words) as caught:
        data.download("fashion_mnist", cache=tmp_path)
    sha256 = hashlib.sha256(published["train-images-idx3-ubyte.gz"]).hexdigest()
    for part in ("train-images-idx3-ubyte.gz", sha256, str(tmp_path), "GENERATIVE_VISION_CACHE"):
        assert part in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_mirror_may_not_unpack_the_file(tmp_path, fashion, server):
    """Servers may send .gz files as "Content-Encoding: gzip", which clients undo; asking for identity prevents it."""
    use, *_ = fashion
    server.files |= use(mirrors=(server.url + "whole/",))
    seen = []
    original = server.RequestHandlerClass.do_GET
    server.RequestHandlerClass.do_GET = lambda self: (seen.append(self.headers["Accept-Encoding"]), original(self))
    data.download("fashion_mnist", cache=tmp_path)
    assert set(seen) == {"identity"}


# --- what is damaged ---


def test_a_cut_off_file_in_the_cache_is_named(tmp_path, fashion):
    """Half a file has half the bytes; the reader learns how many and what to do."""
    use, *_ = fashion
    contents = use()
    labels = contents["train-labels-idx1-ubyte.gz"]
    fill(tmp_path, contents | {"train-labels-idx1-ubyte.gz": labels[:10]})
    with pytest.raises(data.TruncatedFileError, match=f"ends after 10 of {len(labels)} bytes: delete it"):
        data.download("fashion_mnist", cache=tmp_path)


def test_a_changed_file_in_the_cache_is_named(tmp_path, fashion):
    """One flipped bit, same length."""
    use, *_ = fashion
    contents = use()
    pictures = bytearray(contents["train-images-idx3-ubyte.gz"])
    pictures[100] ^= 1
    fill(tmp_path, contents | {"train-images-idx3-ubyte.gz": bytes(pictures)})
    with pytest.raises(data.CorruptFileError, match="not the published file"):
        data.download("fashion_mnist", cache=tmp_path)


PICTURES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
GOOD = idx(np.random.default_rng(0).integers(0, 256, (12, 28, 28)))


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({PICTURES: GOOD[:60]}, data.TruncatedFileError, "inside its compressed data"),
        ({PICTURES: b"<html>not found</html>"}, data.CorruptFileError, "not a gzip file"),
        ({PICTURES: GOOD[:10] + b"\xff" * 30 + GOOD[40:]}, data.CorruptFileError, "not a gzip file"),
        ({PICTURES: idx(np.zeros(12))}, data.CorruptFileError, "does not start like an IDX file"),
        ({PICTURES: gzip.compress(bytes([0, 0, 8, 3, 0, 0]))}, data.TruncatedFileError, "inside its header"),
        ({PICTURES: gzip.compress(gzip.decompress(GOOD)[:-5])}, data.TruncatedFileError, "announces"),
        ({PICTURES: gzip.compress(gzip.decompress(GOOD) + b"!")}, data.CorruptFileError, "announces"),
        ({LABELS: idx(np.zeros(11))}, data.CorruptFileError, "12 pictures but .* 11 labels"),
        ({LABELS: idx(np.full(12, 10))}, data.CorruptFileError, "class number 10"),
    ],
)
def test_idx_files_that_break_their_format_are_refused(tmp_path, fashion, changed, error, words):
    """The hash would stop these first; here it is that of the damaged file, so that the reader itself is tested."""
    use, *_ = fashion
    fill(tmp_path, use(changed))
    with pytest.raises(error, match=words):
        data.download("fashion_mnist", cache=tmp_path)


TEST_BATCH = "cifar-10-batches-bin/test_batch.bin"


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({TEST_BATCH: None}, data.MissingMemberError, "lacks cifar-10-batches-bin/test_batch.bin"),
        ({TEST_BATCH: "/etc/passwd"}, data.MissingMemberError, "lacks"),
        ({TEST_BATCH: "data_batch_1.bin"}, data.MissingMemberError, "lacks"),
        ({TEST_BATCH: bytes(3073 * 2 - 1)}, data.TruncatedFileError, "6145 bytes"),
        ({TEST_BATCH: b""}, data.TruncatedFileError, "0 bytes"),
        ({TEST_BATCH: bytes([11]) + bytes(3072)}, data.CorruptFileError, "class number 11"),
    ],
)
def test_cifar_archives_that_break_their_format_are_refused(tmp_path, cifar, changed, error, words):
    """A link is no file: neither one that points out of the archive nor one that points inside is followed."""
    cifar(changed)
    with pytest.raises(error, match=words):
        data.download("cifar10", "test", cache=tmp_path)


@pytest.mark.parametrize("cut", [100, 2000, -200])
def test_an_archive_cut_off_anywhere_is_called_truncated(tmp_path, cifar, cut):
    """The compressed stream ends without its end mark, wherever it was cut."""
    cifar(cut=cut)
    with pytest.raises(data.TruncatedFileError, match="ends inside"):
        data.download("cifar10", "test", cache=tmp_path)


def test_an_uncompressed_cut_is_called_truncated(tmp_path):
    """A tar that ends inside a member, compressed afterwards: the gzip layer is whole, the archive is not."""
    whole = gzip.decompress(tar({"a": bytes(5000)}))
    (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(whole[:2000]))
    with pytest.raises(data.TruncatedFileError, match="inside a member"):
        downloads.read_members(tmp_path / "cut.tar.gz", ("a",))


@pytest.mark.parametrize("content", [b"<html></html>", gzip.compress(b"no archive" * 100)], ids=["a page", "no tar"])
def test_what_is_no_archive_is_called_corrupt(tmp_path, content):
    """An error page saved under the name of the archive, and a gzip file with something else inside."""
    (tmp_path / "page.tar.gz").write_bytes(content)
    with pytest.raises(data.CorruptFileError, match="not a .tar.gz archive"):
        downloads.read_members(tmp_path / "page.tar.gz", ("a",))


def test_no_member_can_write_outside(tmp_path, cifar):
    """Archives may hold names like ../evil; members are read in memory by exact name, so the disk stays as it was."""
    cifar({"../evil": b"!", "/tmp_evil": b"!", "cifar-10-batches-bin/../../evil": b"!"})
    before = sorted(p.name for p in tmp_path.parent.rglob("*"))
    assert len(data.download("cifar10", "test", cache=tmp_path)) == 4
    assert sorted(p.name for p in tmp_path.parent.rglob("*")) == before


def test_wrong_names_are_refused(tmp_path):
    """The message lists what exists."""
    with pytest.raises(ValueError, match="fashion_mnist, cifar10, got 'mnist'"):
        data.download("mnist", cache=tmp_path)
    with pytest.raises(ValueError, match="train or test, got 'heldout'"):
        data.download("cifar10", "heldout", cache=tmp_path)


def test_the_published_files_are_fully_described():
    """Each has a full SHA-256, a size and at least two mirrors, so that one dead host does not matter."""
    files = [file for pair in downloads.FASHION_FILES.values() for file in pair] + [downloads.CIFAR_FILE]
    assert len({file.sha256 for file in files}) == len(files) == 5
    for file in files:
        assert len(bytes.fromhex(file.sha256)) == 32 and file.num_bytes > 5000
        assert len(file.mirrors) >= 2 and all(
            mirror.startswith("http") and mirror[-1] == "/" for mirror in file.mirrors
        )
