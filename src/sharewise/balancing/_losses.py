"""The losses of a step, read from what the user hands over, and refused where they cannot be differentiated.

Symbols: ``T`` tasks, ``T'`` those that this batch has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from sharewise.balancing._head_pass import Root
from sharewise.errors import DataError

Losses: TypeAlias = "Tensor | Sequence[Tensor | None] | Mapping[str, Tensor | None]"


@dataclass(frozen=True)
class Read:
    """The losses of the tasks that are there.

    Attributes:
        names: ``T'`` tasks' names, or their places as words.
        values: ``(T',)`` their losses.
        present: ``(T,)`` which tasks these are.
        given: One vector ``(T',)`` or the single losses, as they came.
    """

    names: list[str]
    values: NDArray[np.float64]
    present: NDArray[np.bool_]
    given: Tensor | list[Tensor]

    def vector(self) -> Tensor:
        """``(T',)`` with its graph."""
        if isinstance(self.given, Tensor):
            return self.given
        return torch.stack([loss.reshape(()) for loss in self.given])

    def roots(self, scale: float) -> list[Root]:
        """Where each loss's backward pass starts."""
        if isinstance(self.given, Tensor):
            return _roots_of_vector(self.given, self.names, scale)
        slopes: dict[
            Any, Tensor
        ] = {}  # one for all losses of a form: made T times it would cost as much as a head
        roots = []
        for loss in self.given:
            form = (loss.shape, loss.dtype, loss.device)
            slope = slopes.get(form)
            if slope is None:
                slope = slopes[form] = torch.full_like(loss, scale, requires_grad=False)
            roots.append(Root(_edge(loss), slope))
        return roots


def read_losses(losses: Losses) -> Read:
    """Check and read.

    Raises:
        DataError: for no losses, a loss that is no single number, is not finite, or has no graph.
    """
    if isinstance(losses, Tensor):
        if losses.ndim != 1 or len(losses) == 0:
            raise DataError(
                f"Losses are one number a task; got a tensor of shape {tuple(losses.shape)}. "
                "Stack the tasks' scalar losses to a vector."
            )
        names = [str(place) for place in range(len(losses))]
        if not losses.requires_grad:
            raise _no_graph(names[0])
        values = losses.detach().double().cpu().numpy()
        _refuse_non_finite(names, values)
        return Read(names, values, np.ones(len(losses), dtype=np.bool_), losses)
    pairs: list[tuple[str, Any]] = (
        [(str(name), loss) for name, loss in losses.items()]
        if isinstance(losses, Mapping)
        else [(str(place), loss) for place, loss in enumerate(losses)]
    )
    there = [(name, loss) for name, loss in pairs if loss is not None]
    if not there:
        raise DataError(
            f"A step needs the loss of at least one task; got {len(pairs)} tasks, all absent. Skip the batch."
        )
    for name, loss in there:
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise DataError(
                f"A task's loss is a single number; that of task '{name}' is {shape}. Take its mean."
            )
        if not loss.requires_grad:
            raise _no_graph(name)
    names = [name for name, _ in there]
    values = _values([loss for _, loss in there])
    _refuse_non_finite(names, values)
    return Read(names, values, np.array([loss is not None for _, loss in pairs]), [loss for _, loss in there])


def _roots_of_vector(losses: Tensor, names: list[str], scale: float) -> list[Root]:
    """One root a task: below ``torch.stack`` where the vector was stacked, else the vector with one entry's slope."""
    edge = get_gradient_edge(losses)
    if edge.node.name() == "StackBackward0":
        below = edge.node.next_functions
        for name, (node, _) in zip(names, below, strict=True):
            if node is None:
                raise _no_graph(name)
        slope = torch.full_like(losses[0], scale, requires_grad=False)
        return [Root(GradientEdge(node, number), slope) for node, number in below if node is not None]
    units = torch.eye(len(losses), dtype=losses.dtype, device=losses.device) * scale
    return [Root(edge, unit) for unit in units]


def _values(losses: list[Tensor]) -> NDArray[np.float64]:
    """``(T',)`` numbers, fetched from the device together."""
    flat = [loss.detach() if loss.ndim == 0 else loss.detach().reshape(()) for loss in losses]
    if len({(loss.dtype, loss.device) for loss in flat}) > 1:
        return np.array([loss.item() for loss in flat], dtype=np.float64)
    return np.array(torch.stack(flat).tolist(), dtype=np.float64)


def _edge(loss: Tensor) -> GradientEdge:
    node = loss.grad_fn
    return get_gradient_edge(loss) if node is None else GradientEdge(node, loss.output_nr)


def _no_graph(name: str) -> DataError:
    return DataError(
        f"A loss must have been computed from parameters that require a gradient; that of task '{name}' was not. "
        "Compute it outside torch.no_grad() and without .detach(), or leave the task out (None)."
    )


def _refuse_non_finite(names: list[str], values: NDArray[np.float64]) -> None:
    if np.isfinite(values).all():
        return
    bad = [
        f"'{name}' ({value})" for name, value in zip(names, values, strict=True) if not math.isfinite(value)
    ]
    raise DataError(
        f"Losses must be finite to be differentiated; not so in task {', '.join(bad)}. "
        "Skip this step, lower the learning rate, or look at the targets."
    )
