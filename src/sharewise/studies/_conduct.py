"""The study itself: a scouting round, a plan, then whole rounds while the budget lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from sharewise.errors import StorageError
from sharewise.families import Model
from sharewise.problems import Problem
from sharewise.studies._assemble import Candidate, assemble
from sharewise.studies._execution import Workers
from sharewise.studies._plan import (
    FINISH,
    SCOUT_ROWS,
    SCOUT_SHARE,
    SPARE,
    Clock,
    choose_plan,
    more_rounds,
    round_seconds,
)
from sharewise.studies._progress import Progress
from sharewise.studies._protocol import Plan, Protocol, make_round, outer_rows, rounds_at_most
from sharewise.studies._storage import TrialStore
from sharewise.studies._trial import CONSTANT, Recipe, Result, Spec, refit, run_trial, specs_for


@dataclass(frozen=True)
class Findings:
    """What a study has to show.

    Attributes:
        plan: What was run.
        rounds: Candidates of each complete round.
        unfinished: Rows of the table that no complete round has, with the reason.
        overlap: Test rows per training row.
        notes: Sentences the user should read.
    """

    plan: Plan
    rounds: tuple[tuple[Candidate, ...], ...]
    unfinished: dict[str, str]
    overlap: float
    notes: tuple[str, ...]


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


def conduct(
    problem: Problem,
    protocol: Protocol,
    store: TrialStore,
    workers: Workers,
    clock: Clock,
    progress: Progress,
) -> Findings:
    """Run what is missing of the plan; trials already kept are not run again."""
    most_rounds = rounds_at_most(problem, protocol)
    plan = _kept_plan(store)
    if plan is None:
        plan = _scouted_plan(problem, protocol, store, workers, clock, progress, most_rounds)
        store.put("plan", asdict(plan))
    train_rows = len(outer_rows(problem, protocol, 0)[0][0])
    round_rows = min(plan.cap or train_rows, train_rows)
    growth = round_rows / min(SCOUT_ROWS, train_rows)
    a_round = _typical_round(store, plan, protocol.workers, growth)
    reserve = FINISH + a_round * (plan.refit or len(problem)) / round_rows
    _run(
        problem, protocol, store, workers, clock, progress, _specs(problem, protocol, plan), "Trials", reserve
    )
    while (more := more_rounds(plan.rounds, most_rounds)) is not None:
        a_round = _typical_round(store, plan, protocol.workers, growth)
        reserve = FINISH + a_round * (plan.refit or len(problem)) / round_rows
        seconds = (more - plan.rounds) * a_round
        left = clock.left(reserve=reserve)
        if left is not None and seconds > left * SPARE:
            break
        plan = replace(plan, rounds=more)
        store.put("plan", asdict(plan))
        specs = _specs(problem, protocol, plan)
        _run(problem, protocol, store, workers, clock, progress, specs, "More trials", reserve)
    progress.phase("Deciding", 0)
    return _findings(problem, protocol, store, plan)


def refit_all(
    problem: Problem,
    protocol: Protocol,
    plan: Plan,
    recipes: Sequence[Recipe],
    workers: Workers,
    progress: Progress,
) -> list[Model]:
    """Each recipe fitted on all rows."""
    progress.phase("Refitting the winner", len(recipes))
    jobs = [partial(refit_job, protocol, plan, recipe) for recipe in recipes]
    models: dict[int, Model] = {}
    for place, model in workers.map(jobs, lambda: None):
        models[place] = model
        progress.advance(f"{recipes[place].strategy} {recipes[place].family}")
    return [models[place] for place in range(len(recipes))]


def _kept_plan(store: TrialStore) -> Plan | None:
    kept = store.get("plan")
    return None if kept is None else Plan(**kept)


def _specs(problem: Problem, protocol: Protocol, plan: Plan) -> list[Spec]:
    return [spec for index in range(plan.rounds) for spec in specs_for(problem, protocol, plan, index)]


def _run(
    problem: Problem,
    protocol: Protocol,
    store: TrialStore,
    workers: Workers,
    clock: Clock,
    progress: Progress,
    specs: Sequence[Spec],
    phase: str,
    reserve: float,
) -> list[Result]:
    """Run the specs that are not kept yet; what the deadline cuts may be run again another time."""
    finished = {key for key, status in store.statuses().items() if status != "cut"}
    missing = [spec for spec in specs if spec.key not in finished]
    if not missing:
        return []
    progress.phase(phase, len(missing))
    jobs = [partial(trial_job, protocol, spec) for spec in missing]
    found = []
    for _, result in workers.map(jobs, lambda: clock.left(reserve=reserve)):
        store.add(result)
        found.append(result)
        spec = result.spec
        progress.advance(f"{spec.strategy} {spec.family}, round {spec.index + 1}")
        if result.status == "failed":
            progress.note(f"{spec.strategy}/{spec.family} {spec.configuration} failed: {result.message}")
    return found


def _scouted_plan(
    problem: Problem,
    protocol: Protocol,
    store: TrialStore,
    workers: Workers,
    clock: Clock,
    progress: Progress,
    most_rounds: int,
) -> Plan:
    train_rows = len(outer_rows(problem, protocol, 0)[0][0])
    cap = SCOUT_ROWS if train_rows > SCOUT_ROWS else None
    scouting = Plan(0, 1, cap)
    budget = clock.budget
    reserve = 0.0 if budget is None else max(budget * (1 - SCOUT_SHARE), FINISH)
    specs = specs_for(problem, protocol, scouting, 0)
    _run(problem, protocol, store, workers, clock, progress, specs, "Scouting", reserve)
    scout = [result for result in store.results(predictions=False) if result.spec.effort == 0]
    return choose_plan(
        scout,
        clock,
        most_rounds=most_rounds,
        all_rows=len(problem),
        train_rows=train_rows,
        scout_rows=min(train_rows, cap or train_rows),
        workers=protocol.workers,
    )


def _typical_round(store: TrialStore, plan: Plan, workers: int, growth: float) -> float:
    """Wall-clock seconds of a round of this plan as measured; before there is one, as planned.

    Args:
        growth: Training rows of a round as a multiple of the scouting round's.
    """
    results = store.results(predictions=False)
    own = [r for r in results if (r.spec.effort, r.spec.cap) == (plan.effort, plan.cap)]
    seconds: dict[int, float] = {}
    for result in own:
        seconds[result.spec.index] = seconds.get(result.spec.index, 0.0) + result.seconds
    if seconds:
        return float(np.median(list(seconds.values()))) / workers
    scout = [r for r in results if r.spec.effort == 0]
    return round_seconds(scout, effort=plan.effort, rows=growth, workers=workers)


def _findings(problem: Problem, protocol: Protocol, store: TrialStore, plan: Plan) -> Findings:
    rounds: list[tuple[Candidate, ...]] = []
    overlaps: list[float] = []
    notes: list[str] = []
    unfinished: dict[str, str] = {}
    wanted: set[str] = set()
    for index in range(plan.rounds):
        specs = specs_for(problem, protocol, plan, index)
        keys = {spec.key for spec in specs}
        wanted |= {f"{spec.strategy}/{spec.family}" for spec in specs}
        results = [r for r in store.results(index=index) if r.spec.key in keys]
        done = {r.spec.key for r in results if r.status != "cut"}
        cut = keys - done
        for spec in specs:
            if spec.key in cut:
                unfinished.setdefault(f"{spec.strategy}/{spec.family}", "its trials were cut by the budget")
        if cut and (rounds or not any(r.spec.strategy != CONSTANT and r.status == "done" for r in results)):
            continue  # incomplete rounds would favour what happened to finish
        around = make_round(problem, protocol, plan, index)
        order = {spec.key: place for place, spec in enumerate(specs)}
        results.sort(key=lambda r: order[r.spec.key])
        rounds.append(tuple(assemble(problem, around, results)))
        overlaps.append(len(around.test) / max(len(around.train), 1))
        for result in results:
            if result.status == "failed":
                note = f"{result.spec.strategy}/{result.spec.family} {result.spec.configuration} failed: {result.message}"
                notes.append(note)
    have = set.intersection(*[{c.name for c in candidates} for candidates in rounds]) if rounds else set()
    missing = {name: unfinished.get(name, "its trials failed") for name in sorted(wanted - have)}
    if len(rounds) < plan.rounds:
        notes.append(f"{len(rounds)} of {plan.rounds} planned rounds were finished within the budget.")
    if plan.cap is not None:
        notes.append(
            f"The budget allowed only {plan.cap:,} training rows a round; with all rows sharing may matter less. "
            "Give a larger --budget."
        )
    if plan.refit is not None:
        notes.append(
            f"The budget allows fitting the winner on {plan.refit:,} of {len(problem):,} rows. Give a larger --budget."
        )
    overlap = float(np.mean(overlaps)) if overlaps else 0.0
    return Findings(plan, tuple(rounds), missing, overlap, tuple(dict.fromkeys(notes)))
