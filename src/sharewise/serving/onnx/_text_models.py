"""Linear models of texts as nodes; see `sharewise.families.texts`.

Symbols: ``n`` rows, ``V`` columns of the sparse matrix, ``L`` levels, ``W`` columns of a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sharewise.families.texts._apart import TextLinearModel
from sharewise.families.texts._copies import Copies, TextPooledModel
from sharewise.families.texts._features import BESIDE_SCALE, FARTHEST, TextFeatures
from sharewise.families.texts._sparse import SparsePart
from sharewise.families.texts._stacked import TextStackedModel
from sharewise.serving.onnx._decoded import pieces_of
from sharewise.serving.onnx._encode import encode, text_inputs, width_of
from sharewise.serving.onnx._grams import grams_of
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._parts import scored
from sharewise.serving.onnx._rows import Rows
from sharewise.serving.onnx._sparse import Sparse
from sharewise.tasks import PROBABILITY_FLOOR, Array, Classification, Kind

Part = SparsePart | Array


def emit_linear(graph: Graph, model: TextLinearModel, rows: Rows) -> list[str]:
    """Predictions ``(n, W)``, a value a target."""
    X = features(graph, model.features, rows)
    return [
        _scores(graph, X, parts, kind, rows) for kind, parts in zip(model.kinds, model.parts, strict=True)
    ]


def emit_stacked(graph: Graph, model: TextStackedModel, rows: Rows) -> list[str]:
    """Predictions ``(n, W)``, a value a target."""
    said = emit_linear(graph, model.own, rows)
    low, high = graph.constant(np.float64(PROBABILITY_FLOOR)), graph.constant(np.float64(1.0))
    inputs = graph.columns(
        graph.node("Log", graph.node("Clip", value, low, high)) if isinstance(kind, Classification) else value
        for value, kind in zip(said, model.own.kinds, strict=True)
    )
    inputs = graph.node("Sub", inputs, graph.constant(model.mean[None]))
    inputs = graph.node("Div", inputs, graph.constant(model.spread[None]))
    found = []
    for value, part in zip(said, model.parts, strict=True):
        if part is not None:
            product = graph.node("MatMul", inputs, graph.constant(part.weights))
            value = scored(graph, graph.node("Add", product, graph.constant(part.intercept[None])), part.link)
        found.append(value)
    return found


def emit_pooled(graph: Graph, model: TextPooledModel, rows: Rows) -> list[str]:
    """Predictions ``(n, W)``, a value a target."""
    X = augmented(graph, model.copies, features(graph, model.features, rows), rows)
    found = []
    for kind, part in zip(model.kinds, model.parts, strict=True):
        if isinstance(part, SparsePart):
            found.append(_scores(graph, X, (part,), kind, rows))
        else:
            found.append(graph.gather(part, rows.code))
    return found


def features(graph: Graph, of: TextFeatures, rows: Rows) -> Sparse:
    """Grams of each column of text, beside the other columns."""
    texts = [
        grams_of(graph, grams, words) for grams, words in zip(of.grams, text_inputs(graph, rows), strict=True)
    ]
    for place, grams in enumerate(of.grams):
        rows.try_texts(place, pieces_of(grams))
    found = texts[0]
    for more in texts[1:]:
        found = found.beside(graph, more)
    if of.others is None:
        return found
    others = replace(rows, texts=(), words=rows.words[: len(rows.categories)])
    bounds = (graph.constant(np.float64(end)) for end in (-FARTHEST, FARTHEST))
    numbers = graph.node("Clip", encode(graph, of.others, others), *bounds)
    numbers = graph.node("Mul", numbers, graph.constant(np.float64(BESIDE_SCALE)))
    return found.beside(graph, Sparse.of_dense(graph, numbers, width_of(of.others, others)))


def augmented(graph: Graph, copies: Copies, X: Sparse, rows: Rows) -> Sparse:
    """What is common, whose row it is, the copies; see `sharewise.families.texts._copies.Copies.augmented`."""
    one = graph.node("Expand", graph.constant(np.array([1.0])), X.count)
    every = graph.node(
        "Range", *(graph.constant(np.int64(0)), graph.reshape(X.count), graph.constant(np.int64(1)))
    )
    whole = X.beside(graph, Sparse(every, rows.code, one, X.count, copies.levels))
    if not len(copies.keys):
        return whole
    place = X.keyed(graph, rows.code, copies.keys, -1)
    there = graph.node("GreaterOrEqual", place, graph.constant(np.int64(0)))
    kept = [graph.node("Compress", values, there) for values in (X.rows, place, X.values)]
    return whole.beside(graph, Sparse(kept[0], kept[1], kept[2], X.count, len(copies.keys)))


def _scores(graph: Graph, X: Sparse, parts: Sequence[Part], kind: Kind, rows: Rows) -> str:
    """Of one part for all rows, or of one a level; constants where there is none."""
    width = kind.width
    sparse = [part for part in parts if isinstance(part, SparsePart)]
    if len(parts) == 1:
        part = parts[0]
        if not isinstance(part, SparsePart):
            return rows.constant(graph, part)
        whole = np.zeros((X.width, width), dtype=np.float32)
        whole[part.columns] = part.weights
        scores = graph.node("Add", X.times(graph, whole), graph.constant(part.intercept[None]))
        return scored(graph, scores, _link(kind))
    constants = np.zeros((len(parts), width))
    for code, part in enumerate(parts):
        if not isinstance(part, SparsePart):
            constants[code] = part
    if not sparse:
        return graph.gather(constants, rows.code)
    none = np.zeros(0, dtype=np.int64), np.zeros((0, width), dtype=np.float32)
    held = [
        (part.columns.astype(np.int64), part.weights) if isinstance(part, SparsePart) else none
        for part in parts
    ]
    intercepts = np.zeros((len(parts), width))
    for code, part in enumerate(parts):
        if isinstance(part, SparsePart):
            intercepts[code] = part.intercept
    scores = graph.node("Add", X.by_level(graph, rows.code, held), graph.gather(intercepts, rows.code))
    values = scored(graph, scores, _link(kind))
    if len(sparse) == len(parts):
        return values
    mine = np.array([[isinstance(part, SparsePart)] for part in parts])
    return graph.node("Where", graph.gather(mine, rows.code), values, graph.gather(constants, rows.code))


def _link(kind: Kind) -> str:
    return "softmax" if isinstance(kind, Classification) else "identity"
