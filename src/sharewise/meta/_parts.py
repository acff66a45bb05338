"""Some of a batch's tasks, as the learners by gradient descent compute them together.

Symbols: `E` tasks, `W` ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sharewise.meta._episodes import Episodes, Support
from sharewise.meta._inner import Rows


@final
@dataclass(frozen=True, eq=False)
class Part:
    """Support and query rows.

    Attributes:
        support, query: Rows with the axis E or, looped, of one task without it; one and the same where only support
            matters.
        tasks: E, or None where looped.
    """

    support: Rows
    query: Rows
    tasks: int | None

    @staticmethod
    def of_episodes(episodes: Episodes) -> Part:
        """All tasks of a batch."""
        classes = _classes(episodes.support)
        support = Rows(episodes.support_x, episodes.support_y, _gaps(episodes.support_mask), classes)
        query = Rows(episodes.query_x, episodes.query_y, _gaps(episodes.query_mask), classes)
        return Part(support, query, len(episodes))

    @staticmethod
    def of_support(support: Support) -> Part:
        """All tasks, without query rows."""
        rows = Rows(support.x, support.y, _gaps(support.mask), _classes(support))
        return Part(rows, rows, len(support.y))

    @staticmethod
    def of_tensors(tensors: Sequence[Tensor | None]) -> Part:
        """What `tensors` gave."""
        support, query = _rows(tensors[:4]), _rows(tensors[4:])
        return Part(support, query, len(support.y) if support.y.ndim == 2 else None)

    def tensors(self) -> list[Tensor | None]:
        """Inputs, labels, mask and classes of support and query."""
        both = (self.support, self.query)
        return [part for rows in both for part in (rows.x, rows.y, rows.mask, rows.classes)]

    @property
    def count(self) -> int:
        """E, or 1 where looped."""
        return self.tasks or 1

    def task(self, place: int) -> Part:
        """One task, without the axis E and without padding."""
        support = self.support.task(place)
        return Part(support, support if self.query is self.support else self.query.task(place), None)

    def only(self, which: slice) -> Part:
        """Some of the tasks."""
        support = self.support.only(which)
        query = support if self.query is self.support else self.query.only(which)
        return Part(support, query, len(support.y))


def _classes(support: Support) -> Tensor | None:
    """(E, W) bool, which classes a task has."""
    if support.ways is None:
        return None
    return torch.arange(support.width, device=support.y.device) < support.ways[:, None]


def _gaps(mask: Tensor) -> Tensor | None:
    """The mask, or None where every row is there."""
    return None if bool(mask.all()) else mask


def _rows(tensors: Sequence[Tensor | None]) -> Rows:
    x, y, mask, classes = tensors
    assert x is not None
    assert y is not None
    return Rows(x, y, mask, classes)
