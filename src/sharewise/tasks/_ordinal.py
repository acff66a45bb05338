"""Ordered classes: grades, ratings, answers on a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.tasks._classification import Classification
from sharewise.tasks._metric import Array
from sharewise.tasks._ordinal_metric import median_class


@final
@dataclass(frozen=True)
class Ordinal(Classification):
    """Final. Classes in an order, whose distances are not told: a 2 for a 1 is a smaller mistake than a 5.

    Predictions are the probability of every class, as for any classification, so that every family fits it. Linear
    models and trees do so by the log loss; a network of your own by `sharewise.tasks._torch_loss.cumulative_losses`.
    The predicted class is the median one, which has the least expected distance in ranks; ``accuracy_median`` counts how
    often it is right, ``accuracy`` how often the most probable class is.

    Args:
        classes: From the lowest to the highest, or their number ``n`` where they are the codes 0 to ``n - 1``.

    >>> grades = Ordinal(("poor", "fair", "good"))
    >>> grades.decode(np.array([[0.4, 0.25, 0.35], [0.1, 0.2, 0.7]])).tolist()   # fair lies between poor and good
    ['fair', 'good']
    """

    name: ClassVar[str] = "ordinal"
    metrics: ClassVar[tuple[str, ...]] = (
        "rps",
        "mae_ranks",
        "quadratic_kappa",
        "accuracy_median",
        "accuracy",
        "log_loss",
    )

    def __init__(self, classes: tuple[str | int | float | bool, ...] | int = ()) -> None:
        named = tuple(range(classes)) if isinstance(classes, int) else tuple(classes)
        if len(named) < 2:
            raise DataError(
                f"an ordinal task has two or more classes; got {len(named)}. Name them from low to high."
            )
        if len(set(named)) < len(named):
            raise DataError(
                f"an ordinal task names each class once; got {', '.join(map(str, named))}. Take the double out."
            )
        object.__setattr__(self, "classes", named)  # frozen for everybody else

    def chosen(self, prediction: Array) -> NDArray[np.intp]:
        return median_class(prediction)
