"""Fitted state from JSON, arrays and texts; whatever is not of the known form is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from inspect import Parameter, signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import StorageError
from sharewise.serving._estimators import check_estimator, estimator_class
from sharewise.serving._state_form import FIELDS, MAX_DEPTH, MOST_PARTS, SCALARS, TYPES, Known, damaged


class Decoder:
    """What has been read so far: composites in the order in which they ended, and the parts in each."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str], known: Known) -> None:
        self.arrays, self.texts, self.known = arrays, texts, known
        self.seen: list[Any] = []
        self.sizes: list[int] = []
        self.parts = 0

    def node(self, node: Any, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            damaged(path[:80], f"it nests more than {MAX_DEPTH} levels")
        if node is None or type(node) in (bool, int, float, str):
            return node
        if type(node) is list:
            return self.items(node, path, depth)
        if type(node) is not dict:
            damaged(path, f"'{type(node).__name__}' is no JSON value")
        if "$" not in node:
            return {key: self.node(value, f"{path}[{key!r}]", depth + 1) for key, value in node.items()}
        if not isinstance(node["$"], str) or set(node) - {"$"} != FIELDS.get(node["$"]):
            damaged(path, f"a tag {str(node['$'])[:40]!r} with {sorted(set(node) - {'$'})} is unknown")
        try:
            return self.tagged(node, path, depth)
        except (ValueError, TypeError, OverflowError, MemoryError) as error:
            damaged(path, f"{type(error).__name__}: {error}", error)

    def tagged(self, node: dict[str, Any], path: str, depth: int) -> Any:
        match node:
            case {"$": "float", "v": "nan" | "inf" | "-inf" as value}:
                return float(value)
            case {"$": "text", "key": str(key)} if key in self.texts:
                return self.texts[key]
            case {"$": "tuple", "v": list(v)}:
                return tuple(self.items(v, path, depth))
            case {"$": "slice", "v": [_, _, _] as v}:
                return slice(*self.items(v, path, depth))
            case {"$": "dict", "v": list(v)} if all(type(pair) is list and len(pair) == 2 for pair in v):
                return dict(self.items(pair, path, depth + 1) for pair in v)
            case {"$": "scalar", "dtype": str(dtype), "v": value}:
                return self.scalar(dtype, value, path)
            case {"$": "scalars", "dtype": str(dtype), "v": dict(values)}:
                return {key: self.scalar(dtype, value, path) for key, value in values.items()}
            case {"$": "dtype", "v": str(text)} if re.fullmatch(r"\|O|[<>|=]?([biuf][1248]|U\d{1,6})", text):
                return np.dtype(text)
            case {"$": "type", "v": str(name)} if name in TYPES:
                return TYPES[name]
            case {"$": "same", "n": int(n)} if type(n) is int and 0 <= n < len(self.seen):
                self.count(self.sizes[n], path)
                return self.seen[n]
        before = self.parts
        composite = self.composite(node, path, depth)
        self.count(1, path)
        self.seen.append(composite)
        self.sizes.append(self.parts - before)
        return composite

    def count(self, parts: int, path: str) -> None:
        """Parts met again count again: some lines that refer to each other could stand for millions."""
        self.parts += parts
        if self.parts > MOST_PARTS:
            damaged(path[:80], f"it has more than {MOST_PARTS:,} parts")

    def composite(self, node: dict[str, Any], path: str, depth: int) -> Any:
        match node:
            case {"$": "array", "key": str(key), "order": "C" | "F" as order} if key in self.arrays:
                array = self.arrays[key]
                if array.dtype.name not in SCALARS:
                    damaged(path, f"an array of {array.dtype}")
                array = array if array.flags.writeable else array.copy()
                return array.T if order == "F" else array
            case {"$": "strings", "dtype": str(text), "shape": list(shape), "v": list(v)} if re.fullmatch(
                r"[<>]U\d{1,6}", text
            ) and all(type(word) is str for word in v):
                if max((len(word) for word in v), default=0) > int(text[2:]):
                    damaged(path, f"a string is longer than {text[2:]} characters")
                return np.array(v, dtype=text).reshape(_shape(shape, len(v), path))
            case {"$": "objects", "shape": list(shape), "v": list(v)}:
                flat = np.empty(len(v), dtype=object)
                for place, value in enumerate(self.items(v, path, depth)):
                    flat[place] = value
                return flat.reshape(_shape(shape, len(v), path))
            case {"$": "data", "type": str(name), "fields": dict(content)} if name in self.known:
                return self.data(self.known[name], content, path, depth)
            case {"$": "estimator", "type": str(name), "state": dict(content)}:
                return self.estimator(name, content, path, depth)
        damaged(path, f"a '{node['$']}' names or holds what is not there ({str(node)[:60]})")

    def items(self, values: list[Any], path: str, depth: int) -> list[Any]:
        return [self.node(value, f"{path}[{place}]", depth + 1) for place, value in enumerate(values)]

    def attributes(self, values: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        return {name: self.node(value, f"{path}.{name}", depth + 1) for name, value in values.items()}

    def scalar(self, dtype: str, value: Any, path: str) -> np.generic:
        plain = self.node(value, path, MAX_DEPTH - 1)
        expected = {"b": bool, "i": int, "u": int, "f": float}
        if dtype == "str" and type(plain) is str:
            return np.str_(plain)
        if dtype not in SCALARS or type(plain) is not expected[np.dtype(dtype).kind]:
            damaged(path, f"{str(plain)[:40]!r} is no {dtype[:40]}")
        return SCALARS[dtype](plain)

    def data(self, kind: type, content: dict[str, Any], path: str, depth: int) -> Any:
        expected = {f.name for f in fields(kind) if f.init}
        needed = {f.name for f in fields(kind) if f.init and not _has_default(f)}
        if not needed <= set(content) <= expected:
            different = ", ".join(sorted(needed - set(content) | set(content) - expected))
            damaged(path, f"the fields of a {kind.__name__} differ from this version's in {different[:200]}")
        values = self.attributes(content, path, depth)
        try:
            return kind(**values)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - a class's own checks may fail in any way on damaged values
            damaged(path, f"{kind.__name__} refused it ({type(error).__name__}: {error})", error)

    def estimator(self, name: str, content: dict[str, Any], path: str, depth: int) -> Any:
        kind = estimator_class(name)
        if kind is None:
            damaged(path, f"'{name[:40]}' is no class that may be loaded")
        state = self.attributes(content, path, depth)
        check_estimator(kind, state, path)
        for option in signature(kind).parameters.values():
            if option.name not in state and option.default is Parameter.empty:
                damaged(path, f"a {name} lacks '{option.name}'")
            state.setdefault(option.name, option.default)
        estimator: Any = object.__new__(kind)
        vars(estimator).update(state)
        return estimator


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _shape(shape: list[Any], size: int, path: str) -> tuple[int, ...]:
    if not all(type(n) is int and 0 <= n < 2**62 for n in shape) or math.prod(shape) != size:
        damaged(path, f"shape {str(shape)[:40]} does not fit {size} entries")
    return tuple(shape)
