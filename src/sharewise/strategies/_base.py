"""A strategy: what the tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from sharewise.families import Configuration, Family, Fit, Run, Sample
from sharewise.problems import Problem


class Strategy(ABC):
    """Builds models of all tasks out of a family.

    A new strategy implements the methods below and joins `sharewise.strategies.STRATEGIES`; the study,
    the verdict and the report take it from there.

    Attributes:
        name: As users write it.
        shares: Whether any task learns from another's labels.
        choice: Whether configurations are chosen for each task by itself (``task``), as independent
            models allow, or once for all (``problem``), as one model demands; or whether each task takes
            the trial it gains most from, some serving only a group of the tasks (``group``).
        direct: The family's method that the strategy is, where it is nothing more.
        partial: Whether a trial may say nothing (NaN) of some tasks.
        usual: Whether it competes where no strategies are named; another is asked for by its name.
    """

    name: ClassVar[str]
    shares: ClassVar[bool]
    choice: ClassVar[Literal["task", "problem", "group"]]
    direct: ClassVar[Literal["alone", "together"] | None]
    partial: ClassVar[bool]
    usual: ClassVar[bool] = True

    @abstractmethod
    def refusal(self, problem: Problem) -> str | None:
        """Why this strategy has no meaning for the problem, or None where it has."""

    @abstractmethod
    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        """The family's search space under this strategy."""

    @abstractmethod
    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        """Fit all tasks of the sample."""
