"""Odd tables through ``sharewise compare``: refused in one sentence, or compared rightly with a warning."""

import gzip
import html
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli_runs import ROWS, columns, compare, done, frame, quicken, refused, run, scores, table

N = ROWS
SOUND = columns()
RNG = np.random.default_rng(1)


def with_value(values: Any, value: Any, place: int = 4) -> list[Any]:
    held = list(values)
    held[place] = value
    return held


def days(*distinct: str) -> list[str]:
    return [distinct[i % len(distinct)] for i in range(N)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quicken(monkeypatch)
    monkeypatch.chdir(tmp_path)


# ---------------------------------------------------------------- bytes that make no table

BYTES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty": (b"", ("t.csv", "empty")),
    "blank": (b" \n\n ", ("t.csv", "empty")),
    "header only": (b"a,b,c\n", ("t.csv", "header")),
    "one column": (b"a\n" + b"1\n2\n" * 30, ("'a' alone", "separator")),
    "one row": (b"a,b,c\n1,2,3\n", ("a target must vary", "'a'")),
    "no names": (b"1.5,2.5,3.5\n" * 30, ("t.csv", "name")),
    "names twice": (b"a,b,a\n" + b"1,2,3\n" * 30, ("'a'", "twice")),
    "latin-1": ("a,b,c\n1,2,é\n".encode("latin-1") * 9, ("UTF-8", "0xe9")),
    "UTF-16": ("a,b,c\n1,2,3\n".encode("utf-16"), ("UTF-8", "UTF-16")),
    "UTF-16 without a mark": ("a,b,c\n1,2,3\n".encode("utf-16-le"), ("t.csv", "zero")),
    "binary": (bytes(RNG.integers(0, 256, 4000, dtype=np.uint8)), ("t.csv",)),
    "zero bytes": (b"a,b,c\n1,\x002,3\n" * 9, ("byte 8 is zero",)),
    "short line": (b"a,b,c\n1,2,3\n1,2\n", ("line 3", "has 2")),
    "long line": (b"a,b,c\n1,2,3\n1,2,3,4\n", ("line 3", "has 4")),
    "open quote": (b"a,b,c\n1,2,3\n" * 9 + b'1,"2,3\n', ("quote",)),
    "huge cell": (b"a,b,c\n1,2," + b"r" * 1_000_000 + b"\n", ("131,072 characters", "line 2")),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_make_no_table_are_refused(name: str) -> None:
    raw, words = BYTES[name]
    Path("t.csv").write_bytes(raw)
    refused(compare("t.csv"), *words)
    assert not Path("out").exists()


def _folder(path: Path) -> None:
    path.mkdir()


FILES: dict[str, tuple[str, Callable[[Path], object] | None, tuple[str, ...]]] = {
    "missing": ("none.csv", None, ("none.csv", "does not exist")),
    "folder": ("folder.csv", _folder, ("folder.csv", "is a folder")),
    "name too long": ("x" * 3000 + ".csv", None, ("too long",)),
    "zero byte in the name": ("x\0.csv", None, ("null byte",)),
    "parquet by name": ("t.parquet", lambda p: p.write_bytes(b"PAR1junk" * 9), ("t.parquet", "Parquet")),
    "parquet of no rows": ("t.parquet", lambda p: frame().head(0).to_parquet(p), ("t.parquet", "has none")),
    "parquet of lists": ("t.parquet", lambda p: frame({"a": [[1]] * N}).to_parquet(p), ("'a'", "one number")),
    "Excel": ("t.xlsx", lambda p: p.write_bytes(b"PK"), ("t.xlsx", "CSV or Parquet")),
    "gzip by name": ("t.csv.gz", lambda p: p.write_bytes(b"plain"), ("t.csv.gz", "not compressed")),
    "cut gzip": (
        "t.csv.gz",
        lambda p: p.write_bytes(gzip.compress(b"a,b\n" * 99)[:-9]),
        ("t.csv.gz", "ended"),
    ),
    "zip by name": ("t.csv.zip", lambda p: p.write_bytes(b"plain"), ("t.csv.zip", "zip")),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_hold_no_table_are_refused(name: str) -> None:
    file, make, words = FILES[name]
    if make is not None:
        make(Path(file))
    refused(compare(file), *words)


def test_a_pipe_is_refused_and_not_waited_for() -> None:
    import os

    os.mkfifo("pipe.csv")
    refused(compare("pipe.csv"), "pipe.csv", "pipe or a device")


def test_an_unreadable_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    table("t.csv")
    monkeypatch.setattr(Path, "read_bytes", deny)
    refused(compare("t.csv"), "t.csv", "Permission denied")


# ---------------------------------------------------------------- cells that make no comparison

CELLS: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "target empty": ({"b": [None] * N}, (), ("'b'", "is empty")),
    "target constant": ({"b": [3] * N}, (), ("'b'", "must vary")),
    "target infinite": ({"a": with_value(SOUND["a"], np.inf)}, (), ("'a'", "infinite")),
    "target too huge": ({"a": with_value(SOUND["a"], 1e300)}, (), ("'a'", "1e+37")),
    "target copied": ({"copy": SOUND["a"]}, (), ("'copy'", "'a'", "leak")),
    "target of words and numbers": ({"a": with_value(SOUND["a"], "oops")}, (), ("'a'", "'oops'")),
    "target of dates": ({"a": days("2024-01-01", "2024-01-02", "2024-01-03")}, ("--kinds", "a=regression"),
                        ("'a'", "2024-01-01")),
    "target of five labels too few": ({"a": [1.0, 2.0, 3.0] + [None] * (N - 3)}, (), ("'a' 3", "5 labelled rows")),
    "target with thousands marks": ({"a": [f"{1000 + 37 * i:,}" for i in range(N)]}, (), ("'a'", "'1,000'", "plainly")),
    "target of percent": ({"a": [f"{i % 7}%" for i in range(N)]}, (), ("'a'", "%'", "plainly")),
    "target with decimal commas": ({"a": [f"{i % 9},5" for i in range(N)]}, (), ("'a'", "'0,5'", "plainly")),
    "every class once": ({"a": [f"c{i}" for i in range(N)]}, (), ("'a'", "60 classes")),
    "every class twice": ({"a": [f"c{i // 2}" for i in range(N)]}, (), ("'a' 60", "classes come up fewer than 3")),
    "number asked of words": ({"a": ["u", "v"] * 30}, ("--kinds", "a=regression"), ("'a'", "'u'", "regression")),
    "binary asked of five": ({"a": [f"c{i % 5}" for i in range(N)]}, ("--kinds", "a=binary"), ("'a'", "has 5")),
    "multiclass asked of numbers": ({}, ("--kinds", "a=multiclass"), ("'a'", "classes")),
    "no feature varies": ({"x0": [1] * N, "x1": [2] * N, "colour": ["r"] * N}, (), ("'x0'", "varies")),
    "time unparsable": ({"t": ["Monday"] * N}, ("--time", "t"), ("'t'", "'Monday'")),
    "time constant": ({"t": ["2020-01-01"] * N}, ("--time", "t"), ("time", "1 different")),
    "time too coarse": ({"t": days("2020-01-01", "2020-01-02", "2020-01-03")}, ("--time", "t"), ("split again", "time")),
    "time empty": ({"t": [None] * N}, ("--time", "t"), ("'t'", "none of 60")),
    "time out of range": ({"t": days("0000-12-01", "0000-12-02", "0000-12-03")}, ("--time", "t"), ("'t'", "'0000-12-01'")),
    "one group": ({"g": ["x"] * N}, ("--group", "g"), ("'g'", "has 1")),
    "two groups": ({"g": ["x", "y"] * 30}, ("--group", "g"), ("split again", "groups")),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_cells_that_make_no_comparison_are_refused(name: str) -> None:
    changed, flags, words = CELLS[name]
    table("t.csv", changed)
    refused(compare("t.csv", *flags), *words)
    assert not Path("out").exists()


LONG: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "one row a task": ([f"s{i}" for i in range(N)], ("'school'", "one row a task")),
    "one task": (["x"] * N, ("'school'", "names 1")),
    "rows in one task only": (["x"] * (N - 1) + ["y"], ("'school'", "got 1")),
}


@pytest.mark.parametrize("name", LONG)
def test_task_columns_that_make_no_tasks_are_refused(name: str) -> None:
    schools, words = LONG[name]
    table("t.csv", {"school": schools})
    refused(compare("t.csv", "--task", "school", targets="a"), *words)


# ---------------------------------------------------------------- cells that are compared, with a warning

WARNED: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "feature infinite": ({"x1": with_value(SOUND["x1"], np.inf)}, (), ("'x1 (1)'",)),
    "feature huge": ({"x0": SOUND["x0"] * 1e200}, (), ("'x0 (60)'", "constant or empty: 'x0'")),
    "feature empty": ({"x0": [None] * N}, (), ("constant or empty: 'x0'",)),
    "feature with a stray word": ({"x1": with_value(SOUND["x1"], "oops")}, (), ("'oops' in 'x1'",)),
    "feature of words and numbers": ({"m": [f"w{i % 3}" if i % 2 else i % 7 for i in range(N)]}, (),
                                     ("mixed types", "'m'")),
    "feature with thousands marks": ({"m": [f"{1000 + i % 9:,}" for i in range(N)]}, (), ("'1,000' in 'm'",)),
    "feature of percent": ({"m": [f"{i % 7}%" for i in range(N)]}, (), ("%' in 'm'",)),
    "feature of odd dates": ({"t": with_value([f"9999-12-{i % 28 + 1:02d}" for i in range(N)], "2020-99-99")}, (),
                             ("'2020-99-99' in 't'",)),
    "feature that names rows": ({"key": [f"k{i * 7919 % 997}" for i in range(N)]}, (), ("identifier: 'key'",)),
    "a class once": ({"a": with_value(["u", "v"] * 30, "w")}, (), ("'a'", "'w'")),
    "classes called None": ({"a": days("None", "Mild", "Severe")}, (), ("'a' (20 of 'None')",)),
    "words called NA": ({"colour": days("NA", "red", "blue")}, (), ("'colour' (20 of 'NA')",)),
    "few whole numbers": ({"a": [i * i % 5 for i in range(N)]}, (), ("'a'", "multiclass")),
    "targets alike": ({"b": SOUND["a"] * 3}, (), ("'a' and 'b'", "same")),
    "feature close to a target": ({"near": SOUND["a"] + 1e-4 * SOUND["x1"]}, (), ("'near'", "--drop near")),
    "no row with both": ({"a": [v if i % 2 else None for i, v in enumerate(SOUND["a"])],
                          "b": [None if i % 2 else v for i, v in enumerate(SOUND["b"])]}, (), ()),
    "groups with gaps": ({"g": days("x", "y", "")}, ("--group", "g"), ("20 rows without a group in 'g'",)),
    "group is the row": ({"g": range(N)}, ("--group", "g"), ()),
    "times far off": ({"t": [f"9999-12-{i % 28 + 1:02d}" for i in range(N)]}, ("--time", "t"), ()),
    "whole numbers beyond 2^53": ({"big": 2**60 + np.arange(N) * 4096 % 700}, (), ()),
    "numbers of thirty digits": ({"big": [str(10**30 + i * i) for i in range(N)]}, (), ("'big'",)),
    "yes and no": ({"a": days("yes", "no", "no")}, (), ()),
    "true and false": ({"a": SOUND["x0"] > 0}, (), ()),
    "four of a class": ({"a": ["x"] * (N - 4) + ["y"] * 4}, (), ()),
    "tiny numbers": ({"x0": SOUND["x0"] * 1e-300, "a": SOUND["a"] * 1e-300}, (), ()),
    "column without a name": ({"": SOUND["x0"] ** 2}, (), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_odd_cells_are_compared_with_a_warning(name: str) -> None:
    changed, flags, words = WARNED[name]
    table("t.csv", changed)
    found = done(compare("t.csv", *flags), *words)
    assert set(found["per_task"]) == {"a", "b"}
    assert Path("out/model/model.json").exists()


def test_a_class_that_is_boolean_is_predicted_as_boolean() -> None:
    table("t.csv", {"a": SOUND["x0"] > 0})
    done(compare("t.csv"))
    predicted = run("predict", "out", "t.csv")
    assert {line.split(",")[0] for line in predicted.out.splitlines()[1:]} == {"True", "False"}


def test_ten_thousand_columns_are_compared_in_time() -> None:
    wide = {f"w{i}": values for i, values in enumerate(RNG.normal(size=(10_000, 30)).round(2))}
    table("t.csv", wide, rows=30)
    started = time.monotonic()
    done(compare("t.csv"))
    assert time.monotonic() - started < 60


def test_a_long_table_with_rows_of_no_task() -> None:
    table("t.csv", {"school": days("x", "y", "")})
    done(compare("t.csv", "--task", "school", targets="a"), "20 rows without a task in 'school'")


# ---------------------------------------------------------------- the same table, written in other ways


def _semicolons(path: str) -> None:
    frame().to_csv(path, sep=";", decimal=",", index=False)


WRITTEN: dict[str, tuple[str, Callable[[str], object]]] = {
    "Windows line ends": ("t.csv", lambda p: table(p, lineterminator="\r\n")),
    "old Mac line ends": ("t.csv", lambda p: table(p, lineterminator="\r")),
    "byte-order mark": ("t.csv", lambda p: table(p, encoding="utf-8-sig")),
    "semicolons and decimal commas": ("t.csv", _semicolons),
    "tabs": ("t.tsv", lambda p: table(p, sep="\t")),
    "all cells quoted": ("t.csv", lambda p: table(p, quoting=1)),
    "gzip": ("t.csv.gz", lambda p: table(p)),
    "zip": ("t.csv.zip", lambda p: table(p)),
    "parquet": ("t.parquet", lambda p: frame().to_parquet(p)),
    "names with blanks": ("t.csv", lambda p: frame().rename(columns={"a": " a ", "x0": "x0 "}).to_csv(p, index=False)),
    "names with blanks, parquet": ("t.parquet", lambda p: frame().rename(columns={"a": " a "}).to_parquet(p)),
    "a blank line": ("t.csv", lambda p: Path(p).write_text(table("u.csv").read_text() + "\n\n")),
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, Any, Any]]:
    folder = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        return scores(done(compare(table(folder / "t.csv"), out=folder / "out"), out=folder / "out"))


@pytest.mark.parametrize("name", WRITTEN)
def test_the_same_table_gives_the_same_scores(name: str, plain: list[tuple[str, str, Any, Any]]) -> None:
    file, write = WRITTEN[name]
    write(file)
    assert scores(done(compare(file))) == plain


# ---------------------------------------------------------------- names

NAMES = (
    "<script>alert(1)</script>", "名前 🎉", "x" * 3000, "a\"b'c", "[red]m[/red]", "[/]", "{{7*7}}", "new\nline",
    "= 1+1", "$x$", "a|b", "prediction", "task", "b (predicted 0)", "separate", "null", "nan", "1", "index", "constant",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_target_and_a_feature(name: str, plain: list[tuple[str, str, Any, Any]]) -> None:
    frame().rename(columns={"a": name, "x0": name + "!"}).to_csv("t.csv", index=False)
    found = done(compare("t.csv", targets=f"{name},b"))
    assert set(found["per_task"]) == {name, "b"}
    assert scores(found) == plain
    page = Path("out/report.html").read_text("utf-8")
    assert "<script>alert" not in page
    predicted = run("predict", "out", "t.csv")
    assert predicted.code == 0
    Path("p.csv").write_text(predicted.out, encoding="utf-8")
    assert list(pd.read_csv("p.csv").columns) == [name, "b"]


def test_any_name_of_a_class() -> None:
    classes = ["<b>x</b>", "🎉", "y" * 3000]
    table("t.csv", {"a": [classes[i % 3] for i in range(N)]})
    done(compare("t.csv"))
    page = Path("out/report.html").read_text("utf-8")
    assert "<b>x</b>" not in page
    predicted = run("predict", "out", "t.csv", "--proba")
    assert predicted.out.splitlines()[0].split(",") == [f"a={label}" for label in sorted(classes)]


def test_html_in_a_name_is_shown_as_text() -> None:
    name = "<img src=x onerror=alert(1)>"
    frame().rename(columns={"a": name}).to_csv("t.csv", index=False)
    done(compare("t.csv", targets=f"{name},b"))
    page = Path("out/report.html").read_text("utf-8")
    assert name not in page
    assert html.escape(name) in page


def test_probabilities_of_one_name_are_refused() -> None:
    table("t.csv", {"a": days("b=u", "v", "w"), "a=b": days("u", "v"), "b": None})
    done(compare("t.csv", targets="a,a=b"))
    refused(run("predict", "out", "t.csv", "--proba"), "'a=b=u'", "rename")
