"""Which cells learn together.

A *cell* is one (target, level), its code ``target * L + level`` (``L`` is 1 in a wide problem).
"""

from __future__ import annotations

from sharewise.families._sample import Sample


def apart(sample: Sample) -> list[tuple[int, ...]]:
    """Every cell that has a label in a group of its own."""
    return [(target * sample.n_levels + (level or 0),) for target, level, rows in sample.cells() if len(rows)]


def as_one(sample: Sample) -> list[tuple[int, ...]]:
    """All cells in one group."""
    return [tuple(range(len(sample.targets) * sample.n_levels))]
