"""One balanced backward pass: from the losses of a step to the gradients of every parameter.

Symbols: ``T`` tasks, ``K`` features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from sharewise.balancing import _features, _last_layer
from sharewise.balancing._balanced import Balanced
from sharewise.balancing._base import Scalarizer, Weighting
from sharewise.balancing._block import Block
from sharewise.balancing._cut import pass_shared
from sharewise.balancing._exact import Jacobian, jacobian
from sharewise.balancing._graph import Walk
from sharewise.balancing._head_pass import Kept, accumulate, pass_heads
from sharewise.balancing._losses import Losses, Read, read_losses
from sharewise.balancing._torchjd import (
    ForeignAggregator,
    ForeignScalarizer,
    ForeignWeighting,
    rule_of,
)
from sharewise.errors import DataError, OptionError

Array = NDArray[np.float64]
Mode = Literal["last-layer", "exact", "features"]
Features: TypeAlias = "Tensor | Sequence[Tensor] | Mapping[str, Tensor | Sequence[Tensor]] | None"


def backward(
    losses: Losses,
    features: Features,
    balancer: object,
    *,
    mode: Mode = "last-layer",
    shared: Iterable[nn.Parameter] | None = None,
    scale: float = 1.0,
) -> Balanced:
    """Accumulate balanced gradients into ``.grad``, as ``loss.backward()`` would plain ones.

    What several tasks move gets the weighted sum of their gradients; heads, and everything else that only one
    task moves, get that task's own gradient, unweighted. A scalarizer takes one plain backward pass through its
    number, heads included. For a weighting the mode says of what the Gramian of the tasks' gradients is taken:

    ========== ========================================= ===================================== ==============
    mode       the Gramian is of                         what is kept                          cost over plain
    ========== ========================================= ===================================== ==============
    last-layer the last shared layer's parameters (with  how gradients meet in the weights     a product a task
               norms behind it)                          nearest to the heads
    exact      all shared parameters                     everything                            a backward pass
                                                                                               a task
    features   the features, example by example          what each example wants, not how      next to nothing
                                                         examples share weights
    ========== ========================================= ===================================== ==============

    How close the direction comes to the exact one is for ``benchmarks/balancing.py`` to measure; with 8 tasks, MLPs
    and CNNs, mean cosines were 0.92 to 0.99 in "last-layer" (MGDA the lowest), 0.57 to 0.96 in "features", and
    0.36 to 0.92 for the plain sum.

    Layers with more than 128 inputs and rows are sketched with 32 random directions in "last-layer"
    (`sharewise.balancing._gramian`): the Gramian is then right to some per cent rather than to rounding.

    >>> import torch
    >>> from torch import nn
    >>> from sharewise.balancing import Weighting
    >>> class Halves(Weighting):
    ...     name = "halves"
    ...     def _weights(self, gramian, seen):
    ...         return gramian.diagonal() * 0 + 0.5
    >>> _ = torch.manual_seed(0)
    >>> encoder, heads = nn.Linear(2, 3), [nn.Linear(3, 1), nn.Linear(3, 1)]
    >>> features = encoder(torch.ones(4, 2)).relu()
    >>> losses = {name: head(features).square().mean() for name, head in zip("ab", heads)}
    >>> backward(losses, features, Halves(norm="raw")).weights
    array([0.5, 0.5])

    Args:
        losses: One number a task: ``(T,)``, a sequence, or by name. None stands for a task that this batch has
            no label of. Of a vector that is no ``torch.stack`` of numbers the graph cannot tell heads apart; then
            each parameter before the features counts as a head's, and every task takes a pass of its own.
        features: What `MultiTaskNetwork.encode` gives: a tensor, several, or by task. Where tasks have inputs of
            their own, each task's features. None for scalarizers, and for "exact" with ``shared``.
        balancer: A `Scalarizer` or `Weighting`, or an instance of TorchJD's (extra ``torchjd``).
        mode: See above; scalarizers do not heed it.
        shared: Parameters whose gradients' Gramian is taken, in place of those found in the graph.
        scale: Factor of all gradients (gradient accumulation, loss scaling). The record is free of it.

    Returns:
        Weights, Gramian and value.

    Raises:
        DataError: if a loss is not a single finite number with a graph, features need no gradient or are no part of
            what the losses were computed from, or gradients are not finite.
        OptionError: if the balancer or the mode is none.
    """
    rule = rule_of(balancer)
    if mode not in get_args(Mode):
        raise OptionError(
            f"mode is one of {', '.join(get_args(Mode))}; got {mode!r}. Leave it out for 'last-layer'."
        )
    read = read_losses(losses)
    if isinstance(rule, Scalarizer | ForeignScalarizer):
        return _scalarized(rule, read, scale)
    chosen = None if shared is None else list(shared)
    tensors = _feature_tensors(features, mode, chosen)
    if mode != "exact" and isinstance(rule, ForeignAggregator):
        raise OptionError(
            f"An aggregator without weights needs every task's gradient of all shared parameters; "
            f"{type(balancer).__name__} got mode='{mode}'. Use mode='exact'."
        )
    with torch.no_grad():  # what follows differentiates, but is not to be differentiated
        return _weighed(rule, read, tensors, mode, chosen, scale)


def _weighed(
    rule: Weighting | ForeignWeighting | ForeignAggregator,
    read: Read,
    tensors: list[Tensor],
    mode: Mode,
    shared: list[nn.Parameter] | None,
    scale: float,
) -> Balanced:
    edges = [get_gradient_edge(tensor) for tensor in tensors]
    roots = read.roots(scale)
    walk = Walk([root.edge for root in roots], edges)
    heads = walk.heads
    if tensors:
        _refuse_apart(read, walk.reached())
    chain = _last_layer.direct(tensors, shared) if mode == "last-layer" else None
    if chain is not None:
        block = _last_layer.block_for(chain, len(roots), tensors[0])
        common = pass_heads(roots, tensors, heads, block)
        found, cut = _last_layer.measure_block(chain, block.gradients())
    elif mode == "features" and len(tensors) == 1:
        block = Block(len(roots), tensors[0], None)
        common = pass_heads(roots, tensors, heads, block)
        found, cut = _features.measure_block(edges[0], block.gradients())
    else:
        kept = Kept(len(roots))
        common = pass_heads(roots, tensors, heads, kept)
        slopes = kept.slopes
        if mode == "exact":
            return _exact(rule, read, jacobian(tensors, slopes, heads.common, common, shared), shared, scale)
        if mode == "features":
            found, cut = _features.measure(tensors, slopes)
        else:
            found, cut = _last_layer.measure(tensors, slopes, shared)
    assert not isinstance(rule, ForeignAggregator)
    gramian = _as_array(found, scale)
    weights = rule(gramian, read.values, present=read.present)
    pass_shared(cut, weights.tolist())
    for place, leaf in enumerate(heads.common):
        _weigh_common(leaf, [parts[place] for parts in common], weights)
    return _record(read, weights, gramian)


def _scalarized(rule: Scalarizer | ForeignScalarizer, read: Read, scale: float) -> Balanced:
    combined = rule.combine(read.vector(), present=read.present)
    torch.autograd.backward([combined.total], [torch.full_like(combined.total, scale, requires_grad=False)])
    weights = combined.weights.double().cpu().numpy()
    return Balanced(_spread(weights, read.present, 0.0), None, float(combined.total.detach()))


def _exact(
    rule: Weighting | ForeignWeighting | ForeignAggregator,
    read: Read,
    found: Jacobian,
    shared: list[nn.Parameter] | None,
    scale: float,
) -> Balanced:
    if not found.leaves:
        raise DataError(
            "The exact mode compares gradients of parameters that several tasks move, and there are none. "
            "Pass the features of a shared module, or add up the losses."
        )
    gramian = _as_array(found.gramian(shared), scale)
    if isinstance(rule, ForeignAggregator):
        found.apply(rule.combine_rows(found.rows / scale) * scale)
        return _record(read, np.full(len(gramian), np.nan), gramian)
    if isinstance(rule, ForeignWeighting) and not rule.of_gramian:
        weights = rule.of_rows(found.rows / scale)
    else:
        weights = rule(gramian, read.values, present=read.present)
    found.apply(found.weighted(weights.tolist()))
    return _record(read, weights, gramian)


def _feature_tensors(features: Features, mode: str, shared: list[nn.Parameter] | None) -> list[Tensor]:
    """The tensors among the features that need a gradient, each once."""
    if features is None:
        if mode != "exact" or shared is None:
            raise OptionError(
                f"Features may be left out for scalarizers, and for mode='exact' with shared= parameters; got "
                f"mode='{mode}'. Pass what the encoder gave."
            )
        return []
    parts: list[Any] = []
    for entry in features.values() if isinstance(features, Mapping) else [features]:
        parts.extend([entry] if isinstance(entry, Tensor) else entry)
    found = {id(part): part for part in parts if isinstance(part, Tensor) and part.requires_grad}
    if not found:
        raise DataError(
            f"Features must need a gradient, so that what tasks share can learn; none of the {len(parts)} tensors does. "
            "Compute them outside torch.no_grad() and unfreeze the encoder, or add up the losses."
        )
    return list(found.values())


def _refuse_apart(read: Read, reached: Sequence[bool]) -> None:
    lost = [name for name, there in zip(read.names, reached, strict=True) if not there]
    if lost:
        raise DataError(
            f"Every loss must have been computed from the features; that of task '{lost[0]}' was not. "
            "Pass the features of this very forward pass, as the heads got them."
        )


def _weigh_common(leaf: Tensor, gradients: list[Tensor | None], weights: Array) -> None:
    total: Tensor | None = None
    for gradient, weight in zip(gradients, weights.tolist(), strict=True):
        if gradient is not None:
            total = gradient * weight if total is None else total.add_(gradient, alpha=weight)
    if total is not None:
        accumulate(leaf, total)


def _as_array(gramian: Tensor, scale: float) -> Array:
    """Symmetric float64 without the scale."""
    found: Array = gramian.cpu().numpy()
    return (found + found.T) / (2.0 * scale * scale)


def _record(read: Read, weights: Array, gramian: Array) -> Balanced:
    full = np.full((len(read.present), len(read.present)), np.nan)
    full[np.ix_(read.present, read.present)] = gramian
    return Balanced(_spread(weights, read.present, 0.0), full, float(weights @ read.values))


def _spread(values: Array, present: NDArray[np.bool_], absent: float) -> Array:
    """``(T',)`` to ``(T,)``."""
    found = np.full(len(present), absent)
    found[present] = values
    return found
