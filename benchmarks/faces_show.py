"""The tables and sentences of `faces.py`. Nothing to run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.table import Table
from sharewise.verdicts import Difference

from faces_found import Cost, Finding, Score, values
from faces_study import Side, Study

SCORES: tuple[Score, ...] = ("accuracy", "log loss")
COLOUR = {"share": "green", "separate": "red", "equivalent": "cyan", "undecided": "yellow"}


def show(
    console: Console, study: Study, own: Mapping[str, Finding], one: Mapping[str, Finding], cost: Cost
) -> None:
    """Scores of one way of splitting, what sharing costs or saves, and the verdicts in words."""
    console.print(_scores(study, own, one))
    console.print(_cost(study, cost))
    for title, found in (("Weights of each task's best epoch", own), ("One set of weights", one)):
        console.print(f"[bold]{title}[/bold]: {sentence(found)}")
    for side, counts in study.chosen.items():
        chosen = "; ".join(f"{setting} ({count}×)" for setting, count in counts.most_common())
        console.print(f"  [dim]chosen for {side}: {chosen}[/dim]")


def sentence(found: Mapping[str, Finding]) -> str:
    """Gains and losses, said alike."""
    parts = []
    for word, text in (
        ("share", "better together"),
        ("separate", "harmed by sharing"),
        ("equivalent", "the same either way, so take the smaller"),
        ("undecided", "undecided, the data cannot tell"),
    ):
        tasks = [f"{task} ({_by(one)})" for task, one in found.items() if one.word == word]
        if tasks:
            parts.append(f"[{COLOUR[word]}]{text}[/{COLOUR[word]}]: {', '.join(tasks)}")
    return "; ".join(parts) + "."


def _by(found: Finding) -> str:
    change = found.ratio - 1
    return f"log loss {abs(change):.0%} {'higher' if change > 0 else 'lower'}"


def _scores(study: Study, own: Mapping[str, Finding], one: Mapping[str, Finding]) -> Table:
    table = Table(box=None, padding=(0, 1))
    for heading in ("task", "score"):
        table.add_column(heading)
    for heading in ("constant", "singles"):
        table.add_column(heading, justify="right")
    for heading in ("joint", "joint, 1 set"):
        for column in (heading, "difference (95%)"):
            table.add_column(column, justify="right")
        table.add_column("verdict")
    for task in study.tasks:
        for score in SCORES:
            decides = score == "log loss"
            row = ["" if decides else task, score]
            row += [_mean(side, task, score) for side in (study.constant, study.apart)]
            for side, found in ((study.joint, own), (study.one, one)):
                word = found[task].word
                row += [_mean(side, task, score), _change(found[task].change[score], score)]
                row.append(f"[{COLOUR[word]}]{word}[/]" if decides else "")
            table.add_row(*row)
    return table


def _mean(side: Side, task: str, score: Score) -> str:
    mean = float(np.nanmean(values(side, task, score)))
    return f"{100 * mean:.1f}%" if score == "accuracy" else f"{mean:.3f}"


def _change(found: Difference, score: Score) -> str:
    low, high = found.interval or (np.nan, np.nan)
    if score == "accuracy":
        return f"{100 * found.mean:+.1f} ({100 * low:+.1f} {100 * high:+.1f})"
    return f"{found.mean:+.3f} ({low:+.3f} {high:+.3f})"


def _cost(study: Study, cost: Cost) -> Table:
    table = Table(box=None, padding=(0, 1))
    table.add_column("to serve all tasks")
    for heading in ("joint", f"{len(study.tasks)} singles", "ratio"):
        table.add_column(heading, justify="right")
    joint, apart = study.seconds["joint"], sum(study.seconds[task] for task in study.tasks)
    for name, pair, form in (
        ("parameters", cost.parameters, ",.0f"),
        ("one photograph, p50 ms", cost.one, ".2f"),
        ("64 photographs, p50 ms", cost.many, ".2f"),
        ("training with tuning, processor s", (joint, apart), ".0f"),
    ):
        table.add_row(name, *(format(value, form) for value in pair), f"{pair[0] / pair[1]:.2f}")
    return table
