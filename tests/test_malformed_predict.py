"""Odd tables and damaged folders through ``sharewise predict`` and ``sharewise report``."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sharewise
from cli_runs import ROWS, columns, compare, done, frame, quicken, refused, run, table
from sharewise.problems import Schema

N = ROWS
SOUND = columns()


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wide and a long study."""
    folder = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        wide = table(folder / "wide.csv", {"k": ["u", "v", "w"] * 20})
        done(compare(wide, "--drop", "x1", targets="a,b,k", out=folder / "wide"), out=folder / "wide")
        long = table(folder / "long.csv", {"school": ["x", "y", "z"] * 20})
        done(compare(long, "--task", "school", targets="a", out=folder / "long"), out=folder / "long")
    return folder


@pytest.fixture
def study(studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to damage; its tests run where tables may be written."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(studies / "wide", tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def plain(study: Path) -> str:
    """What the model says of a sound table."""
    ran = run("predict", study, table("plain.csv"))
    assert ran.code == 0
    assert ran.err == ""
    return ran.out


# ---------------------------------------------------------------- tables

SAME: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "targets gone": (lambda d: d.drop(columns=["a", "b"]), ""),
    "targets there": (lambda d: d.assign(k="nonsense"), ""),
    "another order": (lambda d: d[["b", "colour", "x1", "a", "x0"]], ""),
    "dropped column gone": (lambda d: d.drop(columns="x1"), ""),
    "new columns": (lambda d: d.assign(new=1, newer="z"), "'new', 'newer'"),
}


@pytest.mark.parametrize("name", SAME)
def test_tables_that_change_no_prediction(name: str, study: Path, plain: str) -> None:
    change, warned = SAME[name]
    change(frame()).to_csv("t.csv", index=False)
    ran = run("predict", study, "t.csv")
    assert ran.code == 0
    assert ran.out == plain
    assert warned in ran.err
    assert bool(ran.err) == bool(warned)


WARNED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unseen category": ({"colour": ["pink", "red"] * 30}, ("'colour'", "'pink'")),
    "empty feature": ({"x0": [None] * N}, ("without a single value", "'x0'")),
    "stray word": ({"x0": ["oops", *SOUND["x0"][1:]]}, ("'x0'", "'oops'")),
    "infinite": ({"x0": [np.inf, *SOUND["x0"][1:]]}, ("'x0'", "inf")),
    "huge": ({"x0": [1e300, *SOUND["x0"][1:]]}, ("'x0'", "1 cell")),
}


@pytest.mark.parametrize("name", WARNED)
def test_tables_that_are_predicted_with_a_warning(name: str, study: Path, plain: str) -> None:
    changed, words = WARNED[name]
    ran = run("predict", study, table("t.csv", changed))
    assert ran.code == 0
    (warning,) = ran.err.splitlines()
    assert all(word in warning for word in words)
    told, expected = ran.out.splitlines(), plain.splitlines()
    assert len(told) == N + 1
    if name in ("stray word", "infinite", "huge"):
        assert told[2:] == expected[2:]  # only the first row's cell is another
    if name == "unseen category":
        assert [told[i] for i in range(2, N, 2) if SOUND["colour"][i - 1] == "red"] == [
            expected[i] for i in range(2, N, 2) if SOUND["colour"][i - 1] == "red"
        ]


REFUSED: dict[str, tuple[dict[str, Any] | None, tuple[str, ...]]] = {
    "a feature missing": ({"x0": None}, ("'x0'", "lacks")),
    "features missing": ({"x0": None, "colour": None}, ("'x0', 'colour'",)),
    "a feature renamed": ({"x0": None, "X0": SOUND["x0"]}, ("'x0'", "'X0'?")),
    "words in a number": ({"x0": ["u"] * N}, ("'x0'", "numbers", "'u'")),
    "dates in a number": ({"x0": ["2020-01-01"] * N}, ("'x0'", "'2020-01-01'")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_cannot_be_predicted_are_refused(name: str, study: Path) -> None:
    changed, words = REFUSED[name]
    refused(run("predict", study, table("t.csv", changed)), *words)


@pytest.mark.parametrize(("text", "words"), [("", ("t.csv", "empty")), ("x0,colour\n", ("t.csv", "header"))])
def test_tables_without_rows_are_refused(text: str, words: tuple[str, ...], study: Path) -> None:
    Path("t.csv").write_text(text)
    refused(run("predict", study, "t.csv"), *words)


@pytest.mark.parametrize(
    ("schools", "words"),
    [
        (["x", "q"] * 30, ("'school'", "'q'")),
        (["x", None] * 30, ("'school'", "30 rows")),
        (None, ("lacks 'school'",)),
    ],
)
def test_rows_of_no_known_task_are_refused(schools: Any, words: Any, studies: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "t.csv", {"school": schools})
    refused(run("predict", studies / "long", data), *words)


def test_probabilities_of_numbers_are_refused(studies: Path) -> None:
    refused(run("predict", studies / "long", studies / "long.csv", "--proba"), "classification")


OUT: dict[str, tuple[str, tuple[str, ...]]] = {
    "missing folder": ("no/such/p.csv", ("no/such", "--out")),
    "a folder": ("folder", ("folder", "is a folder")),
    "the table itself": ("t.csv", ("t.csv", "both")),
    "another format": ("p.parquet", ("p.parquet", "CSV")),
    "inside a file": ("plain.csv/p.csv", ("plain.csv",)),
    "a full device": ("/dev/full", ("/dev/full", "No space left")),
    "too long a name": ("x" * 300 + ".csv", ("too long",)),
}


@pytest.mark.parametrize("name", OUT)
def test_places_that_take_no_predictions_are_refused(name: str, study: Path) -> None:
    out, words = OUT[name]
    Path("folder").mkdir()
    table("plain.csv")
    before = table("t.csv").read_bytes()
    refused(run("predict", study, "t.csv", "--out", out), *words)
    assert Path("t.csv").read_bytes() == before
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_an_interrupted_write_keeps_older_predictions(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("p.csv").write_text("older")
    table("t.csv")

    def fill(self: pd.DataFrame, path: Path, **_: Any) -> None:
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fill)
    refused(run("predict", study, "t.csv", "--out", "p.csv"), "p.csv", "No space left")
    assert Path("p.csv").read_text() == "older"
    assert sorted(path.name for path in Path().iterdir()) == ["p.csv", "study", "t.csv"]


# ---------------------------------------------------------------- model folders


def _flip(path: Path, place: float) -> None:
    held = bytearray(path.read_bytes())
    held[int(place * (len(held) - 1))] ^= 16
    path.write_bytes(held)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "folder gone": (shutil.rmtree, ("model.json",)),
    "folder empty": (_empty, ("model.json",)),
    "a file for the folder": (lambda m: (shutil.rmtree(m), m.write_text("x")), ("model.json",)),
    "no model.json": (lambda m: (m / "model.json").unlink(), ("model.json",)),
    "model.json empty": (lambda m: (m / "model.json").write_bytes(b""), ("model.json",)),
    "model.json a folder": (lambda m: ((m / "model.json").unlink(), (m / "model.json").mkdir()), ("model.json",)),
    "model.json another": (lambda m: (m / "model.json").write_text("{}"), ("model.json", "format")),
    "model.json pickled": (lambda m: (m / "model.json").write_bytes(pickle.dumps({"a": 1})), ("model.json",)),
    "no arrays": (lambda m: (m / "arrays.safetensors").unlink(), ("arrays.safetensors", "missing")),
    "arrays cut": (lambda m: (m / "arrays.safetensors").write_bytes(b"x"), ("arrays.safetensors", "1 bytes")),
    **{f"model.json flipped at {at}": (lambda m, at=at: _flip(m / "model.json", at), ("model.json",))
       for at in (0.0, 0.3, 0.7, 1.0)},
    **{f"arrays flipped at {at}": (lambda m, at=at: _flip(m / "arrays.safetensors", at), ("arrays.safetensors",))
       for at in (0.0, 0.3, 0.7, 1.0)},
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_models_are_refused(name: str, study: Path) -> None:
    damage, words = DAMAGE[name]
    damage(study / "model")
    refused(run("predict", study, table("t.csv")), *words)


@pytest.mark.parametrize("place", ["none", "t.csv", "x" * 5000, "x\0"])
def test_places_of_no_model_are_refused(place: str, study: Path) -> None:
    refused(run("predict", place, table("t.csv")), "model.json", place[:80].replace("\0", "\0"))


# ---------------------------------------------------------------- what a model remembers of its table


def test_the_words_seen_are_remembered_also_by_a_stored_model(studies: Path) -> None:
    schema = sharewise.load(studies / "wide").schema
    assert schema.seen("colour") == {"red", "green", "blue"}
    assert schema.seen("x0") is None
    assert schema.seen("nothing") is None
    assert Schema.from_dict(json.loads(json.dumps(schema.as_dict()))) == schema


def test_more_than_a_thousand_words_are_not_remembered() -> None:
    many = frame({"word": [f"w{i % 1001}" for i in range(3003)], **columns(3003)}, rows=3003)
    problem = sharewise.Problem.from_frame(many, targets=["a", "b"])
    assert "word" in problem.schema.features
    assert problem.schema.seen("word") is None
    few = frame({"word": [f"w{i % 1000}" for i in range(3003)], **columns(3003)}, rows=3003)
    seen = sharewise.Problem.from_frame(few, targets=["a", "b"]).schema.seen("word")
    assert seen is not None
    assert len(seen) == 1000


# ---------------------------------------------------------------- verdicts to be shown again


def _changed(key: str, value: Any) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        held = json.loads(path.read_text("utf-8"))
        held.pop(key)
        path.write_text(json.dumps(held if value is ... else {**held, key: value}))

    return change


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


VERDICTS: dict[str, Callable[[Path], object]] = {
    **{f"text {text[:12]!r}": _text(text) for text in ("", "{", "[]", "{}", "null", "3", "NaN", "[" * 100_000)},
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    **{f"{key} {how}": _changed(key, value)
       for key in ("outcome", "sentence", "choice", "per_task", "strategies", "because", "warnings", "protocol")
       for how, value in (("gone", ...), ("null", None), ("another", 5))},
    "strategies of numbers": _changed("strategies", [5]),
    "strategies of another version": _changed("strategies", [{"name": 3, "status": "done"}]),
    "reasons of numbers": _changed("because", [5]),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_damaged_verdicts_are_refused_and_the_page_kept(name: str, study: Path) -> None:
    VERDICTS[name](study / "verdict.json")
    before = (study / "report.html").read_bytes()
    refused(run("report", study), "verdict.json")
    assert (study / "report.html").read_bytes() == before


def test_a_report_is_written_without_the_ledger(study: Path) -> None:
    (study / "trials.sqlite").unlink()
    assert run("report", study).code == 0
    assert not (study / "trials.sqlite").exists()


def test_a_report_that_cannot_be_written_is_refused(study: Path) -> None:
    (study / "report.html").unlink()
    (study / "report.html").mkdir()
    refused(run("report", study), "report.html")


@pytest.mark.parametrize("place", ["none", "plain.csv", "x" * 5000, "x\0"])
def test_places_of_no_study_are_refused(place: str, study: Path) -> None:
    table("plain.csv")
    refused(run("report", place), "verdict.json")
