"""The linear family on pictures: models of frozen features, alone or sharing directions.

A network that somebody trained on many pictures stands in front of all tasks and is never changed, so that what is learnt
here is small and fast, as are the nearest neighbours beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration, Space, configuration
from sharewise.families._linear_alone import fit_ridge
from sharewise.families._linear_long import fit_pooled
from sharewise.families._linear_wide import fit_low_rank
from sharewise.families._parts import FitPart, fit_each
from sharewise.families._reader import Reader
from sharewise.families._sample import Fit, Model, Predictions, Run, Sample
from sharewise.families.pictures._frozen import available
from sharewise.families.pictures._frozen_map import PictureFeatures
from sharewise.families.pictures._linear_neighbours import fit_neighbours
from sharewise.problems import Problem, Table

RIDGE, NEIGHBOURS = "ridge of features", "neighbours of features"
LOW_RANK, OFFSETS = "low-rank ridge of features", "shrunken offsets of features"
ALONE: dict[str, FitPart] = {RIDGE: fit_ridge, NEIGHBOURS: fit_neighbours}
TOGETHER: dict[str, Callable[[Sample, Run], Fit]] = {
    LOW_RANK: fit_low_rank,
    OFFSETS: lambda sample, run: fit_pooled(sample, run, slopes=False),
}


@final
@dataclass(frozen=True)
class PictureModel(Model):
    """A model of a table of features, in front of it the way from pictures to them.

    Attributes:
        features: That way.
        model: Reads the table.
    """

    features: PictureFeatures
    model: Model

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        return self.model.predict(self.features.transform(table), level)


@final
class PictureLinear(Reader):
    """Ridge, logistic regression and neighbours of frozen features; masks and boxes are not for it."""

    learners: ClassVar[tuple[str, ...]] = (*ALONE, *TOGETHER)

    def reads(self, table: Table) -> bool:
        return is_pictures(table)

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        if any(target.kind.ragged for target in problem.targets):
            return ()
        shared = LOW_RANK if problem.is_wide else OFFSETS
        names = available() if effort >= 1 else available()[:1]
        found = [configuration(shared if together else RIDGE, features=name) for name in names]
        if not together and effort >= 1:
            found.insert(1, configuration(NEIGHBOURS, features=names[0]))
        return tuple(found)

    def space(self, problem: Problem, *, together: bool) -> Space:
        return {}  # penalties, ranks and numbers of neighbours are chosen on a grid inside every fit

    def fit(
        self, sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
    ) -> Fit:
        features, table = PictureFeatures.fit(sample.table, configuration.word("features", ""), run.tick)
        numbers = replace(sample, table=table, encoder=None)
        learner = configuration.learner
        fit = (
            fit_each(numbers, "linear", run, ALONE[learner])
            if learner in ALONE
            else TOGETHER[learner](numbers, run)
        )
        return Fit(PictureModel(features, fit.model), fit.held_out)


def is_pictures(table: Table) -> bool:
    """Whether rows are pictures: one column of bytes ``(n, C, H, W)`` of one or three channels."""
    if len(table.columns) != 1 or table.columns[0].kind != "tensor":
        return False
    values = table.columns[0].values
    return values.dtype == np.uint8 and values.ndim == 4 and values.shape[1] in (1, 3)
