"""Nearest neighbours as nodes: products with all training rows, the greatest of them, the mean of their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.families._sample import Part
from sharewise.families.pictures._linear_neighbours import NeighboursPart
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._rows import Rows


def neighbours(
    graph: Graph, members: Sequence[tuple[int | None, Part]], X: str, width: int, rows: Rows
) -> str:
    """Predictions ``(n, W)`` of one part for all rows, or of one for each of some levels, which every row asks."""
    length = graph.node("Sqrt", graph.total(graph.node("Mul", X, X), 1, keep=True))
    unit = graph.node("Div", X, graph.node("Max", length, graph.constant(np.float64(1e-12))))
    found: str | None = None
    for code, part in members:
        assert isinstance(part, NeighboursPart)
        values = _nearest(graph, part, unit)
        if found is None:
            found = values
            continue
        mine = graph.node("Equal", graph.reshape(rows.code, -1, 1), graph.constant(np.int64(code or 0)))
        found = graph.node("Where", mine, values, found)
    assert found is not None
    return found


def _nearest(graph: Graph, part: NeighboursPart, unit: str) -> str:
    """Of rows of length one ``(n, P)``."""
    count = min(part.count, len(part.X))
    alike = graph.node("MatMul", unit, graph.constant(np.ascontiguousarray(part.X.T)))
    most = graph.constant(np.array([count], dtype=np.int64))
    _, places = graph.nodes("TopK", 2, alike, most, axis=1)
    total = graph.total(graph.gather(part.Y, places), 1)
    if part.classes:
        total = graph.node("Add", total, graph.constant(part.Y.mean(axis=0)))
    return graph.node("Div", total, graph.constant(np.float64(count + part.classes)))
