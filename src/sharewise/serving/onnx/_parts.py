"""Predictors of one target as nodes; several of them, one a level of the task column, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.families._boosting import Committee
from sharewise.families._extra_trees import ForestPart
from sharewise.families._parts import ConstantPart, LinearPart
from sharewise.families._sample import Part
from sharewise.families.pictures._linear_neighbours import NeighboursPart
from sharewise.serving.onnx._boosted import committees
from sharewise.serving.onnx._forests import as_probabilities, forests
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._neighbours import neighbours
from sharewise.serving.onnx._rows import Rows
from sharewise.serving.onnx._trees import Trees

Members = Sequence[tuple[int | None, Part]]
"""Parts of one sort, each with its level; None where one serves all rows."""


def emit_parts(graph: Graph, parts: Sequence[Part], X: str, width: int, rows: Rows) -> str:
    """Predictions ``(n, W)`` of one part for all rows, or of one a level.

    Args:
        parts: One, or one for each level.
        X: Encoded features ``(n, width)``.

    Raises:
        OptionError: A part is of a sort that has no form in ONNX.
    """
    by_level = rows.level is not None and len(parts) > 1
    sorts: dict[object, list[tuple[int | None, Part]]] = {}
    for code, part in enumerate(parts):
        sort = (type(part), part.link) if isinstance(part, LinearPart) else type(part)
        sorts.setdefault(sort, []).append((code if by_level else None, part))
    found: str | None = None
    for members in sorts.values():
        kind = type(members[0][1])
        if kind not in EMIT:
            raise OptionError(
                f"an ONNX file holds linear models, trees, forests and networks; this model has a {kind.__name__}. "
                "Use model.save and sw.load."
            )
        values = EMIT[kind](graph, members, X, width, rows)
        if found is None:
            found = values
            continue
        assert rows.level is not None
        mine = np.zeros((rows.levels, 1), dtype=np.bool_)
        mine[[code for code, _ in members if code is not None]] = True
        found = graph.node("Where", graph.gather(mine, rows.level), values, found)
    assert found is not None
    return found


def scored(graph: Graph, scores: str, link: str) -> str:
    """Linear scores ``(n, W)`` through their link."""
    return graph.node("Softmax", scores, axis=1) if link == "softmax" else scores


def _constants(graph: Graph, members: Members, X: str, width: int, rows: Rows) -> str:
    values = _table(rows, members, lambda part: part.value)  # type: ignore[attr-defined]
    return rows.constant(graph, values[0]) if members[0][0] is None else graph.gather(values, rows.code)


def _linear(graph: Graph, members: Members, X: str, width: int, rows: Rows) -> str:
    link = members[0][1].link  # type: ignore[attr-defined]
    weights = _table(rows, members, lambda part: part.weights)  # type: ignore[attr-defined]
    intercept = _table(rows, members, lambda part: part.intercept)  # type: ignore[attr-defined]
    if members[0][0] is None:
        product = graph.node("MatMul", X, graph.constant(weights[0]))
        return scored(graph, graph.node("Add", product, graph.constant(intercept[0][None])), link)
    product = by_row(graph, X, graph.gather(weights, rows.code), weights.shape[2])
    return scored(graph, graph.node("Add", product, graph.gather(intercept, rows.code)), link)


def by_row(graph: Graph, X: str, weights: str, width: int) -> str:
    """``(n, P)`` times each row's own ``(n, P, W)``: ``(n, W)``."""
    apart = graph.node("Unsqueeze", X, graph.constant(np.array([1], dtype=np.int64)))
    return graph.reshape(graph.node("MatMul", apart, weights), -1, width)


def _boosted(graph: Graph, members: Members, X: str, width: int, rows: Rows) -> str:
    own = [(code, part) for code, part in members if isinstance(part, Committee)]
    inputs, guard = guarded(graph, X, width, rows, alone=members[0][0] is None)
    values, trees = committees(graph, own, inputs, guard, rows.level)
    note_thresholds(rows, trees)
    return values


def _forest(graph: Graph, members: Members, X: str, width: int, rows: Rows) -> str:
    own = [(code, part) for code, part in members if isinstance(part, ForestPart)]
    inputs, guard = guarded(graph, X, width, rows, alone=members[0][0] is None)
    values, trees = forests(graph, [(code, part.forest) for code, part in own], inputs, guard, rows.level)
    note_thresholds(rows, trees)
    counts = _table(rows, own, lambda part: np.array([float(len(part.forest.roots))]))  # type: ignore[attr-defined]
    number = graph.constant(counts[0]) if guard is None else graph.gather(counts, rows.code)
    return as_probabilities(graph, values, own[0][1].kind, number)


def guarded(graph: Graph, X: str, width: int, rows: Rows, *, alone: bool) -> tuple[str, int | None]:
    """Features with the level behind them, and its column, for trees that are each for one level."""
    if alone:
        return X, None
    return graph.columns((X, graph.reshape(graph.cast(rows.code, "double"), -1, 1))), width


def note_thresholds(rows: Rows, held: Sequence[Trees]) -> None:
    """Have rows drawn where trees decide."""
    for trees in held:
        asks = np.ones(len(trees.feature), dtype=bool)
        asks[list(trees.sets)] = False
        for column in np.unique(trees.feature[asks]):
            rows.try_numbers(int(column), trees.threshold[asks & (trees.feature == column)])


def _table(rows: Rows, members: Members, of: Callable[[Part], NDArray[np.float64]]) -> NDArray[np.float64]:
    """What each level's part holds, ``(L, …)``; zeros for levels of other parts."""
    first = np.asarray(of(members[0][1]), dtype=np.float64)
    table = np.zeros((1 if members[0][0] is None else rows.levels, *first.shape))
    for code, part in members:
        table[code or 0] = of(part)
    return table


EMIT: dict[type, Callable[[Graph, Members, str, int, Rows], str]] = {
    ConstantPart: _constants,
    LinearPart: _linear,
    Committee: _boosted,
    ForestPart: _forest,
    NeighboursPart: neighbours,
}
"""By sort of part; each gets parts of its sort only."""
