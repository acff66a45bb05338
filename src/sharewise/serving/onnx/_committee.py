"""Committees of torch networks as nodes: those of one build are translated once, and stand in the graph with their own
weights each.

Symbols: ``n`` rows, ``D`` targets, ``L`` levels, ``K`` inner folds; a *cell* is one (target, level), its code
``target * L + level``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.serving._program_trace import traced
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._module import translated
from sharewise.serving.onnx._rows import Rows
from sharewise.tasks import Array, Classification, Kind, MaskRows


@dataclass(frozen=True)
class Member:
    """A network.

    Attributes:
        cells: That it says something of, in the order of its outputs.
        module: From its inputs to a tuple of outputs, in evaluation mode.
    """

    cells: tuple[int, ...]
    module: nn.Module


@dataclass(frozen=True)
class Committee:
    """What its members say, put together.

    Attributes:
        kinds: Of the ``D`` targets.
        serves: ``(D·L, K)`` the member of each fold, -1 for none.
        mean, spread: ``(D·L, K)`` scale of what each says of a cell.
        constant: ``D`` arrays ``(L, …)``: what is said where none serves.
    """

    kinds: tuple[Kind, ...]
    serves: NDArray[np.int64]
    mean: Array
    spread: Array
    constant: tuple[NDArray[Any], ...]

    def emit(self, graph: Graph, outputs: Sequence[dict[int, str]], rows: Rows) -> list[str]:
        """Predictions of every target, of each member's outputs by cell."""
        levels = len(self.serves) // len(self.kinds)
        found = [_constant(graph, constant, rows) for constant in self.constant]
        for cell in np.flatnonzero((self.serves >= 0).any(axis=1)).tolist():
            target, at = divmod(cell, levels)
            members = [
                self._said(graph, outputs[place][cell], cell, fold)
                for fold, place in enumerate(self.serves[cell].tolist())
                if place >= 0
            ]
            mean = members[0]
            for more in members[1:]:
                mean = graph.node("Add", mean, more)
            element = np.float32 if isinstance(self.kinds[target], MaskRows) else np.float64
            mean = graph.node("Div", mean, graph.constant(element(len(members))))
            if rows.level is not None:
                shape = (-1, *[1] * self.constant[target][0].ndim)
                mine = graph.node("Equal", graph.reshape(rows.code, *shape), graph.constant(np.int64(at)))
                mean = graph.node("Where", mine, mean, found[target])
            found[target] = mean
        return found

    def _said(self, graph: Graph, raw: str, cell: int, fold: int) -> str:
        """Outputs as probabilities, or as numbers in the target's own units."""
        kind = self.kinds[cell * len(self.kinds) // len(self.serves)]
        if isinstance(kind, MaskRows):
            return raw
        values = graph.cast(raw, "double")
        if isinstance(kind, Classification):
            return graph.node("Softmax", values, axis=1)
        scaled = graph.node("Mul", values, graph.constant(np.float64(self.spread[cell, fold])))
        return graph.node("Add", scaled, graph.constant(np.float64(self.mean[cell, fold])))


def emit_members(
    graph: Graph, members: Sequence[Member], examples: Sequence[Tensor], inputs: Sequence[str]
) -> list[dict[int, str]]:
    """Each member's outputs by cell.

    Args:
        examples: Of the inputs, see `sharewise.serving._program_trace.traced`.
        inputs: Values that all of them read.
    """
    known: dict[tuple[int, ...], onnx.ModelProto] = {}
    found = []
    for member in members:
        weights = dict(member.module.state_dict())
        if member.cells not in known:
            called = _Called(member.module, tuple(weights), len(inputs))
            known[member.cells] = translated(traced(called, examples, fixed=tuple(weights.values())))
        own = [graph.constant(value.numpy()) for value in weights.values()]
        values = graph.absorb(known[member.cells].graph, [*inputs, *own])
        found.append(dict(zip(member.cells, values, strict=True)))
    return found


@final
class Picked(nn.Module):
    """Final. A network whose outputs come in a dict, as one that gives some of them in a tuple."""

    def __init__(
        self, network: nn.Module, pick: Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]
    ) -> None:
        super().__init__()
        self.network, self.pick = network, pick

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """The network's inputs."""
        return self.pick(self.network, given)


@final
class _Called(nn.Module):
    """A module with its weights among its inputs, behind the others."""

    def __init__(self, module: nn.Module, names: tuple[str, ...], count: int) -> None:
        super().__init__()
        self.module, self.names, self.count = module, names, count

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(self.names, given[self.count :], strict=True))
        found: tuple[Tensor, ...] = torch.func.functional_call(self.module, weights, given[: self.count])
        return found


def _constant(graph: Graph, constant: NDArray[Any], rows: Rows) -> str:
    """What stands for each level, for each row."""
    if rows.level is not None:
        held = np.broadcast_to(constant, (rows.levels, *constant.shape[1:]))
        return graph.gather(np.ascontiguousarray(held), rows.code)
    sizes = graph.constant(np.array(constant.shape[1:], dtype=np.int64))
    shape = graph.node("Concat", rows.count(graph), sizes, axis=0)
    return graph.node("Expand", graph.constant(constant[:1]), shape)
