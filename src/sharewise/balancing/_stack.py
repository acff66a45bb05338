"""Heads that are computed together, recognised in the autograd graph.

Where the first layer of all heads is one matrix product and every column of its output is used by one task alone,
one backward pass gives every task's gradient of the features: the gradient at that output is cut into the
tasks' columns. Symbols: ``N`` rows, ``D`` width of the features, ``O`` columns of all tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node

SPLITS: Final = frozenset({"SplitWithSizesBackward0", "SplitBackward0", "UnbindBackward0"})
"""Nodes that cut one tensor into parts, one an output."""
VIEWS: Final = frozenset({"ViewBackward0", "UnsafeViewBackward0"})
DATA: Final = {
    "BmmBackward0": 0,
    "BaddbmmBackward0": 1,
    "AddBackward0": 0,
    "ReluBackward0": 0,
    "TanhBackward0": 0,
    "GeluBackward0": 0,
    "SiluBackward0": 0,
}
"""Nodes that keep the first axis apart, and the place of the data among their inputs."""
PRODUCTS: Final = {"AddmmBackward0": 1, "MmBackward0": 0}
"""Matrix products, and the place of the rows among their inputs."""


@dataclass
class Stack:
    """Final. One matrix product whose columns belong to different tasks.

    Attributes:
        node: The product.
        columns: By task, the slices of its output that only this task uses.
        place: Place of the features among its inputs.
        feature: Which of the features those are.
    """

    node: Node
    columns: dict[int, list[slice]]
    place: int
    feature: int

    def weight(self) -> Tensor:
        """``(D, O)``; to be asked for before the pass, which may free it."""
        found: Tensor = self.node._saved_mat2  # type: ignore[attr-defined]
        return found.detach()

    def learns(self) -> bool:
        """Whether the pass comes by for the sake of the product's own parameters."""
        return any(
            below is not None and place != self.place
            for place, (below, _) in enumerate(self.node.next_functions)
        )

    def parts(self, slope: Tensor, weight: Tensor) -> list[Part]:
        """Cut the gradient ``(N, O)`` of all columns, and the weight ``(D, O)``, into the tasks' own."""
        if len(self.columns) == 1:
            return [Part(task, self.feature, slope, weight) for task in self.columns]
        found = []
        for task, slices in self.columns.items():
            at = slices[0] if len(slices) == 1 else _places(slices, slope)
            found.append(Part(task, self.feature, slope[:, at], weight[:, at]))
        return found


class Part(NamedTuple):
    """One task's gradient of a feature, as a product: slope ``(N, O)`` times the weight ``(D, O)`` transposed."""

    task: int
    feature: int
    slope: Tensor
    weight: Tensor

    def product(self) -> Tensor:
        """``(N, D)``."""
        return torch.mm(self.slope, self.weight.t())


def _places(slices: list[slice], like: Tensor) -> Tensor:
    return torch.cat([torch.arange(part.start, part.stop, device=like.device) for part in slices])


def product_of(node: Node, place: int, task: int, feature: int) -> Stack | None:
    """A single head's first layer, where it reads the feature itself; None where it is anything else."""
    known: Any = node
    if PRODUCTS.get(node.name()) != place or known._saved_mat2 is None or not _unscaled(known):
        return None
    return Stack(node, {task: [slice(None)]}, place, feature)


def _unscaled(node: Any) -> bool:
    return bool(node.name() != "AddmmBackward0" or (node._saved_alpha == 1 and node._saved_beta == 1))


def stack_under(split: Node, tasks: Mapping[int, int], stops: Mapping[tuple[Node, int], int]) -> Stack | None:
    """The stacked heads whose parts ``split`` hands out, or None if it is something else.

    Args:
        split: A node of `SPLITS`.
        tasks: The task that uses each of its outputs.
        stops: The features, where heads end.
    """
    node: Any = split
    if split.name() == "UnbindBackward0":
        if node._saved_dim != 0:
            return None
        below = _down_the_first_axis(split, len(node._input_metadata))
        width = None
    else:
        sizes = _split_sizes(node)
        below = _through_views(node.next_functions[0][0])
        width = sizes
    if below is None or below.name() not in PRODUCTS:
        return None
    product: Any = below
    place = PRODUCTS[below.name()]
    feature = _feature(below, place, stops)
    if feature is None or product._saved_mat2 is None or not _unscaled(product):
        return None
    total = int(product._saved_mat2.shape[1])
    if width is None:
        parts = len(node._input_metadata)
        if total % parts:
            return None
        width = [total // parts] * parts
    if sum(width) != total:
        return None
    starts = [sum(width[:place]) for place in range(len(width))]
    columns: dict[int, list[slice]] = {}
    for output, task in sorted(tasks.items()):
        columns.setdefault(task, []).append(slice(starts[output], starts[output] + width[output]))
    return Stack(below, columns, place, feature)


def _split_sizes(node: Any) -> list[int]:
    """Widths of a split along the last axis, empty for any other."""
    axes = len(node._saved_self_sym_sizes)
    if _axis(node._saved_dim) not in (-1, axes - 1):
        return []
    if hasattr(node, "_saved_split_sizes"):
        return [int(size) for size in node._saved_split_sizes]
    whole, part = int(node._saved_self_sym_sizes[-1]), int(node._saved_split_size)
    return [min(part, whole - start) for start in range(0, whole, part)]


def _axis(dim: int) -> int:
    """Negative axes are kept as unsigned numbers."""
    return dim - 2**64 if dim >= 2**63 else dim


def _down_the_first_axis(node: Node, parts: int) -> Node | None:
    """From parts along the first axis to the product that they are column blocks of."""
    below: Any = node.next_functions[0][0]
    while below is not None:
        if below.name() in DATA:
            below = below.next_functions[DATA[below.name()]][0]
        elif below.name() in VIEWS and below._saved_self_sym_sizes[0] == parts:
            below = below.next_functions[0][0]
        else:
            break
    if below is None or below.name() != "TransposeBackward0":
        return None
    if {_axis(below._saved_dim0), _axis(below._saved_dim1)} != {0, 1}:
        return None
    return _through_views(below.next_functions[0][0])


def _through_views(node: Node | None) -> Node | None:
    while node is not None and node.name() in VIEWS:
        node = node.next_functions[0][0]
    return node


def _feature(product: Node, place: int, stops: Mapping[tuple[Node, int], int]) -> int | None:
    """Which feature the product reads, as it is or in another shape."""
    below, number = product.next_functions[place]
    while below is not None:
        found = stops.get((below, number))
        if found is not None:
            return found
        if below.name() not in VIEWS:
            return None
        below, number = below.next_functions[0]
    return None
