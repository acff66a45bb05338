"""Linear text models that pool the tasks of a task column.

Symbols: ``n`` rows, ``V`` grams, ``L`` levels (tasks), ``W`` columns of a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families._parts import FEWEST_ROWS, fit_constant
from sharewise.families._sample import Fit, Model, Predictions, Run, Sample
from sharewise.families.texts._apart import as_said
from sharewise.families.texts._features import TextFeatures
from sharewise.families.texts._sparse import SparsePart, fit_part
from sharewise.problems import Table
from sharewise.tasks import Array, Kind

if TYPE_CHECKING:
    from scipy import sparse

MOST_COLUMNS = 1_000_000
"""Copies of grams at most; beyond, only the grams that most rows of their task have are copied."""
INDICATOR = 1.0
"""Of a row's task, beside texts of length one."""


@final
@dataclass(frozen=True)
class Copies:
    """Final. Which columns stand beside the common ones: one a level, and a copy of each gram that a level's rows have.

    Attributes:
        width: ``V``.
        levels: ``L``.
        keys: ``(c,)`` ascending ``level * V + gram`` of the copies; none where tasks are plainly pooled.
    """

    width: int
    levels: int
    keys: NDArray[np.int64]

    @classmethod
    def of(cls, X: sparse.csr_array, level: NDArray[np.intp], levels: int, *, copies: bool) -> Copies:
        """Those of these rows."""
        keys = np.zeros(0, dtype=np.int64)
        if copies:
            keys, counts = np.unique(_keys(X, level), return_counts=True)
            if len(keys) > MOST_COLUMNS:
                keys = keys[np.sort(np.argsort(-counts, kind="stable")[:MOST_COLUMNS])]
        return cls(X.shape[1], levels, keys)

    def augmented(self, X: sparse.csr_array, level: NDArray[np.intp]) -> sparse.csr_array:
        """``(n, V + L + c)``: what is common, whose row it is, the copies."""
        from scipy import sparse

        rows = np.arange(X.shape[0], dtype=np.int32)
        whose = np.full(len(rows), INDICATOR, dtype=np.float32)
        of = sparse.csr_array((whose, (rows, level.astype(np.int32))), shape=(len(rows), self.levels))
        if not len(self.keys):
            pooled: sparse.csr_array = sparse.hstack([X, of], format="csr", dtype=np.float32)
            return pooled
        keys = _keys(X, level)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        there = self.keys[place] == keys
        row = np.repeat(rows, np.diff(X.indptr))[there]
        cells = row, place[there].astype(np.int32)
        own = sparse.csr_array((X.data[there], cells), shape=(len(rows), len(self.keys)))
        found: sparse.csr_array = sparse.hstack([X, of, own], format="csr", dtype=np.float32)
        return found


def _keys(X: sparse.csr_array, level: NDArray[np.intp]) -> NDArray[np.int64]:
    """``level * V + gram`` of each number of the matrix."""
    whose = np.repeat(level.astype(np.int64), np.diff(X.indptr))
    found: NDArray[np.int64] = whose * X.shape[1] + X.indices
    return found


@final
@dataclass(frozen=True)
class TextPooledModel(Model):
    """Final. One part a target over common and copied columns, or a constant ``(L, W)`` where nothing was learnt."""

    features: TextFeatures
    copies: Copies
    kinds: tuple[Kind, ...]
    parts: tuple[SparsePart | Array, ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        assert level is not None
        X = self.copies.augmented(self.features.transform(table), level)
        return [
            as_said(part.scores(X), kind) if isinstance(part, SparsePart) else part[level]
            for kind, part in zip(self.kinds, self.parts, strict=True)
        ]


def fit_copies(sample: Sample, run: Run, *, copies: bool) -> Fit:
    """Pool the levels of each target.

    With copies every gram has one weight for all levels and one for each (Daumé, *Frustratingly Easy Domain
    Adaptation*, ACL 2007, https://arxiv.org/abs/0907.1815, section 3); the same penalty on all of them shares what
    levels have in common and leaves the rest to each. Without, only the indicator of the level is its own.
    """
    assert sample.level is not None
    features, X = TextFeatures.fit(sample.table)
    beside = Copies.of(X, sample.level, sample.n_levels, copies=copies)
    whole = beside.augmented(X, sample.level)
    run.tick()
    held_out = sample.blank()
    parts: list[SparsePart | Array] = []
    for place, target in enumerate(sample.targets):
        constants = np.zeros((sample.n_levels, target.kind.width))
        for owner, level, rows in sample.cells():
            if owner == place:
                constant, held_out[place][rows] = fit_constant(sample, place, rows)
                constants[level or 0] = constant.predict(np.zeros((1, 0)))[0]
        rows = np.flatnonzero(sample.known(place))
        y, folds = sample.labels[rows, place], sample.folds_within(rows)
        part: SparsePart | Array = constants
        if len(rows) >= FEWEST_ROWS and folds and len(np.unique(y)) > 1:
            part, scores = fit_part(whole[rows], y, target.kind, folds, run)
            better = ~np.isnan(scores).any(axis=1)
            held_out[place][rows[better]] = as_said(scores[better], target.kind)
        parts.append(part)
    kinds = tuple(target.kind for target in sample.targets)
    return Fit(TextPooledModel(features, beside, kinds, tuple(parts)), held_out)
