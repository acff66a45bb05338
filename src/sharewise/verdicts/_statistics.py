"""From scores to relative gains, and correcting for looking at many of them.

Symbols: ``J`` rounds (outer folds over all repeats), ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.tasks import Array, Metric
from sharewise.verdicts._difference import Difference, difference
from sharewise.verdicts._need import Need, further_labels, need

__all__ = [
    "MOST_GAIN",
    "Difference",
    "Need",
    "difference",
    "further_labels",
    "gains",
    "holm",
    "mean_over_tasks",
    "need",
]

MOST_GAIN = 1.0
"""A task counts at most this much, either way, in one round: a task that one strategy predicts almost
exactly would else outweigh all others."""


def gains(scores: Array, reference: Array, metrics: Sequence[Metric]) -> Array:
    """Relative gains ``(J, T)`` of ``scores`` over ``reference``, both ``(J, T)``.

    A task's gain is a ratio of two means over rounds: of the change, and of the reference. Each round's
    value is its part in that ratio, to first order (Cochran 1977, *Sampling Techniques*, equation 6.9): the
    change as a share of the mean reference, less what the ratio would lead one to expect of a round whose
    reference is that much larger than usual. Their mean is the ratio, and a round that is merely harder
    for both does not count as scatter.
    """
    found = np.full(scores.shape, np.nan)
    for task, metric in enumerate(metrics):
        rows = np.flatnonzero(~np.isnan(scores[:, task]) & ~np.isnan(reference[:, task]))
        if not len(rows):
            continue
        base = reference[rows, task]
        scale = float(base.mean())
        change = np.array([metric.gain(scores[row, task], reference[row, task], scale=scale) for row in rows])
        size = np.array([metric.error(b) for b in base]) if metric.relative_to == "error" else np.abs(base)
        ratio = float(np.clip(change.mean(), -MOST_GAIN, MOST_GAIN))
        harder = size / size.mean() - 1 if size.mean() > 1e-12 else np.zeros(len(rows))
        found[rows, task] = np.clip(change - ratio * harder, -MOST_GAIN, MOST_GAIN)
    return found


def mean_over_tasks(values: Array) -> Array:
    """``(J, T) -> (J,)``, tasks weighing the same; a task unknown in a round is left out of it."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = np.where(known, values, 0.0).sum(axis=1) / count
    return mean


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the chance of any false claim (Holm 1979)."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return [float(value) for value in adjusted]
