"""What `compare` is given, checked: one sentence for each thing that can be off."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sharewise.errors import OptionError
from sharewise.families import FAMILIES
from sharewise.problems import Problem, nearest
from sharewise.strategies import ENSEMBLE, STRATEGIES, USUAL
from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES
from sharewise.studies import (
    Limits,
    MLflowStudy,
    Protocol,
    StudyLogger,
    TensorBoardStudy,
    default_workers,
    parse_budget,
)

SHORT_BUDGET = 30.0
"""Seconds below which starting worker processes costs more than they bring."""
MOST_WORKERS = 4
"""Workers for each processor at most: more only wait for each other, and for memory."""
MOST_SHOTS = 100_000
QUESTIONS = ("known", "new")
LOGS = ("mlflow", "tensorboard")
_SCHEDULER = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")
"""An address as Dask writes it; a scheduler file ends in .json."""


def loggers_of(log: object, folder: Path | None) -> tuple[StudyLogger, ...]:
    """Who follows the study: ``mlflow``, ``tensorboard``, loggers, or several of them.

    Raises:
        OptionError: One is neither, or its extra is not installed.
    """
    if log is None:
        return ()
    several = isinstance(log, Iterable) and not isinstance(log, str)
    return tuple(_logger(one, folder) for one in (log if several else [log]))  # type: ignore[attr-defined]


def _logger(given: object, folder: Path | None) -> StudyLogger:
    if isinstance(given, str):
        if given not in LOGS:
            raise OptionError(
                f"a log is one of {', '.join(LOGS)}, or a logger; got '{given}'.{nearest(given, LOGS)}"
            )
        if given == "mlflow":
            return MLflowStudy()
        if folder is None:
            raise OptionError(
                "the log 'tensorboard' is written beside a study's results; there is no folder. Name one with out=, or pass "
                "log=sw.studies.TensorBoardStudy(folder)."
            )
        return TensorBoardStudy(folder / "tensorboard")
    if isinstance(given, StudyLogger) and not isinstance(given, type):
        return given
    raise OptionError(
        f"a log is one of {', '.join(LOGS)}, or has begin, trial, verdict and close as sw.studies.StudyLogger says; got "
        f"{given!r}."
    )


def folder_of(out: object) -> Path | None:
    """The folder that ``out`` names, or None.

    Raises:
        OptionError: It is no path.
    """
    if out is None:
        return None
    if not isinstance(out, str | os.PathLike):
        raise OptionError(f"out is the path of a folder; got {out!r}.")
    text = os.fspath(out)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise OptionError(f"out is the path of a folder; got {text!r}. Name one, as in --out runs/schools.")
    return Path(text)


def protocol_of(
    question: str,
    budget: str | float | None,
    seed: object,
    workers: object,
    strategies: Sequence[str] | None,
    families: Sequence[str] | None,
    rope: object,
    shots: object = None,
    ways: object = None,
) -> Protocol:
    """The arguments of `compare` as a protocol.

    Raises:
        OptionError: One of them is off.
    """
    if question not in QUESTIONS:
        raise OptionError(
            "a question is 'known' (serve the tasks at hand) or 'new' (tasks not seen yet will arrive with few labels); "
            f"got {question!r}.{nearest(str(question), QUESTIONS)}"
        )
    new = question == "new"
    if not new and (shots is not None or ways is not None):
        name = "ways" if shots is None else "shots"
        raise OptionError(f"{name} are asked about new tasks; the question is 'known'. Add --question new.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise OptionError(f"a seed is a whole number from 0; got {seed!r}.")
    if budget is not None and not isinstance(budget, str | int | float):
        raise OptionError(f"a budget is a duration such as '90s' or '5min'; got {budget!r}.")
    if not isinstance(rope, int | float) or not 0 < rope < 1:
        raise OptionError(f"rope is a share between 0 and 1 (0.01 is one percent); got {rope!r}.")
    seconds = parse_budget(budget)
    asked = strategies if new or strategies is not None else USUAL
    return Protocol(
        question,
        seed,
        _named("strategies", asked, tuple(NEW_TASK_STRATEGIES) if new else (*STRATEGIES.names(), ENSEMBLE)),
        _named("families", families, tuple(FAMILIES)),
        rope=float(rope),
        budget=seconds,
        workers=_workers(workers, seconds),
        shots=_shots(shots),
        ways=_ways(ways),
    )


def limits_of(question: str, latency: object, size: object, independent: object) -> Limits:
    """What may be deployed.

    Raises:
        OptionError: A limit is off, or asked for where none is kept.
    """
    limits = Limits.read(latency, size, independent)
    if limits.given and question == "new":
        raise OptionError(
            "limits on what is deployed (max_latency, max_size, independent_updates) are kept for known tasks; the question "
            "is 'new'. Leave them out."
        )
    return limits


def _shots(given: object) -> tuple[int, ...]:
    """Numbers of labels, rising."""
    if given is None:
        return Protocol.shots
    listed = [given] if isinstance(given, int) or not isinstance(given, Iterable) else list(given)
    counts: set[int] = set()
    for k in listed:
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_SHOTS:
            raise OptionError(f"shots are whole numbers of labels from 1 to {MOST_SHOTS:,}; got {k!r}.")
        counts.add(k)
    if not counts:
        raise OptionError("shots are numbers of labels, as in --shots 1,5,20; got none.")
    return tuple(sorted(counts))


def _ways(given: object) -> int:
    if given is None:
        return Protocol.ways
    if isinstance(given, bool) or not isinstance(given, int) or given < 2:
        raise OptionError(f"ways is the number of classes of a new task, 2 or more; got {given!r}.")
    return given


def families_for(problem: Problem, families: Sequence[str] | None) -> Sequence[str] | None:
    """The families asked for, or None for all; where rows are no plain table those that read them.

    Raises:
        OptionError: One asked for cannot read the problem's rows.
    """
    able = tuple(name for name, family in FAMILIES.items() if family.reads(problem))
    if len(able) == len(FAMILIES):
        return families
    asked = able if families is None else [families] if isinstance(families, str) else list(families)
    unable = [name for name in asked if name in FAMILIES and name not in able]
    if unable or not able:
        raise OptionError(
            f"families that read these rows are {', '.join(able) or 'none: an extra is missing (text or images)'}; "
            f"got {f'{unable[0]!r}' if unable else 'this problem'}. Leave families out, or install the extra."
        )
    return asked


def _workers(given: object, seconds: float | None) -> int | str:
    """A number of processes, or where a cluster's scheduler is."""
    if given is None:
        return 1 if seconds is not None and seconds < SHORT_BUDGET else default_workers()
    if isinstance(given, str) and (_SCHEDULER.fullmatch(given) or given.endswith(".json")):
        return given
    most = MOST_WORKERS * default_workers()
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise OptionError(
            f"workers is a whole number from 1 to {most}, {MOST_WORKERS} for each processor here, or the address of a "
            f"Dask scheduler such as tcp://10.0.0.5:8786; got {given!r}."
        )
    return given


def _named(what: str, given: Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    if given is None:
        return known
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [str(given)]
    listed = list(given)
    unknown = [name for name in listed if name not in known]
    if unknown or not listed:
        found = f"'{unknown[0]}'" if unknown else "none"
        raise OptionError(f"{what} are some of {', '.join(known)}; got {found}.")
    chosen = tuple(name for name in known if name in listed)
    if what == "strategies" and "separate" not in chosen:
        raise OptionError("strategies must hold 'separate', what all others are compared with. Add it.")
    return chosen
