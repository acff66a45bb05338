"""The verdict in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def told(details: Mapping[str, Any], out: Path) -> str:
    """The verdict, the strategies, and where everything lies; styled where standard output is a terminal.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: ``details`` is no verdict.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sharewise.cli._show_new import tables_of

    # Without a terminal there is no width to keep to: nothing is cut or wrapped.
    console = Console(highlight=False) if Console().is_terminal else Console(highlight=False, width=200)
    if details["protocol"].get("question") == "new":
        tables = tables_of(details)
    else:
        table = Table(title="Strategies, against separate models", title_justify="left", pad_edge=False)
        for name in ("strategy", "family"):
            table.add_column(name)
        for name in ("score", "gain", "interval", "train s", "ms/1000 rows", "size"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in details["strategies"]:
            table.add_row(*(escape(cell) for cell in (row["name"], row["family"], *_cells(row))))
        tables = [table]
    places = [("verdict", "verdict.json"), ("model", "model"), ("report", "report.html")]
    lines = [
        f"[bold]{escape(details['sentence'])}[/bold]",
        *(f"  - {escape(line)}" for line in details["because"]),
        *(["Warnings:"] if details["warnings"] else []),
        *(f"  ! {escape(line)}" for line in details["warnings"]),
        "",
        *(f"{name:<8} {escape(str(out / file))}" for name, file in places),
    ]
    with console.capture() as captured:
        for table in tables:
            console.print(table)
            console.print()
        for line in lines:
            console.print(line, soft_wrap=not console.is_terminal, emoji=False)
    return captured.get()


def _cells(row: Mapping[str, Any]) -> list[str]:
    if row["score"] is None:
        return ["-", "-", str(row["note"]), "-", "-", "-"]
    low_high = row["delta_interval"]
    interval = "-" if low_high is None else f"{100 * low_high[0]:+.1f}% to {100 * low_high[1]:+.1f}%"
    if row["status"] == "left":  # its note says why, on the page
        interval = f"left the race after {row['rounds']} of the rounds"
    cost = row["cost"]
    return [
        f"{row['score']:.3f}",
        "-" if row["delta"] is None else f"{100 * row['delta']:+.1f}%",
        interval,
        f"{cost['train_seconds']:.1f}",
        f"{cost['predict_ms_per_1000_rows']:.1f}",
        _bytes(cost["size_bytes"]),
    ]


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
