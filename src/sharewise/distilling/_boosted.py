"""The boosted student: one small booster a target (LightGBM), where a family's is a committee of several large ones.

Symbols: ``n`` rows, ``W`` columns of a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import lightgbm
import numpy as np

from sharewise.distilling._lesson import Lesson
from sharewise.distilling._student import Student
from sharewise.families import Model, Part, Run, configuration
from sharewise.families._boosting import Committee, Stack, StackedBoosterModel, booster_params
from sharewise.families._parts import FEWEST_ROWS, ConstantPart, PartsModel
from sharewise.families._sample import Fold
from sharewise.modalities import TabularEncoder
from sharewise.problems import Problem
from sharewise.tasks import Array, Binary, Classification, Kind

JUDGES, PATIENCE = 2, 40
"""Inner folds that say how many trees, and rounds without a better loss after which they stop asking."""
LEAST_SHARE = 1e-3
"""A class of less probability is no row of its own for the booster."""


@final
@dataclass(frozen=True)
class BoostedStudent(Student):
    """Final. A booster a target; in a long table the level is one of its categories.

    Attributes:
        leaves: Of a tree.
        rounds: Trees at most (for each class of several); inner folds say how many.
        rate: Learning rate.
    """

    leaves: int
    rounds: int
    rate: float

    @property
    def name(self) -> str:
        return f"boosting, {self.rounds} trees of {self.leaves} leaves"

    def suits(self, problem: Problem) -> bool:
        return True

    def fit(self, lesson: Lesson, run: Run) -> Model:
        sample = lesson.sample
        encoder = TabularEncoder.fit(sample.table, "trees")
        X, categorical = encoder.transform(sample.table), encoder.categorical
        if sample.level is not None:
            categorical = (*categorical, X.shape[1])
            X = np.column_stack([X, sample.level])
        parts: list[tuple[Part]] = []
        stacks: list[Stack] = []
        for place, (target, aims) in enumerate(zip(sample.targets, lesson.aims, strict=True)):
            rows = np.flatnonzero(~np.isnan(aims).any(axis=1))
            if len(rows) < FEWEST_ROWS and sample.level is None:
                value = aims[rows].mean(axis=0) if len(rows) else target.kind.constant(np.zeros(0))
                parts.append((ConstantPart(value),))
                continue
            own = self._committee(
                X[rows], aims[rows], target.kind, sample.folds_within(rows), categorical, run
            )
            parts.append((own,))
            stacks.append(Stack((place,), own, np.zeros(1), np.ones(1)))
        if sample.level is None:
            return PartsModel(encoder, tuple(parts))
        return StackedBoosterModel(encoder, tuple(stacks), True)

    def _committee(
        self,
        X: Array,
        aims: Array,
        kind: Kind,
        folds: tuple[Fold, ...],
        categorical: tuple[int, ...],
        run: Run,
    ) -> Committee:
        """Of one booster."""
        params = self._params(kind, len(X), X.shape[1], run)
        rounds = self._rounds(X, aims, kind, folds[:JUDGES], categorical, params, run)
        booster = lightgbm.Booster(params, _dataset(X, aims, kind, np.arange(len(X)), categorical, params))
        for _ in range(rounds):
            booster.update()
        run.tick(fits=1, steps=rounds)
        return Committee((_as_classes(booster.model_to_string(), kind),), kind)

    def _params(self, kind: Kind, rows: int, width: int, run: Run) -> dict[str, Any]:
        settings = configuration("boosting", learning_rate=self.rate)
        least = int(np.clip(rows // 30, 2, 20))
        share = 0.8 if width > 4 else 1.0
        params = booster_params(kind, settings, run, leaves=self.leaves, least_rows=least, features=share)
        return params | ({"objective": "cross_entropy"} if isinstance(kind, Binary) else {})

    def _rounds(
        self,
        X: Array,
        aims: Array,
        kind: Kind,
        folds: Sequence[Fold],
        categorical: Sequence[int],
        params: dict[str, Any],
        run: Run,
    ) -> int:
        """Trees at which the folds' mean held-out loss is least."""
        boosters = []
        for train, valid in folds:
            whole = _dataset(X, aims, kind, train, categorical, params)
            boosters.append(lightgbm.Booster(params, whole))
            boosters[-1].add_valid(_dataset(X, aims, kind, valid, categorical, params, whole), "held out")
        best, least, place = self.rounds, np.inf, 0
        while boosters and place < min(self.rounds, best + PATIENCE):
            for booster in boosters:
                booster.update()
            place += 1
            run.tick(steps=len(boosters))
            loss = float(np.mean([booster.eval_valid()[0][2] for booster in boosters]))
            best, least = (place, loss) if loss < least else (best, least)
        return best


def _dataset(
    X: Array,
    aims: Array,
    kind: Kind,
    rows: Any,
    categorical: Sequence[int],
    params: dict[str, Any],
    reference: lightgbm.Dataset | None = None,
) -> lightgbm.Dataset:
    """Rows with numbers or, of two classes, the second one's probability; of more, a row for each class that has any,
    weighted by it."""
    label, weight = aims[rows, -1], None
    if isinstance(kind, Classification) and not isinstance(kind, Binary):
        place, code = np.nonzero(aims[rows] > LEAST_SHARE)
        label, weight, rows = code.astype(np.float64), aims[rows][place, code], rows[place]
    return lightgbm.Dataset(
        X[rows],
        label,
        weight=weight,
        categorical_feature=list(categorical),
        params=params,
        reference=reference,
    ).construct()


def _as_classes(text: str, kind: Kind) -> str:
    """A booster of probabilities predicts as one of two classes does, by the same sigmoid; files know the latter."""
    head, found, rest = text.partition("\nobjective=cross_entropy\n")
    return f"{head}\nobjective=binary sigmoid:1\n{rest}" if isinstance(kind, Binary) and found else text
