"""From data to pixels: linear and logarithmic scales, their ticks, and the part of an axis worth drawing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where (pixels) and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """Maps ``low..high`` of the data to the pixels ``start..end``, by logarithm if ``log``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Pixels of ``value``; values outside the domain land on the nearer end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the domain."""
        return self.low <= value <= self.high


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten) inside ``low..high``, at most ``most`` of them."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [index * step for index in range(first, last + 1)]
    return [low]  # pragma: no cover - 50 times the power always fits


def log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values of a logarithmic axis: 1, 2, 5 of each decade where few decades are shown."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        inside = [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(inside) <= most:
            return inside
    every = math.ceil(len(inside) / most)
    return inside[::every]


def log_domain(values: Iterable[float]) -> tuple[float, float]:
    """A domain around the positive values: at least half a decade, with room at both ends."""
    positive = [value for value in values if value > 0]
    low, high = (min(positive), max(positive)) if positive else (1.0, 1.0)
    spread = math.log10(high / low)
    pad = max(0.12 * spread, (0.5 - spread) / 2, 0.08)
    return low / 10**pad, high * 10**pad


def gain_domain(values: Iterable[float], rope: float, *, reach: float = 6.0) -> tuple[float, float]:
    """The part of a gain axis worth drawing: holds zero and the ROPE, not a lone far outlier.

    Values beyond ``reach`` times the median size are left outside; plots mark them with an arrow
    at the edge, so that one bad strategy does not squeeze the others into a line. Values inside the ROPE do not
    count for the median: most rows may lie there, and the one that gains is what the plot is for.
    """
    known = list(values)
    near = 2 * rope if rope > 0 else 0.01
    sizes = [abs(value) for value in known if abs(value) > rope]
    median = statistics.median_low(sizes) if sizes else 0.0
    limit = max(reach * median, 4 * near)
    shown = [value for value in known if abs(value) <= limit]
    low, high = min([*shown, -near]), max([*shown, near])
    pad = 0.04 * (high - low)
    return low - pad, high + pad
