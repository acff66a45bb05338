"""A family that fits several configurations in one go."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import final

from sharewise.families._base import Configuration, Family
from sharewise.families._sample import Fit, Run, Sample


class StackedFamily(Family):
    """A family whose fits of configurations of one shape train as one stacked program.

    What a configuration is given does not depend on which others are in the call (beyond the rounding of
    float arithmetic), so that whoever tunes may ask for one at a time or for many at once; many at once
    is faster. The run counts the work of all.
    """

    @abstractmethod
    def shape(self, configuration: Configuration) -> Hashable:
        """Configurations of equal shape can go into one call."""

    @abstractmethod
    def alone_stacked(self, sample: Sample, configurations: Sequence[Configuration], run: Run) -> list[Fit]:
        """`table_alone` for each configuration, in order; all of one shape."""

    @abstractmethod
    def together_stacked(
        self, sample: Sample, configurations: Sequence[Configuration], run: Run
    ) -> list[Fit]:
        """`table_together` for each configuration, in order; all of one shape."""

    @final
    def table_alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        (fit,) = self.alone_stacked(sample, (configuration,), run)
        return fit

    @final
    def table_together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        (fit,) = self.together_stacked(sample, (configuration,), run)
        return fit
