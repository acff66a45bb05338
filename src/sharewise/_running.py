"""What every comparison needs around its study: the folder, the ledger, the clock, and errors of the disk."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import sharewise
from sharewise._plugged import packages_of, taking_part
from sharewise.errors import StorageError
from sharewise.problems import Problem, encoder_digest, fingerprint
from sharewise.serving import DeployedModel, versions
from sharewise.strategies import ENSEMBLE
from sharewise.studies import Bench, Clock, Findings, Limits, Protocol, TrialStore, Workers, make_workers
from sharewise.verdicts import Verdict


def opened(problem: Problem, protocol: Protocol, folder: Path | None) -> tuple[TrialStore, Workers]:
    """The ledger and who works. The workers first: no folder is made for a cluster that does not answer."""
    runners = make_workers(problem, protocol.workers)
    try:
        with storing(folder):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            return TrialStore(None if folder is None else folder / "trials.sqlite"), runners
    except BaseException:
        runners.close()
        raise


def settings(problem: Problem, protocol: Protocol) -> dict[str, object]:
    """What must be equal for trials to belong together."""
    asked: dict[str, object] = {}
    if protocol.question == "new":
        asked = {"question": "new", "shots": list(protocol.shots), "ways": protocol.ways}
    own = {} if problem.encoder is None else {"encoder": encoder_digest(problem.encoder)}
    return {
        "data": fingerprint(replace(problem, encoder=None)),
        **own,
        "seed": protocol.seed,
        "strategies": [name for name in protocol.strategies if name != ENSEMBLE],
        "families": list(protocol.families),
        **asked,
        "version of sharewise": sharewise.__version__,
        "plug-ins": {str(one): one.version for one in taking_part(protocol)} or None,
    }


def clock_of(store: TrialStore, protocol: Protocol, workers: Workers, since: float) -> Clock:
    """The budget covers all sessions on a folder. An earlier one counts by its finished trials only: what
    an interruption cost is not held against the study, so that it ends with the same rounds."""
    spent = sum(result.seconds for result in store.results(predictions=False))
    started = max(time.monotonic() - since, 0.0)
    return Clock(protocol.budget, spent / workers.count + started)


def begin_log(bench: Bench, folder: Path | None) -> None:
    """Tell who follows the study what is compared, and the trials that an earlier call has run."""
    if not bench.log.active:
        return
    problem, protocol = bench.problem, bench.protocol
    name = "study" if folder is None else folder.resolve().name
    bench.log.begin(
        {
            "name": name,
            "tasks": len(problem.tasks),
            "rows": len(problem),
            "metrics": {target.name: target.metric.name for target in problem.targets},
            "question": protocol.question,
            "strategies": list(protocol.strategies),
            "families": list(protocol.families),
            "budget_seconds": protocol.budget,
            "seed": protocol.seed,
            "versions": versions() | packages_of(protocol),
        }
    )
    for index in sorted({result.spec.index for result in bench.store.results(predictions=False)}):
        for result in bench.store.results(index=index):
            if result.status != "cut":  # it is run again
                bench.log.trial(result)


@dataclass(frozen=True)
class Answer:
    """What a study came to.

    Attributes:
        verdict: The decision.
        notes: Sentences the user should read.
        fit: Fits what the verdict says should serve, on everything.
        retrained: Tasks whose models change with one task's labels.
        under: The same study decided under other limits; None where limits have no meaning.
        findings: What it rests on, for distilling its winner; None where that has no meaning.
    """

    verdict: Verdict
    notes: tuple[str, ...]
    fit: Callable[[Bench], DeployedModel]
    retrained: int
    under: Callable[[Limits], Answer] | None = None
    findings: Findings | None = None


@contextlib.contextmanager
def storing(folder: Path | None) -> Iterator[None]:
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


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        fresh.write_bytes(text.encode("utf-8", "backslashreplace"))
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def frame_of(bench: Bench) -> dict[str, Any]:
    """What ``verdict.json`` says of any study: the protocol's common part."""
    problem, protocol = bench.problem, bench.protocol
    return {
        "question": protocol.question,
        "seed": protocol.seed,
        "budget_seconds": protocol.budget,
        "seconds": round(bench.clock.elapsed(), 1),
        "workers": bench.workers.count,
        "rows": len(problem),
        "features": sum(int(np.prod(column.values.shape[1:])) for column in problem.table),
        "tasks": len(problem.tasks),
        "rope": protocol.rope,
        "confidence": protocol.confidence,
        "metrics": {target.name: target.metric.name for target in problem.targets},
    }
