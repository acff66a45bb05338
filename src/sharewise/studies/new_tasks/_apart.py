"""Whether tasks are really different ones: examples that stand in several would be learnt by heart."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems import Problem
from sharewise.studies.new_tasks._tasks import codes_of, is_pool, units_of

COPIED = 0.9
"""Share of a task's different rows that stand, label and all, in another one of its like where it is its copy."""
LEAST_ROWS = 10
"""Different rows from which that can be told."""


def check_apart(problem: Problem) -> None:
    """Refuse examples that could be on both sides of a split of the tasks.

    In a pool of classes no example may stand in two classes that can be on different sides. In a long table equal rows
    are no wonder (one film, two users): there a task is refused that repeats another one nearly row by row.

    Raises:
        DataError: There are such examples.
    """
    tasks, units = units_of(problem)
    codes = codes_of(problem)
    unit = units[np.searchsorted(tasks, codes)]
    if is_pool(problem):
        _refuse_shared(problem, unit, codes, _digests(problem, labels=False))
    else:
        _refuse_copies(problem, unit, codes, _digests(problem, labels=True))


def _digests(problem: Problem, *, labels: bool) -> NDArray[np.str_]:
    """A hash a row of its features, exactly as stored, and its labels."""
    columns = [column.values for column in problem.table]
    extra = problem.labels if labels else np.empty((len(problem), 0))
    found = []
    for row in range(len(problem)):
        digest = hashlib.blake2b(extra[row].tobytes(), digest_size=12)
        for values in columns:
            cell = values[row]
            held = (
                cell.tobytes()
                if isinstance(cell, np.ndarray | np.generic)
                else repr(cell).encode("utf-8", "replace")
            )
            digest.update(len(held).to_bytes(8, "little") + held)
        found.append(digest.hexdigest())
    return np.array(found)


def _refuse_shared(
    problem: Problem, unit: NDArray[np.intp], codes: NDArray[np.intp], digests: NDArray[np.str_]
) -> None:
    _, place = np.unique(digests, return_inverse=True)
    lowest = np.full(place.max() + 1, np.iinfo(np.intp).max)
    np.minimum.at(lowest, place, unit)
    shared = np.flatnonzero(unit != lowest[place])
    if not len(shared):
        return
    first = shared[0]
    other = np.flatnonzero((place == place[first]) & (unit == lowest[place[first]]))[0]
    names = problem.targets[0].kind.classes  # type: ignore[attr-defined]
    raise DataError(
        f"training and test tasks share no example; {len(np.unique(place[shared]))} stand in two classes, such as one of "
        f"'{names[codes[other]]}' in '{names[codes[first]]}' too. Remove the copies, or name a column that keeps such "
        "classes together with --group."
    )


def _refuse_copies(
    problem: Problem, unit: NDArray[np.intp], codes: NDArray[np.intp], digests: NDArray[np.str_]
) -> None:
    _, place = np.unique(digests, return_inverse=True)
    rows = {int(code): np.unique(place[codes == code]) for code in np.unique(codes)}
    holders: dict[int, list[int]] = {}
    for code, own in rows.items():
        for row in own.tolist():
            holders.setdefault(row, []).append(code)
    unit_of = dict(zip(codes.tolist(), unit.tolist(), strict=True))
    for code, own in rows.items():
        if len(own) < LEAST_ROWS:
            continue
        shared: dict[int, int] = {}
        for row in own.tolist():
            for other in holders[row]:
                # One of its like: a heavy user's rows may well hold those of a light one.
                if unit_of[other] != unit_of[code] and len(rows[other]) * COPIED <= len(own) <= len(
                    rows[other]
                ):
                    shared[other] = shared.get(other, 0) + 1
        for other, count in shared.items():
            if count >= COPIED * len(own):
                assert problem.levels is not None
                raise DataError(
                    f"training and test tasks share no example; {count} of {len(own)} different rows of "
                    f"'{problem.levels[code]}' stand in '{problem.levels[other]}' too, label and all. Remove the copy, "
                    "or name a column that keeps both together with --group."
                )
