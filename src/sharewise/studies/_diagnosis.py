"""The diagnosis: one plain network watched while it learns all tasks, for hints at who pulls against whom.

Hints only. It takes a small share of the budget before the further rounds, and what it found (or that there
was no time for it, or that it failed) is kept with the trials, so that the study can be walked again.

Symbols: ``T`` tasks, ``E`` epochs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any, ClassVar

import numpy as np

from sharewise.errors import WorkerError
from sharewise.families import FAMILIES, Configuration, OutOfTime, Run, Sample
from sharewise.problems import Problem
from sharewise.studies._bench import Bench
from sharewise.studies._protocol import Plan, Protocol, make_round
from sharewise.tasks import Array

KEY = "diagnosis"
FAMILY = "network"
"""Gradients are a network's."""
LEAST_EFFORT = 1
FEWEST, MOST = 2, 16
"""Tasks."""
SHARE, MOST_SECONDS = 0.08, 20.0
"""Of the budget, and seconds, at most."""
LEAST_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was seen; NaN where nothing was.

    Attributes:
        tasks: Names, in the problem's order; those with too few labels are left out.
        learner: The configuration, in words.
        rows, held_out: That it was trained on, and that the last three were measured on.
        epochs, steps: Of the shared network.
        seconds: For everything.
        lengths: ``(E, T)`` mean length of each task's gradient of the shared weights, its loss divided by that of
            the best constant.
        cosine: ``(E,)`` mean cosine between two tasks' gradients, over steps and pairs.
        conflict: ``(E,)`` share of steps and pairs whose cosine is below zero.
        apart: ``(T, T)`` share of all steps in which the two are.
        lookahead: ``(T, T)`` how much a step on the row's task lowers the column's loss, at the end.
        cosines: ``(T, T)`` between gradients, at the end.
        similarity: ``(T, T)`` of the representations of networks that learnt one task each; all NaN where time
            was over before.
    """

    tasks: tuple[str, ...]
    learner: str
    rows: int
    held_out: int
    epochs: int
    steps: int
    seconds: float
    lengths: Array = field(repr=False)
    cosine: Array = field(repr=False)
    conflict: Array = field(repr=False)
    apart: Array = field(repr=False)
    lookahead: Array = field(repr=False)
    cosines: Array = field(repr=False)
    similarity: Array = field(repr=False)

    _ARRAYS: ClassVar[tuple[str, ...]] = (
        "lengths", "cosine", "conflict", "apart", "lookahead", "cosines", "similarity",
    )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """JSON-plain, None for NaN."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Diagnosis:
        """From `as_dict`."""
        values = {one.name: record[one.name] for one in fields(cls)}
        arrays = {name: np.array(values[name], dtype=np.float64) for name in cls._ARRAYS}
        return cls(**values | arrays | {"tasks": tuple(record["tasks"])})


def diagnosis_seconds(bench: Bench, plan: Plan) -> float:
    """Seconds kept for the diagnosis; 0 where there is to be none."""
    tasks = len(bench.problem.tasks)
    if FAMILY not in bench.protocol.families or plan.effort < LEAST_EFFORT or not FEWEST <= tasks <= MOST:
        return 0.0
    if not _plain_configurations(bench.problem, plan):
        return 0.0
    budget = bench.clock.budget
    return MOST_SECONDS if budget is None else min(SHARE * budget, MOST_SECONDS)


def diagnose(bench: Bench, plan: Plan, reserve: float) -> None:
    """Watch a network, unless that was done or given up before.

    Args:
        reserve: Seconds of the budget that are for what comes after.
    """
    seconds = diagnosis_seconds(bench, plan)
    if not seconds or bench.store.get(KEY) is not None:
        return
    left = bench.clock.left(reserve=reserve)
    seconds = seconds if left is None else min(seconds, left)
    record: dict[str, Any] = {"status": "cut"}
    if seconds >= LEAST_SECONDS:
        bench.progress.phase("Hints", 1)
        end = time.monotonic() + seconds
        job = partial(diagnosis_job, bench.protocol, plan)
        try:
            for _, seen in bench.workers.map([job], lambda: end - time.monotonic()):
                record = seen
                bench.progress.advance("gradients of one network")
        except WorkerError as error:  # hints are not worth a study
            record = {"status": "failed", "why": str(error)}
    bench.store.put(KEY, record)


def diagnosis_of(bench: Bench) -> tuple[Diagnosis | None, str | None]:
    """What was seen, or else why it failed; neither where it was not looked for, or cut."""
    record = bench.store.get(KEY) or {}
    if record.get("status") == "done":
        return Diagnosis.of(record["seen"]), None
    return None, record.get("why")


def diagnosis_job(protocol: Protocol, plan: Plan, problem: Problem, deadline: float | None) -> dict[str, Any]:
    """As a job for workers; a failure is a value."""
    from sharewise.studies._watch import watch

    try:
        around = make_round(problem, protocol, plan, 0)
        sample = Sample.of(problem, around.train, around.folds)
        run = Run(seed=around.seed, deadline=deadline, effort=plan.effort)
        seen = watch(problem, sample, _plain_configuration(problem, plan), run)
    except OutOfTime:
        return {"status": "cut"}
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the verdict stands
        return {"status": "failed", "why": f"{type(error).__name__}: {error}"}
    return {"status": "cut"} if seen is None else {"status": "done", "seen": seen.as_dict()}


def _plain_configuration(problem: Problem, plan: Plan) -> Configuration:
    return _plain_configurations(problem, plan)[0]


def _plain_configurations(problem: Problem, plan: Plan) -> list[Configuration]:
    """Of networks over plain tables and users' encoders; none where only readers can learn from the rows."""
    family = FAMILIES[FAMILY]
    listed = family.configurations(problem, effort=plan.effort, together=True)
    return [one for one in listed if family.reader_of(one) is None]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value
