"""Gradient-boosted trees (LightGBM, Ke et al. 2017): one booster a task, or one for all.

A fitted predictor is a committee: one booster an inner fold, their predictions averaged (Krogh &
Vedelsby 1995). Each keeps the rounds at which the *other* folds' mean held-out loss is least: a fold
that stopped by its own few rows would stop where they happen to agree, and its held-out predictions,
which come for free, would look better than they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration
from sharewise.families._booster_text import grown, predicted
from sharewise.families._cross_fit import choose
from sharewise.families._linear_wide import indicators
from sharewise.families._parts import ConstantPart, FitPart, fill_held_out
from sharewise.families._sample import Fit, Fold, Model, Part, Predictions, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table, Target
from sharewise.tasks import Array, Binary, Classification, Kind

if TYPE_CHECKING:
    import lightgbm

MOST_ROUNDS = (100, 300, 1000, 2000)
"""Boosting rounds at most, by effort; early stopping usually ends far sooner."""
PATIENCE = 30


@dataclass(frozen=True)
class Committee(Part):
    """Boosters as LightGBM's own text, averaged.

    Attributes:
        boosters: Model strings.
        kind: What is predicted; binary boosters give the second class's probability.
    """

    boosters: tuple[str, ...]
    kind: Kind

    def predict(self, X: Array) -> Array:
        total = np.mean([predicted(text, X) for text in self.boosters], axis=0)
        shares: Array = np.hstack([1 - total, total]) if isinstance(self.kind, Binary) else total
        return shares


def fit_booster(configuration: Configuration) -> FitPart:
    """A `FitPart` for one task with these settings."""

    def fit(
        X: Array, y: Array, target: Target, folds: tuple[Fold, ...], encoder: TabularEncoder, run: Run
    ) -> tuple[Part, Array]:
        kind = target.kind
        # A validation part may hold a class that training rows lack; such a fold says nothing here.
        usable = tuple(f for f in folds if len(np.unique(y[f[0]])) > 1)
        if not usable:
            return ConstantPart(kind.constant(y)), np.full((len(y), kind.width), np.nan)
        held_out = np.full((len(y), kind.width), np.nan)
        texts = boost(X, y, usable, kind, encoder.categorical, configuration, run)
        for text, (_, valid) in zip(texts, usable, strict=True):
            held_out[valid] = Committee((text,), kind).predict(X[valid])
        return Committee(texts, kind), held_out

    return fit


def boost(
    X: Array,
    y: Array,
    folds: Sequence[Fold],
    kind: Kind,
    categorical: tuple[int, ...],
    configuration: Configuration,
    run: Run,
) -> tuple[str, ...]:
    """One booster a fold, each on its training rows; their texts."""
    import lightgbm

    rows = len(folds[0][0])
    params = booster_params(
        kind,
        configuration,
        run,
        leaves=int(min(configuration.get("leaves", 15), max(2, rows // 4))),
        least_rows=int(configuration.get("least_rows", float(np.clip(rows // 30, 2, 20)))),
        features=configuration.get("feature_fraction", 0.8) if X.shape[1] > 4 else 1.0,
    )
    whole = lightgbm.Dataset(
        X, y, categorical_feature=list(categorical), params=params, free_raw_data=False
    ).construct()
    boosters = []
    for train, valid in folds:
        booster = lightgbm.Booster(params, whole.subset(np.sort(train).tolist()))
        booster.add_valid(whole.subset(np.sort(valid).tolist()), "held out")
        boosters.append(booster)
    curves = _grow(boosters, MOST_ROUNDS[run.effort], run)
    stops, _ = choose(curves)
    run.tick(fits=len(folds))
    return tuple(
        grown(booster.model_to_string(num_iteration=int(stop) + 1))
        for booster, stop in zip(boosters, stops, strict=True)
    )


def booster_params(
    kind: Kind, configuration: Configuration, run: Run, *, leaves: int, least_rows: int, features: float
) -> dict[str, Any]:
    """LightGBM's settings for a kind of labels, one thread and the same trees for the same seed.

    Args:
        least_rows: Of a leaf.
        features: Share of the features that each tree sees.
    """
    params: dict[str, Any] = {
        "objective": "regression",
        "learning_rate": configuration.get("learning_rate", 0.05),
        "num_leaves": leaves,
        "min_data_in_leaf": least_rows,
        "min_data_per_group": 5,
        "cat_smooth": 10.0,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": features,
        "lambda_l2": configuration.get("lambda_l2", 1.0),
        "seed": run.seed % 2**31,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        "feature_pre_filter": False,
    }
    if isinstance(kind, Binary):
        params["objective"] = "binary"
    elif isinstance(kind, Classification):
        params |= {"objective": "multiclass", "num_class": kind.width}
    return params


def _grow(boosters: Sequence[lightgbm.Booster], most: int, run: Run) -> Array:
    """Add rounds to all boosters until their mean held-out loss has not fallen for `PATIENCE` rounds;
    the losses ``(K, rounds)``."""
    curves: list[list[float]] = []
    best, since = np.inf, 0
    while len(curves) < most and since < PATIENCE:
        for booster in boosters:
            booster.update()
        curves.append([booster.eval_valid()[0][2] for booster in boosters])
        run.tick(steps=len(boosters))
        mean = float(np.mean(curves[-1]))
        best, since = (mean, 0) if mean < best else (best, since + 1)
    return np.array(curves).T


@dataclass(frozen=True)
class Stack:
    """Which targets one stacked booster serves: rows repeated a target, the target's place a category.

    Attributes:
        targets: Places of the targets.
        committee: The boosters; their last column is the target's place in ``targets``.
        mean, spread: ``(len(targets),)`` scale of each regression target (0 and 1 for classes).
    """

    targets: tuple[int, ...]
    committee: Committee
    mean: Array
    spread: Array


@dataclass(frozen=True)
class StackedBoosterModel(Model):
    """One booster for all targets of a kind and, in a long problem, all levels.

    Attributes:
        with_level: Whether the level is a categorical feature behind the encoded ones.
    """

    encoder: TabularEncoder
    stacks: tuple[Stack, ...]
    with_level: bool

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        X = self.encoder.transform(table)
        if self.with_level and level is not None:
            X = np.column_stack([X, level])
        found: dict[int, Array] = {}
        for stack in self.stacks:
            for place, target in enumerate(stack.targets):
                inputs = X if len(stack.targets) == 1 else np.column_stack([X, np.full(len(X), place)])
                values = stack.committee.predict(inputs)
                if not isinstance(stack.committee.kind, Classification):
                    values = values * stack.spread[place] + stack.mean[place]
                found[target] = values
        return [found[place] for place in sorted(found)]


def fit_stacked_booster(sample: Sample, configuration: Configuration, run: Run) -> Fit:
    """One booster a group of targets of the same kind and classes, with the target (and the level) as
    a categorical feature; numbers are standardised first."""
    encoder = TabularEncoder.fit(sample.table, "trees")
    X = encoder.transform(sample.table)
    categorical = encoder.categorical
    if sample.level is not None:
        categorical = (*categorical, X.shape[1])
        X = np.column_stack([X, sample.level])
    held_out = sample.blank()
    stacks = []
    for places in same_kind(sample.targets):
        kind = sample.targets[places[0]].kind
        numbers = not isinstance(kind, Classification)
        Z, mean, spread, _ = indicators(sample.labels[:, places], [sample.targets[p] for p in places])
        values = Z if numbers else sample.labels[:, places]
        row, place = np.nonzero(~np.isnan(values))
        y = values[row, place]
        inputs, cats = X[row], categorical
        if len(places) > 1:
            inputs, cats = np.column_stack([inputs, place]), (*categorical, X.shape[1])
        folds = stacked_folds(sample, row, y)
        texts = boost(inputs, y, folds, kind, cats, configuration, run)
        for text, (_, valid) in zip(texts, folds, strict=True):
            own = Committee((text,), kind).predict(inputs[valid])
            for index, target in enumerate(places):
                mine = place[valid] == index
                scaled = own[mine] * spread[index] + mean[index] if numbers else own[mine]
                held_out[target][row[valid][mine]] = scaled
        scale = (mean, spread) if numbers else (np.zeros(len(places)), np.ones(len(places)))
        stacks.append(Stack(tuple(places), Committee(texts, kind), *scale))
    return Fit(
        StackedBoosterModel(encoder, tuple(stacks), sample.level is not None), fill_held_out(sample, held_out)
    )


def stacked_folds(sample: Sample, row: NDArray[np.intp], y: Array) -> tuple[Fold, ...]:
    """The inner folds as positions into stacked rows; ``row`` is the sample row of each."""
    found = []
    for train, valid in sample.folds:
        inside = np.flatnonzero(np.isin(row, train)), np.flatnonzero(np.isin(row, valid))
        if len(inside[0]) and len(inside[1]) and len(np.unique(y[inside[0]])) > 1:
            found.append(inside)
    everything = np.arange(len(y))
    # Where every fold's training rows agree on one label there is nothing to hold out.
    return tuple(found) or ((everything, everything),)


def same_kind(targets: tuple[Target, ...]) -> list[list[int]]:
    """Places of the targets in groups of equal kind (and equal classes)."""
    groups: dict[Kind, list[int]] = {}
    for place, target in enumerate(targets):
        groups.setdefault(target.kind, []).append(place)
    return list(groups.values())
