"""Other ways to decide, on what the reference has measured already: what a verdict must beat.

Nothing to run; pure functions of a `regret.Board`, used by ``benchmarks/verdict.py``.

Each policy looks at the inner folds of **one** round, as somebody would who splits the data once, and
never at outer test rows. Every round of the reference is one *draw* of such a split, so that a policy's
luck is averaged over (or its quantiles taken over) several draws rather than left to one.

Symbols: ``J`` rounds, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sharewise.studies import BEST, BLEND

from regret import FLOOR, Board, Choice, row_errors, served


@dataclass(frozen=True)
class Draw:
    """A policy used once.

    Attributes:
        choice: ``(T,)`` the option that serves each task.
        seconds: Of the trials it took.
    """

    choice: Choice
    seconds: float


def always(board: Board, strategy: str) -> list[Draw]:
    """That strategy, in the family that inner folds prefer: one draw a round.

    Raises:
        ValueError: No row of the reference is of that strategy.
    """
    rows = _families_of(board, strategy)
    if not rows:
        raise ValueError(
            f"a policy needs rows of its strategy; the reference of {board.name} has no '{strategy}'."
        )
    return [_preferred(board, index, rows) for index in range(len(board.inner))]


def better_of_two(board: Board, first: str = "separate", second: str = "joint") -> list[Draw]:
    """Both strategies in all families; the one row that inner folds prefer."""
    rows = [*_families_of(board, first), *_families_of(board, second)]
    return [_preferred(board, index, rows) for index in range(len(board.inner))]


def _families_of(board: Board, strategy: str) -> list[int]:
    """Rows of one strategy in one family each."""
    found = []
    for place, row in enumerate(board.rows):
        name, family = row.split("/")
        if name == strategy and family not in (BEST, BLEND):
            found.append(place)
    return found


def _preferred(board: Board, index: int, rows: Sequence[int]) -> Draw:
    inner = board.inner[index, rows]
    chosen = rows[int(np.argmin(np.where(np.isnan(inner), np.inf, inner)))]
    return Draw(board.everywhere(chosen), float(board.row_seconds[index, rows].sum()))


def at_random(board: Board, seconds: float, *, draws: int = 20, seed: int = 0) -> list[Draw]:
    """Single trials in random order until so many seconds are used; the best on inner folds is taken.

    The last trial begun is finished, so that at least one is trained. Where all trials of a round are done and time
    is left, the next round's follow, and a trial is judged by its mean over the rounds it was trained in.

    Args:
        seconds: To spend.
        draws: In each, another order and another first round.
    """
    random = np.random.default_rng(seed)
    n_rounds, n_rows = len(board.seconds), len(board.rows)
    found = []
    for draw in range(draws):
        spent, total, count = 0.0, np.zeros(len(board.trials)), np.zeros(len(board.trials))
        for step in range(n_rounds):
            index = (draw + step) % n_rounds
            for place in random.permutation(len(board.trials)):
                if spent >= seconds and count.any():
                    break
                spent += float(board.seconds[index, place])
                inner = board.inner[index, n_rows + place]
                total[place] += inner if np.isfinite(inner) else np.inf
                count[place] += 1
        mean = np.divide(total, count, out=np.full(len(total), np.inf), where=count > 0)
        found.append(Draw(board.everywhere(n_rows + int(mean.argmin())), spent))
    return found


def oracle(board: Board) -> list[Draw]:
    """The best row in hindsight: what nobody can know, at the whole reference's cost."""
    best = board.contenders[int(row_errors(board).mean(axis=0).argmin())]
    return [Draw(board.everywhere(int(best)), board.total_seconds)]


def constant(board: Board) -> list[Draw]:
    """Nothing learnt: the floor."""
    return [Draw(board.everywhere(board.rows.index(FLOOR)), 0.0)]


def routed_gain(board: Board) -> float:
    """How much lower the error is where each task has its own best row, both chosen on other rounds.

    Relative to the best row's; what a verdict that routes could gain at most, and what no single row can.
    """
    count = len(board.errors)
    own = board.errors[:, board.contenders]
    whole, routed = np.empty(count), np.empty(count)
    for index in range(count):
        others = np.arange(count) != index
        known = ~np.isnan(own[others])
        mean = np.where(known, own[others], 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        whole[index] = served(own[[index]], np.full(len(board.tasks), mean.mean(axis=1).argmin()))[0]
        routed[index] = served(own[[index]], mean.argmin(axis=0))[0]
    base = float(np.nanmean(whole))
    return float(np.nanmean(whole - routed)) / base if base > 1e-12 else 0.0
