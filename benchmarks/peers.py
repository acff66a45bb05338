"""The field's own tools as a careful user would run them: what sharewise is measured against.

Time every peer once on a table (from the repository root; one thread, as in all benchmarks)::

    OMP_NUM_THREADS=1 python benchmarks/peers.py slump
    OMP_NUM_THREADS=1 python benchmarks/peers.py emotions --peers logistic_per_target,classifier_chain
    OMP_NUM_THREADS=1 python benchmarks/peers.py school --option per_school=15

In code::

    peers.regression()["chain_ridge"].fit_predict(train_frame, Y_train, test_frame, seed)   # (n, T)

`regression`, `classification` and `long_regression` name the peers. All of a kind share one scikit-learn
preprocessing, fitted on the training rows. A label may be missing (NaN): models of one target use the rows
that it is labelled for, models of all targets the rows without a gap.

Symbols: ``N`` training rows, ``n`` test rows, ``D`` features after preprocessing, ``T`` targets.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, MultiTaskElasticNetCV, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, train_test_split
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor, RegressorChain
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import scores
import tables

Array = NDArray[np.float64]
OnFrames = Callable[[pd.DataFrame, Array, pd.DataFrame, int], Array]
OnMatrices = Callable[[Array, Array, Array, int], Array]

ALPHAS: Final = np.logspace(-3, 5, 17)


@dataclass(frozen=True)
class Timed:
    """Predictions ``(n, T)`` and the wall-clock seconds of preprocessing, fitting and predicting."""

    prediction: Array
    seconds: float


@dataclass(frozen=True)
class Peer:
    """One tool: fitted on training rows, asked about test rows."""

    name: str
    _run: OnFrames

    def fit_predict(
        self, train_frame: pd.DataFrame, Y_train: ArrayLike, test_frame: pd.DataFrame, seed: int
    ) -> Array:
        """Predictions for the test rows, ``(n, T)``; for classification the probability of class 1."""
        labels = np.asarray(Y_train, np.float64)
        labels = labels.reshape(len(labels), -1)
        return self._run(train_frame, labels, test_frame, seed)

    def timed(
        self, train_frame: pd.DataFrame, Y_train: ArrayLike, test_frame: pd.DataFrame, seed: int
    ) -> Timed:
        """The same with its seconds."""
        start = time.perf_counter()
        prediction = self.fit_predict(train_frame, Y_train, test_frame, seed)
        return Timed(prediction, time.perf_counter() - start)


# --- preprocessing ------------------------------------------------------------------------------------


def preprocessing() -> Pipeline:
    """Mixed columns with gaps to ``(N, D)`` float64 without constant columns.

    A column without any value in the training rows becomes constant and goes.
    """
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include=["number"])),
            ("categories", categories, make_column_selector(dtype_exclude=["number"])),
        ]
    )
    return make_pipeline(columns, VarianceThreshold())


def matrices(train_frame: pd.DataFrame, test_frame: pd.DataFrame) -> tuple[Array, Array]:
    """Both parts as ``(N, D)`` and ``(n, D)``; fitted on the first."""
    prepare = preprocessing()
    train = prepare.fit_transform(_plain(train_frame))
    return np.asarray(train, np.float64), np.asarray(prepare.transform(_plain(test_frame)), np.float64)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of two kinds: float64, and objects that are ``str`` or None."""
    plain: dict[Any, Any] = {}
    for name in frame:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column):
            plain[name] = column.astype(np.float64)
        else:
            plain[name] = column.astype(object).where(column.notna(), None)
    return pd.DataFrame(plain, index=frame.index)


def _on_matrices(run: OnMatrices) -> OnFrames:
    def run_frames(train: pd.DataFrame, labels: Array, test: pd.DataFrame, seed: int) -> Array:
        x, x_new = matrices(train, test)
        return run(x, labels, x_new, seed)

    return run_frames


# --- estimators that scikit-learn and LightGBM leave to the user ---------------------------------------


def _leaf_rows(n: int) -> int:
    """LightGBM's default of 20 rows a leaf allows no split worth having below some 200 rows."""
    return int(np.clip(n // 20, 3, 20))


def _boosting_options(n: int, seed: int) -> dict[str, Any]:
    return {
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_child_samples": _leaf_rows(n),
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.8,
        "random_state": seed,
        "n_jobs": 1,
        "verbose": -1,
    }


class StoppedBoostingRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """LightGBM: rounds by early stopping on 20% of the rows, then refitted with them on all rows."""

    def __init__(self, max_rounds: int = 2000, patience: int = 50, seed: int = 0):
        self.max_rounds = max_rounds
        self.patience = patience
        self.seed = seed

    def fit(self, X: Array, y: Array, categorical_feature: list[int] | Literal["auto"] = "auto") -> Self:
        y = np.asarray(y, np.float64).ravel()
        options = _boosting_options(len(y), self.seed)
        rounds = 30
        if len(y) >= 15:
            x_fit, x_stop, y_fit, y_stop = train_test_split(X, y, test_size=0.2, random_state=self.seed)
            stopped = lgb.LGBMRegressor(n_estimators=self.max_rounds, **options).fit(
                x_fit,
                y_fit,
                eval_X=x_stop,
                eval_y=y_stop,
                callbacks=[lgb.early_stopping(self.patience, verbose=False)],
                categorical_feature=categorical_feature,
            )
            rounds = max(1, stopped.best_iteration_)
        self.model_ = lgb.LGBMRegressor(n_estimators=rounds, **options)
        self.model_.fit(X, y, categorical_feature=categorical_feature)
        return self

    def predict(self, X: Array) -> Array:
        return np.asarray(self.model_.predict(X), np.float64)


class StoppedBoostingClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The same for two classes; the 20% are stratified."""

    def __init__(self, max_rounds: int = 2000, patience: int = 50, seed: int = 0):
        self.max_rounds = max_rounds
        self.patience = patience
        self.seed = seed

    def fit(self, X: Array, y: Array) -> Self:
        options = _boosting_options(len(y), self.seed)
        x_fit, x_stop, y_fit, y_stop = train_test_split(
            X, y, test_size=0.2, random_state=self.seed, stratify=y
        )
        stopped = lgb.LGBMClassifier(n_estimators=self.max_rounds, **options).fit(
            x_fit,
            y_fit,
            eval_X=x_stop,
            eval_y=y_stop,
            callbacks=[lgb.early_stopping(self.patience, verbose=False)],
        )
        self.model_ = lgb.LGBMClassifier(n_estimators=max(1, stopped.best_iteration_), **options).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X: Array) -> Array:
        return np.asarray(self.model_.predict_proba(X), np.float64)

    def predict(self, X: Array) -> Array:
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class ReducedRankRidge(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge whose fitted values keep only their leading directions, rank by 5-fold validation.

    Izenman, Reduced-rank regression for the multivariate linear model (1975), with a ridge penalty
    (Mukherjee & Zhu, 2011): fit ``B`` by ridge, then ``B V V'`` with ``V`` the leading right singular
    vectors of ``X B``. Expects centred and scaled targets.
    """

    def __init__(self, seed: int = 0):
        self.seed = seed

    def fit(self, X: Array, y: Array) -> Self:
        n_targets = y.shape[1]
        errors = np.zeros(n_targets)
        for fit, check in KFold(5, shuffle=True, random_state=self.seed).split(X):
            ridge = RidgeCV(ALPHAS).fit(X[fit], y[fit])
            directions = self._directions(ridge, X[fit])
            guess = ridge.predict(X[check]) - ridge.intercept_
            for rank in range(1, n_targets + 1):
                v = directions[:, :rank]
                errors[rank - 1] += np.sum((y[check] - ridge.intercept_ - guess @ v @ v.T) ** 2)
        self.rank_ = int(errors.argmin()) + 1
        self.ridge_ = RidgeCV(ALPHAS).fit(X, y)
        v = self._directions(self.ridge_, X)[:, : self.rank_]
        self.projection_ = v @ v.T
        return self

    @staticmethod
    def _directions(ridge: RidgeCV, X: Array) -> Array:
        fitted = ridge.predict(X) - ridge.intercept_
        return np.asarray(np.linalg.svd(fitted, full_matrices=False)[2].T, np.float64)

    def predict(self, X: Array) -> Array:
        guess = self.ridge_.predict(X) - self.ridge_.intercept_
        return np.asarray(guess @ self.projection_ + self.ridge_.intercept_, np.float64)


def _scaled(regressor: Any) -> TransformedTargetRegressor:
    """Targets at one scale, for models whose penalty or split joins them."""
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def _forest(seed: int, trees: int = 300, leaf: int = 1) -> ExtraTreesRegressor:
    return ExtraTreesRegressor(trees, min_samples_leaf=leaf, random_state=seed, n_jobs=1)


# --- regression, wide ---------------------------------------------------------------------------------


def _per_target(make: Callable[[int], Any], x: Array, labels: Array, x_new: Array, seed: int) -> Array:
    """One clone a target: `MultiOutputRegressor`, or by hand where labels are missing."""
    known = ~np.isnan(labels)
    if known.all():
        model = MultiOutputRegressor(make(seed), n_jobs=1).fit(x, labels)
        return np.asarray(model.predict(x_new), np.float64)
    columns = []
    for t in range(labels.shape[1]):
        rows = known[:, t]
        columns.append(clone(make(seed)).fit(x[rows], labels[rows, t]).predict(x_new))
    return np.column_stack(columns)


def _jointly(make: Callable[[int], Any], x: Array, labels: Array, x_new: Array, seed: int) -> Array:
    """One model of all targets, on the rows without a gap."""
    rows = _complete(labels)
    prediction = _scaled(make(seed)).fit(x[rows], labels[rows]).predict(x_new)
    return np.asarray(prediction, np.float64).reshape(len(x_new), -1)


def _complete(labels: Array) -> NDArray[np.bool_]:
    rows = np.asarray(~np.isnan(labels).any(axis=1))
    if rows.sum() < 6:
        raise ValueError(f"a model of all targets needs at least 6 rows without a gap; got {rows.sum()}.")
    return rows


def _ridge(seed: int) -> RidgeCV:
    return RidgeCV(ALPHAS)


def _hist_boosting(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        learning_rate=0.05,
        max_iter=1000,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=30,
        random_state=seed,
    )


def _lightgbm_default(seed: int) -> lgb.LGBMRegressor:
    return lgb.LGBMRegressor(random_state=seed, n_jobs=1, verbose=-1)


def _lightgbm_stopped(seed: int) -> StoppedBoostingRegressor:
    return StoppedBoostingRegressor(seed=seed)


def _chain(base: Callable[[int], Any]) -> Callable[[int], RegressorChain]:
    """A chain in the table's order; earlier targets enter as out-of-fold predictions.

    Folds are shuffled: several tables here are sorted, and scikit-learn's ``cv=5`` would cut them in order.
    """

    def make(seed: int) -> RegressorChain:
        return RegressorChain(base(seed), cv=KFold(5, shuffle=True, random_state=seed), random_state=seed)

    return make


def _elastic_net(seed: int) -> MultiTaskElasticNetCV:
    return MultiTaskElasticNetCV(
        l1_ratio=[0.1, 0.5, 0.9],
        alphas=30,
        eps=1e-3,
        cv=KFold(5, shuffle=True, random_state=seed),
        tol=1e-3,
        max_iter=20_000,
        n_jobs=1,
    )


def _forest_tuned(seed: int) -> GridSearchCV:
    cv = KFold(3, shuffle=True, random_state=seed)
    grid = {"min_samples_leaf": [1, 3, 10]}
    return GridSearchCV(_forest(seed), grid, scoring="neg_mean_squared_error", cv=cv, n_jobs=1)


def _stacking(seed: int) -> StackingRegressor:
    boosting = lgb.LGBMRegressor(n_estimators=150, **_boosting_options(200, seed))
    members = [("ridge", _ridge(seed)), ("lightgbm", boosting), ("extra_trees", _forest(seed, trees=150))]
    cv = KFold(5, shuffle=True, random_state=seed)
    return StackingRegressor(members, final_estimator=RidgeCV(ALPHAS), cv=cv, n_jobs=1)


def _alone(name: str, make: Callable[[int], Any]) -> Peer:
    return Peer(name, _on_matrices(partial(_per_target, make)))


def _together(name: str, make: Callable[[int], Any]) -> Peer:
    return Peer(name, _on_matrices(partial(_jointly, make)))


def _mlp(seed: int) -> MLPRegressor:
    # The rate and the patience of the library's own networks, so that both sides have one of each family.
    return MLPRegressor(
        hidden_layer_sizes=(128, 128),
        learning_rate_init=2e-3,
        early_stopping=True,
        n_iter_no_change=30,
        max_iter=2000,
        random_state=seed,
    )


def _named(*all_peers: Peer) -> dict[str, Peer]:
    return {peer.name: peer for peer in all_peers}


def regression() -> dict[str, Peer]:
    """The peers of a wide regression table."""
    return _named(
        _alone("ridge_per_target", _ridge),
        _alone("hist_boosting_per_target", _hist_boosting),
        _alone("extra_trees_per_target", _forest),
        _alone("lightgbm_default", _lightgbm_default),
        _alone("lightgbm_early_stopping", _lightgbm_stopped),
        _alone("stacking_per_target", _stacking),
        _together("chain_ridge", _chain(_ridge)),
        _together("chain_extra_trees", _chain(partial(_forest, trees=100))),
        _together("multitask_elastic_net", _elastic_net),
        _together("extra_trees_multi", _forest),
        _together("extra_trees_multi_tuned", _forest_tuned),
    )


def more_regression() -> dict[str, Peer]:
    """Further candidates of the long reference: less usual, or variants of the above."""
    return _named(
        _alone("extra_trees_per_target_leaf5", partial(_forest, leaf=5)),
        _together("extra_trees_multi_leaf5", partial(_forest, leaf=5)),
        _together("chain_lightgbm", _chain(_lightgbm_stopped)),
        _together("reduced_rank_ridge", lambda seed: ReducedRankRidge(seed)),
        _alone("mlp_per_target", lambda seed: _scaled(_mlp(seed))),
        _together("mlp_multi", _mlp),
    )


# --- classification, wide -----------------------------------------------------------------------------


def _rarest(y: Array) -> int:
    """Rows of the rarer class."""
    ones = int(np.sum(y > 0.5))
    return min(ones, len(y) - ones)


def _binary_per_target(
    make: Callable[[int, int], Any], x: Array, labels: Array, x_new: Array, seed: int
) -> Array:
    """One classifier a target on its labelled rows; the base rate where a class has under five of them."""
    columns = []
    for t in range(labels.shape[1]):
        rows = ~np.isnan(labels[:, t])
        y = labels[rows, t]
        if (rarest := _rarest(y)) < 5:
            columns.append(np.full(len(x_new), y.mean()))
            continue
        model = make(seed, min(5, rarest)).fit(x[rows], y.astype(int))
        columns.append(model.predict_proba(x_new)[:, 1])
    return np.column_stack(columns)


def _logistic(seed: int, cv: int) -> LogisticRegressionCV:
    return LogisticRegressionCV(
        Cs=np.logspace(-4, 2, 7),
        l1_ratios=(0.0,),
        cv=StratifiedKFold(cv, shuffle=True, random_state=seed),
        scoring="neg_log_loss",
        max_iter=3000,
        use_legacy_attributes=False,
        n_jobs=1,
    )


def _stacking_classifier(seed: int, cv: int) -> StackingClassifier:
    boosting = lgb.LGBMClassifier(n_estimators=150, **_boosting_options(200, seed))
    trees = ExtraTreesClassifier(150, min_samples_leaf=2, random_state=seed, n_jobs=1)
    return StackingClassifier(
        [("logistic", _logistic(seed, 3)), ("lightgbm", boosting), ("extra_trees", trees)],
        final_estimator=_logistic(seed, cv),
        cv=StratifiedKFold(cv, shuffle=True, random_state=seed),
        stack_method="predict_proba",
        n_jobs=1,
    )


def _classifiers_jointly(
    run: Callable[[Array, NDArray[np.int64], Array, int], Array],
    x: Array,
    labels: Array,
    x_new: Array,
    seed: int,
) -> Array:
    """One model of the targets that have both classes, on the rows without a gap; base rates for the rest."""
    rows = _complete(labels)
    prediction = np.tile(np.nanmean(labels, axis=0), (len(x_new), 1))
    usable = [t for t in range(labels.shape[1]) if _rarest(labels[rows, t]) >= 5]
    if usable:
        prediction[:, usable] = run(x[rows], labels[rows][:, usable].astype(int), x_new, seed)
    return prediction


def _classifier_chain(x: Array, y: NDArray[np.int64], x_new: Array, seed: int) -> Array:
    chain = ClassifierChain(
        _logistic(seed, 3),
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
        chain_method="predict_proba",
        random_state=seed,
    )
    return np.asarray(chain.fit(x, y).predict_proba(x_new), np.float64)


def _forest_of_all(x: Array, y: NDArray[np.int64], x_new: Array, seed: int) -> Array:
    forest = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=seed, n_jobs=1).fit(x, y)
    each = forest.predict_proba(x_new)
    return np.column_stack([p[:, 1] for p in (each if isinstance(each, list) else [each])])


def classification() -> dict[str, Peer]:
    """The peers of a wide table of binary targets; they predict the probability of class 1."""

    def alone(name: str, make: Callable[[int, int], Any]) -> Peer:
        return Peer(name, _on_matrices(partial(_binary_per_target, make)))

    def together(name: str, run: Callable[[Array, NDArray[np.int64], Array, int], Array]) -> Peer:
        return Peer(name, _on_matrices(partial(_classifiers_jointly, run)))

    def lightgbm_default(seed: int, cv: int) -> lgb.LGBMClassifier:
        return lgb.LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1)

    def extra_trees(seed: int, cv: int) -> ExtraTreesClassifier:
        return ExtraTreesClassifier(300, min_samples_leaf=2, random_state=seed, n_jobs=1)

    return _named(
        alone("logistic_per_target", _logistic),
        alone("lightgbm_default", lightgbm_default),
        alone("lightgbm_early_stopping", lambda seed, cv: StoppedBoostingClassifier(seed=seed)),
        alone("extra_trees_per_target", extra_trees),
        alone("stacking_per_target", _stacking_classifier),
        together("classifier_chain", _classifier_chain),
        together("extra_trees_multi", _forest_of_all),
    )


# --- regression, long ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _LongParts:
    """Matrices without the task column, and the place of each row's task (-1: unseen in training)."""

    x: Array
    x_new: Array
    place: NDArray[np.intp]
    place_new: NDArray[np.intp]
    n_tasks: int

    def dummies(self) -> tuple[Array, Array]:
        """``(N, n_tasks)`` and ``(n, n_tasks)``; a row of zeros for an unseen task."""
        eye = np.vstack([np.eye(self.n_tasks), np.zeros(self.n_tasks)])
        return eye[self.place], eye[self.place_new]


def _long_parts(task: str, train: pd.DataFrame, test: pd.DataFrame) -> _LongParts:
    x, x_new = matrices(train.drop(columns=task), test.drop(columns=task))
    names = pd.Index(pd.unique(train[task]))
    place, place_new = names.get_indexer(pd.Index(train[task])), names.get_indexer(pd.Index(test[task]))
    return _LongParts(x, x_new, place, place_new, len(names))


def _per_task(make: Callable[[int], Any], parts: _LongParts, y: Array, seed: int) -> Array:
    """A model of each task's own rows; its mean below five rows, all rows' mean for an unseen task."""
    prediction = np.full(len(parts.x_new), y.mean())
    for s in range(parts.n_tasks):
        rows, rows_new = parts.place == s, parts.place_new == s
        if not rows_new.any():
            continue
        if rows.sum() < 5:
            prediction[rows_new] = y[rows].mean()
        else:
            prediction[rows_new] = make(seed).fit(parts.x[rows], y[rows]).predict(parts.x_new[rows_new])
    return prediction


def _pooled(parts: _LongParts, y: Array, seed: int) -> Array:
    return np.asarray(RidgeCV(ALPHAS).fit(parts.x, y).predict(parts.x_new), np.float64)


def _pooled_with_dummies(parts: _LongParts, y: Array, seed: int) -> Array:
    """What most would write: the task one-hot beside the features, one penalty for both."""
    dummies, dummies_new = parts.dummies()
    model = RidgeCV(ALPHAS).fit(np.hstack([parts.x, dummies]), y)
    return np.asarray(model.predict(np.hstack([parts.x_new, dummies_new])), np.float64)


def _pooled_with_offsets(parts: _LongParts, y: Array, seed: int) -> Array:
    """A random-intercept model: the posterior mode has a penalty for offsets apart from that for slopes.

    Dummies times ``scale`` in a ridge have the penalty ``alpha / scale²``; both by leave-one-out error.
    """
    dummies, dummies_new = parts.dummies()
    best: RidgeCV | None = None
    chosen = 0.0
    for scale in (0.0, 0.3, 1.0, 3.0, 10.0, 30.0):
        model = RidgeCV(ALPHAS).fit(np.hstack([parts.x, scale * dummies]), y)
        if best is None or model.best_score_ > best.best_score_:
            best, chosen = model, scale
    assert best is not None
    return np.asarray(best.predict(np.hstack([parts.x_new, chosen * dummies_new])), np.float64)


def _pooled_boosting(parts: _LongParts, y: Array, seed: int) -> Array:
    """One booster, the task a categorical feature (NaN for an unseen task)."""

    def joined(x: Array, place: NDArray[np.intp]) -> Array:
        return np.column_stack([np.where(place < 0, np.nan, place), x])

    model = StoppedBoostingRegressor(seed=seed).fit(joined(parts.x, parts.place), y, categorical_feature=[0])
    return model.predict(joined(parts.x_new, parts.place_new))


def _boosting_of_task(seed: int) -> StoppedBoostingRegressor:
    return StoppedBoostingRegressor(max_rounds=500, seed=seed)


def long_regression(task: str) -> dict[str, Peer]:
    """The peers of a long regression table; frames hold the column ``task``, ``Y_train`` is ``(N, 1)``."""

    def peer(name: str, run: Callable[[_LongParts, Array, int], Array]) -> Peer:
        def run_frames(train: pd.DataFrame, labels: Array, test: pd.DataFrame, seed: int) -> Array:
            if labels.shape[1] != 1 or np.isnan(labels).any():
                raise ValueError("long peers take one target without gaps.")
            return run(_long_parts(task, train, test), labels[:, 0], seed)[:, None]

        return Peer(name, run_frames)

    def per_task(make: Callable[[int], Any]) -> Callable[[_LongParts, Array, int], Array]:
        return lambda parts, y, seed: _per_task(make, parts, y, seed)

    return _named(
        peer("ridge_per_task", per_task(_ridge)),
        peer("lightgbm_per_task", per_task(_boosting_of_task)),
        peer("extra_trees_per_task", per_task(partial(_forest, trees=50))),
        peer("ridge_pooled", _pooled),
        peer("ridge_pooled_one_hot", _pooled_with_dummies),
        peer("ridge_pooled_offsets", _pooled_with_offsets),
        peer("lightgbm_pooled", _pooled_boosting),
    )


# --- by hand ------------------------------------------------------------------------------------------


def suited(loaded: tables.Loaded) -> dict[str, Peer]:
    """The peers for a table's shape."""
    if loaded.task is not None:
        return long_regression(loaded.task)
    return classification() if loaded.is_classification else regression()


def main() -> None:
    parser = argparse.ArgumentParser(description="One fold of a table, each peer: mean RMSE over the floor.")
    parser.add_argument("table", choices=tables.NAMES)
    parser.add_argument("--peers", help="names, comma separated; all when left out")
    parser.add_argument("--option", action="append", default=[], help="of the table, as name=integer")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    options = {name: int(value) for name, value in (pair.split("=") for pair in arguments.option)}
    loaded = tables.load(arguments.table, **options)
    frame, labels = loaded.features, loaded.labels
    train, test = tables.folds(loaded, 5, arguments.seed)[0]
    floor = scores.rmse(labels[test], np.tile(np.nanmean(labels[train], axis=0), (len(test), 1)))
    chosen = suited(loaded)
    for name in arguments.peers.split(",") if arguments.peers else chosen:
        result = chosen[name].timed(frame.iloc[train], labels[train], frame.iloc[test], arguments.seed)
        error = scores.rmse(labels[test], result.prediction)[floor > 0] / floor[floor > 0]
        print(f"{arguments.table:18} {name:28} {error.mean():.4f} {result.seconds:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
