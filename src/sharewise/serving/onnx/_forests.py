"""Forests as nodes: for several outputs the trees name their leaves, whose values stand in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sharewise.families._forest import Forest
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._trees import Trees, TreeTable
from sharewise.tasks import Classification, Kind


def forests(
    graph: Graph,
    members: Sequence[tuple[int | None, Forest]],
    inputs: str,
    guard: int | None,
    level: str | None,
) -> tuple[str, list[Trees]]:
    """Means over the trees ``(n, W)`` of one forest for all rows, or of one for each of some levels; and the trees.

    Args:
        members: Forests of one width, each with its level (None: all rows).
        inputs: ``(n, P)``; compared as float32, as scikit-learn does.
        guard: The column of ``inputs`` that holds the level.
        level: Codes ``(n,)``.
    """
    rounded = graph.cast(graph.cast(inputs, "float"), "double")
    width = members[0][1].width
    held = [_trees(forest, width == 1) for _, forest in members]
    table = TreeTable(guard)
    most = max(len(forest.roots) for _, forest in members)
    count = 1 + max((code for code, _ in members if code is not None), default=0)
    shares = np.zeros((count, most, 1))
    start = 0
    for (code, forest), trees in zip(members, held, strict=True):
        table.add(trees if width == 1 else replace(trees, leaf=trees.leaf + start), code)
        shares[code or 0, : len(forest.roots)] = 1.0 / len(forest.roots)
        start += len(forest.value)
    if width == 1:
        return table.node(graph, rounded, 1), held
    place = graph.cast(table.node(graph, rounded, most), "int64")
    reached = graph.gather(np.concatenate([forest.value for _, forest in members]), place)
    share = graph.constant(shares)
    if level is not None and guard is not None:
        share = graph.gather(shares, graph.node("Min", level, graph.constant(np.int64(count - 1))))
    return graph.total(graph.node("Mul", reached, share), 1), held


def as_probabilities(graph: Graph, values: str, kind: Kind, trees: str) -> str:
    """`sharewise.families._extra_trees.probabilities`, with the number of trees as a value."""
    if not isinstance(kind, Classification):
        return values
    low, high = (graph.constant(np.float64(bound)) for bound in (0.0, 1.0))
    shares = graph.node("Clip", values, low, high)
    floor = graph.constant(np.float64(1e-12))
    shares = graph.node("Div", shares, graph.node("Max", graph.total(shares, 1, keep=True), floor))
    risen = graph.node("Add", graph.node("Mul", shares, trees), graph.constant(np.float64(1.0 / kind.width)))
    return graph.node("Div", risen, graph.node("Add", trees, high))


def _trees(forest: Forest, alone: bool) -> Trees:
    """A forest with nodes and leaves numbered apart; leaves hold their share of the mean, or their place."""
    inner = forest.left >= 0
    place = np.cumsum(inner) - 1
    own = np.where(inner, place, forest.left).astype(np.int64)
    left = forest.left[inner].astype(np.int64)
    leaves = (
        forest.value[:, 0] / len(forest.roots) if alone else np.arange(len(forest.value), dtype=np.float64)
    )
    outputs = np.zeros(len(forest.value), dtype=np.int64)
    if not alone:
        ends = ~forest.left[~inner]
        outputs[ends] = np.searchsorted(forest.roots, np.flatnonzero(~inner), side="right") - 1
    return Trees(
        forest.feature[inner].astype(np.int64),
        forest.threshold[inner].astype(np.float64),
        {},
        own[left],
        own[left + 1],
        forest.missing_left[inner],
        leaves,
        own[forest.roots],
        outputs,
    )
