"""Boxes around things: what a truth and a prediction are, their checks, and average precision by pycocotools.

Symbols: `n` boxes of one picture, `K` classes.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.tasks._structured import StructuredKind


@final
@dataclass(frozen=True)
class Boxes:
    """The boxes of one picture.

    Attributes:
        corners: (n, 4) as (x1, y1, x2, y2) in pixels, x to the right and y down.
        labels: (n,) class codes.
        size: Width and height of the picture, in pixels.
        scores: (n,) of a prediction, greater is surer; None for truth.
    """

    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    size: tuple[int, int]
    scores: NDArray[np.float64] | None = None


@final
@dataclass(frozen=True)
class Detection(StructuredKind[Boxes, Boxes]):
    """Boxes, scored as COCO does: mean average precision over overlaps of 0.5 to 0.95, and at 0.5.

    Attributes:
        classes: Names; a box's label is its class's place here.
    """

    name: ClassVar[str] = "detection"
    metrics: ClassVar[tuple[str, ...]] = ("map", "map_50")
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.classes:
            raise OptionError("a detection has one class or more; got none. Name them.")

    def check(self, truth: Boxes, name: str) -> None:
        """Raises where boxes are no boxes of their picture.

        Raises:
            DataError: In one sentence, with the place of the first box that breaks a rule.
        """
        corners, width, height = np.asarray(truth.corners), *truth.size
        if corners.ndim != 2 or corners.shape[1] != 4 or corners.shape[:1] != np.shape(truth.labels):
            raise DataError(
                f"{name}: boxes are (n, 4) with n labels; got {corners.shape} and {np.shape(truth.labels)}. Reshape them."
            )
        for place, (x1, y1, x2, y2) in enumerate(corners.tolist()):
            told = f"({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
            if not np.isfinite(corners[place]).all():
                raise DataError(f"{name}, box {place}: corners are finite numbers; got {told}. Correct it.")
            if x2 <= x1 or y2 <= y1:
                raise DataError(
                    f"{name}, box {place}: a box has a positive width and height; got {told}. Order its corners as "
                    "x1, y1, x2, y2."
                )
            if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
                raise DataError(
                    f"{name}, box {place}: a box lies inside its picture of {width} × {height} pixels; got {told}. "
                    "Clip it, or check which size the boxes were drawn on."
                )
        strange = [label for label in np.asarray(truth.labels).tolist() if not 0 <= label < len(self.classes)]
        if strange:
            raise DataError(
                f"{name}: a box's label is 0 to {len(self.classes) - 1}; got {strange[0]}. Map it, or name more classes."
            )

    def _measure(self, row: int, truth: Boxes, found: Boxes) -> tuple[Boxes, Boxes]:
        if found.scores is None or len(found.scores) != len(found.corners):
            raise DataError(f"picture {row}: every predicted box has a score; some have none. Add them.")
        return truth, found

    def _combine(self, measures: Sequence[tuple[Boxes, Boxes]]) -> dict[str, float]:
        """COCO ranks all pictures' boxes together, so that there is nothing to add up beforehand."""
        truths, found = zip(*measures, strict=True)
        if not any(len(truth.corners) for truth in truths):
            return dict.fromkeys(self.metrics, float("nan"))
        if not any(len(guess.corners) for guess in found):
            return dict.fromkeys(self.metrics, 0.0)
        coco, evaluation = _pycocotools()
        with contextlib.redirect_stdout(io.StringIO()):  # it tells its progress by print
            sides = []
            for pictures in (truths, found):
                sides.append(coco())
                sides[-1].dataset = self._dataset(pictures)
                sides[-1].createIndex()
            judge = evaluation(*sides, "bbox")
            judge.params.areaRng, judge.params.areaRngLbl = judge.params.areaRng[:1], ["all"]
            judge.evaluate()
            judge.accumulate()
        precision = judge.eval["precision"][
            :, :, :, 0, -1
        ]  # overlap, recall, class; -1 for a class without truth
        return {
            "map": float(precision[precision > -1].mean()),
            "map_50": float(precision[0][precision[0] > -1].mean()),
        }

    def _dataset(self, pictures: Sequence[Boxes]) -> dict[str, list[dict[str, Any]]]:
        """In COCO's words, with its corner-and-size boxes; places count from 1, since it takes 0 for no match."""
        boxes: list[dict[str, Any]] = []
        for picture, one in enumerate(pictures):
            for place, (x1, y1, x2, y2) in enumerate(np.asarray(one.corners, dtype=np.float64).tolist()):
                box: dict[str, Any] = {
                    "id": len(boxes) + 1,
                    "image_id": picture,
                    "category_id": int(one.labels[place]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
                if one.scores is not None:
                    box["score"] = float(one.scores[place])
                boxes.append(box)
        return {
            "images": [
                {"id": picture, "width": one.size[0], "height": one.size[1]}
                for picture, one in enumerate(pictures)
            ],
            "categories": [{"id": code, "name": name} for code, name in enumerate(self.classes)],
            "annotations": boxes,
        }


def _pycocotools() -> tuple[Any, Any]:
    try:
        return import_module("pycocotools.coco").COCO, import_module("pycocotools.cocoeval").COCOeval
    except ImportError as error:
        raise OptionError(
            "boxes are scored by pycocotools, which is not installed; pip install 'sharewise[detection]'."
        ) from error
