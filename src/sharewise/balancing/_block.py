"""All tasks' gradients in one block, written as they come.

Symbols: ``T`` tasks, ``N`` rows, ``D`` width, ``O`` outputs of a head's first layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sharewise.balancing._head_pass import Sink
from sharewise.balancing._stack import Part


class Block(Sink):
    """Final. Gradients ``(T, ...)`` of the one feature, or of what its rectifier was given.

    Args:
        tasks: ``T``.
        like: A tensor of the feature's shape.
        rectified: What the rectifier gave, to take gradients through it; or None.
    """

    def __init__(self, tasks: int, like: Tensor, rectified: Tensor | None) -> None:
        self.rectified = rectified
        self.block = torch.empty((tasks, *like.shape), dtype=like.dtype, device=like.device)
        self.rows = self.block.unbind()
        self.reached = [False] * tasks

    def gradients(self) -> Tensor:
        """The block; a task that nothing came of has zeros."""
        for row, there in zip(self.rows, self.reached, strict=True):
            if not there:
                row.zero_()
        return self.block

    def add(self, task: int, feature: int, gradient: Tensor) -> None:
        """See `Sink`."""
        row = self.rows[task]
        if self.reached[task]:
            row += gradient if self.rectified is None else _through(gradient, self.rectified)
        elif self.rectified is None:
            row.copy_(gradient)
        else:
            torch.ops.aten.threshold_backward.grad_input(gradient, self.rectified, 0, grad_input=row)
        self.reached[task] = True

    def add_products(self, parts: Sequence[Part], features: Sequence[Tensor]) -> None:
        """See `Sink`; where every task has one product of the same shape, they are one batched product."""
        tasks = [part.task for part in parts]
        same = len({part.slope.shape for part in parts}) == 1 and parts[0].slope.dtype == self.block.dtype
        if not same or any(self.reached) or sorted(tasks) != list(range(len(self.rows))):
            super().add_products(parts, features)
            return
        if tasks != sorted(tasks):
            parts = sorted(parts, key=lambda part: part.task)
        slopes = torch.stack([part.slope for part in parts])
        weights = torch.stack([part.weight.t() for part in parts])
        flat = self.block.view(len(parts), slopes.shape[1], -1)
        if slopes.shape[2] == 1:
            torch.mul(slopes, weights, out=flat)
        else:
            torch.bmm(slopes, weights, out=flat)
        if self.rectified is not None:
            torch.ops.aten.threshold_backward.grad_input(
                self.block, self.rectified.expand_as(self.block), 0, grad_input=self.block
            )
        self.reached = [True] * len(parts)


def _through(gradient: Tensor, rectified: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten.threshold_backward(gradient, rectified, 0)
    return found
