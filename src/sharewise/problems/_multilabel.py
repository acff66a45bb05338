"""A column whose cells name several labels, as one binary target a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sharewise.errors import DataError
from sharewise.problems._labels import Labels
from sharewise.problems._names import counted, listed
from sharewise.problems._words import is_missing, word
from sharewise.tasks import Multilabel

SEPARATORS = (";", "|", ",")
"""What may stand between labels, the least likely to stand inside one first."""

LISTS = (list, tuple, set, frozenset)

OFTEN = 0.1
"""So many times as often as the most common separator another must stand to be taken before it."""

FEWEST = 10
"""Rows that have a label, and rows that have it not, below which it is left out: two in each of five folds."""

MOST_LABELS = 50
"""Tasks that one column may become."""


def spread(name: str, cells: Sequence[Any]) -> list[Labels]:
    """One binary target a label that can be learnt, the most frequent first; notes stand with the first.

    An empty cell is a gap of all of them; an empty list, or a separator alone, says that the row has no label.

    Raises:
        DataError: The cells hold other things than words and lists of words, or no label can be learnt.
    """
    sets, separator = read_sets(name, cells)
    present = sum(found is not None for found in sets)
    if not present:
        raise DataError(f"a target must hold labels; '{name}' is empty. Take it out of --targets.")
    counts = Counter(label for found in sets if found for label in found)
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    kept = [label for label in ranked if FEWEST <= counts[label] <= present - FEWEST]
    if not kept:
        raise DataError(
            f"a label of a multilabel target is on {FEWEST} rows or more, and off as many; of the {len(ranked)} of "
            f"'{name}' ({listed(ranked)}) on {present} rows none is. Bring more rows, or say --kinds {name}=multiclass."
        )
    kind = Multilabel(name, tuple(kept[:MOST_LABELS]))
    truth = kind.encode([None if found is None else found & set(kind.labels) for found in sets])
    notes = _notes(kind, separator, [label for label in ranked if label not in kept], len(kept))
    return [
        Labels(task, "binary", truth[:, place], (False, True), notes if place == 0 else ())
        for place, task in enumerate(kind.tasks)
    ]


def read_sets(name: str, cells: Sequence[Any]) -> tuple[list[frozenset[str] | None], str | None]:
    """The labels of every cell, None for a gap; and what separates them, None where cells are lists.

    Raises:
        DataError: A cell is neither words nor a list of them, or nothing separates words.
    """
    plain = [_plain(cell) for cell in cells]
    texts = [cell for cell in plain if isinstance(cell, str)]
    separator = _separator(texts)
    held = [cell for cell in plain if cell is not None]
    if held and separator is None and not any(isinstance(cell, LISTS) for cell in held):
        raise DataError(
            f"a multilabel target names its labels with {' or '.join(SEPARATORS)} between them, or as lists; no cell "
            f"of '{name}' does (one is {held[0]!r}). Say --kinds {name}=multiclass if each has one."
        )
    return [_labels(name, row, cell, separator) for row, cell in enumerate(plain)], separator


def _plain(cell: Any) -> Any:
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    return None if is_missing(cell) else cell


def _separator(texts: Sequence[str]) -> str | None:
    found = {mark: sum(mark in text for text in texts) for mark in SEPARATORS}
    most = max(found.values())
    return next((mark for mark in SEPARATORS if found[mark] and found[mark] >= OFTEN * most), None)


def _labels(name: str, row: int, cell: Any, separator: str | None) -> frozenset[str] | None:
    if cell is None:
        return None
    if isinstance(cell, str):
        parts: list[Any] = [cell] if separator is None else list(cell.split(separator))
    else:
        parts = list(cell) if isinstance(cell, LISTS) else [cell]
    stray = next(
        (part for part in parts if not isinstance(part, str | int | float | np.generic | None)), None
    )
    if stray is not None:
        raise DataError(
            f"a cell of a multilabel target holds words, or a list of words; '{name}' holds a {type(stray).__name__} on "
            f"row {row}. Mend it or leave it out."
        )
    found = (word(part) for part in parts)
    return frozenset(label.strip() for label in found if label is not None)


def _notes(kind: Multilabel, separator: str | None, rare: list[str], could: int) -> tuple[str, ...]:
    how = "in lists" if separator is None else f"separated by '{separator}'"
    notes = [
        f"Target '{kind.column}' names several labels a cell, {how}: read as {counted(len(kind.labels), 'binary task')}, "
        f"'{kind.tasks[0]}' and so on; a model predicts a column for each."
    ]
    if could > len(kind.labels):
        notes.append(
            f"Of {could} labels of '{kind.column}' the {MOST_LABELS} most frequent are read; "
            f"{counted(could - MOST_LABELS, 'label')} left out."
        )
    if rare:
        notes.append(
            f"{counted(len(rare), 'label')} of '{kind.column}' on (or off) fewer than {FEWEST} rows left out: "
            f"{listed(rare)}."
        )
    return tuple(notes)
