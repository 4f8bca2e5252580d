import importlib.util
import json
from functools import partial

import pytest

from lib import trends as command
from lib.training import cells, spread, trend
from lib.training import trends as measurements
from lib.training.tables import cells_folder, code_hash


def test_a_measurement_goes_on_where_it_was_interrupted(runs):
    """Sessions get cut; what was measured is not measured again, and the rows come in the order of the table."""
    measured = []

    def measure(setting, seed):
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append((setting, seed))
        return {"error": setting * 10 + seed}

    with pytest.raises(KeyboardInterrupt):
        cells("table", {"one": 1, "two": 2}, [0, 1], measure)
    assert len(list(cells_folder("table").glob("*.json"))) == 3
    measured.clear()
    rows = cells("table", {"one": 1, "two": 2}, [0, 1], measure)
    assert measured == [(2, 1)]
    assert [(row["setting"], row["seed"], row["error"]) for row in rows] == [
        ("one", 0, 10), ("one", 1, 11), ("two", 0, 20), ("two", 1, 21),
    ]  # fmt: skip
    assert cells_folder("table").is_relative_to(runs)


def module_from(path, source: str):
    path.write_text(source, "utf8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_cell_is_measured_again_when_the_code_changes_and_not_when_a_comment_does(tmp_path):
    """Otherwise one table could mix two models, or a corrected docstring would cost an hour."""
    path = tmp_path / "trends.py"
    base = code_hash(module_from(path, "def measure(setting, seed):\n    return {'x': 1}\n").measure)
    commented = "def measure(setting, seed):\n    'What x is.'\n    # one\n    return {'x': 1}\n"
    assert code_hash(partial(module_from(path, commented).measure)) == base
    (tmp_path / "exercises.py").write_text("y = 1", "utf8")
    assert code_hash(module_from(path, commented).measure) == base
    assert code_hash(module_from(path, commented.replace("1}", "2}")).measure) != base
    (tmp_path / "model.py").write_text("z = 1", "utf8")
    assert code_hash(module_from(path, commented).measure) != base


def test_cells_of_other_code_are_not_used(tmp_path):
    """The first measurement was interrupted, then the code was mended: its cell is measured again."""
    path = tmp_path / "trends.py"
    for value in (1, 2, 2):
        module = module_from(path, f"def measure(setting, seed):\n    return {{'x': {value}}}\n")
        assert cells("table", {"a": 0}, [0], module.measure)[0]["x"] == value
    assert len(list(cells_folder("table").glob("*.json"))) == 2


def test_a_table_is_written_with_all_that_makes_it_comparable(tmp_path, monkeypatch):
    """Seeds, machine, minutes and versions; the cells of the finished measurement are forgotten."""
    monkeypatch.setattr(command, "TRENDS", tmp_path)

    def measurement(seeds):
        return {"rows": cells("table", {"a": 1.0}, seeds, lambda setting, seed: {"error": setting + seed})}

    path = command.measure("table", measurement, [0, 1, 2])
    assert path == tmp_path / "table.json" and not cells_folder("table").exists()
    table = trend("table", tmp_path)
    assert [row["error"] for row in table["rows"]] == [1.0, 2.0, 3.0]
    assert table["seeds"] == [0, 1, 2] and table["minutes"] >= 0 and table["versions"]["torch"] and table["hardware"]


def test_minutes_of_earlier_sessions_count(tmp_path, monkeypatch):
    """The time that a table cost is that of all its cells, whenever they were measured."""
    monkeypatch.setattr(command, "TRENDS", tmp_path)

    def measurement(seeds):
        rows = cells("table", {"a": 1.0}, seeds, lambda setting, seed: {"error": 0.0})
        for path in cells_folder("table").glob("*.json"):
            path.write_text(json.dumps(json.loads(path.read_text("utf8")) | {"minutes": 10}), "utf8")
        return {"rows": rows}

    command.measure("table", measurement, [0, 1, 2])
    assert trend("table", tmp_path)["minutes"] == 30


def test_fewer_than_three_seeds_make_a_trial(runs, tmp_path, monkeypatch):
    """A spread of two says little, so such a table does not replace a shipped one."""
    monkeypatch.setattr(command, "TRENDS", tmp_path)
    assert command.measure("table", lambda seeds: {}, [0]) == runs / "trends" / "table.json"
    assert not list(tmp_path.glob("*.json"))


def test_a_number_that_is_not_finite_does_not_reach_a_table(tmp_path, monkeypatch):
    """JSON has no NaN; the old table stays."""
    monkeypatch.setattr(command, "TRENDS", tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        command.measure("table", lambda seeds: {"error": float("nan")}, [0, 1, 2])
    assert not list(tmp_path.glob("table*"))


def test_a_missing_table_is_named(tmp_path):
    """With the command that measures it."""
    with pytest.raises(FileNotFoundError, match="no trend 'table'.*python -m lib.trends table"):
        trend("table", tmp_path)


def test_a_spread_is_mean_and_sample_deviation():
    """Of 1, 2, 3: mean 2, sample variance 1. One value has no spread."""
    assert spread([1.0, 2.0, 3.0]) == {"mean": 2.0, "std": 1.0, "min": 1.0, "max": 3.0, "num": 3}
    with pytest.raises(ValueError, match="got 1"):
        spread([1.0])


def test_the_command_lists_trends_and_names_mistakes(capsys):
    """Every chapter's TRENDS is found."""
    command.main(["--list"])
    assert "precision" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["precisely"])
    assert "no trend 'precisely'" in capsys.readouterr().err


def test_the_shipped_table_of_precision_says_what_the_course_relies_on():
    """With bf16 training is faster on this class of machine, and the loss on unseen pictures is the same within 1 %."""
    table = trend("precision")
    assert len(table["seeds"]) >= 3 and "native bf16" in table["hardware"]
    assert all(values["min"] > 1.2 for name, values in table["summary"].items() if name.startswith("gain"))
    ratio = table["summary"]["heldout_loss, bf16 / fp32, same seed"]
    assert 0.99 < ratio["min"] <= ratio["max"] < 1.01


def test_precision_compares_equal_trainings(monkeypatch):
    """Same seed, same weights, same batches, same noise: three updates later both are still close."""
    monkeypatch.setattr(measurements, "NUM_STEPS", 3)
    monkeypatch.setattr(measurements, "BATCH_SIZE", 8)
    results = [measurements.quality(precision, 0) for precision in ("fp32", "bf16")]
    assert results[0]["final_loss"] == pytest.approx(results[1]["final_loss"], rel=0.02)
    assert results[0] != results[1]
