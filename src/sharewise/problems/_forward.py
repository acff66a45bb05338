"""Past before future.

Symbols: ``n`` rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._names import counted
from sharewise.tasks import Array


def forward(
    time: Array, group: NDArray[np.intp] | None, folds: int
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Forward chaining: equal blocks in time; each block is tested after training on all before it.

    Times and groups are ``(n,)``, and so are the training and test masks returned. Rows of equal
    time stay together; a group that is tested is not trained on.

    Raises:
        DataError: There are fewer than three different times, or no two folds.
    """
    moments, place, counts = np.unique(time, return_inverse=True, return_counts=True)
    available = len(moments) - 1
    if folds < 2 or available < 2:
        raise DataError(
            f"a split by time needs two folds and three different times; got {counted(folds, 'fold')} and "
            f"{counted(len(moments), 'different time')}. Leave out --time, or name a finer column."
        )
    folds = min(folds, available)
    starts = _block_starts(counts, folds + 1)
    found = []
    for k in range(1, folds + 1):
        stop = starts[k + 1] if k < folds else len(moments)
        test = (place >= starts[k]) & (place < stop)
        train = place < starts[k]
        if group is not None:
            train &= ~np.isin(group, group[test])
        if train.any():
            found.append((train, test))
    if len(found) < 2:
        raise DataError(
            "a split by time and group needs earlier rows of other groups; there are none for two folds. "
            "Leave out --group or --time."
        )
    return found


def _block_starts(counts: NDArray[np.intp], blocks: int) -> list[int]:
    """First moment of each of ``blocks`` runs of moments with about equally many rows, none empty."""
    before = np.concatenate([[0], np.cumsum(counts)])
    starts = [0]
    for k in range(1, blocks):
        ideal = int(np.argmin(np.abs(before - before[-1] * k / blocks)))
        starts.append(min(max(ideal, starts[-1] + 1), len(counts) - (blocks - k)))
    return starts
