"""One model for all tasks."""

from __future__ import annotations

from typing import ClassVar, Literal

from sharewise.families import Configuration, Family, Fit, Run, Sample
from sharewise.problems import Problem
from sharewise.strategies._base import Strategy


class Joint(Strategy):
    """Multi-task learning (Caruana 1997): all tasks are fitted together, in the family's own way."""

    name: ClassVar[str] = "joint"
    shares: ClassVar[bool] = True
    choice: ClassVar[Literal["task", "problem", "group"]] = "problem"
    direct: ClassVar[Literal["alone", "together"] | None] = "together"
    partial: ClassVar[bool] = False

    def refusal(self, problem: Problem) -> str | None:
        return None

    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        return family.configurations(problem, effort=effort, together=True)

    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        return family.together(sample, configuration, run)
