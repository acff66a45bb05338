"""Semantic masks: a class for every pixel.

Symbols: `H` × `W` pixels, `K` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.tasks._structured import StructuredKind

Mask = NDArray[Any]


@final
@dataclass(frozen=True)
class Segmentation(StructuredKind[Mask, Mask]):
    """Masks (H, W) of class codes, as truth and as prediction, the codes of `ignore` left out of everything.

    Attributes:
        classes: Names; a pixel's code is its class's place here.
        ignore: The code of pixels that nobody labelled.
    """

    name: ClassVar[str] = "segmentation"
    metrics: ClassVar[tuple[str, ...]] = ("mean_iou", "pixel_accuracy")
    classes: tuple[str, ...]
    ignore: int = 255

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or 0 <= self.ignore < len(self.classes):
            raise OptionError(
                f"a segmentation has two classes or more, and ignores a code that is none of them; got "
                f"{len(self.classes)} and {self.ignore}. Correct them."
            )

    def check(self, truth: Mask, name: str, size: tuple[int, int] | None = None) -> None:
        """Raises where a mask is none, or not of its picture's `size` (width, height).

        Raises:
            DataError: In one sentence.
        """
        if truth.ndim != 2 or not np.issubdtype(truth.dtype, np.integer):
            raise DataError(
                f"{name}: a mask is (height, width) of class codes; got shape {truth.shape} of {truth.dtype}. Convert it."
            )
        if size is not None and truth.shape != size[::-1]:
            raise DataError(
                f"{name}: a mask has the size of its picture, {size[0]} × {size[1]} pixels; this one has "
                f"{truth.shape[1]} × {truth.shape[0]}. Correct the pair."
            )
        codes = np.unique(truth)
        strange = codes[((codes < 0) | (codes >= len(self.classes))) & (codes != self.ignore)]
        if len(strange):
            raise DataError(
                f"{name}: a mask's codes are 0 to {len(self.classes) - 1}, or {self.ignore} for no label; got "
                f"{int(strange[0])}. Map the codes, or name more classes."
            )

    def ious(self, table: NDArray[np.int64]) -> NDArray[np.float64]:
        """Intersection over union of each class (K,), of a sum of confusions; NaN for classes in neither side."""
        both = np.diag(table).astype(np.float64)
        either = table.sum(0) + table.sum(1) - both
        ious = np.full(len(both), np.nan)
        np.divide(both, either, out=ious, where=either > 0)
        return ious

    def confusion(self, truth: Mask, found: Mask, name: str = "mask") -> NDArray[np.int64]:
        """Pixels (K, K) by true class, then class found; ignored ones are not there.

        Raises:
            DataError: The prediction has another size than its truth, or a code that is no class.
        """
        count = len(self.classes)
        if truth.shape != found.shape:
            raise DataError(
                f"{name}: a prediction has the size of its truth, {truth.shape}; got {found.shape}. Resize it."
            )
        self.check(truth, name)
        kept = truth != self.ignore
        codes = found[kept].astype(np.int64)
        if codes.size and not (codes.min() >= 0 and codes.max() < count):
            raise DataError(
                f"{name}: a prediction's codes are 0 to {count - 1}; got {codes.min()} to {codes.max()}. Map them."
            )
        table = np.bincount(truth[kept].astype(np.int64) * count + codes, minlength=count * count)
        return table.reshape(count, count)

    def _measure(self, row: int, truth: Mask, found: Mask) -> NDArray[np.int64]:
        return self.confusion(truth, found, f"mask {row}")

    def _combine(self, measures: Sequence[NDArray[np.int64]]) -> dict[str, float]:
        table = np.sum(measures, axis=0)
        pixels = int(table.sum())
        if not pixels:
            return dict.fromkeys(self.metrics, float("nan"))
        return {
            "mean_iou": float(np.nanmean(self.ious(table))),
            "pixel_accuracy": float(np.trace(table) / pixels),
        }
