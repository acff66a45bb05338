"""Distilling a study that is finished: its folder opened again, a student made of its winner, and kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharewise._running import settings, storing, write_json
from sharewise.distilling import Distilled, distil
from sharewise.errors import OptionError, StorageError
from sharewise.problems import Problem
from sharewise.serving import DeployedModel, load
from sharewise.studies import (
    Bench,
    Clock,
    Findings,
    Limits,
    Protocol,
    TrialStore,
    conduct,
    make_progress,
    make_workers,
)

RECORD = "distilled.json"


@dataclass(frozen=True)
class Finished:
    """A study that is over, with what distilling it needs.

    Attributes:
        folder: Where its trials are.
        findings: What it found; None where they are to be gathered from its trials.
        details: The verdict's record.
        winner: Gives its model.
    """

    problem: Problem
    protocol: Protocol
    folder: Path
    findings: Findings | None
    details: dict[str, Any]
    winner: Callable[[], DeployedModel]

    def distil(self, limits: Limits, out: Path | None, *, quiet: bool) -> Distilled:
        """A student of its winner, kept in ``out`` if there is one.

        Raises:
            OptionError: It cannot be distilled within the limits, or ``out`` holds a study.
            StorageError: A folder cannot be read or written, or holds trials of other data.
        """
        if out is not None and (out / "trials.sqlite").exists():
            raise OptionError(
                f"a student is kept beside its study, not in place of it; {out} holds a study. Name another --out."
            )
        problem, protocol = self.problem, self.protocol
        store, progress = TrialStore(self.folder / "trials.sqlite"), make_progress(quiet=quiet)
        try:
            _check_rows(store, problem, protocol)
            runners = make_workers(problem, protocol.workers)
            try:
                # A clock that has run out: what is kept is gathered, and no trial is run.
                bench = Bench(
                    problem, protocol, store, runners, Clock(0.0, math.inf), make_progress(quiet=True)
                )
                findings = self.findings or conduct(bench)
                bench = Bench(problem, protocol, store, runners, Clock(None), progress)
                found = distil(bench, findings, self.details, self.winner(), limits)
            finally:
                runners.close()
        finally:
            store.close()
            progress.close()
        if out is not None:
            with storing(out):
                out.mkdir(parents=True, exist_ok=True)
                found.model.save(out / "model")
                write_json(out / RECORD, found.details)
        return found


def opened_again(folder: Path, problem: Problem, protocol: Protocol) -> Finished:
    """A study's folder, whose data and protocol are told again.

    Raises:
        StorageError: No finished study is there.
        OptionError: It was one about new tasks.
    """
    path = folder / "verdict.json"
    try:
        details = json.loads(path.read_text(encoding="utf-8"))
        question = details["protocol"]["question"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StorageError(
            f"a finished study's folder holds verdict.json, and {path} cannot be read ({error}). Run its 'sharewise compare' "
            "to the end."
        ) from error
    check_question(question)

    def winner() -> DeployedModel:
        model = load(folder)
        if not isinstance(model, DeployedModel):
            raise StorageError(
                f"a study's folder holds its model; {folder} holds one of a new task. Compare again."
            )
        return model

    return Finished(problem, protocol, folder, None, details, winner)


def check_question(question: str) -> None:
    """Refuse a study whose winner serves no task yet.

    Raises:
        OptionError: It is about new tasks.
    """
    if question != "known":
        raise OptionError(
            "a student learns the tasks at hand; this study is about new tasks, whose model is small already. Deploy it as "
            "it is."
        )


def _check_rows(store: TrialStore, problem: Problem, protocol: Protocol) -> None:
    """Refuse other rows than those that the trials were run on: test rows would be others too."""
    kept, now = store.get("settings"), settings(problem, protocol)
    other = [key for key, value in now.items() if (kept or {}).get(key) != value]
    if other:
        raise StorageError(
            f"a student learns from the rows of its study, as they were; {store.path} was made with other "
            f"{', '.join(other)}. Run 'sharewise compare' on the rows at hand, with another --out."
        )
