"""New characters from one or five examples: every meta-learner beside transfer and from scratch, at equal CPU time.

    python benchmarks/omniglot.py                                     # about 40 CPU-minutes, one core
    python benchmarks/omniglot.py --methods prototypes,ridge --seconds 30
    python benchmarks/omniglot.py --validate Korean                   # to choose settings: no test alphabet is read

Omniglot's two small archives: 136 characters of five alphabets in four rotations to train on, 106 characters of three
other alphabets to test on; no alphabet stands on both sides and no picture either (checked by hash). Each method has
the same backbone and, if it learns across tasks at all, `--seconds` of CPU time, once for one shot and five. Episodes
of the test are the same for all, five ways with 15 query pictures a class, and every prediction is inductive: it
reads no other query picture. Where a method reads features, a picture's are the mean over `--views` of it (itself and
small fixed warps), embedded once, outside "ms an episode". Intervals are 95% over episodes; training seeds vary
beyond them.
"""

from __future__ import annotations

import argparse
import time

import torch
from rich.console import Console
from rich.table import Table
from sharewise.meta import Evaluation, evaluate

from omniglot_data import embedded, judged_episodes, load
from omniglot_methods import METHODS, Ready

SHOTS = (1, 5)
AIMS = {1: 0.92, 5: 0.97}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="CPU seconds of training a method")
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--views", type=int, default=8, help="of each picture, where features are read; 1: as it is"
    )
    parser.add_argument("--validate", help="an alphabet of the first archive to judge on instead")
    given = parser.parse_args()
    chosen = given.methods.split(",")
    if strange := set(chosen) - set(METHODS):
        parser.error(f"methods are {', '.join(METHODS)}; got {', '.join(sorted(strange))}")
    torch.set_num_threads(1)
    console = Console(highlight=False, width=120)
    pools = load(given.validate)
    console.print(
        f"{len(pools.train.units)} training classes, {len(pools.test.units)} characters to judge on, "
        f"{given.episodes} episodes, {given.seconds:g} CPU-seconds of training, {given.views} views, "
        f"seed {given.seed}"
    )
    found: dict[str, tuple[Ready, dict[int, Evaluation]]] = {}
    for name in chosen:
        began = time.perf_counter()
        ready = METHODS[name](pools, given.seconds, given.seed)
        pool = embedded(pools.test, ready.encoder, given.views) if ready.encoder is not None else pools.test
        found[name] = (
            ready,
            {shots: evaluate(ready.learner, judged_episodes(pool, shots, given.episodes)) for shots in SHOTS},
        )
        results = ", ".join(f"{shots}-shot {result}" for shots, result in found[name][1].items())
        console.print(f"{name}: {results}; {time.perf_counter() - began:.0f} s by the clock")
    show(console, found)


def show(console: Console, found: dict[str, tuple[Ready, dict[int, Evaluation]]]) -> None:
    """A line a method, best first, and the best beside the aims."""
    table = Table(title="accuracy in per cent, 95% interval over episodes")
    for heading in ("method", "1-shot", "5-shot", "statistics", "training CPU s", "steps", "ms an episode"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for name, (ready, results) in sorted(found.items(), key=lambda item: -item[1][1][1].mean):
        count = sum(len(result.per_episode) for result in results.values())
        milliseconds = 1000 * sum(result.seconds for result in results.values()) / count
        table.add_row(
            name,
            *(f"{100 * results[shots].mean:.1f} ± {100 * results[shots].half_width:.1f}" for shots in SHOTS),
            "transductive" if ready.learner.transductive else "inductive",
            f"{ready.seconds:.0f}",
            str(ready.steps),
            f"{milliseconds:.1f}",
        )
    console.print(table)
    for shots, aim in AIMS.items():
        best = max(found, key=lambda name: found[name][1][shots].mean)
        mean = found[best][1][shots].mean
        reached = "reached" if mean >= aim else "missed"
        console.print(f"{shots}-shot: best is {best} with {100 * mean:.1f}; aim {100 * aim:.0f}, {reached}")


if __name__ == "__main__":
    main()
