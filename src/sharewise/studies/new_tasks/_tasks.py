"""Which tasks are learnt from, stopped by and tested on: whole tasks, never rows of one on two sides.

A *unit* is what moves together: a level of the task column, in a pool a class; units that share a group are one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sharewise.errors import DataError
from sharewise.problems import Problem
from sharewise.studies._protocol import Protocol, derived_seed
from sharewise.tasks import Multiclass

Codes = NDArray[np.intp]

LEAST_UNITS = 6
"""Tasks below which no fold has two to test on beside some to learn from and some to stop by."""
VALID_SHARE = 0.2
"""Of the tasks that are not tested, how many are for stopping and choosing."""


@dataclass(frozen=True)
class TaskRound:
    """One fold of the tasks.

    Attributes:
        index, repeat: Which.
        train, valid, test: Task codes.
        seed: Of all training and draws of the round, whatever the strategy.
    """

    index: int
    repeat: int
    train: Codes
    valid: Codes
    test: Codes
    seed: int


def is_pool(problem: Problem) -> bool:
    """Whether tasks are draws of labelled classes."""
    return problem.level is None


def check_form(problem: Problem) -> None:
    """Refuse problems without tasks that others could follow.

    Raises:
        DataError: It is neither a long table nor one target with classes, or its rows are of a sort that no learner of
            new tasks reads.
    """
    if problem.level is None and (
        len(problem.targets) > 1 or not isinstance(problem.targets[0].kind, Multiclass)
    ):
        raise DataError(
            "new tasks come as further values of a task column, or as further classes of one target; got "
            f"{len(problem.targets)} targets and no task column. Name the column with --task, or give one target with "
            "three classes or more."
        )
    if (
        problem.answers
        or problem.table.of_kind("sentence")
        or (problem.table.reads_tensors and problem.encoder is None)
    ):
        raise DataError(
            "new tasks are learnt from tables, texts, and tensors behind an encoder of your own; got rows of "
            f"{'words' if problem.table.of_kind('sentence') else 'pictures'}. Build the problem by Problem.from_datasets "
            "with an encoder, such as one of sharewise.modalities.images."
        )


def codes_of(problem: Problem) -> Codes:
    """``(N,)`` the task of each row: its level, in a pool its class."""
    codes = problem.labels[:, 0] if problem.level is None else problem.level
    return codes.astype(np.intp)


def units_of(problem: Problem, *, least: int = LEAST_UNITS) -> tuple[Codes, Codes]:
    """Task codes that have rows, rising, and the unit of each.

    Raises:
        DataError: There are fewer units than ``least``, too few to be divided.
    """
    codes = codes_of(problem)
    tasks, place = np.unique(codes, return_inverse=True)
    units: Codes = np.arange(len(tasks), dtype=np.intp)
    if problem.group is not None:
        groups = np.unique(problem.group, return_inverse=True)[1]
        size = len(tasks) + int(groups.max()) + 1
        links = coo_array((np.ones(len(place)), (place, len(tasks) + groups)), shape=(size, size))
        joined = connected_components(links, directed=False)[1][: len(tasks)]
        units = np.unique(joined, return_inverse=True)[1].astype(np.intp)
    count = len(np.unique(units))
    if count < least:
        noun = "classes" if is_pool(problem) else "tasks"
        together = (
            "" if problem.group is None else f" ({len(tasks)} {noun}, those that share a group taken as one)"
        )
        raise DataError(
            f"a study of new tasks needs at least {least} {noun}, to learn from some and test on others; got "
            f"{count}{together}. Bring more, or ask question='known'."
        )
    return tasks.astype(np.intp), units.astype(np.intp)


def rounds_at_most(problem: Problem, protocol: Protocol) -> int:
    """Folds over all repeats."""
    return folds_of(problem, protocol) * protocol.repeats


def folds_of(problem: Problem, protocol: Protocol) -> int:
    """Parts that the units are cut into, each tested once a repeat."""
    return _folds(len(np.unique(units_of(problem)[1])), protocol)


def _folds(units: int, protocol: Protocol) -> int:
    return max(min(protocol.folds, units // 2), 2)


def make_task_round(problem: Problem, protocol: Protocol, index: int) -> TaskRound:
    """The ``index``-th round: every task is tested once a repeat."""
    return _round(*units_of(problem), protocol, index)


def _round(tasks: Codes, units: Codes, protocol: Protocol, index: int) -> TaskRound:
    names = np.unique(units)
    folds = _folds(len(names), protocol)
    repeat, fold = divmod(index, folds)
    order = np.random.default_rng(derived_seed(protocol.seed, repeat)).permutation(names)
    tested = order[fold::folds]
    seed = derived_seed(protocol.seed, repeat, fold, 1)
    train, valid = learners(tasks, units, np.setdiff1d(names, tested), seed)
    return TaskRound(index, repeat, train, valid, tasks[np.isin(units, tested)], seed)


def learners(tasks: Codes, units: Codes, names: Codes, seed: int) -> tuple[Codes, Codes]:
    """Tasks to learn from and tasks to stop by, among the units named."""
    count = max(round(VALID_SHARE * len(names)), 2 if len(names) > 3 else 1)
    valid = np.random.default_rng(seed).permutation(names)[:count]
    chosen = np.isin(units, names)
    held = np.isin(units, valid)
    return tasks[chosen & ~held], tasks[held]


def ways_of(problem: Problem, protocol: Protocol) -> int | None:
    """Classes of a drawn task: as many as asked for, where every side of every fold has them; None in a long table."""
    if not is_pool(problem):
        return None
    tasks, units = units_of(problem)
    folds = _folds(len(np.unique(units)), protocol)
    around = [_round(tasks, units, protocol, index) for index in range(folds * protocol.repeats)]
    fewest = min(min(len(a.train), len(a.valid), len(a.test)) for a in around)
    return max(min(protocol.ways, fewest), 2)
