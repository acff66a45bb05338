"""From scratch on the support alone.

Features are read with scales, medians and categories of other tasks' rows, never of their labels: at one labelled row
nobody could know the scale of a feature, and rows without labels are at hand when the model is built.

Symbols: ``k`` support rows, ``P`` features, ``W`` classes (1 for numbers), ``C`` penalties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run, configuration
from sharewise.families._extra_trees import ForestPart, grow
from sharewise.families._parts import ConstantPart, LinearPart
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._constant import constant_of
from sharewise.strategies.new_tasks._own_network import fit_own_network, own_network_configurations
from sharewise.strategies.new_tasks._rows import RowReader, readable
from sharewise.strategies.new_tasks._sample import TaskSample
from sharewise.strategies.new_tasks._softmax import Directions, fit_softmax, softmax
from sharewise.tasks import PROBABILITY_FLOOR, Array, Multiclass, Regression

SHARES = np.concatenate([[np.inf], np.logspace(4, -4, 17)])
"""Ridge penalties, strongest first, in units of a row's mean squared length: infinity is the constant."""
SPREADS = (0.003, 0.03, 0.3, 3.0, 30.0)
"""Variances of a row's scores under the prior of logistic regression, smallest (strongest penalty) first."""
USUAL_SPREAD = 1.0
"""Where a class has a single row, so that nothing can be held out."""
FOLDS = 5
ROWS_FITTED = 120
"""About this many support rows in all are held out over the folds: large supports need fewer folds."""
ROUGHLY = 1e-3
"""Tolerance of fits, in units of a score: far below what a few labels can tell."""


def ridge_left_out(X: Array, y: Array) -> LinearPart:
    """Ridge by leave-one-out in closed form (Allen 1974; Golub et al. 1979, eq. 1.4): each penalty is believed as far as
    its left-out errors are likely under normal noise, and the fits are averaged so.

    The single penalty of least error follows a handful of rows too readily. With two rows all penalties leave out
    alike, and nothing is learnt from features; one row gives the constant.
    """
    k = len(y)
    centre, mean = X.mean(axis=0), y.mean()
    directions = Directions.of(X - centre)
    weights = np.zeros((X.shape[1], 1))
    if k > 2 and len(directions.square):
        U = directions.A / np.sqrt(directions.square)
        kept = directions.square / (
            directions.square + SHARES[:, None] * directions.square.sum() / k
        )  # (C, d)
        project = U.T @ (y - mean)
        residual = y - mean - (kept * project) @ U.T
        left_out = residual / np.maximum(1 - 1 / k - kept @ (U**2).T, 1e-9)
        losses = (left_out**2).mean(axis=1)
        trust = (np.maximum(losses, 1e-300) / max(losses.min(), 1e-300)) ** (-k / 2)
        blend = trust @ kept / trust.sum()
        weights = (directions.axes @ (blend * project / np.sqrt(directions.square)))[:, None]
    return LinearPart(weights, mean - centre @ weights, "identity")


def logistic_held_out(X: Array, y: Array, classes: int) -> LinearPart:
    """Logistic regression by inner folds that hold each class: each penalty is believed as far as the labels that were
    held out are likely under it, and the fits are averaged so.

    Where a class of the support has a single row there is no fold: scores then vary by `USUAL_SPREAD` under the prior.
    Intercepts have a standard normal prior, so that a class without rows stays possible.
    """
    Y = (y[:, None] == np.arange(classes)).astype(np.float64)
    centre = X.mean(axis=0)
    directions = Directions.of(X - centre).with_intercept()
    length = max(float(directions.square[1:].sum()) / len(X), 1e-12)
    spreads: tuple[float, ...] = (USUAL_SPREAD,)
    trust = np.ones(1)
    if Y.sum(axis=0)[Y.any(axis=0)].min() >= 2:
        spreads, trust = SPREADS, _trust(directions, Y, length)
    fits = fit_softmax(directions, Y, _penalties(directions, length, spreads), tolerance=ROUGHLY)
    weights = directions.axes @ np.tensordot(trust, fits, 1)
    return LinearPart(weights[1:], weights[0] - centre @ weights[1:], "softmax")


def _penalties(directions: Directions, length: float, spreads: tuple[float, ...]) -> Array:
    """``(C, d)`` precisions; the intercept, which is the first direction, has 1."""
    found = np.repeat(length / np.array(spreads)[:, None], len(directions.square), axis=1)
    found[:, 0] = 1.0
    return found


def _trust(directions: Directions, Y: Array, length: float) -> Array:
    """``(C,)`` shares of belief in `SPREADS`."""
    k = len(Y)
    fold = np.zeros(k, dtype=np.intp)
    order = Y.argmax(axis=1).argsort(kind="stable")
    fold[order] = np.concatenate([np.arange(int(count)) for count in Y.sum(axis=0)]) % FOLDS
    held = min(FOLDS, max(1, round(ROWS_FITTED / k)))
    outside = np.array([fold == code for code in range(held) if (fold == code).any()])
    rows = np.repeat(~outside, len(SPREADS), axis=0).astype(np.float64)
    penalties = np.tile(_penalties(directions, length, SPREADS), (len(outside), 1))
    shares = softmax(directions.A @ fit_softmax(directions, Y, penalties, rows=rows, tolerance=ROUGHLY))
    losses = -np.log(np.maximum((shares * Y).sum(axis=2), PROBABILITY_FLOOR)) * (1 - rows)
    total = losses.sum(axis=1).reshape(len(outside), -1).sum(axis=0)
    trust = np.exp(total.min() - total)
    return np.asarray(trust / trust.sum())


@final
@dataclass(frozen=True)
class OwnLinear(Adapter):
    """Ridge for numbers, logistic regression for classes."""

    rows: RowReader

    def encode(self, table: Table) -> NDArray[Any]:
        return self.rows.transform(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        return ridge_left_out(X, y) if classes is None else logistic_held_out(X, y, classes)


@final
@dataclass(frozen=True)
class OwnTrees(Adapter):
    """Extremely randomised trees: the one of the family's learners that has something to average over at five rows.

    Attributes:
        rows: Reads tables.
        leaf: Least rows of a leaf.
        seed: Of its randomness.
    """

    rows: TabularEncoder | RowReader
    leaf: int
    seed: int

    def encode(self, table: Table) -> NDArray[Any]:
        return self.rows.transform(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        if len(np.unique(y)) < 2 or not X.shape[1]:
            return ConstantPart(constant_of(y, classes))
        kind = Regression() if classes is None else Multiclass(classes)
        Z = y[:, None] if classes is None else (y[:, None] == np.arange(classes)).astype(np.float64)
        setting = configuration("forest", min_samples_leaf=self.leaf, max_features=MOST_FEATURES)
        return ForestPart(grow(X, Z, setting, Run(self.seed, effort=0), serves=False), kind)


MOST_FEATURES = 0.5
LINEAR, TREES = (
    (configuration("penalised"),),
    (
        configuration("forest", min_samples_leaf=3),
        configuration("forest", min_samples_leaf=1),
    ),
)


@final
class Own(NewTaskStrategy):
    """Each new task by itself, from scratch."""

    name: ClassVar[str] = "separate"
    shares: ClassVar[bool] = False

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        if family == "network":
            return own_network_configurations(sample, effort)
        if not readable(sample.table):
            return ()
        if family == "linear":
            return LINEAR
        if family != "trees" or sample.table.reads_tensors:
            return ()
        return TREES if sample.ways is None else TREES[1:]  # few rows a class leave no room for larger leaves

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        if family == "network":
            return fit_own_network(sample, configuration, run, seconds)
        adapter: Adapter
        if family == "linear":
            adapter = OwnLinear(RowReader.fit(sample))
        else:
            train = sample.table.take(np.flatnonzero(sample.train))
            rows = TabularEncoder.fit(train, "trees") if sample.ways is None else RowReader.fit(sample)
            adapter = OwnTrees(rows, int(configuration.get("min_samples_leaf", 3)), run.seed)
        run.tick(fits=1)
        return adapter
