"""TF-IDF of character n-grams inside words, and its latent dimensions, as nodes of a graph.

scikit-learn's ``char_wb`` cuts a text into words, puts a blank on either side of each, and counts n-grams within. Such
an n-gram has blanks at its ends only, so counting the n-grams of the whole text (a blank before and after it) and
looking up those of the vocabulary gives the same counts: what runs over the border of two words has a blank inside,
and is in no vocabulary.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sharewise.errors import OptionError
from sharewise.serving.onnx._graph import OWN, TREES, Graph

NOTE = (
    "Text is split into characters by an operator that ONNX Runtime brings (com.microsoft Tokenizer); capital İ and "
    "a word's last capital Σ are read as characters not known."
)
_OTHER, _BLANK = 0, 1


def encode_text(graph: Graph, pipeline: Pipeline, words: str) -> tuple[str, list[str]]:
    """Latent dimensions ``(n, k)`` of texts ``(n, 1)``; and some n-grams of the vocabulary.

    Raises:
        OptionError: The n-grams are of another kind than `sharewise.modalities` makes.
    """
    grams, latent, scale = (pipeline.named_steps[name] for name in ("grams", "latent", "scale"))
    _check(grams)
    alphabet = "".join(sorted(set("".join(grams.vocabulary_)) - {" "}))
    characters, codes = _characters(alphabet)
    letters = graph.node(
        "Tokenizer",
        graph.reshape(words, -1),
        domain=OWN,
        mark=0,
        mincharnum=1,
        pad_value=" ",
        separators=[""],
    )
    read = graph.node(
        "LabelEncoder",
        letters,
        domain=TREES,
        keys_strings=list(characters),
        values_int64s=list(codes),
        default_int64=_OTHER,
    )
    border = graph.constant(np.array([[0, 1], [0, 1]], dtype=np.int64).ravel())
    padded = graph.node("Pad", read, border, graph.constant(np.int64(_BLANK)), mode="constant")
    count = graph.cast(_count(graph, grams, alphabet, padded), "double")
    one = graph.constant(np.float64(1.0))
    risen = graph.node("Add", graph.node("Log", graph.node("Max", count, one)), one)
    zero = graph.constant(np.float64(0.0))
    weight = graph.node("Where", graph.node("Greater", count, zero), risen, zero)
    weight = graph.node("Mul", weight, graph.constant(np.asarray(grams.idf_, dtype=np.float64)[None]))
    norm = graph.node("Sqrt", graph.total(graph.node("Mul", weight, weight), 1, keep=True))
    unit = graph.node("Div", weight, graph.node("Where", graph.node("Greater", norm, zero), norm, one))
    found = graph.node(
        "MatMul", unit, graph.constant(np.ascontiguousarray(latent.components_.T, dtype=np.float64))
    )
    centred = graph.node("Sub", found, graph.constant(scale.mean_[None]))
    return graph.node("Div", centred, graph.constant(scale.scale_[None])), sorted(grams.vocabulary_)[:2000]


def _check(grams: Any) -> None:
    low, _ = grams.ngram_range
    expected = grams.analyzer == "char_wb" and grams.lowercase and grams.sublinear_tf and grams.norm == "l2"
    if not expected or not grams.use_idf or grams.binary or grams.strip_accents is not None or low < 2:
        raise OptionError(
            "an ONNX file holds the n-grams of characters inside words that sharewise makes by itself; this model "
            "reads text in another way. Use model.save and sw.load."
        )


@lru_cache(maxsize=8)
def _characters(alphabet: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Every character that is a blank or, in small letters, one of the alphabet; and its code."""
    place = {letter: code for code, letter in enumerate(alphabet, _BLANK + 1)}
    found: dict[str, int] = {}
    for point in range(0x110000):
        letter = chr(point)
        if letter.isspace():
            found[letter] = _BLANK
        elif (code := place.get(letter.lower())) is not None:
            found[letter] = code
    return tuple(found), tuple(found.values())


def _count(graph: Graph, grams: Any, alphabet: str, read: str) -> str:
    """How often each n-gram of the vocabulary occurs ``(n, V)``, in float."""
    low, high = grams.ngram_range
    place = {letter: code for code, letter in enumerate(alphabet, _BLANK + 1)} | {" ": _BLANK}
    pool: list[int] = []
    indexes: list[int] = []
    starts: list[int] = []
    for length in range(1, high + 1):
        starts.append(len(pool))
        for gram, index in grams.vocabulary_.items():
            if len(gram) == length:
                pool.extend(place[letter] for letter in gram)
                indexes.append(int(index))
    return graph.node(
        "TfIdfVectorizer",
        read,
        mode="TF",
        min_gram_length=low,
        max_gram_length=high,
        max_skip_count=0,
        ngram_counts=starts,
        ngram_indexes=indexes,
        pool_int64s=pool,
    )
