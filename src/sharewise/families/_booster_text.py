"""Boosters from LightGBM's own text, which is checked before LightGBM's parser sees it.

That parser trusts what it reads: a child that leads back up makes it walk for ever, a feature beyond the row or a
count larger than the list behind it makes it read foreign memory. So every line is held against a grammar, every count
against its list, every index against what it points into; what follows the trees (the settings of training) is cut
off, since predicting needs none of it.

Symbols: ``L`` leaves of a tree, which has ``L - 1`` splits; ``K`` trees a round, one a column of raw scores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import StorageError
from sharewise.tasks import Array

if TYPE_CHECKING:
    import lightgbm

END = "end of trees\n"
TAIL = "\npandas_categorical:null\n"
MOST_FEATURES = 1_000_000
PER_SPLIT = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
"""Lists of ``L - 1`` numbers that predicting follows."""
TOLD = {
    "split_gain": -1,
    "internal_value": -1,
    "internal_weight": -1,
    "internal_count": -1,
    "leaf_weight": 0,
    "leaf_count": 0,
}
"""Lists that predicting does not read, and their length less ``L``."""
SINGLE = ("num_leaves", "num_cat", "is_linear", "shrinkage")
SETS = ("cat_boundaries", "cat_threshold")
"""Sets of categories as bits: where each begins, and the words of 32 bits."""

_NUMBER = r"-?(?:[0-9.]{1,40}(?:e[-+]?[0-9]{1,4})?|inf|nan)"
_TREES = re.compile(rf"(?:Tree=[0-9]+\n(?:[a-z_]+=(?:{_NUMBER}(?: {_NUMBER})*+)?\n)++\n+)++")
_HEAD = re.compile(
    r"tree\nversion=v[0-9]\nnum_class=(?P<classes>[0-9]{1,6})\nnum_tree_per_iteration=(?P<each>[0-9]{1,6})\n"
    r"label_index=0\nmax_feature_idx=(?P<last>[0-9]{1,7})\n"
    r"objective=(?P<objective>regression|binary sigmoid:1|multiclass num_class:[0-9]{1,6}|cross_entropy)\n"
    r"feature_names=(?P<names>[!-~]+(?: [!-~]+)*)\nfeature_infos=(?P<infos>[!-~]+(?: [!-~]+)*)\n"
    r"tree_sizes=(?P<sizes>[0-9]{1,10}(?: [0-9]{1,10})*)\n\n"
)


_GROWN: set[bytes] = set()
"""What LightGBM wrote in this process, by content: it need not be checked to be predicted with while it is trained."""


def grown(text: str) -> str:
    """The text of a booster that was trained here, remembered as sound."""
    _GROWN.add(_content(text))
    return text


def _content(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=512)
def booster_of(text: str) -> lightgbm.Booster:
    """A booster to predict with.

    Raises:
        StorageError: The text is none that LightGBM wrote.
    """
    import lightgbm

    sound = text if _content(text) in _GROWN else checked(text)
    try:
        return lightgbm.Booster(model_str=sound)
    except lightgbm.basic.LightGBMError as error:
        _refuse(str(error), error)


def predicted(text: str, X: Array, *, raw: bool = False) -> Array:
    """``(n, K)`` of rows ``(n, P)``: what the booster says, or with ``raw`` the sums of its trees.

    Raises:
        StorageError: The text is none that LightGBM wrote, or of another number of features.
    """
    booster = booster_of(text)
    if booster.num_feature() != X.shape[1]:
        _refuse(f"it reads {booster.num_feature()} features of rows that have {X.shape[1]}")
    values = np.asarray(booster.predict(X, num_threads=1, raw_score=raw), dtype=np.float64)
    return values if values.ndim == 2 else values[:, None]


def checked(text: str) -> str:
    """The text up to its last tree, if every number in it is where it may be.

    Raises:
        StorageError: It is not.
    """
    head = _HEAD.match(text)
    if head is None or not text.isascii():
        _refuse("its head is of another form")
    each, features = int(head["each"]), int(head["last"]) + 1
    objective = head["objective"]
    expected = int(objective.rpartition(":")[2]) if objective.startswith("multiclass") else 1
    if not each == int(head["classes"]) == expected or each < 1:
        _refuse(f"it has {each} trees a round for '{objective}'")
    names, infos = head["names"].count(" ") + 1, head["infos"].count(" ") + 1
    if not names == infos == features <= MOST_FEATURES:
        _refuse(f"it names {names} and describes {infos} of {features} features")
    sizes = [int(size) for size in head["sizes"].split(" ")]
    stop = head.end() + sum(sizes)
    if len(sizes) % each or not text.startswith(END, stop) or not _TREES.fullmatch(text, head.end(), stop):
        _refuse("its trees are not where its head says")
    trees, start = [], head.end()
    for place, size in enumerate(sizes):
        trees.append(_lines(text[start : start + size], place))
        start += size
    _check(trees, features)
    return text[: stop + len(END)] + TAIL


def _lines(block: str, place: int) -> dict[str, str]:
    """A tree's lines by their key."""
    first, *lines = block.rstrip("\n").split("\n")
    found = dict(line.split("=", 1) for line in lines if line)
    expected = len(PER_SPLIT) + len(TOLD) + len(SINGLE) + 1 + len(SETS) * (found.get("num_cat") != "0")
    if first != f"Tree={place}" or len(found) != len(lines) or len(found) != expected:
        _refuse(f"tree {place} has other lines")
    return found


def _check(trees: Sequence[dict[str, str]], features: int) -> None:
    """Every count fits its list, every index what it points into, and walks go down."""
    try:
        leaves = np.array([int(tree["num_leaves"]) for tree in trees])
        lists = {key: [tree[key] for tree in trees] for key in (*PER_SPLIT, *TOLD, "leaf_value")}
        sets = [int(tree["num_cat"]) for tree in trees]
        single = {(tree["is_linear"], " " in tree["shrinkage"] or not tree["shrinkage"]) for tree in trees}
    except (KeyError, ValueError) as error:
        _refuse("a tree lacks a line or a number", error)
    counts = {
        key: np.array([len(one) and one.count(" ") + 1 for one in values]) for key, values in lists.items()
    }
    whole = leaves.min() >= 1 and (counts["leaf_value"] == leaves).all() and single == {("0", False)}
    whole &= all((counts[key] == leaves - 1).all() for key in PER_SPLIT)
    for key, less in TOLD.items():  # a tree that is one leaf leaves some of them out
        whole &= bool(((counts[key] == leaves + less) | ((leaves == 1) & (counts[key] <= 1))).all())
    if not whole:
        _refuse("a tree has fewer or more numbers than leaves and splits")
    feature, left, right, decision = (
        _integers(lists[key]) for key in ("split_feature", "left_child", "right_child", "decision_type")
    )
    threshold = _numbers(lists["threshold"])
    of = np.repeat(np.arange(len(trees)), leaves - 1)
    own = np.arange(len(of)) - np.repeat(np.cumsum(leaves - 1) - (leaves - 1), leaves - 1)
    for child in (left, right):
        if not np.where(child < 0, ~child < leaves[of], (child > own) & (child < leaves[of] - 1)).all():
            _refuse("a child is no leaf and no later split of its tree")
    if not ((feature >= 0) & (feature < features)).all():
        _refuse(f"a split reads a feature that is none of {features}")
    if not ((decision >= 0) & (decision < 12)).all():
        _refuse("a split decides in no known way")
    grouped = (decision & 1) > 0
    named = threshold[grouped]
    if not ((named >= 0) & (named < np.array(sets)[of[grouped]]) & (named == np.floor(named))).all():
        _refuse("a split names a set of categories that is not there")
    for tree, count in zip(trees, sets, strict=True):
        if count:
            _check_sets(tree, count)


def _check_sets(tree: dict[str, str], count: int) -> None:
    begins, bits = (_integers([tree.get(key, "")]) for key in SETS)
    whole = len(begins) == count + 1 and begins[0] == 0 and (np.diff(begins) >= 0).all()
    if not whole or len(bits) != begins[-1] or not ((bits >= 0) & (bits < 2**32)).all():
        _refuse("a tree's sets of categories are cut")


def _numbers(values: Sequence[str]) -> Array:
    try:
        return np.array(" ".join(filter(None, values)).split(), dtype=np.float64)
    except ValueError as error:
        _refuse("a threshold is no number", error)


def _integers(values: Sequence[str]) -> NDArray[np.int64]:
    try:
        return np.array(list(map(int, " ".join(filter(None, values)).split())), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        _refuse("an index is no whole number", error)


def _refuse(what: str, cause: Any = None) -> NoReturn:
    raise StorageError(
        f"a stored booster must be as LightGBM wrote it; {what[:120]}. Save the model again or restore a copy."
    ) from cause
