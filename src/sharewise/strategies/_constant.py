"""The floor: what can be said without looking at the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Fit, Model, Predictions, Run, Sample
from sharewise.problems import Table
from sharewise.tasks import Kind, RaggedKind


@dataclass(frozen=True)
class ConstantModel(Model):
    """Each task's mean or class shares.

    Attributes:
        values: ``(L, W)`` a target; of a ragged one its template.
        kinds: Of the targets, where some are ragged; empty else.
    """

    values: tuple[NDArray[Any], ...]
    kinds: tuple[Kind, ...] = ()

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        code = np.zeros(len(table), dtype=np.intp) if level is None else level
        if not self.kinds:
            return [values[code] for values in self.values]
        return [
            kind.spread(values, table.lengths) if isinstance(kind, RaggedKind) else values[code]
            for kind, values in zip(self.kinds, self.values, strict=True)
        ]


def fit_constant_model(sample: Sample, run: Run) -> Fit:
    """Each task's own constant; a task without training labels gets that of its target."""
    held_out = sample.blank()
    code = np.zeros(len(sample), dtype=np.intp) if sample.level is None else sample.level
    for train, valid in sample.folds:
        said = _constant(sample, train, code).predict(sample.table.take(valid), code[valid])
        for place, values in enumerate(said):
            held_out[place][valid] = values
    run.tick(fits=1)
    return Fit(_constant(sample, np.arange(len(sample)), code), held_out)


def _constant(sample: Sample, rows: NDArray[np.intp], code: NDArray[np.intp]) -> ConstantModel:
    kinds = tuple(target.kind for target in sample.targets)
    return ConstantModel(_values(sample, rows, code), kinds if any(kind.ragged for kind in kinds) else ())


def _values(sample: Sample, rows: NDArray[np.intp], code: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
    found = []
    for place, target in enumerate(sample.targets):
        if isinstance(target.kind, RaggedKind):
            found.append(target.kind.template(sample.truths(place, rows[sample.known(place)[rows]])))
            continue
        y, level = sample.labels[rows, place], code[rows]
        known = ~np.isnan(y)
        y, level = y[known], level[known]
        values = np.tile(target.kind.constant(y), (sample.n_levels, 1))
        for own in np.unique(level):
            values[own] = target.kind.constant(y[level == own])
        found.append(values)
    return tuple(found)
