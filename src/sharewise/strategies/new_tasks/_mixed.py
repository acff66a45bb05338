"""The linear family's meta-learner for long tables: a mixed model whose prior is learnt across tasks.

Numbers: see `_prior`; a new task gets its posterior mean. Classes: the same model for their scores; the prior is learnt
on working labels and weights (penalised quasi-likelihood, Breslow & Clayton 1993, https://doi.org/10.2307/2290687,
eq. 8–11), and a new task gets the mode of its posterior.

Symbols: ``n`` rows, ``P`` features, ``W`` columns of scores: 1 for numbers, one a class; ``q`` effects of a task, its
offset first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run, configuration
from sharewise.families._parts import LinearPart
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.strategies.new_tasks._class_means import fit_class_means
from sharewise.strategies.new_tasks._prior import Prior, Sums, posterior, step
from sharewise.strategies.new_tasks._rows import RowReader, readable
from sharewise.strategies.new_tasks._sample import TaskSample
from sharewise.strategies.new_tasks._softmax import Directions, fit_softmax, softmax
from sharewise.tasks import Array, Classification

MOST_STEPS = 400
CLASS_STEPS = 40
ENOUGH = 1e-6
"""Learning ends when a step gains less evidence than this a row."""
WIDEST = 64
"""A task's own slopes reach at most this many directions, those of the features' greatest spread."""
LEAST_CURVATURE = 0.02
"""Of a class's log loss in its score, so that a working label stays finite where the model is sure."""


@final
@dataclass(frozen=True)
class MixedAdapter(Adapter):
    """A learnt prior.

    Attributes:
        rows: Reads tables.
        axes: ``(P, q − 1)`` directions of a task's own slopes; none where its offset alone is its own.
        priors: One a column of scores.
    """

    rows: RowReader
    axes: Array
    priors: tuple[Prior, ...]

    def encode(self, table: Table) -> NDArray[Any]:
        return self.rows.transform(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        x, z = designs(X, self.axes)
        if classes is None:
            (prior,) = self.priors
            effects = posterior(prior, x, z, y)[:, None]
        else:
            offset = np.column_stack([x @ prior.mean for prior in self.priors])
            effects = class_effects(z, y, offset, self.priors[0].spread)
        weights = np.column_stack([prior.mean[1:] for prior in self.priors]) + self.axes @ effects[1:]
        intercept = np.array([prior.mean[0] for prior in self.priors]) + effects[0]
        return LinearPart(weights, intercept, "identity" if classes is None else "softmax")


def designs(X: Array, axes: Array) -> tuple[Array, Array]:
    """Columns ``x (n, 1 + P)`` of what is common and ``z (n, q)`` of what is a task's own."""
    ones = np.ones((len(X), 1))
    return np.hstack([ones, X]), np.hstack([ones, X @ axes])


def class_effects(z: Array, y: Array, offset: Array, spread: Array) -> Array:
    """``(q, W)``: the mode of a task's effects on each class's score, given its rows.

    Args:
        z: ``(k, q)``.
        y: ``(k,)`` class places.
        offset: ``(k, W)`` scores without them.
        spread: ``(q,)`` prior variances.
    """
    root = np.sqrt(spread)
    directions = Directions.of(z * root)
    Y = (y[:, None] == np.arange(offset.shape[1])).astype(np.float64)
    B = fit_softmax(directions, Y, np.ones((1, len(directions.square))), offset=offset)[0]
    return np.asarray(root[:, None] * (directions.axes @ B))


def mixed_configurations(sample: TaskSample) -> tuple[Configuration, ...]:
    """What a task may have of its own; a pool has one form."""
    if not readable(sample.table):
        return ()
    if sample.ways is not None:
        return (configuration("class means"),)
    return configuration("mixed", own="slopes"), configuration("mixed", own="offset")


def fit_mixed(sample: TaskSample, configuration: Configuration, run: Run, seconds: float) -> Adapter:
    """Learn the prior on the training tasks.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    if sample.ways is not None:
        return fit_class_means(sample, run)
    rows = RowReader.fit(sample)
    order = np.flatnonzero(sample.train)
    order = order[sample.task[order].argsort(kind="stable")]
    X, y = rows.transform(sample.table.take(order)), sample.y[order]
    starts = np.flatnonzero(np.diff(sample.task[order], prepend=-1))
    tasks = [slice(a, b) for a, b in zip(starts, [*starts[1:], len(y)], strict=True)]
    axes = own_axes(X) if configuration.word("own", "slopes") == "slopes" else np.zeros((X.shape[1], 0))
    learn = _learn_classes if isinstance(sample.kind, Classification) else _learn_numbers
    priors = learn(X, y, axes, tasks, sample.width, run, time.process_time() + seconds)
    return MixedAdapter(rows, axes, priors)


def own_axes(X: Array) -> Array:
    """Every feature where they are few; else the `WIDEST` directions of greatest spread."""
    if X.shape[1] <= WIDEST:
        return np.eye(X.shape[1])
    _, axes = np.linalg.eigh(np.cov(X.T))
    return np.ascontiguousarray(axes[:, ::-1][:, :WIDEST])


def _learn_numbers(
    X: Array, y: Array, axes: Array, tasks: list[slice], width: int, run: Run, until: float
) -> tuple[Prior, ...]:
    # Learnt on standardised labels, so that starting values and floors have a scale.
    centre, scale = float(y.mean()), max(float(y.std()), 1e-12)
    x, z = designs(X, axes)
    sums = Sums.of(x, z, (y - centre) / scale, None, tasks)
    spread = np.full(z.shape[1], 0.1 / max(z.shape[1] - 1, 1))
    spread[0] = 0.1
    prior, last = Prior(np.zeros(x.shape[1]), spread, 0.8, 1.0), -np.inf
    for _ in range(MOST_STEPS):
        found = step(sums, prior)
        prior = found.prior
        run.tick(steps=1)
        if found.evidence - last < ENOUGH * len(y) or time.process_time() > until:
            break
        last = found.evidence
    run.tick(fits=1)
    mean = prior.mean * scale
    mean[0] += centre
    return (replace(prior, mean=mean, spread=prior.spread * scale**2, noise=prior.noise * scale**2),)


def _learn_classes(
    X: Array, y: Array, axes: Array, tasks: list[slice], width: int, run: Run, until: float
) -> tuple[Prior, ...]:
    x, z = designs(X, axes)
    Y = (y[:, None] == np.arange(width)).astype(np.float64)
    spread = np.full(z.shape[1], 0.3 / max(z.shape[1] - 1, 1))
    spread[0] = 0.3
    start = np.zeros(x.shape[1])
    priors = [replace(Prior(start, spread, 1.0, 1.0), mean=start + np.eye(len(start))[0] * value)
              for value in np.log((Y.sum(axis=0) + 1) / (len(Y) + width))]  # fmt: skip
    effects = [np.zeros((len(tasks), z.shape[1])) for _ in range(width)]
    task = np.repeat(np.arange(len(tasks)), [own.stop - own.start for own in tasks])
    for _ in range(CLASS_STEPS):
        scores = np.column_stack([
            x @ prior.mean + (z * u[task]).sum(axis=1) for prior, u in zip(priors, effects, strict=True)
        ])  # fmt: skip
        shares = softmax(scores)
        for place in range(width):
            # Scores that sum to zero: for two classes (and for even shares) this curvature is exact.
            curvature = np.maximum(shares[:, place] * (1 - shares[:, place]), LEAST_CURVATURE)
            weight = curvature * (width / (width - 1))
            working = scores[:, place] + (Y[:, place] - shares[:, place]) / weight
            found = step(Sums.of(x, z, working, weight, tasks), priors[place], known_noise=True)
            priors[place], effects[place] = found.prior, found.u
            run.tick(steps=1)
        # One variance for all classes: where a task is unusual in one, it is in the others.
        common = np.mean([prior.spread for prior in priors], axis=0)
        moved = float(np.abs(np.log(common / spread)).max())
        spread = common
        priors = [replace(prior, spread=common) for prior in priors]
        if moved < 0.01 or time.process_time() > until:
            break
    run.tick(fits=1)
    return tuple(priors)
