"""From losses and change points to recoveries with intervals.

Symbols: ``n`` arriving rows, ``C`` contenders, ``A`` changes, ``R`` replicates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.studies._protocol import derived_seed
from sharewise.studies.stream._record import Recovery
from sharewise.studies.stream._recovery import replicate, rows_to_recover
from sharewise.studies.stream._words import interval
from sharewise.tasks import Array

REPLICATES = 1000


def gather(
    losses: Array,
    hindsight: Array,
    when: Array,
    bounds: Sequence[int],
    settled: Sequence[int],
    m: int,
    tolerance: float,
    against: str,
    confidence: float,
    seed: int,
) -> tuple[tuple[tuple[Recovery, ...], ...], Array]:
    """Recoveries by change and contender, and replicates ``(R, C)`` of their means over the changes.

    Args:
        losses: ``(C, n)``.
        hindsight: ``(n,)`` losses to get back to, where ``against`` says so.
        when: ``(n,)`` times.
        bounds: 0, the changes, ``n``.
        settled: Where each change had come to its end.
    """
    found, samples = [], []
    for place in range(1, len(bounds) - 1):
        before, start, stop = bounds[place - 1 : place + 2]
        end = settled[place - 1]
        own = losses[:, start:stop]
        earlier = losses[:, before:start].mean(axis=1)
        later = losses[:, end:stop]
        wanted = hindsight[end:stop] if against == "hindsight" else earlier[:, None]
        level = np.broadcast_to(wanted, later.shape)
        counts = end - start + rows_to_recover(later, level, m, tolerance)
        rng = np.random.default_rng(derived_seed(seed, place))
        drawn = end - start + replicate(later, level, m, tolerance, REPLICATES, rng)
        samples.append(drawn)
        found.append(
            tuple(
                Recovery(
                    float(earlier[c]),
                    float(own[c].mean()),
                    None if count == stop - start else int(count),
                    interval(drawn[:, c], confidence),
                    stop - start,
                    None if count == stop - start else float(when[start + count] - when[start]),
                )
                for c, count in enumerate(counts.tolist())
            )
        )
    if not found:
        return (), np.empty((0, len(losses)))
    return tuple(found), np.mean(samples, axis=0)
