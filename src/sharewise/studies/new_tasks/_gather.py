"""From kept trials to the findings that a verdict on new tasks rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES
from sharewise.studies._bench import Bench
from sharewise.studies._trial import CONSTANT, Result, Spec
from sharewise.studies.new_tasks._findings import Entry, NewFindings, NewRound
from sharewise.studies.new_tasks._plan import NewPlan
from sharewise.studies.new_tasks._tasks import make_task_round, ways_of
from sharewise.studies.new_tasks._trial import mean_known, served
from sharewise.tasks import Array, Metric

LEAST_TASKS = 2
"""Test tasks a round below which nothing is said of a number of labels."""


def share_left(y: Array, prediction: Array) -> float:
    """Stands where errors of several targets were averaged; never computed from predictions."""
    raise AssertionError("errors of several targets are shares of the constant's")


SHARES = Metric("share of the constant's error", False, 0.0, "error", share_left)
"""The metric of tasks with several targets: each target's error is divided by the constant's of the round."""


def gather(bench: Bench, plan: NewPlan, wanted: Sequence[Sequence[Spec]]) -> NewFindings:
    """Every complete round; where not even the first is, what finished of it."""
    problem, protocol = bench.problem, bench.protocol
    rounds: list[NewRound] = []
    notes: list[str] = []
    unfinished: dict[str, None] = {}
    overlaps: list[float] = []
    for specs in wanted:
        index = specs[0].index
        keys = {spec.key for spec in specs}
        results = [r for r in bench.store.results(index=index) if r.spec.key in keys]
        ended = {r.spec.key for r in results if r.status != "cut"}
        for spec in specs:
            if spec.key not in ended:
                unfinished[f"{spec.strategy}/{spec.family}"] = None
        if len(ended) < len(keys) and rounds:
            continue
        for result in results:
            if result.status == "failed":
                name = f"{result.spec.strategy}/{result.spec.family}"
                notes.append(f"{name} {result.spec.configuration} failed: {result.message}")
                unfinished[name] = None
        around = make_task_round(problem, protocol, index)
        entries = _entries([r for r in results if r.status == "done"], len(problem.targets))
        rounds.append(NewRound(index, around.repeat, entries, served(problem, protocol, plan, index)))
        overlaps.append(len(around.test) / (len(around.train) + len(around.valid)))
    asked = [
        at for at in range(len(protocol.shots)) if all(found.tasks[at] >= LEAST_TASKS for found in rounds)
    ]
    left_out = [str(k) for at, k in enumerate(protocol.shots) if at not in asked]
    if left_out and rounds:
        noun = "label" if left_out == ["1"] else "labels"
        notes.append(
            f"Too few tasks have rows for a study with {', '.join(left_out)} {noun}: nothing is said of it."
        )
    if len(rounds) < plan.rounds:
        notes.append(f"{len(rounds)} of {plan.rounds} planned rounds were finished within the budget.")
    return NewFindings(
        tuple(protocol.shots[at] for at in asked),
        ways_of(problem, protocol),
        tuple(_only(found, asked) for found in rounds),
        float(np.mean(overlaps)) if overlaps else 0.0,
        plan.rounds,
        tuple(unfinished),
        tuple(dict.fromkeys(notes)),
        problem.targets[0].metric if len(problem.targets) == 1 else SHARES,
        plan.seconds,
    )


def _entries(results: Sequence[Result], targets: int) -> tuple[Entry, ...]:
    floor = next((r for r in results if r.spec.strategy == CONSTANT), None)
    return tuple(_entry(result, targets, floor) for result in results)


def _entry(result: Result, targets: int, floor: Result | None) -> Entry:
    valid, tests, scores = result.held_out, result.test[0 : 2 * targets : 2], result.test[1 : 2 * targets : 2]
    if targets > 1 and floor is not None:
        # Targets have units of their own: each counts by its share of what the constant leaves in the round.
        bars = [float(mean_known(values.ravel())) for values in floor.test[0 : 2 * targets : 2]]
        valid = [values / max(bar, 1e-12) for values, bar in zip(valid, bars, strict=True)]
        tests = scores = [values / max(bar, 1e-12) for values, bar in zip(tests, bars, strict=True)]
    seconds, adapt_ms = result.test[-1][:2]
    spec = result.spec
    return Entry(
        spec.strategy, spec.family, str(spec.configuration), NEW_TASK_STRATEGIES[spec.strategy].shares,
        _averaged(valid), _averaged(tests), _averaged(scores), float(seconds), float(adapt_ms),
        result.predict_ms_per_1000_rows, result.size_bytes, result.fits, result.steps,
    )  # fmt: skip


def _averaged(values: Sequence[Array]) -> Array:
    """Over targets that have as many test tasks; else those of the first."""
    if len({array.shape for array in values}) > 1:
        return values[0]
    return mean_known(np.stack(values, axis=-1))


def _only(found: NewRound, asked: Sequence[int]) -> NewRound:
    """The round with some numbers of labels."""
    at = list(asked)
    entries = tuple(replace(e, valid=e.valid[at], test=e.test[at], score=e.score[at]) for e in found.entries)
    return replace(found, entries=entries, tasks=tuple(found.tasks[place] for place in at))
