"""Sparse rows as values of a graph.

Symbols: ``n`` rows, ``V`` columns, ``U`` numbers that stand in them, ``W`` columns of a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.serving.onnx._characters import looked_up
from sharewise.serving.onnx._graph import Graph


@dataclass(frozen=True)
class Sparse:
    """Final.

    Attributes:
        rows, columns: ``(U,)`` int64.
        values: ``(U,)`` double.
        count: ``(1,)``, ``n``.
        width: ``V``.
    """

    rows: str
    columns: str
    values: str
    count: str
    width: int

    @classmethod
    def of_dense(cls, graph: Graph, values: str, width: int) -> Sparse:
        """Of ``(n, V)`` in double, zeros left out."""
        count = graph.node("Shape", values, start=0, end=1)
        zero = graph.node("Equal", values, graph.constant(np.float64(0.0)))
        there = graph.node("NonZero", graph.node("Not", zero))
        rows, columns = (graph.node("Gather", there, graph.constant(np.int64(one)), axis=0) for one in (0, 1))
        held = graph.node("GatherND", values, graph.node("Transpose", there))
        return cls(rows, columns, held, count, width)

    def beside(self, graph: Graph, other: Sparse) -> Sparse:
        """The columns of both, this one's first."""
        moved = graph.node("Add", other.columns, graph.constant(np.int64(self.width)))
        return Sparse(
            graph.node("Concat", self.rows, other.rows, axis=0),
            graph.node("Concat", self.columns, moved, axis=0),
            graph.node("Concat", self.values, other.values, axis=0),
            self.count,
            self.width + other.width,
        )

    def of_length_one(self, graph: Graph) -> Sparse:
        """Every row divided by its length; one without numbers stays empty."""
        none = graph.node("Expand", graph.constant(np.array([0.0])), self.count)
        square = graph.node("Mul", self.values, self.values)
        length = graph.node(
            "Sqrt", graph.node("ScatterElements", none, self.rows, square, axis=0, reduction="add")
        )
        own = graph.node("Gather", length, self.rows, axis=0)
        return Sparse(self.rows, self.columns, graph.node("Div", self.values, own), self.count, self.width)

    def times(self, graph: Graph, weights: NDArray[Any]) -> str:
        """``(n, W)`` in double, of weights ``(V, W)``."""
        if not len(weights):
            weights = np.zeros((1, weights.shape[1]))
        return self._sums(graph, graph.gather(weights, self.columns))

    def by_level(
        self, graph: Graph, level: str, held: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]
    ) -> str:
        """``(n, W)`` in double, of each level's own columns ``(v,)`` and weights ``(v, W)``.

        Args:
            level: Codes ``(n,)``.
        """
        keys = [code * self.width + columns for code, (columns, _) in enumerate(held)]
        stacked = np.concatenate(
            [*(weights for _, weights in held), np.zeros_like(held[0][1], shape=(1, held[0][1].shape[1]))]
        )
        place = self.keyed(graph, level, np.concatenate(keys), len(stacked) - 1)
        return self._sums(graph, graph.gather(stacked, place))

    def keyed(self, graph: Graph, level: str, keys: NDArray[np.int64], default: int) -> str:
        """Places ``(U,)`` of ``level * V + column`` among keys."""
        own = graph.node("Gather", level, self.rows, axis=0)
        key = graph.node("Add", graph.node("Mul", own, graph.constant(np.int64(self.width))), self.columns)
        return looked_up(graph, key, keys.tolist(), list(range(len(keys))), default)

    def _sums(self, graph: Graph, weights: str) -> str:
        """Of each number times its weights ``(U, W)``, by row."""
        apart = graph.constant(np.array([1], dtype=np.int64))
        products = graph.node(
            "Mul", graph.node("Unsqueeze", self.values, apart), graph.cast(weights, "double")
        )
        shape = graph.node("Shape", products)
        rows = graph.node("Expand", graph.node("Unsqueeze", self.rows, apart), shape)
        size = graph.node("Concat", self.count, graph.node("Shape", products, start=1, end=2), axis=0)
        none = graph.node("Expand", graph.constant(np.array([[0.0]])), size)
        return graph.node("ScatterElements", none, rows, products, axis=0, reduction="add")
