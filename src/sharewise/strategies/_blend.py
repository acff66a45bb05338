"""Combining fitted models by weights: picking one, routing by task, greedy ensembles.

Everything that is deployed is a weight matrix over fitted models. Deciding (these functions, which see
held-out predictions only) is apart from applying (`BlendModel`).

Symbols: ``C`` candidates (fitted models), ``T`` tasks, ``n`` rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Model, Predictions
from sharewise.problems import Table
from sharewise.tasks import PROBABILITY_FLOOR, Array, Classification, Kind, RaggedKind, said

SHRINK_ROWS = 100.0
"""A task's own error counts as much as the average over tasks once it has this many rows."""
GREEDY_STEPS = 25
CELL_STEPS = 6
"""Of ragged kinds, whose cells are put together one by one."""


def pick_for_all(ratios: Array) -> int:
    """The candidate with the least mean error over tasks.

    Args:
        ratios: ``(T, C)`` held-out errors as shares of the constant's; NaN where unknown.
    """
    return int(np.argmin(_mean_known(ratios)))


def _mean_known(ratios: Array) -> Array:
    """Mean over tasks of what is known ``(C,)``; infinite where nothing is."""
    known = ~np.isnan(ratios)
    total = np.where(known, ratios, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.inf)


def pick_by_task(ratios: Array, rows: Array) -> NDArray[np.intp]:
    """Each task's candidate ``(T,)``, by its own error shrunk towards the mean over tasks.

    Few rows say little about which of many candidates is best; borrowing the other tasks' *ranking* of
    candidates (not their labels) keeps the choice for small tasks steady.

    Args:
        ratios: ``(T, C)`` as above.
        rows: ``(T,)`` held-out rows behind each error.
    """
    common = _mean_known(ratios)
    trust = (rows / (rows + SHRINK_ROWS))[:, None]
    own = np.where(np.isnan(ratios), common, ratios)
    shrunk = trust * own + (1 - trust) * common
    shrunk[np.isnan(shrunk)] = np.inf
    chosen: NDArray[np.intp] = shrunk.argmin(axis=1)
    return chosen


def pick_by_group(ratios: Array, rows: Array, serves: NDArray[np.bool_], own: int) -> NDArray[np.intp]:
    """Each task's candidate ``(T,)`` among some that serve only a group of the tasks each.

    A candidate's gain on a task is shrunk towards its mean gain over the tasks it serves, by the rows behind
    it; where no gain is left the task keeps its own model.

    Args:
        ratios, rows: As above.
        serves: ``(T, C)`` whether the candidate predicts the task.
        own: Place of the tasks' own models among the candidates.
    """
    gain = np.where(serves & ~np.isnan(ratios), 1.0 - ratios / ratios[:, [own]], np.nan)
    known = ~np.isnan(gain)
    total = np.where(known, gain, 0.0).sum(axis=0)
    common = total / np.maximum(known.sum(axis=0), 1)
    trust = (rows / (rows + SHRINK_ROWS))[:, None]
    shrunk = np.where(known, trust * gain + (1 - trust) * common, -np.inf)
    shrunk[:, own] = 0.0
    chosen: NDArray[np.intp] = shrunk.argmax(axis=1)
    chosen[shrunk.max(axis=1) <= 0] = own
    return chosen


def row_losses(predictions: NDArray[Any], y: NDArray[Any], kind: Kind) -> Array:
    """Squared errors for numbers, log losses for classes: ``(…, n, W)`` and ``(n,)`` to ``(…, n)``; for ragged kinds
    their own losses, of cells ``(n, 1)`` and truths ``(n,)``."""
    if isinstance(kind, RaggedKind):
        return _cell_losses(predictions, y, kind)
    if not isinstance(kind, Classification):
        squared: Array = (predictions[..., 0] - y) ** 2
        return squared
    picked = predictions[..., np.arange(len(y)), y.astype(np.intp)]
    losses: Array = -np.log(np.clip(picked, PROBABILITY_FLOOR, 1.0))
    return losses


def _cell_losses(found: NDArray[Any], truths: NDArray[Any], kind: RaggedKind) -> Array:
    losses = np.full(found.shape[:-1], np.nan)
    known = said(found[..., 0])
    losses[known] = kind.losses(np.broadcast_to(truths, losses.shape)[known], found[..., 0][known])
    return losses


def mix(weights: Array, predictions: NDArray[Any], kind: Kind) -> NDArray[Any]:
    """Weighted predictions ``(n, W)`` of candidates ``(C, n, W)``; those without weight are not looked at."""
    used = np.flatnonzero(weights)
    if isinstance(kind, RaggedKind):
        return kind.mixed(weights[used], predictions[used][..., 0])[:, None]
    mixed: Array = np.einsum("c,cnw->nw", weights[used], predictions[used])
    return mixed


def greedy(candidates: Array, y: Array, kind: Kind) -> Array:
    """Greedy ensemble selection with replacement (Caruana et al. 2004); weights ``(C,)`` summing to 1.

    Args:
        candidates: ``(C, n, W)`` held-out predictions.
        y: ``(n,)`` labels.
        kind: Squared error for numbers, log loss for classes, its own loss for a ragged kind; where a kind's answers
            have no mean, the best candidate alone.
    """
    if isinstance(kind, RaggedKind):
        return _greedy_cells(candidates, y, kind)
    count = np.zeros(len(candidates))
    total = np.zeros(candidates.shape[1:])
    best = np.inf
    best_count = count
    for step in range(1, GREEDY_STEPS + 1):
        losses = row_losses((total + candidates) / step, y, kind).sum(axis=1)
        losses = np.where(np.isnan(losses), np.inf, losses)  # a candidate that is silent on some row
        chosen = int(np.argmin(losses))
        if not np.isfinite(losses[chosen]):
            break
        count = count.copy()
        count[chosen] += 1
        total = total + candidates[chosen]
        if losses[chosen] < best * (1 - 1e-6):
            best, best_count = float(losses[chosen]), count
    if not best_count.any():
        return np.full(len(candidates), 1.0 / len(candidates))  # none speaks of every row
    weights: Array = best_count / best_count.sum()
    return weights


def _greedy_cells(candidates: NDArray[Any], truths: NDArray[Any], kind: RaggedKind) -> Array:
    """`greedy` over cells: candidates are put together anew at every step, so steps are few."""
    single = _cell_losses(candidates, truths, kind).sum(axis=1)
    single = np.where(np.isnan(single), np.inf, single)
    able = np.flatnonzero(np.isfinite(single))
    if not len(able):
        return np.full(len(candidates), 1.0 / len(candidates))
    count = np.zeros(len(candidates))
    count[int(np.argmin(single))] = 1
    best, best_count = float(single.min()), count
    total = candidates[int(np.argmin(single)), :, 0]
    for step in range(2, CELL_STEPS + 1 if kind.averages and len(able) > 1 else 2):
        shares = np.array([(step - 1) / step, 1 / step])
        tried = [kind.mixed(shares, np.stack([total, candidates[place, :, 0]])) for place in able]
        losses = [float(kind.losses(truths, cells).sum()) for cells in tried]
        chosen = int(np.argmin(losses))
        total, count = tried[chosen], count.copy()
        count[able[chosen]] += 1
        if losses[chosen] < best * (1 - 1e-6):
            best, best_count = losses[chosen], count
    weights: Array = best_count / best_count.sum()
    return weights


@dataclass(frozen=True)
class BlendModel(Model):
    """Weighted averages of models, with weights of their own for every task.

    Attributes:
        members: The ``M`` models.
        weights: ``(D, L, M)``; ``L`` is 1 in a wide problem. Rows sum to 1.
        kinds: Of the targets, where some are ragged (then the problem is wide); empty else.
    """

    members: tuple[Model, ...]
    weights: Array
    kinds: tuple[Kind, ...] = ()

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        if self.kinds:
            said = [member.predict(table, level) for member in self.members]
            return [
                mix(self.weights[place, 0], np.stack([values[place] for values in said]), kind)
                for place, kind in enumerate(self.kinds)
            ]
        code = np.zeros(len(table), dtype=np.intp) if level is None else level
        total: Predictions = []
        for place, member in enumerate(self.members):
            values = member.predict(table, level)
            for target, value in enumerate(values):
                share = self.weights[target, code, place][:, None]
                # A member without weight may have nothing to say (NaN) about a task.
                part = np.where(share > 0, share * value, 0.0)
                if place == 0:
                    total.append(part)
                else:
                    total[target] = total[target] + part
        return total
