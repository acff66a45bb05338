"""Made-up rows for the teacher to answer: more to learn from than the rows at hand.

A large model says more than the labels it learnt from, but on a few hundred rows it is not asked much. MUNGE (Buciluă,
Caruana & Niculescu-Mizil 2006, section 3.3) asks it of rows between those at hand: each attribute of a row is, with some
probability, replaced by its neighbour's, numbers by a draw around that.

Symbols: ``n`` rows, ``Q`` questions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from sharewise.families import Predictions, Sample
from sharewise.modalities import TabularEncoder
from sharewise.problems import Column, Table

REPLACED = 0.5
"""Probability that an attribute is replaced."""
NEIGHBOURS = 3
"""Of which one is drawn anew for each copy of the rows."""
WANTED, MOST_COPIES = 2_000, 6
"""Questions that are enough, made of so many rows at most, and questions a row at most."""


@dataclass(frozen=True)
class Answered:
    """Questions with a teacher's answers.

    Attributes:
        table: Features of the ``Q`` questions.
        level: ``(Q,)`` codes; None in a wide problem.
        answers: For each target ``(Q, W)``; NaN where the teacher is silent.
    """

    table: Table
    level: NDArray[np.intp] | None
    answers: Predictions


def questions(sample: Sample, seed: int) -> tuple[Table, NDArray[np.intp] | None]:
    """Rows between the sample's, and their levels: those of the rows that they are made of."""
    rng = np.random.default_rng(seed)
    base = np.sort(rng.permutation(len(sample))[:WANTED])
    table = sample.table.take(base)
    X = TabularEncoder.fit(table, "linear").transform(table)
    near = (
        NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(base) - 1)).fit(X).kneighbors(return_distance=False)
    )
    place = np.tile(np.arange(len(base)), int(np.clip(WANTED // len(base), 1, MOST_COPIES)))
    own, other = base[place], base[near[place, rng.integers(0, near.shape[1], len(place))]]
    columns = tuple(_between(column, own, other, rng) for column in sample.table)
    level = None if sample.level is None else sample.level[own]
    return Table(columns, len(own)), level


def _between(
    column: Column, own: NDArray[np.intp], other: NDArray[np.intp], rng: np.random.Generator
) -> Column:
    """A column of rows, some cells from or around those of other rows."""
    mine, theirs = column.values[own], column.values[other]
    if column.kind in ("number", "date"):
        spread = np.nan_to_num(np.abs(mine - theirs))
        theirs = theirs + spread * rng.standard_normal(len(own))
    found: NDArray[Any] = np.where(rng.random(len(own)) < REPLACED, theirs, mine)
    return replace(column, values=found)


def beside(sample: Sample, asked: Answered) -> Sample:
    """The sample with the questions behind its rows, which inner folds learn from and never judge by."""
    columns = tuple(
        replace(column, values=np.concatenate([column.values, more.values]))
        for column, more in zip(sample.table, asked.table, strict=True)
    )
    extra = np.arange(len(sample), len(sample) + len(asked.table))
    blank = np.full((len(extra), sample.labels.shape[1]), np.nan)
    level = None
    if sample.level is not None and asked.level is not None:
        level = np.concatenate([sample.level, asked.level])
    return replace(
        sample,
        table=Table(columns, len(sample) + len(extra)),
        labels=np.vstack([sample.labels, blank]),
        level=level,
        folds=tuple((np.concatenate([train, extra]), valid) for train, valid in sample.folds),
    )
