"""Features that give a target away.

Symbols: ``n`` rows with a label, ``P`` features.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._cells import Value
from sharewise.problems._problem import Target
from sharewise.problems._table import Column, Table
from sharewise.tasks import Array, Classification

SUSPECT = 0.999
"""Absolute correlation, or share of labels told right, from which a feature is suspect."""

MOST_ROWS = 5_000
"""Suspicion is checked on this many rows at most; identity on all."""

BLOCK = 1_000
ROUNDING = 1e-26
"""Mean squares below this, of values up to 1, are rounding and no variation."""

SURPRISE_BITS = 20.0
"""A match must be this much rarer than chance among all features (2^-20) to count."""


@dataclass(frozen=True)
class Leak:
    """A feature that gives a target away.

    Attributes:
        feature: Its name.
        target: The target's name.
        strength: Absolute correlation (regression) or share of labels told right, at most 1.
        identical: Whether the two columns are the same on every labelled row.
    """

    feature: str
    target: str
    strength: float
    identical: bool

    def sentence(self) -> str:
        """What the user should know of it."""
        return (
            f"Feature '{self.feature}' {'equals' if self.identical else 'nearly determines'} target "
            f"'{self.target}' ({self.strength:.4f}); if it is not known before the target, leave it out with "
            f"--drop {self.feature}."
        )


def find_leaks(table: Table, targets: Sequence[Target], labels: Array) -> tuple[Leak, ...]:
    """Suspect features of each target; ``labels`` are ``(N, len(targets))``. Tensors are not looked into."""
    found: list[Leak] = []
    for d, target in enumerate(targets):
        if target.kind.ragged:
            continue
        rows = np.flatnonzero(~np.isnan(labels[:, d]))
        values = labels[rows, d]
        if not _can_surprise(values, len(table.columns)):
            continue
        classes = target.kind.classes if isinstance(target.kind, Classification) else ()
        same = [c.name for c in table if _is_identical(c, rows, values, classes)]
        strengths = _strengths(table, rows, values, bool(classes))
        strengths |= dict.fromkeys(same, 1.0)
        found += [Leak(name, target.name, s, name in same) for name, s in strengths.items() if s > SUSPECT]
    return tuple(found)


def leak_notes(table: Table, targets: Sequence[Target], labels: Array) -> list[str]:
    """A sentence for each suspect feature.

    Raises:
        DataError: A feature is a target.
    """
    notes = []
    for leak in find_leaks(table, targets, labels):
        if leak.identical:
            raise DataError(
                f"a feature must not be a target under another name (a leak); '{leak.feature}' equals "
                f"'{leak.target}' on every labelled row. Leave it out with drop=['{leak.feature}'] "
                f"or --drop {leak.feature}."
            )
        notes.append(leak.sentence())
    return notes


def _can_surprise(values: Array, n_features: int) -> bool:
    """Whether so many labels are unlikely to be matched by chance (entropy in bits)."""
    _, counts = np.unique(values, return_counts=True)
    bits = float(counts.sum() * math.log2(counts.sum()) - np.sum(counts * np.log2(counts)))
    return bits > SURPRISE_BITS + math.log2(max(n_features, 1))


def _is_identical(column: Column, rows: NDArray[np.intp], values: Array, classes: Sequence[Value]) -> bool:
    if column.kind in ("date", "tensor") or (column.kind != "number" and not classes):
        return False
    if column.kind != "number":
        names = [str(c) for c in classes]
        return all(column.values[row] == names[int(code)] for row, code in zip(rows, values, strict=True))
    if any(isinstance(c, str) for c in classes):
        return False
    wanted = np.array([float(c) for c in classes])[values.astype(np.intp)] if classes else values
    return bool(column.values[rows[0]] == wanted[0] and np.array_equal(column.values[rows], wanted))


def _strengths(table: Table, rows: NDArray[np.intp], values: Array, classes: bool) -> dict[str, float]:
    """How well each feature tells the label, on a fixed random sample of rows."""
    order = np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS]
    rows, values = rows[order], values[order]
    numeric = [c for c in table if c.kind in ("number", "date")]
    strengths: dict[str, float] = {}
    for start in range(0, len(numeric), BLOCK):
        block = numeric[start : start + BLOCK]
        matrix = np.stack([c.values[rows] for c in block], axis=1)
        measured = _purity(matrix, values) if classes else _correlation(matrix, values)
        strengths |= {c.name: float(s) for c, s in zip(block, measured, strict=True)}
    if classes:
        for column in table.of_kind("category"):
            strengths[column.name] = _told_by_words(column.values[rows], values)
    return strengths


def _correlation(matrix: Array, values: Array) -> Array:
    """Absolute correlation ``(P,)`` of the columns of ``(n, P)`` with ``(n,)``, over known cells."""
    known = ~np.isnan(matrix)
    gaps = not known.all()
    share = known.mean(axis=0)
    x = np.where(known, matrix, 0.0) if gaps else matrix
    x = x / np.maximum(np.abs(x).max(axis=0), 1e-300)  # squares stay finite
    x = x - x.mean(axis=0) / np.maximum(share, 1e-300)
    y = values - values.mean()
    y = y / max(float(np.abs(y).max()), 1e-300)
    if gaps:
        x *= known
        y_square = (y**2) @ known - (y @ known) ** 2 / np.maximum(known.sum(axis=0), 1)
    else:
        y_square = np.full(x.shape[1], y @ y)
    x_square = np.einsum("np,np->p", x, x)
    varies = (x_square > ROUNDING * len(y)) & (y_square > ROUNDING * len(y)) & (share >= 0.5)
    size = np.sqrt(np.where(varies, x_square * y_square, 1.0))
    correlation: Array = np.where(varies, np.minimum(np.abs(y @ x) / size, 1.0), 0.0)
    return correlation


def _purity(matrix: Array, codes: Array) -> Array:
    """Share of labels told right by cutting each column of ``(n, P)`` into one interval a class.

    Sorted by the feature, ``K`` separated classes change ``K - 1`` times; each further change
    counts as one label told wrong. Rows come in random order, so ties do not look like order.
    """
    order = np.argsort(matrix, axis=0, kind="stable")  # NaN last
    ordered = codes[order]
    changes = (ordered[1:] != ordered[:-1]).sum(axis=0) - (len(np.unique(codes)) - 1)
    purity: Array = 1.0 - np.maximum(changes, 0) / max(len(codes), 1)
    known = (~np.isnan(matrix)).mean(axis=0)
    return np.where(known >= 0.5, purity, 0.0)


def _told_by_words(words: NDArray[np.object_], codes: Array) -> float:
    """Share of labels told right by each word's most frequent class, if words come up repeatedly."""
    distinct = len(set(words.tolist()))
    if distinct > len(codes) / 5:
        return 0.0
    pairs = Counter(zip(words.tolist(), codes.tolist(), strict=True))
    most: dict[object, int] = {}
    for (text, _), count in pairs.items():
        most[text] = max(count, most.get(text, 0))
    return sum(most.values()) / len(codes)
