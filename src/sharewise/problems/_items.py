"""One item of a dataset ``(x, y)``: its input as an array, its label as a number.

PyTorch is never imported here: whatever has ``numpy()`` and ``detach()`` is read as a tensor.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._words import HUGE
from sharewise.tasks import Classification, Kind

KEPT = "float32, uint8 or int64"


def is_tensor(value: object) -> bool:
    """Whether ``value`` is an array or quacks like a tensor."""
    return isinstance(value, np.ndarray) or (hasattr(value, "numpy") and hasattr(value, "detach"))


def array_of(value: Any, where: str) -> NDArray[Any]:
    """A tensor or array as float32 (real numbers), uint8 (bytes, booleans) or int64 (other whole numbers).

    Minus zero becomes zero, so that equal inputs have equal bytes.

    Raises:
        DataError: It is neither, holds other things, or a number that is not finite.
    """
    if not is_tensor(value):
        raise DataError(
            f"an input is a tensor or an array; {where} is a {type(value).__name__}. "
            "Convert it in the dataset (torch.as_tensor, numpy.asarray)."
        )
    try:
        found = value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
    except (TypeError, RuntimeError) as error:  # bfloat16, sparse and the like have no NumPy form
        raise DataError(
            f"an input is kept as {KEPT}; {where} cannot be ({error}). Convert it in the dataset."
        ) from error
    if found.dtype.kind == "f":
        with np.errstate(over="ignore"):
            single = found.astype(np.float32) + np.float32(0.0)
        if not np.isfinite(single).all():
            raise DataError(
                f"inputs must be finite numbers that float32 can hold; {where} holds "
                f"{found.ravel()[np.argmin(np.isfinite(single))]}. Fill or clip such values in the dataset."
            )
        return single
    if found.dtype in (np.uint8, np.bool_):
        return found.astype(np.uint8)
    if found.dtype.kind in "iu" and found.dtype != np.uint64:
        return found.astype(np.int64)
    raise DataError(f"an input is kept as {KEPT}; {where} holds {found.dtype}. Convert it in the dataset.")


def item_of(dataset: Any, place: int, where: str) -> object:
    """``dataset[place]``.

    Raises:
        DataError: The dataset fails.
    """
    try:
        return dataset[place]
    except Exception as error:  # a user's own code may fail in any way
        text = str(error).strip().splitlines() or [""]
        raise DataError(
            f"every item of a dataset must be readable; {where} gave {type(error).__name__}: {text[0][:120]}."
        ) from error


def pair_of(item: object, where: str) -> tuple[Any, Any]:
    """The input and the label of an item.

    Raises:
        DataError: It is no pair.
    """
    if not isinstance(item, tuple | list) or len(item) != 2:
        size = f" of {len(item)}" if isinstance(item, tuple | list | Mapping) else ""
        raise DataError(
            f"an item is a pair (x, y); {where} is a {type(item).__name__}{size}. "
            "Wrap the dataset so that it gives an input and this task's label."
        )
    return item[0], item[1]


def plain(value: Any) -> Any:
    """A tensor, array or NumPy scalar of one element as a Python value; all else as it is."""
    if isinstance(value, np.generic) or (is_tensor(value) and math.prod(value.shape) == 1):
        return value.item()
    return value


@dataclass(frozen=True)
class LabelReader:
    """Labels of one task as numbers: themselves, or the places of classes.

    A label is a class as the kind names it; where no class is a number, a whole number is a place among
    them. None, NaN and negative numbers that name no class (PyTorch's -100, the usual -1) are gaps.
    """

    task: str
    kind: Kind

    def read(self, label: object, where: str) -> float:
        """The number, or NaN for a gap.

        Raises:
            DataError: The label is not one of this kind.
        """
        value = plain(label)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return math.nan
        if isinstance(self.kind, Classification):
            return self._code(value, self.kind.classes, where)
        if not isinstance(value, numbers.Real) or not abs(float(value)) <= HUGE:
            raise DataError(
                f"a label of the {self.kind.name} task '{self.task}' is one finite number; {where} has "
                f"{_shown(value)}. Mend it, or give None where it is not known."
            )
        return float(value)

    def _code(self, value: Any, classes: Sequence[object], where: str) -> float:
        if isinstance(value, str | numbers.Real):
            if value in classes:
                return float(classes.index(value))
            place = math.nan if isinstance(value, str) else float(value)
            if place < 0 and place.is_integer():
                return math.nan
            if place < len(classes) and place.is_integer() and not _hold_numbers(classes):
                return place
        self._refuse(value, classes, where)

    def _refuse(self, value: object, classes: Sequence[object], where: str) -> NoReturn:
        shown = ", ".join(repr(c) for c in classes[:8]) + (", …" if len(classes) > 8 else "")
        raise DataError(
            f"a label of '{self.task}' is one of its {len(classes)} classes ({shown}); {where} has "
            f"{_shown(value)}. Mend it, or state the task's classes otherwise."
        )


def _hold_numbers(classes: Sequence[object]) -> bool:
    return any(isinstance(found, numbers.Real) for found in classes)


def _shown(value: object) -> str:
    if is_tensor(value):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"  # type: ignore[attr-defined]
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"
