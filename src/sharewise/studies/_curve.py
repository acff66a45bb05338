"""The learning-curve stage: both sides' best rows, refitted on growing shares of the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sharewise.strategies import STRATEGIES
from sharewise.studies._assemble import Candidate, assemble
from sharewise.studies._course import Course
from sharewise.studies._protocol import Plan, make_round
from sharewise.studies._trial import CONSTANT, Recipe, Spec

SHARES = (0.125, 0.25, 0.5)
MOST_ROUNDS = 5
FEWEST_ROWS = 24
"""Training rows below which a share says nothing."""
KEY = "curve drawn"


@dataclass(frozen=True)
class CurveRound:
    """The candidates of one round on a share of its training rows.

    Attributes:
        share: Of the training rows.
        rows: Training rows.
        labels: Labels of the middle task among them.
        index: Which round.
    """

    share: float
    rows: int
    labels: float
    index: int
    candidates: tuple[Candidate, ...] = field(repr=False)


@dataclass(frozen=True)
class CurveRounds:
    """All rounds of a learning curve, the full ones included.

    Attributes:
        separate, shared: Names of the two rows it follows.
    """

    separate: str
    shared: str
    rounds: tuple[CurveRound, ...]


def draw_curve(course: Course) -> None:
    """Run the trials that a learning curve needs; how far it came is kept."""
    bench = course.bench
    rows = course.bench.round_rows(course.plan)
    caps = [int(share * rows) for share in SHARES if share * rows >= FEWEST_ROWS]
    recipes = _recipes(course)
    if not caps or recipes is None:
        return
    kept = bench.store.get(KEY)
    # Round by round: where time ends, what is drawn has the same rounds at every share.
    stages = [(cap, index) for index in range(min(MOST_ROUNDS, course.finished)) for cap in caps]
    specs = {stage: course.specs(recipes, stage[1], stage[0]) for stage in stages}
    if kept is None:
        bench.run([s for own in specs.values() for s in own], "Learning curve", course.reserve())
        done = {key for key, status in bench.store.statuses().items() if status != "cut"}
        ended = {stage for stage, own in specs.items() if all(s.key in done for s in own)}
        kept = [[cap, index] for cap, index in stages if all((c, index) in ended for c in caps)]
        bench.store.put(KEY, kept)
    course.curve = {stage: specs[stage] for stage in specs if list(stage) in kept}


def sides(course: Course) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """The best strategy and family without sharing, and with it, by inner error over the finished rounds."""
    found: list[tuple[str, str]] = []
    for shares in (False, True):
        errors: dict[tuple[str, str], list[float]] = {}
        for index in range(course.finished):
            for recipe, error in course.inner_errors(index).items():
                row = recipe.strategy, recipe.family
                if recipe not in course.entrants or recipe.strategy not in STRATEGIES:
                    continue
                if STRATEGIES[recipe.strategy].shares is shares:
                    errors.setdefault(row, []).append(error)
        if not errors:
            return None
        found.append(min(errors, key=lambda row: (float(np.mean(errors[row])), row)))
    return found[0], found[1]


def _recipes(course: Course) -> list[Recipe] | None:
    rows = sides(course)
    if rows is None:
        return None
    floor = [recipe for recipe in course.entrants if recipe.strategy == CONSTANT]
    return floor + [recipe for recipe in course.entrants if (recipe.strategy, recipe.family) in rows]


def curve_rounds(course: Course) -> CurveRounds | None:
    """What the learning curve's trials say, with the full rounds at its end; None where it was not drawn."""
    rows = sides(course)
    if not course.curve or rows is None:
        return None
    found = []
    for (cap, index), specs in course.curve.items():
        found.append(_round(course, index, specs, cap))
    recipes = set(_recipes(course) or ())
    for index in sorted({index for _, index in course.curve}):
        full = [spec for spec in course.wanted[index] if spec.recipe in recipes]
        found.append(_round(course, index, full, course.plan.cap))
    names = [f"{strategy}/{family}" for strategy, family in rows]
    return CurveRounds(names[0], names[1], tuple(one for one in found if one is not None))


def _round(course: Course, index: int, specs: Sequence[Spec], cap: int | None) -> CurveRound | None:
    bench, plan = course.bench, course.plan
    order = {spec.key: place for place, spec in enumerate(specs)}
    results = [r for r in bench.store.results(index=index) if r.spec.key in order and r.status == "done"]
    results.sort(key=lambda result: order[result.spec.key])
    if len(results) < len(order):
        return None
    around = make_round(bench.problem, bench.protocol, Plan(plan.effort, 0, cap), index)
    problem = bench.problem
    labels = []
    for task in problem.tasks:
        known = ~np.isnan(problem.labels[around.train, task.target])
        if problem.level is not None:
            known &= problem.level[around.train] == task.level
        labels.append(int(known.sum()))
    full = bench.round_rows(plan)
    share = 1.0 if cap == plan.cap else len(around.train) / full
    return CurveRound(
        share, len(around.train), float(np.median(labels)), index, tuple(assemble(problem, around, results))
    )
