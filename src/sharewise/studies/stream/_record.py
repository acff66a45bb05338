"""What a replay found.

Symbols: ``n`` arriving rows, ``C`` contenders, ``A`` change points, ``D`` targets, ``R`` replicates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Predictions
from sharewise.studies.stream._recovery import smoothed
from sharewise.studies.stream._words import sentence
from sharewise.tasks import Array

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Course:
    """A contender's way through the stream.

    Attributes:
        name: Of the contender.
        fixed: Whether no label of the stream changes it.
        losses: ``(n,)`` in time order, mean over a row's known targets of squared error or log loss as a share of
            that of the learning rows' constant prediction.
        smoothed: ``(n,)``: see `Replay`.
        predictions: ``D`` arrays ``(n, W_d)``.
        learn_seconds, update_seconds, predict_seconds: CPU seconds: before the first arriving row, of all updates,
            and of predicting all rows.
        updates: Models fitted or adapted after the learning part.
    """

    name: str
    fixed: bool
    losses: Array
    smoothed: Array
    predictions: Predictions = field(repr=False)
    learn_seconds: float
    update_seconds: float
    predict_seconds: float
    updates: int


@dataclass(frozen=True)
class Recovery:
    """One contender after one change.

    Attributes:
        before, after: Mean loss since the last change (or the first arriving row), and until the next (or the end).
        rows: Since the change began until its smoothed loss was back; None if it never was.
        interval: Of ``rows``, by block bootstrap; an end that equals ``waited`` is beyond what was seen.
        waited: Rows from this change to the next, or to the end.
        time: As ``rows``, in units of the time column (days for dates); None if it never was.
    """

    before: float
    after: float
    rows: int | None
    interval: tuple[float, float]
    waited: int
    time: float | None


@dataclass(frozen=True)
class Replay:
    """How every contender came through a stream, test then train.

    A smoothed loss is the mean over a row and those that follow it, ``smooth`` in all and none beyond the next
    change. A contender has *recovered* at the first row after a change where it explains at least ``1 - tolerance``
    of what the level explains, the constant's loss of 1 explaining nothing. The level is, with
    ``against="hindsight"``, the losses on the same rows of the family's model trained on the rows between this change's
    end and the next, each row held out in its turn; with ``"before"``, the contender's own mean loss before the change,
    by which one that never learnt anything is back at once.

    Attributes:
        courses: ``C`` contenders, in the order given.
        rows: ``(n,)`` the arriving rows' places in the problem, in time order.
        time: ``(n,)``.
        learnt_on: Rows before them.
        changes: ``A`` places among the arriving rows, each the first after a change began.
        settled: ``A`` places where each had come to its end, the same for an abrupt change. Recovery is looked for
            from there on, and counted from the beginning.
        found: Whether they were found by a test on the losses of a contender that is fixed, rather than given.
        hindsight: ``(n,)`` losses of the model trained in hindsight; NaN without.
        recoveries: ``A`` tuples of ``C``.
        replicates: ``(R, C)`` rows to recover, mean over the changes, a change never recovered from counting the rows
            waited; all contenders on the same resampled rows. Empty without a change.
        constants: ``(D,)`` the constant predictions' losses, that losses are shares of.
        smooth, tolerance, against: See above.
        confidence: Of all intervals.
        seed: Of all randomness.
    """

    courses: tuple[Course, ...]
    rows: NDArray[np.intp]
    time: Array
    learnt_on: int
    changes: tuple[int, ...]
    settled: tuple[int, ...]
    found: bool
    hindsight: Array
    recoveries: tuple[tuple[Recovery, ...], ...]
    replicates: Array = field(repr=False)
    constants: Array
    smooth: int
    tolerance: float
    against: str
    confidence: float
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(course.name for course in self.courses)

    @property
    def hindsight_smoothed(self) -> Array:
        """``(n,)``, as a contender's; NaN before the end of the first change, and while one lasts."""
        found = np.full(len(self.rows), np.nan)
        for start, stop in zip(self.settled, [*self.changes[1:], len(self.rows)], strict=False):
            found[start:stop] = smoothed(self.hindsight[start:stop], self.smooth)
        return found

    @property
    def mean_recovery(self) -> Array:
        """``(C,)`` rows, mean over the changes; one never recovered from counts the rows waited."""
        counts = [[one.waited if one.rows is None else one.rows for one in own] for own in self.recoveries]
        return np.mean(counts, axis=0) if counts else np.full(len(self.courses), np.nan)

    @property
    def sentence(self) -> str:
        """Who recovers fastest, or that this is not clear."""
        return sentence(
            self.names, self.mean_recovery, self.replicates, self.recoveries, self.confidence, len(self.rows)
        )

    def __str__(self) -> str:
        return self.sentence

    def table(self) -> pandas.DataFrame:
        """One line a contender and change (a contender, where nothing changed): losses, recovery, costs."""
        import pandas

        lines = []
        for place, course in enumerate(self.courses):
            head = {"contender": course.name, "loss": float(course.losses.mean())}
            costs = {
                "learn_seconds": course.learn_seconds,
                "update_seconds": course.update_seconds,
                "predict_seconds": course.predict_seconds,
                "updates": course.updates,
            }
            if not self.changes:
                lines.append(head | costs)
            for change, own in zip(self.changes, self.recoveries, strict=True):
                one = own[place]
                lines.append(
                    head
                    | {
                        "change": float(self.time[change]),
                        "before": one.before,
                        "after": one.after,
                        "recovered": one.rows is not None,
                        "recovery_rows": float("nan") if one.rows is None else float(one.rows),
                        "low": one.interval[0],
                        "high": one.interval[1],
                        "recovery_time": float("nan") if one.time is None else one.time,
                    }
                    | costs
                )
        return pandas.DataFrame(lines)
