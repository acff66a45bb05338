"""What the user sees while trials run."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol


class Progress(Protocol):
    """Told what happens; shows it or not."""

    def phase(self, text: str, total: int) -> None:
        """A stretch of work of ``total`` trials begins."""

    def advance(self, text: str) -> None:
        """One of them ended."""

    def note(self, text: str) -> None:
        """Something to know."""

    def close(self) -> None:
        """All is done, or stopped."""


class Silent:
    """Shows nothing."""

    def phase(self, text: str, total: int) -> None:
        """Nothing."""

    def advance(self, text: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """A plain line now and then, for logs and pipes."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self._text, self._done, self._total = "", 0, 0

    def _write(self, text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._started:6.1f}s] {text}\n")
        sys.stderr.flush()

    def phase(self, text: str, total: int) -> None:
        self._text, self._done, self._total = text, 0, total
        self._write(f"{text}: {total} to go" if total else text)

    def advance(self, text: str) -> None:
        self._done += 1
        if time.monotonic() - self._last >= 5.0 or self._done == self._total:
            self._last = time.monotonic()
            self._write(f"{self._text}: {self._done}/{self._total} ({text})")

    def note(self, text: str) -> None:
        self._write(text)

    def close(self) -> None:
        """Nothing is held open."""


class Bar:
    """A live bar in a terminal (rich)."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}", style="dim"),
            console=Console(stderr=True),
        )
        self._bar.start()
        self._task: Any = None

    def phase(self, text: str, total: int) -> None:
        if self._task is not None:
            self._bar.update(self._task, now="")
        self._task = self._bar.add_task(text, total=total or None, now="")

    def advance(self, text: str) -> None:
        from rich.markup import escape

        if self._task is not None:
            self._bar.update(self._task, advance=1, now=escape(text[:48]))

    def note(self, text: str) -> None:
        from rich.markup import escape

        self._bar.console.print(escape(text), style="yellow", highlight=False)

    def close(self) -> None:
        self._bar.stop()


def make_progress(*, quiet: bool) -> Progress:
    """A bar in a terminal, lines elsewhere, nothing when quiet."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()
