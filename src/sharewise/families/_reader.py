"""How a family learns from rows that are no plain table: sentences, pictures, columns of text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from sharewise.families._base import Configuration, Space
from sharewise.families._sample import Fit, Run, Sample
from sharewise.problems import Problem, Table


class Reader(ABC):
    """A way of learning from one sort of rows, inside a family.

    A *cell* is one (target, level), its code ``target * L + level`` (``L`` is 1 in a wide problem).

    Attributes:
        learners: The algorithms it fits, as configurations name them; no other reader of the family has one of them.
        beside: Whether the family's own learners for tables compete too; where not, they cannot read such rows or are
            never better.
    """

    learners: ClassVar[tuple[str, ...]]
    beside: ClassVar[bool] = False

    @abstractmethod
    def reads(self, table: Table) -> bool:
        """Whether rows are of its sort."""

    @abstractmethod
    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        """What to try, best guess first, as `Family.configurations`; none where it cannot."""

    @abstractmethod
    def space(self, problem: Problem, *, together: bool) -> Space:
        """What tuning may choose from, as `Family.space`."""

    @abstractmethod
    def fit(
        self, sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
    ) -> Fit:
        """Models of groups of cells, those of a group learning together.

        Args:
            groups: Cells: each alone, or all in one.

        Raises:
            OutOfTime: The run's deadline has passed.
        """
