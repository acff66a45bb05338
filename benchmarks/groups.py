"""Does the search over task groups find what training every group would? A replay on tables of all subsets.

    python benchmarks/groups.py                          # builds the tables if need be (about ten minutes), replays
    python benchmarks/groups.py --cache folder --tables school-ridge,exam-ridge --seeds 5

The tables are those of ``benchmarks/subsets.py``: every group of 6 to 8 tasks trained with sharewise's own
learners. A *training* is one group of two or more tasks, the whole included; each task's own model is given,
as a study has it anyway. All ways of searching start with the whole and may train the same number of groups:

* ``search``: `sharewise.strategies.GroupSearch`, with `sharewise.strategies.affinity` as its prior;
* ``no prior``: the same without it;
* ``affinity``: groups that the prior promises most for, one after another, whatever they turn out to bring;
* ``pairs``: half of the trainings on pairs; then groups by the mean gain of their pairs (the higher-order
  approximation of Standley et al. 2020), pairs that were not trained counting as the mean of those that were;
* ``random``: any groups.

Two gains are printed, means over tasks, each as a share of what training all groups (*full*) comes to:

* *found*: every task's best gain among the groups trained, on the folds where the search looks. Its own
  objective; where gains are noisy mostly luck, which nothing but more draws can find;
* *delivered*: what the assignment (`GroupSearch.assignment`, on the groups that were trained) is worth on rows
  that no search has seen. Sums over tables, as a single table's may be nothing.

*Promised* stands beside it: the mean gain as measured, and after shrinking.

Symbols: ``T`` tasks, ``G`` groups, ``K`` folds of the search.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sharewise.strategies import GroupSearch

import subsets

Array = NDArray[np.float64]
Order = list[int]
"""Places of groups in the order they are trained."""

BUDGETS: Final = (0.05, 0.10, 0.20)
SHOWN: Final = 0.10
"""The budget of the lines a table."""


@dataclass(frozen=True)
class Board:
    """A replicate, ready for replays.

    Attributes:
        gains, errors: ``(G, T)`` mean over the search's folds and its standard error.
        unseen: ``(G, T)``.
        members: ``(G, T)``.
    """

    name: str
    way: str
    groups: list[tuple[int, ...]]
    gains: Array
    errors: Array
    unseen: Array
    members: NDArray[np.bool_]
    prior: Array

    @classmethod
    def of(cls, table: subsets.Replicate) -> Board:
        folds = table.seen.shape[1]
        way = subsets.TABLES[table.table].way
        # Folds of a study overlap in their training rows (Nadeau & Bengio 2003); parts of a test half do not.
        overlap = 1 / (folds - 1) if way == "study" else 0.0
        errors = np.sqrt(table.seen.var(axis=1, ddof=1) * (1 / folds + overlap))
        members = ~np.isnan(table.unseen)
        return cls(
            table.table,
            way,
            table.groups,
            table.seen.mean(axis=1),
            errors,
            table.unseen,
            members,
            table.prior,
        )

    @property
    def whole(self) -> int:
        return len(self.groups) - 1

    def trainings(self, share: float) -> int:
        """Of a budget, at least the whole and one more."""
        return max(2, int(share * len(self.groups)))


# --- ways of searching --------------------------------------------------------------------------------


def search(board: Board, count: int, seed: int, *, informed: bool = True) -> Order:
    place = {group: row for row, group in enumerate(board.groups)}
    one = GroupSearch(board.prior.shape[0], prior=board.prior if informed else None, seed=seed)
    order: Order = []
    while len(order) < count:
        (group,) = one.ask(1)
        order.append(place[group])
        one.tell(group, board.gains[order[-1]], board.errors[order[-1]])
    return order


def uninformed(board: Board, count: int, seed: int) -> Order:
    return search(board, count, seed, informed=False)


def drawn(board: Board, count: int, seed: int) -> Order:
    rng = np.random.default_rng(seed)
    return [board.whole, *rng.permutation(board.whole)[: count - 1].tolist()]


def promising(board: Board, believed: Array, order: Order, count: int) -> Order:
    """Add groups that raise the sum over tasks of the best *believed* gain ``(G, T)`` most."""
    order = list(order)
    best = np.fmax(0.0, np.nanmax(np.vstack([believed[order], np.zeros_like(believed[:1])]), axis=0))
    while len(order) < count:
        worth = np.nansum(np.maximum(believed - best, 0.0), axis=1)
        worth[order] = -1.0
        order.append(int(worth.argmax()))
        best = np.fmax(best, believed[order[-1]])
    return order


def mean_over_partners(board: Board, pairwise: Array) -> Array:
    """What groups bring ``(G, T)`` if a task gains the mean of what its partners bring it, ``(T, T)``."""
    bare = pairwise.copy()
    np.fill_diagonal(bare, 0.0)
    partners = board.members.sum(axis=1, keepdims=True) - 1
    return np.where(board.members, board.members @ bare.T / partners, np.nan)


def by_affinity(board: Board, count: int, seed: int) -> Order:
    off = ~np.eye(len(board.prior), dtype=bool)
    centred = board.prior - board.prior[off].mean()
    return promising(board, mean_over_partners(board, centred), [board.whole], count)


def by_pairs(board: Board, count: int, seed: int) -> Order:
    rng = np.random.default_rng(seed)
    pairs = rng.permutation([row for row, group in enumerate(board.groups) if len(group) == 2])
    order = [board.whole, *pairs[: (count - 1) // 2].tolist()]
    tasks = len(board.prior)
    known = np.full((tasks, tasks), np.nan)
    for row in order[1:]:
        one, other = board.groups[row]
        known[one, other], known[other, one] = board.gains[row, one], board.gains[row, other]
    middle = np.nanmean(known) if len(order) > 1 else 0.0
    known[np.isnan(known)] = middle
    return promising(board, mean_over_partners(board, known), order, count)


Way = Callable[[Board, int, int], Order]
WAYS: Final[dict[str, Way]] = {
    "search": search,
    "no prior": uninformed,
    "affinity": by_affinity,
    "pairs": by_pairs,
    "random": drawn,
}
ANYTIME: Final = ("search", "no prior", "random", "affinity")
"""Whose first trainings do not depend on how many may follow: run once for all budgets."""


# --- judging ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """Mean gains over tasks: found; as promised before and after shrinking; delivered."""

    found: float
    measured: float
    promised: float
    delivered: float


def score(board: Board, order: Sequence[int]) -> Score:
    """What some groups come to."""
    tasks = board.gains.shape[1]
    judge = GroupSearch(tasks, prior=None, seed=0)
    for row in order:
        judge.tell(board.groups[row], board.gains[row], board.errors[row])
    place = {board.groups[row]: row for row in order}
    served = judge.assignment()
    delivered = [
        board.unseen[place[one.group], task] if one.group in place else 0.0 for task, one in enumerate(served)
    ]
    best = np.fmax(0.0, np.nanmax(np.vstack([board.gains[list(order)], np.zeros(tasks)]), axis=0))
    return Score(
        float(best.mean()),
        float(np.mean([one.gain for one in served])),
        float(np.mean([one.shrunk for one in served])),
        float(np.mean(delivered)),
    )


def replay(board: Board, seeds: int) -> dict[tuple[str, float], list[Score]]:
    """Scores of every way and budget, one a seed."""
    found: dict[tuple[str, float], list[Score]] = {}
    most = board.trainings(max(BUDGETS))
    for name, way in WAYS.items():
        for seed in range(seeds):
            order = way(board, most, seed) if name in ANYTIME else []
            for share in BUDGETS:
                count = board.trainings(share)
                prefix = order[:count] if order else way(board, count, seed)
                found.setdefault((name, share), []).append(score(board, prefix))
    return found


def mean(scores: Sequence[Score], what: str) -> float:
    return float(np.mean([getattr(one, what) for one in scores]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/subsets"))
    parser.add_argument("--tables", default=",".join(subsets.TABLES))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    boards, built = [], 0.0
    for name in given.tables.split(","):
        for seed in range(subsets.REPLICATES):
            table = subsets.load(name, seed, given.cache)
            boards.append(Board.of(table))
            built += table.seconds
    print(f"{len(boards)} tables of all subsets, built in {built / 60:.1f} minutes of CPU\n")

    started = time.process_time()
    scores, full = [], []
    print(f"found, share of the full search's, with {SHOWN:.0%} of its trainings (* drafted with)")
    print(f"{'':20}{'tasks':>6}{'trained':>9}{'full':>8}" + "".join(f"{name:>10}" for name in WAYS))
    for board in boards:
        scores.append(replay(board, given.seeds))
        full.append(score(board, range(len(board.groups))))
        shares = [mean(scores[-1][name, SHOWN], "found") / max(full[-1].found, 1e-12) for name in WAYS]
        mark = "*" if subsets.TABLES[board.name].drafted else " "
        trained = f"{board.trainings(SHOWN)}/{len(board.groups)}"
        line = f"{board.name + mark:20}{board.gains.shape[1]:6}{trained:>9}{full[-1].found:8.1%}"
        print(line + "".join(f"{share:10.2f}" for share in shares))
    for title, chosen in (
        ("measured on many rows", [b.way == "few" for b in boards]),
        (
            "  of these not drafted with",
            [b.way == "few" and not subsets.TABLES[b.name].drafted for b in boards],
        ),
        ("measured as in a study", [b.way == "study" for b in boards]),
        ("all", [True] * len(boards)),
    ):
        _summary(
            title,
            [one for one, keep in zip(scores, chosen, strict=True) if keep],
            [one for one, keep in zip(full, chosen, strict=True) if keep],
        )
    print(f"\nreplayed with {given.seeds} seeds in {time.process_time() - started:.0f} s of CPU")


def _summary(title: str, scores: list[dict[tuple[str, float], list[Score]]], full: list[Score]) -> None:
    if not scores:
        return
    print(
        f"\n{title}: {len(scores)} tables; the full search finds {mean(full, 'found'):.2%}, picks what measured"
    )
    print(
        f"{mean(full, 'measured'):.2%}, promises {mean(full, 'promised'):.2%} and delivers {mean(full, 'delivered'):.2%}"
    )
    print(
        f"{'':10}{'trainings':>10}{'found':>8}{'delivered':>11}  | {'measured':>9}{'promised':>10}{'delivered':>11}"
    )
    for share in BUDGETS:
        for name in WAYS:
            own = [one[name, share] for one in scores]
            found = np.mean(
                [mean(one, "found") / max(all_.found, 1e-12) for one, all_ in zip(own, full, strict=True)]
            )
            sums = {
                what: float(np.mean([mean(one, what) for one in own]))
                for what in ("measured", "promised", "delivered")
            }
            ratio = sums["delivered"] / mean(full, "delivered")
            print(
                f"{name:10}{share:10.0%}{found:8.2f}{ratio:11.2f}  | {sums['measured']:9.2%}{sums['promised']:10.2%}"
                f"{sums['delivered']:11.2%}"
            )


if __name__ == "__main__":
    main()
