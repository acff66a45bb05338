"""One update: a global batch, possibly in parts, to one step of the optimizer.

Symbols: ``T`` tasks, ``K`` micro-batches of the update, ``n`` labelled rows of a task in all of ``P`` parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from sharewise.balancing import Scalarizer, backward
from sharewise.balancing._backward import Mode
from sharewise.errors import DataError
from sharewise.tasks import Array
from sharewise.training._batchloss import BatchLoss, Losses, copy_buffers, put_buffers
from sharewise.training._devices import Devices
from sharewise.training._feed import Batch
from sharewise.training._precision import Mixed
from sharewise.training._record import NAN, StepReport
from sharewise.training._seeds import seed_all

OVERFLOW = "the gradient overflows 16 bits"


@dataclass(frozen=True, eq=False)
class Part:
    """A micro-batch and, for each task with labels in it, ``P / n``."""

    batch: Batch
    factors: dict[str, float]


class Stepper:
    """Takes updates.

    Args:
        losses: Runs the network.
        balancer: Of `sharewise.balancing`, or of TorchJD.
        mode: How a weighting looks at gradients (`sharewise.balancing.backward`).
        clip: Longest gradient of the network, or None.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        losses: BatchLoss,
        balancer: Any,
        mode: Mode,
        optimizer: Optimizer,
        devices: Devices,
        mixed: Mixed,
        clip: float | None,
    ) -> None:
        self._tasks, self._losses, self._balancer, self._mode = tuple(tasks), losses, balancer, mode
        self._optimizer, self._devices, self._mixed, self._clip = optimizer, devices, mixed, clip
        self._network = losses.network
        self._moved = [p for group in optimizer.param_groups for p in group["params"]]
        self._taken = False
        self._clipped = [p for p in self._network.parameters() if p.requires_grad]

    def __call__(self, window: Sequence[Batch], leave: frozenset[str], *key: object) -> StepReport:
        """One update on ``K`` micro-batches, or none where something is not finite.

        Args:
            window: The micro-batches.
            leave: Tasks that take no part.
            key: Where the run is; decides what dropout draws.
        """
        seed_all(*key, self._devices.rank)
        counts = self._losses.count(window)
        counts[:, [task in leave for task in self._tasks]] = 0.0
        parts = self._parts(window, counts)
        report = replace(StepReport.empty(len(self._tasks)), rows=counts.sum(axis=0))
        if not parts:
            return report  # nothing but gaps
        before = copy_buffers(self._network)
        self._optimizer.zero_grad(set_to_none=True)
        report = self._differentiate(parts, report, 1.0 / len(window))
        if report.bad is None:
            report = self._update(report)
        if report.bad is None:
            self._afterwards(parts)
        else:
            put_buffers(self._network, before)
        self._optimizer.zero_grad(set_to_none=True)
        return report

    def _parts(self, window: Sequence[Batch], counts: Array) -> list[Part]:
        """Those with any label. ``counts`` is ``(K, T)``."""
        size, rows = len(window) * self._devices.world, counts.sum(axis=0)
        found = [
            Part(batch, {t: size / rows[i] for i, t in enumerate(self._tasks) if own[i] > 0})
            for batch, own in zip(window, counts, strict=True)
        ]
        return [part for part in found if part.factors]

    def _differentiate(self, parts: list[Part], report: StepReport, share: float) -> StepReport:
        """Gradients of all parts, summed; ``share`` is one over ``K``."""
        told: list[StepReport] = []
        for part in parts:
            losses = self._losses(part.batch, part.factors)
            places = [self._tasks.index(task) for task in losses.by_task]
            report.totals[places] += losses.totals
            if bad := losses.not_finite():
                return replace(report, bad=f"the loss of {', '.join(map(repr, bad))} is not finite")
            try:
                told.append(self._backward(losses, places, share))
            except DataError as error:
                return self._refused(error, report)
        return replace(
            report,
            weights=_mean([one.weights for one in told]),
            norms=_mean([one.norms for one in told]),
            cosines=_mean([one.cosines for one in told]),
        )

    def _backward(self, losses: Losses, places: list[int], share: float) -> StepReport:
        found = backward(
            {task: losses.by_task.get(task) for task in self._tasks},
            losses.features,
            self._balancer,
            mode=self._mode,
            scale=share * self._mixed.scale,
        )
        report = StepReport.empty(len(self._tasks))
        report.weights[places] = found.weights[places]
        if found.norms is not None and found.cosines is not None:
            report.norms[:], report.cosines[:] = found.norms, found.cosines
        return report

    def _refused(self, error: DataError, report: StepReport) -> StepReport:
        """A balancer takes no gradients that are not finite; before any step was taken it is more likely that
        network and balancer do not go together, and then nothing is lost by saying so."""
        scaler = self._mixed.scaler
        if scaler is None:
            if not self._taken:
                raise error
            return replace(report, bad=f"the balancer refused it ({error})")
        scale = float(scaler.get_scale())
        scaler.update(scale / 2.0)
        return replace(report, bad=OVERFLOW, grave=scale <= 1.0)

    def _update(self, report: StepReport) -> StepReport:
        self._devices.mean_gradients(self._moved)
        scaler = self._mixed.scaler
        if scaler is not None:
            scaler.unscale_(self._optimizer)
        gradients = [p.grad for p in self._moved if p.grad is not None]
        if not bool(torch.isfinite(get_total_norm(gradients))):
            if scaler is None:
                return replace(report, bad="the gradient is not finite")
            # The scaler looks for its scale by overflowing now and then.
            grave = scaler.get_scale() <= 1.0
            scaler.update()
            return replace(report, bad=OVERFLOW, grave=grave)
        if self._clip is not None:
            own = [p.grad for p in self._clipped if p.grad is not None]
            clip_grads_with_norm_(self._clipped, self._clip, get_total_norm(own))
        if scaler is None:
            self._optimizer.step()
        else:
            scaler.step(self._optimizer)
            scaler.update()
        self._taken = True
        return report

    def _afterwards(self, parts: list[Part]) -> None:
        """Tells a scalarizer of the step; the losses are those of the last micro-batch, computed again."""
        if not isinstance(self._balancer, Scalarizer):
            return
        if not self._balancer.needs_losses_after:
            self._balancer.after_step(None)
            return
        before = copy_buffers(self._network)
        with torch.no_grad():
            losses = self._losses(parts[-1].batch, parts[-1].factors)
        put_buffers(self._network, before)
        values = torch.stack(list(losses.by_task.values()))
        if bool(torch.isfinite(values).all()):
            self._balancer.after_step(values)


def _mean(values: list[Array]) -> Array:
    """Over the micro-batches that tell a number; NaN where none does."""
    stacked = np.stack(values)
    told = np.isfinite(stacked)
    total, count = np.where(told, stacked, 0.0).sum(axis=0), told.sum(axis=0)
    found: Array = np.where(count > 0, total / np.maximum(count, 1), NAN)
    return found
