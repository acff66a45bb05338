"""Names of columns: how users give them, how messages list them, what they may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

Names = str | int | Sequence[str | int]
"""One column or several, as users give them."""


def as_names(given: object) -> tuple[str, ...]:
    """The names in ``given``: one, several, or none."""
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(given, Iterable):
        return (str(given),)
    return tuple(str(name) for name in given)


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known word most like ``name``, or nothing (starts with a space)."""
    words = list(known)
    lowered = {word.lower(): word for word in reversed(words)}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return f" Did you mean '{lowered[found[0]]}'?" if found else ""


def listed(names: Sequence[str], limit: int = 5) -> str:
    """``'a', 'b' and 3 more``."""
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
