"""The tokens of a pretrained encoder of texts as nodes: lower-cased WordPiece, as BERT and its kin have it.

What the tokeniser's own normaliser and splitter make of each character is read off them, one by one.

Symbols: ``n`` texts, ``M`` characters of all of them, ``L`` ids of a text at most.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from sharewise.errors import OptionError
from sharewise.modalities.text import HubTokens
from sharewise.modalities.text._texts import CHARACTERS_A_TOKEN
from sharewise.serving.onnx._characters import (
    OTHER,
    SPACE,
    WORD,
    Characters,
    characters,
    known,
    looked_up,
    shifted,
)
from sharewise.serving.onnx._grams import hash_of, mixed, step
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._nfkc import runs, taken_apart
from sharewise.serving.onnx._vocabulary import in_rows, reached

JUMPS = 7
"""Doublings: 2^7 - 1 pieces follow the first of a word."""
INSIDE = 1_000
"""Added to the salt of hashes of pieces that continue a word."""
NOTE = "A text that spells out one of the tokeniser's own marks, such as [SEP], is read letter by letter."


def tokens_of(graph: Graph, tokens: HubTokens, texts: str) -> str:
    """Ids ``(n, L)`` int64 of texts ``(n,)``, padded to the full length.

    Raises:
        OptionError: The tokeniser is of another kind.
    """
    made, spec = _opened(tokens)
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    begin, end = (made.token_to_id(mark) for mark in ("[CLS]", "[SEP]"))
    raw = characters(graph, texts, CHARACTERS_A_TOKEN * tokens.length, raw=True)
    given = taken_apart(graph, raw, *_normal(made))
    word, space = given.of_sort(graph, WORD), given.of_sort(graph, SPACE)
    visible = graph.node("Not", space)
    starts = graph.node(
        "And", visible, graph.node("Not", graph.node("And", word, shifted(graph, word, -1, False)))
    )
    zero, one = graph.constant(np.int64(0)), graph.constant(np.int64(1))
    number = graph.node("Sub", graph.node("CumSum", graph.cast(starts, "int64"), zero), one)
    number = graph.node("Where", visible, number, graph.constant(np.int64(-1)))
    ids, sizes = _pieces(graph, vocabulary, given, starts, number)
    missing = graph.node("Equal", sizes, zero)
    visited = reached(graph, starts, graph.node("Max", sizes, one), number, JUMPS)
    bad = _bad_words(
        graph,
        graph.node("And", visited, missing),
        number,
        visible,
        int(spec["model"]["max_input_chars_per_word"]),
    )
    unknown = graph.constant(np.int64(vocabulary[spec["model"]["unk_token"]]))
    ids = graph.node("Where", bad, unknown, ids)
    there = graph.node("And", visited, graph.node("Or", starts, graph.node("Not", bad)))
    some = Characters(ids, given.rows, given.count).kept(graph, there)
    room = tokens.length - 2
    inner = in_rows(graph, some, room)
    filled = graph.total(graph.cast(graph.node("Greater", inner, zero), "int64"), 1, keep=True)
    edge = graph.node("Concat", given.count, graph.constant(np.array([1], dtype=np.int64)), axis=0)
    first, last = (
        graph.node("Expand", graph.constant(np.array([[mark]], dtype=np.int64)), edge)
        for mark in (begin, end)
    )
    whole = graph.columns(
        (first, inner, graph.node("Expand", graph.constant(np.array([[0]], dtype=np.int64)), edge))
    )
    return graph.node("ScatterElements", whole, graph.node("Add", filled, one), last, axis=1)


def _pieces(
    graph: Graph, vocabulary: dict[str, int], given: Characters, starts: str, number: str
) -> tuple[str, str]:
    """Ids and sizes ``(M,)`` of the longest known piece from each place on; size 0 where there is none."""
    codes = given.codes(graph)
    nothing = graph.node("Expand", graph.constant(np.array([0], dtype=np.int64)), graph.node("Shape", codes))
    ids = sizes = nothing
    zero = graph.constant(np.int64(0))
    running = codes
    heads = {piece: at for piece, at in vocabulary.items() if not piece.startswith("##")}
    tails = {piece[2:]: at for piece, at in vocabulary.items() if piece.startswith("##") and len(piece) > 2}
    for size in range(1, max(map(len, (*heads, *tails))) + 1):
        if size > 1:
            running = step(graph, running, shifted(graph, codes, size - 1, 0))
        found = []
        for salt, pieces in ((size, heads), (size + INSIDE, tails)):
            held = {
                hash_of(piece, salt, forward=False): at for piece, at in pieces.items() if len(piece) == size
            }
            found.append(looked_up(graph, mixed(graph, running, salt), list(held), list(held.values()), -1))
        own = graph.node("Where", starts, *found)
        there = graph.node("GreaterOrEqual", own, zero)
        if size > 1:
            there = graph.node(
                "And", there, graph.node("Equal", shifted(graph, number, size - 1, -2), number)
            )
        ids = graph.node("Where", there, own, ids)
        sizes = graph.node("Where", there, graph.constant(np.int64(size)), sizes)
    return ids, sizes


def _bad_words(graph: Graph, stuck: str, number: str, visible: str, most: int) -> str:
    """Places ``(M,)`` of words that cannot be cut into pieces, or have more than ``most`` characters."""
    count = graph.node("Shape", number)
    size = graph.node("Add", count, graph.constant(np.array([1], dtype=np.int64)))
    none = graph.node("Expand", graph.constant(np.array([0], dtype=np.int64)), size)
    own = graph.node("Where", visible, number, graph.node("Squeeze", count))
    sizes = graph.node("ScatterElements", none, own, graph.cast(visible, "int64"), axis=0, reduction="add")
    failed = graph.node("ScatterElements", none, own, graph.cast(stuck, "int64"), axis=0, reduction="max")
    bad = graph.node(
        "Or", graph.cast(failed, "bool"), graph.node("Greater", sizes, graph.constant(np.int64(most)))
    )
    return graph.node("Gather", bad, own)


def _opened(tokens: HubTokens) -> tuple[Any, dict[str, Any]]:
    """The tokeniser and its description."""
    spec = json.loads(tokens.spec)
    sorts = [(spec[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    if sorts != ["BertNormalizer", "BertPreTokenizer", "WordPiece"] or tokens.padding != 0:
        raise OptionError(
            f"an ONNX file holds tokenisers of BERT's kind; this model's is made of {', '.join(map(str, sorts))}. "
            "Use model.save and sw.load, or export it to a .pt2 file."
        )
    return tokens._tokeniser(), spec


def _normal(made: Any) -> tuple[dict[int, int], tuple[int, ...]]:
    """By code point what the tokeniser makes of a character, sorted as it splits."""
    table = {}
    sorts: dict[str, int] = {}
    for letter in known():
        parts = made.normalizer.normalize_str(letter)
        for one in parts:
            if one not in sorts:
                pieces = len(made.pre_tokenizer.pre_tokenize_str(f"a{one}a"))
                sorts[one] = {1: WORD, 2: SPACE}.get(pieces, OTHER)
        table[ord(letter)] = tuple(ord(one) * 4 + sorts[one] for one in parts)
    return runs(table)
