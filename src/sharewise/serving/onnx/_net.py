"""Network committees as nodes: all members of a target in one product, in float32 as they were trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families._net import Net
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._rows import Rows
from sharewise.tasks import Classification


def emit_net(graph: Graph, net: Net, X: str, rows: Rows) -> str:
    """Predictions ``(n, W)`` in double from inputs ``(n, P)`` in float."""
    serving = np.unique(net.serves[net.serves >= 0])
    single = len(net.serves) == 1
    if not len(serving):
        return rows.constant(graph, net.constant[0]) if single else graph.gather(net.constant, rows.code)
    used = _only(net, serving)
    members = _members(graph, used, X, rows)
    counts = (used.serves[:, :, None] == np.arange(len(serving))).sum(axis=1).astype(np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    if single:
        share = graph.constant(shares[0][:, None, None])
        return graph.total(graph.node("Mul", members, share), 0)
    level = rows.code
    share = graph.gather(np.ascontiguousarray(shares.T)[:, :, None], level, axis=1)
    average = graph.total(graph.node("Mul", members, share), 0)
    served = counts.any(axis=1, keepdims=True)
    if served.all():
        return average
    return graph.node("Where", graph.gather(served, level), average, graph.gather(net.constant, level))


def _members(graph: Graph, net: Net, X: str, rows: Rows) -> str:
    """``(M, n, W)`` in the target's own units, in double."""
    before = _affine(graph, X, net.first, net.first_bias)
    if net.level_embedding is not None:
        before = graph.node("Add", before, graph.gather(net.level_embedding, rows.code, axis=1))
    hidden = graph.node("Relu", before)
    hidden = graph.node("Relu", _affine(graph, hidden, net.second, net.second_bias))
    assert net.head is not None
    assert net.head_bias is not None
    scores = graph.cast(graph.node("MatMul", hidden, graph.constant(net.head)), "double")
    scores = graph.node("Add", scores, graph.constant(net.head_bias.astype(np.float64)))
    if net.level_head is not None and net.level_bias is not None:
        level, members, width = rows.code, len(net.head), net.kind.width
        apart = graph.node("Unsqueeze", hidden, graph.constant(np.array([2], dtype=np.int64)))
        own = graph.node("MatMul", apart, graph.gather(net.level_head, level, axis=1))
        flat = graph.cast(graph.reshape(own, members, -1, width), "double")
        scores = graph.node("Add", scores, flat)
        scores = graph.node("Add", scores, graph.cast(graph.gather(net.level_bias, level, axis=1), "double"))
    return graph.node("Softmax", scores, axis=2) if isinstance(net.kind, Classification) else scores


def _affine(
    graph: Graph, inputs: str, weights: NDArray[np.float32] | None, bias: NDArray[np.float32] | None
) -> str:
    assert weights is not None
    assert bias is not None
    return graph.node("Add", graph.node("MatMul", inputs, graph.constant(weights)), graph.constant(bias))


def _only(net: Net, serving: NDArray[np.int64]) -> Net:
    """The net with the members that serve some level, ``serves`` naming them anew."""
    names = ("first", "first_bias", "second", "second_bias", "head", "head_bias", "level_embedding", "level_head",
             "level_bias")  # fmt: skip
    kept: dict[str, Any] = {
        name: None if (held := getattr(net, name)) is None else held[serving] for name in names
    }
    place = np.where(net.serves >= 0, np.searchsorted(serving, net.serves), -1)
    return replace(net, serves=place, **kept)
