"""The pass through what tasks share: from where their gradients are known, with the weighted sum of them.

Symbols: ``T`` tasks, ``K`` places of the cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from sharewise.balancing._graph import leaves_under

Gradients = Sequence[dict[int, Tensor]]
"""By task: its gradient at each place of the cut that its loss depends on."""


@dataclass(frozen=True)
class Cut:
    """Places through which every loss reaches what is shared.

    Attributes:
        edges: ``K`` places.
        slopes: By task, gradients at these places; not looked at beside ``dense``.
        dense: ``(T, ...)`` the same for a single place that all tasks reach, or None.
    """

    edges: Sequence[GradientEdge]
    slopes: Gradients
    dense: Tensor | None = None

    def weighted(self, weights: Sequence[float]) -> tuple[list[GradientEdge], list[Tensor]]:
        """The places that any task reaches, and the weighted sum of the tasks' gradients there."""
        if self.dense is not None:
            dense = self.dense
            factor = torch.tensor(weights, dtype=dense.dtype, device=dense.device)
            return list(self.edges), [torch.mv(dense.view(len(dense), -1).t(), factor).view(dense.shape[1:])]
        sums: dict[int, Tensor] = {}
        for weight, slopes in zip(weights, self.slopes, strict=True):
            for place, slope in slopes.items():
                if place in sums:
                    sums[place].add_(slope, alpha=weight)
                else:
                    sums[place] = slope * weight
        return [self.edges[place] for place in sums], list(sums.values())


def differentiate(
    edges: Sequence[GradientEdge], mine: dict[int, Tensor], leaves: Sequence[Tensor], *, retain: bool
) -> list[Tensor | None]:
    """One task's gradients of leaves behind the cut, from its gradients there; None where it does not reach."""
    if not mine or not leaves:
        return [None] * len(leaves)
    found = torch.autograd.grad(
        [edges[place] for place in mine], leaves, list(mine.values()), retain_graph=retain, allow_unused=True
    )
    return list(found)


def private_leaves(edges: Sequence[GradientEdge], slopes: Gradients) -> list[list[Tensor]]:
    """By task, the leaves behind the cut that it alone moves; none where all tasks reach the same places."""
    reached = [frozenset(mine) for mine in slopes]
    if len(set(reached)) <= 1:
        return [[] for _ in slopes]
    movers: dict[Tensor, list[int]] = {}
    leaves: dict[frozenset[int], list[Tensor]] = {}
    for task, places in enumerate(reached):
        if places not in leaves:
            leaves[places] = leaves_under([edges[place] for place in sorted(places)])
        for leaf in leaves[places]:
            movers.setdefault(leaf, []).append(task)
    found: list[list[Tensor]] = [[] for _ in slopes]
    for leaf, tasks in movers.items():
        if len(tasks) == 1:
            found[tasks[0]].append(leaf)
    return found


def pass_shared(cut: Cut, weights: Sequence[float]) -> None:
    """Accumulate: the weighted sum where several tasks reach, a task's own gradient where it alone does."""
    private = private_leaves(cut.edges, cut.slopes) if cut.dense is None else []
    edges, sums = cut.weighted(weights)
    if not edges:
        return
    if not any(private):
        torch.autograd.backward(edges, sums)
        return
    alone = {id(leaf) for leaves in private for leaf in leaves}
    shared = [leaf for leaf in leaves_under(edges) if id(leaf) not in alone]
    if shared:
        torch.autograd.backward(edges, sums, retain_graph=True, inputs=shared)
    for leaves, slopes in zip(private, cut.slopes, strict=True):
        if leaves:
            torch.autograd.backward(
                [cut.edges[place] for place in slopes],
                list(slopes.values()),
                retain_graph=True,
                inputs=leaves,
            )
