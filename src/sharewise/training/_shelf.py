"""Each member's best weights, slot by slot."""

from __future__ import annotations

import torch
from torch import Tensor

from sharewise.networks import StackedMLP
from sharewise.training._members import Trained


class Shelf:
    """Snapshots of ``M`` members with ``S`` slots each.

    The slots that improve in one epoch share a snapshot. A member never needs more than ``S`` of them: when
    some slot improves, the place it had, or one never used, is free.

    Attributes:
        loss: ``(M, S)`` best so far.
        epoch: ``(M, S)`` when; 0 for not yet.
    """

    def __init__(self, net: StackedMLP, slots: int) -> None:
        members, device = len(net), net.first.device
        self.loss = torch.full((members, slots), torch.inf, dtype=net.first.dtype, device=device)
        self.epoch = torch.zeros((members, slots), dtype=torch.long, device=device)
        self.place = torch.zeros((members, slots), dtype=torch.long, device=device)
        # Pages never written are never taken from the machine.
        self.kept = {
            name: torch.empty(members, slots, *value.shape[1:], dtype=value.dtype, device=device)
            for name, value in net.tensors().items()
        }
        for name, value in net.tensors().items():
            self.kept[name][:, 0] = value

    def update(self, net: StackedMLP, losses: Tensor, alive: Tensor, epoch: int) -> None:
        """Keep the weights of the slots that are better than ever.

        Args:
            net: The ``A`` members still in training.
            losses: ``(A, S)``; NaN is never better.
            alive: ``(A,)`` which of the ``M`` they are.
        """
        better = losses < self.loss[alive]
        here = better.any(dim=1).nonzero()[:, 0]
        if not len(here):
            return
        better, member = better[here], alive[here]
        free = self._free(member, better)
        self.loss[member] = torch.where(better, losses[here], self.loss[member])
        self.epoch[member] = torch.where(better, epoch, self.epoch[member])
        self.place[member] = torch.where(better, free[:, None], self.place[member])
        everyone = len(here) == len(net)
        for name, value in net.tensors().items():
            self.kept[name][member, free] = value if everyone else value[here]

    def _free(self, member: Tensor, better: Tensor) -> Tensor:
        """For each member the first place that none of its other slots holds."""
        slots = better.shape[1]
        places = torch.arange(slots, device=better.device)
        held = ((self.place[member][:, :, None] == places) & ~better[:, :, None]).any(dim=1)
        return held.long().argmin(dim=1)

    def trained(self, columns: tuple[tuple[int, int], ...]) -> list[Trained]:
        """What each member ended with."""
        epochs, place = self.epoch.tolist(), self.place.tolist()
        kept = {name: value.cpu() for name, value in self.kept.items()}
        found = []
        for member, own in enumerate(place):
            used = sorted(set(own))
            found.append(
                Trained(
                    tuple(epochs[member]),
                    {name: value[member, used] for name, value in kept.items()},
                    tuple(used.index(one) for one in own),
                    columns,
                )
            )
        return found
