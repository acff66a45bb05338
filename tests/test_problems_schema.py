"""Schema: another table is read the way the first one was."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sharewise.errors import DataError
from sharewise.problems import Problem, Schema, Table

N = 60
RNG = np.random.default_rng(0)


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "size": RNG.normal(size=N),
            "flag": np.arange(N) % 3 == 0,
            "colour": np.array(["red", "green", "blue"])[np.arange(N) % 3],
            "day": pd.date_range("2024-01-01", periods=N),
            "words": [f"the {i} quick brown fox" for i in range(N)],
            "spelled": [str(i * 0.5) for i in range(N)],
            "same": 1,
            "school": np.arange(N) // 2 % 3 + 10,
            "y": RNG.normal(size=N),
            "z": RNG.normal(size=N),
        }
    )


WIDE = Problem.from_frame(frame(), targets=["y", "z"], group="school")
LONG = Problem.from_frame(frame(), targets="y", task="school", drop="z")


def same(one: Table, other: Table) -> bool:
    return all(
        (a.name, a.kind) == (b.name, b.kind)
        and np.array_equal(a.values, b.values, equal_nan=a.kind in ("number", "date"))
        for a, b in zip(one, other, strict=True)
    )


def refused(schema: Schema, data: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        schema.read(data)


@pytest.mark.parametrize("problem", [WIDE, LONG], ids=["wide", "long"])
def test_the_first_table_reads_as_the_problem(problem: Problem) -> None:
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state
    again = frame()
    problem = Problem.from_frame(
        again,
        **({"targets": ["y", "z"]} if problem.is_wide else {"targets": "y", "task": "school", "drop": "z"}),
    )  # type: ignore[arg-type]
    for data in (again, pl.from_pandas(again)):
        table, level, notes = problem.schema.read(data)
        assert same(table, problem.table)
        assert (level is None) == problem.is_wide
        assert problem.level is None or np.array_equal(level, problem.level)
        assert notes == ()


def test_a_schema_survives_json() -> None:
    for schema in (WIDE.schema, LONG.schema, Schema()):
        assert Schema.from_dict(json.loads(json.dumps(schema.as_dict()))) == schema
    assert WIDE.schema.kinds == ("number", "number", "category", "date", "text", "number")
    assert WIDE.schema.bools == ("flag",)
    assert WIDE.schema.others == ("same", "school")
    assert LONG.schema.levels == ("10", "11", "12")


def test_only_features_are_needed_and_order_does_not_matter() -> None:
    data = frame()[["words", "spelled", "day", "colour", "flag", "size"]].iloc[::-1]
    table, level, notes = WIDE.schema.read(data)
    assert [column.name for column in table] == list(WIDE.schema.features)
    assert level is None
    assert notes == ()
    assert np.array_equal(table.columns[0].values, data["size"])
    assert len(WIDE.schema.read(data.head(1))[0]) == 1


def test_missing_columns_are_all_named() -> None:
    data = frame().drop(columns=["size", "colour"]).rename(columns={"words": "word"})
    refused(WIDE.schema, data, r"lacks 'size', 'colour', 'words'\.")
    refused(WIDE.schema, frame().rename(columns={"colour": "color"}), "lacks 'colour'. Did you mean 'color'")
    refused(LONG.schema, frame().drop(columns="school"), "lacks 'school'")
    refused(WIDE.schema, frame().head(0), "must hold rows")


def test_unknown_columns_are_told_and_known_ones_not() -> None:
    assert WIDE.schema.read(frame().assign(new=1))[2] == ("1 column not known to the model ignored: 'new'.",)


def test_words_among_numbers_are_gaps() -> None:
    data = frame().astype({"size": object})
    data.loc[3, "size"] = "tall"
    table, _, notes = WIDE.schema.read(data)
    assert np.isnan(table.columns[0].values[3])
    assert "Column 'size': 1 cell" in notes[0]
    assert "'tall'" in notes[0]
    refused(
        WIDE.schema, frame().assign(size="tall"), "'size' held numbers .* holds words now, such as 'tall'"
    )
    refused(WIDE.schema, frame().assign(day="tall"), "'day' held dates .* holds words now")
    refused(WIDE.schema, frame().assign(day=3.0), "'day' held dates .* holds numbers now")
    refused(WIDE.schema, frame().assign(size=pd.Timestamp("2020")), "'size' held numbers .* holds dates now")
    for unknown in ("n/a", None, np.nan, "?"):
        assert np.isnan(WIDE.schema.read(frame().assign(size=unknown))[0].columns[0].values).all()


def test_infinite_cells_are_gaps() -> None:
    table, _, notes = WIDE.schema.read(frame().assign(size=np.inf))
    assert np.isnan(table.columns[0].values).all()
    assert "60 cells" in notes[0]


def test_truth_may_be_spelled() -> None:
    for values in (["True", "false"] * 30, [1, 0] * 30, [True, False] * 30, ["1", "0"] * 30):
        table, _, notes = WIDE.schema.read(frame().assign(flag=values))
        assert list(table.columns[1].values[:2]) == [1.0, 0.0]
        assert notes == ()


def test_categories_read_alike_from_any_type() -> None:
    data = frame().assign(colour=pd.Categorical(np.arange(N) % 3))
    schema = Problem.from_frame(data, targets=["y", "z"]).schema
    wanted = [str(i % 3) for i in range(N)]
    for values in (np.arange(N) % 3, np.arange(N) % 3 * 1.0, wanted, pd.Categorical(wanted)):
        assert list(schema.read(frame().assign(colour=values))[0].columns[2].values) == wanted


def test_levels_are_known_or_refused() -> None:
    for values in (11, 11.0, "11"):
        level = LONG.schema.read(frame().assign(school=values))[1]
        assert level is not None
        assert set(level) == {1}
    refused(LONG.schema, frame().assign(school=113), "'school' holds '113'. Did you mean '11'?")
    refused(LONG.schema, frame().assign(school="zz"), "Known are '10', '11', '12'.*sharewise adapt")
    gaps = frame().astype({"school": object})
    gaps.loc[5, "school"] = None
    refused(LONG.schema, gaps, "'school' is empty on 1 row")
    assert LONG.schema.read(frame().assign(school=113), with_levels=False)[1] is None
    assert len(LONG.schema.read(frame().drop(columns="school"), with_levels=False)[0]) == N


def test_arrays_come_with_or_without_targets() -> None:
    array = RNG.normal(size=(40, 5))
    schema = Problem.from_frame(array, targets=[1, 3], drop=[4]).schema
    for data in (array, np.delete(array, [1, 3], axis=1)):
        table, _, notes = schema.read(data)
        assert np.array_equal(table.columns[1].values, array[:, 2])
        assert notes == ()
    refused(schema, array[:, :2], "must have 3 columns, or 5 with the targets; got 2")
    refused(WIDE.schema, array, "knows its columns by name")
    named = pd.DataFrame(array, columns=[f"x{i}" for i in range(5)])
    assert np.array_equal(schema.read(named)[0].columns[1].values, array[:, 2])
