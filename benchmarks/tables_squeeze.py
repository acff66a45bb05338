"""Texts and pixels as a few dozen numbers, and tables cut to a size at which a study is cheap.

Nothing to run; the loaders of texts and pictures and the problems of ``verdict.py`` use it.

The directions of a squeeze are found on the features of *all* rows of a table, future test rows included,
never on labels: a benchmark of decisions between strategies may do that, as it favours none of them; a
claim about a table's absolute score may not.

Symbols: ``N`` rows, ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from tables_base import Loaded


def squeeze_texts(texts: Sequence[str], columns: int, *, prefix: str = "t", **options: Any) -> pd.DataFrame:
    """TF-IDF and its first singular directions (latent semantic analysis), ``(N, columns)``.

    Args:
        options: Of scikit-learn's ``TfidfVectorizer``; words and pairs of words by default.
    """
    options = {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True, **options}
    found = TfidfVectorizer(**options).fit_transform(texts)
    values = TruncatedSVD(columns, random_state=0).fit_transform(found)
    return pd.DataFrame(values, columns=[f"{prefix}{j}" for j in range(columns)])


def squeeze_pixels(pixels: ArrayLike, columns: int) -> pd.DataFrame:
    """First principal components of pictures ``(N, …)``, ``(N, columns)``."""
    flat = np.asarray(pixels, np.float64).reshape(len(np.asarray(pixels)), -1)
    values = PCA(columns, svd_solver="randomized", random_state=0).fit_transform(flat)
    return pd.DataFrame(values, columns=[f"p{j}" for j in range(columns)])


def cap(
    loaded: Loaded,
    *,
    rows: int | None = None,
    levels: int | None = None,
    targets: int | None = None,
    columns: int | None = None,
    seed: int = 0,
) -> Loaded:
    """At most so many of each, chosen at random; what is kept stays in its order and as it is.

    Args:
        rows: Of groups, where there are any, whole ones; of tasks each in proportion.
        levels: Tasks of a long table.
        targets: Of a wide table; the others leave the table, lest they give these away.
        columns: Features; the task column does not count.
    """
    random = np.random.default_rng(seed)
    frame, kwargs = loaded.frame, dict(loaded.kwargs)
    if targets is not None and len(loaded.targets) > targets:
        kept = sorted(random.permutation(len(loaded.targets))[:targets])
        names = [loaded.targets[place] for place in kept]
        frame = frame.drop(columns=[name for name in loaded.targets if name not in names])
        kinds = {name: kind for name, kind in kwargs.get("kinds", {}).items() if name in names}
        kwargs |= {"targets": names, "kinds": kinds}
    features = [name for name in Loaded(frame, kwargs).features if name != loaded.task]
    if columns is not None and len(features) > columns:
        out = random.permutation(len(features))[columns:]
        frame = frame.drop(columns=[features[place] for place in out])
    if levels is not None and loaded.task is not None:
        found = frame[loaded.task].drop_duplicates()
        frame = frame[frame[loaded.task].isin(found.sample(min(levels, len(found)), random_state=seed))]
    frame = frame[frame[kwargs["targets"]].notna().any(axis=1)]
    if rows is not None and len(frame) > rows:
        frame = _fewer_rows(frame, loaded.group, loaded.task, rows, seed)
    return Loaded(frame.reset_index(drop=True), kwargs)


def _fewer_rows(
    frame: pd.DataFrame, group: str | None, task: str | None, rows: int, seed: int
) -> pd.DataFrame:
    if group is not None:
        sizes = frame[group].value_counts(sort=False).sample(frac=1.0, random_state=seed)
        return frame[frame[group].isin(sizes.index[sizes.cumsum() <= rows])]
    if task is None:
        return frame.sample(rows, random_state=seed).sort_index()
    # Every task keeps its share of the rows, lest small ones vanish.
    mixed = frame.sample(frac=1.0, random_state=seed)
    sizes = mixed.groupby(task)[task].transform("size")
    return mixed[mixed.groupby(task).cumcount() < sizes * rows // len(frame)].sort_index()
