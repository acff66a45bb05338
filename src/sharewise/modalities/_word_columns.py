"""Columns of words as codes or as one column a word: fitted by scikit-learn, held and applied as plain look-ups.

Symbols: ``n`` rows, ``C`` columns of words, ``V`` words that a column held in training rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import StorageError

Array = NDArray[np.float64]
Words = NDArray[Any]


@final
@dataclass(frozen=True, eq=False)
class WordColumns:
    """Final. What each word of each column becomes; one that training rows had not is like the rarest, or nothing.

    Attributes:
        words: For each column the ``V`` words that it held.
        places: For each column ``(V + 1,)`` int64: the code of each word, and of a word not seen. In one-hot columns -1
            is a row of zeros.
        widths: For each column the number of one-hot columns it becomes; none where words become codes.
    """

    words: tuple[tuple[str, ...], ...]
    places: tuple[NDArray[np.int64], ...]
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.words)
        whole = len(self.places) == count and len(self.widths) in (0, count)
        for column, place in enumerate(self.places if whole else ()):
            most = self.widths[column] if self.widths else np.inf
            known = self.words[column]
            whole &= type(known) is tuple and all(type(word) is str for word in known)
            whole &= place.dtype == np.int64 and place.shape == (len(known) + 1,)
            whole &= bool((place >= -1).all() and (place < most).all())
        if not whole or not all(type(width) is int for width in self.widths):
            raise StorageError(
                "columns of words hold a code for each word of each column; these are damaged. Save the model again or "
                "restore a copy."
            )

    @classmethod
    def one_hot(cls, cells: Words, most: int) -> WordColumns:
        """A column for each of the ``most`` words of a column that are most frequent; the others share one.

        Args:
            cells: Strings ``(n, C)``.
        """
        from sklearn.preprocessing import OneHotEncoder

        def read(own: Words) -> tuple[tuple[str, ...], NDArray[np.int64], int]:
            fitted = OneHotEncoder(
                handle_unknown="infrequent_if_exist", max_categories=most, sparse_output=False
            ).fit(own)
            rows = fitted.transform(_each(fitted))
            places = np.where(rows.any(axis=1), rows.argmax(axis=1) if rows.shape[1] else -1, -1)
            return tuple(map(str, fitted.categories_[0])), places.astype(np.int64), int(rows.shape[1])

        words, places, widths = zip(*_by_column(cells, read), strict=True)
        return cls(words, places, widths)

    @classmethod
    def codes(cls, cells: Words, most: int) -> WordColumns:
        """A code for each of the ``most`` words of a column that are most frequent, one for the others, -1 for unknown.

        Args:
            cells: Strings ``(n, C)``.
        """
        from sklearn.preprocessing import OrdinalEncoder

        def read(own: Words) -> tuple[tuple[str, ...], NDArray[np.int64]]:
            fitted = OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=-1, max_categories=most
            ).fit(own)
            return tuple(map(str, fitted.categories_[0])), fitted.transform(_each(fitted))[:, 0].astype(
                np.int64
            )

        words, places = zip(*_by_column(cells, read), strict=True)
        return cls(words, places, ())

    @property
    def columns(self) -> list[int]:
        """Of each output the column that it comes from."""
        return [
            column for column, width in enumerate(self.widths or (1,) * len(self.words)) for _ in range(width)
        ]

    def transform(self, cells: Words) -> Array:
        """Strings ``(n, C)`` to codes ``(n, C)``, or to one-hot columns."""
        codes = np.empty(cells.shape, dtype=np.int64)
        for column, (known, unknown) in enumerate(self._codes):
            codes[:, column] = [known.get(word, unknown) for word in cells[:, column]]
        if not self.widths:
            return codes.astype(np.float64)
        found = np.zeros((len(cells), sum(self.widths)))
        seen = codes >= 0
        rows = np.nonzero(seen)[0]
        starts = np.cumsum((0, *self.widths[:-1]))
        found[rows, (codes + starts)[seen]] = 1.0
        return found

    @cached_property
    def _codes(self) -> tuple[tuple[dict[str, int], int], ...]:
        return tuple(
            (dict(zip(words, places[:-1].tolist(), strict=True)), int(places[-1]))
            for words, places in zip(self.words, self.places, strict=True)
        )


def _by_column(cells: Words, read: Callable[[Words], Any]) -> list[Any]:
    return [read(cells[:, [column]]) for column in range(cells.shape[1])]


def _each(fitted: Any) -> Words:
    """Every word that a fitted encoder of one column knows, then one that it does not: ``(V + 1, 1)``."""
    known = fitted.categories_[0]
    strange = "\u00a7"
    while strange in known:
        strange += "\u00a7"
    return np.array([*known, strange], dtype=object)[:, None]
