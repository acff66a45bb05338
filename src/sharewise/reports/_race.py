"""Who left the race early: one line a contender, how far behind it was, and by which rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._format import count, percent, plural, short_percent
from sharewise.reports._intervals import NARROW, WIDE, Effect, IntervalPlot, interval_plot
from sharewise.reports._limits import Limits
from sharewise.reports._table import Column, Row, Table, with_span
from sharewise.reports._values import number, pair, rows, table, text

MOST_PLOTTED = 20


@dataclass(frozen=True)
class Leaver:
    """A contender that left.

    Attributes:
        after: Rounds it ran; None if that was not recorded.
        behind: Its inner error over its leader's, less one.
    """

    strategy: str
    family: str
    configuration: str
    after: int | None
    behind: float | None
    interval: tuple[float, float] | None
    why: str

    @property
    def label(self) -> str:
        """As printed beside its line; of the configuration only the learner's name, without its settings."""
        learner = self.configuration.partition("(")[0].strip()
        return ", ".join(part for part in (self.strategy, self.family, learner) if part)


@dataclass(frozen=True)
class Race:
    """The section: a sentence, plots of the few or sums of the many, and the whole list."""

    summary: str
    rule: str
    plots: tuple[IntervalPlot, ...]
    sums: Table | None
    whole: Table
    left_out: int


def read_race(verdict: Mapping[str, Any], limits: Limits) -> Race | None:
    """None where no race was run."""
    record = table(verdict.get("race"))
    if not record:
        return None
    left = sorted(
        (_leaver(entry, limits.letters) for entry in rows(record.get("left"))),
        key=lambda one: (one.after or 0, -(one.behind or 0.0)),
    )
    few = len(left) <= MOST_PLOTTED
    shown = left[: limits.lines]
    return Race(
        _summary(left),
        _rule(record),
        _plots(left) if left and few else (),
        None if few else _sums(left),
        _list(shown),
        len(left) - len(shown),
    )


def _leaver(entry: Mapping[str, Any], letters: int) -> Leaver:
    after = number(entry.get("after_round"))
    return Leaver(
        text(entry.get("strategy"), 60) or "unnamed",
        text(entry.get("family"), 40),
        text(entry.get("configuration"), letters),
        None if after is None else round(after),
        number(entry.get("behind")),
        pair(entry.get("interval")),
        text(entry.get("why"), 200),
    )


def _summary(left: Sequence[Leaver]) -> str:
    if not left:
        return "Nobody left early: every contender ran every round."
    rounds = Counter(one.after for one in left if one.after is not None)
    when = [f"{amount:,} after round {after:,}" for after, amount in sorted(rounds.items())]
    told = f": {', '.join(when)}" if when else ""
    return f"{plural(len(left), 'contender')} left early{told}. Their budget went to the rest."


def _rule(record: Mapping[str, Any]) -> str:
    rule, rate = text(record.get("rule"), 600), number(record.get("error_rate"))
    told = f"Rule: {rule.rstrip('.')}." if rule else "The rule was not recorded."
    return told if rate is None else f"{told} Error rate: {short_percent(rate)}."


def _plots(left: Sequence[Leaver]) -> tuple[IntervalPlot, ...]:
    effects = [
        Effect(
            one.label,
            str(one.after),
            None if one.behind is None else -one.behind,
            None if one.interval is None else (-one.interval[1], -one.interval[0]),
            short=", ".join(part for part in (one.strategy, one.family) if part),
        )
        for one in left
    ]
    if all(effect.delta is None for effect in effects):
        return ()
    return tuple(interval_plot(effects, 0.0, layout) for layout in (WIDE, NARROW))


def _sums(left: Sequence[Leaver]) -> Table:
    rounds = sorted({one.after for one in left if one.after is not None})[:12]
    amounts = Counter((one.strategy, one.family, one.after) for one in left)
    pairs = sorted({(one.strategy, one.family) for one in left})[:60]
    return Table(
        "How many contenders left, and when",
        (
            Column("Strategy"),
            Column("Family"),
            *(Column(f"After round {after}", numeric=True) for after in rounds),
        ),
        tuple(
            Row(
                (
                    *pair_,
                    *(
                        count(amounts[(*pair_, after)]) if amounts[(*pair_, after)] else "–"
                        for after in rounds
                    ),
                )
            )
            for pair_ in pairs
        ),
    )


def _list(left: Sequence[Leaver]) -> Table:
    return Table(
        "Everyone who left early",
        (
            Column("Strategy"),
            Column("Family"),
            Column("Configuration"),
            Column("Left after round", numeric=True),
            Column("Behind", numeric=True, hint="inner error above that of the leader of its side"),
            Column("Why"),
        ),
        tuple(
            Row(
                (
                    one.strategy,
                    one.family,
                    one.configuration,
                    count(one.after),
                    with_span(percent(one.behind, plus=False), one.interval),
                    one.why,
                )
            )
            for one in left
        ),
    )
