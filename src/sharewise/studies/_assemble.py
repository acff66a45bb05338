"""From the trials of one round to what competes: decided on inner folds, measured on the outer one.

Every candidate is a weight matrix over the round's trials, found by a procedure that sees held-out
predictions only. Its inner error is cross-fitted (weights from the other inner folds, error on this
one), so that picking or blending many models is not rewarded for its luck.

Symbols: ``C`` trials, ``T`` tasks, ``K`` inner folds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem
from sharewise.strategies import (
    ENSEMBLE,
    STRATEGIES,
    Strategy,
    greedy,
    pick_by_group,
    pick_by_task,
    pick_for_all,
)
from sharewise.studies._held_out import HeldOut
from sharewise.studies._protocol import Round
from sharewise.studies._trial import CONSTANT, NO_FAMILY, Recipe, Result, Spec
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
        size_bytes, predict_ms_per_1000_rows, peak_memory_bytes, predict_ms_one_row: Of the trials with weight.
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
    predict_ms_one_row: float = float("nan")

    @property
    def name(self) -> str:
        return f"{self.strategy}/{self.family}"


Procedure = Callable[[NDArray[np.intp]], Array]
"""From inner folds to look at, to weights ``(T, C)``."""


Places = NDArray[np.intp]


def assemble(problem: Problem, around: Round, results: Sequence[Result]) -> list[Candidate]:
    """All candidates of a round whose trials are done; the constant first."""
    done = [result for result in results if result.status == "done"]
    evidence = HeldOut(problem, around, done)
    names = [result.spec for result in done]
    floor = np.array([evidence.constant])
    found = [_candidate(evidence, CONSTANT, NO_FAMILY, False, floor, picked(evidence, floor, by_task=False))]
    for name, strategy in STRATEGIES.among(spec.strategy for spec in names):
        families = list(dict.fromkeys(spec.family for spec in names if spec.strategy == name))
        for family in families:
            places = places_of(names, [(name, family)])
            procedure = picking(evidence, strategy, family, places)
            if procedure is not None:
                found.append(_candidate(evidence, name, family, strategy.shares, places, procedure))
        if families and strategy.direct == "alone":
            places = np.sort(np.append(places_of(names, [(name, f) for f in families]), floor))
            best = picked(evidence, places, by_task=True)
            found.append(_candidate(evidence, name, BEST, False, places, best))
            found.append(_candidate(evidence, name, BLEND, False, places, blended(evidence, places)))
    if any(spec.strategy in STRATEGIES and STRATEGIES[spec.strategy].shares for spec in names):
        everything = np.arange(len(names))
        found.append(_candidate(evidence, ENSEMBLE, BLEND, True, everything, blended(evidence, everything)))
    return found


def places_of(specs: Sequence[Spec], rows: Collection[tuple[str, str]]) -> Places:
    """Places of the trials of some (strategy, family)."""
    wanted = [place for place, spec in enumerate(specs) if (spec.strategy, spec.family) in rows]
    return np.array(wanted, dtype=np.intp)


def picking(evidence: HeldOut, strategy: Strategy, family: str, places: Places) -> Procedure | None:
    """How a strategy chooses among its trials in a family; None where what it needs is missing."""
    if strategy.choice != "group":
        return picked(evidence, places, by_task=strategy.choice == "task")
    names = [result.spec for result in evidence.results]
    there = tuple(STRATEGIES.among(spec.strategy for spec in names))
    alone = places_of(names, [(n, family) for n, s in there if not s.shares])
    whole = places_of(names, [(n, family) for n, s in there if s.shares and s.choice == "problem"])
    return _grouped(evidence, alone, np.concatenate([whole, places])) if len(alone) else None


def _hot(choice: Places, count: int) -> Array:
    weights = np.zeros((len(choice), count))
    weights[np.arange(len(choice)), choice] = 1.0
    return weights


def picked(evidence: HeldOut, places: Places, *, by_task: bool) -> Procedure:
    """One of the trials for all tasks, or for each task one."""

    def procedure(folds: NDArray[np.intp]) -> Array:
        ratios, rows = evidence.ratios(folds)
        own = ratios[:, places]
        choice = pick_by_task(own, rows) if by_task else np.full(len(own), pick_for_all(own))
        return _hot(places[choice], len(evidence.results))

    return procedure


def _grouped(evidence: HeldOut, alone: Places, groups: Places) -> Procedure:
    """For each task the group it gains most from, or the best of the trials that fit it alone."""

    def procedure(folds: NDArray[np.intp]) -> Array:
        ratios, rows = evidence.ratios(folds)
        own = alone[pick_for_all(ratios[:, alone])]
        places = np.concatenate([[own], groups])
        choice = pick_by_group(ratios[:, places], rows, evidence.serves[:, places], 0)
        return _hot(places[choice], len(evidence.results))

    return procedure


def blended(evidence: HeldOut, places: Places) -> Procedure:
    """A greedy ensemble of the trials, of its own for each target."""
    problem = evidence.problem

    def procedure(folds: NDArray[np.intp]) -> Array:
        weights = np.zeros((len(problem.tasks), len(evidence.results)))
        for target, what in enumerate(problem.targets):
            tasks = [i for i, task in enumerate(problem.tasks) if task.target == target]
            rows = np.concatenate([evidence.rows[i] for i in tasks])
            rows = rows[np.isin(evidence.fold_of[rows], folds)]
            usable = places[evidence.serves[tasks][:, places].all(axis=0)]
            y = problem.truths(target, evidence.train[rows])
            own = greedy(evidence.held[target][usable][:, rows], y, what.kind) if len(rows) else None
            for task in tasks:
                weights[task, usable] = 1.0 / len(usable) if own is None else own
        return weights

    return procedure


def _candidate(
    evidence: HeldOut, strategy: str, family: str, shares: bool, places: Places, procedure: Procedure
) -> Candidate:
    """What a procedure makes of all inner folds, judged inside and outside.

    Args:
        places: The trials whose cost it bears.
    """
    done = evidence.results
    weights = procedure(np.arange(evidence.n_folds))
    used = [int(place) for place in np.flatnonzero(weights.any(axis=0))]
    return Candidate(
        strategy,
        family,
        shares,
        tuple(result.spec.recipe for result in done),
        weights,
        float(np.nanmean(cross_fitted(evidence, procedure))),
        evidence.scores(weights),
        train_seconds=sum(done[p].seconds for p in places),
        fits=sum(done[p].fits for p in places),
        steps=sum(done[p].steps for p in places),
        size_bytes=sum(done[p].size_bytes for p in used),
        predict_ms_per_1000_rows=sum(done[p].predict_ms_per_1000_rows for p in used),
        peak_memory_bytes=max(done[p].peak_memory_bytes for p in places),
        predict_ms_one_row=sum(done[p].predict_ms_one_row for p in used),
    )


def cross_fitted(evidence: HeldOut, procedure: Procedure) -> Array:
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
        ratio = np.where(share > 0, (total / share) / evidence.steadied(floor / share, share), np.nan)
    ratio[~np.isfinite(ratio)] = np.nan
    return ratio if not np.isnan(ratio).all() else np.ones_like(ratio)
