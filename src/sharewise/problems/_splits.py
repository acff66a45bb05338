"""Training and test rows: balanced, groups whole, past before future.

Outer folds (no choice has seen their test rows) and inner ones (where choices are made) come from
the same function; inner ones are given an outer fold's training rows.

Symbols: ``n`` rows to split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._forward import forward
from sharewise.problems._packing import packed, shares
from sharewise.problems._problem import Problem
from sharewise.tasks import Classification

Rows = NDArray[np.intp]
Fold = tuple[Rows, Rows]
"""Training and test rows: ascending places in the problem."""


def outer_folds(problem: Problem, *, folds: int, repeats: int, seed: int) -> list[list[Fold]]:
    """Folds over all rows, once a repeat with a seed of its own.

    A problem with a time order has one repeat, whatever is asked for: there is nothing to shuffle.

    Raises:
        DataError: There are too few rows, groups or times for two folds.
    """
    rows = np.arange(len(problem), dtype=np.intp)
    wanted = 1 if problem.time is not None else repeats
    return [list(split(problem, rows, folds=folds, seed=_seed_of(seed, repeat))) for repeat in range(wanted)]


def _seed_of(seed: int, repeat: int) -> int:
    return int(np.random.SeedSequence((seed, repeat)).generate_state(1)[0])


def split(problem: Problem, rows: Rows, *, folds: int, seed: int) -> tuple[Fold, ...]:
    """``(train, test)`` pairs that divide ``rows``, as places in the problem.

    With a time, training rows lie strictly before test rows and every fold trains on more than the
    last. With a group, no group is on both sides. Otherwise each test fold has its share of every
    task's labels and of every class, as near as whole rows allow. Rows, groups or times too few for
    ``folds`` give fewer folds, at least two.

    Raises:
        DataError: There are too few for two folds.
    """
    rows = np.sort(np.asarray(rows, dtype=np.intp))
    if problem.time is not None:
        group = None if problem.group is None else problem.group[rows]
        return tuple((rows[train], rows[test]) for train, test in forward(problem.time[rows], group, folds))
    rng = np.random.default_rng(seed)
    if problem.group is None:
        wanted = _enough(folds, len(rows), "row")
        fold = _dealt(_strata(problem, rows), wanted, rng)
    else:
        codes = np.unique(problem.group[rows], return_inverse=True)[1]
        wanted = _enough(folds, int(codes.max(initial=-1)) + 1, "group")
        fold = packed(codes, shares(problem, rows), wanted, rng)
    return tuple((rows[fold != k], rows[fold == k]) for k in range(wanted))


def _enough(folds: int, available: int, noun: str) -> int:
    if folds < 2:
        raise DataError(f"a split needs at least two folds; got {folds}.")
    if available < 2:
        raise DataError(f"a split needs at least two {noun}s; got {available}. Bring more data.")
    return min(folds, available)


def _strata(problem: Problem, rows: Rows) -> list[NDArray[np.intp]]:
    """Keys ``(n,)`` to balance by, the most important first: task, then scarce labels, then others.

    A long table is balanced by task alone: dealing out a small task's classes evenly would make its
    training share of a class tell its test share, which no model could know of new rows.
    """
    if problem.level is not None:
        return [problem.level[rows]]
    labels = problem.labels[rows]
    keys: list[NDArray[np.intp]] = []
    for d in np.argsort((~np.isnan(labels)).sum(axis=0), kind="stable"):
        known = ~np.isnan(labels[:, d])
        if isinstance(problem.targets[d].kind, Classification):
            keys.append(np.where(known, labels[:, d], -1.0).astype(np.intp))
        else:
            keys.append(known.astype(np.intp))
    return keys


def _dealt(keys: Sequence[NDArray[np.intp]], folds: int, rng: np.random.Generator) -> Rows:
    """The fold ``(n,)`` of each row: sorted by the keys, shuffled inside, dealt like cards.

    Every value of the first key is spread evenly to within one row, and so is every combination of
    the first two, and so on; strata rarer than ``folds`` need no merging.
    """
    n = len(keys[0])
    order = np.lexsort((rng.random(n), *reversed(keys)))
    fold = np.empty(n, dtype=np.intp)
    fold[order] = np.arange(n) % folds
    relabelled: Rows = rng.permutation(folds)[fold]
    return relabelled
