import json

import pytest
import safetensors.torch
import torch
from torch import nn

from lib.training import card, load, save
from lib.training.checkpoint import REQUIRED, build
from lib.training.files import CHECKPOINTS, sha256
from lib.training.recipe import SmokeNet

FIELDS = {"kwargs": {"width": 8}, "recipe": {"lr": 0.1}, "seed": 3, "steps": 10}
FIELDS |= {"data_hash": "abc", "minutes": 0.5, "metrics": {"psnr": 20.0}}


def model(width: int = 8) -> SmokeNet:
    torch.manual_seed(0)
    return SmokeNet(width)


@pytest.fixture
def folder(tmp_path):
    save("net", model(), FIELDS, folder=tmp_path)
    return tmp_path


def rewrite(folder, change):
    """Edit the card of the checkpoint "net"."""
    about = json.loads((folder / "net.json").read_text("utf8"))
    change(about)
    (folder / "net.json").write_text(json.dumps(about), "utf8")


def test_a_model_comes_back_as_it_was(folder):
    """Same class, same arguments, the same bits, in eval mode."""
    back = load("net", folder=folder)
    assert type(back) is SmokeNet and not back.training
    for key, value in model().state_dict().items():
        assert back.state_dict()[key].equal(value), key


def test_a_card_tells_where_the_weights_came_from(folder):
    """Given fields stay, and class, hash, size, machine and versions are added."""
    about = card("net", folder)
    assert {key: about[key] for key in FIELDS} == FIELDS
    assert about["class"] == "lib.training.recipe.SmokeNet" and about["num_parameters"] == 8 * 27 + 8 + 16 + 216 + 3
    assert about["bytes"] == (folder / "net.safetensors").stat().st_size and len(about["file_hash"]) == 64
    assert about["versions"]["torch"] == torch.__version__ and "core" in about["hardware"]


def test_half_precision_halves_the_file_and_rounds_the_weights(tmp_path):
    """float16 keeps 11 bits: the relative error is at most 2^-11, and loading gives float32 again."""
    full = save("full", model(64), FIELDS | {"kwargs": {"width": 64}}, folder=tmp_path)
    half = save("half", model(64), FIELDS | {"kwargs": {"width": 64}}, half=True, folder=tmp_path)
    assert half["dtype"] == "float16" and half["bytes"] < 0.6 * full["bytes"]
    back = load("half", folder=tmp_path)
    for ours, theirs in zip(model(64).parameters(), back.parameters(), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=2**-11, atol=1e-7)
    assert back.num_forwards.dtype == torch.int64


def test_tied_weights_are_stored(tmp_path):
    """safetensors refuses tensors that share memory, so each is stored on its own."""
    net = model()
    net.layers[4].bias = nn.Parameter(torch.ones(3))
    net.layers[1].bias = net.layers[1].weight
    save("net", net, FIELDS, folder=tmp_path)
    back = load("net", folder=tmp_path)
    assert back.layers[1].bias.equal(net.layers[1].weight)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_a_changed_file_is_noticed(folder, damage):
    """Cut short, one bit flipped, or emptied: the hash is another one."""
    path = folder / "net.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="not the file its card speaks of.*restore both"):
        load("net", folder=folder)


def test_what_is_missing_is_named(folder):
    """The card, the weights, or both; with what is there instead, and how to make it."""
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nett' .* there: net.*python -m lib.train nett"):
        load("nett", folder=folder)
    (folder / "net.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="its weights .* are not"):
        load("net", folder=folder)


def test_a_damaged_card_is_named(folder):
    """Half a JSON file is no card."""
    (folder / "net.json").write_text('{"class": ', "utf8")
    with pytest.raises(ValueError, match="net.json is damaged"):
        load("net", folder=folder)


@pytest.mark.parametrize("name", ["../net", "/etc/passwd", "", "a b", "1st"])
def test_a_name_that_is_no_file_name_is_refused(name, tmp_path):
    """A name must not lead out of the folder."""
    with pytest.raises(ValueError, match="a name holds letters"):
        load(name, folder=tmp_path)


@pytest.mark.parametrize(
    "path, said",
    [
        ("os.system", 'must lie in the package "lib"'),
        ("library.evil.Net", 'must lie in the package "lib"'),
        ("SmokeNet", 'must lie in the package "lib"'),
        ("lib.training.recipe.nn.Linear", "there is no class"),
        ("lib.training.recipe.Recipe", "no nn.Module class of this course"),
        ("lib.training.recipe.RECIPES", "no nn.Module class of this course"),
        ("lib.training.recipe.Net", "there is no class"),
        ("lib.nowhere.Net", "there is no class"),
    ],
)
def test_only_model_classes_of_the_course_are_made(path, said):
    """A card is data; it must not be able to call anything else."""
    with pytest.raises(ValueError, match=said):
        build(path, {})


def test_a_class_from_elsewhere_is_not_reached_through_a_module_of_the_course(monkeypatch):
    """A module that imports a class has it as an attribute, but the class is still somebody else's."""
    monkeypatch.setattr("lib.training.recipe.Linear", nn.Linear, raising=False)
    with pytest.raises(ValueError, match="no nn.Module class of this course"):
        build("lib.training.recipe.Linear", {"in_features": 1, "out_features": 1})


def test_a_class_that_refuses_its_arguments_says_which():
    """A constructor was changed after the checkpoint was made."""
    with pytest.raises(ValueError, match="SmokeNet refuses the arguments .*depth"):
        build("lib.training.recipe.SmokeNet", {"depth": 3})


def test_weights_that_do_not_fit_are_named(folder):
    """Each key with both shapes."""
    rewrite(folder, lambda about: about.update(kwargs={"width": 16}))
    with pytest.raises(ValueError, match=r"shape \(8, 3, 3, 3\), the model has \(16, 3, 3, 3\)"):
        load("net", folder=folder)


def test_missing_and_unknown_weights_are_named(folder):
    """A layer was renamed after the checkpoint was made."""
    path = folder / "net.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    tensors["layers.9.bias"] = tensors.pop("layers.4.bias")
    content = safetensors.torch.save(tensors)
    path.write_bytes(content)
    rewrite(folder, lambda about: about.update(file_hash=sha256(content)))
    with pytest.raises(ValueError, match="layers.4.bias is missing; layers.9.bias is unknown to SmokeNet"):
        load("net", folder=folder)


def test_a_card_without_a_field_is_refused(tmp_path):
    """Weights without seed and metrics cannot be judged later."""
    with pytest.raises(ValueError, match="lacks seed, metrics"):
        save("net", model(), {k: v for k, v in FIELDS.items() if k not in ("seed", "metrics")}, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_card_that_cannot_build_its_model_is_refused(tmp_path):
    """Wrong constructor arguments are found when saving, not months later when loading."""
    with pytest.raises(ValueError, match="do not fit SmokeNet"):
        save("net", model(), FIELDS | {"kwargs": {"width": 16}}, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_above_the_limit_is_refused(tmp_path, monkeypatch):
    """Every checkpoint travels with the course."""
    monkeypatch.setattr("lib.training.checkpoint.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"limit is 0; use half=True"):
        save("net", model(), FIELDS, folder=tmp_path)


@pytest.mark.parametrize("value, half", [(float("nan"), False), (1e6, True)])
def test_weights_that_cannot_be_stored_are_named(tmp_path, value, half):
    """Not a number at all, or beyond 65,504, the largest float16."""
    net = model()
    with torch.no_grad():
        net.layers[0].bias[0] = value
    with pytest.raises(ValueError, match="layers.0.bias holds numbers that are not finite"):
        save("net", net, FIELDS, half=half, folder=tmp_path)


def test_a_failed_write_leaves_the_old_checkpoint(folder, monkeypatch):
    """The disk is full while the new file is written: the old pair still loads, bit for bit."""

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr("lib.training.files.os.fsync", full)
    net = model()
    with torch.no_grad():
        net.layers[0].bias += 1
    with pytest.raises(OSError, match="no space"):
        save("net", net, FIELDS, folder=folder)
    assert load("net", folder=folder).layers[0].bias.equal(model().layers[0].bias)


@pytest.mark.parametrize("name", sorted(path.stem for path in CHECKPOINTS.glob("*.json")))
def test_every_shipped_checkpoint_loads_and_has_a_full_card(name):
    """The file is the one its card speaks of, the class still fits, and every number can be traced to its making."""
    assert not load(name).training
    about = card(name)
    assert about["name"] == name and all(about[key] not in (None, "", {}) for key in REQUIRED)
    assert about["bytes"] <= 12e6 and about["hardware"] and about["versions"]["torch"]
