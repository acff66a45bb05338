"""One model a task."""

from __future__ import annotations

from typing import ClassVar, Literal

from sharewise.families import Configuration, Family, Fit, Run, Sample
from sharewise.problems import Problem
from sharewise.strategies._base import Strategy


class Separate(Strategy):
    """Task-specific models: each task sees its own labels only."""

    name: ClassVar[str] = "separate"
    shares: ClassVar[bool] = False
    choice: ClassVar[Literal["task", "problem", "group"]] = "task"
    direct: ClassVar[Literal["alone", "together"] | None] = "alone"
    partial: ClassVar[bool] = False

    def refusal(self, problem: Problem) -> str | None:
        return None

    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        return family.configurations(problem, effort=effort, together=False)

    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        return family.alone(sample, configuration, run)
