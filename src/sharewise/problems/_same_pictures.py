"""Equal pictures in several rows: one that is trained on must not be tested on.

Symbols: ``N`` rows.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._names import counted


def joined(
    pixels: NDArray[np.uint8], group: NDArray[np.intp] | None, notes: list[str]
) -> NDArray[np.intp] | None:
    """Groups ``(N,)`` such that rows of equal decoded bytes are in one; those of several groups make these one.

    As they came where all pictures differ.

    Args:
        pixels: ``(N, C, H, W)``.
        group: ``(N,)`` codes, or None where every row is by itself.

    Raises:
        DataError: All rows hang together.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    seen: dict[bytes, int] = {}
    first = np.array([seen.setdefault(_digest(picture), row) for row, picture in enumerate(pixels)])
    again = np.flatnonzero(first != np.arange(len(first)))
    if not len(again):
        return group
    own = np.arange(len(first)) if group is None else group
    count = int(own.max()) + 1
    links = coo_matrix((np.ones(len(again)), (own[again], own[first[again]])), shape=(count, count))
    whole, code = connected_components(links, directed=False)
    found: NDArray[np.intp] = code[own].astype(np.intp)
    if len(np.unique(found)) < 2:
        raise DataError(
            f"pictures must differ, since equal ones stay on one side of every split; {len(again)} of "
            f"{len(first)} repeat another and tie all rows together. Check the paths."
        )
    also = "" if group is None or whole == count else ", and groups that share one with them"
    notes.append(
        f"{counted(len(again), 'picture')} repeated another one: equal pictures{also} stay on one side of every split."
    )
    return found


def _digest(picture: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=16).digest()
