"""A family: what is fitted, alone or together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sharewise.families._sample import Fit, Run, Sample
from sharewise.problems import Problem

Options = tuple[tuple[str, str | int | float], ...]


@dataclass(frozen=True)
class Configuration:
    """One point of a family's search space.

    Attributes:
        learner: The algorithm inside the family.
        options: Its settings, as sorted pairs (hashable, JSON-plain).
    """

    learner: str
    options: Options = ()

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value}" for key, value in self.options)
        return f"{self.learner}({inside})" if inside else self.learner

    def get(self, key: str, default: float) -> float:
        """A numeric option."""
        return float(dict(self.options).get(key, default))

    def word(self, key: str, default: str) -> str:
        """An option that is a word."""
        return str(dict(self.options).get(key, default))


@dataclass(frozen=True)
class Dimension:
    """A setting that tuning may choose.

    Attributes:
        low, high: Bounds, both allowed.
        log: Searched on a logarithmic scale.
        whole: Whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Choice:
    """A setting that is one of several words.

    Attributes:
        options: The words.
    """

    options: tuple[str, ...]


Space = Mapping[str, Mapping[str, Dimension | Choice]]
"""A family's search space: learner -> setting -> its dimension. A learner whose penalty is chosen inside
every fit, as ridge's is, has nothing left to tune and is absent."""


def configuration(learner: str, **options: str | int | float) -> Configuration:
    """A `Configuration` from keywords."""
    return Configuration(learner, tuple(sorted(options.items())))


class Family(ABC):
    """Fits every task by itself, or all of them together, from the same rows and inner folds.

    A new family implements the methods below and joins `sharewise.families.FAMILIES`.
    """

    name: ClassVar[str]
    reads_tensors: ClassVar[bool] = False
    """Whether it can learn from a column of tensors, through the problem's own encoder."""

    @abstractmethod
    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        """What to try, best guess first. The number does not depend on ``together`` unless a
        learner cannot share for this problem at all."""

    @abstractmethod
    def space(self, problem: Problem, *, together: bool) -> Space:
        """What tuning may choose from beyond the configurations above, the same dimensions alone and
        together."""

    def further_space(self, problem: Problem) -> Space:
        """Ways of sharing that come on top where tasks are fitted together: none in most families."""
        return {}

    @abstractmethod
    def alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        """One model a task, none knowing of the others."""

    @abstractmethod
    def together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        """One model for all tasks."""
