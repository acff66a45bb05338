"""The front door: one call from a problem to a study."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sharewise._arguments import families_for, folder_of, limits_of, loggers_of, protocol_of
from sharewise._fitting import finished_study, fit_within
from sharewise._known import answer_known, check_known
from sharewise._new import answer_new, check_new
from sharewise._plugged import check_plugins
from sharewise._running import Answer, begin_log, clock_of, opened, settings, storing, write_json
from sharewise._study import Study
from sharewise.errors import OptionError
from sharewise.problems import Problem
from sharewise.studies import (
    Bench,
    Protocol,
    Scores,
    StudyLog,
    check_same_study,
    ledger_line,
    make_progress,
    make_workers,
)

ANSWERS: dict[str, tuple[Callable[[Problem, Protocol], None], Callable[[Bench], Answer]]] = {
    "known": (check_known, answer_known),
    "new": (check_new, answer_new),
}
"""By question: what refuses a problem that it has no meaning for, and what answers it."""
WRITTEN = ("verdict.json", "report.html")


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
    shots: Sequence[int] | None = None,
    ways: int | None = None,
    max_latency: str | None = None,
    max_size: str | None = None,
    independent_updates: bool = False,
    log: object = None,
    quiet: bool = False,
    since: float | None = None,
) -> Study:
    """Train the alternatives under one protocol, decide, and fit the winner.

    Args:
        problem: The tasks and their rows.
        question: ``known``: serve the tasks at hand. ``new``: tasks not seen yet will arrive with a few labels: as
            further values of a long table's task column, or as draws of further classes of a single target.
        budget: Wall clock for everything: ``"90s"``, ``"5min"``, seconds, or None for no bound.
        out: Folder for trials, verdict, page and model. The same call on the same folder
            resumes.
        seed: Source of all randomness.
        workers: Processes, or the address of a Dask scheduler (``"tcp://10.0.0.5:8786"``); None for one a
            processor (for one alone under a budget below 30 s).
        strategies: Some of ``separate``, ``joint``, ``chained``, ``grouped``, ``ensemble``; None for these. On request
            ``transfer``, ``pretrained``, and those of installed packages. For new tasks of ``constant``, ``neighbours``,
            ``separate``, ``joint``, ``meta-learned``, ``transfer``, ``pretrained``; None for all.
        families: Some of ``linear``, ``trees``, ``network``; None for all that can read the problem.
        rope: Relative difference too small to matter (region of practical equivalence).
        shots: For new tasks: the numbers of labels that are asked about, of a task, in a pool of classes of each
            class; None for 1, 2, 5, 10, 20 and 50.
        ways: For new tasks in a pool of classes: classes of a task; None for 5, or as many as there are.
        max_latency: What may be deployed takes at most so long for one row, all tasks: ``"5ms"``. Limits change no
            trial, only the verdict: the same call on the same ``out`` with others decides anew in seconds.
        max_size: And has at most so many bytes: ``"10MB"``.
        independent_updates: And serves no task by a model that learnt from another task's labels.
        log: Who follows the trials and the verdict: ``"mlflow"`` (a run of the experiment ``sharewise``, trials nested in
            it), ``"tensorboard"`` (under ``out``), a `sharewise.studies.StudyLogger`, or several. One that fails is
            left out with a warning.
        quiet: No progress on standard error.
        since: `time.monotonic` value from which the budget counts (the command line's start); None for now.

    Returns:
        The study. With ``out`` its model is fitted and stored; else it is fitted when first asked for.

    Raises:
        OptionError: An argument is off.
        DataError: The problem does not fit the question.
        StorageError: The folder cannot be used; what it holds is kept.
        WorkerError: Workers died too often, or their cluster was lost.
        KeyboardInterrupt: After Ctrl-C; finished trials are kept in ``out``.
    """
    since = time.monotonic() if since is None else since
    if not isinstance(problem, Problem):
        raise OptionError(
            f"what is compared is a sharewise.Problem; got a {type(problem).__name__}. Say what is predicted: "
            "sw.compare(sw.Problem.from_frame(table, targets=[...]))."
        )
    protocol = protocol_of(
        question, budget, seed, workers, strategies, families_for(problem, families), rope, shots, ways
    )
    protocol = replace(protocol, limits=limits_of(question, max_latency, max_size, independent_updates))
    folder = folder_of(out)
    check, answer_to = ANSWERS[protocol.question]
    check(problem, protocol)
    check_plugins(problem, protocol)
    follow = StudyLog(loggers_of(log, folder), Scores(problem, protocol))
    store, runners = opened(problem, protocol, folder)
    progress = make_progress(quiet=quiet)
    try:
        store.start_anew()
        check_same_study(store, settings(problem, protocol))
        clock = clock_of(store, protocol, runners, since)
        bench = Bench(problem, protocol, store, runners, clock, progress, follow)
        begin_log(bench, folder)
        for note in problem.notes:
            progress.note(note)
        answer = answer_to(bench)
        ledger = [ledger_line(result) for result in store.results(predictions=False)]

        if folder is None and not protocol.limits.given:
            alone = replace(bench, workers=make_workers(problem, 1), progress=make_progress(quiet=True))
            follow.verdict(answer.verdict.details)
            return Study(problem, answer.verdict, ledger, answer.notes, None, partial(answer.fit, alone))
        deployed = fit_within(bench, answer, folder)
        verdict = deployed.answer.verdict
        finished = None
        if folder is not None and answer.findings is not None:
            finished = partial(finished_study, problem, protocol, folder, deployed)
        study = Study(problem, verdict, ledger, answer.notes, folder, lambda: deployed.model, finished)
        if folder is not None:
            with storing(folder):
                verdict.details["protocol"]["seconds"] = round(bench.clock.elapsed(), 1)
                write_json(folder / "verdict.json", verdict.details)
                study.report(folder / "report.html")
        follow.verdict(verdict.details, () if folder is None else [folder / name for name in WRITTEN])
        return study
    finally:
        runners.close()
        progress.close()
        follow.close()
        store.close()
