"""Reading the autograd graph: what lies between losses and features, and what lies behind features.

A step's graph is walked once, from each loss down to the features; nothing is computed. An *edge* is torch's
``GradientEdge``: a node and which of its outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from sharewise.balancing._stack import SPLITS, Stack, product_of, stack_under

LEAF: Final = "torch::autograd::AccumulateGrad"
SLICES: Final = frozenset({"SliceBackward0", "SelectBackward0", "IndexSelectBackward0"})
"""Nodes that give a part of a leaf: what tasks take by them counts as each task's own."""


@dataclass
class Heads:
    """What lies between ``T`` losses and ``K`` features.

    Attributes:
        own: By task, the leaves that it alone moves without the features; those of stacked heads stand
            under the first of their tasks.
        common: Leaves that several losses move without the features.
        entries: By node that reads features: its task, and which of its inputs are which features.
        stacks: First layers of heads, one's or several's together, whose weight is at hand.
        apart: Whether one pass can tell all tasks' gradients of the features apart.
    """

    own: list[list[Tensor]]
    common: list[Tensor] = field(default_factory=list)
    entries: dict[Node, tuple[int, dict[int, int]]] = field(default_factory=dict)
    stacks: list[Stack] = field(default_factory=list)
    apart: bool = True


class Walk:
    """Final. From each loss until a leaf, a feature, or a node that another loss has reached already.

    Where losses are one vector that was not stacked from single ones, the graph tells no tasks apart: all that
    lies before the features then counts as the tasks' own.
    """

    def __init__(self, roots: Sequence[GradientEdge], features: Sequence[GradientEdge]) -> None:
        self._roots = roots
        self.stops = {(edge.node, edge.output_nr): place for place, edge in enumerate(features)}
        self.heads = Heads([[] for _ in roots])
        self.whole = len(roots) > 1 and len({root.node for root in roots}) == 1
        self._owner: dict[Node, int] = {}
        self._leaves: list[Node] = []
        self._met: list[Node] = []
        self._splits: dict[Node, dict[int, set[int]]] = {}
        for task, root in enumerate(roots):
            self._down(task, root.node, root.output_nr)
            if self.whole:
                break
        self._cut()
        self._gather()

    def reached(self) -> list[bool]:
        """Whether each loss depends on any of the features."""
        if self.heads.apart:
            tasks = {task for task, _ in self.heads.entries.values()}
            tasks.update(task for stack in self.heads.stacks for task in stack.columns)
            return [task in tasks for task in range(len(self._roots))]
        return [_leads_to(root, self.stops) for root in self._roots]

    def _down(self, task: int, start: Node, output: int) -> None:
        owner, stops = self._owner, self.stops
        pending = [(start, output, False)]
        while pending:
            node, output, sliced = pending.pop()
            before = owner.get(node)
            name = node.name()
            if name in SPLITS:
                self._splits.setdefault(node, {}).setdefault(output, set()).add(task)
                continue
            if before is not None:
                if before != task and not sliced:
                    self._met.append(node)
                continue
            owner[node] = task
            if name == LEAF:
                self._leaves.append(node)
                continue
            for place, below in enumerate(node.next_functions):
                if below[0] is None:
                    continue
                feature = stops.get(below)  # type: ignore[arg-type]
                if feature is None:
                    pending.append((*below, name in SLICES))  # type: ignore[arg-type]
                elif (product := product_of(node, place, task, feature)) is not None:
                    self.heads.stacks.append(product)
                else:
                    self.heads.entries.setdefault(node, (task, {}))[1][place] = feature

    def _cut(self) -> None:
        """Go on below tensors that were cut into parts: one task's, stacked heads', or a common layer's."""
        while self._splits:
            node, users = self._splits.popitem()
            tasks = set().union(*users.values())
            stack = None
            if len(tasks) > 1 and all(len(users[output]) == 1 for output in users):
                stack = stack_under(node, {output: next(iter(users[output])) for output in users}, self.stops)
            first = min(tasks)
            if stack is not None and stack.node not in self._owner:
                self.heads.stacks.append(stack)
                self._owner[stack.node] = first
            for under, number in node.next_functions:
                if under is None:
                    continue
                if stack is None and len(tasks) > 1 and (under, number) not in self.stops:
                    self._met.append(under)
                feature = self.stops.get((under, number))
                if feature is not None:
                    self.heads.apart = False
                else:
                    self._down(first, under, number)
            if stack is not None:
                self._below_stack(first, stack)

    def _below_stack(self, task: int, stack: Stack) -> None:
        """The stack's own weights; not its rows, which are features."""
        for place, (under, number) in enumerate(stack.node.next_functions):
            if under is not None and place != stack.place:
                self._down(task, under, number)

    def _gather(self) -> None:
        heads = self.heads
        heads.apart &= not self.whole
        common: set[Node] = set()
        if self._met:
            heads.apart = False
            for _, leaf in _leaf_nodes([(node, 0) for node in self._met], self.stops):
                common.add(leaf)
                heads.common.append(leaf.variable)  # type: ignore[attr-defined]
        for leaf in self._leaves:
            if leaf not in common:
                heads.own[self._owner[leaf]].append(leaf.variable)  # type: ignore[attr-defined]


def _leads_to(root: GradientEdge, stops: Mapping[tuple[Node, int], int]) -> bool:
    pending = [(root.node, root.output_nr)]
    seen = {root.node}
    for node, output in pending:  # grows while it is walked
        if (node, output) in stops:
            return True
        for below, number in node.next_functions:
            if below is not None and ((below, number) in stops or below not in seen):
                seen.add(below)
                pending.append((below, number))
    return False


def leaves_under(edges: Iterable[GradientEdge]) -> list[Tensor]:
    """The leaves that the tensors at ``edges`` were computed from, nearest first, each once."""
    return [leaf for _, leaf in layers_under(edges)]


def layers_under(edges: Iterable[GradientEdge]) -> list[tuple[int, Tensor]]:
    """The same, each with the number of nodes between."""
    found = _leaf_nodes([(edge.node, edge.output_nr) for edge in edges], {})
    return [(depth, leaf.variable) for depth, leaf in found]  # type: ignore[attr-defined]


def _leaf_nodes(
    starts: Iterable[tuple[Node, int]], stops: Mapping[tuple[Node, int], int]
) -> list[tuple[int, Node]]:
    """Leaves under some nodes and their depth, breadth first, not looking under ``stops``."""
    found: list[tuple[int, Node]] = []
    pending = list(dict.fromkeys(node for node, _ in starts))
    seen = set(pending)
    depth = 0
    while pending:
        following: list[Node] = []
        for node in pending:
            if node.name() == LEAF:
                found.append((depth, node))
                continue
            for below, number in node.next_functions:
                if below is not None and below not in seen and (below, number) not in stops:
                    seen.add(below)
                    following.append(below)
        pending = following
        depth += 1
    return found


def names_under(edges: Iterable[GradientEdge]) -> set[str]:
    """Names of the nodes behind some edges."""
    pending = [edge.node for edge in edges]
    seen = set(pending)
    for node in pending:  # grows while it is walked
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                pending.append(below)
    return {node.name() for node in seen}
