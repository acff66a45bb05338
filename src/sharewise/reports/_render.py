"""From a verdict and its ledger to the page: gathers what the rooms decided and hands it to the templates."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from sharewise.reports._diagnosis import read_hints
from sharewise.reports._examples import read_examples
from sharewise.reports._groups import read_groups
from sharewise.reports._headline import headline
from sharewise.reports._helps import help_legend, read_harm
from sharewise.reports._learning import read_curve
from sharewise.reports._ledger import ledger_table, totals
from sharewise.reports._limits import MOST_BYTES, Limits
from sharewise.reports._protocol import other_facts, protocol, versions
from sharewise.reports._race import read_race
from sharewise.reports._serving import limit_words, serving_table
from sharewise.reports._strategies import (
    cost_plots,
    cost_table,
    overall_plots,
    read_strategies,
    strategy_table,
    within_plots,
)
from sharewise.reports._taskmap import legend
from sharewise.reports._tasks import gain_map, read_tasks
from sharewise.reports._tuning import tuning_table
from sharewise.reports._values import number, table


def render(verdict: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]]) -> str:
    """One self-contained HTML page of less than 1 MB; what has no room is left to ``verdict.json``.

    Args:
        verdict: What ``verdict.json`` holds. Absent, ``None`` and non-finite entries print as unknown.
        ledger: One record a trial, in order.
    """
    limits = Limits()
    page = _page(verdict, ledger, limits)
    while len(page.encode("utf-8")) > MOST_BYTES and limits.tasks > 1:
        limits = limits.halved()
        page = _page(verdict, ledger, limits)
    return page


def _page(verdict: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]], limits: Limits) -> str:
    facts = table(verdict.get("protocol"))
    known = number(facts.get("rope"))
    rope = 0.01 if known is None else max(known, 0.0)
    strategies = read_strategies(verdict)
    page = _environment().get_template("report.html.j2")
    return page.render(
        head=headline(verdict),
        rope=rope,
        overall=overall_plots(strategies, rope),
        within=within_plots(strategies, rope),
        strategies=strategy_table(strategies),
        race=read_race(verdict, limits),
        left=sum(strategy.left for strategy in strategies),
        map=gain_map(verdict, strategies, rope, limits),
        groups=read_groups(verdict, limits),
        helps=read_harm(verdict, rope),
        helps_legend=help_legend(rope),
        curve=read_curve(verdict, rope),
        hints=read_hints(verdict),
        examples=read_examples(verdict),
        legend=legend(rope),
        costs=cost_plots(strategies, rope),
        cost_table=cost_table(strategies),
        serving=serving_table(verdict),
        asked=limit_words(verdict),
        tasks=read_tasks(verdict, limits),
        protocol=protocol(verdict),
        tuning=tuning_table(verdict),
        profile=other_facts(verdict),
        versions=versions(verdict),
        ledger=ledger_table(ledger, limits.lines),
        ledger_totals=totals(ledger),
    )


def pixels(value: float) -> str:
    """A coordinate to a tenth of a pixel, without idle zeros."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sharewise.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["px"] = pixels
    return environment
