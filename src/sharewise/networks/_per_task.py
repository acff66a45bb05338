"""One module a task, under names that a state dict can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast
from urllib.parse import quote

from torch import nn

Part = TypeVar("Part", bound=nn.Module)


class PerTask(nn.Module, Generic[Part]):
    """Final. A dict from task to module whose keys may hold any character.

    A module's name may hold no dot and no name of a method, tasks may: they are stored percent-encoded and
    with a prefix, ``for_price%2Enet``. State dicts therefore go by the task's name, not by its place.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        super().__init__()
        self.tasks = tuple(parts)
        self._keys = {task: _key(task) for task in parts}
        for task, part in parts.items():
            self.add_module(self._keys[task], part)

    def __getitem__(self, task: str) -> Part:
        return cast(Part, self._modules[self._keys[task]])

    def __iter__(self) -> Iterator[str]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)


def _key(task: str) -> str:
    return "for_" + quote(task, safe="").replace(".", "%2E")
