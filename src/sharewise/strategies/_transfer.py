"""One after another: all tasks first, then each by itself from there."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from sharewise.families import Configuration, Family, Fit, Run, Sample
from sharewise.families._network_transfer import NetworkTransfer
from sharewise.families._two_stages import TwoStages, way_of
from sharewise.problems import Problem
from sharewise.strategies._base import Strategy

WAYS: Final[dict[str, TwoStages]] = {"network": NetworkTransfer()}
"""By family; the others have none."""


class Transfer(Strategy):
    """Sequential transfer learning: what all tasks have taught is where each task's own model begins.

    At prediction every task has a model of its own, so configurations are chosen task by task; each has learnt from
    the labels of all.
    """

    name: ClassVar[str] = "transfer"
    shares: ClassVar[bool] = True
    choice: ClassVar[Literal["task", "problem", "group"]] = "task"
    direct: ClassVar[Literal["alone", "together"] | None] = None
    partial: ClassVar[bool] = False
    usual: ClassVar[bool] = False

    def refusal(self, problem: Problem) -> str | None:
        return None if len(problem.tasks) > 1 else "transfer runs from some tasks to others"

    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        way = WAYS.get(family.name)
        return () if way is None else way.configurations(problem, effort=effort)

    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        return way_of(WAYS, family.name, self.name).fit(sample, configuration, run)
