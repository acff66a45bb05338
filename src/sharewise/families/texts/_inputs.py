"""Rows with columns of text as one tensor for networks: ids or frozen features, then the other columns' numbers.

Symbols: ``n`` rows, ``L`` tokens of the longest text, ``P`` numbers of other columns, ``F`` frozen features.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families._sample import Run
from sharewise.families.texts._features import content_of, without_text
from sharewise.families.texts._pretrained import computed, frozen_features
from sharewise.modalities import TabularEncoder
from sharewise.modalities.text import TokenRows, Vocabulary
from sharewise.modalities.text._texts import clean_texts
from sharewise.problems import Table

IDS = 6_000
"""Of a vocabulary: few thousand texts fill no more."""
LONGEST = 20_000
"""Characters of a text that are looked at."""
KEPT = 3
"""Fitted vocabularies that are remembered, with the ids of their texts: the strategies of a round learn from the same rows."""


@final
@dataclass(frozen=True)
class TextInputs:
    """Final. A fitted map from tables to ``(n, L + P)`` or ``(n, F + P)`` float32.

    Ids stand as numbers beside the others, exactly: they are far below 2^24.

    Attributes:
        vocabulary: Of the texts; None where a pretrained encoder reads them.
        pretrained: Its name, or empty.
        others: Of all other columns; None where there are none.
        numbers: ``P``.
        mean, spread: ``(F,)`` of frozen features; empty without.
    """

    vocabulary: Vocabulary | None
    pretrained: str
    others: TabularEncoder | None
    numbers: int
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def fit(cls, table: Table, run: Run, *, pretrained: str = "") -> tuple[TextInputs, NDArray[np.float32]]:
        """Vocabulary and scales of these rows, and the rows as numbers."""
        texts, others = texts_of(table), without_text(table)
        encoder = TabularEncoder.fit(others, "network") if others.columns else None
        numbers = encoder.transform(others).shape[1] if encoder is not None else 0
        none = np.zeros(0, dtype=np.float32)
        if not pretrained:
            vocabulary, tokens = _fitted(texts)
            found = cls(vocabulary, "", encoder, numbers, none, none)
            return found, found._beside(tokens.padded().astype(np.float32), table)
        raw = frozen_features(texts, pretrained, run)
        spread = np.maximum(raw.std(axis=0), 1e-6)
        found = cls(None, pretrained, encoder, numbers, raw.mean(axis=0), spread)
        return found, found.transform(table, run)

    def transform(self, table: Table, run: Run | None = None) -> NDArray[np.float32]:
        """``(n, L + P)`` or ``(n, F + P)``.

        Args:
            run: Told of slow work while learning, where what is known of a text is used again; None for predicting,
                which computes everything, as it would of new texts.
        """
        texts = texts_of(table)
        if self.vocabulary is not None:
            first = self.vocabulary.encode(texts).padded(length=None).astype(np.float32)
        else:
            raw = frozen_features(texts, self.pretrained, run) if run else computed(texts, self.pretrained)
            first = (raw - self.mean) / self.spread
        return self._beside(first, table)

    def _beside(self, first: NDArray[np.float32], table: Table) -> NDArray[np.float32]:
        """What is read of the texts, then the other columns."""
        if self.others is None:
            return first
        beside = self.others.transform(without_text(table)).astype(np.float32)
        return np.hstack([first, beside])


def texts_of(table: Table) -> list[str]:
    """One text a row; where there are several columns, one after the other, a bar between."""
    columns = [clean_texts(column.values, LONGEST) for column in table.of_kind("text")]
    return columns[0] if len(columns) == 1 else [" | ".join(cells) for cells in zip(*columns, strict=True)]


_FITTED: OrderedDict[bytes, tuple[Vocabulary, TokenRows]] = OrderedDict()


def _fitted(texts: list[str]) -> tuple[Vocabulary, TokenRows]:
    """The vocabulary of these texts and their ids, remembered."""
    values: NDArray[Any] = np.array(texts, dtype=object)
    key = content_of(values)
    if key not in _FITTED:
        wordless = not any(text.strip() for text in texts)
        vocabulary = Vocabulary.fit([*texts, "?"] if wordless else texts, size=IDS)
        _FITTED[key] = vocabulary, vocabulary.encode(texts)
        while len(_FITTED) > KEPT:
            _FITTED.popitem(last=False)
    return _FITTED[key]
