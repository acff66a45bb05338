"""The linear family's meta-learner for pools of classes: Gaussian classes whose covariances are learnt across classes.

A row of class c is m_c + e with e ~ N(0, S_w), and class means are m_c ~ N(m_0, S_b) (two-covariance model; Ioffe 2006,
https://doi.org/10.1007/11744085_41, eq. 2). Both covariances are learnt on the training classes, each shrunken
towards a multiple of the identity by the share that serves held-out classes best: all of it is the nearest class mean. In the
directions where S_w is the identity and S_b = diag(ψ), a class with n support rows of mean x̄ has mean nψ/(nψ + 1) x̄ and
predictive variance 1 + ψ/(nψ + 1) (eq. 5–7); with equal n for all classes the borders between them are linear.

Symbols: ``n`` rows, ``P`` features, ``d`` directions, ``W`` classes of a task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Part, Run
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.strategies.new_tasks._rows import RowReader
from sharewise.strategies.new_tasks._sample import Draw, Rows, TaskSample, draws_of
from sharewise.strategies.new_tasks._softmax import softmax
from sharewise.tasks import PROBABILITY_FLOOR, Array

SHRINKAGES = tuple((own, other) for own in (0.3, 0.1, 0.03, 1.0) for other in (0.3, 0.05, 1.0))
"""Shares of the identity in S_w and S_b that compete; the first serve where nothing can be held out."""
SHARPNESSES = (0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4)
"""Factors of the scores that compete: correlations that S_w lost make scores too sure of themselves."""
MOST_FEATURES = 384
"""More are first reduced to this many directions of greatest spread."""
DRAWS = 60


@dataclass(frozen=True)
class Scatter:
    """What the rows of classes say of both covariances, before any is shrunken.

    Attributes:
        centre: ``(P,)`` m_0.
        axes: ``(P, q)`` the directions looked at.
        within: ``(q, q)`` around the classes' means.
        means: ``(C, q)`` of the ``C`` classes.
        counts: ``(C,)`` rows.
    """

    centre: Array
    axes: Array
    within: Array
    means: Array
    counts: Array

    @classmethod
    def of(cls, X: Array, task: Rows) -> Scatter:
        """From ``(n, P)`` rows and their classes ``(n,)``."""
        codes, place, counts = np.unique(task, return_inverse=True, return_counts=True)
        centre = X.mean(axis=0)
        Z, axes = X - centre, np.eye(X.shape[1])
        if X.shape[1] > MOST_FEATURES:
            _, turned = np.linalg.eigh(Z.T @ Z)
            axes = np.ascontiguousarray(turned[:, ::-1][:, :MOST_FEATURES])
            Z = Z @ axes
        means = np.zeros((len(codes), Z.shape[1]))
        np.add.at(means, place, Z)
        means /= counts[:, None]
        apart = Z - means[place]
        within = apart.T @ apart / max(len(Z) - len(codes), 1)
        return cls(centre, axes, within, means, counts.astype(np.float64))


@dataclass(frozen=True)
class Subspace:
    """Where classes differ.

    Attributes:
        centre: ``(P,)`` m_0.
        axes: ``(P, d)`` directions in which S_w is the identity and S_b diagonal.
        between: ``(d,)`` ψ, above zero.
    """

    centre: Array
    axes: Array
    between: Array

    @classmethod
    def of(cls, found: Scatter, shrinkage: tuple[float, float]) -> Subspace:
        """With shares of the identity in S_w and of S_b."""
        within = found.within
        size = max(float(np.trace(within)) / len(within), 1e-12)
        within = (1 - shrinkage[0]) * within + shrinkage[0] * size * np.eye(len(within))
        values, vectors = np.linalg.eigh(within)
        whiten = vectors / np.sqrt(np.maximum(values, 1e-9 * size))
        spread, turn = np.linalg.eigh(np.cov((found.means @ whiten).T).reshape(len(within), -1))
        # Fewer classes than features leave most directions without any spread: few classes say little of S_b.
        spread = (1 - shrinkage[1]) * spread + shrinkage[1] * spread.mean()
        # A mean of n rows varies by 1/n besides.
        between = np.maximum(spread - float((1 / found.counts).mean()), 1e-3)
        return cls(found.centre, found.axes @ (whiten @ turn), between)

    def project(self, X: Array) -> Array:
        """``(n, P) -> (n, d)``."""
        return np.asarray((X - self.centre) @ self.axes)


@final
@dataclass(frozen=True)
class ClassMeansPart(Part):
    """Gaussian classes with diagonal covariances.

    Attributes:
        means, variances: ``(W, d)``.
        sharpness: Of the scores.
    """

    means: Array
    variances: Array
    sharpness: float

    def predict(self, X: Array) -> Array:
        return softmax(self.sharpness * self.scores(X))

    def scores(self, X: Array) -> Array:
        """``(n, W)`` log densities, but for a constant."""
        precision = 1.0 / self.variances
        square = (
            X**2 @ precision.T - 2 * X @ (self.means * precision).T + (self.means**2 * precision).sum(axis=1)
        )
        return np.asarray(-0.5 * (square + np.log(self.variances).sum(axis=1)))


@final
@dataclass(frozen=True)
class ClassMeansAdapter(Adapter):
    """What classes have in common.

    Attributes:
        rows: Reads tables.
        space: Where classes differ.
        sharpness: See `SHARPNESSES`.
    """

    rows: RowReader
    space: Subspace
    sharpness: float

    def encode(self, table: Table) -> NDArray[Any]:
        return self.space.project(self.rows.transform(table))

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        return class_means(X, y, classes or 2, self.space.between, self.sharpness)


def class_means(X: Array, y: Array, classes: int, between: Array, sharpness: float) -> ClassMeansPart:
    """Posterior classes given ``(k, d)`` projected rows; one without rows keeps the prior."""
    Y = (y[:, None] == np.arange(classes)).astype(np.float64)
    count = Y.sum(axis=0)[:, None]
    spread = count * between + 1.0
    return ClassMeansPart(between * (Y.T @ X) / spread, 1.0 + between / spread, sharpness)


def fit_class_means(sample: TaskSample, run: Run) -> Adapter:
    """Both covariances on the training classes; shrinkage and sharpness by the log loss of tasks drawn from the
    validation classes (or, without any, from a fifth of the training classes that are left out for that)."""
    rows = RowReader.fit(sample)
    X = rows.transform(sample.table)
    learn, judge = np.flatnonzero(sample.train), np.flatnonzero(~sample.train)
    whole = learn
    if len(np.unique(sample.task[judge])) < (sample.ways or 2):
        codes = np.random.default_rng(run.seed).permutation(np.unique(sample.task[learn]))
        aside = np.isin(sample.task, codes[: len(codes) // 5])
        learn, judge = np.flatnonzero(sample.train & ~aside), np.flatnonzero(sample.train & aside)
    shrinkage, sharpness = SHRINKAGES[0], 0.5
    if len(np.unique(sample.task[judge])) >= (sample.ways or 2):
        draws = draws_of(
            sample.task, sample.y, judge, shots=sample.shots, ways=sample.ways, classes=sample.classes,
            queries=sample.queries, count=DRAWS, seed=run.seed,
        )  # fmt: skip
        found = Scatter.of(X[learn], sample.task[learn])
        losses = np.array([_losses(X, found, draws, share, sample.width, run) for share in SHRINKAGES])
        if np.isfinite(losses).all():
            best, sharp = np.unravel_index(int(losses.argmin()), losses.shape)
            shrinkage, sharpness = SHRINKAGES[int(best)], SHARPNESSES[int(sharp)]
    run.tick(fits=1)
    return ClassMeansAdapter(
        rows, Subspace.of(Scatter.of(X[whole], sample.task[whole]), shrinkage), sharpness
    )


def _losses(
    X: Array,
    found: Scatter,
    draws: list[Draw],
    shrinkage: tuple[float, float],
    classes: int,
    run: Run,
) -> Array:
    """Mean log loss of each sharpness; NaN where no draw is served."""
    space = Subspace.of(found, shrinkage)
    used = np.unique(np.concatenate([draw.query for draw in draws]))
    used = np.unique(np.concatenate([used, *[s for draw in draws for s in draw.supports if s is not None]]))
    Z = np.full((len(X), len(space.between)), np.nan)
    Z[used] = space.project(X[used])
    total, count = np.zeros(len(SHARPNESSES)), 0
    for draw in draws:
        for support, y in zip(draw.supports, draw.support_y, strict=True):
            if support is None or y is None:
                continue
            scores = class_means(Z[support], y, classes, space.between, 1.0).scores(Z[draw.query])
            for place, sharpness in enumerate(SHARPNESSES):
                shares = softmax(sharpness * scores)
                right = shares[np.arange(len(shares)), draw.query_y.astype(np.intp)]
                total[place] -= float(np.log(np.maximum(right, PROBABILITY_FLOOR)).mean())
            count += 1
    run.tick(fits=1)
    return total / count if count else np.full(len(SHARPNESSES), np.nan)
