"""What a cell says as text, and what number or date a text spells."""

from __future__ import annotations

import datetime
import decimal
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks import Array

SECONDS_A_DAY = 86_400.0
HUGE = 1e37
"""Numbers beyond this do not fit the float32 that trees and networks compute with."""

_ISO = re.compile(
    r"\d{4}([-/])\d{2}\1\d{2}"  # date
    r"([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?(Z|[+-]\d{2}:?\d{2}))?)?"  # time of day and zone
)
_MISSING_TYPES = ("NAType", "NaTType")


def is_missing(value: Any) -> bool:
    """Whether a cell is a gap: None, NaN, NaT, NA, or blank text."""
    if value is None or type(value).__name__ in _MISSING_TYPES:
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return isinstance(value, str) and (not value or value.isspace())


def word(value: Any) -> str | None:
    """A value as text: whole floats lose their ``.0``, blanks become gaps."""
    if is_missing(value):
        return None
    if isinstance(value, (float, np.floating)) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def iso(days: float) -> str:
    """Days since 1970 as an ISO date, with the time of day where there is one."""
    micros = np.datetime64(round(days * SECONDS_A_DAY * 1e6), "us")
    return str(micros.astype("datetime64[D]") if days == int(days) else micros)


def numbers_in(words: NDArray[np.object_]) -> Array:
    """``(N,)`` the numbers that words spell; NaN for gaps and for what is no number."""
    return _spelled(words, number_in)


_MARKED = re.compile(
    r"[+-]?[$€£]? ?(\d{1,3}([,' \u00a0\u202f]\d{3})+([.,]\d+)?|\d+,\d+|\d+(\.\d+)?(?= ?[%$€£]))( ?[%$€£])?"
    r"|[+-]?[$€£] ?\d+(\.\d+)?"
)


def is_marked_number(text: str) -> bool:
    """Whether a text is a number to people but not to Python: ``1,234``, ``1,5``, ``12 %``, ``$3``.

    >>> [is_marked_number(text) for text in ("1,234.5", "12%", "$3", "1,5", "3.5", "a1")]
    [True, True, True, True, False, False]
    """
    return _MARKED.fullmatch(text.strip()) is not None


def dates_in(words: NDArray[np.object_]) -> Array:
    """``(N,)`` the ISO dates that words spell, in days since 1970; NaN for all else."""
    return _spelled(words, _date)


def _spelled(words: NDArray[np.object_], read: Callable[[str], float]) -> Array:
    held = words.tolist()
    values = {text: read(text) for text in set(held) if text is not None} | {None: math.nan}
    if all(map(math.isnan, values.values())):
        return np.full(len(held), np.nan)
    return np.array([values[text] for text in held], dtype=np.float64)


def number_in(text: str) -> float:
    """The number a text spells, or NaN."""
    if "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _date(text: str) -> float:
    stripped = text.strip()
    if not _ISO.fullmatch(stripped):
        return math.nan
    plain = (
        stripped.replace("/", "-").replace(" +", "+").replace(" -", "-").replace(" Z", "Z").replace(",", ".")
    )
    try:
        return days_of(datetime.datetime.fromisoformat(plain))
    except ValueError:
        return math.nan


def days_of(moment: datetime.date) -> float:
    """Days since 1970, in UTC where the zone is known."""
    if not isinstance(moment, datetime.datetime):
        return float(moment.toordinal() - datetime.date(1970, 1, 1).toordinal())
    zone = None if moment.tzinfo is None else datetime.UTC
    whole = moment.replace(tzinfo=zone) if zone is None else moment.astimezone(zone)
    return (whole - datetime.datetime(1970, 1, 1, tzinfo=zone)) / datetime.timedelta(days=1)
