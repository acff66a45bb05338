"""How much a page prints, so that it stays small whatever it is given."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BYTES = 950_000


@dataclass(frozen=True)
class Limits:
    """At most so many tasks, cells of the map, lines of the ledger, and letters of a task's name."""

    tasks: int = 600
    cells: int = 12_000
    lines: int = 400
    letters: int = 120

    def halved(self) -> Limits:
        """The same page, shorter."""
        return Limits(self.tasks // 2, self.cells // 2, self.lines // 2, max(30, self.letters // 2))
