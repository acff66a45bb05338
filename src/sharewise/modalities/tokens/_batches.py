"""Which sentences make a batch: deciding alone, no tensor is touched.

Symbols: ``S`` sentences, ``L`` words of a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError

Rows = NDArray[np.intp]


def rows_by_length(
    lengths: Sequence[int] | NDArray[np.integer], places: int, *, random: np.random.Generator | None = None
) -> list[Rows]:
    """Sentences of like length together, at most ``places`` places (sentences times longest) a batch.

    A sentence longer than that is a batch by itself, so memory is bound by the larger of ``places`` and the longest.

    Args:
        lengths: ``(S,)`` words of each sentence.
        random: Shuffles sentences of almost the same length and the order of batches; without it batches go from
            short to long, and are the same every time.

    Raises:
        OptionError: ``places`` is below 1.
    """
    if places < 1:
        raise OptionError(f"a batch has room for at least one word; got {places}. Raise it.")
    size = np.asarray(lengths, dtype=np.int64)
    # Noise of up to a tenth of the length changes who meets whom from epoch to epoch, and pads little.
    noise = 0.0 if random is None else random.uniform(-0.1, 0.1, len(size)) * size + random.random(len(size))
    order = np.argsort(size + noise, kind="stable")
    batches: list[Rows] = []
    start = 0
    longest = 0
    for place, row in enumerate(order):
        grown = max(longest, int(size[row]))
        if place > start and grown * (place - start + 1) > places:
            batches.append(order[start:place])
            start, grown = place, int(size[row])
        longest = grown
    if start < len(order):
        batches.append(order[start:])
    if random is not None:
        random.shuffle(batches)
    return batches
