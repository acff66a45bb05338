"""A plain network of hard sharing, watched: the tasks' gradients at every step, affinities at the end.

Trained on one inner fold of the first round; affinities are measured on rows that it held out.

Symbols: ``T`` tasks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing import Weighting
from sharewise.balancing._base import Seen
from sharewise.families import Configuration, OutOfTime, Run, Sample
from sharewise.networks import MultiTaskNetwork
from sharewise.problems import Problem
from sharewise.studies._diagnosis import FEWEST, Diagnosis
from sharewise.studies._lesson import Lesson
from sharewise.tasks import Array
from sharewise.training import gradient_cosines, lookahead_affinity, representation_similarity

EPOCHS, FEWEST_EPOCHS = 12, 1
OWN_EPOCHS = 6
"""Of the networks that learn one task each: representations are told apart by then."""
WATCHED_SHARE = 0.6
"""Of the time, at most, for the shared network; the rest is for the affinities."""


@final
class Onlooker(Weighting):
    """The plain sum of the gradients, which takes note of their Gramian.

    Attributes:
        epochs: Notes of the epochs that ended.
    """

    name: ClassVar[str] = "onlooker"

    def __init__(self) -> None:
        super().__init__("raw")
        self.epochs: list[Notes] = []

    def _start(self, tasks: int) -> None:
        self._now = Notes.empty(tasks)

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        self._now.add(gramian, seen.tasks)
        return np.ones(len(gramian))

    def after_epoch(self) -> None:
        self.epochs.append(self._now)
        self._now = Notes.empty(len(self._now.told))


@dataclass(frozen=True, eq=False)
class Notes:
    """Sums over the steps of an epoch.

    Attributes:
        lengths, told: ``(T,)`` gradients' lengths, and steps with the task.
        cosines, apart, met: ``(T, T)`` cosines, how often they were below zero, and steps with both.
    """

    lengths: Array
    told: Array
    cosines: Array
    apart: Array
    met: Array

    @classmethod
    def empty(cls, tasks: int) -> Notes:
        """Nothing yet."""
        square = (tasks, tasks)
        return cls(np.zeros(tasks), np.zeros(tasks), np.zeros(square), np.zeros(square), np.zeros(square))

    def add(self, gramian: Array, tasks: NDArray[np.int64]) -> None:
        """A step: ``(T', T')`` of the tasks that it had, none of them without a gradient."""
        lengths = np.sqrt(gramian.diagonal())
        cosines = gramian / np.outer(lengths, lengths)
        pairs = np.ix_(tasks, tasks)
        self.lengths[tasks] += lengths
        self.told[tasks] += 1.0
        self.cosines[pairs] += cosines
        self.apart[pairs] += cosines < 0.0
        self.met[pairs] += 1.0

    def over_pairs(self, sums: Array) -> float:
        """A mean over steps and pairs of different tasks."""
        upper = np.triu_indices(len(sums), 1)
        return float(_ratio(sums[upper].sum(), self.met[upper].sum()))


def watch(problem: Problem, sample: Sample, configuration: Configuration, run: Run) -> Diagnosis | None:
    """Watch a network, for as long as the run's deadline allows; None where fewer than two tasks can be learnt.

    Raises:
        OutOfTime: Before there was anything to tell.
    """
    started = time.monotonic()
    lesson = Lesson.of(problem, sample, configuration, run.seed)
    if len(lesson.kinds) < FEWEST:
        return None
    onlooker, network = Onlooker(), lesson.network(tuple(lesson.kinds))
    until = None if run.deadline is None else started + WATCHED_SHARE * (run.deadline - started)
    first = Run(seed=run.seed, deadline=until)
    try:
        lesson.teach(network, EPOCHS, lambda: first.tick(steps=1), balancer=onlooker, mode="exact")
    except OutOfTime:
        if len(onlooker.epochs) < FEWEST_EPOCHS:
            raise
    network.zero_grad(set_to_none=True)
    lookahead, cosines = _affinities(network.eval(), lesson, run)
    similarity = _similarity(lesson, run)
    epochs = onlooker.epochs
    met, apart = (np.sum([getattr(one, name) for one in epochs], axis=0) for name in ("met", "apart"))
    shares = _ratio(apart, met)
    np.fill_diagonal(shares, np.nan)
    return Diagnosis(
        tasks=lesson.names,
        learner=str(configuration),
        rows=len(lesson.train),
        held_out=len(lesson.held_out),
        epochs=len(epochs),
        steps=int(sum(one.told.max() for one in epochs)),
        seconds=time.monotonic() - started,
        lengths=np.array([_ratio(one.lengths, one.told) for one in epochs]),
        cosine=np.array([one.over_pairs(one.cosines) for one in epochs]),
        conflict=np.array([one.over_pairs(one.apart) for one in epochs]),
        apart=shares,
        lookahead=lookahead,
        cosines=cosines,
        similarity=similarity,
    )


def _affinities(network: MultiTaskNetwork, lesson: Lesson, run: Run) -> tuple[Array, Array]:
    """Lookahead and cosines ``(T, T)``, means over the batches that know both tasks."""
    ahead, cosines = [], []
    for x, y in lesson.exam():
        run.tick()
        ahead.append(lookahead_affinity(network, x, y, lesson.kinds))
        cosines.append(gradient_cosines(network, x, y, lesson.kinds))
    return _mean(ahead, len(lesson.kinds)), _mean(cosines, len(lesson.kinds))


def _similarity(lesson: Lesson, run: Run) -> Array:
    """Of representations ``(T, T)``: a network a task, each begun with the same weights."""
    features: dict[str, Tensor] = {}
    x = lesson.X[lesson.held_out]
    try:
        for task in lesson.kinds:
            network = lesson.network((task,))
            lesson.teach(network, OWN_EPOCHS, lambda: run.tick(steps=1))
            with torch.no_grad():
                features[task] = cast(Tensor, network.encode(x))
    except OutOfTime:
        return np.full((len(lesson.kinds), len(lesson.kinds)), np.nan)
    return representation_similarity(features)


def _mean(found: Sequence[Array], tasks: int) -> Array:
    """Over batches; NaN where none tells."""
    stacked = np.stack([*found, np.full((tasks, tasks), np.nan)])
    known = np.isfinite(stacked)
    return _ratio(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0))


def _ratio(sums: Any, counts: Any) -> Array:
    """NaN where nothing was counted."""
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
