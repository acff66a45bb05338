"""The question ``new``: how tasks not seen yet are served best, which will arrive with a few labels."""

from __future__ import annotations

from functools import partial
from typing import Any

from sharewise._plugged import packages_of
from sharewise._running import Answer, frame_of
from sharewise.problems import Problem, profile
from sharewise.serving import DeployedModel, study_card, versions
from sharewise.strategies.new_tasks import Adapter, serve_known
from sharewise.studies import Bench, Protocol, Recipe, ledger_line
from sharewise.studies.new_tasks import (
    NewFindings,
    NewPlan,
    check_apart,
    check_form,
    conduct_new,
    folds_of,
    is_pool,
    plan_of,
    refit_new,
    specs_of,
    units_of,
)
from sharewise.verdicts.new_tasks import NewConclusion, conclude_new

EFFORTS = ("quick", "standard", "thorough")


def check_new(problem: Problem, protocol: Protocol) -> None:
    """Refuse a problem that no new tasks can follow, before anything is written.

    Raises:
        DataError: It has no tasks of one kind, too few of them, or examples that stand in several.
    """
    check_form(problem)
    units_of(problem)
    check_apart(problem)


def answer_new(bench: Bench) -> Answer:
    """Run the study and decide."""
    problem, protocol = bench.problem, bench.protocol
    findings = conduct_new(bench)
    plan = plan_of(bench)
    ledger = [ledger_line(result) for result in bench.store.results(predictions=False)]
    notes = (*problem.notes, *profile(problem).warnings(), *findings.notes)
    conclusion = conclude_new(problem, protocol, findings, _context(bench, plan, findings, ledger, notes))
    fit = partial(_fit, plan=plan, conclusion=conclusion)
    return Answer(conclusion.verdict, tuple(dict.fromkeys(notes)), fit, retrained=1)


def _context(
    bench: Bench, plan: NewPlan, findings: NewFindings, ledger: list[dict[str, Any]], notes: tuple[str, ...]
) -> dict[str, Any]:
    problem, protocol = bench.problem, bench.protocol
    tasks, units = units_of(problem)
    return {
        "protocol": {
            **frame_of(bench),
            "form": "pool of classes" if is_pool(problem) else "long table",
            "shots": list(findings.shots),
            "ways": findings.ways,
            "tasks": len(tasks),
            "units": len(set(units.tolist())),
            "outer_folds": folds_of(problem, protocol),
            "rounds": len(findings.rounds),
            "rounds_planned": findings.planned,
            "effort": EFFORTS[plan.effort],
            "learning_seconds": round(plan.seconds, 2),
            "draws": plan.draws,
            "queries": plan.queries,
            "split": "whole classes" if is_pool(problem) else "whole tasks",
            "inductive": True,
            "trials": len(ledger),
            "trial_seconds": round(sum(line["seconds"] for line in ledger), 1),
        },
        "profile": profile(problem).as_dict(),
        "warnings": list(dict.fromkeys(notes)),
        "versions": versions() | packages_of(protocol),
    }


def _fit(bench: Bench, plan: NewPlan, conclusion: NewConclusion) -> DeployedModel:
    problem = bench.problem
    recipes = _recipes(bench, plan, conclusion)
    fitted = refit_new(bench, plan, list(dict.fromkeys(recipe for _, recipe in recipes)))
    adapters: tuple[tuple[tuple[int, Adapter], ...], ...] = tuple(
        tuple((least, fitted[recipe][target]) for least, recipe in recipes)
        for target in range(len(problem.targets))
    )
    card = study_card(problem, conclusion.verdict.details)
    card["serve"] = [[least, *names] for least, *names in conclusion.serve]
    model = None if is_pool(problem) else serve_known(problem, adapters)
    return DeployedModel.of(problem, model, card, adapters)


def _recipes(bench: Bench, plan: NewPlan, conclusion: NewConclusion) -> list[tuple[int, Recipe]]:
    """What serves from which number of labels on."""
    by_name = {
        (spec.strategy, spec.family, str(spec.configuration)): spec.recipe
        for spec in specs_of(bench.problem, bench.protocol, plan.effort)
    }
    return [
        (least, by_name[strategy, family, configuration])
        for least, strategy, family, configuration in conclusion.serve
    ]
