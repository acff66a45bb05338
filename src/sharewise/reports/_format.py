"""Numbers in words: signed percentages, durations, sizes. ``None`` prints as a dash."""

from __future__ import annotations

MISSING = "–"
MINUS = "\u2212"


def _sign(body: str, value: float, *, plus: bool) -> str:
    if not body.strip("0.,"):
        return body
    return (MINUS if value < 0 else "+" if plus else "") + body


def percent(value: float | None, *, plus: bool = True, digits: int = 1) -> str:
    """A share as a percentage with its sign: ``0.034`` is ``+3.4%``."""
    if value is None:
        return MISSING
    size = abs(value) * 100
    if size >= 1e6:
        body = f"{size:.1e}"
    elif size >= 99.95:
        body = f"{size:,.0f}"
    else:
        body = f"{size:.{digits}f}"
    return _sign(body, value, plus=plus) + "%"


def short_percent(value: float) -> str:
    """A percentage without idle decimals, for axes and thresholds: ``0.025`` is ``2.5%``."""
    return _sign(f"{abs(value) * 100:.4g}", value, plus=False) + "%"


def span(interval: tuple[float, float] | None) -> str:
    """An interval of shares: ``+1.2% to +5.6%``."""
    return MISSING if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def probability(value: float | None) -> str:
    """A probability in percent that never claims certainty: ``0.999`` is ``>99%``."""
    if value is None:
        return MISSING
    if value > 0.99:
        return ">99%"
    if value < 0.01:
        return "<1%"
    return f"{value * 100:.0f}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """A score: three decimals near one, fewer above, scientific where neither reads well."""
    if value is None:
        return MISSING
    size = abs(value)
    if size >= 1e6 or 0 < size < 10**-digits / 2:
        body = f"{size:.2e}"
    elif size >= 1000:
        body = f"{size:,.0f}"
    elif size >= 100:
        body = f"{size:.1f}"
    else:
        body = f"{size:.{digits}f}"
    return _sign(body, value, plus=False)


def count(value: float | None) -> str:
    """A whole number with thousands marked."""
    return MISSING if value is None else _sign(f"{abs(value):,.0f}", value, plus=False)


def seconds(value: float | None) -> str:
    """A duration: ``0.42 s``, ``12 s``, ``2 min 5 s``, ``1 h 20 min``."""
    if value is None:
        return MISSING
    if value < 0.0995:
        return f"{value * 1000:.2g} ms" if value > 0 else "0 s"
    if value < 10:
        return f"{value:.2g} s"
    if value < 59.5:
        return f"{value:.0f} s"
    if value < 3599.5:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(round(value / 60), 60)
    return f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def milliseconds(value: float | None) -> str:
    """A latency given in milliseconds."""
    if value is None:
        return MISSING
    return seconds(value / 1000) if value >= 1000 else f"{value:.3g} ms"


def size(value: float | None) -> str:
    """Bytes in decimal units: ``1.2 MB``."""
    if value is None:
        return MISSING
    amount = value
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.2g} {unit}"
        amount /= 1000
    return f"{amount:,.3g} TB"


def plural(amount: int, singular: str, several: str | None = None) -> str:
    """``1 task``, ``2 tasks``, ``1,024 tasks``."""
    return f"{amount:,} {singular if amount == 1 else several or singular + 's'}"
