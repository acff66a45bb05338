"""Who helps and who harms whom: a heat map of few tasks, a list of claims of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._format import decimal, percent, plural
from sharewise.reports._table import Column, Row, Table, with_span
from sharewise.reports._taskmap import STEPS, Cell, Head, TaskMap, head, step
from sharewise.reports._values import items, number, pair, rows, table, text

MOST_MAPPED = 20
MOST_CLAIMS = 25
OTHERS = "the others"


@dataclass(frozen=True)
class Helps:
    """The section: a sentence, the map or nothing, the clear claims or nothing."""

    sentence: str
    map: TaskMap | None
    claims: Table | None
    left_out: int
    tasks: int


def read_harm(verdict: Mapping[str, Any], rope: float) -> Helps | None:
    """None where no task was left out of a joint model."""
    record = table(verdict.get("harm"))
    names = [text(name, 120) or "unnamed" for name in items(record.get("tasks"))]
    if not record or not names:
        return None
    claims = [*rows(record.get("givers")), *rows(record.get("claims"))]
    shown = claims[:MOST_CLAIMS]
    return Helps(
        text(record.get("text"), 2000),
        _map(record, names, claims, rope) if len(names) <= MOST_MAPPED else None,
        _claims(shown) if shown else None,
        len(claims) - len(shown),
        len(names),
    )


def _map(
    record: Mapping[str, Any], names: Sequence[str], claims: Sequence[Mapping[str, Any]], rope: float
) -> TaskMap:
    clear = {(text(claim.get("from"), 120), text(claim.get("to"), 120)) for claim in claims if "to" in claim}
    matrix = [items(row) for row in items(record.get("matrix"))]

    def cell(giver: int, receiver: int) -> Cell:
        row = matrix[giver] if giver < len(matrix) else []
        effect = number(row[receiver]) if receiver < len(row) and giver != receiver else None
        if (names[giver], names[receiver]) in clear:
            return Cell(percent(effect), f"{step(effect, rope)} clear")
        return Cell(percent(effect), _faint(effect))

    heads = tuple(head(name, 24) for name in names)
    places = range(len(names))
    return TaskMap(
        "Effect of having the row's task in the joint model on the column's",
        "From ↓ to →",
        tuple(Head(each.text, each.title) for each in heads),
        tuple((heads[giver], tuple(cell(giver, receiver) for receiver in places)) for giver in places),
    )


def _faint(effect: float | None) -> str:
    """What is not clear gets no colour, however large: it may be chance."""
    return "n" if effect is None else "z"


def help_legend(rope: float) -> tuple[Cell, ...]:
    """Only what is clear has a colour."""
    unit = 100 * (rope if rope > 0 else 0.01)
    edges = [f"{unit * multiple:.4g}%" for multiple in STEPS]
    harms = [Cell(f"harms by over {edges[level - 1]}", f"h{level}") for level in (4, 3, 2, 1)]
    gains = [Cell(f"helps by over {edges[level - 1]}", f"g{level}") for level in (1, 2, 3, 4)]
    return (*harms, Cell("not clear", "z"), *gains)


def _claims(claims: Sequence[Mapping[str, Any]]) -> Table:
    overall = any("to" not in claim for claim in claims)
    return Table(
        plural(len(claims), "clear effect") + (", those on all others first" if overall else ""),
        (
            Column("From"),
            Column("To"),
            Column("Effect", numeric=True, hint="positive: it helps; negative: it harms"),
            Column("Corrected p", numeric=True, hint="p value corrected for all effects looked at"),
        ),
        tuple(
            Row(
                (
                    text(claim.get("from"), 60) or "unnamed",
                    text(claim.get("to"), 60) or OTHERS,
                    with_span(percent(number(claim.get("effect"))), pair(claim.get("interval"))),
                    decimal(number(claim.get("p_adjusted"))),
                )
            )
            for claim in claims
        ),
    )
