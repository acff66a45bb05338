"""Profile and fingerprint."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sharewise.problems import Column, Problem, Table, fingerprint, profile

N = 60


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "f": rng.normal(size=N),
            "word": np.array(["u", None, "v"], dtype=object)[np.arange(N) % 3],
            "y": rng.normal(size=N),
            "z": rng.normal(size=N),
            "c": np.array(["a", "b", "c"])[rng.integers(0, 3, N)],
            "level": np.arange(N) // 2 % 3,
            "g": np.arange(N) // 2 % 5,
            "t": np.arange(N),
        }
    )


def wide(data: pd.DataFrame | None = None) -> Problem:
    data = frame() if data is None else data
    return Problem.from_frame(data, targets=["y", "z", "c"], group="g", time="t", drop="level")


def long(data: pd.DataFrame | None = None) -> Problem:
    data = frame() if data is None else data
    return Problem.from_frame(data, targets="y", task="level", drop=["z", "c"])


def test_a_wide_profile() -> None:
    data = frame()
    data.loc[:29, "y"] = np.nan
    data.loc[20:, "c"] = None
    found = profile(wide(data))
    assert found.rows == N
    assert found.features == {"number": 1, "category": 1}
    assert found.labels == {"y": 30, "z": 60, "c": 20}
    assert (found.fewest, found.median, found.most) == (20, 30.0, 60)
    assert found.overlap == pytest.approx(np.mean([30 / 60, 0.0, 20 / 60]))
    assert found.groups == 5
    assert found.constant == ()
    assert found.duplicates == ()
    assert found.leaks == ()
    both = data["y"].notna()
    wanted = np.corrcoef(data["y"][both], data["z"][both])[0, 1]
    assert found.correlation[0][1] == pytest.approx(wanted)
    assert found.correlation[0][2] is None
    assert found.correlation[2][2] == pytest.approx(1.0)
    assert json.loads(json.dumps(found.as_dict()))["labels"] == found.labels
    (warning,) = found.warnings()
    assert warning == (
        "1 task of 3 with fewer than 30 labelled rows, so their own scores are uncertain: 'c'."
    )


def test_a_long_profile() -> None:
    found = profile(long())
    assert found.labels == {"level 0": 20, "level 1": 20, "level 2": 20}
    assert found.overlap == 0.0
    assert found.groups is None
    assert found.correlation == ()


def test_warnings_name_duplicates_leaks_and_constants() -> None:
    data = frame()
    data["z"] = 2 - 3 * data["y"]
    data["f"] = data["y"] + 1
    found = profile(wide(data))
    assert found.duplicates == (("y", "z"),)
    assert {(leak.feature, leak.target) for leak in found.leaks} == {("f", "y"), ("f", "z")}
    assert all(leak.strength > 0.999 for leak in found.leaks)
    text = " ".join(found.warnings())
    assert "'y' and 'z' are the same up to scale" in text
    assert "'f' nearly determines target 'y'" in text
    same = frame()
    same.loc[same["level"] == 1, "y"] = 4.0
    assert profile(long(same)).constant == ("level 1",)


def test_equal_data_have_equal_fingerprints() -> None:
    for make in (wide, long):
        assert fingerprint(make()) == fingerprint(make())
        assert len(fingerprint(make())) == 64
    noted = replace(wide(), notes=("something",))
    assert fingerprint(noted) == fingerprint(wide())
    zeros = frame()
    zeros.loc[0, "f"] = 0.0
    minus = frame()
    minus.loc[0, "f"] = -0.0
    assert fingerprint(wide(zeros)) == fingerprint(wide(minus))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("f", 9.0),
        ("f", np.nan),
        ("word", "v"),
        ("word", None),
        ("y", 9.0),
        ("y", np.nan),
        ("g", 4),
        ("t", 99),
    ],
)
def test_a_changed_cell_changes_the_fingerprint(column: str, value: object) -> None:
    data = frame()
    data[column] = data[column].astype(object) if isinstance(value, str) else data[column]
    data.loc[0, column] = value
    assert fingerprint(wide(data)) != fingerprint(wide())


def test_names_classes_and_levels_count() -> None:
    assert fingerprint(wide(frame().rename(columns={"f": "e"}))) != fingerprint(wide())
    assert fingerprint(wide(frame().replace({"c": {"a": "A"}}))) != fingerprint(wide())
    moved = frame()
    moved.loc[0, "level"] = 1
    assert fingerprint(long(moved)) != fingerprint(long())
    problem = wide()
    words = problem.table.columns[1]
    for other in (["a", "bc"], ["ab", "c"]):
        values = words.values.copy()
        values[:2] = other
        table = Table((problem.table.columns[0], Column("word", "category", values)), N)
        assert fingerprint(replace(problem, table=table)) != fingerprint(problem)


def test_another_process_finds_the_same_fingerprint() -> None:
    code = (
        "import numpy as np; from sharewise.problems import Problem, fingerprint\n"
        "f = {'w': np.array(['a', 'b'])[np.arange(40) % 2], 'x': np.sin(np.arange(40)), "
        "'y': np.arange(40) % 7, 'z': np.arange(40) % 5}\n"
        "print(fingerprint(Problem.from_frame(f, targets=['x', 'y', 'z'])))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
