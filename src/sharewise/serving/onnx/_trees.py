"""Decision trees as one `TreeEnsemble` node in double precision.

Thresholds stay float64, so a row takes the same way as in LightGBM and scikit-learn, whose comparisons a float32 node
would not repeat. Trees of several levels of a task column stand in one node: before each stands a question for its
level, and rows of other levels get 0 from it.

Symbols: ``M`` inner nodes, ``K`` leaves, ``E`` trees, all over all trees of a `Trees`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from sharewise.serving.onnx._graph import TREES, Graph

AT_MOST, EQUAL, MEMBER = 0, 4, 6
"""`TreeEnsemble`'s codes of a node's question: at most a threshold, equal to it, one of a set."""
SUM = 1


@dataclass(frozen=True)
class Trees:
    """Trees whose inner nodes and leaves are numbered apart.

    Attributes:
        feature: ``(M,)`` column that a node asks.
        threshold: ``(M,)`` a row goes to ``yes`` if its value is at most this.
        sets: By node that asks for one of a set of codes, the set.
        yes, no: ``(M,)`` a node, or ``~k`` for leaf ``k``.
        missing_yes: ``(M,)`` whether a gap goes to ``yes``.
        leaf: ``(K,)`` values.
        roots: ``(E,)`` first nodes, or ``~k``.
        outputs: ``(K,)`` the output that each leaf adds to.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    sets: dict[int, NDArray[np.float64]]
    yes: NDArray[np.int64]
    no: NDArray[np.int64]
    missing_yes: NDArray[np.bool_]
    leaf: NDArray[np.float64]
    roots: NDArray[np.int64]
    outputs: NDArray[np.int64]


@dataclass
class TreeTable:
    """Trees put side by side, to become one node.

    Attributes:
        guard: The column that holds the level, where trees are for one.
    """

    guard: int | None = None
    trees: list[tuple[Trees, int | None]] = field(default_factory=list)

    def add(self, trees: Trees, level: int | None) -> None:
        """Add trees for all rows, or for those of a level."""
        self.trees.append((trees, level))

    def node(self, graph: Graph, inputs: str, outputs: int) -> str:
        """The sums ``(n, outputs)`` of the leaves that rows ``(n, P)`` reach."""
        held: dict[str, list[NDArray[np.float64]]] = {}
        nodes = leaves = 0
        sets: list[float] = []
        for trees, level in self.trees:
            block, own = self._block(trees, level, nodes, leaves)
            sets += own
            nodes += len(block["feature"])
            leaves += len(block["leaf"])
            for name, values in block.items():
                held.setdefault(name, []).append(values)
        whole = {name: np.concatenate(values) for name, values in held.items()}
        asked = {"membership_values": numpy_helper.from_array(np.array(sets))} if sets else {}
        yes, no = whole["yes"].astype(np.int64), whole["no"].astype(np.int64)
        return graph.node(
            "TreeEnsemble",
            inputs,
            domain=TREES,
            n_targets=outputs,
            aggregate_function=SUM,
            post_transform=0,
            nodes_featureids=whole["feature"].astype(np.int64).tolist(),
            nodes_modes=numpy_helper.from_array(whole["mode"].astype(np.uint8)),
            nodes_splits=numpy_helper.from_array(whole["threshold"]),
            nodes_truenodeids=np.where(yes < 0, ~yes, yes).tolist(),
            nodes_trueleafs=(yes < 0).astype(np.int64).tolist(),
            nodes_falsenodeids=np.where(no < 0, ~no, no).tolist(),
            nodes_falseleafs=(no < 0).astype(np.int64).tolist(),
            nodes_missing_value_tracks_true=whole["missing"].astype(np.int64).tolist(),
            leaf_targetids=whole["output"].astype(np.int64).tolist(),
            leaf_weights=numpy_helper.from_array(whole["leaf"]),
            tree_roots=whole["root"].astype(np.int64).tolist(),
            **asked,
        )

    def _block(
        self, trees: Trees, level: int | None, nodes: int, leaves: int
    ) -> tuple[dict[str, NDArray[np.float64]], list[float]]:
        """Columns of the node's attributes for some trees, numbered behind those before them."""
        count, ends = len(trees.feature), len(trees.leaf)
        if level is None:
            # A tree must begin with a question; one that is a leaf asks something that changes nothing.
            asks = np.flatnonzero(trees.roots < 0)
            question = np.tile([0.0, float(AT_MOST), 0.0], (len(asks), 1))
            yes, no = trees.roots[asks], trees.roots[asks]
        else:
            assert self.guard is not None
            asks = np.arange(len(trees.roots))
            question = np.tile([float(self.guard), float(EQUAL), float(level)], (len(asks), 1))
            yes, no = trees.roots, np.full(len(asks), ~ends)
        roots = trees.roots.copy()
        roots[asks] = count + np.arange(len(asks))
        mode = np.full(count, float(AT_MOST))
        mode[list(trees.sets)] = MEMBER
        nothing = np.zeros(0 if level is None else 1)

        def placed(child: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.where(child < 0, child - leaves, child + nodes).astype(np.float64)

        sets = [
            number for place in sorted(trees.sets) for number in (*trees.sets[place].tolist(), float("nan"))
        ]
        block = {
            "feature": np.concatenate([trees.feature, question[:, 0]]),
            "mode": np.concatenate([mode, question[:, 1]]),
            "threshold": np.concatenate([trees.threshold, question[:, 2]]),
            "yes": placed(np.concatenate([trees.yes, yes])),
            "no": placed(np.concatenate([trees.no, no])),
            "missing": np.concatenate([trees.missing_yes, np.zeros(len(asks))]).astype(np.float64),
            "leaf": np.concatenate([trees.leaf, nothing]),
            "output": np.concatenate([trees.outputs, nothing]).astype(np.float64),
            "root": (roots + nodes).astype(np.float64),
        }
        return block, sets
