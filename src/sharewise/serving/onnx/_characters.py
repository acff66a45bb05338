"""Strings as flat rows of characters, and their small letters, as Python has them.

A character stands as its code point times four plus its sort (`OTHER`, `WORD`, `SPACE`). All texts' characters stand one
after another, each text behind a space of its own; ``rows`` says whose they are.

Symbols: ``n`` texts, ``M`` characters of all of them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np

from sharewise.serving.onnx._graph import OWN, TREES, Graph

NOTE = (
    "Text is split into characters by an operator that ONNX Runtime brings (com.microsoft Tokenizer); everything behind "
    "it is plain ONNX, as this Python's Unicode has it."
)
OTHER, WORD, SPACE = 0, 1, 2
UNKNOWN = 0x10FFFF * 4
"""What is read for characters that Unicode has not assigned, in the planes that hold hardly any."""
NOTHING = -1
SIGMA, DOTTED_I, DOT = "Σ", "İ", "\u0307"
WHOLE = 0x40000
"""Code points below are known whether assigned or not: new pictographs come every year."""


@dataclass(frozen=True)
class Characters:
    """Values of a graph.

    Attributes:
        packed: ``(M,)`` int64.
        rows: ``(M,)`` int64.
        count: ``(1,)``, ``n``.
    """

    packed: str
    rows: str
    count: str

    def of_sort(self, graph: Graph, sort: int) -> str:
        """``(M,)`` booleans."""
        found = graph.node("Mod", self.packed, graph.constant(np.int64(4)))
        return graph.node("Equal", found, graph.constant(np.int64(sort)))

    def codes(self, graph: Graph) -> str:
        """Code points ``(M,)``."""
        return graph.node("Div", self.packed, graph.constant(np.int64(4)))

    def kept(self, graph: Graph, which: str) -> Characters:
        """Those where ``which`` ``(M,)`` is true."""
        packed, rows = (graph.node("Compress", one, which) for one in (self.packed, self.rows))
        return Characters(packed, rows, self.count)


def characters(graph: Graph, texts: str, most: int, *, raw: bool = False) -> Characters:
    """Of texts ``(n,)``, each up to ``most``.

    Args:
        raw: As plain code points, for whoever sorts them in another way.
    """
    spaced = graph.node("StringConcat", graph.constant([" "]), texts)
    letters = graph.node("Tokenizer", spaced, domain=OWN, mark=0, mincharnum=1, pad_value="", separators=[""])
    at = [graph.constant(np.array([place], dtype=np.int64)) for place in (0, most + 1, 1)]
    letters = graph.node("Slice", letters, *at)
    keys, values = _table(raw=raw)
    packed = graph.node(
        "LabelEncoder", letters, domain=TREES, keys_strings=keys, values_int64s=values, default_int64=UNKNOWN
    )
    count = graph.node("Shape", texts, start=0, end=1)
    whose = graph.node("Unsqueeze", places(graph, count), graph.constant(np.array([1], dtype=np.int64)))
    rows = graph.node("Expand", whose, graph.node("Shape", packed))
    there = graph.node("GreaterOrEqual", packed, graph.constant(np.int64(0)))
    return Characters(graph.node("Compress", packed, there), graph.node("Compress", rows, there), count)


def lowered(graph: Graph, given: Characters) -> Characters:
    """Their small letters; capital İ becomes two, capital Σ at a word's end another than elsewhere."""
    sigma, dotted = (graph.constant(np.int64(pack(one))) for one in (SIGMA, DOTTED_I))
    small = {pack(one): pack(low) for one in known() if len(low := one.lower()) == 1 and low != one}
    first = mapped(graph, given.packed, small)
    last = graph.node("And", graph.node("Equal", given.packed, sigma), _at_ends(graph, given))
    first = graph.node("Where", last, graph.constant(np.int64(pack("ς"))), first)
    is_dotted = graph.node("Equal", given.packed, dotted)
    first = graph.node("Where", is_dotted, graph.constant(np.int64(pack("i"))), first)
    dot, nothing = graph.constant(np.int64(pack(DOT))), graph.constant(np.int64(NOTHING))
    return spread(graph, given, [first, graph.node("Where", is_dotted, dot, nothing)])


def spread(graph: Graph, given: Characters, slots: list[str]) -> Characters:
    """Several characters for each one, in order; `NOTHING` where there are fewer."""
    one = graph.constant(np.array([1], dtype=np.int64))
    apart = [graph.node("Unsqueeze", slot, one) for slot in slots]
    table = graph.node("Concat", *apart, axis=1)
    rows = graph.node("Expand", graph.node("Unsqueeze", given.rows, one), graph.node("Shape", table))
    there = graph.node("GreaterOrEqual", table, graph.constant(np.int64(0)))
    return Characters(graph.node("Compress", table, there), graph.node("Compress", rows, there), given.count)


def mapped(graph: Graph, packed: str, table: dict[int, int]) -> str:
    """Numbers by a table, others as they are."""
    found = looked_up(graph, packed, list(table), list(table.values()), NOTHING)
    there = graph.node("GreaterOrEqual", found, graph.constant(np.int64(0)))
    return graph.node("Where", there, found, packed)


def looked_up(graph: Graph, keys: str, known: list[int], values: list[int], default: int) -> str:
    """Whole numbers by others."""
    if not known:  # an operator's table has an entry
        known, values = [-(2**63) + 1], [default]
    return graph.node(
        "LabelEncoder", keys, domain=TREES, keys_int64s=known, values_int64s=values, default_int64=default
    )


def shifted(graph: Graph, values: str, by: int, filler: int | bool) -> str:
    """``values[i + by]`` at ``i`` ``(M,)``, with a filler beyond both ends."""
    kind = np.bool_ if isinstance(filler, bool) else np.int64
    extra = graph.constant(np.full(abs(by), filler, dtype=kind))
    joined = graph.node("Concat", *((values, extra) if by > 0 else (extra, values)), axis=0)
    size = graph.node("Shape", values)
    start = graph.constant(np.array([max(by, 0)], dtype=np.int64))
    return graph.node("Slice", joined, start, graph.node("Add", size, start))


def places(graph: Graph, count: str) -> str:
    """0, 1, … up to ``count`` ``(1,)``."""
    scalars = (graph.constant(np.int64(0)), graph.reshape(count), graph.constant(np.int64(1)))
    return graph.node("Range", *scalars)


def _at_ends(graph: Graph, given: Characters) -> str:
    """Where a cased letter comes before and none behind, with what is ignorable between (Unicode 3.13, Final_Sigma)."""
    sorts = _case_sorts()
    found = looked_up(graph, given.packed, list(sorts), list(sorts.values()), 0)
    seen = graph.node("Less", found, graph.constant(np.int64(2)))
    cased = graph.node("Equal", graph.node("Compress", found, seen), graph.constant(np.int64(1)))
    behind = graph.node("Not", shifted(graph, cased, 1, False))
    ends = graph.node("And", shifted(graph, cased, -1, False), behind)
    where = graph.node("Transpose", graph.node("NonZero", seen))
    nowhere = graph.node("Expand", graph.constant(np.array([False])), graph.node("Shape", given.packed))
    return graph.node("ScatterND", nowhere, where, ends)


@cache
def known() -> tuple[str, ...]:
    """The characters that are told apart."""
    found = []
    for point in range(0x110000):
        if 0xD800 <= point < 0xE000:
            continue
        letter = chr(point)
        if point < WHOLE or unicodedata.category(letter) not in ("Cn", "Co"):
            found.append(letter)
    return tuple(found)


@cache
def _table(*, raw: bool) -> tuple[list[str], list[int]]:
    return ["", *known()], [NOTHING, *map(ord if raw else pack, known())]


@cache
def _case_sorts() -> dict[int, int]:
    """1 of cased characters, 2 of those that are looked through; as Python's own rule says of each."""
    found = {}
    for letter in known():
        if (letter + SIGMA).lower().endswith("ς"):
            found[pack(letter)] = 1
        elif ("A" + letter + SIGMA).lower().endswith("ς"):
            found[pack(letter)] = 2
    return found


def pack(letter: str) -> int:
    """As it stands in a graph; all that is space is one space."""
    if letter.isspace():
        return ord(" ") * 4 + SPACE
    return ord(letter) * 4 + (WORD if letter.isalnum() or letter == "_" else OTHER)
