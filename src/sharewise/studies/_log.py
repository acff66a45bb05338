"""Following a study: every trial as it ends, then the verdict, told to loggers such as MLflow's.

Loggers are called in a thread of their own, in this process only, so that a slow server costs the budget nothing and a
broken one no study: a logger that fails is left out, and one warning says why.
"""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, final, runtime_checkable

from sharewise.errors import SharewiseWarning
from sharewise.studies._scores import Scores
from sharewise.studies._storage import ledger_line
from sharewise.studies._trial import Result

PATIENCE: Final = 60.0
"""Seconds that a finished study waits for its loggers."""


@runtime_checkable
class StudyLogger(Protocol):
    """Told of a study; all values are JSON-plain."""

    def begin(self, study: Mapping[str, Any]) -> None:
        """What is compared: ``name``, and the settings of the comparison."""
        ...

    def trial(self, line: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """A trial ended: its line in the ledger (strategy, family, configuration, round, status, costs), and its finite
        scores by name, ``inner/rmse/price`` and ``test/rmse/price``."""
        ...

    def verdict(self, details: Mapping[str, Any], files: Sequence[Path]) -> None:
        """What ``verdict.json`` holds, and the files that the study has written."""
        ...

    def close(self) -> None:
        """Nothing comes any more; without a verdict the study was stopped."""
        ...


@final
class StudyLog:
    """Hands what happens to loggers.

    Args:
        scores: Of the study's trials; None where there are no loggers.
    """

    def __init__(self, loggers: Sequence[StudyLogger] = (), scores: Scores | None = None) -> None:
        self._loggers, self._scores = list(loggers), scores
        self._failed: dict[str, str] = {}
        self._queue: queue.SimpleQueue[Callable[[StudyLogger], None] | Result | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def active(self) -> bool:
        """Whether anybody listens."""
        return bool(self._loggers)

    def begin(self, study: Mapping[str, Any]) -> None:
        """Tell what is compared."""
        self._put(lambda logger: logger.begin(study))

    def trial(self, result: Result) -> None:
        """Tell of a trial that ended."""
        self._put(result)

    def verdict(self, details: Mapping[str, Any], files: Sequence[Path] = ()) -> None:
        """Tell the decision."""
        self._put(lambda logger: logger.verdict(details, files))

    def close(self) -> None:
        """Wait until all is told, for `PATIENCE` at most, and warn of loggers that failed."""
        if self._thread is not None:
            self._put(lambda logger: logger.close())
            self._queue.put(None)
            self._thread.join(PATIENCE)
            if self._thread.is_alive():
                self._failed["the log"] = f"it did not take everything within {PATIENCE:g} s"
            self._thread = None
        for name, reason in self._failed.items():
            warnings.warn(
                f"a log must take what it is told; {name} did not ({reason}). The study is whole without it.",
                SharewiseWarning,
                stacklevel=3,
            )
        self._failed = {}

    def _put(self, what: Callable[[StudyLogger], None] | Result) -> None:
        if not self._loggers and self._thread is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._tell, name="sharewise-log", daemon=True)
            self._thread.start()
        self._queue.put(what)

    def _tell(self) -> None:
        while (what := self._queue.get()) is not None:
            for logger in list(self._loggers):
                try:
                    if isinstance(what, Result):
                        logger.trial(ledger_line(what), {} if self._scores is None else self._scores.of(what))
                    else:
                        what(logger)
                except Exception as error:  # noqa: BLE001 - somebody else's server may fail in any way
                    told = " ".join(f"{type(error).__name__}: {error}".split())
                    self._failed[type(logger).__name__] = told[:300]
                    self._loggers.remove(logger)


NO_LOG: Final = StudyLog()
