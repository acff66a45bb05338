"""The forms in which fitted state is kept: tags, their fields, and the types that may occur."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, TypeAlias

import numpy as np

from sharewise.errors import StorageError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Known: TypeAlias = Mapping[str, type]

LONG_TEXT = 2_000
"""Strings of more characters go to ``texts``."""
MAX_DEPTH = 64
"""Deeper nesting (or a cycle) is refused, so that no file can exhaust the stack."""
MOST_PARTS = 2_000_000
"""Arrays, dataclasses and estimators of a model at most, each counted as often as it is referred to: whoever walks
through a model must come to an end."""

NUMERIC = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"
SCALARS: dict[str, type[np.generic]] = {name: np.dtype(name).type for name in NUMERIC.split()}
TYPES: dict[str, type] = {
    **{f"numpy.{name}": kind for name, kind in SCALARS.items()},
    **{"numpy.object": np.object_, "numpy.str": np.str_},
    **{kind.__name__: kind for kind in (bool, int, float, str, object)},
}
TYPE_NAMES = {kind: name for name, kind in TYPES.items()}
FIELDS: dict[str, set[str]] = {
    "float": {"v"},
    "text": {"key"},
    "tuple": {"v"},
    "slice": {"v"},
    "dict": {"v"},
    "scalar": {"dtype", "v"},
    "scalars": {"dtype", "v"},
    "array": {"key", "order"},
    "objects": {"shape", "v"},
    "strings": {"dtype", "shape", "v"},
    "dtype": {"v"},
    "type": {"v"},
    "data": {"type", "fields"},
    "estimator": {"type", "state"},
    "same": {"n"},
}


def damaged(path: str, what: str, cause: BaseException | None = None) -> NoReturn:
    """Refuse what a file holds.

    Raises:
        StorageError: Always.
    """
    raise StorageError(
        f"a saved model must be whole and of a known form; at {path} {what}. Save it again or restore a copy."
    ) from cause
