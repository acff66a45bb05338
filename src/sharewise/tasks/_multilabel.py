"""Several labels at once: topics of a message, objects in a picture, genres of a film.

Symbols: ``n`` examples, ``L`` labels. Truths are ``(n, L)``: 1 has the label, 0 has it not, a row of NaN is a gap.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.tasks._metric import Array, Metric


@final
@dataclass(frozen=True)
class Multilabel:
    """Final. Any of a list of labels, also none. Not a `Kind`: it becomes one binary task a label (*binary relevance*;
    Tsoumakas & Katakis, *Multi-Label Classification: An Overview*, IJDWM 2007), which is what sharing is asked of.

    Attributes:
        column: As in the user's table.
        labels: From the most frequent to the rarest, or in any other order; equal ones are refused.

    >>> genres = Multilabel("genres", ("drama", "crime"))
    >>> genres.tasks
    ('genres: drama', 'genres: crime')
    >>> genres.encode([("crime",), None, ()]).tolist()
    [[0.0, 1.0], [nan, nan], [0.0, 0.0]]
    >>> [sorted(found) for found in genres.decode(np.array([[0.9, 0.6], [0.2, 0.1]]))]
    [['crime', 'drama'], []]
    """

    column: str
    labels: tuple[str, ...]

    name: ClassVar[str] = "multilabel"
    metrics: ClassVar[tuple[str, ...]] = ("mean_average_precision", "f1_micro", "f1_macro")

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise DataError(
                f"a multilabel column has different labels, one or more; '{self.column}' has "
                f"{', '.join(self.labels) or 'none'}. Take doubles out."
            )

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the labels' binary tasks."""
        return tuple(f"{self.column}: {label}" for label in self.labels)

    def encode(self, sets: Sequence[Collection[str] | None]) -> Array:
        """``(n, L)`` of sets of labels; None is a gap.

        Raises:
            DataError: A label is none of these.
        """
        place = {label: column for column, label in enumerate(self.labels)}
        truth = np.zeros((len(sets), len(self.labels)))
        for row, found in enumerate(sets):
            if found is None:
                truth[row] = np.nan
                continue
            for label in found:
                if label not in place:
                    raise DataError(
                        f"a label of '{self.column}' is one of its {len(self.labels)}; row {row} holds '{label}'. "
                        "Take it out."
                    )
                truth[row, place[label]] = 1.0
        return truth

    def decode(self, prediction: Array, *, at_least: float = 0.5) -> NDArray[np.object_]:
        """Chances ``(n, L)`` of the labels as sets ``(n,)``: those of at least so high a chance.

        Raises:
            DataError: There is not one column a label.
        """
        self._check(prediction)
        sets = np.empty(len(prediction), dtype=object)
        sets[:] = [
            frozenset(label for label, has in zip(self.labels, row, strict=True) if has)
            for row in prediction >= at_least
        ]
        return sets

    def metric(self, name: str | None = None) -> Metric:
        """A metric of the whole column, of truths and chances ``(n, L)``; gaps do not count.

        Raises:
            OptionError: There is none of that name.
        """
        chosen = name or self.metrics[0]
        if chosen not in MULTILABEL_METRICS:
            raise OptionError(
                f"a multilabel column is scored by one of {', '.join(self.metrics)}; got '{chosen}'."
            )
        return MULTILABEL_METRICS[chosen]

    def _check(self, values: Array) -> None:
        if values.ndim != 2 or values.shape[1] != len(self.labels):
            raise DataError(
                f"'{self.column}' has {len(self.labels)} labels, so chances are of shape (rows, {len(self.labels)}); "
                f"got {values.shape}. Give one column a label."
            )


def f1_micro(truth: Array, prediction: Array) -> float:
    """F1 of all labels of all rows together: 2 hits / (predicted + true); 0 where there are neither."""
    hits, sizes = _counts(truth, prediction)
    return float(2 * hits.sum() / sizes.sum()) if sizes.sum() else 0.0


def f1_macro(truth: Array, prediction: Array) -> float:
    """The mean over labels of each one's F1, 0 for a label neither predicted nor true."""
    hits, sizes = _counts(truth, prediction)
    return float(np.mean(2 * hits / np.maximum(sizes, 1)))


def mean_average_precision(truth: Array, prediction: Array) -> float:
    """The mean over labels of the average precision; labels that no row has, or no row lacks, are left out."""
    truth, prediction = _known(truth, prediction)
    told = [label for label in range(truth.shape[1]) if 0 < truth[:, label].sum() < len(truth)]
    each = [average_precision(truth[:, label], prediction[:, label]) for label in told]
    return float(np.mean(each)) if each else float("nan")


def average_precision(truth: Array, chance: Array) -> float:
    """Sum over thresholds of (recall gained) x (precision there), of one label ``(n,)``; equal chances fall together."""
    order = np.argsort(-chance, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(chance[order])), len(order) - 1)  # of each run of equal chances
    gained = np.diff(hits[last], prepend=0.0)
    return float(np.sum(gained * hits[last] / (last + 1)) / hits[-1])


def _known(truth: Array, prediction: Array) -> tuple[Array, Array]:
    rows = ~np.isnan(truth).any(axis=1)
    return truth[rows], prediction[rows]


def _counts(truth: Array, prediction: Array) -> tuple[Array, Array]:
    """By label ``(L,)`` how often it is predicted and true; how often it is predicted, plus how often it is true."""
    truth, prediction = _known(truth, prediction)
    found = prediction >= 0.5
    return (found * truth).sum(axis=0), found.sum(axis=0) + truth.sum(axis=0)


MULTILABEL_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mean_average_precision", True, 1.0, "score", mean_average_precision),
        Metric("f1_micro", True, 1.0, "score", f1_micro),
        Metric("f1_macro", True, 1.0, "score", f1_macro),
    )
}
