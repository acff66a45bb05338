"""What the verdict costs beside tuning separate models alone.

    python benchmarks/cost.py                       # 8 tasks x 5,000 rows, about 10 minutes on two cores
    python benchmarks/cost.py --table sarcos --budget 300
    python benchmarks/cost.py --rows 1000 --budget 60

One study of everything, then one of the separate models alone that is given the same effort, the same number of
proposals and the same rounds. Prints trial seconds of both, by strategy, and their ratio (the aim: at most 3), and
wall clock.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
import sharewise as sw
from rich.console import Console
from sharewise._arguments import protocol_of
from sharewise.studies import Bench, Clock, TrialStore, conduct, make_progress, make_workers

import tables

AIM = 3.0


def related(rows: int, tasks: int = 8, features: int = 20, seed: int = 0) -> pd.DataFrame:
    """Tasks that share half of a curved function of the features (Friedman's, turned for each task)."""
    rng = np.random.default_rng(seed)
    X = rng.random((rows, features))
    frame: dict[str, Any] = {f"x{j}": X[:, j] for j in range(features)}

    def friedman(order: np.ndarray) -> np.ndarray:
        a, b, c, d, e = (X[:, j] for j in order[:5])
        return 10 * np.sin(np.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e

    common = friedman(np.arange(features))
    for task in range(tasks):
        own = friedman(rng.permutation(features))
        frame[f"y{task}"] = common + own + 4.0 * rng.normal(size=rows)
    return pd.DataFrame(frame)


def problem_of(given: argparse.Namespace) -> sw.Problem:
    if given.table:
        loaded = tables.load(given.table)
        return sw.Problem.from_frame(loaded.frame, **loaded.kwargs)
    return sw.Problem.from_frame(related(given.rows), targets=[f"y{t}" for t in range(8)])


def run(
    problem: sw.Problem,
    given: argparse.Namespace,
    strategies: list[str] | None,
    decided: dict[str, Any] | None,
) -> tuple[TrialStore, float]:
    """The trials of a study, and its wall clock; ``decided`` is what an earlier one decided by the clock."""
    budget = given.budget if decided is None else None
    protocol = protocol_of("known", budget, given.seed, given.workers, strategies, None, 0.01)
    store, workers = TrialStore(None), make_workers(problem, given.workers)
    for key, value in (decided or {}).items():
        store.put(key, value)
    began = time.perf_counter()
    conduct(Bench(problem, protocol, store, workers, Clock(budget), make_progress(quiet=given.quiet)))
    seconds = time.perf_counter() - began
    workers.close()
    return store, seconds


def spent(store: TrialStore) -> tuple[dict[str, float], float]:
    """Seconds by strategy up to the verdict, and those of the learning curve, which comes after it."""
    plan = store.get("plan") or {}
    found: dict[str, float] = {}
    curve = 0.0
    for result in store.results(predictions=False):
        if (result.spec.effort, result.spec.cap) == (
            plan.get("effort"),
            plan.get("cap"),
        ) or result.spec.index == 0:
            found[result.spec.strategy] = found.get(result.spec.strategy, 0.0) + result.seconds
        else:
            curve += result.seconds
    return found, curve


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--table", help="one of benchmarks/tables.py instead of the simulated one")
    parser.add_argument("--budget", type=float, default=360.0, help="seconds for the whole study")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    given = parser.parse_args()
    console, problem = Console(highlight=False, width=140), problem_of(given)
    whole, wall = run(problem, given, None, None)
    decided = {key: whole.get(key) for key in ("plan", "spend", "proposals made")}
    spend = decided["spend"] | {"groups": 0, "curve": False}
    apart, wall_apart = run(problem, given, ["separate"], decided | {"spend": spend})
    console.print(f"{len(problem.tasks)} tasks x {len(problem):,} rows; {decided}")
    totals = []
    for title, store in (("everything", whole), ("separate models alone", apart)):
        console.print(f"{title}:")
        found, curve = spent(store)
        for name, seconds in sorted(found.items(), key=lambda item: -item[1]):
            console.print(f"  {name:10} {seconds:8.1f} s of trials")
        if curve:
            console.print(
                f"  beside these the learning curve: {curve:.1f} s of trials, after the verdict is reached"
            )
        totals.append(sum(found.values()))
    total, base = totals
    console.print(
        f"verdict {total:.1f} s of trials ({wall:.0f} s wall), separate models alone {base:.1f} s ({wall_apart:.0f} s wall): "
        f"ratio {total / base:.2f} in trial seconds, {wall / wall_apart:.2f} in wall clock (aim: at most {AIM:g})"
    )


if __name__ == "__main__":
    main()
