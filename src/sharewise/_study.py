"""A finished comparison: the verdict, the table, the page, the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharewise.errors import OptionError
from sharewise.problems import Problem
from sharewise.verdicts import Verdict

if TYPE_CHECKING:
    import pandas

    from sharewise._distilling import Finished
    from sharewise.distilling import Distilled
    from sharewise.serving import DeployedModel


class Study:
    """What `sharewise.compare` returns.

    Attributes:
        problem: What was compared on.
        verdict: The decision.
        notes: Sentences the user should read (warnings about the data or the run).
        out: The folder with everything, or None.
    """

    def __init__(
        self,
        problem: Problem,
        verdict: Verdict,
        ledger: list[dict[str, Any]],
        notes: tuple[str, ...],
        out: Path | None,
        fit: Callable[[], DeployedModel],
        finished: Callable[[], Finished] | None = None,
    ) -> None:
        self.problem, self.verdict, self.notes, self.out = problem, verdict, notes, out
        self._ledger, self._fit, self._finished = ledger, fit, finished
        self._model: DeployedModel | None = None

    @property
    def model(self) -> DeployedModel:
        """The winner, refitted on all rows the first time it is asked for."""
        if self._model is None:
            self._model = self._fit()
        return self._model

    def distil(
        self,
        *,
        max_latency: str | None = None,
        max_size: str | None = None,
        out: str | Path | None = None,
        quiet: bool = True,
    ) -> Distilled:
        """The smallest model that keeps up with the winner, taught by it, and what that loses.

        For a winner that is an ensemble, or too slow or large for where it is to run. Students learn from the labels and
        from what the winner says of rows that it did not learn from, and are examined on the study's outer folds, paired
        with the winner's scores there. No trial is run again.

        Args:
            max_latency: A student takes at most so long for one row, all tasks: ``"5ms"``.
            max_size: And has at most so many bytes, its folder as saved: ``"100kB"``.
            out: Folder for its model and ``distilled.json``; `sharewise.load` and the command line take it.
            quiet: No progress on standard error.

        Raises:
            OptionError: The study kept no trials (it had no ``out``), its rows are no table, it is about new tasks, or no
                student keeps the limits.
            NotFittedError: Fewer than two outer folds were finished.
            StorageError: A folder cannot be read or written.
        """
        from sharewise._arguments import folder_of
        from sharewise.studies import Limits

        limits = Limits.read(max_latency, max_size, False)
        if self._finished is None:
            raise OptionError(
                "distilling reads the study's trials, and this study kept none. Compare with an out folder, and for "
                "known tasks."
            )
        return self._finished().distil(limits, folder_of(out), quiet=quiet)

    def table(self) -> pandas.DataFrame:
        """Strategy × family, and a line a task each: score, gain over separate models, interval, cost.

        Lines with task ``(all)`` hold the mean over tasks: ``score`` is the share of the constant's error
        removed; the tasks' own lines hold their own metric. ``delta`` is the relative gain over the
        separate models that inner folds chose.
        """
        import pandas

        lines = []
        for row in self.verdict.details["strategies"]:
            interval = row["delta_interval"] or (None, None)
            shared = {"strategy": row["name"], "family": row["family"]}
            lines.append(
                {
                    **shared,
                    "task": "(all)",
                    "score": row["score"],
                    "delta": row["delta"],
                    "low": interval[0],
                    "high": interval[1],
                    "probability_better": row["probability_better"],
                    **row["cost"],
                    "status": row["status"],
                }
            )
            lines.extend({**shared, "task": task, **values} for task, values in row["tasks"].items())
        return pandas.DataFrame(lines)

    def ledger(self) -> pandas.DataFrame:
        """A line a trial: what was fitted, and its cost."""
        import pandas

        return pandas.DataFrame(self._ledger)

    def report(self, path: str | Path) -> Path:
        """Write the page.

        Raises:
            StorageError: It cannot be written.
        """
        from sharewise.reports import write

        return write(path, self.verdict.details, self._ledger)

    def __repr__(self) -> str:
        return f"Study({self.verdict.outcome}: {self.verdict.sentence})"
