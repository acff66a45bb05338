"""Rounds of the reference as they are kept, and as arrays. Used by ``exhaustive.py``; fits nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import sharewise as sw
from sharewise.studies import CONSTANT, Plan, Protocol, Result, assemble, make_round

from regret import Board

OVERLAP: Final = 0.25
"""Test rows per training row of five folds. Where training rows are drawn from many more, rounds share fewer of
them and the interval is on the safe side."""


def record(
    problem: sw.Problem, protocol: Protocol, plan: Plan, index: int, results: list[Result]
) -> dict[str, Any]:
    """A round as JSON: each row of the table, and each trial as if it had been the only one."""
    around = make_round(problem, protocol, plan, index)
    floor = next(result for result in results if result.spec.strategy == CONSTANT)
    rows = [
        {"name": c.name, "inner": c.inner, "scores": _plain(c.scores)}
        for c in assemble(problem, around, results)
    ]
    trials = []
    for result in results:
        row, alone = f"{result.spec.strategy}/{result.spec.family}", None
        if result.status == "done" and result is not floor:
            found = assemble(problem, around, [floor, result])
            alone = next((c for c in found if c.name == row), None)
        trials.append(
            {
                "row": row,
                "name": f"{row}/{result.spec.configuration}",
                "seconds": result.seconds,
                "inner": None if alone is None else alone.inner,
                "scores": None if alone is None else _plain(alone.scores),
                "message": result.message,
            }
        )
    return {"rows": rows, "trials": trials}


def _plain(values: Any) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def read(path: Path, stamp: dict[str, Any]) -> dict[str, Any]:
    """What a file holds, or the empty beginning of one.

    Raises:
        ValueError: It belongs to another comparison.
    """
    if not path.exists():
        return {"stamp": stamp, "entrants": None, "rounds": {}}
    kept: dict[str, Any] = json.loads(path.read_text())
    other = [key for key, value in stamp.items() if kept["stamp"].get(key) != value]
    if other:
        raise ValueError(
            f"a reference holds rounds of one comparison; {path} has other {', '.join(other)}. "
            "Name another --cache, or remove that file."
        )
    return kept


def write(path: Path, kept: dict[str, Any]) -> None:
    """All of it anew, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(kept))
    os.replace(fresh, path)


def board_of(name: str, problem: sw.Problem, kept: dict[str, Any], rounds_asked: int) -> Board:
    """The rounds as arrays; what not every round has is left out."""
    rounds = [kept[key] for key in sorted(kept, key=int)]
    rows = [
        one["name"]
        for one in rounds[0]["rows"]
        if all(one["name"] in {row["name"] for row in r["rows"]} for r in rounds)
    ]
    places = [
        place
        for place in range(len(rounds[0]["trials"]))
        if all(r["trials"][place]["scores"] is not None for r in rounds)
    ]
    scores, inner = [], []
    for one in rounds:
        by_name = {row["name"]: row for row in one["rows"]}
        entries = [*(by_name[row] for row in rows), *(one["trials"][place] for place in places)]
        scores.append([[np.nan if v is None else v for v in entry["scores"]] for entry in entries])
        inner.append([np.nan if entry["inner"] is None else entry["inner"] for entry in entries])
    trials = rounds[0]["trials"]
    cpu = [one["cpu_seconds"] for one in rounds if one["cpu_seconds"] is not None]
    return Board(
        name=name,
        tasks=tuple(task.name for task in problem.tasks),
        metrics=tuple(problem.targets[task.target].metric for task in problem.tasks),
        rows=tuple(rows),
        trials=tuple(trials[place]["name"] for place in places),
        scores=np.array(scores, np.float64),
        inner=np.array(inner, np.float64),
        seconds=np.array([[one["trials"][place]["seconds"] for place in places] for one in rounds]),
        row_seconds=np.array([_row_seconds(one["trials"], rows) for one in rounds]),
        # Rounds beyond those asked for make a small table's reference steadier; nobody would have to pay for them.
        total_seconds=rounds_asked
        * float(np.mean([sum(trial["seconds"] for trial in one["trials"]) for one in rounds])),
        cpu_seconds=rounds_asked * float(np.median(cpu)) if cpu else None,
        overlap=OVERLAP,
    )


def _row_seconds(trials: list[dict[str, Any]], rows: list[str]) -> list[float]:
    """Of the trials that bear a row's name; rows put together from several strategies have none."""
    return [sum(trial["seconds"] for trial in trials if trial["row"] == row) for row in rows]
