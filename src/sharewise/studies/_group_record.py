"""What a search over task groups found, for the record."""

from __future__ import annotations

from dataclasses import dataclass, field

from sharewise.tasks import Array

ALL_SUBSETS = 6
"""Up to this many tasks the search may train every group."""
GROUPS_PER_TASK = 3
MOST_GROUPS = 150


def most_groups(tasks: int) -> int:
    """Trainings beyond which a search over that many tasks is taken to have found what there is."""
    if tasks <= ALL_SUBSETS:
        return max(0, (1 << tasks) - tasks - 2)
    return min(GROUPS_PER_TASK * tasks + 20, MOST_GROUPS)


@dataclass(frozen=True)
class GroupsFound:
    """A search's outcome.

    Attributes:
        strategy, family: Whose groups they are.
        trained: Groups that were trained, all tasks together included.
        groups: Each group that serves some task, with the tasks it serves (places).
        picked, shrunk: Mean gain over tasks as measured, and after shrinking it for having picked.
        effects: ``(T, T, K)`` gain of task ``i`` from having task ``j`` in the joint model on each inner
            fold of the first round, at ``[j, i]``; NaN where no training tells.
    """

    strategy: str
    family: str
    trained: int
    groups: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    picked: float
    shrunk: float
    effects: Array = field(repr=False)
