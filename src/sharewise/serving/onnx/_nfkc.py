"""Unicode's compatibility composition (NFKC, Unicode Standard Annex 15) as nodes, for all characters at once.

Each character is taken apart by table; marks are sorted by their class behind their letter; then letters take up the first
mark that they compose with, round by round. No composed character has more than four parts, so that three rounds are
enough; none is itself the second part of another, so that letters do not wait for each other.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np

from sharewise.serving.onnx._characters import Characters, known, looked_up, pack, places, shifted
from sharewise.serving.onnx._graph import Graph

ROUNDS = 3
SLOTS = 32
"""More than the parts of any character."""
SPAN = 2**24
"""More than any packed character."""


def composed(graph: Graph, given: Characters) -> Characters:
    """The characters in NFKC."""
    found = _ordered(graph, taken_apart(graph, given, *_parts()))
    for _ in range(ROUNDS):
        found = _round(graph, found)
    return found


def taken_apart(graph: Graph, given: Characters, starts: dict[int, int], flat: tuple[int, ...]) -> Characters:
    """Each character as the run of others that a table has for it.

    Args:
        starts: By character ``place · SLOTS + length`` of its run in ``flat``; others stay as they are.
    """
    one = graph.constant(np.int64(1))
    run = looked_up(graph, given.packed, list(starts), list(starts.values()), -1)
    there = graph.node("GreaterOrEqual", run, graph.constant(np.int64(0)))
    slots = graph.constant(np.int64(SLOTS))
    length = graph.node("Where", there, graph.node("Mod", run, slots), one)
    ends = graph.node("CumSum", length, graph.constant(np.int64(0)))
    begins = graph.node("Sub", ends, length)
    total = graph.total(length, 0, keep=True)
    # Characters with an empty run begin where the next one does: the mark counts both, and the later one owns the place.
    none = graph.node(
        "Expand",
        graph.constant(np.array([0], dtype=np.int64)),
        graph.node("Add", total, graph.constant(np.array([1], dtype=np.int64))),
    )
    ones = graph.node("Expand", graph.constant(np.array([1], dtype=np.int64)), graph.node("Shape", begins))
    marks = graph.node("ScatterElements", none, begins, ones, axis=0, reduction="add")
    zero = graph.constant(np.array([0], dtype=np.int64))
    whose = graph.node(
        "Sub", graph.node("CumSum", graph.node("Slice", marks, zero, total), graph.constant(np.int64(0))), one
    )
    inner = graph.node("Sub", places(graph, total), graph.node("Gather", begins, whose))
    start = graph.node("Div", graph.node("Gather", run, whose), slots)
    known_run = graph.node("Gather", there, whose)
    at = graph.node("Where", known_run, graph.node("Add", start, inner), graph.constant(np.int64(0)))
    part = graph.gather(np.array(flat or (0,), dtype=np.int64), at)
    packed = graph.node("Where", known_run, part, graph.node("Gather", given.packed, whose))
    return Characters(packed, graph.node("Gather", given.rows, whose), given.count)


def runs(table: dict[int, tuple[int, ...]]) -> tuple[dict[int, int], tuple[int, ...]]:
    """A table as `taken_apart` reads it."""
    starts: dict[int, int] = {}
    flat: list[int] = []
    for key, parts in table.items():
        starts[key] = len(flat) * SLOTS + len(parts)
        flat += parts
    return starts, tuple(flat)


def _ordered(graph: Graph, given: Characters) -> Characters:
    """Marks by their class behind their letter, equal ones as they came."""
    sort = _classes_of(graph, given.packed)
    zero = graph.constant(np.int64(0))
    letter = graph.cast(graph.node("Equal", sort, zero), "int64")
    segment = graph.node("CumSum", letter, zero)
    count = graph.node("Shape", given.packed)
    key = graph.node("Add", graph.node("Mul", segment, graph.constant(np.int64(256))), sort)
    key = graph.node("Add", graph.node("Mul", key, count), places(graph, count))
    _, order = graph.nodes("TopK", 2, key, count, largest=0, sorted=1)
    packed, rows = (graph.node("Gather", one, order) for one in (given.packed, given.rows))
    return Characters(packed, rows, given.count)


def _round(graph: Graph, given: Characters) -> Characters:
    """Each letter and the first that it composes with, made one."""
    zero, one = graph.constant(np.int64(0)), graph.constant(np.int64(1))
    sort = _classes_of(graph, given.packed)
    place = places(graph, graph.node("Shape", given.packed))
    letter = graph.node("Equal", sort, zero)
    number = graph.node("CumSum", graph.cast(letter, "int64"), zero)
    # Whose it could become a part of: the last letter before it. Every text begins with a space, which takes up nothing.
    before = graph.node("Sub", graph.node("Sub", number, graph.cast(letter, "int64")), one)
    owner = graph.node("Gather", graph.node("Compress", place, letter), graph.node("Max", before, zero))
    beside = graph.node("Equal", graph.node("Sub", place, owner), one)
    weaker = graph.node("Less", shifted(graph, sort, -1, 0), sort)
    open_way = graph.node("Or", beside, graph.node("And", weaker, graph.node("Not", letter)))
    key = graph.node(
        "Add",
        graph.node("Mul", graph.node("Gather", given.packed, owner), graph.constant(np.int64(SPAN))),
        given.packed,
    )
    pairs = _pairs()
    made = looked_up(graph, key, list(pairs), list(pairs.values()), -1)
    fits = graph.node("And", graph.node("GreaterOrEqual", made, zero), open_way)
    fits = graph.node("And", fits, graph.node("Greater", place, zero))
    so_far = graph.node("CumSum", graph.cast(fits, "int64"), zero)
    rank = graph.node("Sub", so_far, graph.node("Gather", so_far, owner))
    first = graph.node("And", fits, graph.node("Equal", rank, one))
    packed = graph.node(
        "ScatterElements",
        given.packed,
        graph.node("Compress", owner, first),
        graph.node("Compress", made, first),
        axis=0,
    )
    return Characters(packed, given.rows, given.count).kept(graph, graph.node("Not", first))


def _classes_of(graph: Graph, packed: str) -> str:
    sorts = _combining()
    return looked_up(graph, packed, list(sorts), list(sorts.values()), 0)


@cache
def _combining() -> dict[int, int]:
    return {pack(one): sort for one in known() if (sort := unicodedata.combining(one))}


@cache
def _parts() -> tuple[dict[int, int], tuple[int, ...]]:
    table = {}
    for one in known():
        parts = unicodedata.normalize("NFKD", one)
        if parts != one:
            table[pack(one)] = tuple(map(pack, parts))
    return runs(table)


@cache
def _pairs() -> dict[int, int]:
    """By first and second part what they compose to; Hangul too, which Unicode composes by a formula."""
    found = {}
    for one in known():
        parts = unicodedata.normalize("NFD", one)
        if len(parts) < 2:
            continue
        first = unicodedata.normalize("NFC", parts[:-1])
        if len(first) == 1 and unicodedata.normalize("NFC", first + parts[-1]) == one:
            found[pack(first) * SPAN + pack(parts[-1])] = pack(one)
    return found
