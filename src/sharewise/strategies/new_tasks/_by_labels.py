"""One learner, adapted in another way for another number of labels.

Symbols: ``k`` support rows, ``q`` query rows, ``W`` columns of a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Part
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter
from sharewise.strategies.new_tasks._sample import Rows
from sharewise.tasks import Array


@final
@dataclass(frozen=True, eq=False)
class ByLabels(Adapter):
    """Adapters that read rows alike, each for supports of some size.

    Attributes:
        rungs: The least number of support rows and the adapter from there on, rising; the first serves smaller ones too.
    """

    rungs: tuple[tuple[int, NetworkAdapter], ...]

    def encode(self, table: Table) -> NDArray[Any]:
        return self.rungs[0][1].encode(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        return self.rungs[self._place(len(y))][1].adapt(X, y, classes)

    def predict_each(
        self, X: NDArray[Any], jobs: Sequence[tuple[Rows, Array, Rows]], classes: int | None
    ) -> list[Array]:
        found: list[Array] = [np.empty(0)] * len(jobs)
        places = np.array([self._place(len(y)) for _, y, _ in jobs], dtype=np.intp)
        for rung in np.unique(places):
            own = np.flatnonzero(places == rung).tolist()
            answers = self.rungs[int(rung)][1].predict_each(X, [jobs[job] for job in own], classes)
            for job, answer in zip(own, answers, strict=True):
                found[job] = answer
        return found

    def _place(self, labels: int) -> int:
        return max(sum(least <= labels for least, _ in self.rungs) - 1, 0)
