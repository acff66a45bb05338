"""Masks and boxes of pictures, checked on the pictures as they are and placed where their pixels go.

Symbols: ``N`` rows, ``H`` × ``W`` pixels of a decoded picture, ``n`` boxes of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.problems._words import is_missing
from sharewise.problems.pictures import Decoding, Pictures, place_mask, read_mask
from sharewise.problems.pictures._sources import is_array
from sharewise.tasks import Boxes, BoxRows, Detection, MaskRows, RaggedKind, Segmentation, cells

UNLABELLED = 255
"""The code of a pixel without a class in a stored mask."""


@dataclass(frozen=True)
class Answers:
    """The truths of a task whose answer is an array.

    Attributes:
        name: Of the task.
        kind: Of its rows.
        cells: ``(N,)`` arrays, None for gaps.
    """

    name: str
    kind: RaggedKind
    cells: NDArray[np.object_]


def read_answers(
    name: str, values: Sequence[Any], kind: Segmentation | Detection, pictures: Pictures, root: Path
) -> Answers:
    """The masks or boxes of a task; those of pictures that are not known are gaps.

    Raises:
        DataError: One breaks a rule of its kind or does not fit its picture; the message names it.
        OptionError: A segmentation has more classes than a byte holds.
    """
    decoding = pictures.decoding
    place = (
        _Masks(name, kind, decoding, root)
        if isinstance(kind, Segmentation)
        else _BoxesOf(name, kind, decoding)
    )
    known = pictures.known
    held = [
        place.cell(value, row, (int(size[0]), int(size[1]))) if known[row] and not _is_gap(value) else None
        for row, (value, size) in enumerate(zip(values, pictures.sizes, strict=True))
    ]
    return Answers(name, place.rows, cells(held))


def _is_gap(value: Any) -> bool:
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return not isinstance(value, str | Path | Boxes | tuple) and not is_array(value) and is_missing(value)


class _Masks:
    """Paths or arrays of codes, as stored masks ``(H, W)``."""

    def __init__(self, task: str, kind: Segmentation, decoding: Decoding, root: Path) -> None:
        if len(kind.classes) > UNLABELLED:
            raise OptionError(
                f"a mask's codes fit a byte, so a segmentation has at most {UNLABELLED} classes; '{task}' has "
                f"{len(kind.classes)}. Merge some."
            )
        self.task, self.kind, self.decoding, self.root = task, kind, decoding, root
        self.rows = MaskRows(Segmentation(kind.classes, UNLABELLED))

    def cell(self, value: Any, row: int, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """None where no pixel has a class."""
        if isinstance(value, str | Path):
            path = self.root / value
            name, codes = str(path), read_mask(path, self.decoding)
        else:
            name, codes = f"mask {row} of '{self.task}'", np.asarray(value)
            codes = codes.astype(np.uint8) if codes.dtype == np.bool_ else codes
        self.kind.check(codes, name, size)
        stored = np.where(codes == self.kind.ignore, UNLABELLED, codes).astype(np.uint8)
        placed = place_mask(stored, self.decoding, fill=UNLABELLED)
        return placed if (placed != UNLABELLED).any() else None


class _BoxesOf:
    """`Boxes`, arrays ``(n, 5)`` or pairs of corners ``(n, 4)`` and labels ``(n,)``, as stored boxes ``(n, 5)``."""

    def __init__(self, task: str, kind: Detection, decoding: Decoding) -> None:
        self.task, self.kind, self.decoding = task, kind, decoding
        self.rows = BoxRows(kind, (decoding.width, decoding.height))

    def cell(self, value: Any, row: int, size: tuple[int, int]) -> NDArray[np.float32]:
        name = f"boxes {row} of '{self.task}'"
        found = self._boxes(value, size, name)
        self.kind.check(found, name)
        placed = self.decoding.place(*size).boxes(np.asarray(found.corners, dtype=np.float64))
        # What a crop cuts off is gone; half a pixel or less of a box is nothing to be found.
        placed = np.clip(placed, 0, [self.decoding.width, self.decoding.height] * 2)
        inside = ((placed[:, 2:] - placed[:, :2]) > 0.5).all(axis=1)
        stored = np.column_stack([placed, np.asarray(found.labels, dtype=np.float64)])[inside]
        return stored.astype(np.float32)

    def _boxes(self, value: Any, size: tuple[int, int], name: str) -> Boxes:
        if isinstance(value, Boxes):
            if tuple(value.size) != size:
                raise DataError(
                    f"{name}: boxes are drawn on their picture of {size[0]} × {size[1]} pixels; these say "
                    f"{value.size[0]} × {value.size[1]}. Correct the pair."
                )
            return value
        corners, labels = (
            value if isinstance(value, tuple) and len(value) == 2 else self._columns(value, name)
        )
        try:
            numbers = np.asarray(corners, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{name}: corners are numbers; {error}. Give x1, y1, x2, y2.") from error
        return Boxes(numbers.reshape(0, 4) if numbers.size == 0 else numbers, self._codes(labels, name), size)

    def _columns(self, value: Any, name: str) -> tuple[Any, Any]:
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.empty(0).reshape(0, 0, 0)
        if array.size == 0 and array.ndim < 3:
            return np.zeros((0, 4)), ()
        if array.ndim != 2 or array.shape[1] != 5:
            shape = "something else" if array.ndim == 3 and array.size == 0 else f"shape {array.shape}"
            raise DataError(
                f"{name}: the boxes of a picture are (n, 5) numbers x1, y1, x2, y2 and class, or a pair of corners and "
                f"labels; got {shape}. Reshape them."
            )
        return array[:, :4], array[:, 4]

    def _codes(self, labels: Any, name: str) -> NDArray[np.int64]:
        """Places of classes; names of classes are looked up."""
        codes = []
        for label in np.asarray(labels).ravel().tolist():
            if isinstance(label, str) and label in self.kind.classes:
                codes.append(self.kind.classes.index(label))
            elif isinstance(label, str) or label != label or label != int(label):
                raise DataError(
                    f"{name}: a box's label is one of {', '.join(self.kind.classes[:8])} or its place; got {label!r}. "
                    "Map it, or name more classes."
                )
            else:
                codes.append(int(label))
        return np.array(codes, dtype=np.int64)
