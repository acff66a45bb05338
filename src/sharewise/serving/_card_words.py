"""Names and numbers of a card as Markdown that shows them and does nothing else.

A column, a class or a task may be called anything: markup, a link, a line of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

MOST = 200
"""Characters of a name, and rows of a table."""
_MARKUP = re.compile(r"([\\`*_\[\]{}#|~!$^=])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "://": "&#58;//", "www.": "www&#46;"}


def shown(text: object, most: int = MOST) -> str:
    """Any text as a run of characters without markup, on one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    line = line if len(line) <= most else line[: most - 1] + "…"
    line = _MARKUP.sub(r"\\\1", line)
    for raw, safe in _HTML.items():
        line = line.replace(raw, safe)
    return line


def number(value: object) -> str:
    """Four digits; a dash where nothing is known."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def percent(value: object) -> str:
    """One digit behind the point; a dash where nothing is known."""
    return f"{100 * value:.1f}%" if isinstance(value, float | int) and not isinstance(value, bool) else "–"


def with_interval(value: object, interval: object) -> str:
    """``12.3% (10.1% to 14.5%)``."""
    match interval:
        case [low, high] if low is not None and high is not None:
            return f"{percent(value)} ({percent(low)} to {percent(high)})"
    return percent(value)


def size(count: object) -> str:
    """Bytes in the unit that fits."""
    if not isinstance(count, int | float) or isinstance(count, bool):
        return "–"
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count} bytes"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table whose cells are Markdown already; rows beyond `MOST` are counted."""
    every = list(rows)
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in every[:MOST]]
    return [*lines, *([f"\n… and {len(every) - MOST:,} more."] if len(every) > MOST else [])]


def bullets(sentences: Iterable[Any]) -> list[str]:
    """A line a sentence."""
    return [f"- {shown(sentence, 2000)}" for sentence in sentences]


def names(found: Sequence[object], most: int = 8) -> str:
    """Some names, and how many more."""
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(shown(name, 60) for name in found[:most]) + more
