"""The problems of ``benchmarks/verdict.py``: every table, in the size that a study gets and in a larger one.

Print them with ``python benchmarks/tables.py``. A *study* gets at most `ROWS` rows, so that it is cheap; the
reference trains on as many rows but draws them from, and tests on, up to `LARGE` rows, so that it measures
what a study's choices are worth with less noise than the study itself can. Both have the same features (at
most `COLUMNS`), targets (`TARGETS`) and tasks of a long table (`LEVELS`), drawn at random with a fixed seed
(`tables_squeeze.cap`). The sizes are the same for all; nothing about a problem was chosen for what a study
says of it.

Mulan's ``enb`` is the same table as ``energy_efficiency`` and stands here once.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import sharewise as sw

import tables
from tables_squeeze import cap

ROWS: Final = 200
LARGE: Final = 1500
COLUMNS: Final = 20
TARGETS: Final = 4
LEVELS: Final = 16

_OF: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    **{name: (name, {}) for name in tables.NAMES if name not in {"enb", "school"}},
    "tox21": ("tox21", {"n_features": COLUMNS}),
    "school_5": ("school", {}),
    "school_15": ("school", {}),
    "school_50": ("school", {}),
    "faces_strangers": ("faces", {"strangers": True}),
}
_LEVELS: Final = {"school_5": 40, "school_15": 13, "school_50": 4}
"""Schools: the more, the fewer pupils of each."""

NAMES: Final[list[str]] = list(_OF)

QUICK: Final = ("linnerud", "iris", "slump", "edm", "crabs", "school_5")
"""For ``--quick``: small, wide and long, numbers and classes."""


@cache
def large(name: str) -> tables.Loaded:
    """What the reference draws from.

    Raises:
        KeyError: When the name is not in `NAMES`.
    """
    if name not in _OF:
        raise KeyError(f"a problem must be one of {', '.join(NAMES)}; got {name!r}.")
    table, options = _OF[name]
    levels = _LEVELS.get(name, LEVELS)
    return cap(tables.load(table, **options), rows=LARGE, columns=COLUMNS, targets=TARGETS, levels=levels)


def load(name: str) -> tables.Loaded:
    """What a study gets: some rows of `large`."""
    return cap(large(name), rows=ROWS, seed=1)


def problem(loaded: tables.Loaded) -> sw.Problem:
    """The same as sharewise reads it."""
    return sw.Problem.from_frame(loaded.frame, **loaded.kwargs)
