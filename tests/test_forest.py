"""A packed forest predicts what scikit-learn predicts, and damaged arrays are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from sharewise.errors import DataError, OptionError, StorageError
from sharewise.families import _forest
from sharewise.families._forest import Forest

N, P = 300, 6


def data(gaps: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``X (N, P)`` with ties at float32's resolution, targets ``(N, 3)``, classes ``(N,)``."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P))
    X[:, 1] = rng.integers(0, 4, size=N)
    X[:, 2] = 1 + rng.integers(0, 8, size=N) * 2.0**-23
    Y = np.stack([X[:, 0] * X[:, 1], X[:, 3] ** 2, X[:, 4] + X[:, 1]], axis=1) + rng.normal(size=(N, 3)) * 0.1
    labels = np.digitize(Y[:, 0], [-1.0, 1.0])
    if gaps:
        X[rng.random(X.shape) < 0.2] = np.nan
    return X, Y, labels


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("kind", [ExtraTreesRegressor, RandomForestRegressor])
@pytest.mark.parametrize("options", [{}, {"max_leaf_nodes": 20}, {"min_samples_leaf": 7}])
def test_regressor_equals_sklearn(kind: Any, outputs: int, gaps: bool, options: dict[str, int]) -> None:
    X, Y, _ = data(gaps)
    model = kind(25, random_state=0, **options).fit(X[:200], Y[:200, 0] if outputs == 1 else Y[:200])
    forest = Forest.from_sklearn(model)
    expected = model.predict(X).reshape(N, outputs)
    np.testing.assert_allclose(forest.predict(X), expected, rtol=0, atol=1e-10)
    assert forest.width == outputs


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("kind", [ExtraTreesClassifier, RandomForestClassifier])
@pytest.mark.parametrize("weight", [None, "balanced"])
def test_classifier_equals_sklearn(kind: Any, gaps: bool, weight: str | None) -> None:
    X, _, labels = data(gaps)
    model = kind(25, random_state=0, class_weight=weight).fit(X[:200], labels[:200])
    forest = Forest.from_sklearn(model)
    np.testing.assert_allclose(forest.predict(X), model.predict_proba(X), rtol=0, atol=1e-10)


def test_gaps_unseen_in_training_go_where_sklearn_sends_them() -> None:
    X, Y, _ = data(gaps=False)
    model = RandomForestRegressor(20, random_state=0).fit(X, Y)
    holed = X.copy()
    holed[np.random.default_rng(1).random(X.shape) < 0.3] = np.nan
    np.testing.assert_allclose(
        Forest.from_sklearn(model).predict(holed), model.predict(holed), rtol=0, atol=1e-10
    )


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, _ = data(gaps=True)
    model = ExtraTreesRegressor(17, random_state=0).fit(X, Y)
    forest = Forest.from_sklearn(model)
    whole = forest.predict(X)
    for pairs in (1, 7, 450, 100_000):
        monkeypatch.setattr(_forest, "PAIRS", pairs)
        np.testing.assert_allclose(forest.predict(X), whole, rtol=0, atol=1e-12)
    monkeypatch.setattr(_forest, "VALUE_BYTES", 1)
    np.testing.assert_allclose(forest.predict(X[:5]), whole[:5], rtol=0, atol=1e-12)


def test_thresholds_decide_like_float64_ones() -> None:
    rng = np.random.default_rng(3)
    threshold = np.concatenate([rng.normal(size=1000), [0.0, 1e-50, -1e-50, 1e300, -1e300, 3.4e38]])
    below = _forest._float32_below(threshold)
    near = threshold.clip(-3.4e38, 3.4e38).astype(np.float32)
    for x in (near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))):
        np.testing.assert_array_equal(x <= below, x.astype(np.float64) <= threshold)


def test_edges() -> None:
    X, Y, _ = data(gaps=False)
    forest = Forest.from_sklearn(ExtraTreesRegressor(3, random_state=0).fit(X, Y))
    assert forest.predict(X[:0]).shape == (0, 3)
    huge = np.full((1, P), 1e300)
    assert np.isfinite(forest.predict(huge)).all()
    np.testing.assert_array_equal(forest.predict(np.asfortranarray(X)), forest.predict(X))
    with pytest.raises(DataError, match="6 features"):
        forest.predict(X[:, :5])
    stump = Forest.from_sklearn(ExtraTreesRegressor(2, max_leaf_nodes=2).fit(X, np.ones(N)))
    np.testing.assert_allclose(stump.predict(X), 1.0)
    assert stump.size_bytes == 2 * 13 + 2 * 8 + 2 * 4


def test_from_sklearn_refuses_what_it_cannot_hold() -> None:
    X, _, labels = data(gaps=False)
    with pytest.raises(OptionError, match="GradientBoostingRegressor"):
        Forest.from_sklearn(GradientBoostingRegressor())
    with pytest.raises(OptionError, match="fit this"):
        Forest.from_sklearn(ExtraTreesRegressor())
    with pytest.raises(OptionError, match="one target"):
        Forest.from_sklearn(ExtraTreesClassifier(2).fit(X, np.stack([labels, labels], axis=1)))


def small() -> Forest:
    X, Y, _ = data(gaps=False)
    return Forest.from_sklearn(ExtraTreesRegressor(3, max_depth=3, random_state=0).fit(X, Y))


def changed(array: np.ndarray, place: int, value: object) -> np.ndarray:
    copy = array.copy()
    copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("left", lambda f: changed(f.left, 0, 0)),
        ("left", lambda f: changed(f.left, 2, 1)),
        ("left", lambda f: changed(f.left, 0, len(f.left) - 1)),
        ("left", lambda f: changed(f.left, -1, ~len(f.value))),
        ("left", lambda f: f.left[:-1]),
        ("left", lambda f: f.left.astype(np.int64)),
        ("feature", lambda f: changed(f.feature, 0, P)),
        ("feature", lambda f: changed(f.feature, 0, -1)),
        ("roots", lambda f: changed(f.roots, 0, len(f.left))),
        ("roots", lambda f: changed(f.roots, 0, -1)),
        ("roots", lambda f: f.roots[:0]),
        ("value", lambda f: f.value[:-1]),
        ("value", lambda f: f.value[:, 0]),
        ("missing_left", lambda f: np.zeros_like(f.missing_left)),
        ("threshold", lambda f: "0.5"),
        ("n_features", lambda f: 0),
        ("n_features", lambda f: True),
    ],
)
def test_damage_is_refused(name: str, damage: Any) -> None:
    forest = small()
    with pytest.raises(StorageError, match="damaged"):
        replace(forest, **{name: damage(forest)})


def test_random_damage_never_loops_nor_crashes() -> None:
    forest, rng = small(), np.random.default_rng(0)
    X = rng.normal(size=(20, P))
    refused = 0
    for _ in range(300):
        name = rng.choice(["left", "feature", "roots"])
        array = getattr(forest, name).copy()
        array.view(np.uint8)[rng.integers(array.nbytes)] ^= rng.integers(1, 256, dtype=np.uint8)
        try:
            other = replace(forest, **{name: array})
        except StorageError:
            refused += 1
        else:
            assert other.predict(X).shape == (20, 3)
    assert refused > 200
