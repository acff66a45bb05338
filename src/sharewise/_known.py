"""The question ``known``: how the tasks at hand are served best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sharewise._plugged import packages_of
from sharewise._running import Answer, frame_of
from sharewise.errors import DataError
from sharewise.families import Model
from sharewise.problems import Problem, one_task, profile
from sharewise.reports import examples_of
from sharewise.serving import DeployedModel, study_card, versions
from sharewise.strategies import STRATEGIES, BlendModel
from sharewise.studies import (
    EFFORTS,
    INNER_FOLDS,
    Bench,
    Findings,
    Limits,
    Plan,
    Protocol,
    conduct,
    ledger_line,
    make_round,
    refit_all,
    rounds_at_most,
)
from sharewise.studies.new_tasks import FALLBACK, fallback_adapters
from sharewise.tasks import Array, Multiclass
from sharewise.verdicts import Conclusion, conclude, insight_of


def check_known(problem: Problem, protocol: Protocol) -> None:
    """Refuse data that cannot be split twice before anything is written.

    Raises:
        DataError: There is only one task, or too few rows.
    """
    alone = protocol.strategies == ("separate",)
    if len(problem.tasks) < 2 and not alone:
        pool = isinstance(problem.targets[0].kind, Multiclass)
        raise DataError(
            f"{one_task(problem.targets[0].name)} To compare families on it alone, ask for --strategies separate."
            + (" New classes from few labels are question='new'." if pool else "")
        )
    rounds_at_most(problem, protocol)
    try:
        make_round(problem, protocol, Plan(0, 1), 0)
    except DataError as error:
        raise DataError(
            "training rows must split again, so that choices are made on rows no test has seen; those of the "
            f"first fold do not: {error}"
        ) from error


def answer_known(bench: Bench) -> Answer:
    """Run the study and decide."""
    problem, protocol = bench.problem, bench.protocol
    findings = conduct(bench)
    ledger = [ledger_line(result) for result in bench.store.results(predictions=False)]
    notes = (*problem.notes, *profile(problem).warnings(), *findings.notes)
    insight, context = insight_of(problem, protocol, findings), _context(bench, findings, ledger, notes)

    def under(limits: Limits) -> Answer:
        conclusion = conclude(
            problem,
            replace(protocol, limits=limits),
            findings.rounds,
            overlap=findings.overlap,
            unfinished=findings.unfinished,
            repeats=findings.repeats,
            insight=insight,
            context=context,
        )
        conclusion.verdict.details["examples"] = _examples(bench, findings, conclusion)
        fit = partial(_fit, findings=findings, conclusion=conclusion)
        told, retrained = tuple(dict.fromkeys(notes)), _retrained(conclusion)
        return Answer(conclusion.verdict, told, fit, retrained, under, findings)

    return under(protocol.limits)


def _examples(bench: Bench, findings: Findings, conclusion: Conclusion) -> dict[str, Any] | None:
    """Some test rows of the first round with both sides' predictions."""
    around = make_round(bench.problem, bench.protocol, findings.plan, 0)
    kept = bench.store.results(index=0)
    contrast = conclusion.verdict.details["contrast"]
    return examples_of(bench.problem, around, findings.plan, kept, findings.rounds[0], contrast)


def _retrained(conclusion: Conclusion) -> int:
    """Tasks whose models are fitted anew when the labels of one change, of the task for which that is most: of a group
    those it serves; of what learns from all tasks all that it serves, and the task itself, which it may not serve."""
    served = conclusion.weights > 0
    kinds = [STRATEGIES.get(r.strategy) for r in conclusion.recipes]
    groups = [served[:, place].sum() for place, kind in enumerate(kinds) if kind and kind.choice == "group"]
    whole = [place for place, kind in enumerate(kinds) if kind and kind.shares and kind.choice != "group"]
    shared = int(served[:, whole].any(axis=1).sum())
    return max(1, shared + (0 < shared < len(served)), *map(int, groups))


def _context(
    bench: Bench, findings: Findings, ledger: list[dict[str, Any]], notes: Sequence[str]
) -> dict[str, Any]:
    problem, protocol = bench.problem, bench.protocol
    split = "random"
    if problem.time is not None:
        split = "by time, past before future"
    elif problem.group is not None:
        split = "rows of a group kept together"
    plan = findings.plan
    return {
        "protocol": {
            **frame_of(bench),
            "outer_folds": protocol.folds,
            "repeats": protocol.repeats,
            "rounds": len(findings.rounds),
            "rounds_planned": findings.planned,
            "inner_folds": INNER_FOLDS[plan.effort],
            "effort": EFFORTS[plan.effort],
            "training_rows_at_most": plan.cap,
            "split": split,
            "trials": len(ledger),
            "trial_seconds": round(sum(line["seconds"] for line in ledger), 1),
        },
        "profile": profile(problem).as_dict(),
        "warnings": list(dict.fromkeys(notes)),
        "versions": versions() | packages_of(protocol),
    }


def _fit(bench: Bench, findings: Findings, conclusion: Conclusion) -> DeployedModel:
    models = refit_all(bench, findings.plan, conclusion.recipes)
    card = study_card(bench.problem, conclusion.verdict.details)
    adapters = tuple(((1, adapter),) for adapter in fallback_adapters(bench))
    if adapters:
        card["serve"] = [[1, *FALLBACK]]
    model = _combined(bench.problem, models, conclusion.weights)
    return DeployedModel.of(bench.problem, model, card, adapters)


def _combined(problem: Problem, models: list[Model], weights: Array) -> Model:
    """One model for all tasks; a single member needs no weights."""
    if len(models) == 1:
        return models[0]
    levels = 1 if problem.levels is None else len(problem.levels)
    by_level = np.full((len(problem.targets), levels, len(models)), np.nan)
    for place, task in enumerate(problem.tasks):
        by_level[task.target, task.level or 0] = weights[place]
    for target in range(len(problem.targets)):
        # A level without a task of this target (too few labels to be one) is served like the average task.
        blank = np.isnan(by_level[target]).any(axis=1)
        by_level[target, blank] = (
            weights.mean(axis=0) if blank.all() else by_level[target, ~blank].mean(axis=0)
        )
    kinds = tuple(target.kind for target in problem.targets)
    return BlendModel(tuple(models), by_level, kinds if any(kind.ragged for kind in kinds) else ())
