"""Rows with columns of text as sparse numbers: grams of each text, beside the other columns.

Symbols: ``n`` rows, ``V`` columns of the sparse matrix.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities import TabularEncoder
from sharewise.modalities.text import Grams
from sharewise.problems import Table

if TYPE_CHECKING:
    from scipy import sparse

BESIDE_SCALE = 0.3
"""Of other columns' standardised numbers beside texts of length one: as strong as a few grams that tell much."""
FARTHEST = 5.0
"""Standardised numbers are cut here, so that one stray cell does not set the pace of the solver."""
KEPT = 3
"""Fitted columns of text that are remembered: the strategies of a round learn from the same rows."""


@final
@dataclass(frozen=True)
class TextFeatures:
    """Final. A fitted map from tables to ``(n, V)``.

    Attributes:
        grams: Of each column of text, in the table's order.
        others: Of all other columns; None where there are none.
    """

    grams: tuple[Grams, ...]
    others: TabularEncoder | None

    @classmethod
    def fit(cls, table: Table) -> tuple[TextFeatures, sparse.csr_array]:
        """Vocabularies and scales of these rows, and the rows as numbers."""
        others = without_text(table)
        grams, texts = zip(*(_fitted(column.values) for column in table.of_kind("text")), strict=True)
        found = cls(grams, TabularEncoder.fit(others, "linear") if others.columns else None)
        return found, found._beside(texts, others)

    def transform(self, table: Table) -> sparse.csr_array:
        """``(n, V)`` float32."""
        columns = zip(self.grams, table.of_kind("text"), strict=True)
        texts = tuple(grams.transform(column.values) for grams, column in columns)
        return self._beside(texts, without_text(table))

    def _beside(self, texts: tuple[sparse.csr_array, ...], others: Table) -> sparse.csr_array:
        from scipy import sparse

        if self.others is None:
            joined: sparse.csr_array = texts[0] if len(texts) == 1 else sparse.hstack(texts, format="csr")
            return joined
        numbers = np.clip(self.others.transform(others), -FARTHEST, FARTHEST) * BESIDE_SCALE
        found: sparse.csr_array = sparse.hstack(
            [*texts, sparse.csr_array(numbers.astype(np.float32))], format="csr"
        )
        return found


def without_text(table: Table) -> Table:
    """The other columns."""
    return Table(tuple(column for column in table if column.kind != "text"), len(table))


def content_of(values: NDArray[Any]) -> bytes:
    """What tells two columns of text apart."""
    digest = hashlib.blake2b(digest_size=16)
    for cell in values.tolist():
        raw = b"\0" if cell is None else cell.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.digest()


_FITTED: OrderedDict[bytes, tuple[Grams, sparse.csr_array]] = OrderedDict()


def _fitted(values: NDArray[Any]) -> tuple[Grams, sparse.csr_array]:
    """The grams of a column and the column in them, remembered."""
    key = content_of(values)
    if key not in _FITTED:
        grams = Grams.fit(values)
        _FITTED[key] = grams, grams.transform(values)
        while len(_FITTED) > KEPT:
            _FITTED.popitem(last=False)
    _FITTED.move_to_end(key)
    return _FITTED[key]
