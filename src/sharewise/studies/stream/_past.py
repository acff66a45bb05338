"""What is known at a moment of the stream: labels appear one step at a time.

Symbols: ``N`` rows of the problem, ``D`` targets.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem
from sharewise.tasks import Array

Rows = NDArray[np.intp]


class Past:
    """The rows seen so far, with their labels; a later row's label is NaN, so that nobody can read it.

    Attributes:
        order: ``(N,)`` the problem's rows in time order.
        seen: How many of them have their labels known.
    """

    def __init__(self, problem: Problem, order: Rows, seen: int) -> None:
        self._labels = problem.labels
        self._known = np.full_like(problem.labels, np.nan)
        # Groups are not held apart: in a stream, what is known of a group's earlier rows is known. Rows without
        # any label have no time, so they may be the future's.
        self._problem = replace(problem, labels=self._known, group=None, unlabelled=None)
        self.order, self.seen = order, 0
        self.reveal(seen)

    def reveal(self, count: int) -> Rows:
        """Make the labels of the next ``count`` rows known; returns those rows."""
        rows = self.order[self.seen : self.seen + count]
        self._known[rows] = self._labels[rows]
        self.seen += len(rows)
        return rows

    @property
    def rows(self) -> Rows:
        """The rows seen so far, in time order."""
        return self.order[: self.seen]

    @property
    def problem(self) -> Problem:
        """The problem as it is known now: all rows' features, ``(N, D)`` labels with NaN for the future's.

        A contender learns scales, categories and words from `rows` only.
        """
        return self._problem

    @property
    def labels(self) -> Array:
        """``(N, D)``."""
        return self._known
