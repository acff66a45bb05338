"""Fitted state as plain JSON, arrays and texts, and back: nothing is pickled, imported by name or run.

What JSON can say itself (None, bool, int, finite float, str, list, dict with str keys) stands for itself;
everything else is a JSON object with a tag under ``"$"``:

| tag | stands for |
| --- | --- |
| ``float`` | nan, inf, -inf |
| ``text`` | a long string, kept in ``texts`` |
| ``tuple``, ``slice``, ``dict`` | what they say; a dict with other keys as a list of items |
| ``scalar``, ``scalars`` | a NumPy scalar; a dict of NumPy scalars of one type |
| ``array`` | a bool or numeric array, kept in ``arrays`` |
| ``objects``, ``strings`` | an object array, a string array |
| ``dtype``, ``type`` | a NumPy dtype, a scalar type (an option of scikit-learn's) |
| ``data`` | a dataclass from the caller's mapping of known classes |
| ``estimator`` | a scikit-learn estimator from `ESTIMATORS`: its attributes |
| ``same`` | the n-th array, dataclass or estimator (counted as they end), met again |
"""

from __future__ import annotations

import math
import re
from collections import UserList
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from inspect import Parameter, signature
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import StorageError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Known: TypeAlias = Mapping[str, type]

LONG_TEXT = 2_000
"""Strings of more characters go to ``texts``."""
MAX_DEPTH = 64
"""Deeper nesting (or a cycle) is refused, so that no file can exhaust the stack."""

ESTIMATORS = {
    "sklearn.compose": "ColumnTransformer",
    "sklearn.decomposition": "PCA TruncatedSVD",
    "sklearn.feature_extraction.text": "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer",
    "sklearn.impute": "MissingIndicator SimpleImputer",
    "sklearn.linear_model": "ElasticNet Lasso LinearRegression LogisticRegression LogisticRegressionCV "
    "MultiTaskElasticNet MultiTaskLasso Ridge RidgeCV RidgeClassifier",
    "sklearn.pipeline": "FeatureUnion Pipeline",
    "sklearn.preprocessing": "FunctionTransformer KBinsDiscretizer LabelBinarizer LabelEncoder MaxAbsScaler "
    "MinMaxScaler Normalizer OneHotEncoder OrdinalEncoder PolynomialFeatures PowerTransformer "
    "QuantileTransformer RobustScaler StandardScaler",
}
"""The scikit-learn classes that are saved and loaded, by the module they are imported from."""

_EMPTY = {"FunctionTransformer": ("func", "inverse_func")}
"""Attributes that must be None: they would be called."""
_SKIPPED = ("_stop_words_id",)
"""Attributes that mean something in one process only."""

_NUMERIC = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"
_SCALARS: dict[str, type[np.generic]] = {name: np.dtype(name).type for name in _NUMERIC.split()}
_TYPES: dict[str, type] = {
    **{f"numpy.{name}": kind for name, kind in _SCALARS.items()},
    **{"numpy.object": np.object_, "numpy.str": np.str_},
    **{kind.__name__: kind for kind in (bool, int, float, str, object)},
}
_TYPE_NAMES = {kind: name for name, kind in _TYPES.items()}
_FIELDS: dict[str, set[str]] = {
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


def encode(obj: object, known: Known) -> tuple[Json, dict[str, NDArray[Any]], dict[str, str]]:
    """A JSON-plain tree of ``obj``, the arrays it names, and the long texts it names.

    Random states are dropped (None). Arrays are not copied unless they are neither C- nor F-contiguous.

    Args:
        obj: Fitted state made of what the module's table lists.
        known: Dataclasses that may occur, by the name they get in the tree. Fields with ``init=False``
            are not saved.

    Raises:
        StorageError: Something else occurs; the message says what and where.
    """
    encoder = _Encoder(known)
    tree = encoder.node(obj, "model", 0)
    return tree, encoder.arrays, encoder.texts


def decode(tree: Json, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str], known: Known) -> Any:
    """What `encode` was given, from what it returned.

    Dataclasses are built by their constructor, so their own checks run; estimators get their attributes
    without one, and options their version of scikit-learn does not know yet keep its defaults.

    Raises:
        StorageError: An unknown tag or class, wrong fields, a missing array, a value of another type.
    """
    return _Decoder(arrays, texts, known).node(tree, "model", 0)


class _Encoder:
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
        if isinstance(obj, type) and obj in _TYPE_NAMES:
            return {"$": "type", "v": _TYPE_NAMES[obj]}
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
        elif _estimator_class(kind.__name__) is kind:
            state = {name: value for name, value in vars(obj).items() if name not in _SKIPPED}
            _check_state(kind, state, path)
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
        if len(kinds) == 1 and (kind := kinds.pop()) in _SCALARS.values():
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
        if type(value) not in _SCALARS.values():
            _cannot_save(type(value), path)
        return {"$": "scalar", "dtype": value.dtype.name, "v": self.node(value.item(), path, 0)}

    def dtype(self, value: np.dtype[Any], path: str) -> Json:
        if value != np.dtype(object) and value.name not in _SCALARS and value.kind != "U":
            _cannot_save(type(value), path)
        return {"$": "dtype", "v": value.str}

    def array(self, array: NDArray[Any], path: str, depth: int) -> Json:
        if array.dtype == np.dtype(object) or array.dtype.kind == "U":
            shape: list[Json] = [*array.shape]
            if array.dtype.kind == "U":
                words: list[Json] = [*array.ravel().tolist()]
                return {"$": "strings", "dtype": array.dtype.str, "shape": shape, "v": words}
            return {"$": "objects", "shape": shape, "v": self.items(array.ravel(), path, depth)}
        if array.dtype.name not in _SCALARS:
            raise StorageError(
                f"a saved model holds arrays of booleans, numbers, strings or objects; "
                f"got {array.dtype} at {path}. Convert it first."
            )
        native = np.asarray(array, dtype=array.dtype.newbyteorder("="))
        turned = native.flags.f_contiguous and not native.flags.c_contiguous
        key = f"{len(self.arrays):05d}"
        self.arrays[key] = native.T if turned else np.asarray(native, order="C")
        return {"$": "array", "key": key, "order": "F" if turned else "C"}


class _Decoder:
    def __init__(self, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str], known: Known) -> None:
        self.arrays, self.texts, self.known = arrays, texts, known
        self.seen: list[Any] = []

    def node(self, node: Any, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            _damaged(path[:80], f"it nests more than {MAX_DEPTH} levels")
        if node is None or type(node) in (bool, int, float, str):
            return node
        if type(node) is list:
            return self.items(node, path, depth)
        if type(node) is not dict:
            _damaged(path, f"'{type(node).__name__}' is no JSON value")
        if "$" not in node:
            return {key: self.node(value, f"{path}[{key!r}]", depth + 1) for key, value in node.items()}
        if not isinstance(node["$"], str) or set(node) - {"$"} != _FIELDS.get(node["$"]):
            _damaged(path, f"a tag {str(node['$'])[:40]!r} with {sorted(set(node) - {'$'})} is unknown")
        try:
            return self.tagged(node, path, depth)
        except (ValueError, TypeError, OverflowError, MemoryError) as error:
            _damaged(path, f"{type(error).__name__}: {error}", error)

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
            case {"$": "type", "v": str(name)} if name in _TYPES:
                return _TYPES[name]
            case {"$": "same", "n": int(n)} if type(n) is int and 0 <= n < len(self.seen):
                return self.seen[n]
        composite = self.composite(node, path, depth)
        self.seen.append(composite)
        return composite

    def composite(self, node: dict[str, Any], path: str, depth: int) -> Any:
        match node:
            case {"$": "array", "key": str(key), "order": "C" | "F" as order} if key in self.arrays:
                array = self.arrays[key]
                if array.dtype.name not in _SCALARS:
                    _damaged(path, f"an array of {array.dtype}")
                array = array if array.flags.writeable else array.copy()
                return array.T if order == "F" else array
            case {"$": "strings", "dtype": str(text), "shape": list(shape), "v": list(v)} if re.fullmatch(
                r"[<>]U\d{1,6}", text
            ) and all(type(word) is str for word in v):
                if max((len(word) for word in v), default=0) > int(text[2:]):
                    _damaged(path, f"a string is longer than {text[2:]} characters")
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
        _damaged(path, f"a '{node['$']}' names or holds what is not there ({str(node)[:60]})")

    def items(self, values: list[Any], path: str, depth: int) -> list[Any]:
        return [self.node(value, f"{path}[{place}]", depth + 1) for place, value in enumerate(values)]

    def attributes(self, values: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        return {name: self.node(value, f"{path}.{name}", depth + 1) for name, value in values.items()}

    def scalar(self, dtype: str, value: Any, path: str) -> np.generic:
        plain = self.node(value, path, MAX_DEPTH - 1)
        expected = {"b": bool, "i": int, "u": int, "f": float}
        if dtype == "str" and type(plain) is str:
            return np.str_(plain)
        if dtype not in _SCALARS or type(plain) is not expected[np.dtype(dtype).kind]:
            _damaged(path, f"{str(plain)[:40]!r} is no {dtype[:40]}")
        return _SCALARS[dtype](plain)

    def data(self, kind: type, content: dict[str, Any], path: str, depth: int) -> Any:
        expected = {f.name for f in fields(kind) if f.init}
        if set(content) != expected:
            different = ", ".join(sorted(set(content) ^ expected))
            _damaged(path, f"the fields of a {kind.__name__} differ from this version's in {different}")
        values = self.attributes(content, path, depth)
        try:
            return kind(**values)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - a class's own checks may fail in any way on damaged values
            _damaged(path, f"{kind.__name__} refused it ({type(error).__name__}: {error})", error)

    def estimator(self, name: str, content: dict[str, Any], path: str, depth: int) -> Any:
        kind = _estimator_class(name)
        if kind is None:
            _damaged(path, f"'{name[:40]}' is no class that may be loaded")
        state = self.attributes(content, path, depth)
        _check_state(kind, state, path)
        for option in signature(kind).parameters.values():
            if option.name not in state and option.default is Parameter.empty:
                _damaged(path, f"a {name} lacks '{option.name}'")
            state.setdefault(option.name, option.default)
        estimator: Any = object.__new__(kind)
        vars(estimator).update(state)
        return estimator


def _estimator_class(name: str) -> type | None:
    """The class of that name in `ESTIMATORS`, imported from the module written there."""
    for module, names in ESTIMATORS.items():
        if name in names.split():
            found: type = getattr(import_module(module), name)
            return found
    return None


def _check_state(kind: type, state: dict[str, Any], path: str) -> None:
    """Attributes must be plain names that hide no method, and nothing in them may be called."""
    for name in state:
        if not name.isidentifier() or name.startswith("__") or hasattr(kind, name):
            _damaged(path, f"a {kind.__name__} cannot take an attribute '{name[:40]}'")
    for name in _EMPTY.get(kind.__name__, ()):
        if state.get(name) is not None:
            raise StorageError(
                f"a saved {kind.__name__} holds no function; got one at {path}.{name}. Leave it None."
            )


def _shape(shape: list[Any], size: int, path: str) -> tuple[int, ...]:
    if not all(type(n) is int and 0 <= n < 2**62 for n in shape) or math.prod(shape) != size:
        _damaged(path, f"shape {str(shape)[:40]} does not fit {size} entries")
    return tuple(shape)


def _cannot_save(kind: type, path: str) -> NoReturn:
    raise StorageError(
        f"a saved model holds plain values, arrays, known dataclasses and listed scikit-learn estimators; "
        f"got a {kind.__module__}.{kind.__qualname__} at {path}. Keep its state in one of these instead."
    )


def _damaged(path: str, what: str, cause: BaseException | None = None) -> NoReturn:
    raise StorageError(
        f"a saved model must be whole and of a known form; at {path} {what}. Save it again or restore a copy."
    ) from cause
