"""How much a budget buys: effort and rows, decided after a scouting round has measured what trials cost here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.studies._protocol import Plan
from sharewise.studies._trial import Result, Spec

COST = {
    "none": (1.0, 1.0, 1.0, 1.0),
    "linear": (1.0, 2.4, 4.0, 4.0),
    "trees": (1.0, 3.6, 20.0, 27.0),
    "network": (1.0, 1.25, 2.5, 6.0),
}
"""Seconds of all a family's trials of a round, by effort, as multiples of the scouting round's: measured
on tables of 300 to 4,000 rows. Wrong by half, they cost thoroughness, never the deadline."""
LADDER = ((3, 10), (2, 10), (2, 5), (1, 10), (1, 5), (0, 5), (0, 3))
"""Effort and rounds, most wanted first."""
SCOUT_ROWS = 1500
SCOUT_SHARE = 0.5
"""Of the budget at most, for starting workers and the scouting round."""
CUT_FACTOR = 3.0
"""What a trial that scouting had to cut is taken to need, as a multiple of what it had."""
LEAST_GROWTH = 0.3
"""A trial on next to no rows still takes this share of a scouting trial."""
SURVIVE = 0.75
"""Share of the first round's seconds that a later one is taken to need: some leave the race."""
SPARE = 0.92
"""Share of the budget that plans may fill."""
FINISH = 2.0
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


@dataclass(frozen=True)
class Scouted:
    """What the scouting round says of cost.

    Attributes:
        seconds: ``(family, seconds)`` a trial; a guess where it was cut or not begun.
        complete: Whether all its trials ended.
        rows: Its training rows.
        workers: Processes that share the work.
    """

    seconds: tuple[tuple[str, float], ...]
    complete: bool
    rows: int
    workers: int

    @classmethod
    def of(cls, results: Sequence[Result], specs: Sequence[Spec], *, rows: int, workers: int) -> Scouted:
        """From the round's trials as far as they came."""
        found = {result.spec.key: result for result in results}
        done = [result.seconds for result in results if result.status != "cut"]
        guess = max(
            (result.seconds * CUT_FACTOR for result in results if result.status == "cut"), default=1.0
        )
        seconds = []
        for spec in specs:
            result = found.get(spec.key)
            known = result.seconds if result is not None and result.status != "cut" else guess
            seconds.append((spec.family, known))
        return cls(tuple(seconds), len(done) >= len(specs), rows, workers)

    def rounds_seconds(self, effort: int, rows: int, rounds: int) -> float:
        """Wall-clock seconds of several rounds, the first being done already where it is the scouting one."""
        first = 0 if effort == 0 and rows == self.rows and self.complete else 1
        return self.round_seconds(effort, rows) * (first + (rounds - 1) * SURVIVE)

    def round_seconds(self, effort: int, rows: int) -> float:
        """Wall-clock seconds of a round of that effort on that many training rows."""
        each = [seconds * COST[family][effort] for family, seconds in self.seconds]
        # A round cannot be faster than its longest trial, which is about half of its family's.
        return max(sum(each) / self.workers, max(each) / 2) * max(rows / self.rows, LEAST_GROWTH)


def most_rounds() -> int:
    """Rounds at most that any rung of the ladder has: where rounds turn out cheaper than planned, more are run
    whatever the effort."""
    return max(rounds for _, rounds in LADDER)


def choose_plan(scouted: Scouted, clock: Clock, *, most_rounds: int, all_rows: int, train_rows: int) -> Plan:
    """The first rung of the ladder that fits what is left, the refit of the winner included; where none
    does, fewer training rows.

    Args:
        all_rows, train_rows: Of the problem and of a round.
    """
    rungs = [(effort, min(rounds, most_rounds)) for effort, rounds in LADDER]
    left = clock.left(reserve=FINISH)
    if left is None:
        return Plan(*rungs[0])
    finish = REFIT_SHARE * max(left, 0.1)

    def refit(effort: int) -> int | None:
        # The winner is at most everything in a round, on all rows.
        share = scouted.round_seconds(effort, all_rows) / finish
        rows = max(int(all_rows / share), LEAST_CAP) if share > 1 else all_rows
        return rows if rows < all_rows else None

    rows = train_rows
    while True:
        whole = rows == train_rows and scouted.complete
        for effort, rounds in rungs if whole else [rung for rung in rungs if rung[0] == 0]:
            last = min(scouted.round_seconds(effort, all_rows), finish)
            if scouted.rounds_seconds(effort, rows, rounds) + last <= left * SPARE:
                return Plan(effort, rounds, None if rows == train_rows else rows, refit(effort))
        if rows // 2 < LEAST_CAP:
            return Plan(0, min(2, most_rounds), None if rows == train_rows else rows, refit(0))
        rows //= 2
