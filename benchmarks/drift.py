"""How fast does each way of keeping up recover when the world changes?

    python benchmarks/drift.py                         # all streams, a few minutes on one core
    python benchmarks/drift.py --only abrupt,gradual --every 10
    python benchmarks/drift.py --only movielens --plots runs/drift

`abrupt` and `gradual` are simulated: six tasks with linear weights of their own; at a known row all weights change
sign, at once or row by row with a chance that rises over 300 rows. `movielens` is real: ratings in time order, a task
is a person; most who arrive in the second half have never been seen. Its changes are found by a test on the losses of
the frozen model, and where none is found only the losses are compared. After a gradual change recovery is looked
for once it is over, and counted from its beginning. Each row is predicted before its label is known.
Losses are shares of what a constant loses.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sharewise import Problem
from sharewise.reports._stream_plot import stream_plot
from sharewise.studies.stream import Replay, replay

from tables_base import data_folder

Stream = tuple[Problem, list[float | tuple[float, float]] | None]
"""A problem, and the times of its changes where they are known."""
ROWS, CHANGE, TASKS = 1500, 1000, 6


def simulated(seed: int, lasts: int) -> Stream:
    """Weights change sign from row `CHANGE` on, for each row with a chance that reaches 1 after ``lasts`` rows."""
    rng = np.random.default_rng(seed)
    x, task = rng.normal(size=(ROWS, 5)), rng.integers(TASKS, size=ROWS)
    weights = rng.normal(size=(TASKS, 5))
    passed = (np.arange(ROWS) - CHANGE + 1) / max(lasts, 1)
    sign = np.where(rng.random(ROWS) < np.clip(passed, 0, 1), -1.0, 1.0)
    y = sign * (x * weights[task]).sum(axis=1) + 0.5 * rng.normal(size=ROWS)
    frame = pd.DataFrame(x).add_prefix("x").assign(task=task, row=np.arange(ROWS), y=y)
    problem = Problem.from_frame(frame, targets=["y"], task="task", time="row", kinds={"y": "regression"})
    return problem, [(CHANGE, CHANGE + lasts) if lasts else CHANGE]


def movielens(seed: int, people: int = 60, most: int = 50) -> Stream:
    """Stars that people give films, each person's first ``most``; a film's mean stars come from people who are no
    tasks (of all times, for every contender alike)."""
    folder = data_folder() / "ml_latest_small"
    ratings, films = pd.read_csv(folder / "ratings.csv"), pd.read_csv(folder / "movies.csv")
    chosen = np.random.default_rng(seed).permutation(np.sort(ratings["userId"].unique()))[:people]
    task = ratings["userId"].isin(chosen)
    known = ratings[~task].groupby("movieId")["rating"].agg(others_mean="mean", others_count="size")
    films["year"] = films["title"].str.extract(r"\((\d{4})\)\s*$")[0].astype(float)
    genres = films["genres"].str.get_dummies().drop(columns="(no genres listed)", errors="ignore")
    films = pd.concat([films[["movieId", "year"]], genres], axis=1).join(known, on="movieId")
    frame = ratings[task].sort_values("timestamp", kind="stable")
    frame = (
        frame[frame.groupby("userId").cumcount() < most].merge(films, on="movieId").drop(columns="movieId")
    )
    frame["others_count"] = np.log1p(frame["others_count"].fillna(0.0))
    problem = Problem.from_frame(
        frame, targets=["rating"], task="userId", time="timestamp", kinds={"rating": "regression"}
    )
    return problem, None


STREAMS: dict[str, Callable[[int], Stream]] = {
    "abrupt": lambda seed: simulated(seed, 0),
    "gradual": lambda seed: simulated(seed, 300),
    "movielens": movielens,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(STREAMS), help="streams, separated by commas")
    parser.add_argument("--contenders", default="frozen,refit,window,constant,separate/linear,meta-learned")
    parser.add_argument("--shots", default="10,50", help="numbers of labels that tasks are adapted to")
    parser.add_argument("--every", type=int, default=5, help="rows a step")
    parser.add_argument("--seconds", type=float, default=10.0, help="CPU seconds of learning, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plots", type=Path, help="folder for a picture of each stream")
    given = parser.parse_args()
    chosen = given.only.split(",")
    if strange := set(chosen) - set(STREAMS):
        parser.error(f"streams are {', '.join(STREAMS)}; got {', '.join(sorted(strange))}")
    console = Console(highlight=False, width=150)
    for name in chosen:
        problem, changes = STREAMS[name](given.seed)
        found = replay(
            problem, given.contenders.split(","), every=given.every, refit_every=25, window=150, changes=changes,
            shots=[int(k) for k in given.shots.split(",")], seconds=given.seconds, seed=given.seed,
        )  # fmt: skip
        show(console, name, found)
        if given.plots is not None:
            given.plots.mkdir(parents=True, exist_ok=True)
            (given.plots / f"{name}.svg").write_text(stream_plot(found), encoding="utf-8")


def show(console: Console, name: str, found: Replay) -> None:
    """Losses, recoveries and costs of one stream."""
    known = "found" if found.found else "known"
    at = ", ".join(str(found.learnt_on + change) for change in found.changes) or "none"
    console.rule(
        f"{name}: {found.learnt_on} rows to learn on, {len(found.rows)} arrive; changes {known} at row: {at}"
    )
    table = Table(
        "contender",
        "loss",
        "÷ frozen",
        "before",
        "after",
        "rows to recover",
        "learn s",
        "update s",
        "predict s",
    )
    frozen = float(next(course for course in found.courses if course.fixed).losses.mean())
    for place, course in enumerate(found.courses):
        own = [recoveries[place] for recoveries in found.recoveries]
        loss = float(course.losses.mean())
        table.add_row(
            course.name,
            f"{loss:.3f}",
            f"{loss / frozen:.2f}",
            " ".join(f"{one.before:.3f}" for one in own),
            " ".join(f"{one.after:.3f}" for one in own),
            " ".join(
                ("never" if one.rows is None else str(one.rows))
                + f" ({one.interval[0]:.0f}–{one.interval[1]:.0f})"
                for one in own
            ),
            f"{course.learn_seconds:.2f}",
            f"{course.update_seconds:.2f}",
            f"{course.predict_seconds:.2f}",
        )
    console.print(table)
    console.print(found.sentence)


if __name__ == "__main__":
    main()
