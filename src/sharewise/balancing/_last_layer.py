"""Mode "last-layer": the Gramian of the last shared layer's parameter gradients, then one pass through the rest.

Symbols: ``T`` tasks, ``K`` features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from sharewise.balancing._block import Block
from sharewise.balancing._cut import Cut, differentiate
from sharewise.balancing._gramian import gram
from sharewise.balancing._graph import layers_under
from sharewise.balancing._layer import (
    Chain,
    chain_behind,
    descend,
    is_rectified,
    layer_gradients,
    layer_gramian,
    rectified,
)
from sharewise.errors import DataError

Slopes = list[dict[int, Tensor]]


def measure(
    features: Sequence[Tensor], slopes: Slopes, shared: Sequence[Tensor] | None, *, exact: bool = False
) -> tuple[Tensor, Cut]:
    """Gramian ``(T, T)`` in float64, and where the shared pass starts.

    Args:
        features: ``K`` tensors.
        slopes: Each task's gradients of them.
        shared: The layer's parameters, or None to find it.
        exact: Never sketch.

    Raises:
        DataError: if no parameter lies behind the features.
    """
    edges = [get_gradient_edge(feature) for feature in features]
    chains = [chain_behind(feature) for feature in features]
    layers = _layers(chains, slopes, shared)
    if layers is None:
        return _by_autograd(edges, slopes, shared), Cut(edges, slopes)
    if len(features) == 1:
        (chain,) = layers[0][1].values()
        ends, norms = descend(chain, [mine[0] for mine in slopes])
        found = layer_gramian(chain, ends, exact=exact)
        if norms is not None:
            return found + gram(norms), Cut(edges, slopes)
        return found, Cut([chain.edge], slopes, ends)
    total = torch.zeros(len(slopes), len(slopes), dtype=torch.float64, device=features[0].device)
    for _, members in layers:
        tasks, gradients = _of_layer(members, slopes, exact=exact)
        at = torch.tensor(tasks, device=total.device)
        total[at[:, None], at] += gram(gradients)
    return total, Cut(edges, slopes)


def direct(features: Sequence[Tensor], shared: Sequence[Tensor] | None) -> Chain | None:
    """The layer behind the only feature, with a rectifier between them or nothing; None in any other case."""
    if len(features) != 1:
        return None
    chain = chain_behind(features[0])
    if chain is None or not (is_rectified(chain) or not chain.above) or not _is_wanted(chain, shared):
        return None
    return chain


def block_for(chain: Chain, tasks: int, feature: Tensor) -> Block:
    """Where the heads' pass puts gradients of the layer's output."""
    return Block(tasks, feature, rectified(chain) if chain.above else None)


def measure_block(chain: Chain, block: Tensor) -> tuple[Tensor, Cut]:
    """As `measure`, from all gradients ``(T, ...)`` at the layer's output."""
    return layer_gramian(chain, block), Cut([chain.edge], [], block)


def _is_wanted(chain: Chain, shared: Sequence[Tensor] | None) -> bool:
    return shared is None or {id(p) for p in chain.parameters} == {id(p) for p in shared}


def _layers(
    chains: Sequence[Chain | None], slopes: Slopes, shared: Sequence[Tensor] | None
) -> list[tuple[frozenset[int], dict[int, Chain]]] | None:
    """The last layers that several tasks reach, each with the features it stands behind; None if unclear."""
    by_layer: dict[tuple[int, ...], dict[int, Chain]] = {}
    for place, chain in enumerate(chains):
        if chain is None or not _is_wanted(chain, shared):
            return None
        by_layer.setdefault(tuple(id(p) for p in chain.parameters), {})[place] = chain
    found = []
    for members in by_layer.values():
        tasks = frozenset(task for task, mine in enumerate(slopes) if not members.keys().isdisjoint(mine))
        if len(tasks) > 1 or len(slopes) == 1:
            found.append((tasks, members))
    covered = frozenset[int]().union(*(tasks for tasks, _ in found))
    return found if len(covered) == len(slopes) else None


def _of_layer(members: dict[int, Chain], slopes: Slopes, *, exact: bool) -> tuple[list[int], Tensor]:
    """The tasks that reach a layer, and their gradients ``(tasks, P)`` summed over the features it stands behind."""
    rows: dict[int, Tensor] = {}
    for place, chain in members.items():
        tasks = [task for task, mine in enumerate(slopes) if place in mine]
        if not tasks:
            continue
        ends, norms = descend(chain, [slopes[task][place] for task in tasks])
        gradients = layer_gradients(chain, ends, exact=exact)
        if norms is not None:
            gradients = torch.cat([gradients, norms], dim=1)
        for task, gradient in zip(tasks, gradients, strict=True):
            rows[task] = rows[task] + gradient if task in rows else gradient
    order = sorted(rows)
    return order, torch.stack([rows[task] for task in order])


def _by_autograd(edges: Sequence[GradientEdge], slopes: Slopes, shared: Iterable[Tensor] | None) -> Tensor:
    """For what has no formula: a pass a task, only as far as the layer."""
    parameters = list(_nearest(edges, slopes) if shared is None else shared)
    if not parameters:
        raise DataError(
            "The last shared layer is looked for behind the features, and no parameter lies there that several tasks "
            "move. Pass features that a shared module computed, or use mode='features'."
        )
    rows = []
    for mine in slopes:
        pairs = zip(differentiate(edges, mine, parameters, retain=True), parameters, strict=True)
        rows.append(torch.cat([p.new_zeros(p.numel()) if g is None else g.flatten() for g, p in pairs]))
    return gram(torch.stack(rows))


def _nearest(edges: Sequence[GradientEdge], slopes: Slopes) -> list[Tensor]:
    """The parameters that several tasks move, up to the depth of the first weight among them."""
    movers: dict[Tensor, set[int]] = {}
    depth: dict[Tensor, int] = {}
    for task, mine in enumerate(slopes):
        for level, leaf in layers_under([edges[place] for place in mine]):
            if level == 0:
                continue  # a feature that is a leaf itself
            movers.setdefault(leaf, set()).add(task)
            depth[leaf] = min(level, depth.get(leaf, level))
    several = [leaf for leaf, tasks in movers.items() if len(tasks) > 1 or len(slopes) == 1]
    weights = [depth[leaf] for leaf in several if leaf.ndim >= 2]
    last = min(weights) if weights else max((depth[leaf] for leaf in several), default=0)
    return [leaf for leaf in several if depth[leaf] <= last]
