"""Score against the number of labels for every strategy, on real tasks of which new ones arrive.

    python benchmarks/new_tasks.py                          # all sets, about 25 minutes on two cores
    python benchmarks/new_tasks.py --only school_ilea --budget 3min --out runs/new

Each set is one study with `question="new"`: whole schools, people, intents or faces are held out. Printed is what its
verdict says, and by strategy and family the mean score over the held-out tasks at each number of labels, with a 95%
interval over folds of the tasks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import sharewise as sw
from rich.console import Console
from rich.table import Table

from new_tasks_data import DATA


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(DATA), help="sets, separated by commas")
    parser.add_argument("--budget", default="5min", help="of each study")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--out", type=Path, help="folder for the studies, kept and resumed there")
    given = parser.parse_args()
    chosen = given.only.split(",")
    if strange := set(chosen) - set(DATA):
        parser.error(f"sets are {', '.join(DATA)}; got {', '.join(sorted(strange))}")
    console = Console(highlight=False, width=150)
    for name in chosen:
        out = None if given.out is None else given.out / name
        study = sw.compare(
            DATA[name](), question="new", budget=given.budget, seed=given.seed, workers=given.workers,
            out=out, quiet=True,
        )  # fmt: skip
        show(console, name, study)


def show(console: Console, name: str, study: sw.Study) -> None:
    """The verdict and the table of one study."""
    details = study.verdict.details
    protocol = details["protocol"]
    console.rule(
        f"{name}: {protocol['tasks']} tasks, {protocol['rounds']} rounds, {protocol['seconds']:.0f} s"
    )
    console.print(study.verdict.sentence)
    table = Table("strategy", *[f"k = {k}" for k in protocol["shots"]], "learn s", "adapt ms")
    for line in details["strategies"]:
        cells = {entry["k"]: entry for entry in line.get("by_shots", ())}
        cost = line["cost"]
        table.add_row(
            f"{line['name']}/{line['family']}",
            *[_cell(cells.get(k)) for k in protocol["shots"]],
            _plain(cost.get("train_seconds")),
            _plain(cost.get("adapt_ms")),
        )
    console.print(table)
    for reason in study.verdict.because:
        console.print(f"- {reason}")


def _cell(entry: dict[str, object] | None) -> str:
    if entry is None or entry["score"] is None:
        return "-"
    interval = entry["interval"]
    if not isinstance(interval, list):
        return f"{entry['score']:.3f}"
    return f"{entry['score']:.3f} ± {(interval[1] - interval[0]) / 2:.3f}"


def _plain(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "-"


if __name__ == "__main__":
    main()
