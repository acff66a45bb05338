"""Texts as ids, all rows one after another: no padding is kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp] | slice


@final
@dataclass(frozen=True)
class TokenRows:
    """``N`` texts as ids.

    Attributes:
        flat: int32, the ids of all texts.
        starts: ``(N + 1,)`` where each text begins in ``flat``, and where the last one ends.
        padding: The id that fills shorter rows.
        notes: Sentences: texts that were cut, letters lost in reading.
    """

    flat: NDArray[np.int32]
    starts: NDArray[np.int64]
    padding: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` tokens of each text, at least one."""
        return np.diff(self.starts)

    def padded(self, rows: Rows | None = None, *, length: int | None = None) -> NDArray[np.int64]:
        """Ids ``(n, L)`` of some rows (default: all), in their order.

        Args:
            length: ``L``; longer rows are cut. Default: the longest of these rows.
        """
        chosen = np.arange(len(self))[slice(None) if rows is None else rows]
        size = self.starts[chosen + 1] - self.starts[chosen]
        widest = length if length is not None else int(size.max(initial=1))
        place = np.arange(widest)
        there = place < size[:, None]
        found = np.full((len(chosen), widest), self.padding, dtype=np.int64)
        found[there] = self.flat[(self.starts[chosen][:, None] + place)[there]]
        return found
