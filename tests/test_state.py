"""Fitted state survives a trip through JSON and arrays bit for bit; anything foreign is refused."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from sharewise.errors import StorageError
from sharewise.families._forest import Forest
from sharewise.serving._state import MAX_DEPTH, decode, encode
from sharewise.tasks import Multiclass


@dataclass(frozen=True)
class Part:
    name: str
    weights: np.ndarray
    inner: object = None
    doubled: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise KeyError("no such part")
        object.__setattr__(self, "doubled", 2.0)


KNOWN = {"Part": Part, "Forest": Forest, "Multiclass": Multiclass}


def trip(obj: object) -> Any:
    """Through real JSON text, as in a file."""
    tree, arrays, texts = encode(obj, KNOWN)
    return decode(json.loads(json.dumps(tree, allow_nan=False)), arrays, texts, KNOWN)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype == object:
            return a.shape == b.shape and all(same(x, y) for x, y in zip(a.flat, b.flat, strict=True))
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float | np.floating) and math.isnan(a):
        return math.isnan(b)
    return bool(a == b) and repr(a) == repr(b)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**70),
        0.1,
        -0.0,
        1e-320,
        math.nan,
        math.inf,
        -math.inf,
        "",
        "ü\ud800\x00\r\n",
        "x" * 5000,
        [],
        [1, [2.5, None]],
        (),
        (1, ("a",), [math.nan]),
        {},
        {"a": 1, "b": {"c": (1,)}},
        {"$": "array", "key": "00000"},
        {1: "a", (2, "b"): None, None: 3, 2.5: [1]},
        {"b": np.int64(1), "$": np.int64(2)},
        {"b": np.float64("nan")},
        slice(None, 3, None),
        slice("a", "b"),
        np.float64(0.1),
        np.float32("inf"),
        np.float16(1.5),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.str_("word"),
        np.dtype("float32"),
        np.dtype(object),
        np.dtype("<U7"),
        np.float64,
        np.object_,
        float,
        object,
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(20.0)[::3],
        np.zeros((0, 4)),
        np.zeros((3, 0), dtype=bool),
        np.array(2.5),
        np.array([np.nan, -0.0, np.inf], dtype=np.float32),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([], dtype="<U1"),
        np.array("abc"),
        np.array([["a", None], [np.nan, 2]], dtype=object),
        np.array([], dtype=object),
        np.array(None, dtype=object),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_values_survive(value: object) -> None:
    assert same(trip(value), value)


def test_arrays_keep_memory_order_and_can_be_written_to() -> None:
    turned = trip(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert turned.flags.f_contiguous
    assert not turned.flags.c_contiguous
    tree, arrays, texts = encode(np.arange(3), {})
    arrays["00000"].flags.writeable = False
    assert decode(tree, arrays, texts, {}).flags.writeable
    big_endian = trip(np.arange(3, dtype=">i4"))
    assert big_endian.dtype == np.dtype("=i4")
    np.testing.assert_array_equal(big_endian, [0, 1, 2])


def test_nested_arrays_in_object_arrays() -> None:
    edges = np.empty(2, dtype=object)
    edges[0], edges[1] = np.arange(3.0), np.arange(5.0)
    assert same(trip(edges), edges)


def test_dataclasses_and_shared_objects() -> None:
    weights = np.arange(4.0)
    shared = Part("shared", weights)
    tree, arrays, _ = encode((shared, Part("other", weights, shared), [shared]), KNOWN)
    assert len(arrays) == 1
    first, second, (third,) = decode(tree, arrays, {}, KNOWN)
    assert second.inner is first is third
    assert second.weights is first.weights
    assert first.doubled == 2.0
    assert trip(Multiclass(("a", "b", "c"))) == Multiclass(("a", "b", "c"))


def test_long_texts_are_kept_apart() -> None:
    tree, _, texts = encode(["short", "x" * 2000, "y" * 2001, "z" * 3000], {})
    assert list(texts) == ["000", "001"]
    assert texts["001"] == "z" * 3000
    assert len(json.dumps(tree)) < 2200


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {2, 3}]}, r"builtins.set at model\['a'\]\[1\]"),
        (Part("p", np.zeros(1), inner=lambda x: x), "function at model.inner"),
        (os, "module"),
        (1j, "complex"),
        (np.complex128(1j), "complex128"),
        (np.zeros(2, dtype=complex), "complex128"),
        (np.zeros(2, dtype="M8[D]"), "datetime64"),
        (np.datetime64("2020-01-01"), "datetime64"),
        (np.zeros(2, dtype="i4,f4"), "got"),
        (np.ma.masked_array([1, 2]), "MaskedArray"),
        (np.dtype("M8[D]"), "DateTime64"),
        (dict, "builtins.type"),
        (os.system, "os.system|posix.system|builtin"),
        (b"bytes", "bytes"),
        (ExtraTreesRegressor(), "ExtraTreesRegressor"),
        (FunctionTransformer(np.log1p), "FunctionTransformer"),
        (Ridge(), "Ridge"),
        (PCA(), "PCA"),
        (TfidfVectorizer(analyzer="char_wb", tokenizer=str.split), "tokenizer"),
        (TfidfVectorizer(), "analyzer='char_wb'"),
        (TfidfVectorizer(analyzer="char_wb", input="filename"), "input='content'"),
        (TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 10**9)), "1 to 16 letters"),
        (np.random.PCG64(), "PCG64"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_foreign_objects_are_refused(value: object, where: str) -> None:
    with pytest.raises(StorageError, match=where):
        encode(value, KNOWN)


def test_cycles_and_depth_are_refused() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(StorageError, match="levels"):
        encode(cycle, {})
    deep: Any = 1
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    with pytest.raises(StorageError, match="levels"):
        decode(deep, {}, {}, {})


SCALER = {"$": "estimator", "type": "StandardScaler", "state": {}}


@pytest.mark.parametrize(
    "tree",
    [
        {"$": "nonsense"},
        {"$": None},
        {"$": ["tuple"]},
        {"$": "tuple"},
        {"$": "tuple", "v": 1},
        {"$": "tuple", "v": [], "w": 1},
        {"$": "float", "v": "1.5"},
        {"$": "text", "key": "000"},
        {"$": "array", "key": "missing", "order": "C"},
        {"$": "array", "key": "a", "order": "K"},
        {"$": "array", "key": "complex", "order": "C"},
        {"$": "array", "key": ["a"], "order": "C"},
        {"$": "scalar", "dtype": "float64", "v": "1"},
        {"$": "scalar", "dtype": "int8", "v": 300},
        {"$": "scalar", "dtype": "int8", "v": True},
        {"$": "scalar", "dtype": "complex128", "v": 1},
        {"$": "scalars", "dtype": "int64", "v": {"a": 1.5}},
        {"$": "slice", "v": [1, 2]},
        {"$": "dict", "v": [[1, 2, 3]]},
        {"$": "dict", "v": [[[1], 2]]},
        {"$": "strings", "dtype": "<U2", "shape": [1], "v": ["long"]},
        {"$": "strings", "dtype": "<U2", "shape": [2], "v": ["a"]},
        {"$": "strings", "dtype": "<U2", "shape": [1], "v": [None]},
        {"$": "strings", "dtype": "|S2", "shape": [1], "v": ["a"]},
        {"$": "objects", "shape": [2, 2], "v": [1, 2, 3]},
        {"$": "objects", "shape": [-1], "v": [1]},
        {"$": "objects", "shape": [0, 10**30], "v": []},
        {"$": "dtype", "v": "M8[D]"},
        {"$": "dtype", "v": "i3"},
        {"$": "dtype", "v": "b8"},
        {"$": "type", "v": "os.system"},
        {"$": "type", "v": "numpy.ndarray"},
        {"$": "same", "n": 0},
        {"$": "same", "n": -1},
        {"$": "data", "type": "Unknown", "fields": {}},
        {"$": "data", "type": "Part", "fields": {"name": "p"}},
        {"$": "data", "type": "Part", "fields": {"name": "p", "weights": 1, "inner": 1, "doubled": 2.0}},
        {"$": "data", "type": "Part", "fields": {"name": "bad", "weights": 1, "inner": 1}},
        {"$": "estimator", "type": "ExtraTreesRegressor", "state": {}},
        {"$": "estimator", "type": "Pipeline", "state": {}},
        {"$": "estimator", "type": "StandardScaler", "state": {"transform": 1}},
        {"$": "estimator", "type": "StandardScaler", "state": {"__class__": "os"}},
        {"$": "estimator", "type": "StandardScaler", "state": {"a b": 1}},
        {"$": "estimator", "type": "FunctionTransformer", "state": {"func": {"$": "type", "v": "float"}}},
        {"$": "estimator", "type": "TfidfVectorizer", "state": {"tokenizer": {"$": "type", "v": "float"}}},
        {"$": "estimator", "type": "TfidfVectorizer", "state": {"ngram_range": 5}},
        {"$": "estimator", "type": "Pipeline", "state": {"steps": [], "memory": "/tmp/elsewhere"}},
        [SCALER, {"$": "same", "n": 1}],
        {"a": (1, 2)},
    ],
    ids=lambda tree: str(tree)[:50],
)
def test_damaged_trees_are_refused(tree: Any) -> None:
    arrays = {"a": np.zeros(2), "complex": np.zeros(2, dtype=complex)}
    with pytest.raises(StorageError, match="saved"):
        decode(tree, arrays, {}, KNOWN)


def test_a_damaged_forest_is_refused_by_its_own_check() -> None:
    X = np.random.default_rng(0).normal(size=(50, 2))
    forest = Forest.from_sklearn(ExtraTreesRegressor(3, random_state=0).fit(X, X[:, 0]))
    tree, arrays, texts = encode(forest, KNOWN)
    np.testing.assert_array_equal(decode(tree, arrays, texts, KNOWN).predict(X), forest.predict(X))
    assert isinstance(tree, dict)
    assert isinstance(tree["fields"], dict)
    left = tree["fields"]["left"]
    assert isinstance(left, dict)
    arrays[str(left["key"])] = np.zeros_like(forest.left)
    with pytest.raises(StorageError, match="forest is damaged"):
        decode(tree, arrays, texts, KNOWN)


def texts_of(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array(
        [" ".join(rng.choice(["the", "quick", "brown", "fox", "jümps"], 6)) for _ in range(n)], object
    )


@pytest.mark.parametrize("last", [StandardScaler(), Normalizer()], ids=lambda last: type(last).__name__)
def test_readers_of_text_transform_bit_for_bit(last: Any) -> None:
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=300, sublinear_tf=True)
    steps = [
        ("grams", grams),
        ("latent", TruncatedSVD(8, random_state=np.random.RandomState(0))),
        ("last", last),
    ]
    fitted = Pipeline(steps).fit(texts_of(80, 0))
    back = trip(fitted)
    assert same(back.transform(texts_of(50, 1)), fitted.transform(texts_of(50, 1)))
    assert back.get_params()["grams__max_features"] == 300
    assert back.named_steps["latent"].random_state is None


def test_few_lines_cannot_stand_for_millions_of_parts() -> None:
    tree: Any = {"$": "data", "type": "Part", "fields": {"name": "a", "weights": 1, "inner": None}}
    for level in range(20):
        again = [tree, *({"$": "same", "n": level} for _ in range(9))]
        tree = {"$": "data", "type": "Part", "fields": {"name": "a", "weights": 1, "inner": again}}
    with pytest.raises(StorageError, match="parts"):
        decode(tree, {}, {}, KNOWN)


def test_fields_of_later_versions_get_their_defaults() -> None:
    fields = {"name": "p", "weights": [1.0]}
    assert decode({"$": "data", "type": "Part", "fields": fields}, {}, {}, KNOWN).inner is None


def test_options_of_later_versions_get_their_defaults() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    tree, arrays, texts = encode(StandardScaler().fit(X), {})
    assert isinstance(tree, dict)
    assert isinstance(tree["state"], dict)
    del tree["state"]["with_std"]
    np.testing.assert_array_equal(
        decode(tree, arrays, texts, {}).transform(X), StandardScaler().fit_transform(X)
    )
