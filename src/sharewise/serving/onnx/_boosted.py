"""LightGBM's text format as trees, and committees of boosters as nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.families._boosting import Committee
from sharewise.serving.onnx._graph import Graph
from sharewise.serving.onnx._trees import Trees, TreeTable
from sharewise.tasks import Binary, Classification, Kind

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2
NOTHING = float(np.float32(1e-35))
"""LightGBM reads a number as 0 if it is no larger than this (its ``kZeroThreshold``)."""
_OBJECTIVES = {
    "regression": "regression",
    "binary": "binary sigmoid:1",
    "multiclass": "multiclass num_class:",
}


def trees_of(text: str, kind: Kind, first: int) -> Trees:
    """The trees of a model file; each class adds to an output of its own, from ``first`` on.

    Raises:
        OptionError: It holds what sharewise never fits (linear leaves, other objectives, zeros as gaps).
    """
    head, *blocks = text.split("\nTree=")
    settings = _pairs(head)
    expected = _OBJECTIVES["regression"]
    if isinstance(kind, Classification):
        expected = _OBJECTIVES["binary" if isinstance(kind, Binary) else "multiclass"]
    objective = settings.get("objective", "")
    if (
        not objective.startswith(expected)
        or objective == "regression sqrt"
        or "average_output" in head.split()
    ):
        _refuse(f"the objective '{objective}'")
    every = int(settings["num_tree_per_iteration"])
    parts: dict[str, list[NDArray[Any]]] = {}
    sets: dict[int, NDArray[np.float64]] = {}
    nodes = leaves = 0
    for place, block in enumerate(blocks):
        tree = _pairs(block.split("\n\n")[0])
        if tree.get("is_linear", "0") != "0":
            _refuse("linear leaves")
        leaf = _numbers(tree, "leaf_value")
        feature, threshold = _numbers(tree, "split_feature"), _numbers(tree, "threshold")
        decision = _numbers(tree, "decision_type").astype(np.int64)
        missing = (decision >> 2) & 3
        if (missing == _ZERO_IS_MISSING).any():
            _refuse("zeros that stand for gaps")
        # A gap counts as 0 where training rows had none; a gap is in no set.
        toward = np.where(missing == _NAN_IS_MISSING, (decision & _DEFAULT_LEFT) > 0, threshold >= 0.0)
        grouped = (decision & _CATEGORICAL) > 0
        for node in np.flatnonzero(grouped):
            sets[nodes + int(node)] = _set(tree, int(threshold[node]))
        children = [_numbers(tree, key).astype(np.int64) for key in ("left_child", "right_child")]
        left, right = (np.where(child < 0, child - leaves, child + nodes) for child in children)
        root = nodes if len(feature) else ~leaves
        for name, values in (
            ("feature", feature), ("threshold", np.where(grouped, 0.0, threshold)), ("yes", left), ("no", right),
            ("missing", toward & ~grouped), ("leaf", leaf), ("root", np.array([root])),
            ("output", np.full(len(leaf), first + place % every)),
        ):  # fmt: skip
            parts.setdefault(name, []).append(values)
        nodes, leaves = nodes + len(feature), leaves + len(leaf)
    whole = {name: np.concatenate(values) for name, values in parts.items()}
    return Trees(
        whole["feature"].astype(np.int64), whole["threshold"], sets, whole["yes"].astype(np.int64),
        whole["no"].astype(np.int64), whole["missing"].astype(np.bool_), whole["leaf"],
        whole["root"].astype(np.int64), whole["output"].astype(np.int64),
    )  # fmt: skip


def committees(
    graph: Graph,
    members: Sequence[tuple[int | None, Committee]],
    inputs: str,
    guard: int | None,
    level: str | None,
) -> tuple[str, list[Trees]]:
    """Predictions ``(n, W)`` of one committee for all rows, or of one for each of some levels; and the trees.

    Args:
        members: Committees of one kind, each with its level (None: all rows).
        inputs: ``(n, P)``.
        guard: The column of ``inputs`` that holds the level.
        level: Codes ``(n,)``.
    """
    kind = members[0][1].kind
    each = kind.width if isinstance(kind, Classification) and not isinstance(kind, Binary) else 1
    most = max(len(committee.boosters) for _, committee in members)
    count = 1 + max((code for code, _ in members if code is not None), default=0)
    shares = np.zeros((count, most, 1))
    table = TreeTable(guard)
    held = []
    for code, committee in members:
        shares[code or 0, : len(committee.boosters)] = 1.0 / len(committee.boosters)
        for place, text in enumerate(committee.boosters):
            held.append(trees_of(text, kind, place * each))
            table.add(held[-1], code)
    small = graph.node("LessOrEqual", graph.node("Abs", inputs), graph.constant(np.float64(NOTHING)))
    inputs = graph.node("Where", small, graph.constant(np.float64(0.0)), inputs)
    scores = graph.reshape(table.node(graph, inputs, most * each), -1, most, each)
    if isinstance(kind, Binary):
        scores = graph.node("Sigmoid", scores)
    elif isinstance(kind, Classification):
        scores = graph.node("Softmax", scores, axis=2)
    share = graph.constant(shares) if level is None or guard is None else _share(graph, shares, level)
    value = graph.total(graph.node("Mul", scores, share), 1)
    if isinstance(kind, Binary):
        value = graph.columns((graph.node("Sub", graph.constant(np.float64(1.0)), value), value))
    return value, held


def _share(graph: Graph, shares: NDArray[np.float64], level: str) -> str:
    """Each row's shares of the boosters; levels without a committee are not asked for, and get those of the last."""
    last = graph.constant(np.int64(len(shares) - 1))
    return graph.gather(shares, graph.node("Min", level, last))


def _pairs(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _numbers(tree: dict[str, str], key: str) -> NDArray[np.float64]:
    return np.array(tree.get(key, "").split(), dtype=np.float64)


def _set(tree: dict[str, str], place: int) -> NDArray[np.float64]:
    """The codes of one categorical split, from LightGBM's words of 32 bits."""
    start, stop = _numbers(tree, "cat_boundaries").astype(np.int64)[place : place + 2]
    words = np.array(tree["cat_threshold"].split()[start:stop], dtype=np.uint32)
    bits = (words[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.flatnonzero(bits.ravel()).astype(np.float64)


def _refuse(what: str) -> None:
    raise OptionError(
        f"an ONNX file holds boosters as sharewise fits them; this one has {what}. Use model.save and sw.load."
    )
