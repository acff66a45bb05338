"""Losses of rows, in units that targets have in common.

Symbols: ``n`` rows, ``D`` targets, ``W`` columns of a prediction.
"""

from __future__ import annotations

import numpy as np

from sharewise.families import Predictions
from sharewise.problems import Problem
from sharewise.strategies import row_losses
from sharewise.studies._trial import Recipe
from sharewise.studies.stream._choice import fit_rows
from sharewise.studies.stream._past import Rows
from sharewise.tasks import Array

BLOCKS = 5
"""Parts of a stretch of the stream that are held out in turn in hindsight."""


def constant_losses(problem: Problem, rows: Rows) -> Array:
    """``(D,)``: each target's mean loss of its best constant on ``rows``; 1 where that is zero or nothing is known."""
    found = np.ones(len(problem.targets))
    for place, target in enumerate(problem.targets):
        y = problem.labels[rows, place]
        y = y[~np.isnan(y)]
        if len(y):
            mean = float(row_losses(np.tile(target.kind.constant(y), (len(y), 1)), y, target.kind).mean())
            found[place] = mean if mean > 1e-12 else 1.0
    return found


def losses_of(problem: Problem, rows: Rows, predictions: Predictions, constants: Array) -> Array:
    """``(n,)``: squared error or log loss as a share of the constant's, mean over the row's known targets; NaN where a
    prediction is missing."""
    total, known = np.zeros(len(rows)), np.zeros(len(rows))
    for place, target in enumerate(problem.targets):
        y = problem.labels[rows, place]
        there = ~np.isnan(y)
        total[there] += row_losses(predictions[place][there], y[there], target.kind) / constants[place]
        known[there] += 1
    losses: Array = total / known  # each row has a label
    return losses


def hindsight_losses(problem: Problem, rows: Rows, constants: Array, recipe: Recipe, seed: int) -> Array:
    """``(n,)``: what a recipe would lose had it been trained on these rows, each held out in turn with those that
    arrived around it."""
    found = np.empty(len(rows))
    for held in np.array_split(np.arange(len(rows)), BLOCKS):
        others = np.delete(rows, held)
        model = fit_rows(problem, others, recipe, seed, _shuffled(others, seed)).model
        level = None if problem.level is None else problem.level[rows[held]]
        predicted = model.predict(problem.table.take(rows[held]), level)
        found[held] = losses_of(problem, rows[held], predicted, constants)
    return found


def _shuffled(rows: Rows, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    """Two inner folds."""
    order = np.random.default_rng(seed).permutation(rows)
    first, second = np.sort(order[::2]), np.sort(order[1::2])
    return ((first, second), (second, first))
