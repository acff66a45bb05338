"""The tasks of a problem of pictures: what is given for each, and its labels where they are plain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sharewise.errors import DataError, OptionError
from sharewise.problems._cells import from_objects
from sharewise.problems._items import LabelReader
from sharewise.problems._labels import Labels, encode
from sharewise.problems._names import counted, listed
from sharewise.tasks import (
    Binary,
    Classification,
    Detection,
    Kind,
    Multiclass,
    Ordinal,
    Regression,
    Segmentation,
)

FORM = '{"pose": (labels, "multiclass"), "mask": (masks, sw.tasks.Segmentation(("ground", "car")))}'
WORDS = ("regression", "binary", "multiclass", "ordinal")
PLAIN = (Regression, Binary, Multiclass, Ordinal)

Paths = Sequence[Path | None] | None
"""Files of the pictures, a row each, or None where they are arrays."""
Kinds = str | Kind | Segmentation | Detection


@dataclass(frozen=True)
class Given:
    """A task as the user states it.

    Attributes:
        values: Labels, masks or boxes, a picture each.
        kind: A word, or a kind.
    """

    name: str
    values: list[Any]
    kind: Kinds

    @property
    def dense(self) -> bool:
        """Whether it predicts masks or boxes."""
        return isinstance(self.kind, Segmentation | Detection)


def check_tasks(tasks: object, count: int, paths: Paths) -> dict[str, Given]:
    """The tasks by name, with ``count`` values each.

    Raises:
        OptionError: They are not given as ``{"task": (values, kind)}``, or a kind is unknown.
        DataError: There are fewer than two, or one has more or fewer values than there are pictures.
    """
    if not isinstance(tasks, Mapping):
        raise OptionError(f"tasks are given by name, as in {FORM}; got a {type(tasks).__name__}.")
    found = {}
    for name, given in tasks.items():
        if not isinstance(name, str) or not name.strip():
            raise OptionError(f"a task's name is a text, as in {FORM}; got {name!r}.")
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise OptionError(
                f"a task is a pair of its labels and its kind, as in {FORM}; '{name}' is a {type(given).__name__}."
            )
        found[name] = Given(name, one_each(given[0], count, paths, f"task '{name}'"), _kind(name, given[1]))
    single = next(iter(found.values())).kind if len(found) == 1 else None
    if not found or (single is not None and single != "multiclass" and not isinstance(single, Multiclass)):
        raise DataError(
            f"a problem of pictures has at least two tasks; got {listed(list(found)) or 'none'}. Name another one."
        )
    return found


def _kind(name: str, kind: Any) -> Kinds:
    if kind in WORDS if isinstance(kind, str) else isinstance(kind, (*PLAIN, Segmentation, Detection)):
        checked: Kinds = kind
        return checked
    told = f"'{kind}'" if isinstance(kind, str) else getattr(kind, "__name__", type(kind).__name__)
    raise OptionError(
        f"a task of pictures is {', '.join(WORDS)}, or a Segmentation or Detection of sw.tasks; '{name}' is {told}."
    )


def one_each(given: Any, count: int, paths: Paths, what: str) -> list[Any]:
    """One value a picture: a sequence, or a function of the picture's path.

    Raises:
        OptionError: It is neither; or a function, and pictures are no files.
        DataError: There are more or fewer, or the function fails.
    """
    if callable(given):
        return _told(given, paths, what)
    if (
        isinstance(given, str | bytes | Mapping)
        or not hasattr(given, "__len__")
        or not hasattr(given, "__iter__")
    ):
        raise OptionError(
            f"{what} is given by a sequence, a value a picture, or a function of its path; got a {type(given).__name__}."
        )
    values = given.tolist() if getattr(given, "ndim", 0) == 1 and hasattr(given, "tolist") else list(given)
    if len(values) != count:
        raise DataError(
            f"{what} has one value a picture; got {len(values)} for {counted(count, 'picture')}. Pair them."
        )
    return values


def _told(tell: Callable[[Path], Any], paths: Paths, what: str) -> list[Any]:
    if paths is None:
        raise OptionError(
            f"{what} is a function of a picture's path; these pictures are no files. Give a sequence."
        )
    values = []
    for path in paths:
        try:
            values.append(None if path is None else tell(path))
        except Exception as error:  # a user's own code may fail in any way
            raise DataError(
                f"{path}: {what} is told by a function of the path, which gave {type(error).__name__}: "
                f"{str(error)[:120]}. Mend it, or return None for a gap."
            ) from error
    return values


def read_labels(given: Given) -> Labels:
    """The labels of a plain task.

    Raises:
        DataError: They are none of its kind.
    """
    if isinstance(given.kind, str):
        return encode(from_objects(given.name, given.values), given.kind)
    assert isinstance(given.kind, Kind)
    reader = LabelReader(given.name, given.kind)
    codes = np.array([reader.read(value, f"picture {row}") for row, value in enumerate(given.values)])
    if np.isnan(codes).all():
        raise DataError(f"a task must hold labels; '{given.name}' holds none. Leave it out.")
    classes = given.kind.classes if isinstance(given.kind, Classification) else ()
    return Labels(given.name, given.kind.name, codes, classes)
