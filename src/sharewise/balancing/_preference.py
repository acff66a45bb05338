"""What the user holds dear: a number a task, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Seen
from sharewise.errors import OptionError

Array = NDArray[np.float64]


class Preference(NamedTuple):
    """Numbers >= 0, one for each of all tasks."""

    values: tuple[float, ...]

    def of(self, seen: Seen) -> Array:
        """(T',) those of the tasks of a step.

        Raises:
            OptionError: if there are more or fewer of them than tasks.
        """
        if len(self.values) != seen.total:
            raise OptionError(
                f"There must be one preference or weight a task; got {len(self.values)} of them and {seen.total} "
                "tasks. Name the tasks of an incomplete step with present=."
            )
        return np.asarray(self.values)[seen.tasks]


def as_preference(values: Sequence[float], word: str) -> Preference:
    """`values` if they are finite, not negative and not all zero.

    Raises:
        OptionError: naming `word`, the argument.
    """
    found = tuple(float(value) for value in values)
    if not found or not np.isfinite(found).all() or min(found) < 0 or max(found) == 0:
        raise OptionError(
            f"{word} are finite, none negative and not all zero; got {list(found)}. Give one a task."
        )
    return Preference(found)
