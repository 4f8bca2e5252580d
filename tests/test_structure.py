"""What holds for every file of the repository."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "lib").rglob("*.py"))


def tracked() -> list[Path]:
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if out.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in out.stdout.split("\0") if name]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_loaded_through_pickle(path):
    """Pickle runs code from a file; checkpoints are safetensors, tables are JSON and CSV."""
    text = path.read_text("utf8")
    calls = r"import (pickle|joblib|dill)|(?<!safetensors\.)torch\.load\(|allow_pickle\s*=\s*True"
    assert not re.search(rf"\b({calls})", text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_functions_say_what_they_do(path):
    """A reader meets every public function of a package through its docstring."""
    for node in ast.parse(path.read_text("utf8")).body:
        public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if public:
            assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def test_every_checkpoint_has_its_card():
    """Weights without their recipe, seed and metrics cannot be trusted; names match in pairs."""
    folder = ROOT / "data" / "checkpoints"
    weights = {path.stem for path in folder.glob("*.safetensors")}
    assert weights and weights == {path.stem for path in folder.glob("*.json")}
    for name in weights:
        assert (folder / f"{name}.safetensors").stat().st_size <= 12e6, name
        card = json.loads((folder / f"{name}.json").read_text("utf8"))
        assert card["metrics"] and card["seed"] is not None, name


def test_the_repository_speaks_of_the_course_alone():
    """Paths of one machine and addresses of package registries go stale and help no reader."""
    own = Path(__file__).resolve()
    forbidden = re.compile(r"/(work|tmp|root)/|pythonhosted\.|pypi\.o|registry\.npm|deb\.debian", re.I)
    text_like = {".py", ".md", ".yml", ".toml", ".txt", ".json", ".js", ".css", ".cfg", ".ipynb", ""}
    for path in tracked():
        if path == own or path.suffix not in text_like or not path.is_file():
            continue
        found = forbidden.search(path.read_text("utf8", "replace"))
        assert not found, f"{path.relative_to(ROOT)} speaks of {found.group(0)}"
