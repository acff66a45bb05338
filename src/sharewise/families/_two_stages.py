"""A family's fits in two stages: what is learnt first, and each task by itself from there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from sharewise.errors import OptionError
from sharewise.families._base import Configuration
from sharewise.families._sample import Fit, Run, Sample
from sharewise.problems import Problem


class TwoStages(ABC):
    """A way of learning one thing after another, inside a family.

    Both stages are one fit: what they cost together is what the ledger says. Both see the training rows of an inner
    fold only, so that its held-out rows remain so.
    """

    @abstractmethod
    def configurations(self, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        """What to try, best guess first, as `Family.configurations`; none where the family has no such way for the
        problem's rows. A configuration that tuning proposes from the family's own space is understood too."""

    @abstractmethod
    def fit(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        """Fit all tasks of the sample.

        Raises:
            OutOfTime: The run's deadline has passed.
        """


def way_of(ways: Mapping[str, TwoStages], family: str, strategy: str) -> TwoStages:
    """A family's way of a strategy.

    Raises:
        OptionError: It has none.
    """
    if family in ways:
        return ways[family]
    raise OptionError(
        f"the strategy '{strategy}' is there in the families {', '.join(sorted(ways))}; got '{family}'. "
        "Choose one of them, or another strategy."
    )
