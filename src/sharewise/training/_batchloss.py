"""The tasks' losses of a part of a batch, such that the parts' mean is the loss of the whole.

A global batch may come in parts: micro-batches that are accumulated, rows on other processes. The mean over a
task's labelled rows is over those of all parts: with ``n`` labelled rows in all of ``P`` parts, a part's loss
is its sum times ``P / n``, and the mean over the parts is the masked mean, wherever the gaps are.

Symbols: ``T`` tasks, ``K`` micro-batches, ``R`` processes, ``P = K R`` parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sharewise.networks import Features, MultiTaskNetwork
from sharewise.tasks import Array, Kind
from sharewise.tasks._torch_loss import check_outputs, labelled, loss_sum
from sharewise.training._devices import Devices
from sharewise.training._feed import Batch
from sharewise.training._precision import Mixed
from sharewise.training._tree import map_tensors


@dataclass(frozen=True, eq=False)
class Losses:
    """Of one micro-batch.

    Attributes:
        features: What `MultiTaskNetwork.encode` gave.
        by_task: Scalars. Each has the value over all processes and the slope of the rows of this one, so that
            balancers see the same numbers everywhere and gradients can be averaged.
        totals: ``(T',)`` plain losses summed over all processes' labelled rows, of the tasks present.
    """

    features: Features
    by_task: dict[str, Tensor]
    totals: Array

    def not_finite(self) -> list[str]:
        """Names of tasks whose loss is NaN or infinite."""
        values = torch.stack([loss.detach() for loss in self.by_task.values()])
        finite = torch.isfinite(values).tolist()
        return [task for task, fine in zip(self.by_task, finite, strict=True) if not fine]


class BatchLoss:
    """Runs the network on micro-batches.

    Args:
        scales: What each task's loss is divided by.
        compiled: Whether the encoder is compiled (``torch.compile``), or by which backend. Heads are not:
            balancers read in their graph which task moves what.
    """

    def __init__(
        self,
        network: MultiTaskNetwork,
        kinds: Mapping[str, Kind],
        scales: Mapping[str, float],
        devices: Devices,
        mixed: Mixed,
        *,
        compiled: bool | str = False,
    ) -> None:
        self.network, self._kinds, self._scales = network, kinds, scales
        self._devices, self._mixed = devices, mixed
        self._encode: Callable[..., Features] = network.encode
        if compiled:
            backend = compiled if isinstance(compiled, str) else "inductor"
            self._encode = torch.compile(network.encode, backend=backend)

    def count(self, window: Sequence[Batch]) -> Array:
        """Labelled rows of all processes, ``(K, T)``."""
        own = torch.zeros(len(window), len(self._kinds), dtype=torch.float64)
        for place, batch in enumerate(window):
            for column, (task, kind) in enumerate(self._kinds.items()):
                if task in batch.targets:
                    own[place, column] = labelled(kind, batch.targets[task]).sum()
        found: Array = self._devices.sum(own).numpy()
        return found

    def outputs(self, x: Any, tasks: tuple[str, ...]) -> tuple[Features, dict[str, Tensor]]:
        """Features, and outputs of these tasks."""
        with self._mixed.autocast():
            features = self._encode(x, tasks)
            return features, self.network.decode(features, tasks)

    def __call__(self, batch: Batch, parts: Mapping[str, float]) -> Losses:
        """The losses of the tasks named in ``parts``.

        Args:
            parts: For each task ``P / n``.
        """
        tasks = tuple(parts)
        # Where tasks have inputs of their own, the names of inputs are those of labels.
        x = {t: batch.x[t] for t in tasks} if own_inputs(batch, self._kinds) else batch.x
        features, outputs = self.outputs(map_tensors(x, self._to_device), tasks)
        extra = self.network.penalties(features, tasks)
        totals, losses = [], []
        for task, factor in parts.items():
            kind, target = self._kinds[task], batch.targets[task]
            check_outputs(kind, outputs[task], len(target), task)
            total = loss_sum(kind, outputs[task], self._to_device(target)).total
            loss = total * (factor / self._scales[task])
            losses.append(loss + extra[task] if task in extra else loss)
            totals.append(total.detach())
        values = torch.stack([*(loss.detach() for loss in losses), *totals])
        if self._devices.world > 1:
            mean = self._devices.mean(values)
            losses = [
                loss + (whole - loss.detach()) for loss, whole in zip(losses, mean[: len(tasks)], strict=True)
            ]
            values = mean * self._devices.world
        summed = values[len(tasks) :].double().cpu().numpy()
        return Losses(features, dict(zip(tasks, losses, strict=True)), summed)

    def _to_device(self, value: Tensor) -> Tensor:
        return value.to(self._devices.device, non_blocking=True)


def own_inputs(batch: Batch, kinds: Mapping[str, Kind]) -> bool:
    """Whether each task of a batch has inputs of its own."""
    return isinstance(batch.x, Mapping) and any(task in batch.x for task in kinds)


def copy_buffers(network: nn.Module) -> list[Tensor]:
    """Running statistics and the like, which a batch that is not finite would spoil."""
    return [buffer.clone() for buffer in network.buffers()]


def put_buffers(network: nn.Module, values: list[Tensor]) -> None:
    """Puts them back."""
    for buffer, value in zip(network.buffers(), values, strict=True):
        buffer.copy_(value)
