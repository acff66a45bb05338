"""A function of tensors, compiled once for each set of shapes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

Answer = tuple[Tensor, list[Tensor]]


@final
class Compiled:
    """Records what `function` does to tensors, derivatives of derivatives included, and compiles the record.

    The record is of plain tensor operations, so that `torch.compile` meets neither modules nor autograd. Whatever else
    the function reads (modes, options) must be in `key`.
    """

    def __init__(self, function: Callable[[Sequence[Tensor | None], Mapping[str, Tensor]], Answer]) -> None:
        self._function = function
        self._made: dict[Hashable, Callable[..., Sequence[Tensor]]] = {}

    def __call__(
        self, tensors: Sequence[Tensor | None], weights: Mapping[str, Tensor], key: Hashable
    ) -> Answer:
        """What `function(tensors, weights)` gives."""
        given = [*weights.values(), *(part for part in tensors if part is not None)]
        shapes = tuple((tuple(part.shape), part.dtype, part.device) for part in given)
        whole = (key, shapes, tuple(part is None for part in tensors))
        if whole not in self._made:
            self._made[whole] = self._make(tensors, list(weights), given)
        with torch.no_grad():
            value, *gradients = self._made[whole](*given)
        return value, gradients

    def _make(
        self, tensors: Sequence[Tensor | None], names: list[str], given: list[Tensor]
    ) -> Callable[..., Sequence[Tensor]]:
        there = [part is not None for part in tensors]

        def flat(*parts: Tensor) -> tuple[Tensor, ...]:
            rest = iter(parts[len(names) :])
            full = [next(rest) if present else None for present in there]
            value, gradients = self._function(full, dict(zip(names, parts[: len(names)], strict=True)))
            return value, *gradients

        recorded: Any = make_fx(flat)(*[part.detach() for part in given])
        return torch.compile(recorded, dynamic=False)
