"""What a round's trials say about rows they did not learn from, cut up by task and inner fold.

Symbols: ``C`` trials, ``K`` inner folds, ``T`` tasks, ``W`` columns of a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem
from sharewise.strategies import mix
from sharewise.studies._protocol import Round
from sharewise.studies._trial import CONSTANT, Result
from sharewise.tasks import Array, said

STEADY_ROWS = 20.0
"""A task's own constant error counts as much as the mean over the target's tasks once it has this many
held-out rows: on two or three rows it can be next to nothing by chance."""


class HeldOut:
    """Held-out and test predictions of the trials of one round.

    Attributes:
        results: The ``C`` trials, all done; one of them is the constant's.
        rows, test_rows: For each task its labelled rows, as places in the round's training and test rows.
        fold_of: ``(n,)`` inner fold that holds out each training row, -1 for none.
        held, tests: For each target ``(C, n, W)``; NaN where a trial says nothing of a task.
        serves: ``(T, C)`` whether the trial predicts the task at all.
        errors, counts: ``(K, T, C)`` on each inner fold, and ``(K, T)`` rows behind them.
        constant: Place of the constant.
    """

    def __init__(self, problem: Problem, around: Round, results: Sequence[Result]) -> None:
        self.problem, self.results = problem, results
        place = np.full(len(problem), -1, dtype=np.intp)
        place[around.train] = np.arange(len(around.train))
        self.fold_of = np.full(len(around.train), -1, dtype=np.intp)
        for fold, (_, valid) in enumerate(around.folds):
            self.fold_of[place[valid]] = fold
        self.n_folds = len(around.folds)
        self.train, self.test = around.train, around.test
        tasks = range(len(problem.tasks))
        rows = [self._labelled(around.train, task) for task in tasks]
        self.rows = [own[self.fold_of[own] >= 0] for own in rows]
        self.test_rows = [self._labelled(around.test, task) for task in tasks]
        self.held = [np.stack([r.held_out[d] for r in results]) for d in range(len(problem.targets))]
        self.tests = [np.stack([r.test[d] for r in results]) for d in range(len(problem.targets))]
        self.serves = self._serves()
        self.errors, self.counts = self._errors()
        self.constant = next(p for p, r in enumerate(results) if r.spec.strategy == CONSTANT)

    def _labelled(self, rows: NDArray[np.intp], task: int) -> NDArray[np.intp]:
        what = self.problem.tasks[task]
        known = ~np.isnan(self.problem.labels[rows, what.target])
        if self.problem.level is not None:
            known &= self.problem.level[rows] == what.level
        return np.flatnonzero(known)

    def labels(self, task: int, positions: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[Any]:
        """Truths of a task at places in ``rows``, as its metric takes them."""
        return self.problem.truths(self.problem.tasks[task].target, rows[positions])

    def _serves(self) -> NDArray[np.bool_]:
        found = np.ones((len(self.rows), len(self.results)), dtype=bool)
        for index, task in enumerate(self.problem.tasks):
            own = self.held[task.target][:, self.rows[index], 0]
            if own.shape[1]:
                found[index] = said(own).any(axis=1)
        return found

    def fold_rows(self, task: int, fold: int) -> NDArray[np.intp]:
        """A task's rows that one inner fold holds out."""
        own = self.rows[task]
        found: NDArray[np.intp] = own[self.fold_of[own] == fold]
        return found

    def _errors(self) -> tuple[Array, Array]:
        tasks = self.problem.tasks
        errors = np.full((self.n_folds, len(tasks), len(self.results)), np.nan)
        counts = np.zeros((self.n_folds, len(tasks)))
        for index, task in enumerate(tasks):
            metric = self.problem.targets[task.target].metric
            for fold in range(self.n_folds):
                own = self.fold_rows(index, fold)
                counts[fold, index] = len(own)
                y = self.labels(index, own, self.train)
                for place in np.flatnonzero(self.serves[index]) if len(own) else ():
                    errors[fold, index, place] = metric.error(metric(y, self.held[task.target][place, own]))
        return errors, counts

    def ratios(self, folds: NDArray[np.intp]) -> tuple[Array, Array]:
        """Errors on some folds as shares of the constant's ``(T, C)``, and rows ``(T,)``."""
        weight = self.counts[folds][:, :, None]
        known = ~np.isnan(self.errors[folds])
        total = (np.where(known, self.errors[folds], 0.0) * weight).sum(axis=0)
        share = (known * weight).sum(axis=0)
        rows: Array = self.counts[folds].sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / share
            ratio = mean / self.steadied(mean[:, self.constant], rows)[:, None]
        ratio[~np.isfinite(ratio)] = np.nan
        return ratio, rows

    def steadied(self, floor: Array, rows: Array) -> Array:
        """The constant's errors ``(T,)``, each shrunken towards the mean over the tasks of its target by the
        rows ``(T,)`` behind it."""
        found = floor.copy()
        for target in range(len(self.problem.targets)):
            own = np.array([task.target == target for task in self.problem.tasks]) & ~np.isnan(floor)
            if own.any() and rows[own].sum() > 0:
                middle = float(np.average(floor[own], weights=rows[own]))
                trust = rows[own] / (rows[own] + STEADY_ROWS)
                found[own] = trust * floor[own] + (1 - trust) * middle
        return found

    def blended_errors(self, weights: Array, fold: int) -> Array:
        """Errors ``(T,)`` of weighted predictions ``(T, C)`` on one inner fold."""
        found = np.full(len(self.rows), np.nan)
        for index, task in enumerate(self.problem.tasks):
            own = self.fold_rows(index, fold)
            if len(own):
                metric = self.problem.targets[task.target].metric
                mixed = self.mixed(index, weights[index], self.held, own)
                found[index] = metric.error(metric(self.labels(index, own, self.train), mixed))
        return found

    def mixed(
        self, task: int, weights: Array, predictions: Sequence[NDArray[Any]], rows: NDArray[np.intp]
    ) -> NDArray[Any]:
        """Trials' predictions of a task, of some rows, put together by weights ``(C,)``."""
        target = self.problem.tasks[task].target
        used = np.flatnonzero(weights)  # before the rows are taken: most trials have no weight
        return mix(weights[used], predictions[target][used][:, rows], self.problem.targets[target].kind)

    def scores(self, weights: Array) -> Array:
        """Metrics ``(T,)`` of weighted predictions on the outer test rows."""
        found = np.full(len(self.rows), np.nan)
        for index, task in enumerate(self.problem.tasks):
            own = self.test_rows[index]
            if len(own):
                metric = self.problem.targets[task.target].metric
                mixed = self.mixed(index, weights[index], self.tests, own)
                found[index] = metric(self.labels(index, own, self.test), mixed)
        return found
