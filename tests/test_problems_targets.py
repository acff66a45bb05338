"""Labels: kinds inferred and asked for, classes, and what makes no target."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from sharewise.errors import DataError
from sharewise.problems import Problem
from sharewise.tasks import Classification

RNG = np.random.default_rng(0)
N = 60


def read(values: object, kind: str | None = None, **more: object) -> Problem:
    frame = pd.DataFrame({"f": RNG.normal(size=N), "other": RNG.normal(size=N)})
    frame["y"] = values
    return Problem.from_frame(frame, targets=["y", "other"], kinds={"y": kind} if kind else None, **more)  # type: ignore[arg-type]


def classes(problem: Problem) -> tuple[object, ...]:
    kind = problem.targets[0].kind
    return kind.classes if isinstance(kind, Classification) else ()


def cycle(*values: object) -> list[object]:
    return [values[i * 7 % 11 % len(values)] for i in range(N)]


@pytest.mark.parametrize(
    ("values", "name", "found"),
    [
        (cycle(True, False), "binary", (False, True)),
        (cycle(True, False, None), "binary", (False, True)),
        (cycle(0, 1), "binary", (0, 1)),
        (cycle(1.0, 2.0, None), "binary", (1, 2)),
        (cycle(1.5, 2.5), "binary", (1.5, 2.5)),
        (cycle("yes", "no"), "binary", ("no", "yes")),
        (cycle("b", "a", "c", None), "multiclass", ("a", "b", "c")),
        (cycle("0", "1"), "binary", (0, 1)),
        (pd.Categorical(cycle(3, 1, 2)), "multiclass", (1, 2, 3)),
        (pd.Categorical(cycle("z", "y")), "binary", ("y", "z")),
        (cycle(1, 2, 3), "regression", ()),
        (cycle("1", "2.5", "3"), "regression", ()),
        (RNG.normal(size=N), "regression", ()),
    ],
)
def test_kinds_are_inferred(values: object, name: str, found: tuple[object, ...]) -> None:
    problem = read(values)
    assert problem.targets[0].kind.name == name
    assert classes(problem) == found
    assert [type(c) for c in classes(problem)] == [type(c) for c in found]


def test_labels_are_codes_of_sorted_classes() -> None:
    words = cycle("b", "a", "c", None)
    codes = read(words).labels[:, 0]
    for word, code in zip(words, codes, strict=True):
        assert math.isnan(code) if word is None else "abc"[int(code)] == word


def test_words_that_spell_numbers_are_numbers() -> None:
    problem = read([f" {i * 0.5}" for i in range(N)])
    assert list(problem.labels[:, 0]) == [i * 0.5 for i in range(N)]


def test_few_whole_numbers_raise_a_doubt() -> None:
    problem = read(cycle(1, 2, 3))
    assert any("kinds={'y': 'multiclass'} or --kinds y=multiclass" in note for note in problem.notes)
    assert not read(cycle(1, 2, 3), "regression").notes
    assert not read(cycle(1.5, 2, 3)).notes


def test_kinds_asked_for() -> None:
    assert classes(read(cycle(1, 2, 3), "multiclass")) == (1, 2, 3)
    assert classes(read(cycle("1", "2", "x"), "multiclass")) == ("1", "2", "x")
    assert classes(read(cycle(0, 1), "multiclass")) == (0, 1)
    assert read(cycle(0, 1), "regression").targets[0].kind.name == "regression"
    assert read(pd.Categorical(cycle(0, 1)), "regression").targets[0].kind.name == "regression"


@pytest.mark.parametrize(
    ("values", "kind", "match"),
    [
        (cycle("1", "2", "x"), None, "numbers or words, not both; 'y' holds '1' and 'x'"),
        (cycle(1, 2.5, "x"), None, "numbers or words, not both"),
        (cycle("a", "b"), "regression", "a regression target holds numbers; 'y' holds"),
        (cycle("a", "b", "c"), "binary", "two classes; 'y' has 3.*multiclass"),
        ([f"w{i}" for i in range(N)], None, "'y' has 60 classes on 60 labelled rows"),
        (RNG.normal(size=N), "multiclass", "60 classes.*--kinds y=regression"),
        ([math.inf, *range(N - 1)], None, "infinite on 1 of 60 rows"),
        (["inf", *map(str, range(N - 1))], None, "infinite"),
        ([None] * N, None, "'y' is empty"),
        ([math.nan] * N, None, "'y' is empty"),
        ([3] * N, None, "'y' is 3 on all 60"),
        (["a"] * N, None, "'y' is 'a' on all 60"),
        (pd.date_range("2020", periods=N), None, "'y' holds dates"),
        (["a"] * (N - 2) + ["b", "b"], None, "left after classes on fewer than 3 rows went"),
    ],
)
def test_what_makes_no_target_is_refused(values: object, kind: str | None, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read(values, kind)


def test_rare_classes_become_gaps() -> None:
    problem = read(["a", "b"] * 28 + ["c", "c", "d", "e"])
    assert classes(problem) == ("a", "b")
    assert problem.targets[0].kind.name == "multiclass"
    assert list(np.isnan(problem.labels[:, 0])) == [False] * 56 + [True] * 4
    assert any("3 classes on fewer than 3 rows left unlabelled: 'c', 'd', 'e'" in n for n in problem.notes)


def test_a_class_that_a_tiny_task_held_goes_with_it() -> None:
    frame = pd.DataFrame({"f": RNG.normal(size=N), "level": ["a"] * 28 + ["b"] * 28 + ["c"] * 4})
    frame["y"] = ["u", "v"] * 28 + ["w"] * 4
    problem = Problem.from_frame(frame, targets="y", task="level")
    assert classes(problem) == ("u", "v")
    assert problem.levels == ("a", "b")
    assert not np.isnan(problem.labels).any()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=60, max_size=60),
    st.lists(st.sampled_from(["p", "q", "r", None]), min_size=60, max_size=60),
)
def test_a_problem_keeps_its_promises_or_is_refused(
    words: list[str | None], levels: list[str | None]
) -> None:
    frame = pd.DataFrame({"f": np.arange(60) % 7, "level": levels, "y": words}, dtype=object)
    try:
        problem = Problem.from_frame(frame, targets="y", task="level")
    except DataError:
        reject()
    assert len(problem) >= 20
    assert len(problem.tasks) >= 2
    assert all(len(problem.rows_of(task)) >= 5 for task in problem.tasks)
    assert sum(len(problem.rows_of(task)) for task in problem.tasks) == len(problem)
    counts = np.bincount(problem.labels[:, 0].astype(int), minlength=len(classes(problem)))
    assert (counts >= 3).all()
    assert problem.rows is not None
    assert [classes(problem)[int(c)] for c in problem.labels[:, 0]] == [words[row] for row in problem.rows]
    assert problem.level is not None
    assert problem.levels is not None
    assert [problem.levels[i] for i in problem.level] == [levels[row] for row in problem.rows]
