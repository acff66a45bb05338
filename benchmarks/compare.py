"""sharewise beside the field's own tools, on the same folds of real tables.

    python benchmarks/compare.py                                # six wide tables and the schools
    python benchmarks/compare.py --tables enb,jura --budget 180

For each table: every row of sharewise's own table and every peer (scikit-learn's MultiOutputRegressor,
RegressorChain, MultiTaskElasticNetCV and StackingRegressor, LightGBM a target, …), fitted on the training
rows of the same outer folds and scored on their test rows by aRRMSE (RMSE over that of the training mean,
averaged over targets; lower is better), with seconds a fold. The last line of a table is the ratio of
sharewise's best to the best peer: 1.01 is one percent worse.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import sharewise as sw
from rich.console import Console
from rich.table import Table
from sharewise.studies import (
    Bench,
    Clock,
    Protocol,
    TrialStore,
    conduct,
    default_workers,
    make_progress,
    make_round,
    make_workers,
)
from sharewise.verdicts import Evidence

import peers
import reference
import scores
import tables

DEFAULT = "slump,edm,enb,jura,sf1,student_math,school:per_school=15"


def ours(problem: sw.Problem, protocol: Protocol, name: str) -> tuple[Evidence, list[tuple[object, object]]]:
    """A study of one repeat, and the (train, test) rows of its rounds."""
    store, workers = TrialStore(None), make_workers(problem, protocol.workers)
    progress = make_progress(quiet=False)
    progress.note(name)
    try:
        found = conduct(Bench(problem, protocol, store, workers, Clock(protocol.budget), progress))
    finally:
        workers.close()
        progress.close()
        store.close()
    rounds = [make_round(problem, protocol, found.plan, index) for index in range(len(found.rounds))]
    return Evidence.of(problem, protocol, found.rounds, found.overlap), [(r.train, r.test) for r in rounds]


def one_table(text: str, budget: float, seed: int, only: set[str] | None) -> dict[str, object]:
    """All lines of one table: name, aRRMSE, seconds a fold."""
    name, options = reference.parse_table(text)
    loaded = tables.load(name, **options)
    problem = sw.Problem.from_frame(loaded.frame, **loaded.kwargs)
    protocol = Protocol(
        "known",
        seed,
        ("separate", "joint", "chained", "ensemble"),
        ("linear", "trees", "network"),
        repeats=1,
        budget=budget,
        workers=default_workers(),
    )
    evidence, rounds = ours(problem, protocol, text)
    place = np.arange(len(loaded.frame)) if problem.rows is None else problem.rows
    floor = np.array([_floor(problem, train, test) for train, test in rounds])
    lines = []
    for row, candidate in enumerate(evidence.candidates):
        seconds = float(np.mean([one[row].train_seconds for one in evidence.rounds]))
        lines.append(
            (f"sharewise {candidate.name}", scores.relative(evidence.scores[:, row], floor), seconds)
        )
    for peer_name, peer in peers.suited(loaded).items():
        if only is not None and peer_name not in only:
            continue
        errors, seconds = [], []
        for train, test in rounds:
            done = peer.timed(
                loaded.features.iloc[place[train]],
                loaded.labels[place[train]],
                loaded.features.iloc[place[test]],
                seed,
            )
            errors.append(_errors(problem, test, done.prediction))
            seconds.append(done.seconds)
        lines.append((peer_name, scores.relative(np.array(errors), floor), float(np.mean(seconds))))
    best = {
        side: min(error for line, error, _ in lines if line.startswith("sharewise") is side)
        for side in (True, False)
    }
    return {"table": text, "folds": len(rounds), "lines": lines, "ratio": best[True] / best[False]}


def _floor(problem: sw.Problem, train: object, test: object) -> np.ndarray:
    mean = np.nanmean(problem.labels[train], axis=0)
    return _errors(problem, test, np.tile(mean, (len(test), 1)))


def _errors(problem: sw.Problem, test: object, prediction: np.ndarray) -> np.ndarray:
    """RMSE of each task ``(T,)``; ``prediction`` is ``(n, D)``."""
    if problem.level is None:
        return scores.rmse(problem.labels[test], prediction)
    level = problem.level[test]
    return scores.rmse_by_task(problem.labels[test, 0], prediction[:, 0], level, len(problem.levels))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", default=DEFAULT)
    parser.add_argument("--budget", type=float, default=400.0, help="seconds of each study")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", help="only these, comma-separated")
    parser.add_argument("--out", type=Path, help="keep each table's lines as JSON lines")
    given = parser.parse_args()
    console = Console(highlight=False, width=100)
    only = set(given.peers.split(",")) if given.peers else None
    found = []
    for text in given.tables.split(","):
        result = one_table(text, given.budget, given.seed, only)
        found.append(result)
        if given.out is not None:
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
        shown = Table(title=f"{text}, {result['folds']} folds", title_justify="left")
        for column in ("tool", "aRRMSE", "seconds a fold"):
            shown.add_column(column, justify="left" if column == "tool" else "right")
        for tool, error, seconds in sorted(result["lines"], key=lambda line: line[1]):
            shown.add_row(tool, f"{error:.4f}", f"{seconds:.2f}")
        console.print(shown)
        console.print(f"sharewise's best / best peer: {result['ratio']:.4f}\n")
    console.print("table                          best / best peer")
    for result in found:
        console.print(f"{result['table']:30} {result['ratio']:.4f}")


if __name__ == "__main__":
    main()
