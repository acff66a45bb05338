"""Who leaves the race: entrants whose side does as well without them.

A side is what may be deployed without sharing, or with it. After some rounds each entrant of a side is asked
two questions, on the rows that inner folds held out so far, paired row by row:

1. By itself, can it still beat its side's leader by more than the tolerance?
2. Does the side's ensemble lose more than the tolerance without it (and without all who left before it)?

It leaves when both are answered "no" with confidence ``1 - error``. One look's error rate for one entrant is
the study's (`ERROR_RATE`) divided by the number of looks: a union bound over looks, nominal in that row-wise
differences are taken as normal and as independent between rows (between groups where rows have groups). Outer
test rows play no part.

Symbols: ``C`` trials of a round, ``N`` rows of the problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sharewise.strategies import STRATEGIES, Strategy, row_losses
from sharewise.studies._assemble import Places, Procedure, blended, picking
from sharewise.studies._held_out import HeldOut
from sharewise.studies._trial import Recipe
from sharewise.tasks import Array

ERROR_RATE = 0.05
"""For one entrant over all looks: leaving although it would have mattered."""
LOOKS = (1, 2, 3, 5)
"""Numbers of finished rounds after which it is asked who leaves."""
MOST_ROWS = 2000
"""Rows of a round that the questions are asked on, at most."""


@dataclass(frozen=True)
class Left:
    """An entrant that left.

    Attributes:
        recipe: Which.
        after: Rounds it ran.
        behind: Its mean loss over its leader's, less one; 0.02 is two percent behind.
        interval: Of that, at the look's confidence.
        cost: What its side's ensemble loses without it, as a share.
    """

    recipe: Recipe
    after: int
    behind: float
    interval: tuple[float, float]
    cost: float


@dataclass(frozen=True)
class Side:
    """Entrants that compete for one place in the deployment.

    Attributes:
        leaving: May be sent home.
        present: Also there (the floor, the other side's survivors), never sent home here.
    """

    leaving: tuple[Recipe, ...]
    present: tuple[Recipe, ...]


def leavers(
    rounds: Sequence[HeldOut],
    side: Side,
    *,
    tolerance: float,
    slack: Mapping[Recipe, float],
    kept: frozenset[Recipe],
) -> list[Left]:
    """Who of a side leaves now, in the order of leaving (the most work first).

    Args:
        rounds: What is known, a round each; every entrant ran in all of them.
        tolerance: Share of the leader's loss that does not matter.
        slack: By how much an entrant may still improve, as a share of the leader's loss.
        kept: Stay whatever they do.
    """
    if not side.leaving:
        return []
    ledger = [_Round(evidence) for evidence in rounds]
    quantile = float(stats.norm.ppf(1 - ERROR_RATE / len(LOOKS)))
    single = {recipe: _Rows.over([one.alone(recipe) for one in ledger]) for recipe in side.leaving}
    leader = min(single, key=lambda recipe: single[recipe].mean())
    best = single[leader].mean()
    entrants = [*side.present, *side.leaving]
    full = _Rows.over([one.ensemble(entrants) for one in ledger])
    found: list[Left] = []
    work = {recipe: ledger[0].work(recipe) for recipe in side.leaving}
    for recipe in sorted(side.leaving, key=lambda r: (*(-part for part in work[r]), str(r))):
        if recipe == leader or recipe in kept or not np.isfinite(single[recipe].mean()):
            continue
        behind, error = (single[recipe] - single[leader]).summary()
        if (behind - quantile * error) / best < slack.get(recipe, 0.0) - tolerance:
            continue  # it may yet lead
        rest = [other for other in entrants if other != recipe]
        loss, doubt = (_Rows.over([one.ensemble(rest) for one in ledger]) - full).summary()
        if (loss + quantile * doubt) / full.mean() > tolerance:
            continue  # the ensemble needs it
        entrants = rest
        around = (behind - quantile * error) / best, (behind + quantile * error) / best
        found.append(Left(recipe, len(rounds), behind / best, around, loss / full.mean()))
    return found


def composite_leaves(
    rounds: Sequence[HeldOut], parts: tuple[Recipe, ...], others: tuple[Recipe, ...], *, tolerance: float
) -> list[Left]:
    """The same two questions of trials that serve some tasks each and compete as one: all or none leave.

    Args:
        others: All other entrants, the floor included.
    """
    strategy, family = STRATEGIES[parts[0].strategy], parts[0].family
    ledger = [_Round(evidence) for evidence in rounds]
    composites = [one.composite(strategy, family, parts) for one in ledger]
    mates = [r for r in others if r.strategy in STRATEGIES and STRATEGIES[r.strategy].shares]
    if not mates or any(own is None for own in composites):
        return []
    quantile = float(stats.norm.ppf(1 - ERROR_RATE / len(LOOKS)))
    composite = _Rows.over([own for own in composites if own is not None])
    single = {recipe: _Rows.over([one.alone(recipe) for one in ledger]) for recipe in mates}
    leader = min(single.values(), key=_Rows.mean)
    best = leader.mean()
    behind, error = (composite - leader).summary()
    if (behind - quantile * error) / best < -tolerance:
        return []
    full = _Rows.over([one.ensemble([*others, *parts]) for one in ledger])
    loss, doubt = (_Rows.over([one.ensemble(others) for one in ledger]) - full).summary()
    if (loss + quantile * doubt) / full.mean() > tolerance:
        return []
    around = (behind - quantile * error) / best, (behind + quantile * error) / best
    return [Left(part, len(rounds), behind / best, around, loss / full.mean()) for part in parts]


@dataclass(frozen=True)
class _Rows:
    """Losses by row, every task weighing the same.

    Attributes:
        values: ``(N,)`` what each row adds to the mean over tasks; 0 where it was not held out.
        cluster: ``(N,)`` what is drawn together.
    """

    values: Array
    cluster: NDArray[np.intp]

    @classmethod
    def over(cls, rounds: Sequence[_Rows]) -> _Rows:
        """Averaged over rounds."""
        return cls(np.mean([one.values for one in rounds], axis=0), rounds[0].cluster)

    def __sub__(self, other: _Rows) -> _Rows:
        return _Rows(self.values - other.values, self.cluster)

    def mean(self) -> float:
        return float(self.values.sum())

    def summary(self) -> tuple[float, float]:
        """The sum and its standard error, clusters being independent."""
        used = self.values != 0
        totals = np.bincount(self.cluster[used], weights=self.values[used])
        totals = totals[np.bincount(self.cluster[used]) > 0]
        if len(totals) < 2:
            return self.mean(), 0.0
        return self.mean(), float(np.sqrt(len(totals)) * totals.std(ddof=1))


class _Round:
    """One round's rows: where each task's labelled rows lie, and what one of them weighs."""

    def __init__(self, evidence: HeldOut) -> None:
        self.evidence = evidence
        self.recipes = [result.spec.recipe for result in evidence.results]
        problem = evidence.problem
        group = np.arange(len(problem)) if problem.group is None else problem.group
        self.cluster = np.unique(group, return_inverse=True)[1].astype(np.intp)
        rng = np.random.default_rng(len(problem))
        self.rows = []
        self.floor = np.full(len(problem.tasks), np.nan)
        share = min(1.0, MOST_ROWS / max(len(evidence.train), 1))
        inside = rng.random(len(evidence.train)) < share
        for index, task in enumerate(problem.tasks):
            own = evidence.rows[index]
            own = own[inside[own]] if inside[own].any() else own
            self.rows.append(own)
            if len(own):
                y = evidence.labels(index, own, evidence.train)
                kind = problem.targets[task.target].kind
                constant = evidence.held[task.target][evidence.constant][own]
                self.floor[index] = float(np.nanmean(row_losses(constant, y, kind)))
        self.floor = evidence.steadied(self.floor, np.array([float(len(own)) for own in self.rows]))
        self.known = np.flatnonzero(self.floor > 0)

    def _places(self, recipes: Sequence[Recipe]) -> Places:
        wanted = set(recipes)
        return np.array([p for p, recipe in enumerate(self.recipes) if recipe in wanted], dtype=np.intp)

    def work(self, recipe: Recipe) -> tuple[int, int]:
        """What the entrant's trial took, in fits and steps, and its size: unlike seconds the same whenever
        it is run."""
        own = [self.evidence.results[int(place)] for place in self._places([recipe])]
        return sum(result.fits + result.steps for result in own), sum(result.size_bytes for result in own)

    def alone(self, recipe: Recipe) -> _Rows:
        """An entrant's own losses; of one that serves some tasks only, infinite."""
        places = self._places([recipe])
        if not self.evidence.serves[:, places].all():
            return _Rows(np.full(len(self.cluster), np.inf), self.cluster)
        whole = np.zeros((len(self.rows), len(self.recipes)))
        whole[:, places] = 1.0
        return self._losses([whole] * self.evidence.n_folds)

    def composite(self, strategy: Strategy, family: str, parts: Sequence[Recipe]) -> _Rows | None:
        """Losses of what a strategy chooses among trials that serve some tasks each."""
        procedure = picking(self.evidence, strategy, family, self._places(parts))
        return None if procedure is None else self._judged(procedure)

    def ensemble(self, recipes: Sequence[Recipe]) -> _Rows:
        """Losses of the greedy ensemble of some entrants, every inner fold with the others' weights."""
        return self._judged(blended(self.evidence, self._places(recipes)))

    def _judged(self, procedure: Procedure) -> _Rows:
        folds = np.arange(self.evidence.n_folds)
        by_fold = [procedure(folds[folds != fold] if len(folds) > 1 else folds) for fold in folds]
        return self._losses(by_fold)

    def _losses(self, weights: Sequence[Array]) -> _Rows:
        """Of weights ``(T, C)`` a fold."""
        evidence, problem = self.evidence, self.evidence.problem
        values = np.zeros(len(problem))
        for index in self.known:
            task, own = problem.tasks[index], self.rows[index]
            y = evidence.labels(int(index), own, evidence.train)
            losses = np.full(len(own), np.nan)
            for fold in range(evidence.n_folds):
                inside = evidence.fold_of[own] == fold
                if inside.any():
                    mixed = evidence.mixed(int(index), weights[fold][index], evidence.held, own[inside])
                    losses[inside] = row_losses(mixed, y[inside], problem.targets[task.target].kind)
            known = ~np.isnan(losses)
            share = self.floor[index] * known.sum() * len(self.known)
            np.add.at(values, evidence.train[own[known]], losses[known] / share)
        return _Rows(values, self.cluster)
