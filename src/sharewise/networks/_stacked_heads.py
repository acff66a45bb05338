"""Linear heads, or small networks, of many tasks as one.

Symbols: ``B`` rows, ``T`` tasks, ``D`` width of features, ``O`` outputs of a head.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._apply import shape_of
from sharewise.networks._heads import Heads


class StackedHeads(Heads):
    """Final. Heads on vectors ``(B, D)`` or sequences ``(B, L, D)``: linear, or with hidden layers and rectifiers.

    A layer of all heads is one parameter ``(sum of outputs, inputs)``. Where tasks read the same features the
    first layer is one matrix product, whatever the heads' outputs; where each reads its own, and in later
    layers, heads of equal outputs are one batched product. A parameter therefore belongs to several tasks, of
    which each moves its own slice. Slices lie by number of outputs and name, so that a state dict does
    not depend on the order in which tasks were named.

    Args:
        outputs: ``O`` of each task.
        width: ``D``.
        hidden: Widths of hidden layers, the same for all tasks.
    """

    place_of: Tensor

    def __init__(self, outputs: Mapping[str, int], width: int, *, hidden: Sequence[int] = ()) -> None:
        super().__init__(outputs)
        for task, count in outputs.items():
            if min(width, *hidden, count) < 1:
                raise OptionError(
                    f"a head's widths are at least 1; those of task '{task}' are {(width, *hidden, count)}. "
                    "Correct them."
                )
        self.width = width
        self.outputs = dict(outputs)
        self.hidden = tuple(hidden)
        self.order = tuple(sorted(outputs, key=lambda task: (outputs[task], task)))
        self._all = {task: place for place, task in enumerate(self.order)}
        self._blocks = _blocks(outputs, self.order)
        inputs = (width, *hidden)
        totals = [each * len(self.order) for each in hidden] + [sum(outputs.values())]
        self.weights = nn.ParameterList(
            _uniform(total, given, fan=given) for total, given in zip(totals, inputs, strict=True)
        )
        self.biases = nn.ParameterList(
            _uniform(total, fan=given) for total, given in zip(totals, inputs, strict=True)
        )
        places = torch.tensor([self._all[task] for task in self.tasks])
        self.register_buffer("place_of", places, persistent=False)

    def parameters_of(self, task: str) -> Iterator[nn.Parameter]:
        return self.parameters()

    def count_of(self, task: str) -> int:
        outputs = (*self.hidden, self.outputs[task])
        inputs = (self.width, *self.hidden)
        return sum((given + 1) * made for given, made in zip(inputs, outputs, strict=True))

    def rows(self, features: Tensor, task: Tensor) -> Tensor:
        """Each row's outputs by its own task's head ``(B, ..., O)``; all heads have equal outputs.

        Args:
            features: ``(B, ..., D)``.
            task: ``(B,)`` places of the rows' tasks in ``tasks``.
        """
        if len(set(self.outputs.values())) > 1:
            raise OptionError(
                "rows of several tasks in one tensor need heads of equal outputs; got "
                f"{sorted(set(self.outputs.values()))}. Pass {{task: x}} instead."
            )
        self._check(features, self.tasks[0])
        at = self.place_of[task]
        hidden = features.reshape(len(features), -1, self.width)
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = hidden.relu() if place else hidden
            own = weight.view(len(self.order), -1).index_select(0, at).view(len(at), -1, weight.shape[1])
            shift = bias.view(len(self.order), -1).index_select(0, at)
            # With one place a row a batched product would be of vectors, for which it is slow.
            single = features.ndim == 2
            made = (hidden * own).sum(dim=-1)[:, None] if single else torch.bmm(hidden, own.mT)
            hidden = made + shift[:, None]
        return hidden.view(*features.shape[:-1], -1)

    def _forward(self, features: Tensor | Mapping[str, Tensor], tasks: tuple[str, ...]) -> dict[str, Tensor]:
        if isinstance(features, Tensor):
            self._check(features, tasks[0] if tasks else self.tasks[0])
            if not self.hidden:
                return self._common(features, tasks)
        else:
            for task in tasks:
                self._check(features[task], task)
        found: dict[str, Tensor] = {}
        for group, shape in self._groups(features, tasks):
            if isinstance(features, Tensor):
                weight, bias = self._layer(0, group)
                wide = F.linear(features.reshape(-1, self.width), weight.flatten(0, 1), bias.flatten())
                inner = wide.view(wide.shape[0], len(group), -1).transpose(0, 1)  # (T, rows, hidden)
                outer = self._later(inner, group, 1)
            else:
                own = [features[task].reshape(-1, self.width) for task in group]
                outer = self._later(torch.stack(own), group, 0)
            found.update(zip(group, outer.view(len(group), *shape, -1).unbind(), strict=True))
        return {task: found[task] for task in tasks}

    def _common(self, features: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        """Linear heads on the same features: one product."""
        wanted = set(tasks)
        order = [task for task in self.order if task in wanted]
        sizes = [self.outputs[task] for task in order]
        weight, bias = self.weights[0], self.biases[0]
        if len(order) < len(self.order):
            starts = {
                t: start + at * o for o, (block, start) in self._blocks.items() for t, at in block.items()
            }
            spans = [slice(starts[task], starts[task] + self.outputs[task]) for task in order]
            weight = torch.cat([weight[span] for span in spans])
            bias = torch.cat([bias[span] for span in spans])
        parts = torch.split(F.linear(features, weight, bias), sizes, dim=-1)
        found = dict(zip(order, parts, strict=True))
        return {task: found[task] for task in tasks}

    def _later(self, hidden: Tensor, group: list[str], start: int) -> Tensor:
        """The layers from ``start`` on, ``(T, rows, inputs)`` to ``(T, rows, O)``."""
        for place in range(start, len(self.weights)):
            hidden = hidden.relu() if place else hidden
            weight, bias = self._layer(place, group)
            hidden = torch.baddbmm(bias, hidden, weight.mT)
        return hidden

    def _layer(self, place: int, group: list[str]) -> tuple[Tensor, Tensor]:
        """Weights ``(T, outputs, inputs)`` and biases ``(T, 1, outputs)`` of tasks with equal outputs."""
        if place < len(self.hidden):
            outputs, block, before = self.hidden[place], self._all, 0
        else:
            outputs = self.outputs[group[0]]
            block, before = self._blocks[outputs]
        span = slice(before, before + len(block) * outputs)
        weights = self.weights[place][span].view(len(block), outputs, -1)
        biases = self.biases[place][span].view(len(block), 1, outputs)
        if len(group) == len(block):
            return weights, biases
        at = torch.tensor([block[task] for task in group], device=weights.device)
        return weights.index_select(0, at), biases.index_select(0, at)

    def _groups(
        self, features: Tensor | Mapping[str, Tensor], tasks: tuple[str, ...]
    ) -> list[tuple[list[str], list[int]]]:
        """Tasks that can be computed together, in the order of slices, and the shape of their places."""
        groups: list[tuple[list[str], list[int]]] = []
        wanted = set(tasks)
        for task in self.order:
            if task not in wanted:
                continue
            shape = list((features if isinstance(features, Tensor) else features[task]).shape[:-1])
            # Found by comparing: sizes that torch.export leaves open cannot be keys.
            for group, found in groups:
                if self.outputs[group[0]] == self.outputs[task] and found == shape:
                    group.append(task)
                    break
            else:
                groups.append(([task], shape))
        return groups

    def _check(self, features: Tensor, task: str) -> None:
        if features.ndim < 2 or features.shape[-1] != self.width:
            raise OptionError(
                f"the head of task '{task}' takes features of width {self.width} on the last axis; the encoder "
                f"gives {shape_of(features)}. Build the head for that width, or let the encoder end in a vector."
            )


def heads(outputs: Mapping[str, int], width: int, *, hidden: Sequence[int] = ()) -> StackedHeads:
    """Linear heads, or small networks with hidden layers, computed together.

    >>> heads({"identity": 20, "smile": 1}, 64)(torch.zeros(5, 64), ["smile"])["smile"].shape
    torch.Size([5, 1])

    Args:
        outputs: Outputs ``O`` of each task.
        width: Of the features, ``D``.
        hidden: Widths of hidden layers, each followed by a rectifier.
    """
    return StackedHeads(outputs, width, hidden=hidden)


def check_width(given: Heads, width: int | None) -> None:
    """Refuse heads whose width, as far as it shows, is not that of the features they will read.

    Raises:
        OptionError: It is not.
    """
    if width is None:
        return
    if isinstance(given, StackedHeads):
        taken = dict.fromkeys(given.tasks, given.width)
    else:
        modules = getattr(given, "of", {})
        layers = {task: modules[task] for task in modules}
        firsts = {t: m[0] if type(m) is nn.Sequential and len(m) else m for t, m in layers.items()}
        taken = {task: first.in_features for task, first in firsts.items() if type(first) is nn.Linear}
    for task, wide in taken.items():
        if wide != width:
            raise OptionError(
                f"heads take what the encoder gives; its features are {width} wide, the head of task '{task}' "
                f"takes {wide}. Build the heads for {width}."
            )


def _blocks(outputs: Mapping[str, int], order: Sequence[str]) -> dict[int, tuple[dict[str, int], int]]:
    """By number of outputs: the places of the tasks that have as many, and the row where their slices start."""
    found: dict[int, tuple[dict[str, int], int]] = {}
    start = 0
    for task in order:
        block, _ = found.setdefault(outputs[task], ({}, start))
        block[task] = len(block)
        start += outputs[task]
    return found


def _uniform(*shape: int, fan: int) -> nn.Parameter:
    """Uniform within one over the root of the inputs, as ``nn.Linear`` starts."""
    return nn.Parameter((torch.rand(shape) * 2 - 1) / math.sqrt(fan))
