"""Each task's gradient of the features, and its own parameters' gradients into ``.grad``.

One backward pass for all tasks where the graph keeps them apart: a hook at every place where a head reads the
features takes the gradient away before torch would add them up. Else a pass a task.

Symbols: ``T`` tasks, ``K`` features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from sharewise.balancing._graph import Heads
from sharewise.balancing._stack import Part, Stack

Gradients = list[dict[int, Tensor]]
"""By task: the gradient of each feature that its loss depends on."""


@dataclass(frozen=True)
class Root:
    """One task's loss: where its backward pass starts, and with what gradient there."""

    edge: GradientEdge
    slope: Tensor


class Sink(ABC):
    """Abstract. Where gradients of features go as they come."""

    @abstractmethod
    def add(self, task: int, feature: int, gradient: Tensor) -> None:
        """A part of a task's gradient of a feature; ``gradient`` may be used again by torch afterwards."""

    def add_products(self, parts: Sequence[Part], features: Sequence[Tensor]) -> None:
        """Parts that are still products."""
        for part in parts:
            self.add(part.task, part.feature, part.product().view(features[part.feature].shape))


class Kept(Sink):
    """Final. As they are, by task and feature."""

    def __init__(self, tasks: int) -> None:
        self.slopes: Gradients = [{} for _ in range(tasks)]

    def add(self, task: int, feature: int, gradient: Tensor) -> None:
        """See `Sink`."""
        mine = self.slopes[task]
        before = mine.get(feature)
        mine[feature] = gradient if before is None else before + gradient


Common = list[list[Tensor | None]]
"""By task, gradients of the leaves that several heads share (None where a task has none)."""


def pass_heads(roots: Sequence[Root], features: Sequence[Tensor], heads: Heads, sink: Sink) -> Common:
    """Differentiate every loss down to the features; own parameters accumulate their gradient."""
    if heads.apart:
        _together(roots, features, heads, sink)
        return [[] for _ in roots]
    return _one_by_one(roots, features, heads, sink)


def _together(roots: Sequence[Root], features: Sequence[Tensor], heads: Heads, sink: Sink) -> None:
    through = bool(heads.entries) or not all(stack.learns() for stack in heads.stacks)
    handles = [_take(node, task, places, sink) for node, (task, places) in heads.entries.items()]
    slopes: list[tuple[Stack, Tensor, list[Tensor]]] = []
    for stack in heads.stacks:
        kept: list[Tensor] = []
        slopes.append((stack, stack.weight(), kept))
        handles.append(stack.node.register_prehook(_keeper(kept)))
        if through:
            handles.append(_drop(stack))
    inputs: list[Any] = [leaf for own in heads.own for leaf in own]
    if through:  # else the heads' own gradients are all that the pass must compute
        inputs += [get_gradient_edge(feature) for feature in features]
    try:
        torch.autograd.backward(
            [root.edge for root in roots],
            [root.slope for root in roots],
            retain_graph=True,  # torch runs the features' own nodes too, on nothing, and would free what they saved
            inputs=inputs,
        )
    finally:
        for handle in handles:
            handle.remove()
    parts = [part for stack, weight, kept in slopes if kept for part in stack.parts(kept[0], weight)]
    if parts:
        sink.add_products(parts, features)


def _take(node: Node, task: int, places: dict[int, int], sink: Sink) -> Any:
    """Keep the gradients that ``node`` hands to features, and hand on nothing."""
    ((place, feature),) = places.items() if len(places) == 1 else ((-1, -1),)

    def one(inputs: tuple[Tensor | None, ...], _: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        gradient = inputs[place]
        if gradient is not None:
            sink.add(task, feature, gradient)
        return (*inputs[:place], None, *inputs[place + 1 :])

    def several(inputs: tuple[Tensor | None, ...], _: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        for at, feature in places.items():
            gradient = inputs[at]
            if gradient is not None:
                sink.add(task, feature, gradient)
        return tuple(None if at in places else gradient for at, gradient in enumerate(inputs))

    return node.register_hook(one if len(places) == 1 else several)


def _keeper(kept: list[Tensor]) -> Any:
    """A hook that keeps the gradient of a product's columns."""

    def keep(slopes: tuple[Tensor, ...]) -> None:
        if slopes[0] is not None:
            kept.append(slopes[0])

    return keep


def _drop(stack: Stack) -> Any:
    """Hand on nothing to the features: what they would get is a sum over tasks."""

    def drop(inputs: tuple[Tensor | None, ...], _: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        return (*inputs[: stack.place], None, *inputs[stack.place + 1 :])

    return stack.node.register_hook(drop)


def _one_by_one(roots: Sequence[Root], features: Sequence[Tensor], heads: Heads, sink: Sink) -> Common:
    common: Common = []
    whole = len(roots) > 1 and len({root.edge.node for root in roots}) == 1  # one vector of losses
    for task, root in enumerate(roots):
        own = [leaf for leaves in heads.own for leaf in leaves] if whole else heads.own[task]
        inputs: list[Any] = [*features, *own, *heads.common]
        slopes = torch.autograd.grad([root.edge], inputs, [root.slope], retain_graph=True, allow_unused=True)
        for place, gradient in enumerate(slopes[: len(features)]):
            if gradient is not None:
                sink.add(task, place, gradient)
        common.append(list(slopes[len(features) + len(own) :]))
        for leaf, gradient in zip(own, slopes[len(features) :], strict=False):
            if gradient is not None:
                accumulate(leaf, gradient.clone())
    return common


def accumulate(leaf: Tensor, gradient: Tensor) -> None:
    """Add to ``leaf.grad``; ``gradient`` is the leaf's from then on."""
    leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient
