# ruff: noqa: D416 (numpydoc sections, as scikit-learn writes them)
"""What both estimators have in common: reading ``X``, running the study, predicting in the form of ``Y``."""

from __future__ import annotations

import numbers
import os
import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from sharewise.errors import DataError, OptionError, SharewiseWarning
from sharewise.estimators._learn import Settings, best_alone, compare_within
from sharewise.estimators._tables import as_frame, plain_problem, wide_problem
from sharewise.estimators._targets import Columns, read_columns
from sharewise.families import Predictions
from sharewise.problems._pruning import LEAST_ROWS
from sharewise.serving._rows import read_rows
from sharewise.tasks import Array, Kind
from sharewise.verdicts import Verdict


class ShareEstimator(MultiOutputMixin, BaseEstimator):  # type: ignore[misc]
    """Abstract: an estimator that decides by a study how its targets share a model."""

    def __init__(
        self,
        *,
        budget: str | float | None = None,
        effort: str = "scouting",
        strategies: list[str] | None = None,
        families: list[str] | None = None,
        metric: str | None = None,
        rope: float = 0.01,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        out: str | None = None,
        verbose: int = 0,
    ) -> None:
        self.budget = budget
        self.effort = effort
        self.strategies = strategies
        self.families = families
        self.metric = metric
        self.rope = rope
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.out = out
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Any:
        """Compare, decide, and fit what serves.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or dataframe
            Features. A dataframe may hold numbers, words, dates and gaps; an array numbers and NaN.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), or dataframe
            Targets, NaN or None where a row is not labelled.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        X = self._features(X, reset=True)
        columns = read_columns(y)
        check_consistent_length(X, columns.cells[0])
        kinds, labels = self._labels(columns)
        settings = self._settings()
        compared = len(kinds) > 1 and int((~np.isnan(labels)).any(axis=1).sum()) >= LEAST_ROWS
        if len(kinds) > 1 and not compared:
            warnings.warn(
                f"targets are compared on {LEAST_ROWS} labelled rows or more; there are fewer, so each gets the best "
                "model of its own.",
                SharewiseWarning,
                stacklevel=2,
            )
        make = wide_problem if compared else plain_problem
        problem = make(as_frame(X), columns.names, labels, kinds, self.metric)
        self.verdict_: Verdict | None = None
        if compared:
            self.model_, self.verdict_ = compare_within(problem, settings)
        else:
            self.model_ = best_alone(problem, settings)
        self.n_outputs_ = len(kinds)
        # Without its cells, which are not the estimator's to keep.
        self._form = Columns(columns.form, columns.names, (), (), columns.backend)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.input_tags.allow_nan = True
        tags.non_deterministic = self.budget is not None
        return tags

    @abstractmethod
    def _labels(self, columns: Columns) -> tuple[list[Kind], Array]:
        """Each target's kind, and labels ``(n, T)``, NaN at gaps; keeps what `predict` needs."""

    def _values(self, X: Any) -> Predictions:
        """Predictions ``(n, W)`` a target, in the order of ``Y``'s columns."""
        check_is_fitted(self)
        X = self._features(X, reset=False)
        table, _ = read_rows(self.model_.schema, as_frame(X))
        assert self.model_.model is not None
        return self.model_.model.predict(table, None)

    def _features(self, X: Any, *, reset: bool) -> Any:
        """A dataframe as it is, once names and number of its columns are known; else an array of numbers."""
        if hasattr(X, "columns"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) == 0:
                raise DataError("X has 0 samples, a table of rows is required. Check how it was read.")
            return X
        return validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=1
        )

    def _settings(self) -> Settings:
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        return Settings(
            self.budget,
            self.effort,
            self.strategies,
            self.families,
            self.rope,
            int(seed),
            _workers(self.n_jobs),
            None if self.out is None else Path(self.out),
            not self.verbose,
        )


def _workers(n_jobs: int | None) -> int:
    """Processes, as scikit-learn counts them: None is 1, -1 is one a processor."""
    if n_jobs is None:
        return 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral) or n_jobs == 0:
        raise OptionError(f"n_jobs is a whole number, -1 for one a processor; got {n_jobs!r}.")
    return int(n_jobs) if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + int(n_jobs))


def weights_of(sample_weight: Any, known: NDArray[np.bool_]) -> Any:
    """Weights of the labelled rows, or None."""
    return None if sample_weight is None else np.asarray(sample_weight)[known]
