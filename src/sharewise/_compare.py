"""The front door: one call from a problem to a study."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import sharewise
from sharewise._arguments import families_for, folder_of, protocol_of
from sharewise._study import Study
from sharewise.errors import DataError, StorageError
from sharewise.families import Model
from sharewise.problems import Problem, encoder_digest, fingerprint, profile
from sharewise.serving import DeployedModel, versions
from sharewise.strategies import ENSEMBLE, BlendModel
from sharewise.studies import (
    EFFORTS,
    INNER_FOLDS,
    Bench,
    Clock,
    Findings,
    Plan,
    Protocol,
    TrialStore,
    Workers,
    check_same_study,
    conduct,
    ledger_line,
    make_progress,
    make_round,
    make_workers,
    refit_all,
    rounds_at_most,
)
from sharewise.tasks import Array
from sharewise.verdicts import Conclusion, conclude, insight_of


def compare(
    problem: Problem,
    *,
    question: str = "known",
    budget: str | float | None = "5min",
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | str | None = None,
    strategies: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
    rope: float = 0.01,
    quiet: bool = False,
    since: float | None = None,
) -> Study:
    """Train the alternatives under one protocol, decide, and fit the winner.

    Args:
        problem: The tasks and their rows.
        question: ``known``: serve the tasks at hand.
        budget: Wall clock for everything: ``"90s"``, ``"5min"``, seconds, or None for no bound.
        out: Folder for trials, verdict, page and model. The same call on the same folder
            resumes.
        seed: Source of all randomness.
        workers: Processes, or the address of a Dask scheduler (``"tcp://10.0.0.5:8786"``); None for one a
            processor (for one alone under a budget below 30 s).
        strategies: Some of ``separate``, ``joint``, ``chained``, ``ensemble``; None for all.
        families: Some of ``linear``, ``trees``, ``network``; None for all that can read the problem.
        rope: Relative difference too small to matter (region of practical equivalence).
        quiet: No progress on standard error.
        since: `time.monotonic` value from which the budget counts (the command line's start); None for now.

    Returns:
        The study. With ``out`` its model is fitted and stored; else it is fitted when first asked for.

    Raises:
        OptionError: An argument is off.
        StorageError: The folder cannot be used; what it holds is kept.
        WorkerError: Workers died too often, or their cluster was lost.
        KeyboardInterrupt: After Ctrl-C; finished trials are kept in ``out``.
    """
    since = time.monotonic() if since is None else since
    protocol = protocol_of(question, budget, seed, workers, strategies, families_for(problem, families), rope)
    folder = folder_of(out)
    _check_splits(problem, protocol)
    store, runners = _opened(problem, protocol, folder)
    progress = make_progress(quiet=quiet)
    try:
        store.start_anew()
        check_same_study(store, _settings(problem, protocol))
        bench = Bench(problem, protocol, store, runners, _clock(store, protocol, runners, since), progress)
        for note in problem.notes:
            progress.note(note)
        findings = conduct(bench)
        ledger = [ledger_line(result) for result in store.results(predictions=False)]
        notes = (*problem.notes, *profile(problem).warnings(), *findings.notes)
        conclusion = conclude(
            problem,
            protocol,
            findings.rounds,
            overlap=findings.overlap,
            unfinished=findings.unfinished,
            repeats=findings.repeats,
            insight=insight_of(problem, protocol, findings),
            context=_context(bench, findings, ledger, notes),
        )

        def fit() -> DeployedModel:
            alone = replace(bench, workers=make_workers(problem, 1), progress=make_progress(quiet=True))
            return _fit(alone, findings, conclusion)

        study = Study(problem, conclusion.verdict, ledger, tuple(dict.fromkeys(notes)), folder, fit)
        if folder is not None:
            study._model = _fit(bench, findings, conclusion)
            with _storing(folder):
                study._model.save(folder / "model")
                conclusion.verdict.details["protocol"]["seconds"] = round(bench.clock.elapsed(), 1)
                _write_json(folder / "verdict.json", conclusion.verdict.details)
                study.report(folder / "report.html")
        return study
    finally:
        runners.close()
        progress.close()
        store.close()


def _opened(problem: Problem, protocol: Protocol, folder: Path | None) -> tuple[TrialStore, Workers]:
    """The ledger and who works. The workers first: no folder is made for a cluster that does not answer."""
    runners = make_workers(problem, protocol.workers)
    try:
        with _storing(folder):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            return TrialStore(None if folder is None else folder / "trials.sqlite"), runners
    except BaseException:
        runners.close()
        raise


def _check_splits(problem: Problem, protocol: Protocol) -> None:
    """Refuse data that cannot be split twice before anything is written."""
    rounds_at_most(problem, protocol)
    try:
        make_round(problem, protocol, Plan(0, 1), 0)
    except DataError as error:
        raise DataError(
            "training rows must split again, so that choices are made on rows no test has seen; those of the "
            f"first fold do not: {error}"
        ) from error


def _settings(problem: Problem, protocol: Protocol) -> dict[str, object]:
    """What must be equal for trials to belong together."""
    own = {} if problem.encoder is None else {"encoder": encoder_digest(problem.encoder)}
    return {
        "data": fingerprint(replace(problem, encoder=None)),
        **own,
        "seed": protocol.seed,
        "strategies": [name for name in protocol.strategies if name != ENSEMBLE],
        "families": list(protocol.families),
        "version of sharewise": sharewise.__version__,
    }


def _clock(store: TrialStore, protocol: Protocol, workers: Workers, since: float) -> Clock:
    """The budget covers all sessions on a folder. An earlier one counts by its finished trials only: what
    an interruption cost is not held against the study, so that it ends with the same rounds."""
    spent = sum(result.seconds for result in store.results(predictions=False))
    started = max(time.monotonic() - since, 0.0)
    return Clock(protocol.budget, spent / workers.count + started)


@contextlib.contextmanager
def _storing(folder: Path | None) -> Iterator[None]:
    """Errors of the disk as one sentence."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        way_out = "Free some space and run the same command" if full else "Choose another --out, or mend that"
        raise StorageError(
            f"results are written to {folder}, which failed ({reason}). {way_out}; finished trials are kept."
        ) from error


def _write_json(path: Path, value: dict[str, Any]) -> None:
    fresh = path.with_name(f".{path.name}.new")
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        fresh.write_bytes(text.encode("utf-8", "backslashreplace"))
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


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
            "question": protocol.question,
            "seed": protocol.seed,
            "outer_folds": protocol.folds,
            "repeats": protocol.repeats,
            "rounds": len(findings.rounds),
            "rounds_planned": findings.planned,
            "inner_folds": INNER_FOLDS[plan.effort],
            "effort": EFFORTS[plan.effort],
            "training_rows_at_most": plan.cap,
            "budget_seconds": protocol.budget,
            "seconds": round(bench.clock.elapsed(), 1),
            "workers": bench.workers.count,
            "rows": len(problem),
            "features": sum(int(np.prod(column.values.shape[1:])) for column in problem.table),
            "tasks": len(problem.tasks),
            "split": split,
            "rope": protocol.rope,
            "confidence": protocol.confidence,
            "trials": len(ledger),
            "trial_seconds": round(sum(line["seconds"] for line in ledger), 1),
            "metrics": {target.name: target.metric.name for target in problem.targets},
        },
        "profile": profile(problem).as_dict(),
        "warnings": list(dict.fromkeys(notes)),
        "versions": versions(),
    }


def _fit(bench: Bench, findings: Findings, conclusion: Conclusion) -> DeployedModel:
    models = refit_all(bench, findings.plan, conclusion.recipes)
    details = conclusion.verdict.details
    card = {
        "verdict": {key: details[key] for key in ("outcome", "sentence", "choice", "because", "contrast")},
        "protocol": details["protocol"],
        "warnings": details["warnings"],
    }
    return DeployedModel.of(bench.problem, _combined(bench.problem, models, conclusion.weights), card)


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
    return BlendModel(tuple(models), by_level)
