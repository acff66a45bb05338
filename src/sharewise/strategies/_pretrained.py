"""Features first, without labels; then each task by itself from there."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from sharewise.families import Configuration, Family, Fit, Run, Sample
from sharewise.families._network_pretrained import NetworkPretrained
from sharewise.families._two_stages import TwoStages, way_of
from sharewise.problems import Problem
from sharewise.strategies._base import Strategy

WAYS: Final[dict[str, TwoStages]] = {"network": NetworkPretrained()}
"""By family; the others have none."""


class Pretrained(Strategy):
    """Self-supervised pretraining: rows without any label teach what features are like, and each task's own model
    begins there. No task sees another's labels, so nothing is shared between tasks."""

    name: ClassVar[str] = "pretrained"
    shares: ClassVar[bool] = False
    choice: ClassVar[Literal["task", "problem", "group"]] = "task"
    direct: ClassVar[Literal["alone", "together"] | None] = None
    partial: ClassVar[bool] = False
    usual: ClassVar[bool] = False

    def refusal(self, problem: Problem) -> str | None:
        return None

    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        way = WAYS.get(family.name)
        return () if way is None else way.configurations(problem, effort=effort)

    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        return way_of(WAYS, family.name, self.name).fit(sample, configuration, run)
