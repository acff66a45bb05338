"""`sharewise.modalities.text.Vocabulary` as nodes: from strings to ids.

Symbols: ``n`` texts, ``M`` characters of all of them, ``L`` ids of a text at most.
"""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities.text._texts import CHARACTERS_A_TOKEN
from sharewise.modalities.text._vocabulary import EMPTY, FIRST, HASHED, Vocabulary
from sharewise.modalities.text._words import LONGEST_GRAM, LONGEST_WORD
from sharewise.serving.onnx._characters import (
    SPACE,
    WORD,
    Characters,
    characters,
    looked_up,
    lowered,
    places,
    shifted,
)
from sharewise.serving.onnx._grams import hash_of, hashed_words, mixed, step
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._nfkc import composed

UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
            (0xF900, 0xFAFF), (0x20000, 0x3FFFF))  # fmt: skip
"""Each character is a word there; see `sharewise.modalities.text._words`."""
JUMPS = 5
"""Doublings: 2^5 - 1 pieces follow the first of a word of 32 letters at most."""


def ids_of(graph: Graph, vocabulary: Vocabulary, texts: str) -> str:
    """Ids ``(n, L)`` int64 of texts ``(n,)``."""
    given = composed(graph, characters(graph, texts, CHARACTERS_A_TOKEN * vocabulary.length))
    given = lowered(graph, given) if vocabulary.lower else given
    begins, visible = word_starts(graph, given)
    _, hashes = hashed_words(graph, given, begins, visible)
    first = FIRST + HASHED
    words = [hash_of(word, 1, plus=1) for word in vocabulary.words]
    whole = looked_up(graph, hashes, words, list(range(first, first + len(words))), -1)
    zero, one = graph.constant(np.int64(0)), graph.constant(np.int64(1))
    number = graph.node("Sub", graph.node("CumSum", graph.cast(begins, "int64"), zero), one)
    number = graph.node("Where", visible, number, graph.constant(np.int64(-1)))
    # A word behind the last makes the table of words never empty.
    padded = graph.node("Concat", whole, graph.constant(np.array([0], dtype=np.int64)), axis=0)
    own = graph.node("Gather", padded, number)
    pieces, sizes = _pieces(graph, vocabulary, given, number)
    split = graph.node("And", begins, graph.node("Less", own, zero))
    visited = reached(graph, split, sizes, number, JUMPS)
    known = graph.node("And", begins, graph.node("GreaterOrEqual", own, zero))
    ids = graph.node("Where", known, own, pieces)
    there = graph.node("Or", known, visited)
    some = Characters(ids, given.rows, given.count).kept(graph, there)
    found = in_rows(graph, some, vocabulary.length)
    empty = np.zeros((1, vocabulary.length), dtype=np.int64)
    empty[0, 0] = EMPTY
    nothing = graph.node(
        "Equal", graph.node("ReduceMax", found, graph.constant(np.array([1], dtype=np.int64))), zero
    )
    return graph.node("Where", nothing, graph.constant(empty), found)


def word_starts(graph: Graph, given: Characters) -> tuple[str, str]:
    """Where words begin, and where there is anything to see, ``(M,)`` each."""
    visible = graph.node("Not", given.of_sort(graph, SPACE))
    codes = given.codes(graph)
    lone = graph.node("Equal", codes, graph.constant(np.int64(ord("_"))))
    for low, high in UNSPACED:
        inside = graph.node(
            "And",
            graph.node("GreaterOrEqual", codes, graph.constant(np.int64(low))),
            graph.node("LessOrEqual", codes, graph.constant(np.int64(high))),
        )
        lone = graph.node("Or", lone, inside)
    letter = graph.node("And", given.of_sort(graph, WORD), graph.node("Not", lone))
    run = graph.node("And", letter, graph.node("Not", shifted(graph, letter, -1, False)))
    place = places(graph, graph.node("Shape", given.packed))
    zero, one = graph.constant(np.int64(0)), graph.constant(np.int64(1))
    number = graph.node("Sub", graph.node("CumSum", graph.cast(run, "int64"), zero), one)
    starts = graph.node(
        "Concat", graph.node("Compress", place, run), graph.constant(np.array([0], dtype=np.int64)), axis=0
    )
    along = graph.node("Sub", place, graph.node("Gather", starts, number))
    cut = graph.node("Equal", graph.node("Mod", along, graph.constant(np.int64(LONGEST_WORD))), zero)
    begins = graph.node(
        "Or", graph.node("And", letter, cut), graph.node("And", visible, graph.node("Not", letter))
    )
    return begins, visible


def reached(graph: Graph, begins: str, sizes: str, number: str, doublings: int) -> str:
    """Where pieces begin ``(M,)``: at ``begins``, and behind each piece inside its word.

    Args:
        sizes: ``(M,)`` of the piece that would begin at a place.
        number: ``(M,)`` of the word that a place is in.
    """
    count = graph.node("Shape", number)
    place = places(graph, count)
    end = graph.node("Sub", count, graph.constant(np.array([1], dtype=np.int64)))
    following = graph.node("Add", place, sizes)
    inside = graph.node("Min", following, end)
    same = graph.node(
        "And",
        graph.node("Equal", inside, following),
        graph.node("Equal", graph.node("Gather", number, inside), number),
    )
    # One place more, behind all, is where every word ends.
    jump = graph.node("Concat", graph.node("Where", same, following, count), count, axis=0)
    marks = graph.node(
        "Concat", graph.cast(begins, "int64"), graph.constant(np.array([0], dtype=np.int64)), axis=0
    )
    for _ in range(doublings):
        marks = graph.node("ScatterElements", marks, jump, marks, axis=0, reduction="max")
        jump = graph.node("Gather", jump, jump)
    kept = graph.node("Slice", marks, graph.constant(np.array([0], dtype=np.int64)), count)
    return graph.cast(kept, "bool")


def in_rows(graph: Graph, some: Characters, length: int) -> str:
    """Numbers ``(·,)`` side by side in their rows ``(n, length)``, zeros behind; what is more is cut."""
    zero = graph.constant(np.int64(0))
    none = graph.node("Expand", graph.constant(np.array([0], dtype=np.int64)), some.count)
    ones = graph.node("Expand", graph.constant(np.array([1], dtype=np.int64)), graph.node("Shape", some.rows))
    sizes = graph.node("ScatterElements", none, some.rows, ones, axis=0, reduction="add")
    before = graph.node("CumSum", sizes, zero, exclusive=1)
    rank = graph.node(
        "Sub", places(graph, graph.node("Shape", some.rows)), graph.node("Gather", before, some.rows)
    )
    kept = graph.node("Less", rank, graph.constant(np.int64(length)))
    cell = graph.node("Add", graph.node("Mul", some.rows, graph.constant(np.int64(length))), rank)
    size = graph.node("Mul", some.count, graph.constant(np.int64(length)))
    blank = graph.node("Expand", graph.constant(np.array([0], dtype=np.int64)), size)
    flat = graph.node(
        "ScatterElements",
        blank,
        graph.node("Compress", cell, kept),
        graph.node("Compress", some.packed, kept),
        axis=0,
    )
    return graph.reshape(flat, -1, length)


def _pieces(graph: Graph, vocabulary: Vocabulary, given: Characters, number: str) -> tuple[str, str]:
    """Ids and sizes ``(M,)`` of the longest known piece from each place on; of an unknown letter its bucket."""
    codes = given.codes(graph)
    first = FIRST + HASHED + len(vocabulary.words)
    ids = graph.cast(graph.gather(_buckets(), codes), "int64")
    sizes = graph.node("Expand", graph.constant(np.array([1], dtype=np.int64)), graph.node("Shape", codes))
    running = codes
    for size in range(1, LONGEST_GRAM + 1):
        if size > 1:
            running = step(graph, running, shifted(graph, codes, size - 1, 0))
        held = {
            hash_of(piece, size, forward=False): first + place
            for place, piece in enumerate(vocabulary.pieces)
            if len(piece) == size
        }
        found = looked_up(graph, mixed(graph, running, size), list(held), list(held.values()), -1)
        there = graph.node("GreaterOrEqual", found, graph.constant(np.int64(0)))
        if size > 1:
            within = graph.node("Equal", shifted(graph, number, size - 1, -2), number)
            there = graph.node("And", there, within)
        ids = graph.node("Where", there, found, ids)
        sizes = graph.node("Where", there, graph.constant(np.int64(size)), sizes)
    return ids, sizes


@cache
def _buckets() -> NDArray[np.uint8]:
    """By code point the id that unseen characters share."""
    found = np.zeros(0x110000, dtype=np.uint8)
    for point in range(0x110000):
        if not 0xD800 <= point < 0xE000:
            found[point] = FIRST + zlib.crc32(chr(point).encode()) % HASHED
    return found
