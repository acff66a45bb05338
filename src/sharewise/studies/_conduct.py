"""The study itself: a scouting round, a plan, a first round of everything, then what can still win.

What depends on the clock is decided twice, after scouting (`Plan`) and after the first round (`Spend`), and
kept with the trials, as are how far stages came and what hints at gradients were found; all else follows from
results. So a study that was interrupted, however often, walks the same way again and ends the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sharewise.errors import StorageError
from sharewise.families import Model
from sharewise.studies._bench import Bench
from sharewise.studies._course import Course
from sharewise.studies._curve import draw_curve
from sharewise.studies._diagnosis import diagnose, diagnosis_seconds
from sharewise.studies._findings import Findings, gather
from sharewise.studies._groups import search_groups
from sharewise.studies._jobs import refit_job
from sharewise.studies._plan import FINISH, SCOUT_ROWS, SCOUT_SHARE, Scouted, choose_plan, most_rounds
from sharewise.studies._protocol import Plan, rounds_at_most
from sharewise.studies._race import LOOKS
from sharewise.studies._spend import Spend, choose_spend
from sharewise.studies._storage import TrialStore
from sharewise.studies._trial import Recipe, Spec, specs_for
from sharewise.studies._tuned import tune


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
    """Run what is missing of the study; trials already kept are not run again."""
    plan = _plan(bench)
    course = Course(bench, plan, _scouted(bench).round_seconds(plan.effort, bench.round_rows(plan)))
    if course.run_rounds(0, 1) and plan.rounds > 1:
        spend = _spend(course)
        course.race(1, tuning=spend.proposals > 0)
        tune(course, spend.proposals)
        search_groups(course, spend.groups)
        course.race(1)
        course.afford()
        # Here, as the rest of the budget was divided with these seconds taken off, and later nothing may be left.
        diagnose(bench, plan, course.reserve_for_rounds())
        stops = [look for look in LOOKS if 1 < look < spend.rounds] + [spend.rounds]
        for stop in stops:
            if not course.run_rounds(course.finished, stop):
                break
            if stop in LOOKS and stop < spend.rounds:
                course.race(stop)
        course.planned = spend.rounds
        if course.finished == spend.rounds and spend.curve:
            draw_curve(course)
    bench.progress.phase("Deciding", 0)
    return gather(course)


def refit_all(bench: Bench, plan: Plan, recipes: Sequence[Recipe]) -> list[Model]:
    """Each recipe fitted on all rows, or on as many as the plan allows."""
    from functools import partial

    bench.progress.phase("Refitting the winner", len(recipes))
    jobs = [partial(refit_job, bench.protocol, plan, recipe) for recipe in recipes]
    models: dict[int, Model] = {}
    for place, model in bench.workers.map(jobs, lambda: None):
        models[place] = model
        bench.progress.advance(f"{recipes[place].strategy} {recipes[place].family}")
    return [models[place] for place in range(len(recipes))]


def _plan(bench: Bench) -> Plan:
    kept = bench.store.get("plan")
    if kept is not None:
        return Plan(**kept)
    budget = bench.clock.budget
    # Under a budget of seconds, loading the libraries has taken its part already.
    reserve = 0.0 if budget is None else min(max(budget * (1 - SCOUT_SHARE), FINISH), 2 * FINISH + budget / 4)
    bench.run(_scouting_specs(bench), "Scouting", reserve)
    plan = choose_plan(
        _scouted(bench),
        bench.clock,
        most_rounds=rounds_at_most(bench.problem, bench.protocol),
        all_rows=len(bench.problem),
        train_rows=bench.train_rows(),
    )
    bench.store.put("plan", asdict(plan))
    return plan


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
    return Scouted.of(results, specs, rows=rows, workers=bench.workers.count)


def _spend(course: Course) -> Spend:
    bench, plan = course.bench, course.plan
    kept = bench.store.get("spend")
    if kept is not None:
        return Spend(**kept)
    most = max(min(rounds_at_most(bench.problem, bench.protocol), most_rounds()), plan.rounds)
    left = bench.clock.left(reserve=FINISH + diagnosis_seconds(bench, plan))
    spend = choose_spend(course.costs(), left, effort=plan.effort, rounds=plan.rounds, most_rounds=most)
    bench.store.put("spend", asdict(spend))
    return spend
