"""Heads: from features to each task's outputs; any modules, or built ones that are computed together.

Symbols: ``B`` rows, ``T`` tasks, ``D`` width of features, ``O`` outputs of a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._apply import apply, shape_of
from sharewise.networks._per_task import PerTask


class Heads(nn.Module, ABC):
    """Abstract: one head a task.

    Attributes:
        tasks: Names, in order.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        if not self.tasks:
            raise OptionError("heads need at least one task; got none. Pass {'task': ...}.")
        names: tuple[object, ...] = self.tasks
        odd = [task for task in names if not isinstance(task, str)]
        if odd:
            raise OptionError(f"a task's name is a string; got {odd[0]!r}. Write it as one.")

    def forward(self, features: Tensor | Mapping[str, Tensor], tasks: Sequence[str]) -> dict[str, Tensor]:
        """Outputs ``(B, ..., O)`` by task.

        Args:
            features: ``(B, ..., D)`` for all tasks, or each task's own.

        Raises:
            OptionError: A head does not fit the features.
        """
        if isinstance(features, (Tensor, Mapping)):
            return self._forward(features, tuple(tasks))
        raise OptionError(
            f"heads read one tensor, or one a task; got {shape_of(features)}. Mend the encoder."
        )

    @abstractmethod
    def parameters_of(self, task: str) -> Iterator[nn.Parameter]:
        """The parameters that this task's loss moves, whole or in part; no number is moved by two tasks."""

    @abstractmethod
    def count_of(self, task: str) -> int:
        """How many numbers this task's loss moves."""

    @abstractmethod
    def _forward(self, features: Tensor | Mapping[str, Tensor], tasks: tuple[str, ...]) -> dict[str, Tensor]:
        """Outputs by task."""


class SeparateHeads(Heads):
    """Final. Any modules, called one after another."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__(modules)
        for task, module in modules.items():
            if not isinstance(module, nn.Module):
                raise OptionError(
                    f"every task needs a head, an nn.Module; task '{task}' has {module!r}. "
                    "Build heads with sharewise.networks.heads({'task': outputs}, width)."
                )
        _check_apart(modules)
        self.of = PerTask(modules)

    def parameters_of(self, task: str) -> Iterator[nn.Parameter]:
        return self.of[task].parameters()

    def count_of(self, task: str) -> int:
        return sum(parameter.numel() for parameter in self.parameters_of(task))

    def _forward(self, features: Tensor | Mapping[str, Tensor], tasks: tuple[str, ...]) -> dict[str, Tensor]:
        return {
            task: apply(
                self.of[task],
                features if isinstance(features, Tensor) else features[task],
                f"the head of task '{task}'",
            )
            for task in tasks
        }


def as_heads(given: Heads | Mapping[str, nn.Module]) -> Heads:
    """Heads as they are, a dict of modules as `SeparateHeads`.

    Raises:
        OptionError: No heads, a head that is no module, or one module for two tasks.
    """
    if isinstance(given, Heads):
        return given
    if isinstance(given, Mapping):
        return SeparateHeads(given)
    raise OptionError(f"heads are {{task: module}}; got {shape_of(given)}. Pass a dict.")


def _check_apart(modules: Mapping[str, nn.Module]) -> None:
    owner: dict[int, str] = {}
    for task, module in modules.items():
        for parameter in module.parameters():
            other = owner.setdefault(id(parameter), task)
            if other != task:
                raise OptionError(
                    f"every task has a head of its own; '{other}' and '{task}' were given the same weights. "
                    "Copy the module (copy.deepcopy)."
                )
