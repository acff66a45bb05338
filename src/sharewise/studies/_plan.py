"""How much a budget buys: decided once, after a scouting round has measured what trials cost here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.studies._protocol import Plan
from sharewise.studies._trial import Result

COST = {
    "none": (1.0, 1.0, 1.0, 1.0),
    "linear": (1.0, 2.5, 4.0, 4.0),
    "trees": (1.0, 4.0, 20.0, 27.0),
    "network": (1.0, 1.5, 2.5, 6.0),
}
"""Seconds of all a family's trials of a round, by effort, as multiples of the scouting round's: measured
on tables of 300 to 4,000 rows. Wrong by half, they cost thoroughness, never the deadline."""
LADDER = ((3, 10), (2, 10), (2, 5), (1, 10), (1, 5), (0, 5), (0, 3))
"""Effort and rounds, most wanted first."""
SCOUT_ROWS = 1500
SCOUT_SHARE = 0.3
"""Of the budget at most, for the scouting round."""
SPARE = 0.92
"""Share of the budget that plans may fill."""
FINISH = 3.0
"""Seconds kept for deciding and writing."""
LEAST_CAP = 300
REFIT_SHARE = 0.35
"""Of the time left after scouting, at most, for fitting the winner on everything."""


@dataclass
class Clock:
    """Wall clock of a study over all its sessions.

    Attributes:
        budget: Seconds for everything, or None.
        before: Seconds that earlier sessions used.
    """

    budget: float | None
    before: float = 0.0

    def __post_init__(self) -> None:
        self._started = time.monotonic()

    def elapsed(self) -> float:
        return self.before + time.monotonic() - self._started

    def left(self, *, reserve: float = 0.0) -> float | None:
        """Seconds left beside a reserve, None without a budget."""
        return None if self.budget is None else self.budget - reserve - self.elapsed()


def round_seconds(scout: Sequence[Result], *, effort: int, rows: float, workers: int) -> float:
    """Wall-clock seconds of a round, from the scouting round's trials.

    Args:
        rows: Training rows as a multiple of the scouting round's.
    """
    total = sum(result.seconds * COST[result.spec.family][effort] for result in scout)
    longest = max((result.seconds * COST[result.spec.family][effort] / 2 for result in scout), default=0.0)
    return max(total / workers, longest) * max(rows, 1.0)


def more_rounds(rounds: int, most: int) -> int | None:
    """The next larger number of rounds on the ladder, or None. In steps, so that the same study on the
    same machine nearly always ends with the same rounds, whatever the clock's small differences."""
    steps = sorted({min(rung, most) for _, rung in LADDER})
    return next((step for step in steps if step > rounds), None)


def choose_plan(
    scout: Sequence[Result],
    clock: Clock,
    *,
    most_rounds: int,
    all_rows: int,
    train_rows: int,
    scout_rows: int,
    workers: int,
) -> Plan:
    """The first rung of the ladder that fits what is left, the refit of the winner included; where none
    does, fewer training rows.

    Args:
        all_rows, train_rows, scout_rows: Of the problem, of a round, and of the scouting round.
    """
    left = clock.left(reserve=FINISH)
    rungs = [(effort, min(rounds, most_rounds)) for effort, rounds in LADDER]
    if left is None:
        return Plan(*rungs[0])

    def seconds(effort: int, rows: int) -> float:
        return round_seconds(scout, effort=effort, rows=rows / scout_rows, workers=workers)

    def refit(effort: int) -> int | None:
        # The winner is at most everything in a round, on all rows.
        share = seconds(effort, all_rows) / max(REFIT_SHARE * left, 1e-9)
        return None if share <= 1 else max(int(all_rows / share), LEAST_CAP)

    cap: int | None = None
    while True:
        rows = train_rows if cap is None else cap
        for effort, rounds in rungs if cap is None else [rung for rung in rungs if rung[0] == 0]:
            finish = min(seconds(effort, all_rows), REFIT_SHARE * left)
            if seconds(effort, rows) * rounds + finish <= left * SPARE:
                return Plan(effort, rounds, cap, refit(effort))
        if rows // 2 < LEAST_CAP:
            return Plan(0, min(2, most_rounds), cap, refit(0))
        cap = rows // 2
