"""The ledger as a compact table: line by line, or summed where there are too many lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sharewise.reports._format import count, plural, seconds, size
from sharewise.reports._table import Column, Row, Table
from sharewise.reports._values import number, text

_COSTS = (
    Column("Seconds", numeric=True),
    Column("Fits", numeric=True),
    Column("Steps", numeric=True),
    Column("Peak memory", numeric=True),
    Column("Size", numeric=True),
)


def ledger_table(ledger: Sequence[Mapping[str, Any]], most: int) -> Table:
    """Every line, or sums by configuration, or sums by family: the first with at most ``most`` rows."""
    if len(ledger) <= most:
        return _lines(ledger)
    for keys in (("strategy", "family", "configuration"), ("strategy", "family")):
        groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for record in ledger:
            groups.setdefault(tuple(text(record.get(key), 100) for key in keys), []).append(record)
        if len(groups) <= most:
            break
    shown = list(groups.items())[:most]
    columns = (
        *(Column(key.capitalize()) for key in keys),
        *(Column(title, numeric=True) for title in ("Trials", "Done", "Cut", "Failed")),
        *_COSTS,
        Column("First message"),
    )
    return Table(
        f"{plural(len(ledger), 'trial')}, summed by {', '.join(keys[:-1])} and {keys[-1]}"
        + (f"; the first {most} of {len(groups):,} sums" if len(groups) > most else ""),
        columns,
        tuple(Row((*key, *_sums(records))) for key, records in shown),
    )


def totals(ledger: Sequence[Mapping[str, Any]]) -> str:
    """The whole ledger in one sentence."""
    parts = [plural(len(ledger), "trial")]
    for status in ("cut", "failed"):
        amount = sum(record.get("status") == status for record in ledger)
        if amount:
            parts.append(f"{amount:,} {status}")
    fits = _sum(ledger, "fits")
    if fits:
        parts.append(plural(round(fits), "model fitted", "models fitted"))
    spent = _sum(ledger, "seconds")
    if spent is not None:
        parts.append(f"{seconds(spent)} of training")
    return ", ".join(parts)


def _lines(ledger: Sequence[Mapping[str, Any]]) -> Table:
    columns = (
        Column("Round", hint="repeat and fold"),
        Column("Strategy"),
        Column("Family"),
        Column("Configuration"),
        Column("Status"),
        *_COSTS,
        Column("Message"),
    )
    rows = tuple(
        Row(
            (
                f"{count(number(record.get('repeat')))}.{count(number(record.get('fold')))}",
                text(record.get("strategy"), 60),
                text(record.get("family"), 60),
                text(record.get("configuration"), 100),
                text(record.get("status"), 20),
                seconds(number(record.get("seconds"))),
                count(number(record.get("fits"))),
                count(number(record.get("steps"))),
                size(number(record.get("peak_memory_bytes"))),
                size(number(record.get("size_bytes"))),
                text(record.get("message"), 120),
            )
        )
        for record in ledger
    )
    return Table("Every trial on the outer folds; a round is written repeat.fold", columns, rows)


def _sums(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    statuses = [record.get("status") for record in records]
    messages = [text(record.get("message"), 120) for record in records if record.get("message")]
    return (
        count(len(records)),
        *(count(statuses.count(status)) for status in ("done", "cut", "failed")),
        seconds(_sum(records, "seconds")),
        count(_sum(records, "fits")),
        count(_sum(records, "steps")),
        size(_largest(records, "peak_memory_bytes")),
        size(_largest(records, "size_bytes")),
        messages[0] if messages else "",
    )


def _known(records: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [value for record in records if (value := number(record.get(key))) is not None]


def _sum(records: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = _known(records, key)
    return sum(values) if values else None


def _largest(records: Sequence[Mapping[str, Any]], key: str) -> float | None:
    return max(_known(records, key), default=None)
