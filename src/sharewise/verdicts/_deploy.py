"""From the rows to deploy, to recipes and their weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.studies import BLEND, Recipe
from sharewise.tasks import Array
from sharewise.verdicts._evidence import Evidence

LEAST_WEIGHT = 0.05
"""Members of an ensemble with less weight than this, on average over rounds, are not deployed."""


def deployment(evidence: Evidence, rows: Sequence[int]) -> tuple[tuple[Recipe, ...], Array]:
    """What to refit on all rows, and the weights ``(T, M)`` of each for every task.

    Args:
        rows: ``(T,)`` row of the table that serves each task.

    Each round found its own weights on its own inner folds; a pick becomes the most frequent pick, an
    ensemble the average of its weights.
    """
    average: dict[int, dict[Recipe, Array]] = {}
    for row in set(rows):
        total: dict[Recipe, Array] = {}
        present = evidence.present(row)
        for one in present:
            for place, recipe in enumerate(one.recipes):
                if one.weights[:, place].any():
                    zero = np.zeros(len(one.weights))
                    total[recipe] = total.get(recipe, zero) + one.weights[:, place] / len(present)
        average[row] = total
    recipes = sorted(
        {recipe for total in average.values() for recipe in total},
        key=lambda r: (r.strategy, r.family, str(r.configuration)),
    )
    weights = np.zeros((len(rows), len(recipes)))
    for task, row in enumerate(rows):
        own = np.array([average[row][r][task] if r in average[row] else 0.0 for r in recipes])
        if evidence.candidates[row].family == BLEND:
            own[own < min(LEAST_WEIGHT, own.max())] = 0.0
        else:
            own = (np.arange(len(own)) == own.argmax()).astype(np.float64)
        weights[task] = own / own.sum()
    used = np.flatnonzero(weights.any(axis=0))
    return tuple(recipes[place] for place in used), weights[:, used]
