"""`TabularEncoder` as nodes of a graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from sharewise.modalities import TabularEncoder
from sharewise.problems import Column, ColumnKind, Table
from sharewise.serving.onnx._graph import TREES, Graph
from sharewise.serving.onnx._rows import Rows
from sharewise.serving.onnx._text import encode_text

UNSEEN = "\u00a7 a word that no table holds \u00a7"


def encode(graph: Graph, encoder: TabularEncoder, rows: Rows) -> str:
    """``(n, P)`` in double; columns in the order numbers, bins, categories, texts."""
    blocks: list[str] = []
    raw = rows.raw(graph)
    if raw is not None and encoder.numbers is None:
        blocks.append(raw)
    elif raw is not None:
        blocks += _numbers(graph, encoder, rows, raw)
    if isinstance(encoder.categories, OrdinalEncoder):
        blocks += _codes(graph, encoder.categories, rows)
    elif encoder.categories is not None:
        blocks += _one_hot(graph, encoder.categories, rows)
    for place, (pipeline, words) in enumerate(zip(encoder.texts, rows.texts, strict=True)):
        block, grams = encode_text(graph, pipeline, words)
        rows.points.setdefault(rows.words[len(rows.categories) + place], []).append(grams)
        blocks.append(block)
    if not blocks:
        return rows.constant(graph, np.zeros(0))
    return graph.columns(blocks)


def width_of(encoder: TabularEncoder, rows: Rows) -> int:
    """``P``, read off one row of gaps."""
    gap = np.array([None], dtype=object)
    kinds: tuple[ColumnKind, ...] = ("number", "category", "text")
    counts = len(rows.names), len(rows.categories), len(rows.texts)
    cells = np.array([np.nan]), gap, gap
    columns = [
        Column(f"{kind} {place}", kind, values)
        for kind, count, values in zip(kinds, counts, cells, strict=True)
        for place in range(count)
    ]
    return int(encoder.transform(Table(tuple(columns), 1)).shape[1])


def _numbers(graph: Graph, encoder: TabularEncoder, rows: Rows, raw: str) -> list[str]:
    """Imputed, with indicators of gaps, standardised; then in bins."""
    assert encoder.numbers is not None
    fill, scale = encoder.numbers.named_steps["fill"], encoder.numbers.named_steps["scale"]
    count = len(rows.names)
    fills = fill.transform(np.full((1, count), np.nan))[0, :count]
    gap = graph.node("IsNaN", raw)
    values = [graph.node("Where", gap, graph.constant(fills[None]), raw)]
    shown = fill.indicator_.features_
    if len(shown):
        values.append(
            graph.cast(graph.node("Gather", gap, graph.constant(shown.astype(np.int64)), axis=1), "double")
        )
    centred = graph.node("Sub", graph.columns(values), graph.constant(scale.mean_[None]))
    blocks = [graph.node("Div", centred, graph.constant(scale.scale_[None]))]
    for column in range(count):
        rows.try_numbers(column, fills[column] + scale.scale_[column] * np.linspace(-3.0, 3.0, 7))
    if (bins := encoder.bins) is not None:
        own = graph.node("Gather", blocks[0], graph.constant(bins.column.astype(np.int64)), axis=1)
        risen = graph.node("Sub", own, graph.constant(bins.low[None]))
        share = graph.node("Div", risen, graph.constant(bins.width[None]))
        blocks.append(
            graph.node("Clip", share, graph.constant(np.float64(0.0)), graph.constant(np.float64(1.0)))
        )
        edges = bins.low * scale.scale_[bins.column] + scale.mean_[bins.column]
        for column in range(count):
            rows.try_numbers(column, edges[bins.column == column])
    return blocks


def _codes(graph: Graph, fitted: OrdinalEncoder, rows: Rows) -> list[str]:
    """The encoder's own codes, read off it word by word."""
    blocks = []
    for place, words in enumerate(rows.categories):
        known = _words(fitted.categories_, place)
        codes = fitted.transform(_alone(fitted.categories_, place, known))[:, place]
        blocks.append(
            graph.cast(_lookup(graph, words, known, codes[:-1].astype(np.int64), int(codes[-1])), "double")
        )
        rows.points.setdefault(rows.words[place], []).append(known[:-1])
    return blocks


def _one_hot(graph: Graph, fitted: OneHotEncoder, rows: Rows) -> list[str]:
    """The encoder's own rows, read off it word by word: a word names a column of its block, or none."""
    blocks, start = [], 0
    widths = [len(names) for names in _blocks(fitted)]
    for place, words in enumerate(rows.categories):
        known = _words(fitted.categories_, place)
        width = widths[place]
        table = fitted.transform(_alone(fitted.categories_, place, known))[:, start : start + width]
        start += width
        column = np.where(table.any(axis=1), table.argmax(axis=1) if width else 0, width).astype(np.int64)
        code = graph.reshape(_lookup(graph, words, known, column[:-1], int(column[-1])), -1)
        blocks.append(graph.gather(np.vstack([np.eye(width), np.zeros((1, width))]), code))
        rows.points.setdefault(rows.words[place], []).append(known[:-1])
    return blocks


def _blocks(fitted: OneHotEncoder) -> list[list[str]]:
    """Names of the columns of each feature's block."""
    marks = [f"\u00a7{place}\u00a7" for place in range(len(fitted.categories_))]
    names = fitted.get_feature_names_out(marks) if hasattr(fitted, "n_features_in_") else []
    return [[name for name in names if name.startswith(f"{mark}_")] for mark in marks]


def _words(categories: list[NDArray[np.object_]], place: int) -> list[str]:
    """The words that a column held, and one that it did not."""
    return [*map(str, categories[place]), UNSEEN]


def _alone(categories: list[NDArray[np.object_]], place: int, words: list[str]) -> NDArray[np.object_]:
    """Rows ``(len(words), C)`` that differ in one column only."""
    table = np.empty((len(words), len(categories)), dtype=object)
    for other, known in enumerate(categories):
        table[:, other] = words if other == place else known[0]
    return table


def _lookup(graph: Graph, words: str, known: list[str], codes: NDArray[np.int64], unknown: int) -> str:
    """Codes ``(n, 1)`` of words."""
    return graph.node(
        "LabelEncoder",
        words,
        domain=TREES,
        keys_strings=known[:-1],
        values_int64s=codes.tolist(),
        default_int64=unknown,
    )
