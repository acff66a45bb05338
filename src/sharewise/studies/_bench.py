"""What a study is conducted with, and how a list of trials is run on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.problems import Problem
from sharewise.studies._execution import Workers
from sharewise.studies._jobs import trial_jobs
from sharewise.studies._log import NO_LOG, StudyLog
from sharewise.studies._plan import Clock
from sharewise.studies._progress import Progress
from sharewise.studies._protocol import Plan, Protocol, outer_rows
from sharewise.studies._storage import TrialStore
from sharewise.studies._trial import Result, Spec


@dataclass(frozen=True)
class Bench:
    """What a study is conducted with.

    Attributes:
        problem, protocol: What is compared, and how.
        store: The ledger.
        workers: Who fits.
        clock: How long there is.
        progress: Who is told.
        log: Who is told every trial and its scores.
    """

    problem: Problem
    protocol: Protocol
    store: TrialStore
    workers: Workers
    clock: Clock
    progress: Progress
    log: StudyLog = NO_LOG

    def train_rows(self) -> int:
        """Training rows of an outer fold."""
        return len(outer_rows(self.problem, self.protocol, 0)[0][0])

    def round_rows(self, plan: Plan) -> int:
        """Training rows of a round under a plan."""
        train_rows = self.train_rows()
        return train_rows if plan.cap is None else min(plan.cap, train_rows)

    def run(self, specs: Sequence[Spec], phase: str, reserve: float) -> bool:
        """Run the specs that are not kept yet; whether all have ended.

        What the deadline cuts may be run again another time.

        Args:
            reserve: Seconds of the budget that are for what comes after.
        """
        missing = self.missing(specs)
        if not missing:
            return True
        self.progress.phase(phase, len(missing))
        jobs = trial_jobs(self.protocol, missing)
        for _, results in self.workers.map(jobs, lambda: self.clock.left(reserve=reserve)):
            for result in results:
                self.keep(result)
        return not self.missing(specs)

    def keep(self, result: Result) -> None:
        """Enter a trial that ended, and tell."""
        self.store.add(result)
        self.log.trial(result)
        spec = result.spec
        ended = ", cut by the budget" if result.status == "cut" else ""
        self.progress.advance(f"{spec.strategy} {spec.family}, round {spec.index + 1}{ended}")
        if result.status == "failed":
            self.progress.note(f"{spec.strategy}/{spec.family} {spec.configuration} failed: {result.message}")

    def missing(self, specs: Sequence[Spec]) -> list[Spec]:
        """Those that have not ended yet, in their order."""
        finished = {key for key, status in self.store.statuses().items() if status != "cut"}
        return [spec for spec in specs if spec.key not in finished]
