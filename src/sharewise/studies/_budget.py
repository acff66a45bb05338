"""Durations as people write them."""

from __future__ import annotations

import re

from sharewise.errors import OptionError

_UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(sec|s|min|m|h|d)\s*", re.IGNORECASE)
LEAST = 10.0
"""Seconds below which not even the libraries load and a first round ends."""


def parse_budget(text: str | float | None) -> float | None:
    """Seconds of ``"90s"``, ``"5min"``, ``"1.5h"``, ``"1h30min"`` or a number of seconds; None is unbounded.

    Raises:
        OptionError: Another form, or fewer than `LEAST` seconds.

    >>> parse_budget("1h30min")
    5400.0
    """
    if text is None:
        return None
    if isinstance(text, bool):
        raise OptionError(f"a budget is a duration such as '90s' or '5min'; got {text!r}.")
    if isinstance(text, int | float):
        seconds = float(text)
    else:
        place, seconds = 0, 0.0
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", text):
            seconds, place = float(text), len(text)
        while place < len(text):
            match = _FORM.match(text, place)
            if match is None:
                raise OptionError(f"a budget is a duration such as '90s', '5min' or '1h30min'; got '{text}'.")
            seconds += float(match[1]) * _UNITS[match[2].lower()]
            place = match.end()
        if not text.strip():
            raise OptionError("a budget is a duration such as '90s', '5min' or '1h30min'; got nothing.")
    if not LEAST <= seconds < float("inf"):
        raise OptionError(
            f"a budget is at least {LEAST:.0f} seconds, so that a first round can end; got {seconds:g}."
        )
    return seconds
