"""What a family is given to fit, and what it gives back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem, Table, Target
from sharewise.tasks import Array, Kind

Rows = NDArray[np.intp]
Fold = tuple[Rows, Rows]
Predictions = list[NDArray[Any]]
"""One array ``(n, W_d)`` a target column; in a long problem each row's are for its own level. Of a ragged target an object
array ``(n, 1)``, a cell a row."""


class OutOfTime(Exception):
    """The study's deadline passed inside a fit; the trial is cut, not failed."""


@dataclass
class Run:
    """One fit under way: its randomness, its deadline, and what it has cost so far.

    Attributes:
        seed: Same seed, same result.
        deadline: `time.monotonic` value after which the fit is to stop, or None.
        effort: 0 (scouting) to 3 (thorough); bounds iterations.
        fits: Models fitted so far.
        steps: Boosting rounds, trees or optimiser steps so far.
    """

    seed: int
    deadline: float | None = None
    effort: int = 2
    fits: int = 0
    steps: int = 0

    def tick(self, *, fits: int = 0, steps: int = 0) -> None:
        """Count work and stop where the deadline has passed.

        Raises:
            OutOfTime: The deadline has passed.
        """
        self.fits += fits
        self.steps += steps
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime


@dataclass(frozen=True)
class Sample:
    """Training rows with inner folds.

    Symbols: ``n`` rows, ``D`` targets, ``L`` levels (1 in a wide problem).

    Attributes:
        table: Features of the ``n`` rows.
        targets: The ``D`` targets.
        labels: ``(n, D)``, NaN where missing.
        level: ``(n,)`` codes, or None in a wide problem.
        n_levels: ``L``.
        folds: Inner (train, validation) positions into these rows. Validation parts are disjoint and,
            except under a time split, cover all rows.
        encoder: The user's own module, for a column of tensors; whoever trains takes a copy.
        answers: Truths of ragged targets ``(n,)``, as in `Problem`.
        unlabelled: Features of further rows that no task has labelled, for learning from features alone.
    """

    table: Table
    targets: tuple[Target, ...]
    labels: Array
    level: NDArray[np.intp] | None
    n_levels: int
    folds: tuple[Fold, ...]
    encoder: Any = field(default=None, compare=False, repr=False)
    answers: tuple[NDArray[np.object_] | None, ...] = field(default=(), repr=False)
    unlabelled: Table | None = field(default=None, repr=False)

    @classmethod
    def of(cls, problem: Problem, rows: Rows, folds: tuple[Fold, ...]) -> Sample:
        """The given rows of a problem; ``folds`` hold positions into the problem."""
        place = np.full(len(problem), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        inner = tuple((place[train], place[valid]) for train, valid in folds)
        level = None if problem.level is None else problem.level[rows]
        count = 1 if problem.levels is None else len(problem.levels)
        return cls(
            problem.table.take(rows),
            problem.targets,
            problem.labels[rows],
            level,
            count,
            inner,
            problem.encoder,
            tuple(None if cells is None else cells[rows] for cells in problem.answers),
            problem.unlabelled,
        )

    def __len__(self) -> int:
        return len(self.table)

    def known(self, target: int) -> NDArray[np.bool_]:
        """``(n,)`` whether the row is labelled for that target."""
        return ~np.isnan(self.labels[:, target])

    def cells(self) -> list[tuple[int, int | None, Rows]]:
        """Each (target, level) with its labelled rows; level None in a wide problem."""
        found: list[tuple[int, int | None, Rows]] = []
        for target in range(len(self.targets)):
            known = self.known(target)
            if self.level is None:
                found.append((target, None, np.flatnonzero(known)))
                continue
            rows = np.flatnonzero(known)
            order = rows[np.argsort(self.level[rows], kind="stable")]
            bounds = np.searchsorted(self.level[order], np.arange(self.n_levels + 1))
            found.extend(
                (target, code, order[bounds[code] : bounds[code + 1]]) for code in range(self.n_levels)
            )
        return found

    def folds_within(self, rows: Rows) -> tuple[Fold, ...]:
        """The inner folds restricted to ``rows``, as positions into ``rows``; empty parts left out."""
        place = np.full(len(self), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        found = []
        for train, valid in self.folds:
            inside = place[train], place[valid]
            kept = inside[0][inside[0] >= 0], inside[1][inside[1] >= 0]
            if len(kept[0]) and len(kept[1]):
                found.append(kept)
        return tuple(found)

    def blank(self) -> Predictions:
        """NaN predictions of the right shape, to be filled fold by fold."""
        return [blank(target.kind, len(self)) for target in self.targets]

    def truths(self, target: int, rows: Rows) -> NDArray[Any]:
        """Labels of labelled rows, or the cells of a ragged target."""
        cells = self.answers[target] if self.answers else None
        return self.labels[rows, target] if cells is None else cells[rows]


def blank(kind: Kind, count: int) -> NDArray[Any]:
    """Predictions of so many rows that say nothing yet."""
    return np.full((count, kind.width), np.nan, dtype=object if kind.ragged else np.float64)


class Model(ABC):
    """A fitted model of all tasks of a problem; plain data, so that it can be stored safely."""

    @abstractmethod
    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        """Predict ``n`` rows: a list of ``(n, W_d)``, one array a target."""


class Part(ABC):
    """A fitted predictor of one target from encoded features."""

    @abstractmethod
    def predict(self, X: Array) -> Array:
        """``(n, P) -> (n, W)``."""


@dataclass(frozen=True)
class Fit:
    """A model with what it says about the rows it learnt from, each row when it was held out.

    Attributes:
        model: Ready for new rows.
        held_out: Predictions for the sample's rows by models that did not see them (inner folds);
            NaN where no fold held a row out.
    """

    model: Model
    held_out: Predictions = field(repr=False)
