"""AdamW over stacked weights, each member with its own learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from sharewise.networks import StackedMLP
from sharewise.training._members import Member

FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8
"""Decay of the moments and the guard of the quotient: torch's defaults."""


class StackedAdamW:
    """AdamW (Loshchilov & Hutter 2019, algorithm 2, the decay as in torch: times the rate) for the members
    of one block, which have all made the same number of steps.

    torch's fused kernel reads and writes every number once; as single operations the update costs several
    times as much. It takes one rate a call: a call for each run of members that share rate and decay. (The
    optimiser class would import torch's compiler, two seconds in every worker.)

    Args:
        weights, gradients, first, second: Of the block's members; the moments start at zero.
        members: Whose rates they are, in order.
        steps: Made so far.
    """

    def __init__(
        self,
        weights: StackedMLP,
        gradients: StackedMLP,
        first: StackedMLP,
        second: StackedMLP,
        members: Sequence[Member],
        steps: int,
    ) -> None:
        self.clock = torch.tensor(float(steps), device=weights.first.device)
        self.calls: list[tuple[list[list[Tensor]], float, float]] = []
        start = 0
        for (rate, decay), alike in groupby(members, key=lambda m: (m.learning_rate, m.weight_decay)):
            run = slice(start, start + len(list(alike)))
            start = run.stop
            parts = [
                [_with_spaces(value) for value in part.members(run).tensors().values()]
                for part in (weights, gradients, first, second)
            ]
            self.calls.append((parts, rate, decay))

    def step(self) -> None:
        """One update of all members by the gradients as they stand."""
        self.clock += 1
        for (weights, gradients, first, second), rate, decay in self.calls:
            torch._fused_adamw_(
                weights,
                gradients,
                first,
                second,
                [],
                [self.clock] * len(weights),
                lr=rate,
                beta1=FIRST,
                beta2=SECOND,
                weight_decay=decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )


def _with_spaces(value: Tensor) -> Tensor:
    """Members ``(M, …)`` with the room between them, as ``(M, stride)``."""
    stride = value.stride(0)
    return value.as_strided((len(value), stride), (stride, 1))
