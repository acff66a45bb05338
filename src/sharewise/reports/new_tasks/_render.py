"""From a verdict on new tasks and its ledger to the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sharewise.reports._format import count, percent
from sharewise.reports._headline import Headline, headline
from sharewise.reports._ledger import ledger_table, totals
from sharewise.reports._limits import MOST_BYTES, Limits
from sharewise.reports._protocol import other_facts, versions
from sharewise.reports._render import _environment
from sharewise.reports._values import number, table
from sharewise.reports.new_tasks._axis import NARROW, WIDE
from sharewise.reports.new_tasks._gainplot import gain_plot
from sharewise.reports.new_tasks._protocol import new_protocol
from sharewise.reports.new_tasks._read import (
    Crossing,
    Shot,
    read_crossings,
    read_lines,
    read_quality,
    read_shots,
)
from sharewise.reports.new_tasks._scoreplot import score_plot
from sharewise.reports.new_tasks._tables import cost_table, score_table, shots_table

BADGES = {"separate": "Do not share", "route": "Route by number of labels"}


def render_new(verdict: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]]) -> str:
    """One self-contained HTML page of less than 1 MB; what has no room is left to ``verdict.json``.

    Args:
        verdict: What ``verdict.json`` holds. Absent, ``None`` and non-finite entries print as unknown.
        ledger: One record a trial, in order.
    """
    limits = Limits()
    page = _page(verdict, ledger, limits)
    while len(page.encode("utf-8")) > MOST_BYTES and limits.lines > 1:
        limits = limits.halved()
        page = _page(verdict, ledger, limits)
    return page


def _page(verdict: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]], limits: Limits) -> str:
    known = number(table(verdict.get("protocol")).get("rope"))
    rope = 0.01 if known is None else max(known, 0.0)
    quality, lines, shots = read_quality(verdict), read_lines(verdict), read_shots(verdict)
    crossings = read_crossings(verdict)
    crossing = _marked(crossings)
    score_plots = [score_plot(lines, quality, layout) for layout in (WIDE, NARROW)]
    gain_plots = [gain_plot(shots, crossing, rope, quality, layout) for layout in (WIDE, NARROW)]
    return _environment().get_template("new_tasks.html.j2").render(
        head=_head(verdict, shots),
        quality=quality,
        score_plots=[plot for plot in score_plots if plot is not None],
        gain_plots=[plot for plot in gain_plots if plot is not None],
        crossings=[one.words for one in crossings if one.words and (one.of != "sharing" or one.level == 0)],
        scores=score_table(lines, quality),
        shots=shots_table(shots),
        costs=cost_table(lines),
        cut=[line.label for line in lines if line.cut],
        protocol=new_protocol(verdict),
        tuning=None,
        profile=other_facts(verdict),
        versions=versions(verdict),
        ledger=ledger_table(ledger, limits.lines),
        ledger_totals=totals(ledger),
    )  # fmt: skip


def _head(verdict: Mapping[str, Any], shots: Sequence[Shot]) -> Headline:
    """A mean over numbers of labels says little where the best side changes with them: then both ends are shown."""
    head = headline(verdict)
    head = replace(
        head, badge=BADGES.get(head.outcome, head.badge), gain_heading="Gain of sharing, mean over labels"
    )
    if head.outcome != "route" or not shots:
        return head
    ends = f"{percent(shots[0].gain)} … {percent(shots[-1].gain)}"
    labels = f"Gain of sharing with {count(shots[0].labels)} … {count(shots[-1].labels)} labels"
    choice = "" if table(verdict.get("choice")).get("strategy") == "route" else head.choice
    return replace(head, gain=ends, gain_heading=labels, gain_interval="", probabilities=(), choice=choice)


def _marked(crossings: Sequence[Crossing]) -> Crossing | None:
    """Where the gain of sharing crosses zero: a place that is clear, else one that is ruled out somewhere."""
    own = [one for one in crossings if one.of == "sharing" and one.level == 0]
    best = [one for one in own if one.clear] or [
        one for one in own if one.low is not None or one.high is not None
    ]
    return best[0] if best else None
