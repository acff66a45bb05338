"""`TabularEncoder` as nodes of a graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities import TabularEncoder
from sharewise.modalities._word_columns import WordColumns
from sharewise.modalities.text import LatentText
from sharewise.problems import Column, ColumnKind, Table
from sharewise.serving.onnx._decoded import pieces_of
from sharewise.serving.onnx._grams import grams_of
from sharewise.serving.onnx._graph import TREES, Graph
from sharewise.serving.onnx._rows import Rows
from sharewise.serving.onnx._text import encode_text


def encode(graph: Graph, encoder: TabularEncoder, rows: Rows) -> str:
    """``(n, P)`` in double; columns in the order numbers, bins, categories, texts."""
    blocks: list[str] = []
    raw = rows.raw(graph)
    if raw is not None and encoder.numbers is None:
        blocks.append(raw)
    elif raw is not None:
        blocks += _numbers(graph, encoder, rows, raw)
    if encoder.categories is not None:
        coded = _one_hot if encoder.categories.widths else _codes
        blocks += coded(graph, encoder.categories, rows)
    for place, fitted in enumerate(encoder.texts):
        if isinstance(fitted, LatentText):
            own = text_inputs(graph, rows)[place]
            found = grams_of(graph, fitted.grams, own).times(graph, fitted.directions)
            centre = graph.constant(fitted.centre.astype(np.float64)[None])
            blocks.append(graph.node("Sub", found, centre))
            rows.try_texts(place, pieces_of(fitted.grams))
        else:
            block, grams = encode_text(graph, fitted, rows.texts[place])
            rows.try_texts(place, grams)
            blocks.append(block)
    if not blocks:
        return rows.constant(graph, np.zeros(0))
    return graph.columns(blocks)


def text_inputs(graph: Graph, rows: Rows) -> list[str]:
    """Every column of text ``(n,)`` as it comes: a gap, being the empty string, has no words."""
    return [graph.reshape(name, -1) for name in rows.words[len(rows.categories) :]]


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
    scale = encoder.numbers
    count, fills, shown = len(rows.names), scale.fills, scale.gaps
    gap = graph.node("IsNaN", raw)
    values = [graph.node("Where", gap, graph.constant(fills[None]), raw)]
    if len(shown):
        values.append(
            graph.cast(graph.node("Gather", gap, graph.constant(shown.astype(np.int64)), axis=1), "double")
        )
    centred = graph.node("Sub", graph.columns(values), graph.constant(scale.mean[None]))
    blocks = [graph.node("Div", centred, graph.constant(scale.spread[None]))]
    for column in range(count):
        rows.try_numbers(column, fills[column] + scale.spread[column] * np.linspace(-3.0, 3.0, 7))
    if (bins := encoder.bins) is not None:
        own = graph.node("Gather", blocks[0], graph.constant(bins.column.astype(np.int64)), axis=1)
        risen = graph.node("Sub", own, graph.constant(bins.low[None]))
        share = graph.node("Div", risen, graph.constant(bins.width[None]))
        blocks.append(
            graph.node("Clip", share, graph.constant(np.float64(0.0)), graph.constant(np.float64(1.0)))
        )
        edges = bins.low * scale.spread[bins.column] + scale.mean[bins.column]
        for column in range(count):
            rows.try_numbers(column, edges[bins.column == column])
    return blocks


def _codes(graph: Graph, fitted: WordColumns, rows: Rows) -> list[str]:
    """A code a word."""
    blocks = []
    for place, (words, known, codes) in enumerate(
        zip(rows.categories, fitted.words, fitted.places, strict=True)
    ):
        found = _lookup(graph, words, known, codes[:-1], int(codes[-1]))
        blocks.append(graph.cast(found, "double"))
        rows.points.setdefault(rows.words[place], []).append([*known])
    return blocks


def _one_hot(graph: Graph, fitted: WordColumns, rows: Rows) -> list[str]:
    """A word names a column of its block, or none."""
    blocks = []
    each = zip(rows.categories, fitted.words, fitted.places, fitted.widths, strict=True)
    for place, (words, known, places, width) in enumerate(each):
        column = np.where(places < 0, width, places)
        code = graph.reshape(_lookup(graph, words, known, column[:-1], int(column[-1])), -1)
        blocks.append(graph.gather(np.vstack([np.eye(width), np.zeros((1, width))]), code))
        rows.points.setdefault(rows.words[place], []).append([*known])
    return blocks


def _lookup(graph: Graph, words: str, known: tuple[str, ...], codes: NDArray[np.int64], unknown: int) -> str:
    """Codes ``(n, 1)`` of words."""
    return graph.node(
        "LabelEncoder",
        words,
        domain=TREES,
        keys_strings=list(known),
        values_int64s=codes.tolist(),
        default_int64=unknown,
    )
