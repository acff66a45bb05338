"""Geometry of the histogram of gains over tasks, and the same in numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.reports._format import percent, plural, short_percent
from sharewise.reports._scales import Scale, Tick, gain_domain, linear_ticks


@dataclass(frozen=True)
class Bar:
    """One bin as drawn."""

    x: float
    y: float
    width: float
    height: float
    amount: int
    gain: bool
    title: str


@dataclass(frozen=True)
class Histogram:
    """The whole plot as drawn, in pixels."""

    name: str
    width: float
    height: float
    base: float
    zero: float
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]


def bin_width(low: float, high: float, most: int) -> float:
    """The smallest round width (1, 2 or 5 times a power of ten) with at most ``most`` bins."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    return next(factor * power for factor in (1, 2, 5, 10) if (high - low) / (factor * power) <= most)


def histogram(gains: Sequence[float], rope: float, *, name: str, width: float, bins: int) -> Histogram:
    """Bins with zero at an edge, so that no bar mixes gains and harms; far values join the last bins."""
    low, high = gain_domain(gains, rope)
    step = bin_width(low, high, bins)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) - 1
    amounts = dict.fromkeys(range(first, last + 1), 0)
    for gain in gains:
        amounts[min(max(math.floor(gain / step + 1e-9), first), last)] += 1
    top, base = 22.0, 150.0
    x = Scale(first * step, (last + 1) * step, 14, width - 14)
    tallest = max(amounts.values(), default=0) or 1
    bars = []
    for index, amount in amounts.items():
        left, right = x(index * step), x((index + 1) * step)
        height = (base - top) * amount / tallest
        edges = f"{percent(index * step)} to {percent((index + 1) * step)}"
        if index == first:
            edges = f"below {percent((index + 1) * step)}"
        if index == last:
            edges = f"{percent(index * step)} and above"
        title = f"{edges}: {plural(amount, 'task')}"
        bars.append(Bar(left, base - height, right - left, height, amount, index >= 0, title))
    ticks = linear_ticks(x.low, x.high, 8 if width > 500 else 5)
    return Histogram(
        name, width, base + 26, base, x(0.0), tuple(Tick(x(v), short_percent(v)) for v in ticks), tuple(bars)
    )


def summary(gains: Sequence[float], rope: float) -> str:
    """The histogram in one or two sentences."""
    if not gains:
        return "No task has a measured gain yet."
    up, down = sum(gain > rope for gain in gains), sum(gain < -rope for gain in gains)
    middle = statistics.quantiles(gains, n=4) if len(gains) > 1 else [gains[0]] * 3
    return (
        f"Of {plural(len(gains), 'task')}, {up:,} gain more than {short_percent(rope)}, "
        f"{len(gains) - up - down:,} stay within {short_percent(rope)} either way, and {down:,} lose more. "
        f"The median is {percent(middle[1])}; the middle half lies between {percent(middle[0])} "
        f"and {percent(middle[2])}."
    )
