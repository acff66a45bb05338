"""Running trials on the machines of a Dask cluster."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TypeVar

from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError

from sharewise.errors import WorkerError
from sharewise.problems import Problem
from sharewise.studies._cluster_equip import check_versions, furnish
from sharewise.studies._cluster_link import PATIENCE, REACH, connect, find_address, lost, quiet
from sharewise.studies._cluster_roll import LOOK, Roll
from sharewise.studies._cluster_worker import Outcome, run_job
from sharewise.studies._execution import Job

T = TypeVar("T")

AHEAD = 1
"""Jobs that wait at each worker, so that it need not wait for its next one."""
GRACE = 30.0
"""Seconds that a job may take beyond its time; a host that fell silent is not waited for longer."""


class Cluster:
    """Workers that a Dask scheduler knows, one job at a time in each process.

    A worker that dies loses only its job, which the scheduler gives to another; one that joins gets work
    within a second or two. A job ends the study when it has taken down more workers than the scheduler's
    setting ``allowed-failures`` (3) grants.

    Args:
        problem: Sent to each worker once.
        address: The scheduler's (``tcp://host:port``, ``tls://host:port``), or its scheduler file.

    Raises:
        OptionError: Nothing answers there.
        WorkerError: Scheduler or workers run other versions.
    """

    def __init__(self, problem: Problem, address: str) -> None:
        self.address = find_address(address)
        self._study = f"sharewise-{uuid.uuid4().hex}"  # several studies may share a scheduler
        self._serial = itertools.count()
        with contextlib.ExitStack() as stack:
            stack.enter_context(quiet())
            self._client: Client = connect(self.address)
            stack.callback(self._leave)
            check_versions(self._client, self.address)
            furnish(self._client, self.address, self._study, problem)
            self._roll = Roll(self._client, self.address)
            self._open = stack.pop_all()

    @property
    def count(self) -> int:
        """Processes that share the work at present, at least 1."""
        return max(self._roll.count(), 1)

    def map(self, jobs: Sequence[Job[T]], time_left: Callable[[], float | None]) -> Iterator[tuple[int, T]]:
        waiting = deque(range(len(jobs)))
        running: dict[str, tuple[int, Future[Outcome]]] = {}
        done: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        try:
            while waiting or running:
                left, present = time_left(), self._roll.count()
                if not present:
                    self._roll.wait(last_chance=left is not None and left <= 0)
                if left is not None and left <= 0:
                    waiting.clear()  # what has been sent knows its deadline
                    if not running or left < -GRACE:
                        return
                while waiting and len(running) < present * (1 + AHEAD):
                    future = self._submit(jobs[waiting[0]], left)
                    running[str(future.key)] = waiting.popleft(), future
                    future.add_done_callback(done.put)
                try:
                    future = done.get(timeout=LOOK)
                except queue.Empty:
                    continue
                outcome = self._outcome(future)
                if outcome is None:
                    future.add_done_callback(done.put)
                    continue
                place, _ = running.pop(str(future.key))
                if outcome.error is not None:
                    raise outcome.error
                if outcome.begun:
                    yield place, outcome.result
        finally:
            self._forget([future for _, future in running.values()])

    def close(self) -> None:
        """Leave the cluster, which goes on without us; a trial that runs there ends by itself."""
        self._open.close()

    def _submit(self, job: Job[T], left: float | None) -> Future[Outcome]:
        key = f"{self._study}-{next(self._serial)}"
        try:
            # Packed: Dask must not search a job for names of its own.
            return self._client.submit(
                run_job, self._study, pickle.dumps(job), time.monotonic(), left, key=key
            )
        except (OSError, ClosedClientError) as error:
            raise lost(self.address) from error

    def _outcome(self, future: Future[Outcome]) -> Outcome | None:
        """What came back; None where it was lost on the way, so that the job runs again."""
        try:
            return future.result(timeout=PATIENCE)
        except TimeoutError:
            return None
        except KilledWorker as error:
            raise WorkerError(
                f"a trial must not end its worker process; one did {error.allowed_failures + 1} times, most likely "
                "for want of memory. Use fewer workers a machine, or fewer rows or columns."
            ) from error
        except (CancelledError, OSError) as error:
            raise lost(self.address) from error
        except Exception as error:
            raise WorkerError(
                f"each worker of a cluster must be able to run a trial; one failed outside of it ({error}). "
                "Start its workers again with the same sharewise and Dask as here."
            ) from error

    def _forget(self, futures: Sequence[Future[Outcome]]) -> None:
        with contextlib.suppress(OSError, RuntimeError, ClosedClientError):
            if futures:
                self._client.cancel(futures)

    def _leave(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._client.close(timeout=REACH)
