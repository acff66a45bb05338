"""The floor: what the support's labels say without looking at the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run, configuration
from sharewise.families._parts import ConstantPart
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._sample import TaskSample
from sharewise.tasks import Array


def constant_of(y: Array, classes: int | None) -> Array:
    """``(W,)``: the mean of ``k`` numbers, or the classes' shares by Laplace's rule, ``(count + 1) / (k + W)``."""
    if classes is None:
        return np.array([y.mean()])
    counts = np.bincount(y.astype(np.intp), minlength=classes) + 1.0
    shares: Array = counts / counts.sum()
    return shares


@final
@dataclass(frozen=True)
class ConstantAdapter(Adapter):
    """Knows nothing of other tasks, and reads nothing of a row."""

    def encode(self, table: Table) -> NDArray[Any]:
        return np.empty((len(table), 0))

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        return ConstantPart(constant_of(y, classes))


@final
class Constant(NewTaskStrategy):
    """Each new task's own constant."""

    name: ClassVar[str] = "constant"
    shares: ClassVar[bool] = False

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        return (configuration("constant"),) if family == "none" else ()

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        return ConstantAdapter()
