"""What tuning gave each strategy: the same number of proposals, counted by trials and seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharewise.reports._format import count, plural, seconds
from sharewise.reports._table import Column, Row, Table
from sharewise.reports._values import number, table, text

MOST = 60


def tuning_words(verdict: Mapping[str, Any]) -> str:
    """How many settings were proposed; empty where nothing was tuned."""
    proposals = number(table(verdict.get("tuning")).get("proposals"))
    if proposals is None:
        return ""
    return f"{plural(round(proposals), 'proposal')} of settings for every strategy in every family."


def tuning_table(verdict: Mapping[str, Any]) -> Table | None:
    """Trials and seconds by strategy; None where nothing was tuned."""
    record = table(verdict.get("tuning"))
    trials, spent = table(record.get("trials")), table(record.get("seconds"))
    names = list(dict.fromkeys([*trials, *spent]))[:MOST]
    if not names:
        return None
    return Table(
        "Tuning, strategy by strategy",
        (Column("Strategy"), Column("Trials", numeric=True), Column("Time", numeric=True)),
        tuple(
            Row(
                (
                    text(name, 60) or "unnamed",
                    count(number(trials.get(name))),
                    seconds(number(spent.get(name))),
                )
            )
            for name in names
        ),
    )
