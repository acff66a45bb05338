"""Mixed columns to numbers, in the form each family wants; fitted on training rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities._piecewise import PiecewiseLinear
from sharewise.modalities._scaling import Scaling
from sharewise.modalities._word_columns import WordColumns
from sharewise.modalities.text._latent import LatentText
from sharewise.problems import Column, Table

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Style = Literal["linear", "trees", "network"]
Array = NDArray[np.float64]

MISSING = "(missing)"
ONE_HOT_LEVELS = 60
ORDINAL_LEVELS = 250
TEXT_DIMENSIONS = 24
NETWORK_TEXT_DIMENSIONS = 64
"""Of a column of text for networks. On tweets, snippets and messages perceptrons gain from more than 24 dimensions and
from whole words beside letters; boosted trees take two to five times as long for next to nothing."""
NETWORK_INPUTS = 1024
"""Up to about this many coordinates, numbers get several bins each."""


def _strings(columns: tuple[Column, ...]) -> NDArray[Any]:
    values = np.empty((len(columns[0].values), len(columns)), dtype=object)
    for place, column in enumerate(columns):
        values[:, place] = [MISSING if cell is None else str(cell) for cell in column.values]
    return values


def _numbers(table: Table) -> Array:
    columns = table.of_kind("number") + table.of_kind("date")
    return np.column_stack([c.values for c in columns]) if columns else np.empty((len(table), 0))


@dataclass(frozen=True)
class TabularEncoder:
    """A fitted map from a `Table` of ``n`` rows to ``(n, P)`` float64.

    * ``linear``: imputed by the median with a gap indicator, standardised; categories one-hot.
    * ``trees``: numbers as they are (gaps stay NaN); categories as codes, unknown ones as -1.
    * ``network``: as linear, with numbers in piecewise-linear bins besides.

    Text becomes `TEXT_DIMENSIONS` latent dimensions of the TF-IDF of its letters, or in style ``network``
    `NETWORK_TEXT_DIMENSIONS` of its words and letters.

    Attributes:
        categorical: Output columns that hold category codes (style ``trees`` only).
    """

    style: Style
    numbers: Scaling | None
    bins: PiecewiseLinear | None
    categories: WordColumns | None
    texts: tuple[Pipeline | LatentText, ...]
    categorical: tuple[int, ...]

    @classmethod
    def fit(cls, table: Table, style: Style) -> TabularEncoder:
        """Learn medians, scales, category lists and vocabularies from these rows."""
        raw = _numbers(table)
        numbers = Scaling.fit(raw) if raw.shape[1] and style != "trees" else None
        bins: PiecewiseLinear | None = None
        per_number = NETWORK_INPUTS // max(1, raw.shape[1])
        if numbers is not None and style == "network" and per_number >= 2:
            values = numbers.transform(raw)[:, : raw.shape[1]]
            bins = PiecewiseLinear.fit(values, bins=int(min(per_number, 12, max(2, len(table) // 20))))
        named = table.of_kind("category")
        categories: WordColumns | None = None
        categorical: tuple[int, ...] = ()
        if named and style == "trees":
            categories = WordColumns.codes(_strings(named), ORDINAL_LEVELS)
            categorical = tuple(range(raw.shape[1], raw.shape[1] + len(named)))
        elif named:
            categories = WordColumns.one_hot(_strings(named), ONE_HOT_LEVELS)
        texts = tuple(_fit_text(column, style) for column in table.of_kind("text"))
        return cls(style, numbers, bins, categories, texts, categorical)

    def transform(self, table: Table) -> Array:
        """``(n, P)``; columns in the order numbers, bins, categories, texts."""
        raw = _numbers(table)
        blocks = [raw if self.numbers is None else self.numbers.transform(raw)]
        if self.bins is not None:
            blocks.append(self.bins.transform(blocks[0][:, : raw.shape[1]]))
        if self.categories is not None:
            blocks.append(self.categories.transform(_strings(table.of_kind("category"))))
        for texts, column in zip(self.texts, table.of_kind("text"), strict=True):
            words = column.values if isinstance(texts, LatentText) else _strings((column,))[:, 0]
            blocks.append(texts.transform(words))
        return np.ascontiguousarray(np.hstack(blocks), dtype=np.float64)


def _fit_text(column: Column, style: Style) -> Pipeline | LatentText:
    if style == "network":
        return LatentText.fit(column.values, NETWORK_TEXT_DIMENSIONS)
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    documents = _strings((column,))[:, 0]
    grams = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), max_features=5000, sublinear_tf=True, dtype=np.float64
    )
    width = grams.fit_transform(documents).shape[1]
    size = max(1, min(TEXT_DIMENSIONS, width - 1, len(documents) - 1))
    latent = TruncatedSVD(n_components=size, random_state=0)
    return Pipeline([("grams", grams), ("latent", latent), ("scale", StandardScaler())]).fit(documents)
