"""What kind of thing a task predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.tasks._metric import METRICS, Array, Metric


@dataclass(frozen=True)
class Kind(ABC):
    """A kind of target: how it is checked and encoded, how wide its prediction is, its metrics."""

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    """Names in `METRICS` that fit this kind; the first is the default."""
    ragged: ClassVar[bool] = False
    """Whether the answer for a row is an array of its own shape (`RaggedKind`), not a number or a class."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Columns of a prediction: 1 for a value, the number of classes for probabilities."""

    @property
    def outputs(self) -> int:
        """Numbers that a network's head gives for a row: 1 for a value, a score for every class (so 2 for a
        binary task), as in the stacked networks of the network family."""
        return self.width

    @abstractmethod
    def decode(self, prediction: Array) -> NDArray[np.generic]:
        """Predictions ``(n, width)`` as the values a user would write, ``(n,)``."""

    @abstractmethod
    def constant(self, y: Array) -> Array:
        """The best constant prediction ``(width,)`` for labels ``y`` ``(n,)``, the floor."""

    def metric(self, name: str | None = None) -> Metric:
        """The metric of that name, or the default.

        Raises:
            OptionError: The metric does not exist or does not fit this kind.
        """
        chosen = name or self.metrics[0]
        if chosen not in self.metrics:
            raise OptionError(
                f"a {self.name} task is scored by one of {', '.join(self.metrics)}; got '{chosen}'."
            )
        return METRICS[chosen]
