"""A cluster's side of a study: what runs on its workers and on its scheduler."""

from __future__ import annotations

import pickle
import sys
import threading
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

import sharewise
from sharewise._plugins import GROUPS, declared
from sharewise.errors import WorkerError
from sharewise.problems import Problem
from sharewise.studies._execution import one_thread, warm_up

_LIBRARIES = ("numpy", "scikit-learn", "lightgbm", "torch")

_one_at_a_time = threading.Lock()
"""Number of threads, peak memory and warnings belong to a whole process, and so to one job."""


def installed() -> dict[str, str]:
    """Versions that must agree on all machines, those of plug-ins included, or trials of one study could not be
    compared."""
    found = {"sharewise": sharewise.__version__, "Python": "{}.{}".format(*sys.version_info)}
    for name in _LIBRARIES:
        try:
            found[name] = version(name).partition("+")[0]  # torch 2.13.0+cpu is torch 2.13.0
        except PackageNotFoundError:
            found[name] = "none"
    for plugin in (one for group in GROUPS for one in declared(group)):
        found[plugin.package] = plugin.version
    return found


def difference(where: str, found: dict[str, str], needed: dict[str, str]) -> str | None:
    """One sentence on the first version that is off, or None."""
    for name, wanted in needed.items():
        if found.get(name) != wanted:
            return (
                f"every machine of a cluster must run the versions of the one that asks; {where} runs {name} "
                f"{found.get(name, 'none')} in place of {wanted}. Install the same there, and start it again."
            )
    return None


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back.

    Attributes:
        begun: False when the job's time was over before its turn came.
        result: Of the job.
        error: What the job raised in place of a result.
    """

    begun: bool
    result: Any = None
    error: Exception | None = None


class Desk(WorkerPlugin):
    """What a worker keeps of a study: its problem, and what the time is where the study was started.

    Dask gives a copy to each worker, also to one that joins later.

    Args:
        problem: Pickled, and unpickled when the first job comes.
        needed: `installed` where the study was started.
    """

    def __init__(self, problem: bytes, needed: dict[str, str]) -> None:
        self._packed, self._needed = problem, needed
        self._problem: Problem | None = None
        self._offset = float("inf")

    def open(self, where: str) -> Problem:
        """The problem, with the libraries loaded.

        Raises:
            WorkerError: This worker runs other versions.
        """
        if self._problem is None:
            wrong = difference(where, installed(), self._needed)
            if wrong is not None:
                raise WorkerError(wrong)
            self._problem, self._packed = pickle.loads(self._packed), b""
            warm_up()
        return self._problem

    def arrived(self, sent: float) -> None:
        """Compare clocks: a job that was sent at ``sent`` by its own clock is here now.

        Hosts' clocks differ by any amount. Of all jobs, the one that waited least tells the difference best,
        and a worker's first job hardly waits.
        """
        self._offset = min(self._offset, time.monotonic() - sent)

    def deadline(self, sent: float, seconds: float | None) -> float | None:
        """By this clock, the end of the ``seconds`` that were left at ``sent``, wherever the job waited since."""
        return None if seconds is None else sent + self._offset + seconds


def run_job(study: str, job: bytes, sent: float, seconds: float | None) -> Outcome:
    """Run a pickled `Job`; an exception of its own is a value in the outcome.

    Args:
        sent: `time.monotonic` where the study was started, when the job was submitted.
        seconds: Left at that time, or None.
    """
    worker = get_worker()
    desk = worker.plugins.get(study)
    if not isinstance(desk, Desk):
        return Outcome(
            True,
            error=WorkerError(
                "a study must stay connected to its scheduler until it ends; this one was cut off for a while. "
                "Run the same command again: finished trials are kept."
            ),
        )
    desk.arrived(sent)
    with _one_at_a_time:
        try:
            problem = desk.open(f"the worker {worker.address}")
            deadline = desk.deadline(sent, seconds)
            if deadline is not None and deadline <= time.monotonic():
                return Outcome(False)
            with one_thread():
                return Outcome(True, pickle.loads(job)(problem, deadline))
        except Exception as error:  # noqa: BLE001 - raised again where the study was started
            return Outcome(True, error=error)


class Caretaker(SchedulerPlugin):
    """Takes a study's problem off the cluster once its client has gone, also when that was killed."""

    def __init__(self, study: str, client: str) -> None:
        self._study, self._client = study, client

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Dask calls this whenever a client has left."""
        if client == self._client:
            scheduler.remove_plugin(name=self._study)
            scheduler.loop.add_callback(scheduler.unregister_worker_plugin, None, self._study)
