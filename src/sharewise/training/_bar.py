"""The progress bar: epochs, and each task's loss and metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sharewise.tasks import Kind
from sharewise.training._record import EpochRow

MOST_TASKS = 12
"""Lines of tasks at most; of more tasks the first are shown."""


class Bar(Protocol):
    """Told what happens; shows it or not."""

    def step(self, done: int, steps: int | None) -> None:
        """So many batches of the epoch are read, of so many."""

    def epoch(self, rows: Sequence[EpochRow]) -> None:
        """An epoch ended."""

    def close(self) -> None:
        """Training ended."""


class NoBar:
    """Shows nothing."""

    def step(self, done: int, steps: int | None) -> None:
        """Nothing."""

    def epoch(self, rows: Sequence[EpochRow]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class RichBar:
    """A live bar on standard error, a line a task under it.

    Args:
        kinds: By task.
        epochs: How many there will be at most.
        start: Where a resumed run goes on.
        console: Of rich, or None for standard error.
    """

    def __init__(self, kinds: dict[str, Kind], epochs: int, start: int, console: Any = None) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._metrics = {task: kind.metric().name for task, kind in kinds.items()}
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}", style="dim"),
            console=console or Console(stderr=True),
        )
        self._epochs = self._bar.add_task("[bold]epochs", total=epochs, completed=start, now="")
        self._steps = self._bar.add_task("batches", total=None, now="")
        shown = list(kinds)[:MOST_TASKS]
        self._tasks = {
            task: self._bar.add_task(escape(task[:24]), total=epochs, completed=start, now="")
            for task in shown
        }
        self._bar.start()

    def step(self, done: int, steps: int | None) -> None:
        """Moves the batches' bar."""
        self._bar.update(self._steps, completed=done, total=steps)

    def epoch(self, rows: Sequence[EpochRow]) -> None:
        """Moves the epochs' bar, and says how each task does."""
        self._bar.advance(self._epochs)
        for row in rows:
            if row.task in self._tasks:
                now = f"loss {row.loss:.4g}"
                if row.validation_loss == row.validation_loss:
                    now += f" · validation {row.validation_loss:.4g} · {self._metrics[row.task]} {row.metric:.4g}"
                self._bar.update(self._tasks[row.task], advance=1, now=now)

    def close(self) -> None:
        """Leaves the last state on the screen."""
        self._bar.stop()
