"""Small phrases that all words of a verdict are made of: percentages, intervals, lists of names, counts."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 3
"""So many names are written out before the rest is counted."""


def percent(value: float) -> str:
    """``0.034`` as ``3.4%``, without a sign for what rounds to zero."""
    text = f"{100 * value:.1f}"
    return f"{0.0:.1f}%" if float(text) == 0 else f"{text}%"


def spanned(interval: tuple[float, float]) -> str:
    """``1.2% to 5.6%``."""
    return f"{percent(interval[0])} to {percent(interval[1])}"


def sure(confidence: float) -> str:
    """``0.95`` as ``95%``, ``0.999`` as ``99.9%``."""
    return f"{100 * confidence:.4g}%"


def plural(count: int, singular: str, several: str | None = None) -> str:
    """``1 round``, ``2 rounds``, ``1,024 rounds``."""
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"


def listed(words: Sequence[str], most: int = NAMED) -> str:
    """``a``, ``a and b``, ``a, b and c``, or ``a, b, c and 4 more``."""
    shown, more = list(words[:most]), len(words) - most
    if more > 0:
        return f"{', '.join(shown)} and {more:,} more"
    return ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else "".join(shown)


def quoted(names: Sequence[str], most: int = NAMED) -> str:
    """`listed`, each name in quotes: ``'a' and 'b'``."""
    return listed([f"'{name}'" for name in names], most)
