"""Reading a verdict that came from JSON: what is absent, NaN or of another type becomes ``None``."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters and lone surrogates: no HTML page may hold them."""

_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates: a name could turn the text around it with them."""

_JOINERS = "\u200d\ufe0f\ufe0e"


def number(value: object) -> float | None:
    """A finite float, or ``None``."""
    if value is None or isinstance(value, (bool, str, bytes)) or not isinstance(value, SupportsFloat):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def pair(value: object) -> tuple[float, float] | None:
    """The two ends of an interval in order, or ``None`` if either is missing."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    if low is None or high is None:
        return None
    return min(low, high), max(low, high)


def table(value: object) -> dict[str, Any]:
    """A mapping with its keys as text; empty for anything else."""
    return {str(key): entry for key, entry in value.items()} if isinstance(value, Mapping) else {}


def rows(value: object) -> list[dict[str, Any]]:
    """The mappings in a list."""
    return [table(entry) for entry in items(value) if isinstance(entry, Mapping)]


def items(value: object) -> list[Any]:
    """A list; empty for anything that is not one."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else []


def text(value: object, limit: int = 2000) -> str:
    """Printable text of at most ``limit`` characters; empty for ``None``."""
    if value is None:
        return ""
    plain = _BIDI_CONTROLS.sub("", _UNPRINTABLE.sub("\ufffd", str(value)))
    return shorten(" ".join(plain.split()), limit)


def shorten(name: str, limit: int) -> str:
    """At most ``limit`` characters: the middle goes, because the ends tell long names apart.

    >>> shorten("pupils of school 1024", 11)
    'pupil… 1024'
    """
    if len(name) <= limit:
        return name
    head = name[: (limit - 1) - (limit - 1) // 2]
    tail = name[len(name) - (limit - 1) // 2 :]
    while head and head[-1] in _JOINERS:
        head = head[:-1]
    while tail and (tail[0] in _JOINERS or unicodedata.combining(tail[0])):
        tail = tail[1:]
    return f"{head}…{tail}"
