"""Rows gathered from several datasets, each different input once.

Symbols: ``N`` rows, ``T`` tasks.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.tasks import Array

MOST_BYTES = 4 * 2**30
"""What inputs may take together. They are held in memory, by every worker process again."""
GROWTH = 1.5


@dataclass
class Pool:
    """Rows as they come; what is byte-identical is one input.

    An input that comes again for another task, or with the same label, adds no row. One that comes again with
    *another* label of the same task (the annotators differed, or chance did) gets a row more, bound to the first:
    both count, and `input_of` says that they belong on one side of every split.

    Attributes:
        shape: Of one input.
        tasks: ``T``.
        room: Rows to make room for at first.
        input_of: ``(N,)`` each row's input, as the first row that holds it.
        again: By task, how often an input came again with the same label.
        conflicts: By task, how often with another.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    tasks: int
    room: int
    input_of: list[int] = field(default_factory=list)
    again: Counter[int] = field(default_factory=Counter)
    conflicts: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._inputs = np.empty((0, *self.shape), dtype=self.dtype)
        self._labels = np.empty((0, self.tasks))
        self._rows: dict[bytes, list[int]] = {}
        self._make_room(max(self.room, 1))

    def __len__(self) -> int:
        return len(self.input_of)

    def add(self, x: NDArray[Any], task: int, label: float) -> int:
        """Enter a labelled input; its first row is returned.

        Raises:
            DataError: Inputs take more than `MOST_BYTES`.
        """
        x = np.ascontiguousarray(x)
        rows = self._rows.setdefault(hashlib.blake2b(x.data, digest_size=16).digest(), [])
        for row in rows:
            known = self._labels[row, task]
            if np.isnan(known):
                self._labels[row, task] = label
                return rows[0]
            if known == label:
                self.again[task] += 1
                return rows[0]
        if rows and not np.isnan(self._labels[rows[0], task]):
            self.conflicts[task] += 1
        self._append(x, rows)
        self._labels[rows[-1], task] = label
        return rows[0]

    def _append(self, x: NDArray[Any], rows: list[int]) -> None:
        place = len(self)
        if place == len(self._inputs):
            self._make_room(int(place * GROWTH) + 1)
        self._inputs[place] = x
        self._labels[place] = np.nan
        rows.append(place)
        self.input_of.append(rows[0])

    def _make_room(self, rows: int) -> None:
        size = self.dtype.itemsize * int(np.prod(self.shape))
        most = MOST_BYTES // max(size, 1)
        if len(self) >= most:
            raise DataError(
                f"the inputs of a problem are held in memory and take at most {MOST_BYTES / 2**30:.0f} GiB; "
                f"{len(self) + 1:,} inputs of shape {self.shape} in {self.dtype} take more. Bring fewer or smaller "
                "ones, or bytes (uint8) that the encoder turns into numbers."
            )
        # In place, without a copy where the system can; nobody else holds these arrays yet.
        self._inputs.resize((min(rows, most), *self.shape), refcheck=False)
        self._labels.resize((min(rows, most), self.tasks), refcheck=False)

    def inputs(self) -> NDArray[Any]:
        """``(N, *shape)``, the spare room given back; nothing may be added afterwards."""
        self._inputs.resize((len(self), *self.shape), refcheck=False)
        return self._inputs

    def labels(self) -> Array:
        """``(N, T)``, NaN where a task says nothing of a row."""
        return self._labels[: len(self)].copy()
