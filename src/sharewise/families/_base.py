"""A family: what is fitted, alone or together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from sharewise.families._cells import apart, as_one
from sharewise.families._sample import Fit, Run, Sample
from sharewise.problems import Problem

if TYPE_CHECKING:
    from sharewise.families._reader import Reader
    from sharewise.families._readers import Readers

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

    A new family implements the methods for tables below and joins `sharewise.families.FAMILIES`. Rows that are no plain
    table (sentences, pictures, columns of text) are for its readers (`sharewise.families._reader.Reader`).
    """

    name: ClassVar[str]
    takes_encoders: ClassVar[bool] = False
    """Whether it can learn from a column of tensors through an encoder of the user's own."""

    @final
    def reads(self, problem: Problem) -> bool:
        """Whether it can learn from a problem's rows at all."""
        return self._readers.own(problem, self.takes_encoders) or bool(self._readers.asked(problem))

    @final
    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        """What to try, best guess first. The number does not depend on ``together`` unless a learner cannot share for
        this problem at all."""
        asked = self._readers.asked(problem)
        found = [c for one in asked for c in one.configurations(problem, effort=effort, together=together)]
        if self._readers.own(problem, self.takes_encoders):
            found += self.table_configurations(problem, effort=effort, together=together)
        return tuple(found)

    @final
    def space(self, problem: Problem, *, together: bool) -> Space:
        """What tuning may choose from beyond the configurations above, the same dimensions alone and together."""
        found: dict[str, Mapping[str, Dimension | Choice]] = {}
        for one in self._readers.asked(problem):
            found.update(one.space(problem, together=together))
        if self._readers.own(problem, self.takes_encoders):
            found.update(self.table_space(problem, together=together))
        return found

    @final
    def further_space(self, problem: Problem) -> Space:
        """Ways of sharing that come on top where tasks are fitted together: none in most families."""
        return self.table_further_space(problem) if self._readers.own(problem, self.takes_encoders) else {}

    @final
    def alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        """One model a task, none knowing of the others."""
        reader = self.reader_of(configuration)
        if reader is not None:
            return reader.fit(sample, configuration, apart(sample), run)
        return self.table_alone(sample, configuration, run)

    @final
    def together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        """One model for all tasks."""
        reader = self.reader_of(configuration)
        if reader is not None:
            return reader.fit(sample, configuration, as_one(sample), run)
        return self.table_together(sample, configuration, run)

    def reader_of(self, configuration: Configuration) -> Reader | None:
        """Whose learner a configuration names; None for one of the family's own."""
        return self._readers.of(configuration)

    @property
    def _readers(self) -> Readers:
        from sharewise.families._readers import readers_of  # which import what this module defines

        return readers_of(self.name)

    @abstractmethod
    def table_configurations(
        self, problem: Problem, *, effort: int, together: bool
    ) -> tuple[Configuration, ...]:
        """`configurations` for tables, and for tensors where it `takes_encoders`."""

    @abstractmethod
    def table_space(self, problem: Problem, *, together: bool) -> Space:
        """`space` for them."""

    def table_further_space(self, problem: Problem) -> Space:
        """`further_space` for them."""
        return {}

    @abstractmethod
    def table_alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        """`alone` for them."""

    @abstractmethod
    def table_together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        """`together` for them."""
