"""Mode "features": the Gramian of the gradients of the features themselves, example by example.

No layer's parameters enter, so it costs next to nothing; how the features move together in the shared part is left
out. Gradients are compared example by example. Summed over the batch first (as ``rep_grad`` elsewhere does) they would
be cheaper still, but the sum forgets which example wants what, and the direction found can point uphill.

Symbols: ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from sharewise.balancing._cut import Cut
from sharewise.balancing._gramian import gram
from sharewise.errors import DataError


def measure(features: Sequence[Tensor], slopes: list[dict[int, Tensor]]) -> tuple[Tensor, Cut]:
    """Gramian ``(T, T)`` in float64, and where the shared pass starts.

    Raises:
        DataError: if tasks have features of their own.
    """
    reached = [frozenset(mine) for mine in slopes]
    if len(slopes) > 1 and not frozenset.intersection(*reached):
        raise DataError(
            "The features mode compares gradients of features that tasks share; here every task has features of "
            "its own rows. Use mode='last-layer'."
        )
    total: Tensor | None = None
    for place in sorted(frozenset.union(*reached)):
        zero = torch.zeros_like(features[place])
        dense = torch.stack([mine.get(place, zero) for mine in slopes])
        found = gram(dense.flatten(1))
        total = found if total is None else total + found
    assert total is not None
    edges = [get_gradient_edge(feature) for feature in features]
    return total, Cut(edges, slopes)


def measure_block(edge: GradientEdge, block: Tensor) -> tuple[Tensor, Cut]:
    """The same from all gradients ``(T, ...)`` of the only feature."""
    return gram(block.flatten(1)), Cut([edge], [], block)
