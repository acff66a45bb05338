"""A strategy: what the tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import is_dataclass
from typing import ClassVar, Literal

from sharewise._plugins import subclass_of
from sharewise.families import Configuration, Family, Fit, Run, Sample
from sharewise.problems import Problem


class Strategy(ABC):
    """Builds models of all tasks out of a family.

    A new strategy implements the methods below and joins `sharewise.strategies.STRATEGIES`, or is a package's entry
    point; the study, the verdict and the report take it from there.

    Attributes:
        name: As users write it.
        shares: Whether any task learns from another's labels.
        choice: Whether configurations are chosen for each task by itself (``task``), as independent
            models allow, or once for all (``problem``), as one model demands; or whether each task takes
            the trial it gains most from, some serving only a group of the tasks (``group``).
        direct: The family's method that the strategy is, where it is nothing more.
        partial: Whether a trial may say nothing (NaN) of some tasks.
        usual: Whether it competes where no strategies are named; another is asked for by its name. Those of other
            packages always are.
        state: Classes that its models are made of beyond those of sharewise: frozen dataclasses of plain data.
    """

    name: ClassVar[str]
    shares: ClassVar[bool]
    choice: ClassVar[Literal["task", "problem", "group"]]
    direct: ClassVar[Literal["alone", "together"] | None]
    partial: ClassVar[bool]
    usual: ClassVar[bool] = True
    state: ClassVar[tuple[type, ...]] = ()

    @abstractmethod
    def refusal(self, problem: Problem) -> str | None:
        """Why this strategy has no meaning for the problem, or None where it has."""

    @abstractmethod
    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        """The family's search space under this strategy."""

    @abstractmethod
    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        """Fit all tasks of the sample."""


def strategy_of(found: object) -> Strategy:
    """What a package's entry point names, as a strategy.

    Raises:
        TypeError: It is none, or does not say all that a study asks of one.
    """
    strategy = subclass_of(Strategy)(found)()  # type: ignore[type-abstract]
    asked = {"shares": (True, False), "choice": ("task", "problem"), "direct": ("alone", "together", None)}
    for name, allowed in (
        asked | {"partial": (False,)}
    ).items():  # groups of tasks are searched for `grouped` alone
        if getattr(strategy, name, "nothing") not in allowed:
            raise TypeError(f"its '{name}' is one of {', '.join(map(repr, allowed))}")
    if not isinstance(getattr(strategy, "name", None), str):
        raise TypeError("its 'name' is a word")
    state: tuple[object, ...] = strategy.state
    if not all(isinstance(one, type) and is_dataclass(one) for one in state):
        raise TypeError("its 'state' lists dataclasses")
    return strategy
