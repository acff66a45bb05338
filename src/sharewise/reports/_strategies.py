"""The strategies of a verdict as records, their plots and their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._format import (
    count,
    decimal,
    milliseconds,
    percent,
    plural,
    probability,
    seconds,
    size,
)
from sharewise.reports._intervals import NARROW, WIDE, Effect, IntervalPlot, interval_plot
from sharewise.reports._scatter import Candidate, ScatterPlot, scatter_plot, shapes
from sharewise.reports._table import Column, Row, Table, with_span
from sharewise.reports._values import number, pair, rows, table, text

MOST_PLOTTED = 60
LEFT = "left"
COSTS = (
    ("train_seconds", "Training, all tasks (seconds)", seconds, "{:,g} s".format),
    ("predict_ms_per_1000_rows", "Prediction, 1,000 rows (ms)", milliseconds, "{:,g} ms".format),
    ("size_bytes", "Size on disk", size, size),
)


@dataclass(frozen=True)
class Strategy:
    """One strategy in one family; gains are shares of the separate models' error."""

    number: int
    name: str
    family: str
    score: float | None
    interval: tuple[float, float] | None
    delta: float | None
    delta_interval: tuple[float, float] | None
    better: float | None
    within: float | None
    within_interval: tuple[float, float] | None
    within_better: float | None
    costs: Mapping[str, float | None]
    gains: Mapping[str, float | None]
    status: str
    note: str
    rounds: float | None
    chosen: bool

    @property
    def left(self) -> bool:
        """Whether it left the race early, so that its scores come from fewer rounds than the others'."""
        return self.status == LEFT

    @property
    def fate(self) -> str:
        """What became of it, in words."""
        words = self.note if self.note.startswith(self.status) else f"{self.status}: {self.note}"
        words = words if self.note else self.status
        if not self.left or self.rounds is None:
            return words
        return f"{words} (scores over {plural(round(self.rounds), 'round')})"

    @property
    def label(self) -> str:
        """Name and family as printed beside a point."""
        return f"{self.name}, {self.family}" if self.family not in ("", "none") else self.name


def read_strategies(verdict: Mapping[str, Any]) -> tuple[Strategy, ...]:
    """The strategies sorted by name, then family, and numbered from one."""
    choice = table(verdict.get("choice"))
    chosen = (choice.get("strategy"), choice.get("family"))
    entries = sorted(
        rows(verdict.get("strategies")),
        key=lambda entry: (text(entry.get("name")).casefold(), text(entry.get("family")).casefold()),
    )
    return tuple(_strategy(index, entry, chosen) for index, entry in enumerate(entries, start=1))


def _strategy(index: int, entry: Mapping[str, Any], chosen: tuple[object, object]) -> Strategy:
    within, cost = table(entry.get("within")), table(entry.get("cost"))
    return Strategy(
        number=index,
        name=text(entry.get("name"), 60) or "unnamed",
        family=text(entry.get("family"), 40),
        score=number(entry.get("score")),
        interval=pair(entry.get("interval")),
        delta=number(entry.get("delta")),
        delta_interval=pair(entry.get("delta_interval")),
        better=number(entry.get("probability_better")),
        within=number(within.get("delta")),
        within_interval=pair(within.get("interval")),
        within_better=number(within.get("probability_better")),
        costs={key: number(value) for key, value in cost.items()},
        gains={task: number(table(value).get("delta")) for task, value in table(entry.get("tasks")).items()},
        status=text(entry.get("status"), 20),
        note=text(entry.get("note"), 200),
        rounds=number(entry.get("rounds")),
        chosen=chosen[0] is not None and (entry.get("name"), entry.get("family")) == chosen,
    )


def overall_plots(strategies: Sequence[Strategy], rope: float) -> tuple[IntervalPlot, ...]:
    """Every strategy against the separate models, for wide and for narrow screens."""
    return _plots(
        [Effect(s.label, s.name, s.delta, s.delta_interval, s.chosen, s.status, s.left) for s in strategies],
        rope,
    )


def within_plots(strategies: Sequence[Strategy], rope: float) -> tuple[IntervalPlot, ...]:
    """Sharing against separate models of the same family; empty where nothing was compared so."""
    return _plots(
        [
            Effect(s.label, s.name, s.within, s.within_interval, s.chosen, s.status, s.left)
            for s in strategies
            if s.within is not None
        ],
        rope,
    )


def _plots(effects: Sequence[Effect], rope: float) -> tuple[IntervalPlot, ...]:
    shown = effects[:MOST_PLOTTED]
    if all(effect.delta is None for effect in shown):
        return ()
    return tuple(interval_plot(shown, rope, layout) for layout in (WIDE, NARROW))


def strategy_table(strategies: Sequence[Strategy]) -> Table:
    """Scores, gains and what became of each strategy."""
    return Table(
        "Every strategy in every family",
        (
            Column("Strategy"),
            Column("Family"),
            Column("Against separate", numeric=True, hint="mean relative gain over tasks"),
            Column("Better with probability", numeric=True),
            Column("Score", numeric=True, hint="mean skill: 1 perfect, 0 no better than a constant"),
            Column("Within its family", numeric=True, hint="gain over separate models of the same family"),
            Column("No.", numeric=True, hint="the number beside its point in the cost plots"),
            Column("Status"),
        ),
        tuple(
            Row(
                (
                    s.name + (" (chosen)" if s.chosen else ""),
                    s.family,
                    with_span(percent(s.delta), s.delta_interval),
                    probability(s.better),
                    with_span(decimal(s.score), s.interval, _score_span),
                    with_span(percent(s.within), s.within_interval),
                    str(s.number),
                    s.fate,
                ),
                "chosen" if s.chosen else "left" if s.left else "",
            )
            for s in strategies
        ),
    )


def cost_table(strategies: Sequence[Strategy]) -> Table:
    """What each strategy costs."""
    return Table(
        "What each strategy costs",
        (
            Column("Strategy"),
            Column("Family"),
            Column("No.", numeric=True),
            Column("Training", numeric=True),
            Column("Fits", numeric=True),
            Column("Steps", numeric=True),
            Column("Prediction, 1,000 rows", numeric=True),
            Column("Size on disk", numeric=True),
            Column("Peak memory", numeric=True),
        ),
        tuple(
            Row(
                (
                    s.name + (" (chosen)" if s.chosen else ""),
                    s.family,
                    str(s.number),
                    seconds(s.costs.get("train_seconds")),
                    count(s.costs.get("fits")),
                    count(s.costs.get("steps")),
                    milliseconds(s.costs.get("predict_ms_per_1000_rows")),
                    size(s.costs.get("size_bytes")),
                    size(s.costs.get("peak_memory_bytes")),
                ),
                "chosen" if s.chosen else "left" if s.left else "",
            )
            for s in strategies
        ),
    )


@dataclass(frozen=True)
class CostPlots:
    """The scatter plots, what their y axis says, and the family marks."""

    quality: str
    plots: tuple[ScatterPlot, ...]
    marks: tuple[tuple[str, str], ...]


def cost_plots(strategies: Sequence[Strategy], rope: float) -> CostPlots:
    """Cost against the gain over separate models, or against the score where no gain is known.

    What left the race early is not drawn: it cost less only because it was not finished.
    """
    numbered = [s for s in strategies if not s.left]
    gains = any(s.delta is not None for s in numbered)
    marks = shapes([s.family for s in numbered])
    plots = []
    for key, heading, words, ticks in COSTS:
        candidates = [
            Candidate(s.number, s.name, s.family, cost, quality, s.chosen)
            for s in numbered
            if (quality := s.delta if gains else s.score) is not None
            and (cost := s.costs.get(key)) is not None
        ][:MOST_PLOTTED]
        if candidates:
            plots.append(scatter_plot(heading, candidates, marks, words, ticks, rope if gains else None))
    return CostPlots("gain over separate models" if gains else "score", tuple(plots), tuple(marks.items()))


def _score_span(interval: tuple[float, float]) -> str:
    return f"{decimal(interval[0])} to {decimal(interval[1])}"
