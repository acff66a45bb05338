"""A verdict on new tasks in the terminal: scores by number of labels, and what sharing gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def tables_of(details: Mapping[str, Any]) -> list[Table]:
    """Strategies by numbers of labels, and the gain of sharing with each.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: ``details`` is no verdict on new tasks.
    """
    return [_strategies(details), _sharing(details)]


def _strategies(details: Mapping[str, Any]) -> Table:
    from rich.markup import escape

    metric, shots = details["metric"], [shot["k"] for shot in details["shots"]]
    direction = "higher" if metric["greater_is_better"] else "lower"
    table = _empty(f"{metric['name']} by labels of a new task ({direction} is better, * the best)")
    for name in ("strategy", "family"):
        table.add_column(name)
    for name in (*(f"{k:,}" for k in shots), "learn s", "adapt ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in details["strategies"]:
        own = {one["k"]: one for one in row["by_shots"]}
        cost = row["cost"]
        known = bool(own)
        table.add_row(
            escape(row["name"]),
            escape(row["family"]),
            *(_score(own.get(k)) for k in shots),
            f"{cost['train_seconds']:.2f}" if known else escape(str(row["note"])),
            f"{cost['adapt_ms']:.1f}" if known else "-",
        )
    return table


def _score(one: Mapping[str, Any] | None) -> str:
    if one is None or one["score"] is None:
        return "-"
    words = f"{one['score']:.3f}" if abs(one["score"]) < 100 else f"{one['score']:,.0f}"
    return f"[bold]{words}*[/bold]" if one["best"] else f"{words} "


def _sharing(details: Mapping[str, Any]) -> Table:
    from rich.markup import escape

    table = _empty("Sharing, against the best without other tasks")
    table.add_column("labels", justify="right")
    for name in ("claim", "gain", "interval", "deployed"):
        table.add_column(name, justify="left" if name in ("claim", "deployed") else "right", no_wrap=True)
    for shot in details["shots"]:
        gain, interval, choice = shot["gain"], shot["interval"], shot["choice"]
        table.add_row(
            f"{shot['k']:,}",
            escape(shot["outcome"]),
            "-" if gain is None else f"{100 * gain:+.1f}%",
            "-" if interval is None else f"{100 * interval[0]:+.1f}% to {100 * interval[1]:+.1f}%",
            escape(f"{choice['strategy']}/{choice['family']}"),
        )
    return table


def _empty(title: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    return Table(title=escape(title), title_justify="left", pad_edge=False)
