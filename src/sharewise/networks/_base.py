"""What every architecture is: an encoder that tasks share in some way, and a head for each.

Symbols: ``B`` rows, ``T`` tasks, ``D`` width of features, ``L`` places of a sequence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._heads import Heads, as_heads

Features: TypeAlias = "Tensor | tuple[Tensor, ...] | dict[str, Tensor] | dict[str, tuple[Tensor, ...]]"
"""What `MultiTaskNetwork.encode` gives: a tensor or a tuple that all tasks read, or a dict with what each
task reads (the same tensor may then stand under several tasks)."""


@dataclass(frozen=True)
class Size:
    """Numbers of parameters.

    Attributes:
        shared: Numbers that several tasks move.
        per_task: Numbers that only this task moves.
    """

    shared: int
    per_task: dict[str, int]

    @property
    def total(self) -> int:
        """All numbers of the network."""
        return self.shared + sum(self.per_task.values())

    def __str__(self) -> str:
        own = ", ".join(f"{task} {count:,}" for task, count in self.per_task.items())
        return f"{self.total:,} parameters: {self.shared:,} shared; of one task alone: {own}"


class MultiTaskNetwork(nn.Module, ABC):
    """Abstract: inputs to features that tasks share (`encode`), features to every task's outputs (`decode`).

    ``x`` is one tensor (or any tree of tensors that the encoder takes), the same rows for all tasks; or, where
    tasks have inputs of their own, a dict ``{task: x}``. A dict none of whose keys is a task goes to the
    encoder as it is. Where features do not depend on the task, own inputs of one shape run as one batch (batch
    normalisation then sees the rows of all); else the encoder runs once a task.

    No feature is computed from another feature, so that gradients by all of them together are the gradient
    by what the tasks share.

    Attributes:
        tasks: Names, in order.
        heads: The tasks' own last layers.
    """

    task_free: ClassVar[bool] = False
    """Whether `_encode` gives the same for all tasks: a tensor or a tuple of tensors, rows first."""

    def __init__(self, heads: Heads | Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.heads = as_heads(heads)
        self.tasks = self.heads.tasks

    def forward(self, x: Any, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Every task's outputs, or those of some tasks; of own inputs those that are there."""
        return self.decode(self.encode(x, tasks), tasks)

    def encode(self, x: Any, tasks: Sequence[str] | None = None) -> Features:
        """Features of the rows, all that `decode` needs for these tasks.

        Raises:
            OptionError: A task is unknown, has no inputs, or the encoder does not take them.
        """
        own = self._own_inputs(x)
        if own is None:
            return self._encode(x, self._named(tasks))
        chosen = tuple(task for task in self.tasks if task in own) if tasks is None else self._named(tasks)
        missing = [task for task in chosen if task not in own]
        if missing:
            raise OptionError(
                f"every task asked for needs inputs; task '{missing[0]}' has none among {_listed(own)}. "
                "Add them, or leave the task out of tasks=."
            )
        return self._encode_own({task: own[task] for task in chosen})

    def decode(self, features: Features, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Outputs ``(B, ...)`` by task, from what `encode` gave.

        Raises:
            OptionError: A task is unknown, was not encoded, or its head does not fit the features.
        """
        chosen = self._named(tasks)
        if isinstance(features, dict):
            if tasks is None:
                chosen = tuple(task for task in chosen if task in features)
            absent = [task for task in chosen if task not in features]
            if absent:
                raise OptionError(
                    f"features must hold every task to decode; '{absent[0]}' is not among "
                    f"{_listed(features)}. Encode it too."
                )
        return self._decode(features, chosen)

    def penalties(self, features: Features, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Terms ``()`` to be added to a task's loss while training; none unless an architecture has some."""
        return {}

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """Those that the losses of several tasks move: all but the tasks' own."""
        own = {id(parameter) for task in self.tasks for parameter in self.task_parameters(task)}
        return (parameter for parameter in self.parameters() if id(parameter) not in own)

    def task_parameters(self, task: str) -> Iterator[nn.Parameter]:
        """Those that no other task's loss moves: its head, gates, experts, adapters.

        Shared parameters and all tasks' own are a partition of ``parameters()``. A parameter that stacks the heads
        of several tasks is given for each of them; of its numbers a task's loss moves only the task's own.

        Raises:
            OptionError: The task is unknown.
        """
        (name,) = self._named([task])
        for part in (self.heads, *self._own(name)):
            yield from part.parameters_of(name) if isinstance(part, Heads) else part.parameters()

    def describe(self) -> Size:
        """How many parameters are shared, and how many each task has to itself."""
        per_task = {
            task: sum(_count_of(part, task) for part in (self.heads, *self._own(task))) for task in self.tasks
        }
        return Size(sum(parameter.numel() for parameter in self.shared_parameters()), per_task)

    @abstractmethod
    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        """Features of rows that all these tasks share."""

    @abstractmethod
    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        """Outputs; ``features`` are as `_encode` or `_encode_own` gave them and hold all these tasks."""

    def _own(self, task: str) -> Iterable[nn.Module]:
        """What besides its head only this task's loss moves; of `Heads` the task's part is meant."""
        return ()

    def _encode_own(self, x: dict[str, Any]) -> Features:
        """Features by task, each from its own inputs; what `_encode` gives for one task is its entry."""
        inputs = list(x.values())
        first = inputs[0] if inputs else None
        if self.task_free and isinstance(first, Tensor):
            alike = [isinstance(each, Tensor) and each.shape[1:] == first.shape[1:] for each in inputs]
            if len(inputs) > 1 and all(alike):
                return _parted(self._encode(torch.cat(inputs), tuple(x)), {task: len(x[task]) for task in x})
        found: dict[str, Any] = {}
        for task, given in x.items():
            features = self._encode(given, (task,))
            found[task] = features[task] if isinstance(features, dict) else features
        return found

    def _named(self, tasks: Sequence[str] | None) -> tuple[str, ...]:
        if tasks is None:
            return self.tasks
        names = (tasks,) if isinstance(tasks, str) else tuple(tasks)
        unknown = [task for task in names if task not in self.tasks]
        if unknown:
            raise OptionError(
                f"a task must be one of the network's ({_listed(self.tasks)}); got '{unknown[0]}'. "
                "Give the network a head for it, or correct the name."
            )
        return names

    def _own_inputs(self, x: Any) -> Mapping[str, Any] | None:
        if not isinstance(x, Mapping) or not any(task in x for task in self.tasks):
            return None
        strangers = [key for key in x if key not in self.tasks]
        if strangers:
            raise OptionError(
                f"inputs by task must name tasks of the network ({_listed(self.tasks)}); got '{strangers[0]}'. "
                "Give the network a head for it, or leave it out."
            )
        return x


def feature_tensors(features: Features) -> tuple[Tensor, ...]:
    """The tensors among features that require a gradient, each once, in order."""
    parts: list[Tensor] = []
    for entry in features.values() if isinstance(features, dict) else (features,):
        parts.extend(entry if isinstance(entry, tuple) else (entry,))
    return tuple({id(part): part for part in parts if part.requires_grad}.values())


def for_task(features: Features, task: str) -> Tensor | tuple[Tensor, ...]:
    """What one task reads."""
    return features[task] if isinstance(features, dict) else features


def _parted(features: Features, rows: dict[str, int]) -> Features:
    """Features of all tasks' rows, one task after another, by task."""
    assert not isinstance(features, dict)
    counts = list(rows.values())
    if isinstance(features, Tensor):
        return dict(zip(rows, torch.split(features, counts), strict=True))
    parts = zip(*(torch.split(part, counts) for part in features), strict=True)
    return dict(zip(rows, parts, strict=True))


def _count_of(part: nn.Module, task: str) -> int:
    if isinstance(part, Heads):
        return part.count_of(task)
    return sum(parameter.numel() for parameter in part.parameters())


def _listed(names: Iterable[object], most: int = 6) -> str:
    shown = [f"'{name}'" for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
