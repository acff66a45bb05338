"""Some members of a program, trained for an epoch without leaving the cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sharewise.networks import StackedMLP
from sharewise.training._members import Data
from sharewise.training._optimizer import StackedAdamW
from sharewise.training._outputs import Outputs, Slots
from sharewise.training._randomness import Batches, Dropout
from sharewise.training._warm import Pull


class Block:
    """Neighbouring members of a program.

    Args:
        net: Their weights, changed in place.
        optimizer: Of these weights and ``gradients``.
        gradients: Room of the same shapes.
        batches, dropout, slots: Of the same members.
        pull: Back to where they started, after each step; None where none of them is held.
    """

    def __init__(
        self,
        net: StackedMLP,
        optimizer: StackedAdamW,
        gradients: StackedMLP,
        batches: Batches,
        dropout: Dropout,
        slots: Slots,
        outputs: Outputs,
        data: Data,
        pull: Pull | None = None,
    ) -> None:
        self.net, self.optimizer, self.gradients = net, optimizer, gradients
        self.batches, self.dropout, self.slots = batches, dropout, slots
        self.outputs, self.data, self.pull = outputs, data, pull

    def epoch(self, on_step: Callable[[int], None]) -> None:
        """Train every member for its steps."""
        rows = self.batches.epoch()
        truth, weight, _ = self.slots.gather(rows)
        weight = self.slots.weighted(weight)
        dropout = self.dropout if self.dropout.active else None
        masks: Tensor | None = None
        for step in range(len(rows)):
            if dropout is not None:
                place = step % dropout.span
                masks = (dropout.draw() if place == 0 else dropout.masks)[place]
            done = self.net.forward(*inputs(self.data, rows[step], self.net), masks=masks)
            slope = self.outputs.slope(done.scores, truth[step], weight[step])
            self.net.backward(done, slope, self.gradients, None if dropout is None else dropout.scale)
            self.optimizer.step()
            if self.pull is not None:
                self.pull()
            on_step(len(self.net))


def inputs(data: Data, rows: Tensor, net: StackedMLP) -> tuple[Tensor, Tensor | None]:
    """Features ``(M, B, P)`` and, where the network knows levels, levels ``(M, B)`` of rows ``(M, B)``."""
    X = data.X.index_select(0, rows.reshape(-1)).view(*rows.shape, data.X.shape[1])
    return X, data.level[rows] if data.level is not None and net.level_embedding is not None else None


@torch.no_grad()
def losses_of(
    net: StackedMLP, data: Data, outputs: Outputs, rows: Tensor, truth: Tensor, weight: Tensor
) -> Tensor:
    """Mean losses ``(M, S)`` on validation rows ``(M, V)``, a part of the rows at a time."""
    total: Tensor | None = None
    for start in range(0, rows.shape[1], JUDGED):
        part = slice(start, start + JUDGED)
        scores = net.forward(*inputs(data, rows[:, part], net)).scores
        found = outputs.losses(scores, truth[:, part], weight[:, part])
        total = found if total is None else total + found
    assert total is not None
    return total


JUDGED = 1024
"""Validation rows of a member that are computed at once."""
