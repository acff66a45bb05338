# ruff: noqa: D416 (numpydoc sections, as scikit-learn writes them)
"""`ShareRegressor`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from sharewise.errors import DataError
from sharewise.estimators._base import ShareEstimator, weights_of
from sharewise.estimators._targets import Columns, in_form, read_columns
from sharewise.tasks import Array, Kind, Regression


class ShareRegressor(RegressorMixin, ShareEstimator):  # type: ignore[misc]
    """Regression of several targets by the models that a fair comparison decides for.

    ``fit`` compares one model for each target with models that the targets share, under equal effort and on rows held
    out, and keeps what wins; see `sharewise.compare`. With a single target there is nothing to share: the best
    single-task model by held-out error is kept.

    Parameters
    ----------
    budget : str or float, default=None
        Wall clock of a fit (``"5min"``, seconds). What fits into it depends on the machine; None bounds the
        work by ``effort`` instead, so that a fit can be repeated exactly.

    effort : {"scouting", "quick", "standard", "thorough"}, default="scouting"
        How much is tried where ``budget`` is None.

    strategies : list of str, default=None
        Some of ``"separate"``, ``"joint"``, ``"chained"``, ``"grouped"``, ``"ensemble"``; None for all.

    families : list of str, default=None
        Some of ``"linear"``, ``"trees"``, ``"network"``; None for all, without networks below 300 rows.

    metric : {"rmse", "mae", "r2"}, default=None
        What decides; None for the root mean squared error.

    rope : float, default=0.01
        Relative difference that is too small to matter.

    random_state : int, RandomState instance or None, default=None
        Source of all randomness.

    n_jobs : int, default=None
        Processes; None for one, -1 for one a processor.

    out : str, default=None
        Folder for the study's trials, report and model; the same fit again resumes.

    verbose : int, default=0
        Whether progress is shown.

    Attributes
    ----------
    model_ : sharewise.serving.DeployedModel
        What serves, to save, export and serve.

    verdict_ : sharewise.Verdict or None
        The decision and its reasons; None where nothing was compared: for a single target, or below 20 rows.

    n_outputs_ : int
        Number of targets.

    n_features_in_ : int
        Number of features seen in ``fit``.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen in ``fit``, where all were strings.

    See Also
    --------
    ShareClassifier : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sharewise.estimators import ShareRegressor
    >>> X = np.linspace(0, 1, 40)[:, None]
    >>> ShareRegressor(families=["linear"]).fit(X, 2 * X[:, 0]).predict([[0.5]]).round(2)
    array([1.])
    """

    def predict(self, X: Any) -> Any:
        """Predict the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or dataframe
            Features.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), or dataframe
            In the form that ``y`` had in ``fit``.
        """
        values = self._values(X)
        return in_form([found[:, 0] for found in values], self._form, X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean over the targets of the coefficient of determination on their labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or dataframe
            Features.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), or dataframe
            Targets, with gaps.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of rows.

        Returns
        -------
        score : float
            At most 1.
        """
        columns, values = read_columns(y), self._values(X)
        scores = [
            r2_score(
                _numbers(cells, known)[known], found[known, 0], sample_weight=weights_of(sample_weight, known)
            )
            for cells, known, found in zip(columns.cells, columns.known, values, strict=True)
        ]
        return float(np.mean(scores))

    def _labels(self, columns: Columns) -> tuple[list[Kind], Array]:
        labels = [_numbers(cells, known) for cells, known in zip(columns.cells, columns.known, strict=True)]
        for name, values in zip(columns.names, labels, strict=True):
            if np.isinf(values).any():
                raise DataError(f"Input y contains infinity in '{name}'. Use NaN where a value is not known.")
            if (~np.isnan(values)).sum() < 2:
                raise DataError(
                    f"a target is learnt from 2 labelled rows or more; '{name}' has 1 sample. Bring more."
                )
        return [Regression() for _ in labels], np.column_stack(labels)


def _numbers(cells: Any, known: Any) -> Array:
    values = np.full(len(cells), np.nan)
    values[known] = np.asarray(cells[known], dtype=np.float64)
    return values
