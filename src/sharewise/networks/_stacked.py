"""Many small networks of one shape as one: every weight has a leading member axis.

Symbols: ``M`` members, ``B`` rows a member, ``P`` inputs, ``H`` width, ``O`` outputs, ``L`` levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

SPACING = 16
"""Numbers that the widest vector registers hold. What is left over at an array's end is rounded otherwise
than the rest by some kernels; with members this far apart nothing is, so that no member's rounding depends
on how many there are."""


class Pass(NamedTuple):
    """What a forward pass leaves for the backward one.

    Attributes:
        inputs: ``(M, B, P)``.
        first, second: ``(M, B, H)`` hidden units, after dropout.
        scores: ``(M, B, O)``.
        place: ``(M * B,)`` member times ``L`` plus level, or None.
        own: ``(M, B, H, O)`` the level's correction of the head, or None.
    """

    inputs: Tensor
    first: Tensor
    second: Tensor
    scores: Tensor
    place: Tensor | None
    own: Tensor | None


@dataclass(frozen=True, eq=False)
class StackedMLP:
    """``M`` multilayer perceptrons with two hidden layers, computed by batched matrix products.

    With levels each member is conditioned on a task: a task embedding is added to the first hidden layer's
    input and every task has its own correction of the common output layer (hard parameter sharing,
    Caruana 1997, with a task embedding). Both start at or near zero, so training starts from the pooled
    network.

    The backward pass is written out: at these sizes autograd's bookkeeping costs as much as the arithmetic.
    Autograd still works through `forward` without ``masks``, which the tests hold `backward` against.

    Attributes:
        first, first_bias: ``(M, P, H)``, ``(M, 1, H)``.
        second, second_bias: ``(M, H, H)``, ``(M, 1, H)``.
        head, head_bias: ``(M, H, O)``, ``(M, 1, O)``; the biases of two members lie a multiple of `SPACING`
            numbers apart.
        level_embedding, level_head, level_bias: ``(M, L, H)``, ``(M, L, H, O)``, ``(M, L, O)``; None where
            the networks know no levels.
    """

    first: Tensor
    first_bias: Tensor
    second: Tensor
    second_bias: Tensor
    head: Tensor
    head_bias: Tensor
    level_embedding: Tensor | None = None
    level_head: Tensor | None = None
    level_bias: Tensor | None = None

    @classmethod
    def start(
        cls,
        inputs: int,
        width: int,
        outputs: int,
        *,
        generators: Sequence[torch.Generator],
        levels: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> StackedMLP:
        """Random weights, uniform within one over the root of the inputs (torch's ``nn.Linear``).

        Args:
            generators: One a member, on the CPU: a member's weights come from its own.
            levels: ``L``, or 0 for none.
        """

        def uniform(*shape: int, fan: int) -> Tensor:
            drawn = torch.stack([torch.rand(shape, generator=g, dtype=dtype) for g in generators])
            return (drawn * 2 - 1) / math.sqrt(max(fan, 1))

        members = len(generators)
        plain = (
            uniform(inputs, width, fan=inputs),
            uniform(1, width, fan=inputs),
            uniform(width, width, fan=width),
            uniform(1, width, fan=width),
            uniform(width, outputs, fan=width),
            _spaced(torch.zeros(members, 1, outputs, dtype=dtype)),
        )
        if not levels:
            return cls(*plain)
        small = torch.stack([torch.randn(levels, width, generator=g, dtype=dtype) for g in generators])
        return cls(
            *plain,
            small * 0.02,
            torch.zeros(members, levels, width, outputs, dtype=dtype),
            torch.zeros(members, levels, outputs, dtype=dtype),
        )

    def tensors(self) -> dict[str, Tensor]:
        """By name, those that are there."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}

    def members(self, which: slice | Tensor) -> StackedMLP:
        """Some of the members: views for a slice, copies for a mask ``(M,)`` or places."""
        found = StackedMLP(**{name: value[which] for name, value in self.tensors().items()})
        return found if isinstance(which, slice) else replace(found, head_bias=_spaced(found.head_bias))

    def to(self, device: torch.device) -> StackedMLP:
        """The same on a device."""
        found = StackedMLP(**{name: value.to(device) for name, value in self.tensors().items()})
        return replace(found, head_bias=_spaced(found.head_bias))

    def zeros(self) -> StackedMLP:
        """Zeros of the same shapes: moments, or room for gradients."""
        found = StackedMLP(**{name: torch.zeros_like(value) for name, value in self.tensors().items()})
        return replace(found, head_bias=_spaced(found.head_bias))

    def __len__(self) -> int:
        return len(self.first)

    def forward(self, X: Tensor, level: Tensor | None = None, masks: Tensor | None = None) -> Pass:
        """Scores of each member for its own rows.

        Args:
            X: ``(M, B, P)``.
            level: ``(M, B)`` codes, or None.
            masks: ``(2, M, B, H)`` factors of the hidden units (dropout), or None.
        """
        before = torch.baddbmm(self.first_bias, X, self.first)
        place: Tensor | None = None
        own: Tensor | None = None
        if level is not None and self.level_embedding is not None:
            levels, width = self.level_embedding.shape[1:]
            offset = torch.arange(len(self), device=level.device)[:, None] * levels
            place = (level + offset).flatten()
            before += self.level_embedding.flatten(0, 1).index_select(0, place).view_as(before)
        first = before.relu_()
        if masks is not None:
            first.mul_(masks[0])
        second = torch.baddbmm(self.second_bias, first, self.second).relu_()
        if masks is not None:
            second.mul_(masks[1])
        scores = torch.baddbmm(self.head_bias, second, self.head)
        if place is not None and self.level_head is not None and self.level_bias is not None:
            outputs = scores.shape[2]
            gathered = self.level_head.view(-1, width * outputs).index_select(0, place)
            own = gathered.view(*second.shape, outputs)
            scores += (second[..., None] * own).sum(dim=2)
            scores += self.level_bias.flatten(0, 1).index_select(0, place).view_as(scores)
        return Pass(X, first, second, scores, place, own)

    def backward(self, done: Pass, slope: Tensor, into: StackedMLP, scale: Tensor | None = None) -> None:
        """Write the gradient of every weight into ``into``.

        Args:
            slope: ``(M, B, O)`` derivative of the loss by the scores.
            scale: ``(M, 1, 1)`` value of the masks where they are not zero; None without dropout.
        """
        torch.bmm(done.second.mT, slope, out=into.head)
        torch.sum(slope, 1, keepdim=True, out=into.head_bias)
        # The masks' factor of the second layer enters by the slope, which is smaller than the layer.
        scaled = slope if scale is None else slope * scale
        second = torch.bmm(scaled, self.head.mT)
        if done.place is not None and done.own is not None:
            self._level_head_gradient(done, slope, into)
            second += (done.own * scaled[:, :, None, :]).sum(dim=3)
        _closed_where_zero(second, done.second)
        torch.bmm(done.first.mT, second, out=into.second)
        torch.sum(second, 1, keepdim=True, out=into.second_bias)
        first = torch.bmm(second, self.second.mT)
        _closed_where_zero(first, done.first)
        if scale is not None:
            first.mul_(scale)
        torch.bmm(done.inputs.mT, first, out=into.first)
        torch.sum(first, 1, keepdim=True, out=into.first_bias)
        if done.place is not None and into.level_embedding is not None:
            rows = into.level_embedding.zero_().flatten(0, 1)
            rows.index_add_(0, done.place, first.flatten(0, 1))

    @staticmethod
    def _level_head_gradient(done: Pass, slope: Tensor, into: StackedMLP) -> None:
        assert done.place is not None
        assert into.level_head is not None
        assert into.level_bias is not None
        outer = (done.second[..., None] * slope[:, :, None, :]).flatten(0, 1).flatten(1)
        into.level_head.zero_().view(-1, outer.shape[1]).index_add_(0, done.place, outer)
        into.level_bias.zero_().flatten(0, 1).index_add_(0, done.place, slope.flatten(0, 1))


def _closed_where_zero(gradient: Tensor, hidden: Tensor) -> None:
    """In place: no gradient passes a unit that is zero, by the rectifier or by dropout."""
    torch.ops.aten.threshold_backward.grad_input(gradient, hidden, 0.0, grad_input=gradient)


def _spaced(bias: Tensor) -> Tensor:
    """The same values ``(M, 1, O)``, members a multiple of `SPACING` numbers apart, zeros between."""
    members, _, outputs = bias.shape
    room = bias.new_zeros(members, 1, -(-outputs // SPACING) * SPACING)
    room[..., :outputs] = bias
    return room[..., :outputs]
