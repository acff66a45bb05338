"""The last shared layer: found behind the features, and its parameter gradients' Gramian.

From a feature the graph is followed down while it is a single chain, to the first node that holds a weight (a
parameter of two axes or more). What norms hold on the way counts to the layer. Linear layers and convolutions have
formulas; the gradients of any other node come from calling it.

Symbols: ``T`` tasks, ``N`` rows, ``B`` examples, ``C`` channels, ``H`` and ``D`` inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from sharewise.balancing._gramian import (
    EXACT_UP_TO,
    SKETCH,
    gram,
    linear_gradients,
    linear_gramian,
    signs,
)
from sharewise.balancing._graph import LEAF

RELU: Final = "ReluBackward0"
PASSES: Final = ("TBackward0", "TransposeBackward0", "ViewBackward0", "ToCopyBackward0")
"""Nodes that may stand between a layer and its weight."""


@dataclass(frozen=True)
class Chain:
    """From a feature down to its last layer.

    Attributes:
        above: Nodes from the feature on, before the layer; each takes one gradient and hands on one.
        onward: At which place of its inputs each of ``above`` hands it on.
        node: The layer.
        norms: Parameters of the nodes in ``above``.
        weights: Parameters of the layer.
    """

    above: tuple[Node, ...]
    onward: tuple[int, ...]
    node: Node
    norms: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return self.norms + self.weights

    @property
    def edge(self) -> GradientEdge:
        """Where the layer's output is."""
        return GradientEdge(self.node, 0)


def chain_behind(feature: Tensor) -> Chain | None:
    """The chain behind a feature, or None where the graph branches before the first weight."""
    edge = get_gradient_edge(feature)
    node, output = edge.node, edge.output_nr
    above: list[Node] = []
    onward: list[int] = []
    norms: list[Tensor] = []
    while output == 0 and node.name() != LEAF:
        if isinstance(node, BackwardCFunction):
            return None  # a function of somebody's own (compiled code is one) cannot be called by itself
        held: list[Tensor] = []
        data: list[tuple[int, Node, int]] = []
        for place, (below, number) in enumerate(node.next_functions):
            if below is None:
                continue
            leaf = _parameter(below)
            if leaf is None:
                data.append((place, below, number))
            else:
                held.append(leaf)
        if any(leaf.ndim >= 2 for leaf in held):
            return Chain(tuple(above), tuple(onward), node, tuple(norms), tuple(held))
        if len(data) != 1:
            return None
        above.append(node)
        norms += held
        place, node, output = data[0]
        onward.append(place)
    return None


def _parameter(node: Node) -> Tensor | None:
    """The leaf that ``node`` is, as it is or transposed."""
    while node.name() in PASSES:
        below = node.next_functions[0][0]
        if below is None:
            return None
        node = below
    if node.name() != LEAF:
        return None
    variable: Tensor = node.variable  # type: ignore[attr-defined]
    return variable


def is_rectified(chain: Chain) -> bool:
    """Whether a rectifier is all that stands between the feature and its layer."""
    return len(chain.above) == 1 and chain.above[0].name() == RELU


def rectified(chain: Chain) -> Tensor:
    """What the rectifier between feature and layer gave."""
    found: Tensor = chain.above[0]._saved_result  # type: ignore[attr-defined]
    return found.detach()


def descend(chain: Chain, slopes: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Gradients at the layer's output ``(T, ...)``, and of the norms' parameters on the way ``(T, P)``.

    Args:
        slopes: ``T`` gradients of the feature.
    """
    if is_rectified(chain):
        return torch.stack(
            [torch.ops.aten.threshold_backward(slope, rectified(chain), 0) for slope in slopes]
        ), None
    ends: list[Tensor] = []
    aside: list[Tensor] = []
    for slope in slopes:
        held: list[Tensor] = []
        for node, place in zip(chain.above, chain.onward, strict=True):
            answers = _call(node, slope)
            held += _of_parameters(node, answers)
            onward = answers[place]
            assert onward is not None
            slope = onward
        ends.append(slope)
        if held:
            aside.append(torch.cat(held))
    return torch.stack(ends), torch.stack(aside) if aside else None


def layer_gramian(chain: Chain, slopes: Tensor, *, exact: bool = False) -> Tensor:
    """Gramian ``(T, T)`` of the layer's parameters, float64.

    Args:
        slopes: ``(T, ...)`` gradients at the layer's output.
        exact: Never sketch.
    """
    rows = _rows(chain.node)
    if rows is not None:
        return linear_gramian(rows, slopes, bias=_has_bias(chain.node), exact=exact)
    return gram(layer_gradients(chain, slopes, exact=exact))


def layer_gradients(chain: Chain, slopes: Tensor, *, exact: bool = False) -> Tensor:
    """Gradients ``(T, P)`` of the layer's parameters, or a sketch of them; arguments as above."""
    rows = _rows(chain.node)
    if rows is not None:
        return linear_gradients(rows, slopes, bias=_has_bias(chain.node), exact=exact)
    node: Any = chain.node
    if node.name() == "ConvolutionBackward0" and not node._saved_transposed:
        return _convolution(node, slopes, exact=exact)
    return torch.stack([torch.cat(_of_parameters(node, _call(node, slope))) for slope in slopes])


def _rows(node: Any) -> Tensor | None:
    """Inputs ``(N, H)`` of a linear layer, None of anything else."""
    name, saved = node.name(), None
    if name == "AddmmBackward0" and node._saved_alpha == 1 and node._saved_beta == 1 and _is_weight(node, 2):
        saved = node._saved_mat1
    elif name == "MmBackward0" and _is_weight(node, 1):
        saved = node._saved_self
    return None if saved is None else saved.detach()


def _is_weight(node: Node, place: int) -> bool:
    below = node.next_functions[place][0]
    return below is not None and _parameter(below) is not None


def _has_bias(node: Node) -> bool:
    return node.name() == "AddmmBackward0" and node.next_functions[0][0] is not None


def _call(node: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
    """What a node gives for one gradient of its output; its saved tensors stay."""
    # A norm gives statistics beside its result; nothing flows back through them.
    answer = node(slope, *[None] * (len(node._input_metadata) - 1))
    return answer if isinstance(answer, tuple) else (answer,)


def _of_parameters(node: Node, answers: Sequence[Tensor | None]) -> list[Tensor]:
    """Those of a node's answers that are gradients of parameters, flat."""
    below = node.next_functions
    return [
        part.flatten()
        for place, part in enumerate(answers)
        if part is not None and _is_weight(node, place) and below[place][0] is not None
    ]


def _convolution(node: Any, slopes: Tensor, *, exact: bool) -> Tensor:
    """Of a convolution: its rows are the patches ``(B · places, C · kernel)``.

    A sketch of all patches is itself a convolution, with random signs for kernels.
    """
    inputs, weight = node._saved_input.detach(), node._saved_weight.detach()
    shape = (node._saved_stride, node._saved_padding, node._saved_dilation, False)
    groups, patch = node._saved_groups, weight[0].numel()
    if groups == 1 and patch > EXACT_UP_TO and not exact:
        kernels = signs(patch, weight.dtype, weight.device).t().reshape(SKETCH, *weight.shape[1:])
        sketch = torch.convolution(inputs, kernels, None, *shape, [0] * (weight.ndim - 2), 1)
        found = _of_patches(sketch.flatten(2), slopes.flatten(3))
    else:
        rest = (*shape, [0] * (weight.ndim - 2), groups, [False, True, False])
        backward = torch.ops.aten.convolution_backward
        found = torch.stack([backward(slope, inputs, weight, None, *rest)[1].flatten() for slope in slopes])
    if node.next_functions[2][0] is not None:
        found = torch.cat([found, slopes.flatten(3).sum((1, 3))], dim=1)
    return found


def _of_patches(rows: Tensor, slopes: Tensor) -> Tensor:
    """Sum over examples and places: ``(B, H, places)`` and ``(T, B, D, places)`` to ``(T, H · D)``."""
    flat = rows.transpose(0, 1).flatten(1)
    return torch.stack([torch.mm(flat, slope.transpose(1, 2).flatten(0, 1)) for slope in slopes]).flatten(1)
