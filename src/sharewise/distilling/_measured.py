"""Models and what they cost as users will call them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sharewise.distilling._student import Student
from sharewise.problems import Problem
from sharewise.serving import Cost, DeployedModel, measure


@dataclass(frozen=True)
class Measured:
    """A student fitted on everything, and its cost."""

    student: Student
    model: DeployedModel
    cost: Cost


def cost_of(problem: Problem, model: DeployedModel, retrained: int) -> Cost:
    """As measured on this machine now, a copy saved for as long."""
    with TemporaryDirectory(prefix="sharewise-") as folder:
        place = Path(folder) / "model"
        model.save(place)
        return measure(model, problem, place, retrained=retrained)


def size_of(model: DeployedModel) -> int:
    """Bytes of its folder."""
    with TemporaryDirectory(prefix="sharewise-") as folder:
        model.save(Path(folder) / "model")
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
