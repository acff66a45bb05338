"""How often sharing is credited where there is nothing to share.

    python benchmarks/noise.py                      # 20 seeds, diabetes beside permuted noise
    python benchmarks/noise.py --seeds 5 --real bdf

A wide table with one real target and a second that is a permutation of it: the tasks have nothing to tell
each other. Prints each seed's outcome and gain, and counts `share` (and `route`, which credits sharing for
some task).
"""

from __future__ import annotations

import argparse
from collections import Counter

import sharewise as sw
from rich.console import Console

import tables


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--real", default="diabetes")
    parser.add_argument("--budget", type=float, default=40.0)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    console = Console(highlight=False, width=120)
    found: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.seeds):
        loaded = tables.load("permuted_noise", seed=seed, real=given.real)
        problem = sw.Problem.from_frame(loaded.frame, **loaded.kwargs)
        study = sw.compare(problem, budget=given.budget, seed=seed, workers=given.workers, quiet=True)
        contrast, done = study.verdict.details["contrast"], study.verdict.details["protocol"]
        found[study.verdict.outcome] += 1
        low, high = contrast["interval"]
        console.print(
            f"seed {seed:2}: {study.verdict.outcome:10} gain {100 * contrast['delta']:+5.1f}% "
            f"({100 * low:+.1f}% to {100 * high:+.1f}%), {done['rounds']} rounds, {done['effort']}"
        )
    console.print(dict(found))


if __name__ == "__main__":
    main()
