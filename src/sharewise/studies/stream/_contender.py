"""What competes in a stream: it learns on the first rows, then predicts each step and hears its labels.

Symbols: ``n`` rows, ``D`` targets, ``W`` columns of a prediction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from sharewise.families import Predictions
from sharewise.studies.stream._past import Past, Rows


class Runner(ABC):
    """A contender under way."""

    @abstractmethod
    def predict(self, rows: Rows) -> Predictions:
        """``D`` arrays ``(n, W_d)`` for the rows of one step; their labels are not known yet."""

    @abstractmethod
    def update(self, rows: Rows) -> int:
        """The labels of these rows have become known; how many models were fitted or adapted for that."""


class Contender(ABC):
    """How predictions keep up with a stream; a frozen dataclass of settings.

    A new one implements the members below and is handed to `replay` as it is.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """As tables and plots write it."""

    @property
    def fixed(self) -> bool:
        """Whether labels of the stream change nothing, so that a change of its losses is a change of the world."""
        return False

    @abstractmethod
    def start(self, past: Past, seed: int) -> Runner:
        """Learn on the rows seen so far.

        Args:
            past: Kept by the runner; each step makes more of it known.

        Raises:
            OptionError: The rows are too few, or it has no meaning for the problem.
        """
