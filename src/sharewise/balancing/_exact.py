"""Mode "exact": every task's gradient of all shared parameters.

Sequential or batched? Torch can run the tasks' backward passes one after another, or all at once under ``vmap``. On a
CPU one after another is faster wherever arithmetic counts, for convolutions several times; at once is faster for
small layers, where most of the time is bookkeeping, and on a GPU. The choice follows from the graph and the device
alone, so a run repeats itself.

Symbols: ``T`` tasks, ``P`` shared parameters' numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from sharewise.balancing._cut import differentiate, private_leaves
from sharewise.balancing._gramian import gram
from sharewise.balancing._graph import leaves_under, names_under
from sharewise.balancing._head_pass import Common, Gradients, accumulate

BATCHED_UP_TO: Final = 1 << 14
"""Numbers in one task's gradient of the features up to which tasks go at once on a CPU."""
ONE_BY_ONE: Final = ("Convolution", "Rnn", "CompiledFunction", "MaxPool", "CppFunction")
"""Parts of the names of nodes that ``vmap`` slows down on a CPU, or does not take at all."""


@dataclass(frozen=True)
class Jacobian:
    """Gradients of what several tasks move.

    Attributes:
        leaves: The shared leaves.
        rows: ``(T, P)`` their gradients, side by side.
        private: By task, what lies behind the features but only this task moves, with its gradients.
    """

    leaves: list[Tensor]
    rows: Tensor
    private: list[list[tuple[Tensor, Tensor]]]

    def gramian(self, shared: Sequence[Tensor] | None) -> Tensor:
        """``(T, T)`` in float64, of some of the leaves or all."""
        if shared is None:
            return gram(self.rows)
        chosen = {id(leaf) for leaf in shared}
        parts = torch.split(self.rows, [leaf.numel() for leaf in self.leaves], dim=1)
        kept = [part for part, leaf in zip(parts, self.leaves, strict=True) if id(leaf) in chosen]
        return gram(torch.cat(kept, dim=1)) if len(kept) < len(parts) else gram(self.rows)

    def apply(self, combined: Tensor) -> None:
        """Accumulate the combined gradient ``(P,)`` and the private ones."""
        parts = torch.split(combined, [leaf.numel() for leaf in self.leaves])
        for leaf, part in zip(self.leaves, parts, strict=True):
            accumulate(leaf, part.view(leaf.shape))
        for pairs in self.private:
            for leaf, gradient in pairs:
                accumulate(leaf, gradient)

    def weighted(self, weights: Sequence[float]) -> Tensor:
        """``(P,)``."""
        factor = torch.tensor(weights, dtype=self.rows.dtype, device=self.rows.device)
        return torch.mv(self.rows.t(), factor)


def jacobian(
    features: Sequence[Tensor],
    slopes: Gradients,
    common: Sequence[Tensor],
    by_heads: Common,
    shared: Sequence[Tensor] | None = None,
) -> Jacobian:
    """Go on from the gradients of the features to all that lies behind them.

    Args:
        features: ``K`` tensors, none where the pass through the heads has reached everything.
        slopes: By task, gradients of the features.
        common: The leaves that several heads moved.
        by_heads: By task, their gradients.
        shared: The order of columns, where it matters.
    """
    edges = [get_gradient_edge(feature) for feature in features]
    private = private_leaves(edges, slopes) if edges else [[] for _ in slopes]
    alone = {id(leaf) for leaves in private for leaf in leaves}
    behind = [leaf for leaf in leaves_under(edges) if id(leaf) not in alone]
    leaves = list({id(leaf): leaf for leaf in (*behind, *common)}.values())
    if shared is not None:
        rank = {id(parameter): place for place, parameter in enumerate(shared)}
        leaves.sort(key=lambda leaf: rank.get(id(leaf), len(rank)))
    start = {id(leaf): at for at, leaf in enumerate(leaves)}
    if not leaves:
        first = next(g for mine in slopes for g in mine.values())
        rows = first.new_zeros(len(slopes), 0)
    elif _at_once(edges, slopes, alone) and not common:
        stacked = torch.stack([mine[0] for mine in slopes])
        batched = torch.autograd.grad(edges, leaves, [stacked], is_grads_batched=True, allow_unused=True)
        rows = torch.cat(
            [_filled(g, leaf, len(slopes)) for g, leaf in zip(batched, leaves, strict=True)], dim=1
        )
        return Jacobian(leaves, rows, [[] for _ in slopes])
    else:
        rows = leaves[0].new_empty(len(slopes), sum(leaf.numel() for leaf in leaves))
    kept: list[list[tuple[Tensor, Tensor]]] = []
    for task, mine in enumerate(slopes):
        own = private[task]
        found = differentiate(edges, mine, [*behind, *own], retain=task < len(slopes) - 1)
        parts: list[Tensor | None] = [None] * len(leaves)
        for leaf, gradient in zip(behind, found, strict=False):
            parts[start[id(leaf)]] = gradient
        for leaf, gradient in zip(common, by_heads[task], strict=False):
            at, before = start[id(leaf)], parts[start[id(leaf)]]
            parts[at] = gradient if before is None else before if gradient is None else before + gradient
        if leaves:
            torch.cat([_flat(part, leaf) for part, leaf in zip(parts, leaves, strict=True)], out=rows[task])
        pairs = zip(own, found[len(behind) :], strict=True)
        kept.append([(leaf, gradient.clone()) for leaf, gradient in pairs if gradient is not None])
    return Jacobian(leaves, rows, kept)


def _flat(gradient: Tensor | None, leaf: Tensor) -> Tensor:
    return leaf.new_zeros(leaf.numel()) if gradient is None else gradient.reshape(-1)


def _filled(gradient: Tensor | None, leaf: Tensor, tasks: int) -> Tensor:
    return leaf.new_zeros(tasks, leaf.numel()) if gradient is None else gradient.reshape(tasks, -1)


def _at_once(edges: Sequence[GradientEdge], slopes: list[dict[int, Tensor]], alone: set[int]) -> bool:
    """Whether all tasks' backward passes run as one."""
    if len(edges) != 1 or alone or len(slopes) < 2:
        return False
    slope = slopes[0][0]
    if slope.device.type == "cpu" and slope.numel() > BATCHED_UP_TO:
        return False
    names = names_under(edges)
    return not any(part in name for name in names for part in ONE_BY_ONE)
