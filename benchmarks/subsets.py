"""Tables of all subsets: every group of 6 to 8 tasks trained, for ``benchmarks/groups.py`` to search in.

    python benchmarks/subsets.py                       # builds what the cache lacks, one line a replicate
    python benchmarks/subsets.py school-ridge --cache folder

A table says what each task gains in each group over its own model of the same learner, as a share of that
model's error: once where the search looks (on several folds), once on rows that no search sees. Two ways of
measuring it:

* ``few``: train on a few dozen rows a task and measure on all others, one half for the search (in `PARTS`
  parts that stand for folds), one half to judge it. Gains are then nearly free of noise, so this shows what
  the search itself is worth. (Standley et al. 2020 replay searches on such validation sets.)
* ``study``: as in a study, the search sees `INNER` inner folds of an outer fold's training rows and is judged
  on its test rows. Gains are then as noisy as in real life, and so is the best of many.

Every training is `fit_group` with one of sharewise's own learners at its quickest effort. Tables marked
``drafted`` were looked at while the search was designed; the others were not.

Symbols: ``T`` tasks, ``G`` groups of two or more of them (2^T - T - 1), ``K`` folds of the search.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sharewise.families import FAMILIES, Configuration, Fit, Predictions, Run, Sample, configuration
from sharewise.problems import Problem, split
from sharewise.strategies import affinity, cell_codes
from sharewise.strategies._grouped import fit_group

import tables

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

INNER: Final = 3
OUTER: Final = 3
PARTS: Final = 3
REPLICATES: Final = 2
MOST_MEASURED: Final = 3000
"""Rows that a replicate of ``few`` is measured on at most."""

RIDGE: Final = configuration("ridge")
SLOPES: Final = configuration("shrunken offsets and slopes")
LOW_RANK: Final = configuration("low-rank ridge")
BOOSTING: Final = configuration("boosting", leaves=4, learning_rate=0.06)
TREES: Final = configuration("extra-trees", min_samples_leaf=4, max_features=0.5)


@dataclass(frozen=True)
class Table:
    """What to build.

    Attributes:
        problem: Makes the problem of 6 to 8 tasks.
        rows: ``few``: training rows (shared out evenly over the levels of a long table).
        together, alone: The learner of the groups, and of each task's own model.
        drafted: Whether the search was designed with it at hand.
    """

    problem: Callable[[], Problem]
    way: Literal["few", "study"]
    rows: int
    family: str
    together: Configuration
    alone: Configuration
    drafted: bool


@dataclass(frozen=True)
class Replicate:
    """One table of all subsets.

    Attributes:
        groups: The ``G`` groups, the whole last.
        seen: ``(G, K, T)`` gains on the search's folds, NaN outside the groups.
        unseen: ``(G, T)`` gains on rows that the search does not see.
        prior: ``(T, T)``, `sharewise.strategies.affinity` of the training rows.
        seconds: CPU time that building it took.
    """

    table: str
    groups: list[tuple[int, ...]]
    seen: Array
    unseen: Array
    prior: Array
    seconds: float


# --- problems -----------------------------------------------------------------------------------------


def wide(name: str, targets: int, rows: int | None = None, **options: Any) -> Problem:
    """The first targets of a wide table, the others dropped."""
    frame, kwargs = tables.load(name, **options)
    names = kwargs["targets"]
    kwargs = {**kwargs, "targets": names[:targets], "drop": [*kwargs.get("drop", ()), *names[targets:]]}
    if "kinds" in kwargs:
        kwargs["kinds"] = {key: kind for key, kind in kwargs["kinds"].items() if key in names[:targets]}
    if rows is not None:
        frame = frame.sample(rows, random_state=0).reset_index(drop=True)
    return Problem.from_frame(frame, **kwargs)


def levels(name: str, count: int, rows: int | None = None) -> Problem:
    """The biggest tasks of a long table."""
    frame, kwargs = tables.load(name)
    biggest = frame[kwargs["task"]].value_counts(sort=True).index[:count]
    frame = frame[frame[kwargs["task"]].isin(biggest)]
    if rows is not None:
        frame = frame.sample(rows, random_state=0)
    return Problem.from_frame(frame.reset_index(drop=True), **kwargs)


def one_label_a_row(name: str, targets: int, rows: int | None = None) -> Problem:
    """A wide table of numbers as a long one: each row keeps one label, standardised, and is of that task."""
    loaded = tables.load(name)
    labels = loaded.labels[:, :targets]
    rng = np.random.default_rng(0)
    own = np.concatenate([rng.permutation(targets) for _ in range(len(labels) // targets + 1)])[: len(labels)]
    value = ((labels - labels.mean(axis=0)) / labels.std(axis=0))[np.arange(len(labels)), own]
    frame = loaded.features.assign(task=[f"t{code}" for code in own], value=value)
    if rows is not None:
        frame = frame.sample(rows, random_state=0).reset_index(drop=True)
    return Problem.from_frame(frame, targets=["value"], task="task")


def grades(rows: int | None = None) -> Problem:
    """Three grades in two courses: six tasks, wide and long at once."""
    frames = [tables.load(f"student_{name}").frame.assign(course=name) for name in ("math", "portuguese")]
    frame = pd.concat(frames, ignore_index=True)
    if rows is not None:
        frame = frame.sample(rows, random_state=0).reset_index(drop=True)
    return Problem.from_frame(frame, targets=["G1", "G2", "G3"], task="course")


TABLES: Final = {
    "sarcos-ridge": Table(partial(one_label_a_row, "sarcos", 7), "few", 175, "linear", SLOPES, RIDGE, True),
    "school-ridge": Table(partial(levels, "school", 8), "few", 160, "linear", SLOPES, RIDGE, True),
    "exam-ridge": Table(partial(levels, "exam", 8), "few", 120, "linear", SLOPES, RIDGE, False),
    "sarcos-boosting": Table(
        partial(one_label_a_row, "sarcos", 7), "few", 420, "trees", BOOSTING, BOOSTING, True
    ),
    "school-boosting": Table(partial(levels, "school", 8), "few", 240, "trees", BOOSTING, BOOSTING, False),
    "sarcos-trees": Table(partial(one_label_a_row, "sarcos", 7), "few", 280, "trees", TREES, TREES, False),
    "star-trees": Table(partial(wide, "star", 6), "few", 150, "trees", TREES, TREES, False),
    "grades-trees": Table(grades, "few", 240, "trees", TREES, TREES, False),
    "airline-trees": Table(partial(levels, "airline_long", 6), "few", 240, "trees", TREES, TREES, False),
    "emotions-study": Table(partial(wide, "emotions", 6), "study", 0, "trees", TREES, TREES, True),
    "school-study": Table(partial(levels, "school", 8), "study", 0, "trees", BOOSTING, BOOSTING, True),
    "oes97-study": Table(partial(one_label_a_row, "oes97", 6), "study", 0, "linear", SLOPES, RIDGE, True),
    "sarcos-study": Table(
        partial(one_label_a_row, "sarcos", 7, 600), "study", 0, "trees", TREES, TREES, True
    ),
    "scene-study": Table(partial(wide, "scene", 6, 450), "study", 0, "trees", TREES, TREES, False),
    "grades-study": Table(partial(grades, 450), "study", 0, "trees", TREES, TREES, False),
    "omniglot-study": Table(partial(wide, "omniglot", 6), "study", 0, "trees", TREES, TREES, False),
}


# --- building -----------------------------------------------------------------------------------------


def errors(problem: Problem, rows: Rows, found: Predictions, parts: Sequence[Rows]) -> Array:
    """Error of each task's metric on parts of ``rows``, ``(K, T)``; ``parts`` are places in ``rows``."""
    values = np.full((len(parts), len(problem.tasks)), np.nan)
    for place, task in enumerate(problem.tasks):
        metric, guess = problem.targets[task.target].metric, found[task.target]
        y = problem.labels[rows, task.target]
        known = ~np.isnan(y) & np.isfinite(guess).all(axis=1)
        if problem.level is not None:
            known &= problem.level[rows] == task.level
        for part, inside in enumerate(parts):
            own = inside[known[inside]]
            if len(own):
                values[part, place] = metric.error(metric(y[own], guess[own]))
    return values


def gains(group: Array, alone: Array) -> Array:
    """Errors ``(K, T)`` of a group and of own models as gains, shares of the own error over all folds."""
    share: Array = (alone - group) / np.nanmean(alone, axis=0)
    return share


Measure = Callable[[Fit], tuple[Array, Array]]
"""Errors of a fit where the search looks ``(K, T)`` and where it does not ``(1, T)``."""


def few(problem: Problem, rows: int, seed: int) -> tuple[Sample, Measure]:
    """A small training sample; everything else measures, half of it for the search."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(problem))
    rank = np.arange(len(problem))
    if problem.level is not None:
        order = order[np.argsort(problem.level[order], kind="stable")]
        sizes = np.bincount(problem.level[order])
        rank = np.concatenate([np.arange(size) for size in sizes])
        rows = rows // len(sizes)
    train, rest = np.sort(order[rank < rows]), rng.permutation(order[rank >= rows])[:MOST_MEASURED]
    sample = Sample.of(problem, train, split(problem, train, folds=INNER, seed=seed))
    half = len(rest) // 2
    parts = [part + half for part in np.array_split(np.arange(len(rest) - half), PARTS)]

    def measure(fit: Fit) -> tuple[Array, Array]:
        level = None if problem.level is None else problem.level[rest]
        found = fit.model.predict(problem.table.take(rest), level)
        return errors(problem, rest, found, parts), errors(problem, rest, found, [np.arange(half)])

    return sample, measure


def study(problem: Problem, seed: int) -> tuple[Sample, Measure]:
    """An outer fold: the search sees inner folds of its training rows, its test rows judge."""
    train, test = split(problem, np.arange(len(problem)), folds=OUTER, seed=0)[seed]
    inner = split(problem, train, folds=INNER, seed=seed)
    sample = Sample.of(problem, train, inner)
    parts = [np.searchsorted(train, valid) for _, valid in inner]

    def measure(fit: Fit) -> tuple[Array, Array]:
        level = None if problem.level is None else problem.level[test]
        found = fit.model.predict(problem.table.take(test), level)
        everything = [np.arange(len(test))]
        return errors(problem, train, fit.held_out, parts), errors(problem, test, found, everything)

    return sample, measure


def build(name: str, seed: int) -> Replicate:
    """Train every group of a table's replicate."""
    started = time.process_time()
    table = TABLES[name]
    problem = table.problem()
    family, codes = FAMILIES[table.family], cell_codes(problem)
    sample, measure = few(problem, table.rows, seed) if table.way == "few" else study(problem, seed)
    own = family.alone(sample, table.alone, Run(seed, effort=0))
    own_seen, own_unseen = measure(own)
    tasks = len(problem.tasks)
    groups = [group for size in range(2, tasks + 1) for group in combinations(range(tasks), size)]
    seen, unseen = [], []
    for group in groups:
        cells = tuple(codes[list(group)].tolist())
        one, other = measure(fit_group(sample, family, table.together, cells, Run(seed, effort=0)))
        seen.append(gains(one, own_seen))
        unseen.append(gains(other, own_unseen)[0])
    prior = affinity(sample, own.held_out, codes.tolist())
    seconds = time.process_time() - started
    return Replicate(name, groups, np.array(seen), np.array(unseen), prior, seconds)


# --- the cache ----------------------------------------------------------------------------------------


def load(name: str, seed: int, cache: Path) -> Replicate:
    """A replicate from the cache, built if it is not there or was built from another description."""
    described = str(TABLES[name]).replace(str(TABLES[name].problem), _words(TABLES[name].problem))
    path = cache / f"{name}-{seed}.json"
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["described"] == described:
            numbers = {key: np.array(kept[key], np.float64) for key in ("seen", "unseen", "prior")}
            groups = [tuple(group) for group in kept["groups"]]
            return Replicate(name, groups, **numbers, seconds=kept["seconds"])
    built = build(name, seed)
    body = {"described": described, "groups": built.groups, "seconds": round(built.seconds, 1)}
    for key in ("seen", "unseen", "prior"):
        values = np.round(getattr(built, key), 6)
        body[key] = np.where(np.isnan(values), None, values.astype(object)).tolist()
    cache.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))
    return built


def _words(problem: Callable[[], Problem]) -> str:
    """A problem's maker without the address that Python prints of it."""
    if isinstance(problem, partial):
        return f"{problem.func.__name__}{problem.args}"
    return problem.__name__


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(TABLES))
    parser.add_argument("--cache", type=Path, default=Path("runs/subsets"))
    given = parser.parse_args()
    for name in given.names:
        for seed in range(REPLICATES):
            table = load(name, seed, given.cache)
            best = np.nanmax(np.nanmean(table.seen, axis=1), axis=0)
            print(
                f"{name:16} {seed}: {table.prior.shape[0]} tasks, {len(table.groups)} groups, "
                f"best gain {100 * np.maximum(best, 0).mean():5.1f}%, {table.seconds:5.1f} s of CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
