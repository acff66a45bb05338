"""Splits: every row tested once, balanced, groups whole, past before future, set by the seed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharewise.errors import DataError
from sharewise.problems import Fold, Problem, outer_folds, split

N = 120


def problem_of(n: int = N, **more: object) -> Problem:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"f": rng.normal(size=n), "y": rng.normal(size=n), "z": rng.normal(size=n)})
    given = {name: more.pop(name) for name in ("targets", "task", "group", "time") if name in more}
    return Problem.from_frame(frame.assign(**more), **({"targets": ["y", "z"]} | given))  # type: ignore[arg-type]


def every(problem: Problem) -> np.ndarray:
    return np.arange(len(problem))


def check_partition(folds: tuple[Fold, ...], rows: np.ndarray) -> None:
    assert np.array_equal(np.sort(np.concatenate([test for _, test in folds])), rows)
    for train, test in folds:
        assert np.array_equal(np.sort(np.concatenate([train, test])), rows)
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()
        assert train.dtype == test.dtype == np.intp


def sizes(folds: tuple[Fold, ...]) -> list[int]:
    return [len(test) for _, test in folds]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(0, 9), st.lists(st.integers(0, N - 1), min_size=8, unique=True))
def test_rows_are_divided_evenly(k: int, seed: int, chosen: list[int]) -> None:
    problem = problem_of(kind=np.arange(N) % 3)
    rows = np.sort(np.array(chosen))
    folds = split(problem, np.array(chosen), folds=k, seed=seed)
    assert len(folds) == k
    check_partition(folds, rows)
    assert max(sizes(folds)) - min(sizes(folds)) <= 1


def test_the_seed_decides_and_nothing_else() -> None:
    for problem in (problem_of(), problem_of(g=np.arange(N) % 30, group="g")):
        one, same, other = (split(problem, every(problem), folds=5, seed=seed) for seed in (0, 0, 1))
        assert all(np.array_equal(a[1], b[1]) for a, b in zip(one, same, strict=True))
        assert not all(np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True))
        repeats = outer_folds(problem, folds=5, repeats=3, seed=0)
        assert [len(folds) for folds in repeats] == [5, 5, 5]
        assert len({tuple(map(tuple, [test for _, test in folds])) for folds in repeats}) == 3


def test_uneven_groups_still_give_other_folds_with_other_seeds() -> None:
    problem = problem_of(g=np.repeat(np.arange(15), np.arange(1, 16)), group="g")
    found = {tuple(split(problem, every(problem), folds=3, seed=seed)[0][1]) for seed in range(10)}
    assert len(found) > 5


def test_classes_and_scarce_labels_are_spread() -> None:
    rng = np.random.default_rng(0)
    word = rng.permutation(["a"] * 90 + ["b"] * 25 + ["c"] * 5)
    scarce = np.where(rng.permutation(N) < 10, rng.normal(size=N), np.nan)
    problem = problem_of(word=word, scarce=scarce, targets=["y", "word", "scarce"])
    for _, test in split(problem, every(problem), folds=5, seed=0):
        assert (~np.isnan(problem.labels[test, 2])).sum() == 2
        counts = np.bincount(problem.labels[test, 1].astype(int), minlength=3)
        assert abs(counts - [18, 5, 1]).max() <= 2


def test_levels_are_spread_and_their_classes_left_to_chance() -> None:
    """Dealing a task's classes evenly would make its training share tell its test share."""
    level = np.repeat([1, 2, 3, 4], [60, 30, 25, 5])
    word = np.array(["u", "v"])[np.arange(N) // 5 % 2]
    problem = problem_of(level=level, word=word, targets="word", task="level")
    assert problem.level is not None
    shares = set()
    for seed in range(4):
        for _, test in split(problem, every(problem), folds=5, seed=seed):
            assert list(np.bincount(problem.level[test])) == [12, 6, 5, 1]
            first = test[problem.level[test] == 0]
            shares.add(int(problem.labels[first, 0].sum()))
    assert len(shares) > 2


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=N, max_size=N), st.integers(2, 6), st.integers(0, 5))
def test_groups_stay_whole(groups: list[int], k: int, seed: int) -> None:
    if len(set(groups)) < 2:
        return
    problem = problem_of(g=groups, group="g")
    assert problem.group is not None
    folds = split(problem, every(problem), folds=k, seed=seed)
    assert len(folds) == min(k, len(set(groups)))
    check_partition(folds, every(problem))
    for train, test in folds:
        assert len(test)
        assert not set(problem.group[train]) & set(problem.group[test])


def test_grouped_folds_are_balanced() -> None:
    rng = np.random.default_rng(0)
    size = rng.integers(5, 40, 80)
    n = int(size.sum())
    group = np.repeat(np.arange(80), size)
    word = np.where(rng.random(n) < np.repeat(rng.beta(1, 2, 80), size), "yes", "no")
    problem = problem_of(n, g=group, word=word, targets=["y", "word"], group="g")
    for seed in range(5):
        folds = split(problem, every(problem), folds=5, seed=seed)
        assert max(sizes(folds)) < 1.1 * min(sizes(folds))
        shares = [problem.labels[test, 1].mean() for _, test in folds]
        assert max(shares) - min(shares) < 0.1


def test_long_groups_keep_every_task_in_every_fold() -> None:
    n = 600
    level = np.arange(n) % 3
    problem = problem_of(
        n, level=level, g=np.arange(n) // 3 % 40 + level * 100, targets="y", task="level", group="g"
    )
    assert problem.level is not None
    for _, test in split(problem, every(problem), folds=5, seed=0):
        counts = np.bincount(problem.level[test], minlength=3)
        assert counts.min() >= 30


def test_the_past_comes_before_the_future() -> None:
    rng = np.random.default_rng(0)
    problem = problem_of(t=rng.integers(0, 40, N), time="t")
    assert problem.time is not None
    folds = split(problem, every(problem), folds=4, seed=0)
    assert len(folds) == 4
    ends = [problem.time[train].max() for train, _ in folds]
    assert ends == sorted(set(ends))
    for train, test in folds:
        assert problem.time[train].max() < problem.time[test].min()
    assert folds[-1][1].size + folds[-1][0].size == N
    assert min(sizes(folds)) > 10
    assert len(outer_folds(problem, folds=4, repeats=3, seed=0)) == 1
    inner = split(problem, folds[-1][0], folds=3, seed=0)
    assert all(set(train) | set(test) <= set(folds[-1][0]) for train, test in inner)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=N, max_size=N), st.integers(2, 7))
def test_ties_in_time_are_not_divided(times: list[int], k: int) -> None:
    problem = problem_of(t=times, time="t")
    distinct = len(set(times))
    if distinct < 3:
        with pytest.raises(DataError, match="three different times"):
            split(problem, every(problem), folds=k, seed=0)
        return
    folds = split(problem, every(problem), folds=k, seed=0)
    assert len(folds) == min(k, distinct - 1)
    assert problem.time is not None
    for train, test in folds:
        assert len(train)
        assert len(test)
        assert problem.time[train].max() < problem.time[test].min()
    assert len(set(np.concatenate([test for _, test in folds]))) == sum(sizes(folds))


def test_time_with_groups_leaves_tested_groups_out_of_training() -> None:
    problem = problem_of(t=np.arange(N), g=np.arange(N) // 7 % 9, time="t", group="g")
    assert problem.group is not None
    assert problem.time is not None
    for train, test in split(problem, every(problem), folds=4, seed=0):
        assert len(train)
        assert not set(problem.group[train]) & set(problem.group[test])
        assert problem.time[train].max() < problem.time[test].min()
    both = problem_of(t=np.arange(N), g=np.arange(N) % 2, time="t", group="g")
    with pytest.raises(DataError, match="earlier rows of other groups"):
        split(both, every(both), folds=4, seed=0)


def test_too_few_for_the_folds_asked_give_fewer_or_are_refused() -> None:
    problem = problem_of()
    assert len(split(problem, np.arange(3), folds=5, seed=0)) == 3
    for rows, folds in ((np.arange(1), 5), (np.arange(0), 5), (np.arange(9), 1)):
        with pytest.raises(DataError, match="at least two"):
            split(problem, rows, folds=folds, seed=0)
    grouped = problem_of(g=np.arange(N) // 60, group="g")
    assert len(split(grouped, every(grouped), folds=5, seed=0)) == 2
    with pytest.raises(DataError, match="at least two groups; got 1"):
        split(grouped, np.arange(60), folds=5, seed=0)
