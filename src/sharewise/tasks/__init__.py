"""One prediction problem: its kind, its classes, its metric.

>>> from sharewise.tasks import Binary
>>> kind = Binary(classes=("ham", "spam"))
>>> kind.width, kind.metric().name
(2, 'log_loss')

Where every word of a sentence has a tag, kinds (`TokenKind`) read and predict ragged targets:

>>> from sharewise.tasks import Spans
>>> kind = Spans.of([("B-PER", "I-PER", "O")])
>>> kind.metric()([("B-PER", "I-PER", "O", "B-PER")], [("B-PER", "I-PER", "O", "O")])   # F1 of spans
0.6666666666666666
"""

from sharewise.tasks._box_rows import BoxRows
from sharewise.tasks._classification import Binary, Classification, Multiclass
from sharewise.tasks._detection import Boxes, Detection
from sharewise.tasks._kind import Kind
from sharewise.tasks._mask_rows import MaskRows
from sharewise.tasks._metric import METRICS, PROBABILITY_FLOOR, Array, Metric
from sharewise.tasks._multilabel import Multilabel
from sharewise.tasks._ordinal import Ordinal
from sharewise.tasks._ragged import Cells, RaggedKind, cells, said
from sharewise.tasks._regression import Regression
from sharewise.tasks._segmentation import Segmentation
from sharewise.tasks._spans import Spans
from sharewise.tasks._structured import StructuredKind
from sharewise.tasks._tag_rows import TagRows
from sharewise.tasks._tagging import Tagging
from sharewise.tasks._token_kind import TokenKind, Transitions
from sharewise.tasks._token_metric import TOKEN_METRICS, TokenMetric
from sharewise.tasks._verification import Verification

KINDS = ("regression", "binary", "multiclass", "ordinal", "multilabel")

__all__ = [
    "KINDS",
    "METRICS",
    "PROBABILITY_FLOOR",
    "TOKEN_METRICS",
    "Array",
    "Binary",
    "BoxRows",
    "Boxes",
    "Cells",
    "Classification",
    "Detection",
    "Kind",
    "MaskRows",
    "Metric",
    "Multiclass",
    "Multilabel",
    "Ordinal",
    "RaggedKind",
    "Regression",
    "Segmentation",
    "Spans",
    "StructuredKind",
    "TagRows",
    "Tagging",
    "TokenKind",
    "TokenMetric",
    "Transitions",
    "Verification",
    "cells",
    "said",
]
