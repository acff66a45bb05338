"""Classification: one of two or more classes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.tasks._kind import Kind
from sharewise.tasks._metric import Array


@dataclass(frozen=True)
class Classification(Kind):
    """Abstract: a class of a fixed list, fitted with the log loss.

    Attributes:
        classes: The labels as users write them, in sorted order (of ordered ones in theirs); a label's code is its
            place here.
    """

    classes: tuple[str | int | float | bool, ...] = ()

    @property
    def width(self) -> int:
        return len(self.classes)

    @abstractmethod
    def chosen(self, prediction: Array) -> NDArray[np.intp]:
        """The code ``(n,)`` that probabilities ``(n, width)`` decide for."""

    def decode(self, prediction: Array) -> NDArray[np.generic]:
        plain = all(type(c) is type(self.classes[0]) for c in self.classes)
        labels = np.array(self.classes, dtype=None if plain else object)
        if plain and isinstance(self.classes[0], str):
            labels = labels.astype(object)
        chosen: NDArray[np.generic] = labels[self.chosen(prediction)]
        return chosen

    def constant(self, y: Array) -> Array:
        # One pseudo-label spread over the classes keeps a class unseen here possible.
        counts = np.bincount(y.astype(np.intp), minlength=self.width) + 1.0 / self.width
        share: Array = counts / counts.sum()
        return share


@dataclass(frozen=True)
class Binary(Classification):
    """Two classes; the second in sorted order is the positive one."""

    name: ClassVar[str] = "binary"
    metrics: ClassVar[tuple[str, ...]] = ("log_loss", "roc_auc", "accuracy", "brier", "f1_macro")

    def __post_init__(self) -> None:
        if len(self.classes) != 2:
            raise DataError(f"a binary task has two classes; got {len(self.classes)}. Use multiclass.")

    def chosen(self, prediction: Array) -> NDArray[np.intp]:
        return most_probable(prediction)


@dataclass(frozen=True)
class Multiclass(Classification):
    """Two or more classes, one of which is right.

    Args:
        classes: The labels in sorted order, or their number ``n`` where they are the codes 0 to ``n - 1``.
    """

    name: ClassVar[str] = "multiclass"
    metrics: ClassVar[tuple[str, ...]] = ("log_loss", "accuracy", "f1_macro", "roc_auc", "brier")

    def __init__(self, classes: tuple[str | int | float | bool, ...] | int = ()) -> None:
        named = tuple(range(classes)) if isinstance(classes, int) else classes
        if len(named) < 2:
            raise DataError(f"a multiclass task has two or more classes; got {len(named)}.")
        object.__setattr__(self, "classes", named)  # frozen for everybody else

    def chosen(self, prediction: Array) -> NDArray[np.intp]:
        return most_probable(prediction)


def most_probable(prediction: Array) -> NDArray[np.intp]:
    """The code ``(n,)`` of the highest probability, of equal ones the first."""
    codes: NDArray[np.intp] = prediction.argmax(axis=1)
    return codes
