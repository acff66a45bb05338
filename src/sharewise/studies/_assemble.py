"""From the trials of one round to what competes: decided on inner folds, measured on the outer one.

Every candidate is a weight matrix over the round's trials, found by a procedure that sees held-out
predictions only. Its inner error is cross-fitted (weights from the other inner folds, error on this
one), so that picking or blending many models is not rewarded for its luck.

Symbols: ``C`` trials, ``T`` tasks, ``K`` inner folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem
from sharewise.strategies import ENSEMBLE, STRATEGIES, greedy, pick_by_task, pick_for_all
from sharewise.studies._protocol import Round
from sharewise.studies._trial import CONSTANT, NO_FAMILY, Recipe, Result
from sharewise.tasks import Array

BLEND = "blend"
BEST = "best"


@dataclass(frozen=True)
class Candidate:
    """One row of the table, in one round.

    Attributes:
        strategy, family: Its name; ``best`` is each task's best family, ``blend`` a greedy ensemble.
        shares: Whether tasks learn from each other's labels.
        recipes: Of the ``C`` trials.
        weights: ``(T, C)``, rows summing to 1.
        inner: Mean over tasks of the cross-fitted error on inner folds, as a share of the constant's.
        scores: ``(T,)`` metric on the outer test rows, NaN where undefined.
        train_seconds, fits, steps: Of all trials it chose from.
        size_bytes, predict_ms_per_1000_rows, peak_memory_bytes: Of the trials with weight.
    """

    strategy: str
    family: str
    shares: bool
    recipes: tuple[Recipe, ...]
    weights: Array = field(repr=False)
    inner: float
    scores: Array = field(repr=False)
    train_seconds: float
    fits: int
    steps: int
    size_bytes: int
    predict_ms_per_1000_rows: float
    peak_memory_bytes: int

    @property
    def name(self) -> str:
        return f"{self.strategy}/{self.family}"


class _Evidence:
    """Held-out and test predictions of a round's trials, cut up by task and inner fold."""

    def __init__(self, problem: Problem, around: Round, results: Sequence[Result]) -> None:
        self.problem, self.results = problem, results
        place = np.full(len(problem), -1, dtype=np.intp)
        place[around.train] = np.arange(len(around.train))
        fold_of = np.full(len(around.train), -1, dtype=np.intp)
        for fold, (_, valid) in enumerate(around.folds):
            fold_of[place[valid]] = fold
        self.n_folds = len(around.folds)
        self.train, self.test = around.train, around.test
        self.rows = [self._rows(around.train, task) for task in range(len(problem.tasks))]
        self.rows = [rows[fold_of[rows] >= 0] for rows in self.rows]
        self.test_rows = [self._rows(around.test, task) for task in range(len(problem.tasks))]
        self.fold_of = fold_of
        self.held = [np.stack([r.held_out[d] for r in results]) for d in range(len(problem.targets))]
        self.tests = [np.stack([r.test[d] for r in results]) for d in range(len(problem.targets))]
        self.errors, self.counts = self._errors()
        self.constant = next(p for p, r in enumerate(results) if r.spec.strategy == CONSTANT)

    def _rows(self, rows: NDArray[np.intp], task: int) -> NDArray[np.intp]:
        """Positions in ``rows`` of the task's labelled rows."""
        what = self.problem.tasks[task]
        known = ~np.isnan(self.problem.labels[rows, what.target])
        if self.problem.level is not None:
            known &= self.problem.level[rows] == what.level
        return np.flatnonzero(known)

    def labels(self, task: int, positions: NDArray[np.intp], rows: NDArray[np.intp]) -> Array:
        values: Array = self.problem.labels[rows[positions], self.problem.tasks[task].target]
        return values

    def _errors(self) -> tuple[Array, Array]:
        """Errors ``(K, T, C)`` on each inner fold and rows ``(K, T)`` behind them."""
        tasks = self.problem.tasks
        errors = np.full((self.n_folds, len(tasks), len(self.results)), np.nan)
        counts = np.zeros((self.n_folds, len(tasks)))
        for index, task in enumerate(tasks):
            metric = self.problem.targets[task.target].metric
            for fold in range(self.n_folds):
                own = self.rows[index][self.fold_of[self.rows[index]] == fold]
                counts[fold, index] = len(own)
                y = self.labels(index, own, self.train)
                for place in range(len(self.results)):
                    if len(own):
                        errors[fold, index, place] = metric.error(
                            metric(y, self.held[task.target][place, own])
                        )
        return errors, counts

    def ratios(self, folds: NDArray[np.intp]) -> tuple[Array, Array]:
        """Errors on some folds as shares of the constant's ``(T, C)``, and rows ``(T,)``."""
        weight = self.counts[folds][:, :, None]
        known = ~np.isnan(self.errors[folds])
        total = (np.where(known, self.errors[folds], 0.0) * weight).sum(axis=0)
        share = (known * weight).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / share
            ratio = mean / mean[:, [self.constant]]
        ratio[~np.isfinite(ratio)] = np.nan
        return ratio, self.counts[folds].sum(axis=0)

    def blended_errors(self, weights: Array, fold: int) -> Array:
        """Errors ``(T,)`` of weighted predictions on one inner fold."""
        found = np.full(len(self.rows), np.nan)
        for index, task in enumerate(self.problem.tasks):
            own = self.rows[index][self.fold_of[self.rows[index]] == fold]
            if len(own):
                metric = self.problem.targets[task.target].metric
                mixed = _mixed(weights[index], self.held[task.target], own)
                found[index] = metric.error(metric(self.labels(index, own, self.train), mixed))
        return found

    def scores(self, weights: Array) -> Array:
        """Metrics ``(T,)`` of weighted predictions on the outer test rows."""
        found = np.full(len(self.rows), np.nan)
        for index, task in enumerate(self.problem.tasks):
            own = self.test_rows[index]
            if len(own):
                metric = self.problem.targets[task.target].metric
                mixed = _mixed(weights[index], self.tests[task.target], own)
                found[index] = metric(self.labels(index, own, self.test), mixed)
        return found


def _mixed(weights: Array, predictions: Array, rows: NDArray[np.intp]) -> Array:
    used = np.flatnonzero(weights)
    mixed: Array = np.einsum("c,cnw->nw", weights[used], predictions[used][:, rows])
    return mixed


Procedure = Callable[[NDArray[np.intp]], Array]
"""From inner folds to look at, to weights ``(T, C)``."""


def assemble(problem: Problem, around: Round, results: Sequence[Result]) -> list[Candidate]:
    """All candidates of a round whose trials are done; the constant first."""
    done = [result for result in results if result.status == "done"]
    evidence = _Evidence(problem, around, done)
    names = [result.spec for result in done]
    n_tasks, n_trials = len(problem.tasks), len(done)

    def hot(choice: NDArray[np.intp]) -> Array:
        weights = np.zeros((n_tasks, n_trials))
        weights[np.arange(n_tasks), choice] = 1.0
        return weights

    def picked(places: NDArray[np.intp], *, by_task: bool) -> Procedure:
        def procedure(folds: NDArray[np.intp]) -> Array:
            ratios, rows = evidence.ratios(folds)
            own = ratios[:, places]
            if by_task:
                return hot(places[pick_by_task(own, rows)])
            return hot(np.full(n_tasks, places[pick_for_all(own)]))

        return procedure

    def blended(places: NDArray[np.intp]) -> Procedure:
        def procedure(folds: NDArray[np.intp]) -> Array:
            weights = np.zeros((n_tasks, n_trials))
            for target, what in enumerate(problem.targets):
                tasks = [i for i, task in enumerate(problem.tasks) if task.target == target]
                rows = np.concatenate([evidence.rows[i] for i in tasks])
                rows = rows[np.isin(evidence.fold_of[rows], folds)]
                y = problem.labels[around.train[rows], target]
                own = greedy(evidence.held[target][places][:, rows], y, what.kind) if len(rows) else None
                for task in tasks:
                    weights[task, places] = 1.0 / len(places) if own is None else own
            return weights

        return procedure

    def candidate(
        strategy: str, family: str, shares: bool, places: NDArray[np.intp], procedure: Procedure
    ) -> Candidate:
        everything = np.arange(evidence.n_folds)
        weights = procedure(everything)
        inner = np.nanmean(_cross_fitted(evidence, procedure))
        used = np.flatnonzero(weights.any(axis=0))
        return Candidate(
            strategy,
            family,
            shares,
            tuple(spec.recipe for spec in names),
            weights,
            float(inner),
            evidence.scores(weights),
            train_seconds=sum(done[p].seconds for p in places),
            fits=sum(done[p].fits for p in places),
            steps=sum(done[p].steps for p in places),
            size_bytes=sum(done[p].size_bytes for p in used),
            predict_ms_per_1000_rows=sum(done[p].predict_ms_per_1000_rows for p in used),
            peak_memory_bytes=max(done[p].peak_memory_bytes for p in places),
        )

    floor = np.array([evidence.constant])
    found = [candidate(CONSTANT, NO_FAMILY, False, floor, picked(floor, by_task=False))]
    for name, strategy in STRATEGIES.items():
        families = list(dict.fromkeys(spec.family for spec in names if spec.strategy == name))
        for family in families:
            places = np.array([p for p, s in enumerate(names) if (s.strategy, s.family) == (name, family)])
            procedure = picked(places, by_task=strategy.choice == "task")
            found.append(candidate(name, family, strategy.shares, places, procedure))
        if families and not strategy.shares:
            places = np.array([p for p, s in enumerate(names) if s.strategy in (name, CONSTANT)])
            found.append(candidate(name, BEST, False, places, picked(places, by_task=True)))
            found.append(candidate(name, BLEND, False, places, blended(places)))
    if len(names) > 1:
        everything = np.arange(n_trials)
        found.append(candidate(ENSEMBLE, BLEND, True, everything, blended(everything)))
    return found


def _cross_fitted(evidence: _Evidence, procedure: Procedure) -> Array:
    """Errors ``(T,)`` as shares of the constant's, each inner fold judged with the others' weights."""
    folds = np.arange(evidence.n_folds)
    total = np.zeros(len(evidence.rows))
    share = np.zeros(len(evidence.rows))
    floor = np.zeros(len(evidence.rows))
    for fold in folds:
        others = folds[folds != fold]
        errors = evidence.blended_errors(procedure(others if len(others) else folds), int(fold))
        count = evidence.counts[fold]
        base = evidence.errors[fold, :, evidence.constant]
        known = ~np.isnan(errors) & ~np.isnan(base)
        total += np.where(known, errors, 0.0) * count
        floor += np.where(known, base, 0.0) * count
        share += known * count
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(share > 0, total / floor, np.nan)
    ratio[~np.isfinite(ratio)] = np.nan
    return ratio if not np.isnan(ratio).all() else np.ones_like(ratio)
