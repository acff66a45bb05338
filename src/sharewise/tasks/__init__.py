"""One prediction problem: its kind, its classes, its metric.

>>> from sharewise.tasks import Binary
>>> kind = Binary(classes=("ham", "spam"))
>>> kind.width, kind.metric().name
(2, 'log_loss')
"""

from sharewise.tasks._classification import Binary, Classification, Multiclass
from sharewise.tasks._kind import Kind
from sharewise.tasks._metric import METRICS, PROBABILITY_FLOOR, Array, Metric
from sharewise.tasks._regression import Regression

KINDS = ("regression", "binary", "multiclass")

__all__ = [
    "KINDS",
    "METRICS",
    "PROBABILITY_FLOOR",
    "Array",
    "Binary",
    "Classification",
    "Kind",
    "Metric",
    "Multiclass",
    "Regression",
]
