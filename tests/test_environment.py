"""The environment's lists agree, and its maker explains every failure in plain words."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
BOOTSTRAP = ROOT / "lib" / "bootstrap.py"
ASKED_FOR = {"jupyterlab", "torch", "matplotlib", "ipywidgets", "numpy", "nbval", "jupytext"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf8").splitlines() if not line.startswith("#")]
    return {canonical(name): number for name, number in (line.split("==") for line in lines)}


@pytest.fixture
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", BOOTSTRAP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_conda_lists_the_same_packages_as_pyproject(project):
    """A reader with conda or Binder gets what a reader with pip gets, at the locked versions."""
    conda = yaml.safe_load((ROOT / "environment.yml").read_text("utf8"))
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    assert "--constraint constraints.txt" in pip and "--editable ." in pip
    assert [entry for entry in pip if not entry.startswith("--")] == project["dependencies"]


def test_every_dependency_is_locked(project, locked):
    """A range that resolves to something newer next year is how courses rot."""
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    assert {canonical(name) for name in wanted} <= set(locked)
    assert locked["torch"] == "2.13.0"


def test_packages_asked_for_are_dependencies(project):
    """The user named these seven."""
    assert set(project["dependencies"]) >= ASKED_FOR


def test_this_environment_holds_the_locked_versions(project, locked):
    """What the tests run on is what the lock says."""
    for name in project["dependencies"]:
        assert version(name).split("+")[0] == locked[canonical(name)], name


def test_old_python_is_told_so(bootstrap, monkeypatch):
    """The message names the version needed, the version found and the way out."""
    monkeypatch.setattr(bootstrap, "OLDEST", (9, 9))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"needs Python 9\.9 or newer; this is Python 3(.|\n)*What to do"):
        bootstrap.interpreter()


def test_full_disk_is_told_before_anything_is_installed(bootstrap, monkeypatch):
    """Half an environment on a full disk helps nobody."""
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1e9}))
    with pytest.raises(SystemExit, match=r"about 5 GB of disk; 1\.0 GB are free"):
        bootstrap.check_space("test")


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("ERROR: Could not find a version that satisfies the requirement torch", "could not be fetched"),
        ("OSError: [Errno 28] No space left on device", "disk ran full"),
        ("error: something else", "pip failed"),
    ],
)
def test_pip_failures_are_put_in_plain_words(bootstrap, monkeypatch, printed, said):
    """The cause is named, and pip's own last lines are kept."""
    failed = subprocess.CompletedProcess([], 1, stderr=printed)
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(SystemExit) as stopped:
        bootstrap.pip_install("nowhere", "torch")
    assert said in str(stopped.value) and printed in str(stopped.value)


def test_a_changed_lock_makes_the_environment_stale(bootstrap, monkeypatch, tmp_path):
    """The stamp is a fingerprint of the lists, so that `make lab` after `git pull` installs what is new."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path))
    assert not bootstrap.ready("lab")
    (tmp_path / "course-test.stamp").write_text(bootstrap.fingerprint("test"))
    assert bootstrap.ready("lab") and bootstrap.ready("test")
    monkeypatch.setattr(bootstrap, "read", lambda name: b"changed")
    assert not bootstrap.ready("lab")


def test_an_environment_made_by_hand_is_taken_over(bootstrap, tmp_path):
    """`python3 -m venv .venv` links to the interpreter; making it again must not copy the interpreter onto itself."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    bootstrap.make_venv(str(tmp_path))
    assert subprocess.run([tmp_path / "bin" / "python", "-c", "import pip"]).returncode == 0


def test_unknown_request_is_refused():
    """A typo does not install anything."""
    result = subprocess.run([sys.executable, BOOTSTRAP, "labb"], capture_output=True, text=True)
    assert result.returncode != 0 and "Unknown request: labb" in result.stderr
