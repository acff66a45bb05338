"""Fitted state to JSON, arrays and texts."""

from __future__ import annotations

import math
from collections import UserList
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import StorageError
from sharewise.serving._estimators import SKIPPED, check_estimator, estimator_class
from sharewise.serving._state_form import LONG_TEXT, MAX_DEPTH, SCALARS, TYPE_NAMES, Json, Known


class Encoder:
    """What has been written so far: ``arrays`` and ``texts`` by their keys, and which objects."""

    def __init__(self, known: Known) -> None:
        self.names = {kind: name for name, kind in known.items()}
        self.arrays: dict[str, NDArray[Any]] = {}
        self.texts: dict[str, str] = {}
        self.seen: dict[int, int] = {}

    def node(self, obj: Any, path: str, depth: int) -> Json:
        if depth > MAX_DEPTH:
            raise StorageError(
                f"a saved model nests at most {MAX_DEPTH} levels; got more at {path[:80]}…. Flatten it."
            )
        kind = type(obj)
        if obj is None or kind is bool or kind is int:
            return obj  # type: ignore[no-any-return]
        if kind is float:
            return obj if math.isfinite(obj) else {"$": "float", "v": repr(obj)}
        if kind is str:
            return self.text(obj)
        if kind is list or (isinstance(obj, UserList) and kind.__module__.startswith("sklearn.")):
            return self.items(obj, path, depth)
        if kind is tuple:
            return {"$": "tuple", "v": self.items(obj, path, depth)}
        if kind is dict:
            return self.mapping(obj, path, depth)
        if kind is slice:
            return {"$": "slice", "v": self.items((obj.start, obj.stop, obj.step), path, depth)}
        if isinstance(obj, np.generic):
            return self.scalar(obj, path)
        if isinstance(obj, np.dtype):
            return self.dtype(obj, path)
        if isinstance(obj, type) and obj in TYPE_NAMES:
            return {"$": "type", "v": TYPE_NAMES[obj]}
        if isinstance(obj, np.random.RandomState | np.random.Generator):
            return None
        return self.composite(obj, path, depth)

    def composite(self, obj: Any, path: str, depth: int) -> Json:
        """Arrays, dataclasses and estimators: written once, then referred to."""
        if id(obj) in self.seen:
            return {"$": "same", "n": self.seen[id(obj)]}
        kind = type(obj)
        tree: Json
        if kind in (np.ndarray, np.memmap):
            tree = self.array(obj, path, depth)
        elif kind in self.names and is_dataclass(kind):
            content = {f.name: getattr(obj, f.name) for f in fields(kind) if f.init}
            tree = {"$": "data", "type": self.names[kind], "fields": self.attributes(content, path, depth)}
        elif estimator_class(kind.__name__) is kind:
            state = {name: value for name, value in vars(obj).items() if name not in SKIPPED}
            check_estimator(kind, state, path)
            tree = {"$": "estimator", "type": kind.__name__, "state": self.attributes(state, path, depth)}
        else:
            _cannot_save(kind, path)
        self.seen[id(obj)] = len(self.seen)
        return tree

    def items(self, values: Any, path: str, depth: int) -> list[Json]:
        return [self.node(value, f"{path}[{place}]", depth + 1) for place, value in enumerate(values)]

    def attributes(self, values: Mapping[str, Any], path: str, depth: int) -> dict[str, Json]:
        return {name: self.node(value, f"{path}.{name}", depth + 1) for name, value in values.items()}

    def mapping(self, values: dict[Any, Any], path: str, depth: int) -> Json:
        if not all(type(key) is str for key in values):
            pairs = [self.items(pair, path, depth + 1) for pair in values.items()]
            return {"$": "dict", "v": [*pairs]}
        kinds = {type(value) for value in values.values()}
        if len(kinds) == 1 and (kind := kinds.pop()) in SCALARS.values():
            plain = {key: self.scalar(value, path)["v"] for key, value in values.items()}
            return {"$": "scalars", "dtype": np.dtype(kind).name, "v": plain}
        if "$" in values:
            return {"$": "dict", "v": [[key, self.node(v, path, depth + 1)] for key, v in values.items()]}
        return {key: self.node(value, f"{path}[{key!r}]", depth + 1) for key, value in values.items()}

    def text(self, value: str) -> Json:
        if len(value) <= LONG_TEXT:
            return value
        key = f"{len(self.texts):03d}"
        self.texts[key] = value
        return {"$": "text", "key": key}

    def scalar(self, value: np.generic, path: str) -> dict[str, Json]:
        if isinstance(value, np.str_):
            return {"$": "scalar", "dtype": "str", "v": self.text(str(value))}
        if type(value) not in SCALARS.values():
            _cannot_save(type(value), path)
        return {"$": "scalar", "dtype": value.dtype.name, "v": self.node(value.item(), path, 0)}

    def dtype(self, value: np.dtype[Any], path: str) -> Json:
        if value != np.dtype(object) and value.name not in SCALARS and value.kind != "U":
            _cannot_save(type(value), path)
        return {"$": "dtype", "v": value.str}

    def array(self, array: NDArray[Any], path: str, depth: int) -> Json:
        if array.dtype == np.dtype(object) or array.dtype.kind == "U":
            shape: list[Json] = [*array.shape]
            if array.dtype.kind == "U":
                words: list[Json] = [*array.ravel().tolist()]
                return {"$": "strings", "dtype": array.dtype.str, "shape": shape, "v": words}
            return {"$": "objects", "shape": shape, "v": self.items(array.ravel(), path, depth)}
        if array.dtype.name not in SCALARS:
            raise StorageError(
                f"a saved model holds arrays of booleans, numbers, strings or objects; "
                f"got {array.dtype} at {path}. Convert it first."
            )
        native = np.asarray(array, dtype=array.dtype.newbyteorder("="))
        turned = native.flags.f_contiguous and not native.flags.c_contiguous
        key = f"{len(self.arrays):05d}"
        self.arrays[key] = native.T if turned else np.asarray(native, order="C")
        return {"$": "array", "key": key, "order": "F" if turned else "C"}


def _cannot_save(kind: type, path: str) -> NoReturn:
    raise StorageError(
        f"a saved model holds plain values, arrays, known dataclasses and listed scikit-learn estimators; "
        f"got a {kind.__module__}.{kind.__qualname__} at {path}. Keep its state in one of these instead."
    )
