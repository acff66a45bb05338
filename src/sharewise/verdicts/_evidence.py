"""What the rounds say, as arrays.

Symbols: ``J`` rounds, ``R`` rows of the table (candidates), ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem
from sharewise.studies import CONSTANT, Candidate, Limits, Protocol
from sharewise.tasks import Array, Metric
from sharewise.verdicts._statistics import Difference, difference, gains, mean_over_tasks

PARSIMONY = 0.5
"""A side is represented by its smallest candidate within this share of the ROPE of its best one."""


@dataclass(frozen=True)
class Evidence:
    """Complete rounds of a study.

    Attributes:
        rounds: ``J`` lists of the same ``R`` rows, in the same order; None where a row had left by then.
        candidates: ``R`` candidates, each of the last round that has it.
        metrics: ``T`` metrics.
        scores: ``(J, R, T)`` on outer test rows, NaN where the row is not there.
        inner: ``(J, R)`` cross-fitted error on inner folds, as a share of the constant's; infinite where the
            row is not there.
        size: ``(J, R)`` bytes.
        repeats: ``(J,)`` the repeat of the outer folds that each round belongs to; None where unknown.
        overlap: Test rows per training row.
        rope, confidence: As in the protocol.
        within: ``R`` whether the row meets the user's limits in every round that has it.
    """

    rounds: tuple[tuple[Candidate | None, ...], ...]
    candidates: tuple[Candidate, ...]
    metrics: tuple[Metric, ...]
    scores: Array
    inner: Array
    size: Array
    repeats: NDArray[np.intp] | None
    overlap: float
    rope: float
    confidence: float
    within: tuple[bool, ...] = ()

    @classmethod
    def of(
        cls,
        problem: Problem,
        protocol: Protocol,
        rounds: Sequence[Sequence[Candidate]],
        overlap: float,
        repeats: Sequence[int] | None = None,
    ) -> Evidence:
        """Line the candidates of all rounds up by name, in the order of their first round.

        Args:
            repeats: ``J`` repeats of the outer folds, or None where they are not known.
        """
        last = {c.name: c for candidates in rounds for c in candidates}
        names = list(last)
        found = [{c.name: c for c in candidates} for candidates in rounds]
        lined = tuple(tuple(one.get(name) for name in names) for one in found)
        silent = np.full(len(problem.tasks), np.nan)
        return cls(
            lined,
            tuple(last.values()),
            tuple(problem.targets[task.target].metric for task in problem.tasks),
            np.array([[silent if c is None else c.scores for c in row] for row in lined]),
            np.array([[np.inf if c is None else c.inner for c in row] for row in lined]),
            np.array([[np.inf if c is None else float(c.size_bytes) for c in row] for row in lined]),
            None if repeats is None else np.array(repeats, dtype=np.intp),
            overlap,
            protocol.rope,
            protocol.confidence,
            tuple(all(meets(protocol.limits, one[name]) for one in found if name in one) for name in names),
        )

    def place(self, name: str) -> int | None:
        """Row of a candidate by name."""
        names = [c.name for c in self.candidates]
        return names.index(name) if name in names else None

    def side(self, *, shares: bool, limited: bool = True) -> list[int]:
        """Rows that share, or that do not (the constant aside); only those within the limits, unless told otherwise."""
        return [
            r
            for r, c in enumerate(self.candidates)
            if c.shares is shares and c.strategy != CONSTANT and (self.within[r] or not limited)
        ]

    def champions(self, rows: Sequence[int]) -> NDArray[np.intp]:
        """``(J,)`` the row that represents a side in each round, chosen on that round's inner folds."""
        found = []
        for inner, size in zip(self.inner[:, rows], self.size[:, rows], strict=True):
            close = np.flatnonzero(inner <= inner.min() * (1 + PARSIMONY * self.rope))
            found.append(rows[int(close[np.argmin(size[close])])])
        return np.array(found, dtype=np.intp)

    def present(self, row: int) -> list[Candidate]:
        """A row's candidates in the rounds that have it."""
        return [found for candidates in self.rounds if (found := candidates[row]) is not None]

    def mean_inner(self) -> Array:
        """``(R,)`` mean inner error over all rounds; infinite for who left."""
        mean: Array = self.inner.mean(axis=0)
        return mean

    def scores_of(self, rows: NDArray[np.intp]) -> Array:
        """``(J, T)`` scores of one row a round."""
        chosen: Array = self.scores[np.arange(len(rows)), rows]
        return chosen

    def gains(self, scores: Array, reference: Array) -> Array:
        """Relative gains ``(J, T)``."""
        return gains(scores, reference, self.metrics)

    def compare(self, scores: Array, reference: Array) -> Difference:
        """The mean gain over tasks of ``scores`` ``(J, T)`` over ``reference``."""
        return self.summarise(mean_over_tasks(self.gains(scores, reference)))

    def summarise(self, values: Array) -> Difference:
        """`difference` of ``(J,)`` values under this study's overlap, ROPE and confidence."""
        return difference(
            values, overlap=self.overlap, rope=self.rope, confidence=self.confidence, repeats=self.repeats
        )

    def skill(self, scores: Array) -> Array:
        """``(J,)`` share of the constant's error removed, mean over tasks."""
        return mean_over_tasks(self.removed(scores))

    def removed(self, scores: Array) -> Array:
        """``(J, T)`` share of the constant's error removed."""
        floor = self.place(f"{CONSTANT}/none")
        assert floor is not None
        constant = mean_known(self.scores[:, floor])
        found = np.full(scores.shape, np.nan)
        for task, metric in enumerate(self.metrics):
            for row in np.flatnonzero(~np.isnan(scores[:, task])):
                found[row, task] = metric.skill(scores[row, task], constant[task])
        return found


def meets(limits: Limits, candidate: Candidate) -> bool:
    """Whether a candidate keeps the user's limits, as far as they were measured."""
    return not limits.missed(
        latency_ms=candidate.predict_ms_one_row, size_bytes=candidate.size_bytes, shares=candidate.shares
    )


def mean_known(scores: Array) -> Array:
    """Mean over rounds of what is known, ``(J, T) -> (T,)``; NaN where nothing is."""
    known = ~np.isnan(scores)
    total = np.where(known, scores, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def frequent(rows: NDArray[np.intp], inner: Array) -> int:
    """The row chosen most often; of equally frequent ones that with the least mean inner error."""
    values, counts = np.unique(rows, return_counts=True)
    tied = values[counts == counts.max()]
    return int(tied[np.argmin(inner.mean(axis=0)[tied])])
