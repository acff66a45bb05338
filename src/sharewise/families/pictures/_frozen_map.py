"""From frozen features to a few numbers a picture, fitted on training rows.

Symbols: as in `_frozen`; ``R`` directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sharewise.families.pictures._frozen import computed_features, frozen_features
from sharewise.problems import Column, Table

MOST_DIRECTIONS = 96
ROWS_A_DIRECTION = 2
"""At least: columns of a table are standardised, so that a weak direction weighs as much as a strong one. With one a row
60 faces told the pose of unseen persons no better than chance, with one in two 0.72 of them."""
LEAST_VARIATION = 1e-6
"""Variance of a direction, beside the strongest one's, below which it is rounding."""


@final
@dataclass(frozen=True)
class PictureFeatures:
    """Standardised features on their principal directions, as columns of a table.

    Attributes:
        name: Of the frozen features.
        mean, spread: ``(P,)`` of the training rows.
        directions: ``(P, R)``.
    """

    name: str
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    directions: NDArray[np.float32]

    @classmethod
    def fit(cls, table: Table, name: str, tick: Callable[[], None]) -> tuple[PictureFeatures, Table]:
        """Learn them from a table with a column of pictures, whose rows come back as `transform` gives them.

        Args:
            tick: Called again and again; may raise to stop.
        """
        X = frozen_features(pixels(table), name, tick)
        mean, spread = X.mean(axis=0), X.std(axis=0)
        spread[spread < 1e-6] = 1.0
        Z = ((X - mean) / spread).astype(np.float64)
        features = cls(name, mean, spread, principal(Z).astype(np.float32))
        return features, features._scores(X)

    def transform(self, table: Table) -> Table:
        """The same rows, with a number column a direction."""
        return self._scores(computed_features(pixels(table), self.name))

    def _scores(self, X: NDArray[np.float32]) -> Table:
        scores = (((X - self.mean) / self.spread) @ self.directions).astype(np.float64)
        columns = (Column(f"direction {r + 1}", "number", scores[:, r]) for r in range(scores.shape[1]))
        return Table(tuple(columns), len(X))


def pixels(table: Table) -> NDArray[np.uint8]:
    """The column of pictures ``(n, C, H, W)``."""
    values: NDArray[np.uint8] = np.asarray(table.of_kind("tensor")[0].values)
    return values


def principal(Z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The strongest directions ``(P, R)`` of centred rows ``(n, P)``, from the smaller of both products."""
    most = min(MOST_DIRECTIONS, max(1, len(Z) // ROWS_A_DIRECTION), Z.shape[1])
    if len(Z) <= Z.shape[1]:
        values, left = np.linalg.eigh(Z @ Z.T)
        kept = _strong(values, most)
        found: NDArray[np.float64] = (Z.T @ left[:, kept]) / np.sqrt(values[kept])
        return found
    values, vectors = np.linalg.eigh(Z.T @ Z)
    strongest: NDArray[np.float64] = vectors[:, _strong(values, most)]
    return strongest


def _strong(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Places of ascending values, the strongest first."""
    order = np.arange(len(values))[::-1][: max(most, 1)]
    kept: NDArray[np.intp] = order[values[order] > LEAST_VARIATION * values[-1]]
    return kept
