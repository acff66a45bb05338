"""Linear text models of several targets that read what all of them say.

Symbols: ``n`` rows, ``D`` targets, ``W`` columns of all targets' predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sharewise.families._linear_alone import PENALTIES, fit_logistic
from sharewise.families._parts import FEWEST_ROWS, LinearPart
from sharewise.families._sample import Fit, Fold, Model, Predictions, Run, Sample
from sharewise.families.texts._apart import TextLinearModel, fit_apart
from sharewise.problems import Table
from sharewise.tasks import PROBABILITY_FLOOR, Array, Classification, Kind


@final
@dataclass(frozen=True)
class TextStackedModel(Model):
    """Final. A model a target, and over what all of them say a small one a target.

    Attributes:
        own: The first models.
        mean, spread: ``(W,)`` of what they say.
        parts: A second model a target; None where the first one stays.
    """

    own: TextLinearModel
    mean: Array
    spread: Array
    parts: tuple[LinearPart | None, ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        said = self.own.predict(table, level)
        inputs = (as_inputs(said, self.own.kinds) - self.mean) / self.spread
        return [
            first if part is None else part.predict(inputs)
            for first, part in zip(said, self.parts, strict=True)
        ]


def as_inputs(said: Predictions, kinds: tuple[Kind, ...]) -> Array:
    """Predictions of all targets ``(n, W)``, probabilities by their logarithms."""
    blocks = [
        np.log(np.clip(values, PROBABILITY_FLOOR, 1.0)) if isinstance(kind, Classification) else values
        for values, kind in zip(said, kinds, strict=True)
    ]
    found: Array = np.hstack(blocks)
    return found


def fit_stacked(sample: Sample, run: Run) -> Fit:
    """Stacked generalisation over targets (Godbole & Sarawagi, PAKDD 2004; Spyromitros-Xioufis et al. 2016,
    https://arxiv.org/abs/1211.6581, section 3.1, in the corrected form: the second models learn from held-out
    predictions, as they will be when serving)."""
    first = fit_apart(sample, run)
    assert isinstance(first.model, TextLinearModel)
    if len(sample.targets) == 1:
        return first
    kinds = first.model.kinds
    said = [values.copy() for values in first.held_out]
    for place in range(len(kinds)):
        # Rows without this label taught its model nothing, so that its plain prediction is held out too.
        unseen = np.flatnonzero(np.isnan(said[place]).any(axis=1))
        if len(unseen):
            said[place][unseen] = first.model.predict(sample.table.take(unseen), None)[place]
    inputs = as_inputs(said, kinds)
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
    spread[spread < 1e-9] = 1.0
    inputs = (inputs - mean) / spread
    held_out = [values.copy() for values in first.held_out]
    parts: list[LinearPart | None] = []
    for place, target in enumerate(sample.targets):
        rows = np.flatnonzero(sample.known(place))
        y, folds = sample.labels[rows, place], sample.folds_within(rows)
        if len(rows) < FEWEST_ROWS * len(sample.folds) or len(folds) < 2 or len(np.unique(y)) < 2:
            parts.append(None)
            continue
        part, own = _second(inputs[rows], y, target.kind, folds, run)
        parts.append(part)
        held_out[place][rows] = np.where(np.isnan(own), held_out[place][rows], own)
    model = TextStackedModel(first.model, mean, spread, tuple(parts))
    return Fit(model, held_out)


def _second(X: Array, y: Array, kind: Kind, folds: tuple[Fold, ...], run: Run) -> tuple[LinearPart, Array]:
    """A small dense model, and its held-out predictions ``(n, W)``."""
    if isinstance(kind, Classification):
        return fit_logistic(X, y, kind, folds, run)
    from sklearn.linear_model import RidgeCV

    own = np.full((len(y), 1), np.nan)
    for train, valid in folds:
        own[valid, 0] = RidgeCV(alphas=PENALTIES).fit(X[train], y[train]).predict(X[valid])
        run.tick(fits=1)
    model = RidgeCV(alphas=PENALTIES).fit(X, y)
    weights: Array = np.asarray(model.coef_, dtype=np.float64)[:, None]
    return LinearPart(weights, np.atleast_1d(model.intercept_), "identity"), own
