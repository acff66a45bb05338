"""What a run tells: a row a task and epoch, gradient conflicts, steps that were skipped.

Symbols: ``T`` tasks, ``E`` epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from sharewise.tasks import Array

NAN = float("nan")


class EpochRow(NamedTuple):
    """One task in one epoch; NaN where there is nothing to tell.

    Attributes:
        epoch: From zero.
        loss: Mean training loss over the labelled rows, each as it was when the row was used.
        rows: Labelled training rows that were used.
        validation_loss, metric: On the validation rows, after the epoch. The metric is its kind's first.
        weight: Mean weight that the balancer gave the task's gradient.
        gradient_norm: Mean length of the task's gradient, where the balancer looks at gradients; on several
            processes of this one's rows.
    """

    epoch: int
    task: str
    loss: float
    rows: int
    validation_loss: float
    metric: float
    weight: float
    gradient_norm: float


class BadStep(NamedTuple):
    """A step that was skipped because something was not finite.

    Attributes:
        epoch, step: Where; the step is counted over the whole run.
        why: In words.
    """

    epoch: int
    step: int
    why: str


@dataclass(frozen=True, eq=False)
class StepReport:
    """What one update did.

    Attributes:
        totals, rows: ``(T,)`` loss summed over labelled rows, and their number, over all processes.
        weights, norms: ``(T,)`` NaN for tasks that were not there, or where the balancer does not tell.
        cosines: ``(T, T)`` between gradients, likewise.
        bad: Why the step was skipped, or None.
        grave: Whether a skipped step counts towards stopping the run.
    """

    totals: Array
    rows: Array
    weights: Array
    norms: Array
    cosines: Array
    bad: str | None = None
    grave: bool = True

    @classmethod
    def empty(cls, tasks: int) -> StepReport:
        """Nothing yet."""
        none = np.full(tasks, NAN)
        return cls(np.zeros(tasks), np.zeros(tasks), none, none.copy(), np.full((tasks, tasks), NAN))


@dataclass(eq=False)
class EpochSums:
    """Sums over the steps of an epoch; a mean is over the steps that tell the number.

    Attributes:
        totals, rows, weights, norms: ``(T,)``.
        cosines: ``(T, T)``.
        weights_told, norms_told, cosines_told: How many steps told each.
    """

    totals: Array
    rows: Array
    weights: Array
    norms: Array
    cosines: Array
    weights_told: Array
    norms_told: Array
    cosines_told: Array

    @classmethod
    def empty(cls, tasks: int) -> EpochSums:
        """No step yet."""
        return cls(*(np.zeros((tasks, tasks) if "cosines" in f.name else tasks) for f in fields(cls)))

    def add(self, report: StepReport) -> None:
        """One step that was taken."""
        self.totals += report.totals
        self.rows += report.rows
        for name in ("weights", "norms", "cosines"):
            value = getattr(report, name)
            told = np.isfinite(value)
            getattr(self, name)[...] += np.where(told, value, 0.0)
            getattr(self, f"{name}_told")[...] += told

    def means(self) -> tuple[Array, Array, Array, Array]:
        """Loss, weight and gradient norm ``(T,)``, and cosines ``(T, T)``."""
        with np.errstate(invalid="ignore"):
            return (
                np.where(self.rows > 0, self.totals / self.rows, NAN),
                self.weights / self.weights_told,
                self.norms / self.norms_told,
                self.cosines / self.cosines_told,
            )

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Score:
    """Of one task on the validation rows.

    Attributes:
        loss: Mean over labelled rows.
        metric: The first metric of its kind.
        error: The metric's distance from perfect: lower is better.
    """

    loss: float
    metric: float
    error: float


def rows_of(
    epoch: int, tasks: Sequence[str], sums: EpochSums, scores: dict[str, Score]
) -> tuple[list[EpochRow], Array]:
    """An epoch's rows, and its mean cosines ``(T, T)``."""
    loss, weight, norm, cosines = sums.means()
    rows = []
    for place, task in enumerate(tasks):
        score = scores.get(task, Score(NAN, NAN, NAN))
        rows.append(
            EpochRow(
                epoch=epoch,
                task=task,
                loss=float(loss[place]),
                rows=int(sums.rows[place]),
                validation_loss=score.loss,
                metric=score.metric,
                weight=float(weight[place]),
                gradient_norm=float(norm[place]),
            )
        )
    return rows, cosines
