"""Extremely randomised trees (Geurts et al. 2006): a forest a task, or one whose leaves hold all targets.

Classes are fitted as indicator columns: for one-hot columns the squared error of a split equals its
Gini impurity, so numbers and classes of several targets fit in one forest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration
from sharewise.families._forest import Forest
from sharewise.families._linear_wide import indicators
from sharewise.families._parts import FitPart
from sharewise.families._sample import Fit, Fold, Model, Part, Predictions, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table, Target
from sharewise.tasks import Array, Classification, Kind

TREES = (30, 60, 100, 150)
"""Trees of the forest that serves, by effort."""
FOLD_TREES = (15, 20, 30, 50)
"""Trees of the forests that only predict what an inner fold held out."""
FEWEST_TREES = 10


def grow(X: Array, Z: Array, configuration: Configuration, run: Run, *, serves: bool) -> Forest:
    """A forest on ``X`` ``(n, P)`` and complete columns ``Z`` ``(n, W)``."""
    from sklearn.ensemble import ExtraTreesRegressor

    # A dozen rows have few different splits to average over.
    count = min((TREES if serves else FOLD_TREES)[run.effort], max(FEWEST_TREES, len(X)))
    features = configuration.get("max_features", 1.0)
    model = ExtraTreesRegressor(
        n_estimators=count,
        min_samples_leaf=int(configuration.get("min_samples_leaf", 1)),
        max_features=features if X.shape[1] > 1 else 1.0,
        random_state=run.seed % 2**31,
        n_jobs=None,
    ).fit(X, Z if Z.shape[1] > 1 else Z[:, 0])
    run.tick(fits=1, steps=count)
    return Forest.from_sklearn(model)


def probabilities(values: Array, kind: Kind, trees: int) -> Array:
    """Leaf shares ``(n, W)`` as probabilities; one more tree that knows nothing keeps all possible."""
    if not isinstance(kind, Classification):
        return values
    shares = np.clip(values, 0.0, 1.0)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    smooth: Array = (shares * trees + 1.0 / kind.width) / (trees + 1)
    return smooth


@dataclass(frozen=True)
class ForestPart(Part):
    """A forest for one task."""

    forest: Forest
    kind: Kind

    def predict(self, X: Array) -> Array:
        return probabilities(self.forest.predict(X), self.kind, len(self.forest.roots))


def fit_forest(configuration: Configuration) -> FitPart:
    """A `FitPart` for one task with these settings."""

    def fit(
        X: Array, y: Array, target: Target, folds: tuple[Fold, ...], encoder: TabularEncoder, run: Run
    ) -> tuple[Part, Array]:
        kind = target.kind
        Z = y[:, None]
        if isinstance(kind, Classification):
            Z = (y[:, None] == np.arange(kind.width)).astype(np.float64)
        held_out = np.full((len(y), kind.width), np.nan)
        for train, valid in folds:
            part = ForestPart(grow(X[train], Z[train], configuration, run, serves=False), kind)
            held_out[valid] = part.predict(X[valid])
        return ForestPart(grow(X, Z, configuration, run, serves=True), kind), held_out

    return fit


@dataclass(frozen=True)
class LevelMeans:
    """Shrunken means of the indicator columns by level, features of a shared forest.

    Attributes:
        means: ``(L, W)``; the overall mean (0 after standardising) where a level is empty.
    """

    means: Array

    @classmethod
    def fit(cls, Z: Array, level: NDArray[np.intp], count: int) -> LevelMeans:
        """Means of ``Z`` ``(n, W)`` shrunken towards 0 as if `PRIOR_ROWS` rows had the overall mean."""
        sums, sizes = level_sums(Z, level, count)
        return cls(sums / (sizes + PRIOR_ROWS))

    @classmethod
    def crossed(cls, Z: Array, level: NDArray[np.intp], count: int, seed: int) -> Array:
        """``(n, W)`` means for the training rows themselves, each from rows of other random parts.

        A mean that holds (or just leaves out) a row's own label would tell the forest that label
        (Micci-Barreca 2001; the cross fitting of scikit-learn's TargetEncoder).
        """
        part = np.random.default_rng(seed).permutation(len(Z)) % CROSS_PARTS
        crossed = np.zeros_like(Z)
        for code in range(CROSS_PARTS):
            inside, outside = part == code, part != code
            crossed[inside] = cls.fit(Z[outside], level[outside], count).means[level[inside]]
        return crossed


CROSS_PARTS = 5
PRIOR_ROWS = 5.0


def level_sums(Z: Array, level: NDArray[np.intp], count: int) -> tuple[Array, Array]:
    """Sums and counts of the known cells of ``Z`` by level, each ``(L, W)``."""
    sums, sizes = np.zeros((count, Z.shape[1])), np.zeros((count, Z.shape[1]))
    known = ~np.isnan(Z)
    np.add.at(sums, level, np.where(known, Z, 0.0))
    np.add.at(sizes, level, known.astype(np.float64))
    return sums, sizes


@dataclass(frozen=True)
class SharedForestModel(Model):
    """One forest for all targets.

    Attributes:
        columns: Each target's (start, stop) among the leaves' columns.
        mean, spread: ``(W,)`` scale of the leaves' columns.
        levels: Level means appended to the features, or None in a wide problem.
    """

    encoder: TabularEncoder
    forest: Forest
    kinds: tuple[Kind, ...]
    columns: tuple[tuple[int, int], ...]
    mean: Array
    spread: Array
    levels: LevelMeans | None

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        X = self.encoder.transform(table)
        if self.levels is not None:
            X = np.hstack([X, self.levels.means[level]])
        return self.split(self.forest.predict(X))

    def split(self, leaves: Array) -> Predictions:
        """Leaf values ``(n, W)`` as predictions a target."""
        values = leaves * self.spread + self.mean
        trees = len(self.forest.roots)
        return [
            probabilities(values[:, start:stop], kind, trees)
            for kind, (start, stop) in zip(self.kinds, self.columns, strict=True)
        ]


def fit_shared_forest(sample: Sample, configuration: Configuration, run: Run) -> Fit:
    """One forest whose leaves hold all targets. Gaps are filled by a first forest a target, grown on
    the same training rows; in a long problem the level enters by its shrunken label means."""
    encoder = TabularEncoder.fit(sample.table, "trees")
    X = encoder.transform(sample.table)
    Z, mean, spread, places = indicators(sample.labels, sample.targets)
    kinds = tuple(target.kind for target in sample.targets)
    columns = tuple((p.start, p.stop) for p in places)
    held_out = sample.blank()
    everything = np.arange(len(sample))
    for train, valid in (*sample.folds, (everything, everything[:0])):
        levels: LevelMeans | None = None
        inputs, level = X[train], None
        if sample.level is not None:
            level = sample.level[train]
            levels = LevelMeans.fit(Z[train], level, sample.n_levels)
            inputs = np.hstack([inputs, LevelMeans.crossed(Z[train], level, sample.n_levels, run.seed)])
        whole = _complete(inputs, Z[train], places, configuration, run)
        forest = grow(inputs, whole, configuration, run, serves=not len(valid))
        model = SharedForestModel(encoder, forest, kinds, columns, mean, spread, levels)
        if len(valid):
            rows = X[valid]
            if levels is not None and sample.level is not None:
                rows = np.hstack([rows, levels.means[sample.level[valid]]])
            for place, values in enumerate(model.split(forest.predict(rows))):
                held_out[place][valid] = values
    return Fit(model, held_out)


def _complete(X: Array, Z: Array, places: list[slice], configuration: Configuration, run: Run) -> Array:
    whole = Z.copy()
    for columns in places:
        gaps = np.isnan(Z[:, columns.start])
        if gaps.any() and not gaps.all():
            forest = grow(X[~gaps], Z[~gaps][:, columns], configuration, run, serves=False)
            whole[gaps, columns] = forest.predict(X[gaps])
        elif gaps.all():
            whole[:, columns] = 0.0
    return whole
