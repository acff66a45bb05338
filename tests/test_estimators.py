"""`ShareRegressor` and `ShareClassifier`: scikit-learn's own checks, gaps, forms of Y, pipelines, repeatability."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeCV
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import sharewise as sw
from sharewise.errors import OptionError, SharewiseWarning

EXPECTED: dict[str, str] = {}
"""Of scikit-learn's checks those that may fail, with the reason: none."""


def wide(rows: int = 60, gaps: float = 0.2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features with a gap and a word column; three number targets of which the third reads the word only."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        rng.normal(size=(rows, 3)), columns=["a", "b", "c"], index=[f"row {i}" for i in range(rows)]
    )
    X["word"] = rng.choice(["left", "right"], rows)
    signal = X["a"] - 2 * X["b"]
    word = (X["word"] == "left") * 3.0
    Y = pd.DataFrame({"one": signal, "two": 2 * signal + 1, "three": word}) + 0.1 * rng.normal(size=(rows, 3))
    X.iloc[0, 0] = np.nan
    return X, Y.mask(rng.random(Y.shape) < gaps)


@pytest.fixture(scope="module")
def regressor() -> sw.ShareRegressor:
    """Fitted on the wide frame with gaps."""
    return sw.ShareRegressor(families=["linear"], strategies=["separate", "joint"], random_state=0).fit(
        *wide()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    # As they come; the classifier with less to compare, which its three checks of many labels do each.
    [sw.ShareRegressor(), sw.ShareClassifier(families=["trees"], strategies=["separate", "joint"])],
)
@pytest.mark.filterwarnings(
    "ignore"
)  # scikit-learn's checks bring odd data on purpose, and warnings of their own
def test_scikit_learn_finds_nothing(estimator):
    found = check_estimator(estimator, expected_failed_checks=EXPECTED, on_fail=None, on_skip=None)
    assert [check["check_name"] for check in found if check["status"] == "failed"] == []
    assert sum(check["status"] == "passed" for check in found) >= 50


def test_a_wide_y_with_gaps_is_compared_and_predicted_as_it_came(regressor):
    X, Y = wide()
    found = regressor.predict(X)
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns) == ["one", "two", "three"]
    assert (found.index == X.index).all()
    assert found.notna().all(axis=None)
    assert regressor.verdict_.outcome in ("share", "separate", "route", "equivalent", "undecided")
    known = Y.notna()
    each = [r2_score(Y.loc[known[name], name], found.loc[known[name], name]) for name in Y]
    assert regressor.score(X, Y) == pytest.approx(np.mean(each))
    assert min(each) > 0.9
    assert regressor.feature_names_in_.tolist() == ["a", "b", "c", "word"]
    assert regressor.n_features_in_ == 4


def test_the_same_seed_gives_the_same_fit_without_a_clock(regressor):
    X, Y = wide()
    again = clone(regressor).fit(X, Y)
    assert (
        again.verdict_.details["strategies"][0]["score"]
        == regressor.verdict_.details["strategies"][0]["score"]
    )
    pd.testing.assert_frame_equal(again.predict(X), regressor.predict(X))
    read = pickle.loads(pickle.dumps(regressor))
    pd.testing.assert_frame_equal(read.predict(X), regressor.predict(X))


def test_polars_in_polars_out(regressor):
    X, Y = wide()
    found = clone(regressor).fit(pl.from_pandas(X), pl.from_pandas(Y)).predict(pl.from_pandas(X))
    assert isinstance(found, pl.DataFrame)
    np.testing.assert_allclose(found.to_numpy(), regressor.predict(X).to_numpy())


def test_one_target_gets_the_best_single_model():
    X, Y = wide(gaps=0.0)
    numbers = X[["a", "b", "c"]].fillna(0.0).to_numpy()
    model = sw.ShareRegressor(families=["linear"], random_state=0).fit(numbers, Y["one"])
    assert model.verdict_ is None
    found = model.predict(numbers)
    assert found.shape == (len(X),)
    scaled = StandardScaler().fit(numbers)
    own = RidgeCV(np.logspace(-2, 5, 15)).fit(scaled.transform(numbers), Y["one"])
    np.testing.assert_allclose(found, own.predict(scaled.transform(numbers)), rtol=1e-6)
    assert model.fit(numbers, Y[["one"]].to_numpy()).predict(numbers).shape == (len(X), 1)


def test_classes_in_any_form_with_gaps():
    X, Y = wide()
    labels = pd.DataFrame(
        {"sign": np.where(Y["one"] > 0, "up", "down"), "side": X["word"].to_numpy()}, index=X.index
    )
    labels = labels.astype(object).where(Y[["one", "three"]].notna().to_numpy(), None)
    model = sw.ShareClassifier(families=["linear"], strategies=["separate", "joint"], random_state=0)
    model.fit(X, labels)
    assert [classes.tolist() for classes in model.classes_] == [["down", "up"], ["left", "right"]]
    found, shares = model.predict(X), model.predict_proba(X)
    assert [share.shape for share in shares] == [(60, 2), (60, 2)]
    for name, classes, share in zip(labels, model.classes_, shares, strict=True):
        np.testing.assert_allclose(share.sum(axis=1), 1.0)
        assert (classes[share.argmax(axis=1)] == found[name]).all()
    known = labels.notna()
    each = [accuracy_score(labels.loc[known[name], name], found.loc[known[name], name]) for name in labels]
    assert model.score(X, labels) == pytest.approx(np.mean(each))
    assert each[1] == 1.0
    floats = np.where(Y["one"].isna(), np.nan, (Y["one"] > 0) * 5.0)
    one = sw.ShareClassifier(families=["linear"]).fit(X, floats)
    assert one.classes_.tolist() == [0.0, 5.0]
    assert one.predict_proba(X).shape == (60, 2)


def test_a_class_too_rare_to_learn_keeps_its_column():
    X, Y = wide(gaps=0.0)
    codes = np.column_stack([np.digitize(Y["one"], [-1.0, 1.0]), (Y["two"] > 0).to_numpy(int)])
    codes[0, 0] = 7
    model = sw.ShareClassifier(families=["linear"], strategies=["separate", "joint"]).fit(X, codes)
    shares = model.predict_proba(X)[0]
    assert model.classes_[0].tolist() == [0, 1, 2, 7]
    assert (shares[:, 3] == 0).all()
    assert model.predict(X).dtype.kind == "i"


def test_pipelines_grids_and_cross_validation():
    X, Y = wide(rows=48, gaps=0.0)
    columns = ColumnTransformer(
        [("word", OneHotEncoder(sparse_output=False), ["word"])], remainder="passthrough"
    )
    columns.set_output(transform="pandas")
    piped = make_pipeline(columns, sw.ShareRegressor(random_state=0, families=["linear"]))
    assert cross_val_score(piped, X, Y["one"], cv=2).min() > 0.8
    grid = GridSearchCV(piped, {"shareregressor__families": [["linear"], ["trees"]]}, cv=2).fit(X, Y["one"])
    assert grid.best_params_ == {"shareregressor__families": ["linear"]}


def test_an_out_folder_holds_the_study(tmp_path):
    X, Y = wide(gaps=0.0)
    estimator = sw.ShareRegressor(
        families=["linear"], strategies=["separate", "joint"], out=str(tmp_path), random_state=0
    )
    found = estimator.fit(X, Y).predict(X)
    assert {path.name for path in tmp_path.iterdir()} >= {
        "verdict.json",
        "report.html",
        "model",
        "trials.sqlite",
    }
    again = sw.load(tmp_path).predict(X)
    np.testing.assert_allclose(found, again, rtol=1e-12)


def test_what_cannot_be_learnt_is_said():
    X, Y = wide(rows=12, gaps=0.0)
    with pytest.warns(SharewiseWarning, match="20 labelled rows or more"):
        few = sw.ShareRegressor(families=["linear"]).fit(X, Y)
    assert few.verdict_ is None
    assert few.predict(X).shape == (12, 3)
    with pytest.raises(ValueError, match="one class on 12 rows"):
        sw.ShareClassifier().fit(X, np.ones(12))
    with pytest.raises(ValueError, match="NaN alone in 'y1'"):
        sw.ShareRegressor().fit(X, np.column_stack([np.ones(12), np.full(12, np.nan)]))
    with pytest.raises(OptionError, match="effort is one of"):
        sw.ShareRegressor(effort="heroic").fit(X, Y)
    with pytest.raises(OptionError, match="families are some of"):
        sw.ShareRegressor(families=["forests"]).fit(X, Y["one"])
    with pytest.raises(NotFittedError):
        sw.ShareRegressor().predict(X)
