"""Feature typing: numbers, dates, categories, text, and what is left out."""

import datetime
import decimal
import time
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharewise.problems import Column, Problem

RNG = np.random.default_rng(0)
N = 100


def problem_of(**columns: object) -> Problem:
    frame = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N), "keep": RNG.normal(size=N)})
    for name, values in columns.items():
        frame[name] = values
    return Problem.from_frame(frame, targets=["a", "b"])


def column_of(values: object) -> Column:
    problem = problem_of(it=values)
    return {column.name: column for column in problem.table}["it"]


def note_of(values: object) -> str:
    problem = problem_of(it=values)
    (note,) = problem.notes
    return note


DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i * 37 % 50) for i in range(N)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=N), "number"),
        (RNG.integers(0, 3, N), "number"),
        (np.arange(N) % 2 == 0, "number"),
        ([True, False, None, True] * 25, "number"),
        ([decimal.Decimal(i % 7) for i in range(N)], "number"),
        ([str(i * 0.25) for i in range(N)], "number"),
        ([f"{i}e3" for i in range(N)], "number"),
        (pd.to_timedelta(np.arange(N) % 9, unit="D"), "number"),
        (2**70 + np.arange(N).astype(object) * 2**60, "number"),
        ([10**400 if i == 3 else i % 5 for i in range(N)], "number"),
        (DAYS, "date"),
        ([str(day) for day in DAYS], "date"),
        ([str(day).replace("-", "/") for day in DAYS], "date"),
        ([f"{day}T10:30:00Z" for day in DAYS], "date"),
        ([f"{day} 10:30:00.5 +02:00" for day in DAYS], "date"),
        (pd.date_range("2020", periods=N), "date"),
        (pd.date_range("2020", periods=N, tz="Asia/Tokyo"), "date"),
        (["red", "green", None, "blue"] * 25, "category"),
        (pd.Categorical(np.arange(N) % 5), "category"),
        (pd.Categorical([f"id{i}" for i in range(N)]), "category"),
        ([1, "a", 2.5, None] * 25, "category"),
        ([datetime.time(i % 5) for i in range(N)], "category"),
        ([uuid.UUID(int=i % 5) for i in range(N)], "category"),
        ([f"the {i} quick brown fox no {i * 3}" for i in range(N)], "text"),
    ],
)
def test_kinds(values: object, kind: str) -> None:
    column = column_of(values)
    assert column.kind == kind
    assert len(column.values) == N
    if kind in ("number", "date"):
        assert column.values.dtype == np.float64
    else:
        assert all(value is None or type(value) is str for value in column.values)


def test_dates_are_days_since_1970() -> None:
    first = (DAYS[0] - datetime.date(1970, 1, 1)).days
    for values, extra in (
        (DAYS, 0.0),
        ([str(day) for day in DAYS], 0.0),
        (pd.to_datetime(DAYS), 0.0),
        ([f"{day}T12:00" for day in DAYS], 0.5),
        ([f"{day}T12:00+06:00" for day in DAYS], 0.25),
        (pd.to_datetime([f"{day}T12:00+06:00" for day in DAYS]), 0.25),
    ):
        assert column_of(values).values[0] == first + extra
    assert np.isnan(column_of([*DAYS[:-1], None]).values[-1])


def test_mostly_numbers_are_numbers_with_a_note() -> None:
    values = [str(i) for i in range(N)]
    values[3] = "n/a"
    column = column_of(values)
    assert column.kind == "number"
    assert np.isnan(column.values[3])
    assert "such as 'n/a' in 'it'" in note_of(values)
    values[:10] = ["n/a"] * 10
    assert problem_of(it=values).notes[0].startswith("1 column left out because nearly every cell differs")


def test_codes_with_underscores_are_no_numbers() -> None:
    assert column_of([f"{i % 9}_{i % 3}" for i in range(N)]).kind == "category"


def test_blank_text_is_a_gap() -> None:
    column = column_of(["x", "", "  ", "y"] * 25)
    assert list(column.values[:4]) == ["x", None, None, "y"]


def test_infinite_cells_are_gaps_with_a_note() -> None:
    values = RNG.normal(size=N)
    values[:3] = [np.inf, -np.inf, np.nan]
    assert np.isnan(column_of(values).values[:3]).all()
    assert note_of(values) == "Infinite cells (or beyond 1e+37) read as missing, by column: 'it (2)'."


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1.0] * N, "1 column left out because it is constant or empty: 'it'"),
        (["x"] * N, "constant"),
        ([None] * N, "constant or empty"),
        ([np.nan] * N, "constant or empty"),
        ([True] * N, "constant"),
        ([np.inf, 1.0] * 50, "constant"),
        ([f"id-{i}" for i in range(N)], "nearly every cell differs, as in an identifier: 'it'"),
        ([1, "a", 2.5, None] * 25, "1 column of mixed types read as words: 'it'"),
        (range(5, N + 5), "'it' only counts the rows"),
    ],
)
def test_notes(values: object, match: str) -> None:
    assert any(match in note for note in problem_of(it=values).notes)


def test_what_only_left_out_rows_hold_does_not_count() -> None:
    frame = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N), "keep": RNG.normal(size=N)})
    frame["it"] = ["x"] * 90 + ["y"] * 10
    frame.loc[90:, ["a", "b"]] = np.nan
    assert Problem.from_frame(frame, targets=["a", "b"]).schema.features == ("keep",)


@pytest.mark.parametrize(("fill", "width"), [("number", 10_000), ("word", 2_000), ("constant", 10_000)])
def test_many_columns_are_read_in_seconds_with_few_notes(fill: str, width: int) -> None:
    rows = 200
    if fill == "number":
        data = {f"c{i}": column for i, column in enumerate(RNG.normal(size=(width, rows)))}
    elif fill == "word":
        words = np.array([f"w{i}" for i in range(9)])
        data = {f"c{i}": words[codes] for i, codes in enumerate(RNG.integers(0, 9, (width, rows)))}
    else:
        data = {f"c{i}": np.full(rows, 1.0) for i in range(width)}
    data |= {"a": RNG.normal(size=rows), "b": RNG.normal(size=rows), "keep": RNG.normal(size=rows)}
    frame = pl.DataFrame(data)
    started = time.process_time()
    problem = Problem.from_frame(frame, targets=["a", "b"])
    assert time.process_time() - started < 10
    assert len(problem.table.columns) == (1 if fill == "constant" else width + 1)
    assert len(problem.notes) == (fill == "constant")
    assert all(len(note) < 300 for note in problem.notes)


cells = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.datetimes(),
    st.decimals(allow_nan=True), st.timedeltas(),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(cells, min_size=20, max_size=40))
def test_any_cells_are_read(values: list[object]) -> None:
    n = len(values)
    frame = {"a": np.sin(np.arange(n)), "b": np.cos(np.arange(n)), "keep": np.arange(n) % 7}
    held = np.empty(n, dtype=object)
    held[:] = values
    problem = Problem.from_frame(frame | {"it": pd.Series(held, dtype=object)}, targets=["a", "b"])
    again, _, _ = problem.schema.read(pd.DataFrame(frame | {"it": pd.Series(held, dtype=object)}))
    for column, other in zip(problem.table, again, strict=True):
        numeric = column.kind in ("number", "date")
        assert column.values.dtype == (np.float64 if numeric else object)
        assert not numeric or not np.isinf(column.values).any()
        assert np.array_equal(column.values, other.values, equal_nan=numeric)
