"""A linear text model for every task, none knowing of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sharewise.families._parts import FEWEST_ROWS, fit_constant, softmax
from sharewise.families._sample import Fit, Model, Predictions, Run, Sample
from sharewise.families.texts._features import TextFeatures
from sharewise.families.texts._sparse import SparsePart, fit_part
from sharewise.problems import Table
from sharewise.tasks import Array, Classification, Kind


@final
@dataclass(frozen=True)
class TextLinearModel(Model):
    """Final. Grams once for all tasks, then a part each.

    Attributes:
        kinds: Of the ``D`` targets.
        parts: ``D`` tuples of ``L`` parts, or constants ``(W,)`` where there was too little to learn from.
    """

    features: TextFeatures
    kinds: tuple[Kind, ...]
    parts: tuple[tuple[SparsePart | Array, ...], ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        X = self.features.transform(table)
        code = np.zeros(len(table), dtype=np.intp) if level is None else level
        found: Predictions = []
        for kind, parts in zip(self.kinds, self.parts, strict=True):
            out = np.empty((len(table), kind.width))
            for place in np.unique(code):
                rows, part = np.flatnonzero(code == place), parts[place]
                some = X if len(rows) == len(table) else X[rows]
                out[rows] = as_said(part.scores(some), kind) if isinstance(part, SparsePart) else part
            found.append(out)
        return found


def as_said(scores: Array, kind: Kind) -> Array:
    """Scores as probabilities, or as they are."""
    return softmax(scores) if isinstance(kind, Classification) else scores


def fit_apart(sample: Sample, run: Run) -> Fit:
    """One model a task; too small a task gets its constant."""
    features, X = TextFeatures.fit(sample.table)
    run.tick()
    held_out = sample.blank()
    parts: list[list[SparsePart | Array]] = [[] for _ in sample.targets]
    for place, _, rows in sample.cells():
        kind = sample.targets[place].kind
        y = sample.labels[rows, place]
        folds = sample.folds_within(rows)
        constant, own = fit_constant(sample, place, rows)
        part: SparsePart | Array = constant.predict(np.zeros((1, 0)))[0]
        if len(rows) >= FEWEST_ROWS and folds and len(np.unique(y)) > 1:
            part, scores = fit_part(X[rows], y, kind, folds, run)
            own = np.where(np.isnan(scores), own, as_said(scores, kind))
        parts[place].append(part)
        held_out[place][rows] = own
    kinds = tuple(target.kind for target in sample.targets)
    return Fit(TextLinearModel(features, kinds, tuple(tuple(row) for row in parts)), held_out)
