"""Members of a population that go on from given weights, freely or held near them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sharewise.networks import StackedMLP
from sharewise.training._members import HEADS, Member


def begin(net: StackedMLP, members: Sequence[Member]) -> None:
    """Write the weights that members are given over the random ones, in place."""
    for place, member in enumerate(members):
        for name, value in (member.start or {}).items():
            net.tensors()[name][place].copy_(value)


class Pull:
    """The way back to the start that weights go after each step.

    The penalty of L2-SP (Li, Grandvalet & Davoine 2018, https://arxiv.org/abs/1802.01483, eq. 3), decoupled from the
    gradient as AdamW's decay is: ``w ← w + p (w₀ − w)``. With ``p = 1`` the weights stay where they are.

    Args:
        net: Of ``M`` members, changed in place.
        start: Their ``w₀``.
        members: Whose ``p`` they are, in order.
    """

    def __init__(self, net: StackedMLP, start: StackedMLP, members: Sequence[Member]) -> None:
        trunk, head = torch.tensor([member.pull for member in members]).to(net.first).unbind(dim=1)
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for name, value in net.tensors().items():
            share = head if name in HEADS else trunk
            if share.any():
                self.parts.append((value, start.tensors()[name], share.view(-1, *[1] * (value.ndim - 1))))

    def __call__(self) -> None:
        for value, start, share in self.parts:
            value.lerp_(start, share)
