"""Does the verdict keep its promises? Studies of simulated problems whose truth is known.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py --quick      # about 2 minutes on one core
    OMP_NUM_THREADS=1 python benchmarks/calibration.py              # about 12 minutes
    OMP_NUM_THREADS=1 python benchmarks/calibration.py --studies 40 --workers 2   # for narrower errors

Every setting (`simulated.Setting`) is drawn anew for every study; studies run sharewise's own protocol on
two repeats of five outer folds, without scouting and budget. The truth of a setting is measured on many
fresh training sets, each as large as a round's. Printed, each beside its aim, with Monte Carlo standard
errors:

* coverage of 90% intervals: of the mean gain over tasks, and of single tasks;
* false verdicts (at the default 95% and a ROPE of 1%) where tasks have nothing to tell each other;
* power where the true gain is twice the ROPE, and its course over the ratio of gain and noise;
* of the tasks told to share, how many lose more than the ROPE in truth;
* of the tasks said to need so many labels, how many are settled when they have them.

Deterministic for the same options.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from rich.console import Console
from sharewise.verdicts import Evidence, decide, need
from sharewise.verdicts._need import settles

import calibration_measures as measure
from calibration_measures import ROPE, Asked, Rate, Studied, total
from simulated import Setting, evidence_of, truth_of

MOST_FACTOR = 6.0
"""Questions said to need more labels than this, as a multiple, are not followed up."""
FOLLOWED = 2
"""Questions of each kind that are followed up in a setting."""
CONFIDENCE = 0.95

SETTINGS = (
    Setting("wide, unrelated", tasks=3, rows=100, relatedness=0.0, role="null"),
    Setting(
        "wide, unrelated, common noise", tasks=4, rows=100, relatedness=0.0, common_noise=0.6, role="null"
    ),
    Setting("wide, all but one permuted", permuted=3, role="null"),
    Setting("wide, all permuted", tasks=3, rows=100, permuted=3, role="null"),
    Setting("long, unrelated", "long", tasks=5, features=4, rows=30, relatedness=0.0, role="null"),
    Setting("long, all permuted", "long", tasks=5, features=4, rows=30, permuted=5, role="null"),
    Setting("wide, related, few rows"),
    Setting("wide, related, common noise", tasks=6, features=10, rows=150, common_noise=0.5),
    Setting("wide, half related", tasks=5, rows=150, relatedness=0.7, rank=2),
    Setting("wide, two strangers", tasks=8, features=10, rows=160, strangers=2),
    Setting("long, related, few rows", "long", tasks=6, features=5, rows=25),
    Setting("long, half related", "long", tasks=8, features=4, rows=40, relatedness=0.8),
    Setting("long, two strangers", "long", tasks=8, features=5, rows=60, relatedness=0.95, strangers=2),
    Setting("wide, 8 tasks of 240 rows", tasks=8, features=12, rows=240, role="power"),
    Setting(
        "long, 20 tasks of 60 rows", "long", tasks=20, features=6, rows=60, relatedness=0.95, role="power"
    ),
    Setting("long, 10 tasks of 90 rows", "long", tasks=10, features=6, rows=90, relatedness=0.95),
    Setting("binary, related", kind="binary", tasks=3, features=5, rows=150, noise=0.7),
    Setting("trees too, bent", tasks=3, features=5, rows=120, bends=True, families=("linear", "trees")),
)
OFTEN = {"binary, related": 0.5, "trees too, bent": 0.5} | {
    setting.name: 1.5 for setting in SETTINGS if setting.role == "power"
}
"""How often a setting is studied, as a multiple: the slow ones less, where power is promised more."""
QUICK = (
    "wide, unrelated",
    "wide, all permuted",
    "long, all permuted",
    "wide, two strangers",
    "long, two strangers",
    "wide, 8 tasks of 240 rows",
)


def study(setting: Setting, studies: int, sets: int) -> Studied:
    """One setting: its truth, its studies, and those that were told to come back with more labels."""
    evidence = tuple(evidence_of(setting, seed) for seed in range(studies))
    asked = tuple(_followed(setting, evidence)) if setting.role == "other" else ()
    return Studied(setting, truth_of(setting, sets=sets), evidence, asked)


def _followed(setting: Setting, studies: tuple[Evidence, ...]) -> Iterator[Asked]:
    """Fresh studies with as many labels as open questions were said to need: an undecided verdict, and of a
    study's open tasks the one of median need."""
    left = {"verdict": FOLLOWED, "task": FOLLOWED}
    for seed, one in enumerate(studies):
        decision = decide(one)
        assert decision.overall is not None
        wanted = need(decision.overall, rope=ROPE, confidence=CONFIDENCE).factor
        if decision.outcome == "undecided" and _within_reach(wanted) and left["verdict"]:
            left["verdict"] -= 1
            again = decide(evidence_of(setting, 10_000 + seed, rows=round(setting.rows * wanted)))
            yield Asked("verdict", wanted, again.outcome != "undecided")
        open_tasks = sorted(
            (task.need.factor, place)
            for place, task in enumerate(decision.tasks)
            if task.need is not None and _within_reach(task.need.factor)
        )
        if open_tasks and left["task"]:
            left["task"] -= 1
            factor, place = open_tasks[len(open_tasks) // 2]
            more = evidence_of(setting, 20_000 + seed, rows=round(setting.rows * factor))
            level = 1 - (1 - CONFIDENCE) / setting.tasks
            found = decide(replace(more, confidence=level)).tasks[place].difference
            assert found.interval is not None
            half = (found.interval[1] - found.interval[0]) / 2
            yield Asked("task", factor, settles(found.mean, half, rope=ROPE))


def _within_reach(factor: float) -> bool:
    return 1.2 < factor <= MOST_FACTOR


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="six settings, few studies")
    parser.add_argument("--studies", type=int, help="of each setting (12; 8 with --quick)")
    parser.add_argument("--sets", type=int, help="training sets behind each truth (24; 12 with --quick)")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    studies = given.studies or (8 if given.quick else 12)
    sets = given.sets or (12 if given.quick else 24)
    chosen = [setting for setting in SETTINGS if not given.quick or setting.name in QUICK]
    counts = [round(studies * OFTEN.get(setting.name, 1)) for setting in chosen]
    console = Console(highlight=False, width=132)
    started = time.monotonic()
    found: list[Studied] = []
    console.print(f"{'setting':31} {'true gain':>15} {'bias':>6} {'cover':>6} {'tasks':>6}  V/s²  outcomes")
    for studied in _mapped(chosen, counts, sets, given.workers):
        found.append(studied)
        console.print(line(studied))
    console.print()
    for text in summary(found):
        console.print(text)
    console.print(f"{time.monotonic() - started:.0f} s")


def _mapped(chosen: list[Setting], counts: list[int], sets: int, workers: int) -> Iterator[Studied]:
    """Settings studied one after another or, with more workers than one, side by side; in order."""
    jobs = (chosen, counts, [sets] * len(chosen))
    if workers == 1:
        yield from map(study, *jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(study, *jobs)


def line(studied: Studied) -> str:
    """A setting in one line."""
    decisions = studied.decisions()
    means = np.array([decision.overall.mean for decision in decisions if decision.overall is not None])
    bias = (means.mean() - studied.gain) / np.hypot(
        means.std(ddof=1) / np.sqrt(len(means)), studied.gain_error
    )
    overall, tasks = measure.coverage(studied)
    outcomes = Counter(decision.outcome for decision in decisions)
    return (
        f"{studied.setting.name:31} {100 * studied.gain:+6.2f}% ± {100 * studied.gain_error:4.2f}% {bias:+5.1f}σ "
        f"{100 * overall.share:5.0f}% {100 * tasks.share:5.0f}%  {measure.width(studied):.2f}  "
        + ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    )


def verdict(name: str, rate: Rate, *, low: float = 0.0, high: float = 1.0) -> str:
    """A figure beside its aim."""
    if not rate.cases:
        return f"{name:58} no case"
    aim = (
        f"{100 * low:.0f}% to {100 * high:.0f}%"
        if low > 0 and high < 1
        else (f"at least {100 * low:.0f}%" if low > 0 else f"at most {100 * high:.0f}%")
    )
    met = "met" if low <= rate.share <= high else "FALLS SHORT"
    return f"{name:58} {rate}   aim: {aim}: {met}"


def summary(found: list[Studied]) -> Iterator[str]:
    """All promises."""
    covered = [measure.coverage(studied) for studied in found]
    yield verdict(
        "Coverage of 90% intervals, mean over tasks", total([a for a, _ in covered]), low=0.86, high=0.94
    )
    yield verdict(
        "Coverage of 90% intervals, single tasks", total([b for _, b in covered]), low=0.86, high=0.94
    )
    null = [studied for studied in found if studied.setting.role == "null"]
    yield verdict(
        "False verdicts on null problems", total([measure.false_verdicts(s) for s in null]), high=0.05
    )
    rest = [studied for studied in found if studied.setting.role != "null"]
    yield f"{'The same on all others':58} {total([measure.false_verdicts(s) for s in rest])}"
    for studied in found:
        if studied.setting.role == "power":
            name = f"Power at a gain ({100 * studied.gain:.1f}%) of twice the ROPE: {studied.setting.name}"
            yield verdict(name, measure.power(studied), low=0.9)
    told = total([measure.harmed(studied) for studied in found])
    yield verdict("Of tasks told to share, lose more than the ROPE", told, high=0.05)
    some = total([measure.harmed(studied) for studied in found if (studied.gains < -ROPE).any()])
    yield f"{'The same where some task does':58} {some}"
    for what in ("verdict", "task"):
        asked = [one.settled for studied in found for one in studied.asked if one.what == what]
        name = f"Open {what}s settled by the labels they were said to need"
        yield verdict(name, Rate(sum(asked), len(asked)), low=0.5)
    yield "Power by the ratio of the true gain and the noise of a study's estimate (ROPE: half the gain):"
    gaining = sorted((s for s in found if s.gain > 2 * s.gain_error), key=measure.ratio)
    for studied in gaining:
        yield f"  {measure.ratio(studied):5.1f}  {measure.power(studied)}  {studied.setting.name}"


if __name__ == "__main__":
    main()
