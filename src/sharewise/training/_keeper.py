"""Which epoch was best for whom, its weights, and who has stopped.

A joint network has no one best epoch: each task is judged by its own validation score, keeps the weights of
its own best epoch, and stops when that has not improved for a while. Tasks with the same best epoch share a
copy of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from sharewise.training._record import Score

Keep = Literal["per-task", "best", "last"]
Judge = Literal["loss", "metric"]
Weights = dict[str, Tensor]

TINY = 1e-12


class Keeper:
    """Best epochs and their weights.

    Args:
        tasks: Names.
        keep: ``per-task``: each task's own best epoch. ``best``: the epoch with the lowest geometric mean of
            all tasks' scores, which no task's scale decides. ``last``: no weights are kept.
        by: The validation loss, or the metric's distance from perfect.
        patience: Epochs without improvement after which a task has stopped, or None for never.
        final: Whether a task that has stopped is judged no more; otherwise it may improve again, and then has
            not stopped.
    """

    def __init__(
        self, tasks: Sequence[str], keep: Keep, by: Judge, patience: int | None, *, final: bool = False
    ) -> None:
        self.tasks, self.keep, self.by, self.patience = tuple(tasks), keep, by, patience
        self._final = final
        self.best: dict[str, int] = {}
        self.weights: dict[int, Weights] = {}
        self._lowest = dict.fromkeys(self.tasks, math.inf)
        self._stale = dict.fromkeys(self.tasks, 0)

    def see(self, epoch: int, scores: Mapping[str, Score], network: nn.Module) -> None:
        """Judges an epoch, and copies the network's weights where it is somebody's best."""
        found = {task: s.loss if self.by == "loss" else s.error for task, s in scores.items()}
        if self.keep == "best":
            logs = [math.log(max(value, TINY)) if value == value else math.inf for value in found.values()]
            found = dict.fromkeys(self.tasks, sum(logs) / len(logs))
        over = self.stopped if self._final else frozenset()
        for task in self.tasks:
            if task in over:
                continue
            if found[task] < self._lowest[task]:
                self._lowest[task], self._stale[task], self.best[task] = found[task], 0, epoch
            else:
                self._stale[task] += 1
        if self.keep == "last":
            return
        if epoch in self.best.values():
            self.weights[epoch] = copy_weights(network)
        for old in set(self.weights) - set(self.best.values()):
            del self.weights[old]

    @property
    def stopped(self) -> frozenset[str]:
        """Tasks that have not improved for too long."""
        if self.patience is None:
            return frozenset()
        return frozenset(task for task in self.tasks if self._stale[task] >= self.patience)

    def state(self) -> dict[str, Any]:
        """For a checkpoint; the weights are apart."""
        return {"best": self.best, "lowest": self._lowest, "stale": self._stale}

    def restore(self, state: Mapping[str, Any], weights: dict[int, Weights]) -> None:
        """Goes on from `state`."""
        self.best, self._lowest, self._stale = (dict(state[key]) for key in ("best", "lowest", "stale"))
        self.weights = weights


def copy_weights(network: nn.Module) -> Weights:
    """Weights and buffers, on the CPU."""
    return {
        name: value.detach().to("cpu", copy=True)
        for name, value in network.state_dict().items()
        if isinstance(value, Tensor)
    }
