"""Places in a stream by time: the split, the steps, the changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.errors import OptionError
from sharewise.problems._words import dates_in, numbers_in
from sharewise.tasks import Array

Change = float | str | tuple[float | str, float | str]
"""A time as the time column writes it, or the times between which the world changed little by little."""


def split_place(when: Array, learn: float) -> int:
    """Rows to learn on: that share of the rows in time order ``(N,)``, moved so that equal times stay together.

    Raises:
        OptionError: The share is not between 0 and 1.
    """
    if not 0 < learn < 1:
        raise OptionError(f"the share of rows to learn on lies between 0 and 1; got learn={learn}.")
    place = round(learn * len(when))
    if place in (0, len(when)):
        return place
    return int(np.searchsorted(when, when[place], side="left"))


def steps_of(when: Array, every: int) -> list[int]:
    """Rows of each step: ``every``, and those of the same time as its last."""
    found, at = [], 0
    while at < len(when):
        last = min(at + every, len(when)) - 1
        stop = int(np.searchsorted(when, when[last], side="right"))
        found.append(stop - at)
        at = stop
    return found


def change_places(changes: Sequence[Change], when: Array, m: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first arriving row at or after each change, rising, and where each had come to its end.

    Args:
        changes: Times, or pairs of times at which a gradual change begins and ends.
        when: ``(n,)`` times of the arriving rows.
        m: Rows that losses are smoothed over, which must fit before a change and after its end.

    Raises:
        OptionError: A change cannot be read, lies outside, or is too near to another or to an end.
    """
    given = (changes,) if isinstance(changes, str | int | float) else changes
    spans = sorted(
        (_moment(first), _moment(last), str(word)) for word in given for first, last in [_ends(word)]
    )
    starts, ends = ([int(np.searchsorted(when, span[at], side="left")) for span in spans] for at in (0, 1))
    for (_, _, word), before, start, end, after in zip(
        spans, [0, *ends[:-1]], starts, ends, [*starts[1:], len(when)], strict=True
    ):
        if not 0 < start <= end < len(when):
            raise OptionError(
                f"a change lies inside the rows that arrive, from time {when[0]:g} to {when[-1]:g}; got {word}. "
                "Give another, or learn on a smaller part."
            )
        if start - before < m or after - end < m:
            raise OptionError(
                f"a change has at least {m} rows before and after it, which losses are smoothed over; the one at "
                f"{word} has {start - before} and {after - end}. Leave it out, or smooth over fewer."
            )
    return tuple(starts), tuple(ends)


def _ends(change: Change) -> tuple[float | str, float | str]:
    return (change, change) if isinstance(change, str | int | float) else (change[0], change[1])


def _moment(change: float | str) -> float:
    if not isinstance(change, str):
        return float(change)
    words = np.array([change], dtype=object)
    for read in (numbers_in, dates_in):
        value = float(read(words)[0])
        if np.isfinite(value):
            return value
    raise OptionError(f"a change is a time, a number or an ISO date (2024-01-31); got '{change}'.")
