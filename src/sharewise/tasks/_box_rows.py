"""Boxes in pictures of one size as a study's answers.

Symbols: ``n`` boxes of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.tasks._detection import Boxes, Detection
from sharewise.tasks._metric import Array, Metric
from sharewise.tasks._ragged import Cells, RaggedKind, cells

ENOUGH = 0.5
"""Overlap from which a box counts as found, in the loss of a row."""


@final
@dataclass(frozen=True)
class BoxRows(RaggedKind):
    """The boxes of a picture a row.

    A truth is ``(n, 5)``: x1, y1, x2, y2 in pixels and the code of the class; a prediction ``(n, 6)``, the score last.

    Attributes:
        of: The classes.
        size: Width and height of every picture, in pixels.
    """

    name: ClassVar[str] = Detection.name
    metrics: ClassVar[tuple[str, ...]] = Detection.metrics
    of: Detection
    size: tuple[int, int]

    @property
    def averages(self) -> bool:
        return False

    def metric(self, name: str | None = None) -> Metric:
        chosen = name or self.metrics[0]
        if chosen not in self.metrics:
            raise OptionError(
                f"a {self.name} task is scored by one of {', '.join(self.metrics)}; got '{chosen}'."
            )
        return Metric(chosen, True, 1.0, "score", partial(self._score, chosen))

    def boxes(self, cell: NDArray[Any]) -> Boxes:
        """A truth's or a prediction's cell as boxes."""
        cell = np.asarray(cell, dtype=np.float64)
        scores = cell[:, 5] if cell.shape[1] == 6 else None
        return Boxes(cell[:, :4], cell[:, 4].astype(np.int64), self.size, scores)

    def _score(self, metric: str, truths: Any, found: Any) -> float:
        truth = [self.boxes(cell) for cell in truths]
        if not any(len(one.corners) for one in truth):
            return float("nan")
        return self.of.scores(truth, [self.boxes(cell) for cell in found[:, 0]])[metric]

    def losses(self, truths: Cells, found: Cells) -> Array:
        """How unsure of its boxes a prediction is and how many it makes up, 0 to 1 a row: one less the greatest F1 of
        any threshold of scores, a box being found by one of its class that overlaps it by `ENOUGH`."""
        return np.array([1.0 - _best_f1(truth, cell) for truth, cell in zip(truths, found, strict=True)])

    def template(self, truths: Cells) -> NDArray[Any]:
        """The mean box of each class, as sure as it is common."""
        boxes = np.concatenate([np.zeros((0, 5)), *truths])
        rows = []
        for code in range(len(self.of.classes)):
            own = boxes[boxes[:, 4] == code]
            if len(own):
                having = np.mean([bool((cell[:, 4] == code).any()) for cell in truths])
                rows.append([*own[:, :4].mean(axis=0), code, having])
        return np.array(rows, dtype=np.float32).reshape(len(rows), 6)

    def spread(self, template: NDArray[Any], lengths: Sequence[int]) -> Cells:
        return cells([template] * len(lengths))[:, None]

    def mixed(self, weights: Array, found: Cells) -> Cells:
        """The boxes of the candidate with the greatest weight: sets of boxes have no mean."""
        heaviest: Cells = found[int(np.argmax(weights))]
        return heaviest

    def decode(self, prediction: NDArray[Any]) -> NDArray[np.generic]:
        """`Boxes` each."""
        return cells([self.boxes(cell) for cell in prediction[:, 0]])


def _best_f1(truth: NDArray[Any], found: NDArray[Any]) -> float:
    """Boxes are matched greedily, surest first."""
    if not len(truth):
        return 1.0 if not len(found) else float(1.0 - found[:, 5].max())
    order = found[np.argsort(-found[:, 5], kind="stable")]
    left = np.ones(len(truth), dtype=bool)
    best, right = 0.0, 0
    for count, box in enumerate(order, start=1):
        overlap = np.where(left & (truth[:, 4] == box[4]), _overlaps(truth[:, :4], box[:4]), 0.0)
        if overlap.max() >= ENOUGH:
            left[int(overlap.argmax())] = False
            right += 1
        best = max(best, 2 * right / (count + len(truth)))
    return best


def _overlaps(boxes: NDArray[Any], one: NDArray[Any]) -> Array:
    """Intersection over union of boxes ``(n, 4)`` with one ``(4,)``."""
    sides = np.minimum(boxes[:, 2:], one[2:]) - np.maximum(boxes[:, :2], one[:2])
    inside = np.clip(sides, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (one[2:] - one[:2]).prod()
    shares: Array = inside / np.maximum(areas - inside, 1e-9)
    return shares
