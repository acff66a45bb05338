"""The trees family's meta-learner for long tables: a global booster that also sees what a new task's labels say.

A first booster knows the features alone; it is cross-fitted over training tasks, so that what it misses on a training
task is what it would miss on a new one. The labels of a support enter as a few numbers about what the first booster
misses on them. A second booster, grown on many supports of all sizes drawn from the training tasks, learns what to make
of these numbers at each size; its rows are never among the support that their numbers come from (target statistics as
in Micci-Barreca 2001 and Prokhorenkova et al. 2018, here of tasks that may be new).

Symbols: ``n`` rows, ``P`` features, ``C`` columns of raw scores (1 for numbers and two classes), ``J`` jobs (a support and
its query rows), ``k`` support rows, ``S`` statistics.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run, configuration
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.strategies.new_tasks._lightgbm import grow_booster, raw_scores
from sharewise.strategies.new_tasks._pooled import probabilities, split
from sharewise.strategies.new_tasks._sample import Rows, TaskSample, draws_of
from sharewise.tasks import PROBABILITY_FLOOR, Array, Binary, Classification, Kind

Job = tuple[Rows, Array, Rows]
PARTS = 3
"""Parts of the training tasks, each predicted by a first booster that has not seen it."""
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Of a task's offset, in support rows (numbers) or units of curvature (classes): the likeliest to serve is chosen."""
SIZES = 10
"""Different sizes of support that are drawn."""
SUPPORTS = 4_000
MOST_ROWS = 60_000


@final
@dataclass(frozen=True)
class Statistics:
    """Summarises a support by what a first model misses on it.

    Attributes:
        kind: Of a task.
        penalty: Of a task's offset.
        spread: ``(2,)`` standard deviations of the first model's scores and of what it misses.
    """

    kind: Kind
    penalty: float
    spread: Array

    def offset(self, scores: Array, y: Array) -> Array:
        """``(C,)`` shrunken offset of a task from the scores ``(k, C)`` and labels of its support: of numbers the
        ridge mean of the residuals, of classes one Newton step from zero."""
        miss, curvature = missed(scores, y, self.kind)
        return np.asarray(miss.sum(axis=0) / (curvature.sum(axis=0) + self.penalty))

    def of(self, scores: Array, y: Array) -> Array:
        """``(S,)``: the number of rows, the offset, the mean score; for numbers also how much the residuals spread and
        how they change with the score."""
        k = len(y)
        found = [np.array([np.log(k)]), self.offset(scores, y), scores.mean(axis=0)]
        if not isinstance(self.kind, Classification):
            miss = y - scores[:, 0]
            wide, usual = self.spread
            apart, along = miss - miss.mean(), scores[:, 0] - scores[:, 0].mean()
            # Both as if a few typical rows had been seen before.
            found.append(np.array([np.sqrt((apart @ apart + 3 * usual**2) / (k + 3)) / usual]))
            found.append(np.array([along @ apart / (along @ along + 10 * wide**2)]))
        return np.concatenate(found)


def missed(scores: Array, y: Array, kind: Kind) -> tuple[Array, Array]:
    """``(k, C)`` gradients of the likelihood in the scores, and its curvatures."""
    if not isinstance(kind, Classification):
        return y[:, None] - scores, np.ones_like(scores)
    shares = probabilities(scores, kind)
    truth = (y[:, None] == np.arange(kind.width)).astype(np.float64)
    if isinstance(kind, Binary):
        shares, truth = shares[:, 1:], truth[:, 1:]
    return truth - shares, np.maximum(shares * (1 - shares), 1e-6)


@final
@dataclass(frozen=True)
class BoostedModel:
    """What was learnt across tasks.

    Attributes:
        first: Texts of boosters that know features alone; their scores are averaged.
        second: Text of the booster that corrects them by a task's statistics.
        statistics: Computes these.
    """

    first: tuple[str, ...]
    second: str
    statistics: Statistics

    def scores(self, X: Array) -> Array:
        """``(n, C)`` without any label."""
        return np.asarray(np.mean([raw_scores(text, X) for text in self.first], axis=0))

    def corrected(self, X: Array, scores: Array, offset: Array, statistics: Array) -> Array:
        """``(n, W)`` predictions; ``offset (C,)`` and ``statistics (S,)`` of one task, or ``(n, …)`` of each row."""
        start = scores + offset
        shape = (len(X), statistics.shape[-1])
        inputs = np.hstack([X, scores, np.broadcast_to(statistics, shape)])
        return probabilities(start + raw_scores(self.second, inputs), self.statistics.kind)


@final
@dataclass(frozen=True)
class BoostedPart(Part):
    """The common model with one task's statistics."""

    model: BoostedModel
    offset: Array
    statistics: Array

    def predict(self, X: Array) -> Array:
        return self.model.corrected(X, self.model.scores(X), self.offset, self.statistics)


@final
@dataclass(frozen=True)
class BoostedAdapter(Adapter):
    """A common model that reads a task's labels as features."""

    rows: TabularEncoder
    model: BoostedModel

    def encode(self, table: Table) -> NDArray[Any]:
        return self.rows.transform(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        scores, statistics = self.model.scores(X), self.model.statistics
        return BoostedPart(self.model, statistics.offset(scores, y), statistics.of(scores, y))

    def predict_each(self, X: NDArray[Any], jobs: Sequence[Job], classes: int | None) -> list[Array]:
        """All jobs in one pass of each booster."""
        scores = self.model.scores(X)
        query, offset, numbers = job_rows(scores, jobs, self.model.statistics)
        found = self.model.corrected(X[query], scores[query], offset, numbers)
        return np.split(found, np.cumsum([len(rows) for _, _, rows in jobs])[:-1])


def job_rows(scores: Array, jobs: Sequence[Job], statistics: Statistics) -> tuple[Rows, Array, Array]:
    """Of every job's query rows their places ``(r,)``, offsets ``(r, C)`` and statistics ``(r, S)``."""
    sizes = [len(rows) for _, _, rows in jobs]
    offsets = np.array([statistics.offset(scores[support], y) for support, y, _ in jobs])
    numbers = np.array([statistics.of(scores[support], y) for support, y, _ in jobs])
    query = np.concatenate([rows for _, _, rows in jobs])
    return query, np.repeat(offsets, sizes, axis=0), np.repeat(numbers, sizes, axis=0)


def boosted_configurations(sample: TaskSample) -> tuple[Configuration, ...]:
    """Two sizes of trees; none for a pool, whose tasks have no classes in common."""
    if sample.ways is not None or sample.table.reads_tensors or not sample.table.columns:
        return ()
    return configuration("boosting", leaves=15), configuration("boosting", leaves=6)


def fit_boosted(sample: TaskSample, configuration: Configuration, run: Run, seconds: float) -> Adapter:
    """Grow the first boosters, then the second; both stop by the validation tasks.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    begin = time.process_time()
    learn, stop = split(sample, run.seed)
    encoder = TabularEncoder.fit(sample.table.take(learn), "trees")
    X, y = encoder.transform(sample.table), sample.y
    scores, first = _first(X, sample, learn, stop, encoder.categorical, configuration, run, seconds * 0.6)
    inside, outside = simulated(sample, learn, run.seed), simulated(sample, stop, run.seed + 1)
    spread = np.array([scores[learn].std(), (y[learn] - scores[learn, 0]).std()]) + 1e-9
    statistics = Statistics(sample.kind, likely_penalty(scores, y, inside, sample.kind), spread)
    rng = np.random.default_rng(run.seed)
    data = []
    for jobs, most in ((inside, MOST_ROWS), (outside, MOST_ROWS // 3)):
        query, offset, numbers = job_rows(scores, jobs, statistics)
        kept = np.sort(rng.permutation(len(query))[:most])
        query = query[kept]
        inputs = np.hstack([X[query], scores[query], numbers[kept]])
        data.append((inputs, y[query], scores[query] + offset[kept]))
    second = grow_booster(
        data[0], data[1], sample.kind, encoder.categorical, configuration, run, begin + seconds
    )
    return BoostedAdapter(encoder, BoostedModel(first, second, statistics))


def _first(
    X: Array,
    sample: TaskSample,
    learn: Rows,
    stop: Rows,
    categorical: Sequence[int],
    setting: Configuration,
    run: Run,
    seconds: float,
) -> tuple[Array, tuple[str, ...]]:
    """Scores ``(n, C)`` by boosters that have not grown on the row's task, and the boosters."""
    codes = np.random.default_rng(run.seed).permutation(np.unique(sample.task[learn]))
    part = np.full(int(sample.task.max()) + 1, -1)
    part[codes] = np.arange(len(codes)) % PARTS
    mine = part[sample.task[learn]]
    texts, crossed = [], {}
    for code in range(min(PARTS, len(codes))):
        rows = learn[mine != code] if len(codes) > 1 else learn
        until = time.process_time() + seconds / PARTS
        data = (X[rows], sample.y[rows], None), (X[stop], sample.y[stop], None)
        texts.append(grow_booster(*data, sample.kind, categorical, setting, run, until))
        crossed[code] = raw_scores(texts[-1], X)
    scores = np.mean(list(crossed.values()), axis=0)
    for code, own in crossed.items():
        scores[learn[mine == code]] = own[learn[mine == code]]
    return scores, tuple(texts)


def simulated(sample: TaskSample, rows: Rows, seed: int) -> list[Job]:
    """Supports of all sizes from these rows' tasks, with query rows outside them."""
    most = max(sample.shots)
    sizes = np.unique(np.round(np.geomspace(1, most, SIZES)).astype(np.intp)).tolist()
    tasks = len(np.unique(sample.task[rows]))
    draws = draws_of(
        sample.task, sample.y, rows, shots=sizes, ways=None, classes=sample.classes,
        queries=sample.queries, count=int(np.clip(SUPPORTS // (tasks * len(sizes)), 1, 20)), seed=seed,
    )  # fmt: skip
    return [
        (support, y, draw.query)
        for draw in draws
        for support, y in zip(draw.supports, draw.support_y, strict=True)
        if support is not None and y is not None
    ]


def likely_penalty(scores: Array, y: Array, jobs: Sequence[Job], kind: Kind) -> float:
    """Of `PENALTIES` the one whose offsets serve query rows best."""
    losses = []
    query = np.concatenate([rows for _, _, rows in jobs])
    sizes = [len(rows) for _, _, rows in jobs]
    truth = y[query]
    sums = [[part.sum(axis=0) for part in missed(scores[support], own, kind)] for support, own, _ in jobs]
    miss, curvature = np.array(sums).transpose(1, 0, 2)
    for penalty in PENALTIES:
        predicted = scores[query] + np.repeat(miss / (curvature + penalty), sizes, axis=0)
        if isinstance(kind, Classification):
            right = probabilities(predicted, kind)[np.arange(len(truth)), truth.astype(np.intp)]
            losses.append(-float(np.log(np.maximum(right, PROBABILITY_FLOOR)).mean()))
        else:
            losses.append(float(((truth - predicted[:, 0]) ** 2).mean()))
    return PENALTIES[int(np.argmin(losses))]
