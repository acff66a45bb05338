"""Problem.from_frame: forms of tables, parts of columns, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sharewise.errors import DataError, OptionError
from sharewise.problems import Problem, fingerprint


def pupils(n: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    hours = rng.normal(size=n)
    return pd.DataFrame(
        {
            "hours": hours,
            "kind": rng.choice(["a", "b", "c"], n),
            "lang": hours + rng.normal(size=n),
            "passed": hours + rng.normal(size=n) > 0,
            "school": np.arange(n) % 4,
            "year": np.arange(n) // 6,
        }
    )


def refused(match: str, data: object, **given: object) -> None:
    with pytest.raises(DataError, match=match) as caught:
        Problem.from_frame(data, **given)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text


def test_a_wide_table() -> None:
    frame = pupils()
    problem = Problem.from_frame(frame, targets=["lang", "passed"], group="school", time="year")
    assert problem.is_wide
    assert [task.name for task in problem.tasks] == ["lang", "passed"]
    assert [target.kind.name for target in problem.targets] == ["regression", "binary"]
    assert [column.name for column in problem.table] == ["hours", "kind"]
    assert np.array_equal(problem.labels[:, 0], frame["lang"])
    assert np.array_equal(problem.labels[:, 1], frame["passed"].astype(float))
    assert problem.group is not None
    assert problem.time is not None
    assert np.array_equal(problem.group, frame["school"])
    assert np.array_equal(problem.time, frame["year"])
    assert problem.rows is not None
    assert np.array_equal(problem.rows, np.arange(60))
    assert problem.notes == ()


def test_gaps_are_rows_not_labelled() -> None:
    frame = pupils()
    frame.loc[:9, "lang"] = np.nan
    frame["passed"] = frame["passed"].astype(object)
    frame.loc[5:19, "passed"] = None
    problem = Problem.from_frame(frame, targets=["lang", "passed"])
    assert len(problem) == 55
    assert any("5 rows without any label left out" in note for note in problem.notes)
    assert problem.rows is not None
    assert list(problem.rows[:6]) == [0, 1, 2, 3, 4, 10]
    assert len(problem.rows_of(problem.tasks[0])) == 50
    assert len(problem.rows_of(problem.tasks[1])) == 45


@pytest.mark.parametrize("targets", ["lang", ["lang"]])
def test_a_long_table(targets: object) -> None:
    frame = pupils()
    problem = Problem.from_frame(frame, targets=targets, task="school", drop=["passed"])  # type: ignore[arg-type]
    assert [task.name for task in problem.tasks] == [f"school {i}" for i in range(4)]
    assert problem.levels == ("0", "1", "2", "3")
    assert problem.level is not None
    assert np.array_equal(problem.level, frame["school"])
    assert np.array_equal(problem.rows_of(problem.tasks[2]), np.flatnonzero(frame["school"] == 2))


def test_both_at_once() -> None:
    problem = Problem.from_frame(pupils(), targets="lang,passed", task="school")
    assert len(problem.tasks) == 8
    assert problem.tasks[0].name == "lang · school 0"
    assert problem.tasks[7].name == "passed · school 3"


def test_whole_floats_name_levels_without_a_point() -> None:
    frame = pupils()
    frame["school"] = frame["school"].astype(float)
    frame.loc[3, "school"] = np.nan
    problem = Problem.from_frame(frame, targets="lang", task="school")
    assert problem.levels == ("0", "1", "2", "3")
    assert any("1 row without a task in 'school'" in note for note in problem.notes)


def test_identifiers_beyond_float64_stay_apart() -> None:
    frame = pupils()
    frame["user"] = 2**60 + frame["school"].astype("int64")
    problem = Problem.from_frame(frame, targets="lang", task="user", group="school")
    assert problem.levels == tuple(str(2**60 + i) for i in range(4))
    gaps = frame["user"].astype("Int64")
    gaps[0] = pd.NA
    again = Problem.from_frame(pl.from_pandas(frame.assign(user=gaps)), targets="lang", task="user")
    assert again.levels == problem.levels
    assert len(again) == 59


@pytest.mark.parametrize(
    "convert",
    [
        pl.from_pandas,
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
        lambda frame: frame.convert_dtypes(),
        lambda frame: frame.set_index(np.arange(len(frame)) * 7 % 60),
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False).to_pandas(types_mapper=pd.ArrowDtype),
        lambda frame: {name: frame[name].tolist() for name in frame},
    ],
    ids=["polars", "pyarrow", "nullable", "shuffled index", "arrow-backed", "dictionary"],
)
def test_every_frame_gives_the_same_problem(convert: object) -> None:
    frame = pupils()
    frame["when"] = pd.date_range("2020-01-01", periods=60, freq="7h", tz="Europe/Paris")
    frame["flag"] = np.arange(60) % 3 == 0
    frame["grade"] = pd.Categorical(np.array(["low", "high"])[np.arange(60) // 7 % 2])
    frame.loc[3, ["hours", "lang"]] = np.nan
    frame.loc[4, ["kind", "when", "grade"]] = None
    given = {"targets": ["lang", "passed"], "group": "school", "time": "year"}
    one = Problem.from_frame(frame, **given)  # type: ignore[arg-type]
    other = Problem.from_frame(convert(frame), **given)  # type: ignore[operator,arg-type]
    assert fingerprint(one) == fingerprint(other)
    assert (one.schema, one.notes, one.targets) == (other.schema, other.notes, other.targets)


@pytest.mark.parametrize("targets", [[2, 3], ["2", "3"], ["x2", "x3"], [-2, -1]])
def test_numpy_columns_go_by_position(targets: list[int]) -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(size=(30, 4))
    problem = Problem.from_frame(array, targets=targets)
    assert [column.name for column in problem.table] == ["x0", "x1"]
    assert [task.name for task in problem.tasks] == ["x2", "x3"]
    frame = pd.DataFrame(array, columns=["x0", "x1", "x2", "x3"])
    assert fingerprint(problem) == fingerprint(Problem.from_frame(frame, targets=["x2", "x3"]))


def test_numpy_kinds_and_metrics_go_by_position_too() -> None:
    array = np.random.default_rng(0).integers(0, 4, size=(60, 4)).astype(float)
    problem = Problem.from_frame(array, targets=[0, 1], kinds={0: "multiclass"}, metric={"x1": "mae"})  # type: ignore[dict-item]
    assert [target.kind.name for target in problem.targets] == ["multiclass", "regression"]
    assert [target.metric.name for target in problem.targets] == ["log_loss", "mae"]


def test_masked_and_structured_arrays() -> None:
    array = np.ma.masked_array(np.random.default_rng(0).normal(size=(30, 3)), mask=False)
    array[0, 0] = np.ma.masked
    problem = Problem.from_frame(array, targets=[1, 2])
    assert np.isnan(problem.table.columns[0].values[0])
    structured = np.zeros(30, dtype=[("a", "f8"), ("b", "f8"), ("c", "i4")])
    for i, name in enumerate("abc"):
        structured[name] = (np.arange(30) * (i + 2)) % 11
    assert [c.name for c in Problem.from_frame(structured, targets=["a", "b"]).table] == ["c"]


@pytest.mark.parametrize(
    "data",
    [None, "a.csv", 3, [1, 2], pd.Series([1, 2]), pl.LazyFrame({"a": [1]}), np.zeros(3), np.zeros((2, 2, 2))],
)
def test_what_is_no_table_is_refused(data: object) -> None:
    refused("a (NumPy )?table must", data, targets=["a", "b"])


def test_a_lazy_frame_hears_of_collect() -> None:
    refused("collect", pl.LazyFrame({"a": [1]}), targets=["a"])


def test_doubled_names_are_refused() -> None:
    refused("'a' came twice", pd.DataFrame(np.zeros((30, 3)), columns=["a", "a", "b"]), targets=["a", "b"])
    refused("'1' came twice", pd.DataFrame(np.zeros((30, 3)), columns=[1, "1", "b"]), targets=["b"])
    refused("'a' came twice", pa.table([[1], [2]], names=["a", "a"]), targets=["a"])


def test_columns_named_by_numbers_work() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)))
    assert [task.name for task in Problem.from_frame(frame, targets=[0, 1]).tasks] == ["0", "1"]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"targets": []}, "targets must hold a column"),
        ({"targets": ["lang", "pased"]}, "no 'pased'. Did you mean 'passed'?"),
        ({"targets": ["lang", "zzz"]}, "no 'zzz'. The columns are 'hours'"),
        ({"targets": ["lang", "lang"]}, "'lang' came twice"),
        ({"targets": ["lang", "passed"], "group": "lang"}, "named under targets and under group"),
        ({"targets": ["lang", "passed"], "time": "passed"}, "named under targets and under time"),
        ({"targets": ["lang"], "task": "lang"}, "named under targets and under task"),
        ({"targets": ["lang"], "task": "school", "group": "school"}, "named under task and under group"),
        ({"targets": ["lang", "passed"], "drop": "lang"}, "named under targets and under drop"),
        ({"targets": ["lang", "passed"], "drop": ["scool"]}, "Did you mean 'school'"),
        ({"targets": ["lang", "passed"], "group": "x"}, "group \\(--group\\) must name"),
        (
            {"targets": ["lang", "passed"], "drop": ["hours", "kind", "school", "year", "one", "row"]},
            "must hold features",
        ),
        ({"targets": ["lang", "passed"], "time": "kind"}, "time column must hold numbers or ISO dates"),
        ({"targets": ["lang"], "task": "one"}, "must name at least two tasks; 'one' names 1"),
        ({"targets": ["lang", "passed"], "group": "one"}, "must be two; 'one' has 1"),
        ({"targets": ["lang"], "task": "row"}, "median of 1 row a task, so it looks like one row a task"),
    ],
)
def test_parts_that_do_not_fit_are_refused(given: dict[str, object], match: str) -> None:
    refused(match, pupils().assign(one="same", row=np.arange(60) * 3), **given)


def test_too_small_tables_are_refused() -> None:
    refused("must hold rows", pupils().head(0), targets=["lang", "passed"])
    refused("alone", pupils()[["lang"]], targets=["lang"])
    refused("at least 20 labelled rows; got 19", pupils(19), targets=["lang", "passed"])
    refused("none is left", pupils().assign(hours=1.0, kind=None)[["hours", "kind", "lang", "passed"]],
            targets=["lang", "passed"])  # fmt: skip


def test_options_that_do_not_fit_are_refused() -> None:
    frame = pupils()
    for given, match in (
        ({"kinds": {"lang": "regresion"}}, "Did you mean 'regression'"),
        ({"kinds": {"lung": "binary"}}, "'lung' is none. Did you mean 'lang'"),
        ({"kinds": "binary"}, "kinds must name targets"),
        ({"metric": {"lang": "accuracy"}}, "metric of 'lang': a regression task is scored by"),
        ({"metric": {"lang": "rsme"}}, "Did you mean 'rmse'"),
        ({"metric": "rmse"}, "metric of 'passed'"),
    ):
        with pytest.raises(OptionError, match=match):
            Problem.from_frame(frame, targets=["lang", "passed"], **given)  # type: ignore[arg-type]


def test_one_metric_name_is_meant_for_all() -> None:
    frame = pupils().assign(extra=np.random.default_rng(1).normal(size=60))
    problem = Problem.from_frame(frame, targets=["lang", "extra"], metric="mae")
    assert [target.metric.name for target in problem.targets] == ["mae", "mae"]


def test_tiny_tasks_are_left_out() -> None:
    frame = pupils()
    frame.loc[:3, "school"] = 99
    problem = Problem.from_frame(frame, targets="lang", task="school")
    assert problem.levels == ("0", "1", "2", "3")
    assert len(problem) == 56
    assert any("1 task with fewer than 5 labelled rows left out: '99'" in note for note in problem.notes)
    assert problem.level is not None
    assert np.array_equal(problem.level, frame["school"][4:])


def test_a_tiny_target_is_left_out_of_a_wide_problem() -> None:
    frame = pupils()
    frame["rare"] = np.where(np.arange(60) < 4, np.arange(60) * 1.5, np.nan)
    problem = Problem.from_frame(frame, targets=["rare", "lang", "passed"])
    assert [target.name for target in problem.targets] == ["lang", "passed"]
    assert [task.target for task in problem.tasks] == [0, 1]
    assert problem.labels.shape == (60, 2)
    refused("at least two tasks need 5 labelled rows", frame, targets=["rare", "lang"])


def test_groups_and_times_with_gaps() -> None:
    frame = pupils()
    frame["school"] = frame["school"].astype(float)
    frame.loc[[0, 1], "school"] = np.nan
    frame["day"] = pd.date_range("2024-01-01", periods=60).astype(str)
    frame.loc[[2], "day"] = None
    problem = Problem.from_frame(frame, targets=["lang", "passed"], group="school", time="day")
    assert problem.group is not None
    assert problem.time is not None
    assert len(problem) == 59
    assert len(set(problem.group)) == 6
    assert list(np.diff(problem.time[2:])) == [1.0] * 56
    assert any("2 rows without a group" in note for note in problem.notes)
    assert any("1 row without a time" in note for note in problem.notes)


def test_tasks_in_a_single_group_are_told() -> None:
    frame = pupils().assign(region=np.arange(60) % 4 // 2)
    problem = Problem.from_frame(frame, targets="lang", task="school", group="region")
    assert any("4 tasks of 4 in one single group" in note for note in problem.notes)


def test_cells_that_hold_containers_are_refused() -> None:
    for cell in ([1], {"a": 1}, (1,), b"x", {1}, np.zeros(2)):
        refused("'odd' holds a", pupils().assign(odd=[cell] * 60), targets=["lang", "passed"])
    nested = pl.from_pandas(pupils()).with_columns(odd=pl.Series([[1, 2]] * 60))
    refused("'odd' holds", nested, targets=["lang", "passed"])
    assert Problem.from_frame(nested, targets=["lang", "passed"], drop="odd").schema.features


def test_a_leak_is_refused_and_a_suspect_told() -> None:
    frame = pupils()
    refused("'copy' equals 'lang'.*--drop copy", frame.assign(copy=frame["lang"]), targets=["lang", "passed"])
    refused("'copy' equals 'passed'", frame.assign(copy=frame["passed"]), targets=["lang", "passed"])
    names = frame["kind"].astype(object)
    refused("'copy' equals 'kind'", frame.assign(copy=names), targets=["lang", "kind"])
    gaps = frame.assign(copy=frame["lang"].where(frame.index > 4), lang=frame["lang"].where(frame.index > 9))
    refused("'copy' equals 'lang'", gaps, targets=["lang", "passed"])
    near = frame.assign(near=frame["lang"] * 3 + 1)
    problem = Problem.from_frame(near, targets=["lang", "passed"])
    assert any("'near' nearly determines target 'lang'" in note for note in problem.notes)
    told = frame.assign(word=frame["passed"].map({True: "yes", False: "no"}))
    assert any("'word' nearly" in note for note in Problem.from_frame(told, targets=["lang", "passed"]).notes)
    cut = frame.assign(cut=np.where(frame["passed"], 1.0, -1.0) * (1 + frame["hours"].abs()))
    assert any("'cut' nearly" in note for note in Problem.from_frame(cut, targets=["lang", "passed"]).notes)
    assert not Problem.from_frame(frame, targets=["lang", "passed"]).notes


def test_ten_thousand_columns_of_noise_raise_no_leak() -> None:
    rng = np.random.default_rng(0)
    array = np.column_stack([rng.normal(size=20), np.arange(20) % 2, rng.integers(0, 2, size=(20, 10_000))])
    problem = Problem.from_frame(array, targets=[0, 1])
    assert not [note for note in problem.notes if "nearly determines" in note]
    assert len(problem.notes) <= 1
