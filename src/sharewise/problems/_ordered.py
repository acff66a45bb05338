"""Classes in their order: by their number, or by the order that a column of categories declares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._cells import Cells, Value, as_words, keys
from sharewise.problems._names import listed
from sharewise.problems._words import numbers_in


def ranks(cells: Cells) -> tuple[NDArray[np.intp], tuple[Value, ...]]:
    """Codes ``(N,)`` of the distinct values from low to high (-1 for a gap), and the values.

    Raises:
        DataError: The values are words, and nothing says how they are ordered.
    """
    if cells.form == "word" and not cells.category:
        found = numbers_in(as_words(cells))
        if np.array_equal(~np.isnan(found), cells.present()):
            cells = Cells(cells.name, "number", found)
    codes, distinct = keys(cells)
    if cells.order is not None:
        place = {value: rank for rank, value in enumerate(cells.order)}
        low_to_high = sorted(range(len(distinct)), key=lambda code: place[distinct[code]])
    elif cells.form == "word" and cells.exact is None:
        raise DataError(
            f"an ordinal target holds numbers, or words with an order; nothing says how {listed(list(map(str, distinct)))} "
            f"of '{cells.name}' are ordered. Write numbers, or make it a pandas Categorical with ordered=True or a "
            "polars Enum."
        )
    else:
        low_to_high = list(range(len(distinct)))  # numbers: `keys` sorted them
    rank = np.empty(len(distinct) + 1, dtype=np.intp)
    rank[low_to_high] = np.arange(len(distinct))
    rank[-1] = -1  # where the code of a gap leads
    return rank[codes], tuple(distinct[code] for code in low_to_high)
