"""What a study of new tasks found: errors by strategy, number of labels and test task, round by round.

Symbols: ``K`` numbers of labels asked for (shots), ``M`` test tasks of a round (in a pool of classes: drawn ones).
"""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.tasks import Array, Metric


@dataclass(frozen=True)
class Entry:
    """One configuration in one round.

    Attributes:
        strategy, family, configuration: What it is.
        shares: Whether a new task is served with what other tasks taught.
        valid: ``(K,)`` mean error over the draws of validation tasks; NaN where none was served.
        test: ``(K, M)`` mean error over the draws of each test task; NaN where it was not served.
        score: ``(K, M)`` the same in the metric's own units.
        seconds: CPU seconds of learning across tasks.
        adapt_ms: Median milliseconds of adapting to one task at the largest number of labels, encoding included.
        predict_ms_per_1000_rows: Of an adapted model.
        size_bytes: Of what was learnt.
        fits, steps: Models fitted; optimiser steps and boosting rounds.
    """

    strategy: str
    family: str
    configuration: str
    shares: bool
    valid: Array
    test: Array
    score: Array
    seconds: float
    adapt_ms: float
    predict_ms_per_1000_rows: float
    size_bytes: int
    fits: int
    steps: int


@dataclass(frozen=True)
class NewRound:
    """One fold of the tasks.

    Attributes:
        index, repeat: Which.
        entries: What was fitted and did not fail.
        tasks: ``(K,)`` how many test tasks have enough rows for each number of labels.
    """

    index: int
    repeat: int
    entries: tuple[Entry, ...]
    tasks: tuple[int, ...]


@dataclass(frozen=True)
class NewFindings:
    """Everything a verdict on new tasks rests on.

    Attributes:
        shots: The ``K`` numbers of labels, rising: of a task, in a pool of each class.
        ways: Classes of a drawn task, in a pool; None in a long table.
        rounds: ``J`` of them.
        overlap: Test tasks per training task of a round.
        planned: Rounds that were planned.
        unfinished: Names of what did not come to an end in every round.
        notes: Sentences.
        metric: How tasks are scored.
        learning_seconds: CPU seconds that every configuration could use for learning.
    """

    shots: tuple[int, ...]
    ways: int | None
    rounds: tuple[NewRound, ...]
    overlap: float
    planned: int
    unfinished: tuple[str, ...]
    notes: tuple[str, ...]
    metric: Metric
    learning_seconds: float

    @property
    def repeats(self) -> tuple[int, ...]:
        """``(J,)`` which repeat of the folds each round belongs to."""
        return tuple(found.repeat for found in self.rounds)
