"""Who is there to work on a cluster, and how long a study waits when nobody is."""

from __future__ import annotations

import time
import warnings
from typing import Any

from distributed import Client

from sharewise.errors import SharewiseWarning, WorkerError
from sharewise.studies._cluster_link import PATIENCE, lost

LOOK = 1.0
"""Seconds between two looks."""
TELL = 10.0
"""Seconds without any worker until the user is told."""
GIVE_UP = 120.0
"""Seconds without any worker until the study is given up."""


class Roll:
    """Counts a scheduler's workers, at most once in `LOOK` seconds.

    A process counts as one worker, however many threads it has: a trial holds a process to one thread.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address
        self._count, self._looked = 0, float("-inf")
        self._seen = time.monotonic()  # when somebody was there last
        self._met = self._told_absent = self._told_threads = False

    def count(self) -> int:
        """Workers that take jobs now.

        Raises:
            WorkerError: The scheduler is lost.
        """
        if self._client.status != "running":
            raise lost(self._address)
        if time.monotonic() - self._looked >= LOOK:
            scheduler: Any = self._client.scheduler
            try:
                # Those that are full or about to leave do not count as running.
                threads = self._client.sync(scheduler.ncores_running, callback_timeout=PATIENCE)
            except (OSError, RuntimeError, AttributeError) as error:  # it closed while it was asked
                raise lost(self._address) from error
            self._count, self._looked = len(threads), time.monotonic()
            if threads:
                self._seen, self._met, self._told_absent = self._looked, True, False
            self._advise({worker: number for worker, number in threads.items() if number > 1})
        return self._count

    def wait(self, *, last_chance: bool) -> None:
        """Nobody is there: say so after a while, and give up after a longer one.

        Args:
            last_chance: The time is over; without a single worker ever there is nothing to decide on.

        Raises:
            WorkerError: It has been too long.
        """
        absent = time.monotonic() - self._seen
        if absent >= TELL and not self._told_absent:
            self._told_absent = True
            self._warn(
                f"the scheduler {self._address} has no workers; waiting up to {GIVE_UP:.0f} s. "
                f"Start some with '{self._command}'."
            )
        if absent >= GIVE_UP or (last_chance and not self._met):
            raise WorkerError(
                f"a cluster needs workers; the scheduler {self._address} has had none for {absent:.0f} s. "
                f"Start some with '{self._command}', then run the same command again: finished trials are kept."
            )

    @property
    def _command(self) -> str:
        return f"dask worker {self._address} --nworkers auto --nthreads 1"

    def _advise(self, many: dict[str, int]) -> None:
        if many and not self._told_threads:
            self._told_threads = True
            worker, number = next(iter(many.items()))
            self._warn(
                f"a worker process runs one trial at a time; {worker} has {number} threads, of which all but one "
                f"stay idle. Start workers with '{self._command}'."
            )

    @staticmethod
    def _warn(text: str) -> None:
        warnings.warn(text, SharewiseWarning, stacklevel=2)
