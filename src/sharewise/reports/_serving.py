"""What the model that serves costs, as it was measured, and the limits it had to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharewise.reports._format import count, milliseconds, percent, plural, size, span
from sharewise.reports._table import Column, Row, Table
from sharewise.reports._values import number, pair, rows, table, text


def serving_table(verdict: Mapping[str, Any]) -> Table | None:
    """Latency, size, memory and what an update touches; None where nothing was measured."""
    cost = {key: number(value) for key, value in table(verdict.get("serving")).items()}
    if cost.get("row_ms_p50") is None:
        return None
    singles, batch = count(cost.get("rows")), count(cost.get("batch_rows"))
    retrained = cost.get("retrained")
    lines = (
        (f"One row, median of {singles}", milliseconds(cost.get("row_ms_p50"))),
        ("One row, 99th percentile", milliseconds(cost.get("row_ms_p99"))),
        (f"A batch of {batch} rows", milliseconds(cost.get("batch_ms"))),
        ("Saved folder", size(cost.get("size_bytes"))),
        ("Peak memory of the process", size(cost.get("peak_memory_bytes"))),
        (
            "Fitted anew when one task's labels change",
            "unknown" if retrained is None else plural(round(retrained), "task"),
        ),
    )
    columns = (Column("What serves, all tasks"), Column("Measured", numeric=True))
    return Table("The cost of serving, users' rows in and a frame out", columns, tuple(map(Row, lines)))


def limit_words(verdict: Mapping[str, Any]) -> str:
    """The limits asked for and what they cost in quality; empty without any."""
    record = table(verdict.get("limits"))
    asked = text(record.get("text"), 200)
    if not asked:
        return ""
    missing, price = rows(record.get("missing")), number(record.get("price"))
    told = f"Limits: {asked}. {plural(len(missing), 'row')} of the table of strategies missed them."
    if price is None or not missing:
        return told
    return f"{told} Keeping them changes the score by {percent(price)} ({span(pair(record.get('price_interval')))})."
