"""Sentences of a sample, what is said of them, and what is said without looking at them.

Symbols: ``n`` sentences, ``L`` words of one, ``K`` labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.families._sample import Predictions, Sample
from sharewise.problems import Table
from sharewise.tasks import TagRows

FEWEST_SENTENCES = 4
"""A task with fewer labelled sentences in a fold's training rows is served by its constant there."""

Words = tuple[str, ...]
Cells = NDArray[np.object_]


def sentences_of(table: Table) -> list[Words]:
    """The words of every row."""
    (column,) = table.of_kind("sentence")
    return list(column.values)


def reads_sentences(table: Table) -> bool:
    """Whether a row is a sentence and nothing else."""
    return len(table.columns) == 1 and table.columns[0].kind == "sentence"


def kinds_of(sample: Sample) -> tuple[TagRows, ...]:
    """What is said of the words, by target.

    Raises:
        OptionError: Sentences come with other targets.
    """
    found = []
    for target in sample.targets:
        if not isinstance(target.kind, TagRows):
            raise OptionError(
                f"sentences have tags for targets; '{target.name}' is of kind {target.kind.name}. Leave it out."
            )
        found.append(target.kind)
    return tuple(found)


def enough(sample: Sample, target: int, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The labelled ones of these rows; none where they are too few to learn from."""
    known: NDArray[np.intp] = rows[sample.known(target)[rows]]
    return known if len(known) >= FEWEST_SENTENCES else known[:0]


def constants_of(sample: Sample) -> tuple[tuple[NDArray[Any], ...], Predictions]:
    """Each target's shares of labels ``(K,)``, and the held-out predictions they give."""
    kinds, held_out = kinds_of(sample), sample.blank()
    lengths = sample.table.lengths
    everyone = np.arange(len(sample))
    for target, kind in enumerate(kinds):
        known = sample.known(target)
        for train, valid in sample.folds:
            template = kind.template(sample.truths(target, train[known[train]]))
            held_out[target][valid] = kind.spread(template, [lengths[row] for row in valid])
    templates = tuple(
        kind.template(sample.truths(target, everyone[sample.known(target)]))
        for target, kind in enumerate(kinds)
    )
    return templates, held_out
