"""The study itself: a scouting round, a plan, then whole rounds while the budget lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from sharewise.errors import StorageError
from sharewise.families import Model
from sharewise.problems import Problem
from sharewise.studies._execution import Workers
from sharewise.studies._findings import Findings, gather
from sharewise.studies._plan import (
    FINISH,
    SCOUT_ROWS,
    SCOUT_SHARE,
    Clock,
    Scouted,
    choose_plan,
)
from sharewise.studies._progress import Progress
from sharewise.studies._protocol import Plan, Protocol, outer_rows, rounds_at_most
from sharewise.studies._storage import TrialStore
from sharewise.studies._trial import Recipe, Result, Spec, refit, run_trial, specs_for


@dataclass(frozen=True)
class Bench:
    """What a study is conducted with.

    Attributes:
        problem, protocol: What is compared, and how.
        store: The ledger.
        workers: Who fits.
        clock: How long there is.
        progress: Who is told.
    """

    problem: Problem
    protocol: Protocol
    store: TrialStore
    workers: Workers
    clock: Clock
    progress: Progress

    def train_rows(self) -> int:
        """Training rows of an outer fold."""
        return len(outer_rows(self.problem, self.protocol, 0)[0][0])


def trial_job(protocol: Protocol, spec: Spec, problem: Problem, deadline: float | None) -> Result:
    """`run_trial` as a job for workers."""
    return run_trial(problem, protocol, spec, deadline)


def refit_job(
    protocol: Protocol, plan: Plan, recipe: Recipe, problem: Problem, deadline: float | None
) -> Model:
    """`refit` as a job for workers."""
    return refit(problem, protocol, plan, recipe)


def check_same_study(store: TrialStore, settings: dict[str, object]) -> None:
    """Refuse to mix trials of different data or settings in one file.

    Raises:
        StorageError: The file belongs to another study.
    """
    kept = store.get("settings")
    if kept is None:
        store.put("settings", settings)
        return
    other = [key for key, value in settings.items() if kept.get(key) != value]
    if other:
        raise StorageError(
            f"{store.path} holds a study with other {', '.join(other)}; choose another --out, or remove the folder."
        )


def conduct(bench: Bench) -> Findings:
    """Run what is missing of the plan; trials already kept are not run again.

    The plan is made once and kept: whatever interrupts the study, it ends with the same rounds.
    """
    most_rounds = rounds_at_most(bench.problem, bench.protocol)
    kept = bench.store.get("plan")
    plan = _scouted_plan(bench, most_rounds) if kept is None else Plan(**kept)
    bench.store.put("plan", asdict(plan))
    _run(bench, _specs(bench, plan), "Trials", _reserve(bench, plan))
    bench.progress.phase("Deciding", 0)
    return gather(bench.problem, bench.protocol, bench.store, plan)


def refit_all(bench: Bench, plan: Plan, recipes: Sequence[Recipe]) -> list[Model]:
    """Each recipe fitted on all rows, or on as many as the plan allows."""
    bench.progress.phase("Refitting the winner", len(recipes))
    jobs = [partial(refit_job, bench.protocol, plan, recipe) for recipe in recipes]
    models: dict[int, Model] = {}
    for place, model in bench.workers.map(jobs, lambda: None):
        models[place] = model
        bench.progress.advance(f"{recipes[place].strategy} {recipes[place].family}")
    return [models[place] for place in range(len(recipes))]


def _specs(bench: Bench, plan: Plan) -> list[Spec]:
    return [
        spec for index in range(plan.rounds) for spec in specs_for(bench.problem, bench.protocol, plan, index)
    ]


def _run(bench: Bench, specs: Sequence[Spec], phase: str, reserve: float) -> None:
    """Run the specs that are not kept yet; what the deadline cuts may be run again another time."""
    finished = {key for key, status in bench.store.statuses().items() if status != "cut"}
    missing = [spec for spec in specs if spec.key not in finished]
    if not missing:
        return
    bench.progress.phase(phase, len(missing))
    jobs = [partial(trial_job, bench.protocol, spec) for spec in missing]
    for _, result in bench.workers.map(jobs, lambda: bench.clock.left(reserve=reserve)):
        bench.store.add(result)
        spec = result.spec
        bench.progress.advance(f"{spec.strategy} {spec.family}, round {spec.index + 1}")
        if result.status == "failed":
            bench.progress.note(
                f"{spec.strategy}/{spec.family} {spec.configuration} failed: {result.message}"
            )


def _scouted_plan(bench: Bench, most_rounds: int) -> Plan:
    train_rows = bench.train_rows()
    budget = bench.clock.budget
    # Under a budget of seconds, loading the libraries has taken its part already.
    reserve = 0.0 if budget is None else min(max(budget * (1 - SCOUT_SHARE), FINISH), 2 * FINISH + budget / 4)
    _run(bench, _scouting_specs(bench), "Scouting", reserve)
    return choose_plan(
        _scouted(bench),
        bench.clock,
        most_rounds=most_rounds,
        all_rows=len(bench.problem),
        train_rows=train_rows,
    )


def _scouting_specs(bench: Bench) -> list[Spec]:
    cap = SCOUT_ROWS if bench.train_rows() > SCOUT_ROWS else None
    return specs_for(bench.problem, bench.protocol, Plan(0, 1, cap), 0)


def _scouted(bench: Bench) -> Scouted:
    specs = _scouting_specs(bench)
    keys = {spec.key for spec in specs}
    results = [
        result for result in bench.store.results(index=0, predictions=False) if result.spec.key in keys
    ]
    rows = min(bench.train_rows(), SCOUT_ROWS)
    return Scouted.of(results, specs, rows=rows, workers=bench.protocol.workers)


def _typical_round(bench: Bench, plan: Plan) -> float:
    """Wall-clock seconds of a round of this plan as measured; before there is one, as planned."""
    seconds: dict[int, float] = {}
    for result in bench.store.results(predictions=False):
        if (result.spec.effort, result.spec.cap) == (plan.effort, plan.cap):
            seconds[result.spec.index] = seconds.get(result.spec.index, 0.0) + result.seconds
    if seconds:
        return float(np.median(list(seconds.values()))) / bench.protocol.workers
    return _scouted(bench).round_seconds(plan.effort, _round_rows(bench, plan))


def _round_rows(bench: Bench, plan: Plan) -> int:
    train_rows = bench.train_rows()
    return train_rows if plan.cap is None else min(plan.cap, train_rows)


def _reserve(bench: Bench, plan: Plan) -> float:
    """Seconds for what comes after the trials: the winner is at most a whole round's models, on all rows."""
    rows = len(bench.problem) if plan.refit is None else plan.refit
    return FINISH + _typical_round(bench, plan) * rows / _round_rows(bench, plan)
