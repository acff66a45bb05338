"""What a choice costs: errors of what was deployed beside those of the best row of the reference.

Nothing to run; pure arithmetic, used by ``benchmarks/verdict.py``.

A task's error is taken as a share of the constant predictor's (mean over rounds), tasks weigh the same, and
**regret** is the relative excess of that mean over the best row's::

    regret_j = (e_deployed_j - e_best_j) / mean_j e_best_j

The best row is chosen in two ways. *Cross-fitted*: for each round by the mean of the **other** rounds, so
that its luck in a round does not count as anybody's regret; a little lenient where rows are close. *In
hindsight*: by the mean of all rounds; a little strict, as the best of many is partly lucky. The truth lies
between them. Intervals are Nadeau and Bengio's (2003), for overlapping training rows.

Symbols: ``J`` rounds, ``O`` options, ``R`` of them rows of the table, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sharewise.tasks import Metric
from sharewise.verdicts import Difference, difference

Array = NDArray[np.float64]
Choice = NDArray[np.intp]
"""``(T,)`` the option that serves each task."""

FLOOR = "constant/none"
ROPE = 0.01
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Board:
    """Every option's errors in every round of the reference.

    Attributes:
        tasks, metrics: ``T`` each.
        rows: Names ``strategy/family`` of the ``R`` rows, the constant among them.
        trials: Names of single trials; the options are the rows, then these.
        scores: ``(J, O, T)`` on outer test rows; NaN where undefined.
        inner: ``(J, O)`` error on inner folds as a share of the constant's.
        seconds: ``(J, O - R)`` of each trial.
        row_seconds: ``(J, R)`` of the trials a row chooses from, 0 for rows without trials of their own.
        total_seconds: Of all trials of the rounds asked for: the exhaustive comparison.
        cpu_seconds: The same as processor time (median round), None where worker processes had it.
        overlap: Test rows per training row.
    """

    name: str
    tasks: tuple[str, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[str, ...]
    trials: tuple[str, ...]
    scores: Array
    inner: Array
    seconds: Array
    row_seconds: Array
    total_seconds: float
    cpu_seconds: float | None
    overlap: float

    @cached_property
    def errors(self) -> Array:
        """``(J, O, T)`` errors as shares of the constant's mean error."""
        return shares(self.scores, self.rows.index(FLOOR), self.metrics)

    @cached_property
    def contenders(self) -> Choice:
        """Places of all rows but the constant."""
        return np.array([place for place, row in enumerate(self.rows) if row != FLOOR], dtype=np.intp)

    def everywhere(self, option: int) -> Choice:
        """One option for all tasks."""
        return np.full(len(self.tasks), option, dtype=np.intp)

    def place(self, row: str) -> int | None:
        """A row by name, None where the reference has none such."""
        return self.rows.index(row) if row in self.rows else None


def shares(scores: Array, floor: int, metrics: Sequence[Metric]) -> Array:
    """Errors ``(J, O, T)`` as shares of those of option ``floor``, each task's mean over rounds.

    A task that the constant predicts without error is left out (NaN).
    """
    errors = np.full(scores.shape, np.nan)
    for task, metric in enumerate(metrics):
        own = np.abs(metric.perfect - scores[:, :, task])
        base = own[:, floor][~np.isnan(own[:, floor])]
        if len(base) and base.mean() > 1e-12:
            errors[:, :, task] = own / base.mean()
    return errors


def served(errors: Array, choice: Choice) -> Array:
    """``(J,)`` mean over tasks of the errors of what serves them; a task unknown in a round is left out."""
    own = errors[:, choice, np.arange(len(choice))]
    known = ~np.isnan(own)
    count = known.sum(axis=1)
    total = np.where(known, own, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(own), np.nan), where=count > 0)


def row_errors(board: Board) -> Array:
    """``(J, R')`` mean errors of every contender."""
    return np.stack([served(board.errors, board.everywhere(row)) for row in board.contenders], axis=1)


def cross_fitted(errors: Array) -> Array:
    """``(J,)`` error in each round of the option ``(J, R)`` that the other rounds find best."""
    count = len(errors)
    if count < 2:
        raise ValueError(f"a best row is chosen on other rounds, which takes two; got {count}.")
    others = (errors.sum(axis=0) - errors) / (count - 1)
    return np.asarray(errors[np.arange(count), others.argmin(axis=1)], np.float64)


def hindsight(errors: Array) -> Array:
    """``(J,)`` errors of the option ``(J, R)`` that is best over all rounds."""
    return np.asarray(errors[:, errors.mean(axis=0).argmin()], np.float64)


def excess(deployed: Array, best: Array) -> Array:
    """Relative excess error of each round ``(J,)``, as a share of the best's mean over rounds."""
    base = float(np.nanmean(best))
    if base <= 1e-12:
        gap = deployed - best
        return np.where(np.abs(gap) <= 1e-12, 0.0, np.sign(gap))
    return (deployed - best) / base


@dataclass(frozen=True)
class Regret:
    """Of a policy on one problem, over all its draws.

    Attributes:
        found: Against the cross-fitted best row, with the reference's own interval; draws averaged.
        strict: Mean against the best row in hindsight.
        points: Mean excess error against the cross-fitted best row in shares of the constant's error.
        draws: Each draw's mean against the cross-fitted best row.
    """

    found: Difference
    strict: float
    points: float
    draws: tuple[float, ...]

    @property
    def mean(self) -> float:
        return self.found.mean


def regret(board: Board, choices: Sequence[Choice]) -> Regret:
    """What serving each task by that option costs, averaged over a policy's draws.

    Raises:
        ValueError: There is no draw.
    """
    if not choices:
        raise ValueError(f"a policy is judged by its draws; there is none on {board.name}.")
    rows = row_errors(board)
    best, lucky = cross_fitted(rows), hindsight(rows)
    own = np.stack([served(board.errors, choice) for choice in choices])
    values = np.stack([excess(errors, best) for errors in own])
    return Regret(
        found=difference(values.mean(axis=0), overlap=board.overlap, rope=ROPE, confidence=CONFIDENCE),
        strict=float(np.mean([np.nanmean(excess(errors, lucky)) for errors in own])),
        points=float(np.nanmean(own - best)),
        draws=tuple(float(np.nanmean(one)) for one in values),
    )
