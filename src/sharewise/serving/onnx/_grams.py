"""`sharewise.modalities.text.Grams` as nodes: the same 64-bit hashes, computed in the graph.

Symbols: ``n`` texts, ``M`` characters, ``T`` words, ``V`` columns, ``U`` numbers of a sparse matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities.text._grams import INVERSE, LETTERS, LONGEST, PRIME, Grams
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
from sharewise.serving.onnx._graph import ELEMENTS, Graph
from sharewise.serving.onnx._sparse import Sparse

LEVEL = 256
"""Powers stand in three tables: of a place's last, middle and first digits to this base."""
FIRST = 1024


def grams_of(graph: Graph, grams: Grams, texts: str) -> Sparse:
    """TF-IDF ``(n, V)`` of texts ``(n,)``."""
    small = lowered(graph, characters(graph, texts, LONGEST))
    words = weighted(graph, _words(graph, small), signed(grams.words), grams.word_weights, small.count)
    found = letters_of(graph, small, LETTERS)
    letters = weighted(graph, found, signed(grams.letters), grams.letter_weights, small.count)
    return words.beside(graph, letters)


Hashed = tuple[str, str]
"""Rows and hashes, both int64; 0 hashes of what is no gram."""


def letters_of(graph: Graph, given: Characters, lengths: Sequence[int]) -> Hashed:
    """Runs of letters within words and the spaces around them; the next text's space ends this one's last word.

    Args:
        lengths: Of the runs, 2 or more.
    """
    codes, space = given.codes(graph), given.of_sort(graph, SPACE)
    running, inside = codes, graph.node("Not", graph.node("And", space, shifted(graph, space, 1, True)))
    rows, hashes = [], []
    for length in range(2, max(lengths) + 1):
        running = step(graph, running, shifted(graph, codes, length - 1, ord(" ")))
        if length > 2:
            within = graph.node("Not", shifted(graph, space, length - 2, True))
            inside = within if length == 3 else graph.node("And", inside, within)
        if length in lengths:
            hashes.append(graph.node("Compress", mixed(graph, running, length), inside))
            rows.append(graph.node("Compress", given.rows, inside))
    return graph.node("Concat", *rows, axis=0), graph.node("Concat", *hashes, axis=0)


def _words(graph: Graph, given: Characters) -> Hashed:
    """Words, every other visible character, and pairs of neighbours among both."""
    word, space = given.of_sort(graph, WORD), given.of_sort(graph, SPACE)
    going_on = graph.node("And", word, shifted(graph, word, -1, False))
    visible = graph.node("Not", space)
    start = graph.node("And", visible, graph.node("Not", going_on))
    rows, single = hashed_words(graph, given, start, visible)
    before = [_part(graph, one, 0, -1) for one in (rows, single)]
    behind = [_part(graph, one, 1, None) for one in (rows, single)]
    same = graph.node("Equal", before[0], behind[0])
    pair = graph.node("Compress", mixed(graph, step(graph, before[1], behind[1]), 2), same)
    both = graph.node("Compress", before[0], same)
    return graph.node("Concat", rows, both, axis=0), graph.node("Concat", single, pair, axis=0)


def hashed_words(graph: Graph, given: Characters, start: str, within: str) -> tuple[str, str]:
    """Rows and hashes ``(T,)`` of words.

    Args:
        start: ``(M,)`` where words begin.
        within: ``(M,)`` what belongs to the word that began last.
    """
    place = places(graph, graph.node("Shape", given.packed))
    one = graph.constant(np.int64(1))
    terms = graph.node("Mul", graph.node("Add", given.codes(graph), one), _power(graph, place, PRIME))
    number = graph.node("CumSum", graph.cast(start, "int64"), graph.constant(np.int64(0)))
    own = graph.node("Compress", graph.node("Sub", number, one), within)
    begins = graph.node("Compress", place, start)
    none = graph.node("Expand", graph.constant(np.array([0], dtype=np.int64)), graph.node("Shape", begins))
    sums = graph.node(
        "ScatterElements", none, own, graph.node("Compress", terms, within), axis=0, reduction="add"
    )
    back = graph.node("Mul", sums, _power(graph, begins, INVERSE))
    return graph.node("Compress", given.rows, start), mixed(graph, back, 1)


def mixed(graph: Graph, hashes: str, salt: int) -> str:
    """`sharewise.modalities.text._grams._mixed`; whole numbers of 64 bits run over in both signs alike."""
    x = graph.node("Add", hashes, _number(graph, salt * 0xD1B54A32D192ED03 % 2**64))
    for bits, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, None)):
        plain = graph.node("Cast", x, to=ELEMENTS["uint64"])
        moved = graph.node("BitShift", plain, graph.constant(np.uint64(bits)), direction="RIGHT")
        x = graph.cast(graph.node("BitwiseXor", plain, moved), "int64")
        x = x if factor is None else graph.node("Mul", x, _number(graph, factor))
    return x


def hash_of(piece: str, salt: int, *, plus: int = 0, forward: bool = True) -> int:
    """What the graph computes of a run of letters, as a number with a sign.

    Args:
        plus: Added to each code point.
        forward: Whether the first letter has the lowest power, as words have it.
    """
    total = 0
    for letter in reversed(piece) if forward else piece:
        total = (total * int(PRIME) + ord(letter) + plus) % 2**64
    return int(np.uint64(_mixed(total, salt)).view(np.int64))


def _mixed(value: int, salt: int) -> int:
    x = (value + salt * 0xD1B54A32D192ED03) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def signed(hashes: NDArray[np.uint64]) -> list[int]:
    """The same bits as a graph has them."""
    found: list[int] = hashes.view(np.int64).tolist()
    return found


def weighted(graph: Graph, found: Hashed, vocabulary: list[int], weights: NDArray[Any], count: str) -> Sparse:
    """TF-IDF of one sort of grams, rows of length one.

    Args:
        vocabulary: ``V`` hashes.
        weights: ``(V,)``.
        count: ``(1,)``, ``n``.
    """
    rows, hashes = found
    width = len(vocabulary)
    place = looked_up(graph, hashes, vocabulary, list(range(width)), -1)
    there = graph.node("GreaterOrEqual", place, graph.constant(np.int64(0)))
    cell = graph.node("Add", graph.node("Mul", rows, graph.constant(np.int64(max(width, 1)))), place)
    cells, _, _, times = graph.nodes("Unique", 4, graph.node("Compress", cell, there), sorted=1)
    wide = graph.constant(np.int64(max(width, 1)))
    rows, columns = graph.node("Div", cells, wide), graph.node("Mod", cells, wide)
    risen = graph.node("Log", graph.cast(times, "double"))
    held = weights if width else np.zeros(1)
    values = graph.node("Add", risen, graph.constant(np.float64(1.0)))
    values = graph.node("Mul", values, graph.cast(graph.gather(held, columns), "double"))
    return Sparse(rows, columns, values, count, width).of_length_one(graph)


def step(graph: Graph, running: str, following: str) -> str:
    """A hash with a letter more."""
    return graph.node("Add", graph.node("Mul", running, _number(graph, int(PRIME))), following)


def _power(graph: Graph, place: str, base: np.uint64) -> str:
    """Powers of an odd number at places ``(·,)``, modulo 2^64."""
    found = None
    for unit, size in ((1, LEVEL), (LEVEL, LEVEL), (LEVEL * LEVEL, FIRST)):
        held = [pow(int(base), unit * digit, 2**64) for digit in range(size)]
        digit = graph.node("Div", place, graph.constant(np.int64(unit)))
        if size == LEVEL:
            digit = graph.node("Mod", digit, graph.constant(np.int64(LEVEL)))
        part = graph.gather(np.array(held, dtype=np.uint64).view(np.int64), digit)
        found = part if found is None else graph.node("Mul", found, part)
    assert found is not None
    return found


def _number(graph: Graph, value: int) -> str:
    return graph.constant(np.uint64(value).view(np.int64))


def _part(graph: Graph, values: str, start: int, stop: int | None) -> str:
    at = (start, 2**62 if stop is None else stop)
    return graph.node("Slice", values, *(graph.constant(np.array([one], dtype=np.int64)) for one in at))
