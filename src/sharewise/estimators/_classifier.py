# ruff: noqa: D416 (numpydoc sections, as scikit-learn writes them)
"""`ShareClassifier`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets

from sharewise.errors import DataError
from sharewise.estimators._base import ShareEstimator, weights_of
from sharewise.estimators._tables import coded
from sharewise.estimators._targets import Columns, in_form, read_columns
from sharewise.tasks import Array, Binary, Classification, Kind, Multiclass


class ShareClassifier(ClassifierMixin, ShareEstimator):  # type: ignore[misc]
    """Classification of several targets by the models that a fair comparison decides for.

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

    metric : str, default=None
        What decides: ``"log_loss"``, ``"accuracy"``, ``"f1_macro"``, ``"roc_auc"`` or ``"brier"``; None for the log loss.

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
    classes_ : ndarray of shape (n_classes,) or list of such arrays
        The classes, of several targets a list.

    model_ : sharewise.serving.DeployedModel
        What serves, to save, export and serve; it names classes by their places in ``classes_``.

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
    ShareRegressor : The same for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sharewise.estimators import ShareClassifier
    >>> X = np.linspace(0, 1, 40)[:, None]
    >>> y = np.where(X[:, 0] > 0.5, "high", "low")
    >>> ShareClassifier(families=["linear"]).fit(X, y).predict([[0.9], [0.1]]).tolist()
    ['high', 'low']
    """

    def predict(self, X: Any) -> Any:
        """Predict the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or dataframe
            Features.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), or dataframe
            In the form that ``y`` had in ``fit``.
        """
        shares = self._shares(X)
        chosen = [classes[share.argmax(axis=1)] for classes, share in zip(self._each(), shares, strict=True)]
        return in_form(chosen, self._form, X)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or dataframe
            Features.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes) or list of such arrays
            Columns in the order of ``classes_``; of several targets a list.
        """
        shares = self._shares(X)
        return shares[0] if len(shares) == 1 else shares

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean over the targets of the accuracy on their labelled rows.

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
            Between 0 and 1.
        """
        columns, shares = read_columns(y), self._shares(X)
        scores = []
        for cells, known, classes, share in zip(
            columns.cells, columns.known, self._each(), shares, strict=True
        ):
            chosen = classes[share[known].argmax(axis=1)]
            truth = np.asarray(cells[known].tolist(), dtype=classes.dtype)
            scores.append(accuracy_score(truth, chosen, sample_weight=weights_of(sample_weight, known)))
        return float(np.mean(scores))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _labels(self, columns: Columns) -> tuple[list[Kind], Array]:
        kinds: list[Kind] = []
        codes, each = [], []
        for name, cells, known in zip(columns.names, columns.cells, columns.known, strict=True):
            labelled = np.asarray(cells[known].tolist())
            check_classification_targets(labelled)
            classes, code = coded(np.asarray(cells.tolist(), dtype=object), known)
            if len(classes) < 2:
                raise DataError(
                    f"a classifier learns from two classes or more; '{name}' has one class on {known.sum()} rows. "
                    "Leave it out."
                )
            each.append(np.asarray(classes.tolist()) if cells.dtype == object else np.unique(labelled))
            codes.append(code)
            kinds.append(Binary((0, 1)) if len(classes) == 2 else Multiclass(len(classes)))
        self.classes_: Any = each[0] if len(each) == 1 else each
        return kinds, np.column_stack(codes)

    def _each(self) -> list[NDArray[Any]]:
        """The classes of each target."""
        return [self.classes_] if self.n_outputs_ == 1 else self.classes_

    def _shares(self, X: Any) -> list[Array]:
        """Probabilities of all classes, also of those on too few rows to be learnt, which get 0."""
        found = []
        values = self._values(X)
        for target, classes, value in zip(self.model_.targets, self._each(), values, strict=True):
            assert isinstance(target.kind, Classification)
            whole = np.zeros((len(value), len(classes)))
            whole[:, [int(code) for code in target.kind.classes]] = value
            found.append(whole)
        return found
