"""The tables: strategies by labels, what is said of each number of labels, and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.reports._format import (
    MISSING,
    count,
    decimal,
    milliseconds,
    percent,
    probability,
    seconds,
    size,
)
from sharewise.reports._table import Column, Row, Table, with_span
from sharewise.reports.new_tasks._read import FLOOR, Line, Point, Quality, Shot


@dataclass(frozen=True)
class Cell:
    """A score with its interval; ``css`` says whether it is the best, as good, or no better than a constant."""

    value: str
    span: str
    css: str
    title: str


@dataclass(frozen=True)
class Scores:
    """Strategies by numbers of labels."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Line, tuple[Cell, ...]], ...]


def score_table(lines: Sequence[Line], quality: Quality) -> Scores:
    """One row a strategy and family, one column a number of labels."""
    shots = sorted({point.labels for line in lines for point in line.points})
    rows = []
    for line in lines:
        own = {point.labels: point for point in line.points}
        rows.append((line, tuple(_cell(own.get(labels), floor=line.name == FLOOR) for labels in shots)))
    return Scores(
        f"{quality.heading}, with so many {quality.unit}", tuple(count(one) for one in shots), tuple(rows)
    )


def _cell(point: Point | None, *, floor: bool) -> Cell:
    if point is None or point.score is None:
        return Cell(MISSING, "", "none", "not served")
    low_high = point.interval
    span = "" if low_high is None else f"{decimal(low_high[0])} to {decimal(low_high[1])}"
    over = None if floor else point.over_constant_interval
    if point.best:
        return Cell(decimal(point.score), span, "best", "best mean")
    if point.as_good:
        return Cell(f"≈ {decimal(point.score)}", span, "close", "not clearly worse than the best")
    if over is not None and over[0] <= 0:
        return Cell(decimal(point.score), span, "poor", "not clearly better than a constant")
    return Cell(decimal(point.score), span, "", "")


def shots_table(shots: Sequence[Shot]) -> Table:
    """What is said of each number of labels."""
    return Table(
        "Sharing against the best without other tasks, by number of labels",
        (
            Column("Labels"),
            Column("Claim"),
            Column("Gain by sharing", numeric=True),
            Column("Better with probability", numeric=True, hint="that the gain is beyond the ROPE"),
            Column("Deployed"),
            Column("Best that shares", hint="chosen most often on validation tasks"),
            Column("Best that does not", hint="chosen most often on validation tasks"),
            Column("Test tasks", numeric=True),
        ),
        tuple(
            Row(
                (
                    count(shot.labels),
                    shot.outcome,
                    with_span(percent(shot.gain), shot.interval),
                    probability(shot.better),
                    shot.choice or MISSING,
                    shot.shared or MISSING,
                    shot.separate or MISSING,
                    count(shot.tasks),
                )
            )
            for shot in shots
        ),
    )


def cost_table(lines: Sequence[Line]) -> Table:
    """What learning across tasks, adapting to one, and predicting cost."""
    return Table(
        "What each strategy costs, a configuration and round",
        (
            Column("Strategy"),
            Column("Family"),
            Column("Learning", numeric=True, hint="CPU time of learning across the training tasks"),
            Column("Adapting", numeric=True, hint="to one task with the most labels, encoding included"),
            Column("Prediction, 1,000 rows", numeric=True),
            Column("Size", numeric=True),
            Column("Fits", numeric=True),
            Column("Steps", numeric=True),
            Column("Gain, mean over labels", numeric=True, hint="against the best without other tasks"),
            Column("Note"),
        ),
        tuple(
            Row(
                (
                    line.name + (" (deployed)" if line.chosen else ""),
                    line.family,
                    seconds(line.costs.get("train_seconds")),
                    milliseconds(line.costs.get("adapt_ms")),
                    milliseconds(line.costs.get("predict_ms_per_1000_rows")),
                    size(line.costs.get("size_bytes")),
                    count(line.costs.get("fits")),
                    count(line.costs.get("steps")),
                    with_span(percent(line.delta), line.delta_interval),
                    line.note,
                ),
                "chosen" if line.chosen else "",
            )
            for line in lines
            if not line.cut
        ),
    )
