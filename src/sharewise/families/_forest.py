"""A fitted scikit-learn forest as a handful of arrays: saved without pickle, predicted with NumPy alone.

Symbols: ``M`` nodes of all trees, ``K`` leaves of all trees, ``E`` trees, ``P`` features, ``W`` outputs
(targets of a regressor, classes of a classifier), ``n`` rows.

Every tree is laid out breadth first with siblings side by side, so the right child is the left one plus 1
and one array of children is enough. Only leaves have a value. scikit-learn compares a float32 feature with
a float64 threshold; the largest float32 not above that threshold decides every such comparison alike, so
thresholds are stored as that float32. A node takes 13 bytes and a leaf 8·W more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError, StorageError

PAIRS = 1 << 15
"""(Row, tree) pairs walked at once: the working arrays (about 60 bytes a pair) stay in the cache."""
VALUE_BYTES = 32 << 20
"""At most this many bytes of leaf values are gathered at once (fewer pairs when ``W`` is large)."""
STEPS = 5
"""Steps down the trees between two sweeps that put arrived pairs aside."""

_ARRAYS: dict[str, tuple[type[np.generic], int]] = {
    "feature": (np.int32, 1),
    "threshold": (np.float32, 1),
    "left": (np.int32, 1),
    "missing_left": (np.bool_, 1),
    "value": (np.float64, 2),
    "roots": (np.int32, 1),
}


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees whose predictions are averaged; valid once built (`validate` runs in the constructor).

    Attributes:
        feature: ``(M,)`` int32, the column a node splits on; 0 in a leaf.
        threshold: ``(M,)`` float32; a row goes left when its feature, as float32, is at most this.
        left: ``(M,)`` int32: place of the left child, the right one follows it; in a leaf ``~k`` (that
            is ``-k - 1``), where ``k`` is its row in ``value``.
        missing_left: ``(M,)`` bool: a missing feature goes left; True in a leaf.
        value: ``(K, W)`` float64, the means (regressor) or class shares (classifier) in the leaves.
        roots: ``(E,)`` int32, each tree's first node.
        n_features: ``P``.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    roots: NDArray[np.int32]
    n_features: int

    def __post_init__(self) -> None:
        self.validate()

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Forest:
        """The trees of a fitted ``ExtraTrees*`` or ``RandomForest*``.

        Args:
            estimator: A regressor with one or several targets, or a classifier with one.

        Raises:
            OptionError: It is something else, unfitted, or a classifier with several targets.
        """
        trees = _sklearn_trees(estimator)
        counts = np.array([tree.node_count for tree in trees], dtype=np.int64)
        if counts.sum() >= np.iinfo(np.int32).max:
            raise OptionError(
                f"a forest holds fewer than {np.iinfo(np.int32).max:,} nodes; got {counts.sum():,}. "
                "Use fewer trees or larger leaves."
            )
        offset = np.concatenate([[0], np.cumsum(counts)[:-1]])
        by = np.repeat(offset, counts)
        left = _shift(np.concatenate([tree.children_left for tree in trees]), by)
        right = _shift(np.concatenate([tree.children_right for tree in trees]), by)
        order = _breadth_first(left, right, offset, np.repeat(np.arange(len(trees)), counts))
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))

        leaf = left[order] < 0
        child = np.where(leaf, 0, place[left[order]])
        child[leaf] = ~np.arange(int(leaf.sum()))
        value = np.concatenate([_values(tree) for tree in trees])
        feature = np.concatenate([tree.feature for tree in trees])
        threshold = np.concatenate([tree.threshold for tree in trees])
        missing_left = np.concatenate([tree.missing_go_to_left for tree in trees])
        return cls(
            feature=np.where(leaf, 0, feature[order]).astype(np.int32),
            threshold=np.where(leaf, np.float32(0), _float32_below(threshold[order])),
            left=child.astype(np.int32),
            missing_left=leaf | (missing_left[order] != 0),
            value=value[order[leaf]],
            roots=offset.astype(np.int32),
            n_features=int(trees[0].n_features),
        )

    @property
    def size_bytes(self) -> int:
        """Bytes of the arrays, in memory and in a file."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    @property
    def width(self) -> int:
        """``W``, the columns of a prediction."""
        return int(self.value.shape[1])

    def validate(self) -> None:
        """Check that every walk ends in a leaf with a value: indices in range, children behind parents.

        Raises:
            StorageError: Damaged arrays.
        """
        for name, (dtype, ndim) in _ARRAYS.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != ndim:
                found = f"{getattr(array, 'dtype', type(array).__name__)} of shape {np.shape(array)}"
                _refuse(f"'{name}' must be a {ndim}-dimensional {dtype.__name__} array; got {found}")
        nodes = len(self.left)
        for name in ("feature", "threshold", "missing_left"):
            if (entries := len(getattr(self, name))) != nodes:
                _refuse(f"'{name}' must hold one entry for each of {nodes} nodes; got {entries}")
        if type(self.n_features) is not int or self.n_features < 1:
            _refuse(f"'n_features' must be a positive integer; got {self.n_features!r}")
        if not len(self.roots) or self.roots.min() < 0 or self.roots.max() >= nodes:
            _refuse(f"'roots' must name at least one of {nodes} nodes and nothing else")
        if self.feature.min() < 0 or self.feature.max() >= self.n_features:
            _refuse(f"'feature' must lie in 0 … {self.n_features - 1}")
        inner = self.left >= 0
        child = self.left[inner]
        if (child <= np.flatnonzero(inner)).any() or (child >= nodes - 1).any():
            _refuse(f"both children of a node must lie behind it and among {nodes} nodes")
        if (~self.left[~inner] >= len(self.value)).any():
            _refuse(f"'left' must name one of {len(self.value)} leaf values in every leaf")
        if not self.missing_left[~inner].all():
            _refuse("'missing_left' must be true in every leaf")

    def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Mean over the trees: ``(n, W)`` means or class probabilities, as scikit-learn gives them.

        Args:
            X: ``(n, P)`` numbers, NaN where missing; compared as float32.

        Raises:
            DataError: ``X`` has another number of columns.
        """
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise DataError(f"the forest takes {self.n_features} features; got an array of shape {X.shape}.")
        with np.errstate(over="ignore"):
            features = np.ascontiguousarray(X, dtype=np.float32)
        n, trees = len(features), len(self.roots)
        total = np.zeros((n, self.width))
        pairs = max(1, min(PAIRS, VALUE_BYTES // (8 * max(1, self.width))))
        for start in range(0, n, pairs):
            rows = features[start : start + pairs]
            some = max(1, pairs // len(rows))
            for first in range(0, trees, some):
                leaves = self._leaves(rows, self.roots[first : first + some])
                total[start : start + pairs] += self.value.take(leaves, axis=0).sum(axis=0)
        total /= trees
        return total

    @cached_property
    def _records(self) -> NDArray[np.complex128]:
        """``(M,)`` sixteen bytes a node, fetched at once: feature, child, threshold, leaf or -1.

        A leaf is its own child with an infinite threshold, so walking on from it changes nothing.
        """
        leaf = self.left < 0
        packed = np.empty((len(leaf), 4), dtype=np.int32)
        packed[:, 0] = self.feature
        packed[:, 1] = np.where(leaf, np.arange(len(leaf)), self.left)
        packed[:, 2] = np.where(leaf, np.float32(np.inf), self.threshold).view(np.int32)
        packed[:, 3] = np.where(leaf, ~self.left, -1)
        return packed.view(np.complex128).ravel()

    def _leaves(self, rows: NDArray[np.float32], roots: NDArray[np.int32]) -> NDArray[np.intp]:
        """``(len(roots), len(rows))`` place in ``value`` of the leaf each row reaches in each tree."""
        flat = rows.ravel()
        gaps = bool(np.isnan(flat).any())
        begin = np.tile(np.arange(len(rows), dtype=np.intp) * self.n_features, len(roots))
        node = np.repeat(roots.astype(np.intp), len(rows))
        reached = np.empty(len(node), dtype=np.intp)
        slot = np.arange(len(node), dtype=np.intp)
        step = 0
        while True:
            record = self._records.take(node).view(np.int32).reshape(-1, 4)
            step += 1
            if step % STEPS == 0:
                leaf = record[:, 3]
                arrived = np.flatnonzero(leaf >= 0)
                reached[slot.take(arrived)] = leaf.take(arrived)
                if len(arrived) == len(node):
                    return reached.reshape(len(roots), len(rows))
                onward = np.flatnonzero(leaf < 0)
                node, begin, slot = node.take(onward), begin.take(onward), slot.take(onward)
                record = record.take(onward, axis=0)
            x = flat.take(begin + record[:, 0])
            right = x > record[:, 2].view(np.float32)
            if gaps:
                right |= np.isnan(x) & ~self.missing_left.take(node)
            node = np.add(record[:, 1], right, dtype=np.intp)


def _sklearn_trees(estimator: Any) -> list[Any]:
    """The low-level trees of a fitted forest that `Forest` can hold."""
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )

    classifiers = (ExtraTreesClassifier, RandomForestClassifier)
    if not isinstance(estimator, (*classifiers, ExtraTreesRegressor, RandomForestRegressor)):
        raise OptionError(
            "a forest is made of an ExtraTrees or RandomForest regressor or classifier; "
            f"got a {type(estimator).__name__}."
        )
    if not hasattr(estimator, "estimators_"):
        raise OptionError(f"a forest is made of a fitted estimator; fit this {type(estimator).__name__}.")
    if isinstance(estimator, classifiers) and estimator.n_outputs_ != 1:
        raise OptionError(
            f"a forest of classifiers has one target; got {estimator.n_outputs_}. Fit one for each target."
        )
    return [tree.tree_ for tree in estimator.estimators_]


def _shift(children: NDArray[np.intp], by: NDArray[np.int64]) -> NDArray[np.intp]:
    """Children ``(M,)`` numbered within their trees as places among all nodes; -1 stays."""
    return np.where(children < 0, -1, children + by)


def _values(tree: Any) -> NDArray[np.float64]:
    """``(nodes, W)``: the targets' means, or the classes' shares of a single target."""
    value = np.asarray(tree.value, dtype=np.float64)
    return value[:, 0, :] if value.shape[1] == 1 else value[:, :, 0]


def _breadth_first(
    left: NDArray[np.intp], right: NDArray[np.intp], roots: NDArray[np.intp], tree: NDArray[np.intp]
) -> NDArray[np.intp]:
    """``(M,)`` nodes tree by tree, in each tree level by level, siblings side by side.

    Args:
        left: ``(M,)`` left children, negative in leaves.
        right: ``(M,)`` right children.
        roots: ``(E,)`` first nodes.
        tree: ``(M,)`` the tree each node belongs to.
    """
    levels = [roots]
    while len(levels[-1]):
        parents = levels[-1][left[levels[-1]] >= 0]
        levels.append(np.stack([left[parents], right[parents]], axis=1).ravel())
    order = np.concatenate(levels)
    narrow = tree.astype(np.min_scalar_type(len(roots)))  # up to 65,535 trees are sorted by radix
    return order[np.argsort(narrow[order], kind="stable")]


def _float32_below(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each threshold."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def _refuse(rule: str) -> None:
    raise StorageError(f"the forest is damaged: {rule}. Save the model again or restore a copy.")
