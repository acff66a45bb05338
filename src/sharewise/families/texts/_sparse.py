"""Linear models of one task over sparse rows: logistic regression or ridge, the penalty by held-out rows.

Symbols: ``n`` rows, ``V`` columns, ``W`` columns of a prediction, ``v`` columns that occur in these rows.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families._cross_fit import choose_rows
from sharewise.families._linear_alone import log_losses
from sharewise.families._sample import Fold, Run
from sharewise.tasks import Array, Classification, Kind

if TYPE_CHECKING:
    from scipy import sparse

INVERSE_PENALTIES = (0.3, 1.5, 6.0, 25.0, 100.0)
"""Of logistic regression, strongest penalty first; texts have length one."""
PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0)
"""Of ridge, strongest first."""
PASSES = 12
"""Over all rows at each penalty, from where the one before ended."""
WORSE = 1.02
"""A path of penalties ends where the held-out loss is so many times the least."""


@final
@dataclass(frozen=True)
class SparsePart:
    """Final. Scores ``x·weights + intercept`` of one target, from the columns that its rows had.

    Attributes:
        columns: ``(v,)`` which.
        weights: ``(v, W)`` float32.
        intercept: ``(W,)``.
    """

    columns: NDArray[np.int32]
    weights: NDArray[np.float32]
    intercept: Array

    def scores(self, X: sparse.csr_array) -> Array:
        """``(n, W)``."""
        whole = np.zeros((X.shape[1], self.weights.shape[1]), dtype=np.float32)
        whole[self.columns] = self.weights
        found: Array = (X @ whole).astype(np.float64) + self.intercept
        return found


def fit_part(
    X: sparse.csr_array, y: Array, kind: Kind, folds: tuple[Fold, ...], run: Run
) -> tuple[SparsePart, Array]:
    """The penalty that held-out rows like, and the model at it.

    Args:
        X: ``(n, V)``.
        y: ``(n,)`` labels.
        folds: Positions into these rows.

    Returns:
        The part; scores ``(n, W)`` of the rows when they were held out, NaN where none were.
    """
    columns = np.unique(X.indices).astype(np.int32)
    near = X[:, columns]
    classes = isinstance(kind, Classification)
    grid = INVERSE_PENALTIES if classes else PENALTIES
    held = np.full((len(grid), len(y), kind.width), np.nan)
    losses = np.full((len(grid), len(y)), np.nan)
    for train, valid in folds:
        path = _Path(near[train], y[train], kind, run)
        least = np.inf
        for place, strength in enumerate(grid):
            held[place:, valid] = path.at(strength).scores(near[valid])
            losses[place:, valid] = _losses(held[place, valid], y[valid], classes)
            least = min(least, float(losses[place, valid].mean()))
            if losses[place, valid].mean() > WORSE * least:
                break  # weaker penalties only get worse from here; they count as this one
    own, best = choose_rows(held, losses, folds)
    path = _Path(near, y, kind, run)
    for strength in grid[: best + 1] if classes else grid[best : best + 1]:
        part = path.at(strength)
    return SparsePart(columns, part.weights, part.intercept), own


def _losses(scores: Array, y: Array, classes: bool) -> Array:
    """``(n,)``."""
    if not classes:
        squared: Array = (scores[:, 0] - y) ** 2
        return squared
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Array = log_losses((shares / shares.sum(axis=1, keepdims=True))[None], y)[0]
    return found


class _Path:
    """Fits of the same rows at ever weaker penalties, each from where the one before ended."""

    def __init__(self, X: sparse.csr_array, y: Array, kind: Kind, run: Run) -> None:
        self.X, self.y, self.kind, self.run = X, y, kind, run
        self.columns = np.arange(X.shape[1], dtype=np.int32)
        self.model: Any = None

    def at(self, strength: float) -> SparsePart:
        """The model at this penalty."""
        self.run.tick(fits=1)
        if isinstance(self.kind, Classification):
            return self._logistic(strength, self.kind)
        from sklearn.linear_model import Ridge

        model = Ridge(strength, solver="sparse_cg", tol=1e-3).fit(self.X, self.y)
        intercept = np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64))
        return SparsePart(self.columns, np.atleast_2d(model.coef_).T.astype(np.float32), intercept)

    def _logistic(self, strength: float, kind: Classification) -> SparsePart:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        seen, counts = np.unique(self.y, return_counts=True)
        codes = seen.astype(np.intp)
        weights = np.zeros((self.X.shape[1], kind.width), dtype=np.float32)
        # A class that these rows lack keeps the odds of half a label beside an average row.
        intercept = np.full(kind.width, np.log(0.5 / len(self.y)))
        if len(seen) < 2:
            intercept[codes] = np.log(counts / len(self.y))
            return SparsePart(self.columns, weights, intercept)
        if self.model is None:
            self.model = LogisticRegression(
                solver="sag", max_iter=PASSES, tol=1e-3, warm_start=True, random_state=self.run.seed % 2**31
            )
        self.model.C = strength
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # held-out rows judge what came of it
            self.model.fit(self.X, self.y)
        if len(seen) == 2:
            weights[:, codes[1]] = self.model.coef_[0]
            intercept[codes] = 0.0, float(self.model.intercept_[0])
        else:
            weights[:, codes] = self.model.coef_.T
            intercept[codes] = self.model.intercept_
        absent = np.setdiff1d(np.arange(kind.width), codes)
        if len(absent):
            typical = np.asarray(self.X.mean(axis=0)).ravel() @ weights[:, codes] + intercept[codes]
            intercept[absent] = np.log(0.5 / len(self.y)) + np.log(np.exp(typical).sum())
        return SparsePart(self.columns, weights, intercept)
