"""Encoded tables are bit for bit what scikit-learn's own steps give, for words and gaps never seen too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sharewise.errors import StorageError
from sharewise.modalities._scaling import Scaling
from sharewise.modalities._word_columns import WordColumns


def numbers(rows: int, seed: int) -> np.ndarray:
    """Columns with gaps, without, of one value, and of gaps only."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 5)) * [1, 1e-8, 1e6, 0, 1]
    X[rng.random((rows, 5)) < [0.2, 0, 0.1, 0, 1]] = np.nan
    return X


def words(rows: int, seed: int) -> np.ndarray:
    """Columns of few and of many words, and of one."""
    rng = np.random.default_rng(seed)
    cells = np.empty((rows, 3), dtype=object)
    cells[:, 0] = rng.choice(["(missing)", "red", "§", "bleu é"], rows)
    cells[:, 1] = [f"town {place}" for place in np.minimum(rng.geometric(0.05, rows), 80)]
    cells[:, 2] = "only"
    return cells


def test_scaled_numbers() -> None:
    steps = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    steps.fit(numbers(60, 0))
    scaling = Scaling.fit(numbers(60, 0))
    assert scaling.columns == [0, 1, 2, 3, 4, 0, 2, 4]
    for seed in (0, 1):
        X = numbers(60, seed)
        whole = X.copy()
        np.testing.assert_array_equal(scaling.transform(X), steps.transform(X))
        np.testing.assert_array_equal(X, whole)


@pytest.mark.parametrize("most", [2, 4, 20, 500])
def test_words_as_columns_and_as_codes(most: int) -> None:
    hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=most, sparse_output=False)
    code = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=most)
    pairs: list[tuple[WordColumns, Any]] = [
        (WordColumns.one_hot(words(200, 0), most), hot.fit(words(200, 0))),
        (WordColumns.codes(words(200, 0), most), code.fit(words(200, 0))),
    ]
    unseen = words(50, 2)
    unseen[:9, :] = "never seen"
    for own, fitted in pairs:
        for cells in (words(200, 0), words(200, 1), unseen):
            np.testing.assert_array_equal(own.transform(cells), fitted.transform(cells))
        assert len(own.columns) == own.transform(unseen).shape[1]


def test_damaged_state_is_refused() -> None:
    scaling, hot = Scaling.fit(numbers(60, 0)), WordColumns.one_hot(words(60, 0), 4)
    for change in ({"gaps": np.array([9, 0, 0])}, {"mean": np.zeros(3)}, {"fills": np.zeros((5, 1))}):
        with pytest.raises(StorageError, match="damaged"):
            replace(scaling, **change)
    for change in (
        {"widths": (1, 1)},
        {"widths": (1, 1, 1)},
        {"places": hot.places[1:]},
        {"words": ((), (), ())},
    ):
        with pytest.raises(StorageError, match="damaged"):
            replace(hot, **change)
