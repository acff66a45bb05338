"""Running trials: in this process, or in several workers, each with one thread; `_cluster` has other machines."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from sharewise.errors import OptionError, WorkerError
from sharewise.problems import Problem

T = TypeVar("T")
Job = Callable[[Problem, float | None], T]
"""Something to compute on the problem before a deadline (seconds from now, or None)."""

_THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
MOST_DEATHS = 3
"""How often a job may take its worker down before the study gives it up."""


def _over(seconds: float | None) -> bool:
    return seconds is not None and seconds <= 0


class Workers(Protocol):
    """Runs jobs and yields each result as it comes, with the job's place in the list.

    Jobs not begun when ``time_left`` reaches zero are not run.
    """

    @property
    def count(self) -> int:
        """Processes that share the work, at least 1; a cluster's may come and go."""
        ...

    def map(
        self, jobs: Sequence[Job[T]], time_left: Callable[[], float | None]
    ) -> Iterator[tuple[int, T]]: ...

    def close(self) -> None: ...


class InProcess:
    """One job after another, here."""

    count = 1

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        warm_up()

    def map(self, jobs: Sequence[Job[T]], time_left: Callable[[], float | None]) -> Iterator[tuple[int, T]]:
        for place, job in enumerate(jobs):
            if _over(time_left()):
                return
            with one_thread():
                result = _call(job, self.problem, time_left())
            yield place, result

    def close(self) -> None:
        """Nothing to end."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS, OpenMP and torch to one thread; two threads on busy cores can be far slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _loaded_libraries().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def _loaded_libraries() -> Any:
    """Found once: the search takes some 10 ms, and `warm_up` has loaded all that count."""
    return ThreadpoolController()


class Pool:
    """Worker processes (loky: no ``__main__`` guard is needed). One that dies loses only its job, which
    is run again.

    A pool of loky's fails whole when one of its processes is killed, so each process is a pool of its own.

    Args:
        problem: Sent to each worker once.
        count: Processes.
    """

    def __init__(self, problem: Problem, count: int) -> None:
        self.problem, self.count = problem, count
        self._seats: dict[int, Any] = {}

    def map(self, jobs: Sequence[Job[T]], time_left: Callable[[], float | None]) -> Iterator[tuple[int, T]]:
        from loky.process_executor import BrokenProcessPool

        queue, deaths = deque(range(len(jobs))), Counter[int]()
        free = list(reversed(range(self.count)))
        running: dict[Future[T], tuple[int, int]] = {}  # job and seat
        try:
            while queue or running:
                if _over(time_left()):
                    queue.clear()  # what runs is told its own deadline
                while queue and free:
                    seat = free.pop()
                    try:
                        future = self._seated(seat).submit(_in_worker, jobs[queue[0]], time_left())
                    except BrokenProcessPool:  # it died between two jobs
                        self._end(seat)
                        free.append(seat)
                    else:
                        running[future] = queue.popleft(), seat
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    place, seat = running.pop(future)
                    free.append(seat)
                    try:
                        result = future.result()
                    except BrokenProcessPool as error:
                        self._end(seat)
                        queue.appendleft(place)
                        deaths[place] += 1
                        if deaths[place] >= MOST_DEATHS:
                            raise WorkerError(
                                f"a trial must not end its worker process; one did {MOST_DEATHS} times, most likely "
                                "for want of memory. Use fewer --workers, or fewer rows or columns."
                            ) from error
                    else:
                        yield place, result
        finally:
            for _, seat in running.values():  # nobody waits for them any more
                self._end(seat)

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        for seat in list(self._seats):
            self._end(seat)

    def _seated(self, seat: int) -> Any:
        if seat not in self._seats:
            import loky

            # A worker that grew is replaced between two jobs, and nothing is lost: nothing that users could act on.
            warnings.filterwarnings("ignore", "A worker (was restarted|stopped) while some jobs", UserWarning)
            self._seats[seat] = loky.ProcessPoolExecutor(
                1, env=_THREADS, initializer=_initialise, initargs=(self.problem, os.getpid())
            )
        return self._seats[seat]

    def _end(self, seat: int) -> None:
        executor = self._seats.pop(seat, None)
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


_problem: Problem | None = None


def _initialise(problem: Problem, parent: int) -> None:
    global _problem
    _problem = problem
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(1)
    warm_up()


def warm_up() -> None:
    """Do now what a library does at first use, so that a first trial's seconds are its own."""
    import lightgbm

    import sharewise.training  # noqa: F401

    rows = np.arange(40.0)
    known = lightgbm.Dataset(rows[:, None], rows)
    lightgbm.train({"verbosity": -1, "num_threads": 1}, known, num_boost_round=1)


def _follow(parent: int) -> None:
    """End with the parent, also when that was killed and could tell nobody."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _in_worker(job: Job[T], seconds: float | None) -> T:
    assert _problem is not None
    return _call(job, _problem, seconds)


def _call(job: Job[T], problem: Problem, seconds: float | None) -> T:
    return job(problem, None if seconds is None else time.monotonic() + seconds)


def make_workers(problem: Problem, workers: int | str) -> Workers:
    """Workers for a problem.

    Args:
        workers: Processes here, or the address of a Dask scheduler.

    Raises:
        OptionError: No scheduler answers there, or Dask is not installed.
        WorkerError: The cluster's machines run other versions.
    """
    if isinstance(workers, int):
        return InProcess(problem) if workers == 1 else Pool(problem, workers)
    try:
        from sharewise.studies._cluster import Cluster
    except ModuleNotFoundError as error:
        raise OptionError(
            f"workers on a cluster need the extra 'dask', and {error.name} is not installed; got '{workers}'. "
            "Install it with: pip install 'sharewise[dask]'"
        ) from error
    return Cluster(problem, workers)


def default_workers() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
