"""Metrics: one number for the predictions of one task on some rows.

Symbols: ``n`` rows; ``W`` width of a prediction (1 for regression, the number of classes else).
Targets are ``(n,)`` floats (class codes for classification), predictions ``(n, W)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks._ordinal_metric import accuracy_median, mae_ranks, quadratic_kappa, rps

Array = NDArray[np.float64]

PROBABILITY_FLOOR = 1e-6
"""Probabilities are clipped here before a logarithm, so that one confident mistake stays finite."""


@dataclass(frozen=True)
class Metric:
    """A named score and how differences of it are read.

    Attributes:
        name: What users write in ``--metric task=name``.
        greater_is_better: Direction.
        perfect: The value of a perfect prediction.
        relative_to: Whether a relative gain is a share of the reference's *error* (distance from
            perfect) or of its *score* (as in Δm of Maninis et al. 2019, for accuracies).
        function: ``(y (n,), prediction (n, W)) -> float``; NaN where it is undefined.
    """

    name: str
    greater_is_better: bool
    perfect: float
    relative_to: Literal["error", "score"]
    function: Callable[[Array, Array], float]

    def __call__(self, y: Array, prediction: Array) -> float:
        return self.function(y, prediction) if len(y) else float("nan")

    def error(self, score: float) -> float:
        """Distance from perfect: non-negative, lower is better."""
        return abs(self.perfect - score)

    def gain(self, score: float, reference: float, *, scale: float | None = None) -> float:
        """Relative gain of ``score`` over ``reference``; positive is better, 0.01 is one percent.

        ``scale`` is the reference value to divide by where a steadier one than ``reference``
        itself is at hand (its mean over folds).
        """
        base = reference if scale is None else scale
        size = self.error(base) if self.relative_to == "error" else abs(base)
        change = self.error(reference) - self.error(score)
        if size <= 1e-12:
            return 0.0 if abs(change) <= 1e-12 else float(np.sign(change))
        return change / size

    def skill(self, score: float, constant: float) -> float:
        """Share of the constant predictor's error removed: 1 perfect, 0 no better than a constant."""
        size = self.error(constant)
        skill = 0.0 if size <= 1e-12 else 1.0 - self.error(score) / size
        return 0.0 if abs(skill) < 1e-12 else skill


def rmse(y: Array, prediction: Array) -> float:
    return float(np.sqrt(np.mean((y - prediction[:, 0]) ** 2)))


def mae(y: Array, prediction: Array) -> float:
    return float(np.mean(np.abs(y - prediction[:, 0])))


def r2(y: Array, prediction: Array) -> float:
    spread = float(np.sum((y - y.mean()) ** 2))
    return 1.0 - float(np.sum((y - prediction[:, 0]) ** 2)) / spread if spread > 0 else float("nan")


def log_loss(y: Array, prediction: Array) -> float:
    picked = prediction[np.arange(len(y)), y.astype(np.intp)]
    return float(-np.mean(np.log(np.clip(picked, PROBABILITY_FLOOR, 1.0))))


def brier(y: Array, prediction: Array) -> float:
    """Mean squared distance to the one-hot label (half of it for two classes, the usual form)."""
    hot = np.zeros_like(prediction)
    hot[np.arange(len(y)), y.astype(np.intp)] = 1.0
    value = float(np.mean(np.sum((prediction - hot) ** 2, axis=1)))
    return value / 2 if prediction.shape[1] == 2 else value


def accuracy(y: Array, prediction: Array) -> float:
    return float(np.mean(prediction.argmax(axis=1) == y))


def f1_macro(y: Array, prediction: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(y, prediction.argmax(axis=1), average="macro", zero_division=0.0))


def roc_auc(y: Array, prediction: Array) -> float:
    """Area under the ROC curve; with more than two classes the mean of one-against-rest areas."""
    from sklearn.metrics import roc_auc_score

    classes = [c for c in range(prediction.shape[1]) if 0 < np.sum(y == c) < len(y)]
    if not classes:
        return float("nan")
    if prediction.shape[1] == 2:
        return float(roc_auc_score(y == 1, prediction[:, 1]))
    return float(np.mean([roc_auc_score(y == c, prediction[:, c]) for c in classes]))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("rmse", False, 0.0, "error", rmse),
        Metric("mae", False, 0.0, "error", mae),
        Metric("r2", True, 1.0, "error", r2),
        Metric("log_loss", False, 0.0, "error", log_loss),
        Metric("brier", False, 0.0, "error", brier),
        Metric("accuracy", True, 1.0, "score", accuracy),
        Metric("f1_macro", True, 1.0, "score", f1_macro),
        Metric("roc_auc", True, 1.0, "score", roc_auc),
        Metric("rps", False, 0.0, "error", rps),
        Metric("mae_ranks", False, 0.0, "error", mae_ranks),
        Metric("quadratic_kappa", True, 1.0, "error", quadratic_kappa),
        Metric("accuracy_median", True, 1.0, "score", accuracy_median),
    )
}
