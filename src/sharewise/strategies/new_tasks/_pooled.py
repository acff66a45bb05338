"""One model of all training tasks' rows; a new task's labels change nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run, configuration
from sharewise.families._linear_alone import INVERSE_PENALTIES, logistic, ridge
from sharewise.families._parts import LinearPart
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._lightgbm import grow_booster, raw_scores
from sharewise.strategies.new_tasks._pooled_network import fit_pooled_network, pooled_network_configurations
from sharewise.strategies.new_tasks._rows import RowReader, readable
from sharewise.strategies.new_tasks._sample import Rows, TaskSample
from sharewise.strategies.new_tasks._softmax import softmax
from sharewise.tasks import PROBABILITY_FLOOR, Array, Binary, Classification, Kind


def probabilities(scores: Array, kind: Kind) -> Array:
    """Raw scores of a booster ``(n, W)`` as predictions of this kind."""
    if isinstance(kind, Binary):
        scores = np.hstack([np.zeros_like(scores), scores])
    return softmax(scores) if isinstance(kind, Classification) else scores


@final
@dataclass(frozen=True)
class BoosterPart(Part):
    """LightGBM's text of a model."""

    text: str
    kind: Kind

    def predict(self, X: Array) -> Array:
        return probabilities(raw_scores(self.text, X), self.kind)


@final
@dataclass(frozen=True)
class PooledAdapter(Adapter):
    """A model that stays as it is."""

    rows: RowReader | TabularEncoder
    part: LinearPart | BoosterPart

    def encode(self, table: Table) -> NDArray[Any]:
        return self.rows.transform(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        return self.part

    def predict_each(self, X: NDArray[Any], jobs: Any, classes: int | None) -> list[Array]:
        predicted = self.part.predict(X)
        return [predicted[query] for _, _, query in jobs]


def split(sample: TaskSample, seed: int) -> tuple[Rows, Rows]:
    """Rows to learn from, and of other tasks to stop by: the validation tasks', or without any those of a fifth of the
    training tasks."""
    learn, stop = np.flatnonzero(sample.train), np.flatnonzero(~sample.train)
    codes = np.random.default_rng(seed).permutation(np.unique(sample.task[learn]))
    if not len(stop) and len(codes) > 1:
        aside = np.isin(sample.task, codes[: max(1, len(codes) // 5)])
        learn, stop = np.flatnonzero(~aside), np.flatnonzero(aside)
    return learn, stop if len(stop) else learn


@final
class Pooled(NewTaskStrategy):
    """One model for all tasks, those to come too; a pool's tasks have no classes in common, so it has none."""

    name: ClassVar[str] = "joint"
    shares: ClassVar[bool] = True

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        if family == "network":
            return pooled_network_configurations(sample)
        if sample.ways is not None or not readable(sample.table):
            return ()
        if family == "linear":
            return (configuration("penalised"),)
        return (configuration("boosting"),) if family == "trees" and not sample.table.reads_tensors else ()

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        if family == "network":
            return fit_pooled_network(sample, configuration, run, seconds)
        learn, stop = split(sample, run.seed)
        if family == "linear":
            return _linear(sample, learn, stop, run)
        encoder = TabularEncoder.fit(sample.table.take(learn), "trees")
        X, y = encoder.transform(sample.table), sample.y
        text = grow_booster(
            (X[learn], y[learn], None), (X[stop], y[stop], None), sample.kind, encoder.categorical,
            configuration, run, time.process_time() + seconds,
        )  # fmt: skip
        return PooledAdapter(encoder, BoosterPart(text, sample.kind))


def _linear(sample: TaskSample, learn: Rows, stop: Rows, run: Run) -> Adapter:
    """Ridge with its penalty by leave-one-out, logistic regression with its penalty by the tasks to stop by."""
    rows = RowReader.fit(sample)
    X, y = rows.transform(sample.table), sample.y
    if not isinstance(sample.kind, Classification):
        weights, intercept = ridge(X[learn], y[learn, None])
        run.tick(fits=1)
        return PooledAdapter(rows, LinearPart(weights, intercept, "identity"))
    start, best, least = None, None, np.inf
    for C in INVERSE_PENALTIES:
        part, start = logistic(X[learn], y[learn], sample.kind, C, start)
        right = part.predict(X[stop])[np.arange(len(stop)), y[stop].astype(np.intp)]
        loss = -float(np.log(np.maximum(right, PROBABILITY_FLOOR)).mean())
        if best is None or loss < least:
            best, least = part, loss
        run.tick(fits=1)
    assert best is not None
    return PooledAdapter(rows, best)
