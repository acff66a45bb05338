"""The learning curve of a verdict: its sentence, its plots, and the same in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._curvepanels import Measured, Projected
from sharewise.reports._curveplot import NARROW, WIDE, Crossover, CurvePlot, curve_plot
from sharewise.reports._format import count, decimal, percent, plural, short_percent
from sharewise.reports._table import Column, Row, Table, with_span
from sharewise.reports._values import items, number, pair, rows, table, text

MOST_POINTS = 40


@dataclass(frozen=True)
class Learning:
    """The section."""

    sentence: str
    plots: tuple[CurvePlot, ...]
    table: Table
    marked: bool
    doubted: bool


def read_curve(verdict: Mapping[str, Any], rope: float) -> Learning | None:
    """None where nothing was refitted on shares of the rows."""
    record = table(verdict.get("learning_curve"))
    entries = sorted(
        (entry for entry in rows(record.get("points")) if _positive(entry.get("labels")) is not None),
        key=lambda entry: number(entry.get("labels")) or 0.0,
    )[:MOST_POINTS]
    if not entries:
        return None
    points = [_measured(entry) for entry in entries]
    crossover = table(record.get("crossover"))
    where = _crossover(crossover)
    fit = [found for entry in rows(record.get("fit"))[:200] if (found := _projected(entry)) is not None]
    distinct = len({point.labels for point in points}) > 1
    drawn = any(point.delta is not None or point.separate is not None for point in points)
    plots = (
        tuple(curve_plot(points, fit, where, rope, layout) for layout in (WIDE, NARROW))
        if distinct and drawn
        else ()
    )
    plots = tuple(plot for plot in plots if plot.panels)
    return Learning(
        text(crossover.get("text"), 1200),
        plots,
        _table(entries),
        any(plot.crossing is not None for plot in plots),
        any(plot.doubt is not None for plot in plots),
    )


def _measured(entry: Mapping[str, Any]) -> Measured:
    return Measured(
        number(entry.get("labels")) or 0.0,
        number(entry.get("separate")),
        number(entry.get("shared")),
        number(entry.get("band")),
        number(entry.get("delta")),
        pair(entry.get("interval")),
    )


def _projected(entry: Mapping[str, Any]) -> Projected | None:
    labels, delta = _positive(entry.get("labels")), number(entry.get("delta"))
    if labels is None or delta is None:
        return None
    return Projected(labels, delta, pair(entry.get("interval")))


def _crossover(record: Mapping[str, Any]) -> Crossover:
    ends = [*items(record.get("interval")), None, None]
    labels, low, high = (_positive(value) for value in (record.get("labels"), ends[0], ends[1]))
    return Crossover(labels, low, high)


def _positive(value: object) -> float | None:
    """A number of labels that an axis can show."""
    known = number(value)
    return known if known is not None and 1e-3 < known < 1e12 else None


def _table(entries: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        f"The learning curve in numbers: {plural(len(entries), 'share')} of the training rows",
        (
            Column("Labels a task", hint="training labels, the median over tasks"),
            Column("Share of the rows", numeric=True),
            Column("Separate", numeric=True, hint="error as a share of the constant's"),
            Column("Shared", numeric=True, hint="error as a share of the constant's"),
            Column("Gain by sharing", numeric=True),
            Column("Rounds", numeric=True),
        ),
        tuple(
            Row(
                (
                    count(number(entry.get("labels"))),
                    _share(number(entry.get("share"))),
                    decimal(number(entry.get("separate"))),
                    decimal(number(entry.get("shared"))),
                    with_span(percent(number(entry.get("delta"))), pair(entry.get("interval"))),
                    count(number(entry.get("rounds"))),
                )
            )
            for entry in entries
        ),
    )


def _share(value: float | None) -> str:
    return "–" if value is None else short_percent(value)
