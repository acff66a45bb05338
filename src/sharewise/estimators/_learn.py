"""What `fit` runs: a study of several tasks, or the best model of a single one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sharewise._arguments import folder_of, protocol_of
from sharewise._compare import compare
from sharewise._known import answer_known, check_known
from sharewise._running import clock_of, opened, storing, write_json
from sharewise._running import settings as running_settings
from sharewise._study import Study
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Model, Run, Sample
from sharewise.problems import Problem, split
from sharewise.serving import DeployedModel, versions
from sharewise.strategies import BlendModel
from sharewise.strategies._constant import fit_constant_model
from sharewise.studies import (
    EFFORTS,
    INNER_FOLDS,
    Bench,
    Plan,
    Protocol,
    check_same_study,
    ledger_line,
    make_progress,
    rounds_at_most,
)
from sharewise.studies._spend import Spend
from sharewise.verdicts import Verdict

ROUNDS = (2, 5, 5, 10)
PROPOSALS = (0, 0, 4, 12)
GROUPS = (0, 0, 6, 12)
"""Outer folds, proposals for a strategy in a family, and groups of tasks tried, by effort, where no clock decides."""
FEW_ROWS = 300
"""Below this networks are left out unless asked for: they cost seconds and seldom win."""


@dataclass(frozen=True)
class Settings:
    """An estimator's parameters, as `learn` wants them.

    Attributes:
        budget: Wall clock, or None: ``effort`` bounds the work.
        effort: One of `EFFORTS`.
        strategies, families: What competes; None for all.
        rope: Relative difference too small to matter.
        seed: Source of all randomness.
        workers: Processes.
        out: Folder of the study, or None.
        quiet: No progress.
    """

    budget: str | float | None
    effort: str
    strategies: Sequence[str] | None
    families: Sequence[str] | None
    rope: float
    seed: int
    workers: int
    out: str | Path | None
    quiet: bool

    def __post_init__(self) -> None:
        if self.effort not in EFFORTS:
            raise OptionError(f"effort is one of {', '.join(EFFORTS)}; got {self.effort!r}.")
        unknown = [name for name in self.families or () if name not in FAMILIES]
        if unknown or self.families == []:
            raise OptionError(f"families are some of {', '.join(FAMILIES)}; got {unknown or 'none'}.")


def compare_within(problem: Problem, settings: Settings) -> tuple[DeployedModel, Verdict]:
    """The model that a study lets serve, and its verdict."""
    options: dict[str, Any] = {
        "seed": settings.seed,
        "workers": settings.workers,
        "strategies": settings.strategies,
        "families": _families(problem, settings),
        "rope": settings.rope,
        "quiet": settings.quiet,
    }
    if settings.budget is not None:
        study = compare(problem, budget=settings.budget, out=settings.out, **options)
        return study.model, study.verdict
    families = options["families"]
    protocol = protocol_of(
        "known", None, settings.seed, settings.workers, settings.strategies, families, settings.rope
    )
    return _bounded(problem, protocol, settings)


def best_alone(problem: Problem, settings: Settings) -> DeployedModel:
    """Each target's best single-task model by held-out error among the families' configurations and the constant.

    Raises:
        DataError: The rows do not split in two.
    """
    effort = EFFORTS.index(settings.effort)
    rows = np.arange(len(problem))
    folds = split(problem, rows, folds=INNER_FOLDS[effort], seed=settings.seed)
    sample = Sample.of(problem, rows, folds)
    run = Run(settings.seed, effort=effort)
    fits = [fit_constant_model(sample, run)]
    for name in _families(problem, settings):
        family = FAMILIES[name]
        for configuration in family.configurations(problem, effort=effort, together=False):
            fits.append(family.alone(sample, configuration, run))
    weights = np.zeros((len(problem.targets), 1, len(fits)))
    for place, target in enumerate(problem.targets):
        y = problem.labels[:, place]
        errors = []
        for fit in fits:
            known = ~np.isnan(y) & ~np.isnan(fit.held_out[place]).any(axis=1)
            error = (
                target.metric.error(target.metric(y[known], fit.held_out[place][known]))
                if known.any()
                else np.inf
            )
            errors.append(np.inf if np.isnan(error) else error)
        weights[place, 0, int(np.argmin(errors))] = 1.0
    used = np.flatnonzero(weights.any(axis=(0, 1)))
    models: tuple[Model, ...] = tuple(fits[place].model for place in used)
    model = models[0] if len(models) == 1 else BlendModel(models, weights[:, :, used])
    return DeployedModel.of(problem, model, {"versions": versions()})


def _families(problem: Problem, settings: Settings) -> list[str]:
    if settings.families is not None:
        return list(settings.families)
    return [name for name in FAMILIES if name != "network" or len(problem) >= FEW_ROWS]


def _bounded(problem: Problem, protocol: Protocol, settings: Settings) -> tuple[DeployedModel, Verdict]:
    """A study whose work was decided beforehand, so that it does the same again anywhere.

    A study keeps how much it does with its trials; one that begins with it kept asks no clock.
    """
    check_known(problem, protocol)
    effort = EFFORTS.index(settings.effort)
    folder = folder_of(settings.out)
    store, runners = opened(problem, protocol, folder)
    progress = make_progress(quiet=settings.quiet)
    try:
        store.start_anew()
        check_same_study(store, {**running_settings(problem, protocol), "effort": settings.effort})
        rounds = min(ROUNDS[effort], rounds_at_most(problem, protocol))
        store.put("plan", asdict(Plan(effort, rounds)))
        store.put("spend", asdict(Spend(PROPOSALS[effort], GROUPS[effort], rounds, False)))
        clock = clock_of(store, protocol, runners, time.monotonic())
        bench = Bench(problem, protocol, store, runners, clock, progress)
        answer = answer_known(bench)
        model = answer.fit(bench)
        if folder is not None:
            ledger = [ledger_line(result) for result in store.results(predictions=False)]
            with storing(folder):
                model.save(folder / "model")
                write_json(folder / "verdict.json", answer.verdict.details)
                Study(problem, answer.verdict, ledger, answer.notes, folder, lambda: model).report(
                    folder / "report.html"
                )
        return model, answer.verdict
    finally:
        runners.close()
        progress.close()
        store.close()
