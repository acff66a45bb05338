"""From a table to the tensors that a program takes.

Symbols: ``n`` rows, ``L`` tokens of a text at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.errors import StorageError
from sharewise.families.texts._inputs import TextInputs, texts_of
from sharewise.modalities import TabularEncoder
from sharewise.problems import Schema, Table

MOST_TRIED = 400
"""Words that texts are drawn from."""


def tensors_of(readers: Sequence[object], table: Table, level: NDArray[np.intp] | None) -> tuple[Tensor, ...]:
    """Encoded rows ``(n, …)``, one a reader, and codes ``(n,)`` of the task column behind them.

    Raises:
        StorageError: A reader is none.
    """
    found = [torch.from_numpy(np.ascontiguousarray(_encoded(reader, table))) for reader in readers]
    return (*found, *([] if level is None else [torch.from_numpy(level.astype(np.int64))]))


def _encoded(reader: object, table: Table) -> NDArray[Any]:
    if reader is None:
        (column,) = table.of_kind("tensor")
        return column.values
    if isinstance(reader, TabularEncoder):
        return reader.transform(table).astype(np.float32)
    if not isinstance(reader, TextInputs):
        raise StorageError(f"a program reads tables, texts or tensors; got a {type(reader).__name__}.")
    whole = reader.transform(table)
    if reader.vocabulary is None:
        return whole
    # As wide as a text may be, whatever the longest of these: a program's widths are fixed.
    ids = reader.vocabulary.encode(texts_of(table)).padded(length=reader.vocabulary.length)
    return np.hstack([ids.astype(np.float32), whole[:, whole.shape[1] - reader.numbers :]])


def points_of(readers: Sequence[object], schema: Schema) -> dict[str, list[Any]]:
    """By column what rows should be drawn from: numbers around the middle, known words."""
    points: dict[str, list[Any]] = {}
    named = {
        kind: [name for name, own in zip(schema.features, schema.kinds, strict=True) if own == kind]
        for kind in ("number", "date", "category", "text")
    }
    for reader in readers:
        encoder = reader.others if isinstance(reader, TextInputs) else reader
        if isinstance(reader, TextInputs) and reader.vocabulary is not None:
            for name in named["text"]:
                points.setdefault(name, []).append(list(reader.vocabulary.words[:MOST_TRIED]))
        if not isinstance(encoder, TabularEncoder):
            continue
        if encoder.numbers is not None:
            for place, name in enumerate([*named["number"], *named["date"]]):
                spread = encoder.numbers.spread[place] * np.linspace(-3.0, 3.0, 7)
                steps = encoder.numbers.mean[place] + spread
                points.setdefault(name, []).append(steps)
        if encoder.categories is not None:
            for name, words in zip(named["category"], encoder.categories.words, strict=True):
                points.setdefault(name, []).append(list(words))
    return points
