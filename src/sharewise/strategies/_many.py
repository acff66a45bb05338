"""Several configurations of a strategy at once, as one program where the family can."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from sharewise.families import Configuration, Family, Fit, Run, Sample, StackedFamily
from sharewise.strategies._base import Strategy


def stack_of(strategy: Strategy, family: Family, configuration: Configuration) -> Hashable | None:
    """Configurations of one stack can be fitted in one call of `fit_many`; None where each needs its own."""
    if strategy.direct is None or not isinstance(family, StackedFamily) or family.reader_of(configuration):
        return None
    return family.shape(configuration)


def fit_many(
    strategy: Strategy, sample: Sample, family: Family, configurations: Sequence[Configuration], run: Run
) -> list[Fit]:
    """A fit a configuration, the same as each by itself."""
    if (
        len(configurations) > 1
        and isinstance(family, StackedFamily)
        and not family.reader_of(configurations[0])
    ):
        if strategy.direct == "alone":
            return family.alone_stacked(sample, configurations, run)
        if strategy.direct == "together":
            return family.together_stacked(sample, configurations, run)
    return [strategy.fit(sample, family, configuration, run) for configuration in configurations]
