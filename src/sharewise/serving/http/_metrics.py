"""Counts and times in Prometheus' text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Histogram:
    """Final. How many values lay at or below each bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> list[str]:
        """Cumulative buckets, sum and count; ``labels`` as in ``path="/predict"``."""
        first = f"{labels}," if labels else ""
        braces = f"{{{labels}}}" if labels else ""
        found, total = [], 0
        for bound, count in zip((*map(_number, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            found.append(f'{name}_bucket{{{first}le="{bound}"}} {total}')
        return [*found, f"{name}_sum{braces} {self._sum:.9g}", f"{name}_count{braces} {total}"]


class Metrics:
    """Final. What the server did since it started.

    Paths are those of the routes, others count as ``other``, so that a client cannot make labels.
    """

    def __init__(self, gauges: dict[str, tuple[str, Callable[[], float]]]) -> None:
        self._gauges = gauges
        self._lock = Lock()  # calls of the model are counted in its thread
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._batch_requests, self._batch_rows = Histogram(SIZES), Histogram(SIZES)
        self._rows = 0

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """One request was answered."""
        with self._lock:
            self._requests[method, path, status] += 1
            self._seconds.setdefault(path, Histogram(SECONDS)).add(seconds)

    def batch(self, requests: int, rows: int) -> None:
        """One call of the model was made."""
        with self._lock:
            self._batch_requests.add(requests)
            self._batch_rows.add(rows)
            self._rows += rows

    def text(self) -> str:
        """All of it, as a scraper reads it."""
        with self._lock:
            lines = _head("sharewise_requests_total", "counter", "Requests by method, path and status.")
            for (method, path, status), count in sorted(self._requests.items()):
                lines.append(
                    f'sharewise_requests_total{{method="{method}",path="{path}",status="{status}"}} {count}'
                )
            name = "sharewise_request_seconds"
            lines += _head(name, "histogram", "Seconds from a request's headers to the end of its answer.")
            for path, seconds in sorted(self._seconds.items()):
                lines += seconds.lines(name, f'path="{path}"')
            for name, histogram, told in (
                ("sharewise_batch_requests", self._batch_requests, "Requests predicted in one call."),
                ("sharewise_batch_rows", self._batch_rows, "Rows predicted in one call."),
            ):
                lines += _head(name, "histogram", told) + histogram.lines(name, "")
            lines += _head("sharewise_rows_total", "counter", "Rows predicted.")
            lines.append(f"sharewise_rows_total {self._rows}")
        for name, (told, value) in self._gauges.items():
            lines += [*_head(name, "gauge", told), f"{name} {value():.9g}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, told: str) -> list[str]:
    return [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]


def _number(bound: float) -> str:
    return f"{bound:g}"
