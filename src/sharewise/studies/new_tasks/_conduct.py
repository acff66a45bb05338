"""The study of new tasks: a plan, a first round of everything, then what may still be the best at some number of labels.

The plan depends on the clock and is kept with the trials; who leaves follows from the first round's validation errors.
So a study that was interrupted walks the same way again, and trials already kept are not run again. Trials learn for a
number of CPU seconds, so one that is run again need not repeat to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np

from sharewise.problems import Problem
from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES
from sharewise.studies._bench import Bench
from sharewise.studies._plan import FINISH
from sharewise.studies._protocol import EFFORTS, Protocol
from sharewise.studies._trial import Recipe, Result, Spec
from sharewise.studies.new_tasks._findings import NewFindings
from sharewise.studies.new_tasks._gather import gather
from sharewise.studies.new_tasks._plan import LEARNING, Cheap, NewPlan, choose_plan
from sharewise.studies.new_tasks._refit import refit_seconds
from sharewise.studies.new_tasks._sample import default_draws, sample_of
from sharewise.studies.new_tasks._tasks import make_task_round, rounds_at_most
from sharewise.studies.new_tasks._trial import mean_known, run_new_trial

FAMILIES = ("none", "linear", "trees", "network")
DESCENDS = "network"
"""The family whose configurations learn by gradient descent, which fills any time."""
STANDARD = EFFORTS.index("standard")
NEAR = 0.03
"""A configuration whose validation error is within this share of the least of its strategy and family, at some
number of labels, goes on to the further rounds."""
MOST_KEPT = 3
"""Configurations of a strategy and family that go on at most."""


def conduct_new(bench: Bench) -> NewFindings:
    """Run what is missing of the study."""
    plan = plan_of(bench)
    everything = specs_of(bench.problem, bench.protocol, plan.effort)
    wanted: list[list[Spec]] = [everything]
    reserve = FINISH + refit_seconds(plan)
    if _run(bench, plan, everything, "First fold of the tasks", reserve):
        stay = survivors(_results(bench, everything))
        rounds, seconds = plan.rounds, 0.0
        for index in range(1, rounds_at_most(bench.problem, bench.protocol)):
            left = bench.clock.left(reserve=reserve)
            if index >= rounds and left is not None and left < 1.2 * seconds:
                break
            specs = [replace(spec, index=index) for spec in everything if spec.recipe in stay]
            began = bench.clock.elapsed()
            if not _run(bench, plan, specs, f"Fold {index + 1} of the tasks", reserve):
                break
            wanted.append(specs)
            seconds = max(seconds, bench.clock.elapsed() - began)
    bench.progress.phase("Deciding", 0)
    return gather(bench, plan, wanted)


def plan_of(bench: Bench) -> NewPlan:
    """The plan kept, or a new one: what learns without gradient descent is run first, and tells how long it takes
    here and how busy the machine is."""
    kept = bench.store.get("plan")
    if kept is not None:
        return NewPlan(**kept)
    problem, protocol = bench.problem, bench.protocol
    targets = len(problem.targets)
    specs = [specs_of(problem, protocol, effort) for effort in range(len(LEARNING))]
    counts = [sum(spec.family == DESCENDS for spec in own) * targets for own in specs]

    def chosen(cheap: Cheap) -> NewPlan:
        return choose_plan(
            bench.clock,
            counts,
            workers=bench.workers.count,
            most_rounds=rounds_at_most(problem, protocol),
            draws=default_draws(problem, protocol.folds),
            cheap=cheap,
        )

    first = chosen(Cheap(0.0, 1.0))
    others = [spec for spec in specs[first.effort] if spec.family != DESCENDS]
    _run(bench, first, others, "First fold, without networks", FINISH)
    results = [result for result in _results(bench, others) if result.status == "done"]
    wall = sum(result.seconds for result in results)
    cpu = sum(float(result.test[-1][2]) for result in results)
    plan = replace(chosen(Cheap(wall, max(wall / max(cpu, 1e-3), 1.0))), rounds=first.rounds)
    bench.store.put("plan", asdict(plan))
    return plan


def specs_of(problem: Problem, protocol: Protocol, effort: int) -> list[Spec]:
    """All configurations, as trials of the first round: the floor first, networks last."""
    around = make_task_round(problem, protocol, 0)
    sample = sample_of(problem, protocol, NewPlan(effort, 1, 1.0, 1, 1, 1), 0, around.train, around.valid)
    return [
        # Which configurations there are depends on the effort; what each of them does, does not.
        Spec(0, STANDARD, None, name, family, configuration)
        for family in FAMILIES
        if family == "none" or family in protocol.families
        for name, strategy in NEW_TASK_STRATEGIES.items()
        if not protocol.strategies or name in protocol.strategies
        for configuration in strategy.configurations(sample, family, effort=effort)
    ]


def survivors(results: Sequence[Result]) -> set[Recipe]:
    """Recipes that may still be the best of their strategy and family at some number of labels."""
    pairs: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.status == "done":
            pairs.setdefault((result.spec.strategy, result.spec.family), []).append(result)
    stay: set[Recipe] = set()
    for own in pairs.values():
        errors = np.stack([mean_known(np.stack(result.held_out, axis=-1)) for result in own])
        least = np.where(np.isnan(errors), np.inf, errors).min(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            behind = np.where(np.isfinite(least), errors / np.where(least > 0, least, 1.0) - 1.0, np.inf)
        closest = np.where(np.isnan(behind), np.inf, behind)
        # By how often a configuration is the best first, then by how near it ever comes.
        wins = (closest <= 0).sum(axis=1)
        order = sorted(range(len(own)), key=lambda place: (-wins[place], closest[place].min(), place))
        near = [place for place in order if closest[place].min() <= NEAR][:MOST_KEPT]
        stay |= {own[place].spec.recipe for place in near or order[:1]}
    return stay


def _results(bench: Bench, specs: Sequence[Spec]) -> list[Result]:
    kept = {result.spec.key: result for result in bench.store.results(index=specs[0].index)}
    return [kept[spec.key] for spec in specs if spec.key in kept]


def _run(bench: Bench, plan: NewPlan, specs: Sequence[Spec], phase: str, reserve: float) -> bool:
    """Run the specs that are not kept yet; whether all have ended."""
    missing = bench.missing(specs)
    if missing:
        bench.progress.phase(phase, len(missing))
        jobs = [partial(run_new_trial, bench.protocol, plan, spec) for spec in missing]
        for _, result in bench.workers.map(jobs, lambda: bench.clock.left(reserve=reserve)):
            bench.keep(result)
    return not bench.missing(specs)
