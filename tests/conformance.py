"""What every family and strategy must keep, on small tables of every shape.

A new family joins by being in `sharewise.families.FAMILIES` (the tests are drawn from there), or, from
outside, in one line: ``check_family(MyFamily())``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sharewise.families import Configuration, Family, Fit, OutOfTime, Predictions, Run, Sample
from sharewise.problems import Problem, split
from sharewise.serving import DeployedModel, load
from sharewise.tasks import Array, Classification

SEED = 7
QUICK = 0
"""Effort of the fits: scouting."""
FOLDS = 3
FitSample = Callable[[Sample, Run], Fit]


# --- tables -----------------------------------------------------------------------------------------------


def wide_regression() -> Problem:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 4))
    truth = X @ rng.normal(size=(4, 3))
    Y = truth + 0.5 * rng.normal(size=truth.shape)
    Y[rng.random(60) < 0.3, 1] = np.nan
    return _problem(X, {f"y{d}": Y[:, d] for d in range(3)})


def wide_mixed() -> Problem:
    """A number, two classes and three classes, each with gaps of its own."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(72, 3))
    number = X[:, 0] + 0.3 * rng.normal(size=72)
    binary = np.where(X[:, 1] + 0.5 * rng.normal(size=72) > 0, "yes", "no").astype(object)
    three = np.array(["a", "b", "c"], dtype=object)[np.digitize(X[:, 2], [-0.5, 0.5])]
    number[::5] = np.nan
    binary[1::6] = None
    three[2::7] = None
    return _problem(X, {"number": number, "binary": binary, "three": three})


def wide_binary() -> Problem:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 3))
    return _problem(
        X, {name: (X[:, place] + rng.normal(size=60) > 0).astype(int) for place, name in enumerate("uv")}
    )


def class_missing_from_fold() -> Problem:
    """Class ``rare`` has three rows, the first ones; `sample_of` puts them into one validation part."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(48, 3))
    three = np.where(X[:, 0] > 0, "left", "right").astype(object)
    three[:3] = "rare"
    return _problem(X, {"three": three, "number": X[:, 1] + rng.normal(size=48)})


def long_uneven() -> Problem:
    """Tasks of 5 to 40 rows; `sample_of` leaves the last ones 3, 2, 1 and none, as a round may."""
    rng = np.random.default_rng(5)
    level = np.repeat(np.arange(9), (40, 25, 12, 8, 5, 5, 5, 5, 5))
    X = rng.normal(size=(len(level), 3))
    y = X[:, 0] + rng.normal(size=9)[level] + 0.3 * rng.normal(size=len(level))
    return _problem(X, {"score": y}, task=level)


def long_binary() -> Problem:
    """Small tasks of two classes: some training parts hold one class only."""
    rng = np.random.default_rng(6)
    level = np.repeat(np.arange(6), (20, 12, 8, 6, 5, 4))
    X = rng.normal(size=(len(level), 2))
    y = (X[:, 0] + rng.normal(size=len(level)) > 0.6).astype(int)
    y[-4:] = [0, 0, 0, 1]
    return _problem(X, {"passed": y}, task=level)


def both_at_once() -> Problem:
    rng = np.random.default_rng(7)
    level = np.repeat(np.arange(4), (20, 16, 12, 8))
    X = rng.normal(size=(len(level), 2))
    number = X[:, 0] + level + 0.3 * rng.normal(size=len(level))
    number[::6] = np.nan
    three = np.array(["a", "b", "c"], dtype=object)[np.digitize(X[:, 1] + 0.3 * level, [0.0, 0.8])]
    return _problem(X, {"number": number, "three": three}, task=level)


def mixed_columns() -> Problem:
    """Categories, missing cells, dates, short text."""
    import pandas as pd

    rng = np.random.default_rng(8)
    n = 60
    number = rng.normal(size=n)
    colour = rng.choice(["red", "green", "blue"], size=n).astype(object)
    words = ["late train", "good food", "friendly host", "broken lift", "near the lake", "noisy street"]
    notes = [f"{words[a]} and {words[b]} {i}" for i, (a, b) in enumerate(rng.integers(0, 6, size=(n, 2)))]
    y = number + (colour == "red") + 0.3 * rng.normal(size=n)
    z = y + rng.normal(size=n)
    number[::7] = np.nan
    colour[::9] = None
    frame = pd.DataFrame(
        {
            "number": number,
            "colour": colour,
            "seen": pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "notes": notes,
            "y": y,
            "z": z,
        }
    )
    return Problem.from_frame(frame, targets=["y", "z"])


def one_feature() -> Problem:
    rng = np.random.default_rng(9)
    X = rng.normal(size=(40, 1))
    return _problem(X, {"y": X[:, 0] + rng.normal(size=40), "z": (X[:, 0] > rng.normal(size=40)).astype(int)})


def more_columns_than_rows() -> Problem:
    rng = np.random.default_rng(10)
    X = rng.normal(size=(24, 60))
    return _problem(X, {"y": X[:, 0] + rng.normal(size=24), "z": X[:, 0] - X[:, 1] + rng.normal(size=24)})


CASES: dict[str, Callable[[], Problem]] = {
    make.__name__: make
    for make in (
        wide_regression,
        wide_mixed,
        wide_binary,
        class_missing_from_fold,
        long_uneven,
        long_binary,
        both_at_once,
        mixed_columns,
        one_feature,
        more_columns_than_rows,
    )
}


def _problem(X: Array, targets: dict[str, np.ndarray], task: np.ndarray | None = None) -> Problem:
    import pandas as pd

    columns: dict[str, object] = {f"x{place}": X[:, place] for place in range(X.shape[1])}
    columns |= targets
    if task is not None:
        columns["task"] = np.array([f"t{code}" for code in task], dtype=object)
    frame = pd.DataFrame(columns)
    return Problem.from_frame(frame, targets=list(targets), task=None if task is None else "task")


@cache
def case(name: str) -> Problem:
    return CASES[name]()


@cache
def sample_of(name: str) -> Sample:
    """The rows of a case with inner folds."""
    problem = case(name)
    rows = np.arange(len(problem))
    if name == "long_uneven":
        rows = first_rows(problem, {5: 3, 6: 2, 7: 1, 8: 0})
    folds = split(problem, rows, folds=FOLDS, seed=SEED)
    if name == "class_missing_from_fold":
        part = rows // 3 % FOLDS
        folds = tuple((rows[part != k], rows[part == k]) for k in range(FOLDS))
    return Sample.of(problem, rows, folds)


def first_rows(problem: Problem, sizes: dict[int, int]) -> np.ndarray:
    """All rows, but of some levels only the first few."""
    assert problem.level is not None
    return np.concatenate(
        [np.flatnonzero(problem.level == code)[: sizes.get(code)] for code in range(problem.level.max() + 1)]
    )


# --- one configuration of a family, alone or together -------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One configuration of a family, fitted ``alone`` or ``together``."""

    family: Family
    configuration: Configuration
    side: str

    def __str__(self) -> str:
        return f"{self.family.name}-{self.configuration.learner}-{self.side}".replace(" ", "_")

    def fit(self, sample: Sample, run: Run) -> Fit:
        fit = self.family.alone if self.side == "alone" else self.family.together
        return fit(sample, self.configuration, run)


def ways(family: Family, problem: Problem, *, side: str | None = None) -> Iterator[Way]:
    """Every learner of a family for a problem: the first configuration of each, alone and together."""
    for one in ("alone", "together") if side is None else (side,):
        seen: set[str] = set()
        for configuration in family.configurations(problem, effort=3, together=one == "together"):
            if configuration.learner not in seen:
                seen.add(configuration.learner)
                yield Way(family, configuration, one)


@cache
def fitted(way: Way, name: str) -> Fit:
    """The fit of a case, made once for all checks."""
    return way.fit(sample_of(name), Run(SEED, effort=QUICK))


# --- properties ---------------------------------------------------------------------------------------------


def check_family(family: Family, folder: Path) -> None:
    """Everything below, for one family on every case."""
    for name in CASES:
        problem = case(name)
        check_space(family, problem)
        for way in ways(family, problem):
            check_shapes(way, name)
            check_repeats(way, name)
            check_stops(way.fit, sample_of(name))
            check_stored(fitted(way, name), problem, folder / f"{name}-{way}")
            if way.side == "alone":
                check_independent(way.fit, sample_of(name))
    for way in ways(family, case("long_uneven")):
        check_lone_row(way.fit)
    for table in NOISE:
        for way in ways(family, noise_problem(table, 0)):
            check_no_leak(way.fit, table)


def check_space(family: Family, problem: Problem) -> None:
    """The search space grows with effort and holds no configuration twice."""
    for together in (False, True):
        sizes = []
        for effort in range(4):
            found = family.configurations(problem, effort=effort, together=together)
            assert found
            assert len(set(found)) == len(found)
            sizes.append(len(found))
        assert sizes == sorted(sizes)


def check_predictions(found: Predictions, sample: Sample, *, known_only: bool) -> None:
    """A finite ``(n, W)`` a target (on labelled rows), classes as probabilities."""
    assert len(found) == len(sample.targets)
    for place, (values, target) in enumerate(zip(found, sample.targets, strict=True)):
        assert values.shape == (len(sample), target.kind.width)
        assert values.dtype == np.float64
        rows = sample.known(place) if known_only else np.ones(len(sample), dtype=bool)
        missing = np.flatnonzero(rows & ~np.isfinite(values).all(axis=1))
        assert not len(missing), f"'{target.name}': no prediction for rows {missing.tolist()}"
        if isinstance(target.kind, Classification):
            assert values[rows].min() >= 0
            assert values[rows].max() <= 1 + 1e-9
            np.testing.assert_allclose(values[rows].sum(axis=1), 1.0, atol=1e-6)


def check_shapes(way: Way, name: str) -> None:
    sample, fit = sample_of(name), fitted(way, name)
    check_predictions(fit.held_out, sample, known_only=True)
    check_predictions(fit.model.predict(sample.table, sample.level), sample, known_only=False)


def same(one: Predictions, other: Predictions) -> None:
    """Equal to the last bit."""
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def check_repeats(way: Way, name: str) -> None:
    """Same seed, same bits; and rows are predicted one by one as they are together."""
    sample, fit = sample_of(name), fitted(way, name)
    again = way.fit(sample, Run(SEED, effort=QUICK))
    same(fit.held_out, again.held_out)
    same(fit.model.predict(sample.table, sample.level), again.model.predict(sample.table, sample.level))
    few = np.array([5, 0, len(sample) - 1])
    level = None if sample.level is None else sample.level[few]
    for all_rows, own in zip(
        fit.model.predict(sample.table, sample.level),
        fit.model.predict(sample.table.take(few), level),
        strict=True,
    ):
        np.testing.assert_allclose(own, all_rows[few], rtol=1e-5, atol=1e-6)


def check_stops(fit: FitSample, sample: Sample) -> None:
    """A deadline in the past ends a fit at once, and as `OutOfTime`."""
    started = time.monotonic()
    with pytest.raises(OutOfTime):
        fit(sample, Run(SEED, deadline=started - 1.0, effort=3))
    assert time.monotonic() - started < 2.0


def check_stored(fit: Fit, problem: Problem, folder: Path) -> None:
    """A saved model predicts the same bits."""
    before = fit.model.predict(problem.table, problem.level)
    DeployedModel.of(problem, fit.model, {"made by": "a test"}).save(folder)
    loaded = load(folder)
    same(before, loaded.model.predict(problem.table, problem.level))
    assert loaded.card == {"made by": "a test"}
    assert loaded.targets == problem.targets


def check_independent(fit: FitSample, sample: Sample) -> None:
    """No task's predictions depend on another task's labels."""
    before = fit(sample, Run(SEED, effort=QUICK))
    labels = sample.labels.copy()
    if sample.level is None:
        spared = np.zeros(len(sample), dtype=bool)
        columns = range(1, len(sample.targets))
    else:
        spared = sample.level == sample.level[0]
        columns = range(len(sample.targets))
    for place in columns:
        rows = np.flatnonzero(~spared & sample.known(place))
        labels[rows, place] = labels[np.random.default_rng(0).permutation(rows), place]
    assert not np.array_equal(labels, sample.labels, equal_nan=True)
    after = fit(replace(sample, labels=labels), Run(SEED, effort=QUICK))
    one = before.model.predict(sample.table, sample.level)
    other = after.model.predict(sample.table, sample.level)
    for place in range(1 if sample.level is None else len(sample.targets)):
        rows = slice(None) if sample.level is None else spared
        np.testing.assert_array_equal(before.held_out[place][rows], after.held_out[place][rows])
        np.testing.assert_array_equal(one[place][rows], other[place][rows])


def check_lone_row(fit: FitSample) -> None:
    """A task's only row is predicted without its own label, however far that label moves."""
    sample = sample_of("long_uneven")
    assert sample.level is not None
    (row,) = np.flatnonzero(sample.level == 7)
    labels = sample.labels.copy()
    labels[row] += 3.0
    before = fit(sample, Run(SEED, effort=QUICK)).held_out[0][row, 0]
    after = fit(replace(sample, labels=labels), Run(SEED, effort=QUICK)).held_out[0][row, 0]
    assert abs(after - before) < 0.5, f"its label moved by 3, its held-out prediction by {after - before:.2f}"


# --- leaks --------------------------------------------------------------------------------------------------

NOISE = ("wide", "wide_classes", "long_classes", "long_tiny", "long_grouped")
"""Tables whose labels have nothing to do with features or tasks."""
NOISE_SEEDS = 2
TINY_TASKS = 60


@cache
def noise_problem(table: str, seed: int) -> Problem:
    """Labels of pure noise. Targets of one row are nearly equal, so that a look at another target's
    label of the same row would show too; in ``wide`` both have gaps."""
    rng = np.random.default_rng([seed, NOISE.index(table)])
    level = None
    match table:
        case "long_classes":
            level = np.repeat(np.arange(8), rng.integers(8, 31, size=8))
        case "long_tiny" | "long_grouped":
            level = np.repeat(np.arange(TINY_TASKS), 5)
    n = 150 if level is None else len(level)
    noise = rng.normal(size=n)
    first, second = noise, noise + 0.1 * rng.normal(size=n)
    if table == "wide":
        first[rng.random(n) < 0.3] = np.nan
        second[~np.isnan(first) & (rng.random(n) < 0.3)] = np.nan
    if table.endswith("classes"):
        first, second = (first > 0).astype(int), (second > 0).astype(int)
    targets = {"y0": first} if level is not None else {"y0": first, "y1": second}
    return _problem(rng.normal(size=(n, 4)), targets, task=level)


def noise_samples(table: str) -> Iterator[Sample]:
    """Samples with random folds: folds that balance classes inside a task would tell its class shares."""
    for seed in range(NOISE_SEEDS):
        problem, rng = noise_problem(table, seed), np.random.default_rng(seed)
        rows = np.arange(len(problem))
        if table == "long_tiny":
            rows = first_rows(problem, dict(enumerate(rng.integers(0, 4, size=TINY_TASKS))))
        part = rng.permutation(len(rows)) % FOLDS
        if table == "long_grouped":  # a task's rows stay together, as with --task school --group school
            assert problem.level is not None
            part = (rng.permutation(TINY_TASKS) % FOLDS)[problem.level]
        folds = tuple((rows[part != k], rows[part == k]) for k in range(FOLDS))
        yield Sample.of(problem, rows, folds)


def association(sample: Sample, held_out: Predictions) -> float:
    """Correlation of held-out predictions with labels, mean over targets; 0 where a prediction is constant."""
    found = []
    for place in range(len(sample.targets)):
        rows = sample.known(place) & np.isfinite(held_out[place]).all(axis=1)
        guess, y = held_out[place][rows, -1], sample.labels[rows, place]
        found.append(np.corrcoef(guess, y)[0, 1] if guess.std() > 1e-9 else 0.0)
    return float(np.mean(found))


def check_no_leak(fit: FitSample, table: str) -> None:
    """On noise held-out predictions must know nothing of the labels.

    The correlation may be negative (the mean of all other rows lies on the other side), never clearly
    positive: four standard errors, and a little for a penalty or epoch chosen by the same labels.
    """
    samples = list(noise_samples(table))
    found = [association(s, fit(s, Run(SEED + i, effort=QUICK)).held_out) for i, s in enumerate(samples)]
    rows = sum(int((~np.isnan(s.labels)).all(axis=1).sum()) for s in samples)
    bound = 4 / np.sqrt(max(rows, 100)) + 0.02
    assert np.mean(found) < bound, f"held-out predictions know the labels: correlations {np.round(found, 2)}"
