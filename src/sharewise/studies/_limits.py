"""What a model to be deployed may cost: the user's constraints, read and held against what was measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sharewise.errors import OptionError

_TIME = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_SIZE = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """Constraints on what is deployed; None where there is none.

    Attributes:
        latency_ms: Milliseconds to predict one row, all tasks.
        size_bytes: Of the fitted model.
        independent: Whether a task must be retrainable without touching another.
        words: What the user asked for, where trials are held to less than that.
    """

    latency_ms: float | None = None
    size_bytes: float | None = None
    independent: bool = False
    words: str = field(default="", compare=False)

    @classmethod
    def read(cls, latency: object, size: object, independent: object) -> Limits:
        """From the words of `sharewise.compare`: ``"5ms"``, ``"10MB"``, True.

        Raises:
            OptionError: One is no positive quantity with a unit.
        """
        if not isinstance(independent, bool):
            raise OptionError(f"independent_updates is True or False; got {independent!r}.")
        return cls(
            _quantity("max_latency is a time such as '5ms' or '0.2s'", latency, _TIME),
            _quantity("max_size is a size such as '500kB' or '10MB'", size, _SIZE),
            independent,
        )

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self != Limits()

    def missed(self, *, latency_ms: float, size_bytes: float, shares: bool) -> list[str]:
        """In words, what something misses that was measured so; empty where it meets them."""
        found = []
        if self.latency_ms is not None and not latency_ms <= self.latency_ms:
            found.append(f"{in_ms(latency_ms)} a row")
        if self.size_bytes is not None and size_bytes > self.size_bytes:
            found.append(f"{in_bytes(size_bytes)}")
        if self.independent and shares:
            found.append("updates that are not independent")
        return found

    def __str__(self) -> str:
        """``one row in at most 5 ms, at most 10 MB``."""
        if self.words:
            return self.words
        told: list[tuple[bool, Callable[[], str]]] = [
            (self.latency_ms is not None, lambda: f"one row in at most {in_ms(self.latency_ms or 0)}"),
            (self.size_bytes is not None, lambda: f"at most {in_bytes(self.size_bytes or 0)}"),
            (self.independent, lambda: "tasks that can be updated one by one"),
        ]
        return ", ".join(say() for given, say in told if given)

    def as_dict(self) -> dict[str, float | bool | None]:
        """JSON-plain."""
        return {"latency_ms": self.latency_ms, "size_bytes": self.size_bytes, "independent": self.independent}


FREE = Limits()
"""No limits."""


def in_ms(latency: float) -> str:
    """``5 ms``, ``1,500 ms``."""
    return f"{latency:,.0f} ms" if latency >= 100 else f"{latency:.3g} ms"


def in_bytes(size: float) -> str:
    """``1.2 MB``."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"


def _quantity(rule: str, given: object, units: dict[str, float]) -> float | None:
    if given is None:
        return None
    found = _QUANTITY.fullmatch(given) if isinstance(given, str) else None
    factor = units.get(found[2].lower()) if found else None
    if found is None or factor is None or float(found[1]) <= 0:
        raise OptionError(f"{rule}; got {given!r}.")
    return float(found[1]) * factor
