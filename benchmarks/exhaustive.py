"""The exhaustive comparison: every trial of every round, kept a file a problem.

``benchmarks/verdict.py`` measures decisions against it. In code::

    board = exhaustive.measure("slump", Path("cache"), Settings(effort=1, rounds=10))

A round is sharewise's own: the same folds, trials and assembly as a study's, from a seed that no study in
the benchmark has. Nothing is dropped early and nothing chosen. Every finished round is written at once;
the same call goes on where an earlier one stopped. A file of other data, settings or trials is refused.

Symbols: ``J`` rounds, ``O`` options (rows of the table, then single trials), ``T`` tasks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sharewise as sw
from sharewise.families import FAMILIES, Configuration
from sharewise.problems import fingerprint
from sharewise.strategies import USUAL
from sharewise.studies import (
    Bench,
    Clock,
    Plan,
    Protocol,
    Recipe,
    Spec,
    TrialStore,
    make_progress,
    make_workers,
    rounds_at_most,
    specs_for,
)

import problems
from kept_rounds import board_of, read, record, write
from regret import Board

SEED: Final = 7919
"""Of the reference's folds and fits; studies have small seeds."""
FOLDS: Final = 5
FEW_ROWS: Final = 400
MOST_REPEATS: Final = 6
"""A table is split so often that its rows are tested as many times, at most this often."""


@dataclass(frozen=True)
class Settings:
    """How large the reference is.

    Attributes:
        effort: Place in `sharewise.studies.EFFORTS`.
        rounds: Outer folds over all repeats; a table of few rows gets more by default.
        workers: Processes; they share the work, the seconds of a trial are counted all the same.
        proposals: Further configurations of each strategy in each family, found as a study's tuning does.
        groups: Groups of tasks trained at most in search of those that serve some task.
        steady: Whether a table of few rows gets more rounds than that.
    """

    effort: int = 1
    rounds: int = 10
    workers: int = 1
    proposals: int = 0
    groups: int = 0
    steady: bool = True

    def wanted(self, rows: int) -> int:
        """Rounds on a table of so many rows."""
        if not self.steady:
            return self.rounds
        return max(self.rounds, FOLDS * min(MOST_REPEATS, math.ceil(FEW_ROWS / rows)))

    def protocol(self, rows: int) -> Protocol:
        """Everything sharewise has, without a budget, on a table of so many rows."""
        return Protocol(
            "known",
            SEED,
            USUAL,
            tuple(FAMILIES),
            folds=FOLDS,
            repeats=math.ceil(self.wanted(rows) / FOLDS),
            budget=None,
            workers=self.workers,
        )


def measure(name: str, cache: Path, settings: Settings, *, show: bool = False) -> Board | None:
    """The reference of a problem; what its file lacks is run first.

    Args:
        show: Run nothing; None where no round is kept.

    Raises:
        ValueError: The file belongs to other data, settings or trials.
    """
    problem = problems.problem(problems.large(name))
    protocol = settings.protocol(len(problem))
    rounds = min(settings.wanted(len(problem)), rounds_at_most(problem, protocol))
    plan = Plan(settings.effort, rounds, problems.ROWS)
    path = cache / f"{name}.json"
    kept = read(path, _stamp(problem, protocol, plan, settings))
    for _ in () if show else _run(problem, protocol, plan, settings, kept):
        write(path, kept)
    return board_of(name, problem, kept["rounds"], settings.rounds) if kept["rounds"] else None


# --- running ------------------------------------------------------------------------------------------


def _run(
    problem: sw.Problem, protocol: Protocol, plan: Plan, settings: Settings, kept: dict[str, Any]
) -> Iterator[None]:
    """Add the missing rounds to what is kept, one a step."""
    missing = [index for index in range(plan.rounds) if str(index) not in kept["rounds"]]
    if not missing:
        return
    store, workers = TrialStore(None), make_workers(problem, protocol.workers)
    bench = Bench(problem, protocol, store, workers, Clock(None), make_progress(quiet=True))
    try:
        if kept["entrants"] is None:
            kept["entrants"] = [_written(recipe) for recipe in _entrants(bench, plan, settings)]
        recipes = [_recipe(one) for one in kept["entrants"]]
        for index in missing:
            specs = [
                Spec(index, plan.effort, plan.cap, r.strategy, r.family, r.configuration) for r in recipes
            ]
            before = time.process_time()
            bench.run(specs, "Reference", 0.0)
            cpu = time.process_time() - before if protocol.workers == 1 else None
            found = {result.spec.key: result for result in store.results(index=index)}
            results = [found[spec.key] for spec in specs]
            kept["rounds"][str(index)] = {
                **record(problem, protocol, plan, index, results),
                "cpu_seconds": cpu,
            }
            yield
    finally:
        workers.close()
        store.close()


def _entrants(bench: Bench, plan: Plan, settings: Settings) -> list[Recipe]:
    """All that is trained in every round: what a study begins with, and proposals and groups where asked for,
    which the first round finds as a study would."""
    recipes = [spec.recipe for spec in specs_for(bench.problem, bench.protocol, plan, 0)]
    if not settings.proposals and not settings.groups:
        return recipes
    from sharewise.studies._course import Course
    from sharewise.studies._tuned import tune

    course = Course(bench, plan, 0.0)
    course.run_rounds(0, 1)
    tune(course, settings.proposals)
    if settings.groups:
        from sharewise.studies._groups import search_groups

        search_groups(course, settings.groups)
    return list(course.entrants)


def _written(recipe: Recipe) -> list[Any]:
    configuration = recipe.configuration
    return [recipe.strategy, recipe.family, configuration.learner, [list(o) for o in configuration.options]]


def _recipe(written: list[Any]) -> Recipe:
    strategy, family, learner, options = written
    return Recipe(strategy, family, Configuration(learner, tuple((key, value) for key, value in options)))


def _stamp(problem: sw.Problem, protocol: Protocol, plan: Plan, settings: Settings) -> dict[str, Any]:
    """What must agree for rounds to stand together."""
    trials = [spec.key for spec in specs_for(problem, protocol, plan, 0)]
    return {
        "data": fingerprint(problem),
        "seed": protocol.seed,
        "effort": plan.effort,
        "proposals": settings.proposals,
        "groups": settings.groups,
        "trials": trials,
    }
