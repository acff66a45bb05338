"""The floor: what can be said without looking at the features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Fit, Model, Predictions, Run, Sample
from sharewise.problems import Table
from sharewise.tasks import Array


@dataclass(frozen=True)
class ConstantModel(Model):
    """Each task's mean or class shares, ``(L, W)`` a target."""

    values: tuple[Array, ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        code = np.zeros(len(table), dtype=np.intp) if level is None else level
        return [values[code] for values in self.values]


def fit_constant_model(sample: Sample, run: Run) -> Fit:
    """Each task's own constant; a task without training labels gets that of its target."""
    held_out = sample.blank()
    code = np.zeros(len(sample), dtype=np.intp) if sample.level is None else sample.level
    for train, valid in sample.folds:
        inner = ConstantModel(_values(sample, train, code))
        for place, values in enumerate(inner.values):
            held_out[place][valid] = values[code[valid]]
    run.tick(fits=1)
    return Fit(ConstantModel(_values(sample, np.arange(len(sample)), code)), held_out)


def _values(sample: Sample, rows: NDArray[np.intp], code: NDArray[np.intp]) -> tuple[Array, ...]:
    found = []
    for place, target in enumerate(sample.targets):
        y, level = sample.labels[rows, place], code[rows]
        known = ~np.isnan(y)
        y, level = y[known], level[known]
        values = np.tile(target.kind.constant(y), (sample.n_levels, 1))
        for own in np.unique(level):
            values[own] = target.kind.constant(y[level == own])
        found.append(values)
    return tuple(found)
