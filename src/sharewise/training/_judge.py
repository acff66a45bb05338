"""By which loss an epoch is judged: that of the other members of the group."""

from __future__ import annotations

import torch
from torch import Tensor


class Judge:
    """Turns members' validation losses into the ones that their stopping goes by, so that a member's own
    validation rows remain held out.

    Symbols: ``M`` members, ``A`` of them still in training, ``S`` slots.

    Args:
        group: ``(M,)`` numbers from zero.
        labels: ``(M, S)`` known validation labels of each member and slot.
    """

    def __init__(self, group: Tensor, labels: Tensor) -> None:
        self.group, self.labels = group, labels
        self.size = int(group.max()) + 1

    def __call__(self, losses: Tensor, alive: Tensor) -> Tensor:
        """Mean loss of the rest of each member's group, ``(A, S) -> (A, S)``; its own where the rest has
        no labels."""
        group, weight = self.group[alive], self.labels[alive]
        rows, total = (
            losses.new_zeros(self.size, losses.shape[1]).index_add_(0, group, part)[group]
            for part in (weight, losses * weight)
        )
        others = rows - weight
        return torch.where(others > 0, (total - losses * weight) / others.clamp(min=1.0), losses)

    def whole_groups(self, keep: Tensor, alive: Tensor) -> Tensor:
        """``keep`` ``(A,)`` for whole groups: a member stays while one of its group does."""
        group = self.group[alive]
        kept = torch.zeros(self.size, dtype=torch.long, device=group.device)
        return (kept.index_add_(0, group, keep.long()) > 0)[group]
