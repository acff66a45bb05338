"""Kinds whose answer for a row is an array of its own shape: tags of a sentence, a mask, boxes.

Rows, folds, metrics and weights of a study treat them as they treat numbers and classes; what an answer *is* stays here.

Symbols: ``n`` rows, ``c`` candidates that predict them. A *cell* is what is said of one row.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks._kind import Kind
from sharewise.tasks._metric import Array

Cells = NDArray[np.object_]
"""Objects, each an array; NaN (a float) where nothing is said."""


@dataclass(frozen=True)
class RaggedKind(Kind):
    """Abstract. Truths and predictions are cells, in object arrays ``(n,)`` and ``(n, 1)``."""

    ragged: ClassVar[bool] = True

    @property
    def width(self) -> int:
        return 1

    @abstractmethod
    def losses(self, truths: Cells, found: Cells) -> Array:
        """Non-negative, one a row ``(n,)``, of predictions ``(n,)``: what races and ensembles compare row by row."""

    @abstractmethod
    def template(self, truths: Cells) -> NDArray[Any]:
        """The best answer that looks at no row, before it is fitted to a row's size."""

    @abstractmethod
    def spread(self, template: NDArray[Any], lengths: Sequence[int]) -> Cells:
        """The template as predictions ``(n, 1)`` for rows of these lengths (words; 1 where rows have none)."""

    @abstractmethod
    def mixed(self, weights: Array, found: Cells) -> Cells:
        """Candidates' cells ``(c, n)`` put together by weights ``(c,)`` that sum to 1: ``(n,)``."""

    @property
    @abstractmethod
    def averages(self) -> bool:
        """Whether mixing averages, so that an ensemble can be better than its members."""

    def constant(self, y: Array) -> Array:
        """A placeholder ``(1,)``: what is constant of arrays is their `template`."""
        return np.zeros(1)


def cells(values: Sequence[Any]) -> Cells:
    """An object array ``(n,)`` of whatever these are, arrays of one shape too."""
    held = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        held[place] = value
    return held


def said(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where something is said: no NaN, in floats and in cells alike."""
    if values.dtype != object:
        known: NDArray[np.bool_] = ~np.isnan(values)
        return known
    flat = [not isinstance(value, float) for value in values.ravel()]
    return np.array(flat, dtype=np.bool_).reshape(values.shape)


def averaged(weights: Array, found: Cells) -> Cells:
    """Weighted means of cells ``(c, n)`` of equal shapes a row: ``(n,)``."""
    used = np.flatnonzero(weights)
    if len(used) == 1:
        one: Cells = found[used[0]]
        return one
    return cells(
        [
            sum((np.float32(weights[place]) * found[place, row] for place in used[1:]),
                np.float32(weights[used[0]]) * found[used[0], row])
            for row in range(found.shape[1])
        ]
    )  # fmt: skip
