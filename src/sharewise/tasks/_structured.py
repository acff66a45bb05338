"""Tasks whose answer for one example is more than a value: a mask, boxes, a list of tags.

`Kind` belongs to columns: a label is a number, a prediction a row of numbers, and a metric a mean over rows. Here a truth
and a prediction are objects of their own sizes, and most metrics are no means over examples: intersections and unions
are summed over all pictures first, and detections are ranked across them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError

Truth = TypeVar("Truth")
Found = TypeVar("Found")


class StructuredKind(ABC, Generic[Truth, Found]):
    """Abstract. A final class checks one truth and scores many predictions.

    Attributes:
        name: What users write.
        metrics: The scores it gives; the first is the default, and for all of them greater is better.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]

    @final
    def scores(self, truths: Sequence[Truth], found: Sequence[Found]) -> dict[str, float]:
        """Every metric over these examples; NaN where one is not defined.

        Raises:
            DataError: There are not as many predictions as truths, or one does not fit its truth.
        """
        return self._combine(self._measures(truths, found))

    @final
    def resampled(
        self, truths: Sequence[Truth], found: Sequence[Found], *, draws: int = 200, seed: int = 0
    ) -> dict[str, NDArray[np.float64]]:
        """Every metric (draws,) on examples drawn with replacement (the bootstrap, Efron & Tibshirani 1993, chapter 13).

        They tell what other test examples would have changed, not what another training would have. Equal seeds draw
        the same examples, so that two predictions' values can be subtracted draw by draw.

        Raises:
            DataError: As `scores`.
        """
        measures = self._measures(truths, found)
        rng = np.random.default_rng(seed)
        values: dict[str, list[float]] = {metric: [] for metric in self.metrics}
        for _ in range(draws):
            drawn = self._combine([measures[row] for row in rng.integers(0, len(measures), len(measures))])
            for metric, value in drawn.items():
                values[metric].append(value)
        return {metric: np.array(each) for metric, each in values.items()}

    @abstractmethod
    def check(self, truth: Truth, name: str) -> None:
        """Raises DataError where a truth breaks a rule; `name` says whose it is."""

    @abstractmethod
    def _measure(self, row: int, truth: Truth, found: Found) -> Any:
        """What one example adds; raises DataError, naming the row, where a prediction does not fit."""

    @abstractmethod
    def _combine(self, measures: Sequence[Any]) -> dict[str, float]:
        """Every metric, of what one or more examples add; an example may be there twice."""

    def _measures(self, truths: Sequence[Truth], found: Sequence[Found]) -> list[Any]:
        if len(truths) != len(found) or not len(truths):
            raise DataError(
                f"a {self.name} task has one prediction an example, and one example or more; got {len(found)} for "
                f"{len(truths)}. Pair them."
            )
        return [self._measure(row, *pair) for row, pair in enumerate(zip(truths, found, strict=True))]
