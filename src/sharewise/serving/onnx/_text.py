"""Latent dimensions of scikit-learn's TF-IDF of n-grams inside words, as nodes of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sharewise.errors import OptionError
from sharewise.serving.onnx._characters import characters, lowered
from sharewise.serving.onnx._grams import hash_of, letters_of, weighted
from sharewise.serving.onnx._graph import Graph

WHOLE = 2**40
"""No text has as many characters: all are read."""
MOST_TRIED = 2000


def encode_text(graph: Graph, pipeline: Pipeline, words: str) -> tuple[str, list[str]]:
    """Latent dimensions ``(n, k)`` of texts ``(n, 1)``; and some n-grams of the vocabulary.

    Raises:
        OptionError: The n-grams are of another kind than `sharewise.modalities` makes.
    """
    grams, latent, scale = (pipeline.named_steps[name] for name in ("grams", "latent", "scale"))
    _check(grams)
    given = lowered(graph, characters(graph, graph.reshape(words, -1), WHOLE))
    low, high = grams.ngram_range
    known = sorted(grams.vocabulary_, key=grams.vocabulary_.__getitem__)
    hashes = [hash_of(gram, len(gram), forward=False) for gram in known]
    found = letters_of(graph, given, range(low, high + 1))
    unit = weighted(graph, found, hashes, np.asarray(grams.idf_, dtype=np.float64), given.count)
    values = unit.times(graph, np.ascontiguousarray(latent.components_.T, dtype=np.float64))
    centred = graph.node("Sub", values, graph.constant(scale.mean_[None]))
    return graph.node("Div", centred, graph.constant(scale.scale_[None])), known[:MOST_TRIED]


def _check(grams: Any) -> None:
    low, _ = grams.ngram_range
    expected = grams.analyzer == "char_wb" and grams.lowercase and grams.sublinear_tf and grams.norm == "l2"
    if not expected or not grams.use_idf or grams.binary or grams.strip_accents is not None or low < 2:
        raise OptionError(
            "an ONNX file holds the n-grams of characters inside words that sharewise makes by itself; this model "
            "reads text in another way. Use model.save and sw.load."
        )
