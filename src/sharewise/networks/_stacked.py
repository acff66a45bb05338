"""Many small networks of one shape as one module: every weight has a leading member axis.

Symbols: ``M`` members, ``B`` rows a member, ``P`` inputs, ``H`` width, ``O`` outputs, ``L`` levels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class StackedMLP(nn.Module):
    """``M`` multilayer perceptrons with two hidden layers, computed by batched matrix products.

    With ``levels`` each member is conditioned on a task: a task embedding is added to the first hidden
    layer's input and every task has its own correction of the common output layer (hard parameter
    sharing, Caruana 1997, with a task embedding). Both start at or near zero, so training starts from the
    pooled network.

    Args:
        members: ``M``.
        inputs: ``P``.
        width: ``H``.
        outputs: ``O``.
        levels: ``L``, or 0 for none.
        dropout: Share of hidden units left out in training.
        generator: Source of the initial weights and of dropout.
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        width: int,
        outputs: int,
        *,
        levels: int = 0,
        dropout: float = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()

        def uniform(*shape: int, fan: int) -> nn.Parameter:
            bound = 1.0 / math.sqrt(max(fan, 1))
            return nn.Parameter((torch.rand(*shape, generator=generator) * 2 - 1) * bound)

        self.first = uniform(members, inputs, width, fan=inputs)
        self.first_bias = uniform(members, 1, width, fan=inputs)
        self.second = uniform(members, width, width, fan=width)
        self.second_bias = uniform(members, 1, width, fan=width)
        self.head = uniform(members, width, outputs, fan=width)
        self.head_bias = nn.Parameter(torch.zeros(members, 1, outputs))
        self.level_embedding: nn.Parameter | None = None
        self.level_head: nn.Parameter | None = None
        self.level_bias: nn.Parameter | None = None
        if levels:
            small = torch.randn(members, levels, width, generator=generator) * 0.02
            self.level_embedding = nn.Parameter(small)
            self.level_head = nn.Parameter(torch.zeros(members, levels, width, outputs))
            self.level_bias = nn.Parameter(torch.zeros(members, levels, outputs))
        self.dropout = dropout
        self.generator = generator
        self.alive = torch.arange(members)
        """Which of the first members the weights still hold."""
        self._members = members

    def keep(self, which: Tensor) -> None:
        """Go on with the members marked in ``which`` ``(A,)`` only."""
        self.alive = self.alive[which]
        for parameter in self.parameters():
            parameter.data = parameter.data[which].contiguous()
            parameter.grad = None

    def _drop(self, hidden: Tensor) -> Tensor:
        """Inverted dropout (Srivastava et al. 2014) from random bytes: the rate is rounded to 1/256, and
        drawing the mask costs a tenth of torch's own on a CPU, where it would rival a layer."""
        out = round(self.dropout * 256)
        if not self.training or out == 0:
            return hidden
        # Drawn for members that have left too: what one is given must not depend on when another stops.
        shape = (self._members, *hidden.shape[1:])
        words = torch.empty(-(-math.prod(shape) // 8), dtype=torch.int64)
        noise = words.random_(-(2**63), None, generator=self.generator).view(torch.uint8)
        noise = noise[: math.prod(shape)].view(shape)
        keep = (noise if len(hidden) == self._members else noise[self.alive]) >= out
        return hidden * keep.to(hidden.device) * (256 / (256 - out))

    def forward(self, X: Tensor, level: Tensor | None = None) -> Tensor:
        """``X`` ``(M, B, P)``, ``level`` ``(M, B)`` -> scores ``(M, B, O)``."""
        before = torch.baddbmm(self.first_bias, X, self.first)
        member: Tensor | None = None
        if level is not None and self.level_embedding is not None:
            member = torch.arange(len(level), device=level.device)[:, None]
            before = before + self.level_embedding[member, level]
        hidden = self._drop(torch.relu(before))
        hidden = torch.relu(torch.baddbmm(self.second_bias, hidden, self.second))
        hidden = self._drop(hidden)
        scores = torch.baddbmm(self.head_bias, hidden, self.head)
        if level is not None and self.level_head is not None and self.level_bias is not None:
            own = self.level_head[member, level]
            scores = scores + torch.einsum("mbh,mbho->mbo", hidden, own) + self.level_bias[member, level]
        return scores
