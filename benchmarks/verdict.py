"""Is the verdict right, and cheap? Its regret against a repeated exhaustive comparison, beside other policies.

    python benchmarks/verdict.py --quick              # six small problems in some three minutes
    python benchmarks/verdict.py                      # all of problems.py; in pieces, and again, as you like:
    python benchmarks/verdict.py --tables slump,exam  # these only; what the cache holds is not run again
    python benchmarks/verdict.py --show               # fit nothing, print what the cache holds

For each problem the *reference* runs every strategy in every family and configuration in each of ten outer
folds (``exhaustive.py``). A study of a sample of the rows (``problems.py``) then gets a tenth of that cost
(trial seconds), but never less than the ten seconds that sharewise asks for, and other folds and seeds.
*Regret* (``regret.py``) is the relative excess error, on the reference's outer test rows, of the rows that
the study deploys for the tasks, over the best row. The policies beside it (``policies.py``) decide on inner
folds of one round of the same trials.

The mean, the 95th percentile and the cost over all problems are held against the aims at the end, and what
falls short is said. Nothing in sharewise may be tuned on single problems of this list.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

import aims
import exhaustive
import policies
import problems
from regret import Board, Regret, regret, row_errors
from studied import Studied, study

LEAST_BUDGET: Final = 10.0
"""Seconds that sharewise asks for."""


@dataclass(frozen=True)
class Fared:
    """A policy on one problem: what it deployed, its regret, its seconds a draw."""

    policy: str
    draws: Sequence[policies.Draw]
    regret: Regret

    @property
    def seconds(self) -> float:
        return float(np.mean([draw.seconds for draw in self.draws]))


def policies_on(board: Board, studies: Sequence[Studied]) -> list[Fared]:
    """The verdict first (if the reference holds what it deployed), then its rivals, oracle and floor."""
    mine = []
    for one in studies:
        choice = one.choice(board)
        if choice is not None:
            mine.append(policies.Draw(choice, one.trial_seconds))
    seconds = float(np.mean([one.trial_seconds for one in studies]))
    rivals: Mapping[str, list[policies.Draw]] = dict(
        zip(
            aims.RIVALS,
            (
                policies.always(board, "separate"),
                policies.always(board, "joint"),
                policies.better_of_two(board),
                policies.at_random(board, seconds),
            ),
            strict=True,
        )
    )
    found = [(aims.VERDICT, mine), *rivals.items()]
    found += [("oracle, in hindsight", policies.oracle(board)), ("constant", policies.constant(board))]
    return [
        Fared(name, draws, regret(board, [draw.choice for draw in draws])) for name, draws in found if draws
    ]


# --- printing -----------------------------------------------------------------------------------------


def show_problem(console: Console, board: Board, studies: Sequence[Studied], fared: Sequence[Fared]) -> None:
    """The table of one problem."""
    errors = row_errors(board).mean(axis=0)
    best = board.contenders[int(errors.argmin())]
    console.print(
        f"\n[bold]{board.name}[/bold]: {len(board.tasks)} tasks; reference of {len(board.scores)} rounds, "
        f"{board.total_seconds:.0f} trial seconds; best row in hindsight {board.rows[best]} with "
        f"{errors.min():.3f} of the constant's error; each task by its own best row: "
        f"{policies.routed_gain(board):+.1%} less"
    )
    for one in studies:
        cpu = (
            ""
            if board.cpu_seconds is None
            else f" ({one.cpu_seconds / board.cpu_seconds:.1%} by processor time)"
        )
        console.print(
            f"  study: {one.outcome}, {one.rounds} rounds, {one.effort}; {one.wall_seconds:.1f} s all in all of a "
            f"budget of {one.budget:.1f} s{cpu}"
        )
        if one.choice(board) is None:
            missing = sorted({row for row in one.deployed.values() if board.place(row) is None})
            console.print(f"  [red]not judged[/red]: the reference has no row {', '.join(missing)}")
    table = Table(box=None, padding=(0, 1))
    table.add_column("policy")
    table.add_column("deploys (most often)", overflow="fold", max_width=34)
    for heading in ("regret", "95% interval", "worst draw", "in hindsight", "points", "cost"):
        table.add_column(heading, justify="right")
    for one in fared:
        low, high = one.regret.found.interval or (np.nan, np.nan)
        table.add_row(
            one.policy,
            _deployed(board, one.draws),
            f"{one.regret.mean:+.1%}",
            f"{low:+.1%} {high:+.1%}",
            f"{max(one.regret.draws):+.1%}",
            f"{one.regret.strict:+.1%}",
            f"{one.regret.points:+.4f}",
            f"{one.seconds / board.total_seconds:.1%}",
        )
    console.print(table)


def _deployed(board: Board, draws: Sequence[policies.Draw]) -> str:
    names = (*board.rows, *board.trials)
    texts = Counter(", ".join(sorted({names[option] for option in draw.choice})) for draw in draws)
    return texts.most_common(1)[0][0]


def show_all(console: Console, lines: Sequence[aims.Line], unjudged: Sequence[str]) -> None:
    """All problems together, then the aims."""
    compared = (aims.VERDICT, *aims.RIVALS)
    count = len({line.problem for line in lines})
    console.print(f"\n[bold]All {count} problems[/bold] (regret over the cross-fitted best row)")
    table = Table(box=None, padding=(0, 1))
    table.add_column("policy")
    for heading in (
        "mean", "median", "95th pct", "largest", "in hindsight", "above 5% on", "worst on", "cost",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for policy in dict.fromkeys(line.policy for line in lines):
        one = aims.summarise(lines, policy, compared)
        table.add_row(
            policy,
            f"{one.mean:.2%}",
            f"{one.median:.2%}",
            f"{one.tail:.2%}",
            f"{one.largest[1]:.1%} {one.largest[0]}",
            f"{one.strict:.2%}",
            f"{one.over:.0%}",
            f"{one.worst:.0%}" if policy in compared else "",
            f"{one.cost:.1%}",
        )
    console.print(table)
    console.print("\n[bold]Aims[/bold]")
    for met, text in aims.judge(lines):
        console.print(f"  {'met        ' if met else 'FALLS SHORT'}  {text}")
    if unjudged:
        console.print(f"  FALLS SHORT  not judged, for rows the reference lacks: {', '.join(unjudged)}")


# --- the whole ----------------------------------------------------------------------------------------


def main() -> None:
    given = _arguments()
    console = Console(highlight=False, width=150)
    settings = exhaustive.Settings(
        given.effort, given.rounds, given.workers, given.proposals, given.groups, steady=not given.quick
    )
    cache = given.cache / f"effort {given.effort}"
    lines: list[aims.Line] = []
    unjudged, started, reference_seconds, study_seconds = [], time.perf_counter(), 0.0, 0.0
    for name in given.tables:
        before = time.perf_counter()
        board = exhaustive.measure(name, cache, settings, show=given.show)
        if board is None or given.reference_only:
            note = "nothing kept yet" if board is None else f"{board.total_seconds:.0f} trial seconds"
            console.print(f"{name:20} {note}, {time.perf_counter() - before:.0f} s now")
            continue
        budget = max(LEAST_BUDGET, given.share * board.total_seconds)
        # What the reference did not run could not be judged.
        without = () if given.groups else ("grouped",)
        asked = [study(name, cache, budget, seed, show=given.show, without=without) for seed in given.seeds]
        studies = [one for one in asked if one is not None]
        if not studies:
            console.print(f"{name:20} no study kept yet")
            continue
        fared = policies_on(board, studies)
        show_problem(console, board, studies, fared)
        reference_seconds += board.total_seconds
        study_seconds += sum(one.wall_seconds for one in studies)
        if fared[0].policy != aims.VERDICT:
            unjudged.append(name)
            continue
        lines += [
            aims.Line(
                name, one.policy, one.regret.draws, one.regret.strict, one.seconds / board.total_seconds
            )
            for one in fared
        ]
    if lines or unjudged:
        if lines:
            show_all(console, lines, unjudged)
        console.print(
            f"\nreference {reference_seconds / 60:.1f} minutes of trials, studies {study_seconds / 60:.1f} minutes; "
            f"this call {(time.perf_counter() - started) / 60:.1f} minutes"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--tables", help="some of problems.py, comma-separated; all by default")
    add("--quick", action="store_true", help="six small problems at the least effort")
    add("--show", action="store_true", help="fit nothing, print what the cache holds")
    add("--reference-only", action="store_true", help="no studies")
    add("--cache", type=Path, default=Path(tempfile.gettempdir()) / "sharewise-verdict")
    add("--effort", type=int, help="of the reference: 0 scouting, 1 quick, 2 standard, 3 thorough")
    add("--rounds", type=int, default=10, help="of the reference")
    add("--proposals", type=int, default=0, help="of the reference: configurations beyond the usual ones")
    add("--groups", type=int, default=0, help="of the reference: groups of tasks tried at most")
    add("--share", type=float, default=aims.COST_AIM, help="of the exhaustive cost that a study gets")
    add("--seeds", default="0", help="of the studies, comma-separated: one study each")
    add("--workers", type=int, default=1, help="processes of the reference")
    given = parser.parse_args()
    given.tables = (
        given.tables.split(",") if given.tables else problems.QUICK if given.quick else problems.NAMES
    )
    given.effort = (0 if given.quick else 1) if given.effort is None else given.effort
    given.seeds = [int(seed) for seed in given.seeds.split(",")]
    unknown = [name for name in given.tables if name not in problems.NAMES]
    if unknown:
        parser.error(f"a problem is one of {', '.join(problems.NAMES)}; got {', '.join(unknown)}.")
    return given


if __name__ == "__main__":
    main()
