"""Groups named beside datasets: what must stay on one side of every split, such as the photographs of a person.

Symbols: ``N`` rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.problems._items import plain
from sharewise.problems._names import counted, listed, nearest

GroupOf = dict[int, tuple[Any, str]]
"""By an input's first row: the value of its group, and the item that named it."""


def read_groups(groups: object, sizes: Mapping[str, int]) -> dict[str, list[Any]]:
    """The groups of each task that names some, one an item; a gap is None. ``sizes`` are the datasets'.

    Raises:
        OptionError: They are not given as ``{"task": values}``.
        DataError: They are too few or too many, or no texts or numbers.
    """
    if groups is None:
        return {}
    form = f"{{'{next(iter(sizes))}': people}}, one value an item"
    if not isinstance(groups, Mapping):
        raise OptionError(f"groups are given by task, as in {form}; got a {type(groups).__name__}.")
    named = {}
    for name, given in groups.items():
        if name not in sizes:
            raise OptionError(
                f"groups must name tasks; '{name}' is none.{nearest(str(name), sizes)}"
                f" The tasks are {listed(list(sizes), 8)}."
            )
        if (
            isinstance(given, str | Mapping)
            or not hasattr(given, "__len__")
            or not hasattr(given, "__iter__")
        ):
            raise OptionError(
                f"groups are sequences, as in {form}; those of '{name}' are a {type(given).__name__}."
            )
        size = sizes[name]
        if len(given) != size:
            raise DataError(
                f"groups name one value an item; those of '{name}' are {len(given)} for {counted(size, 'item')}."
            )
        named[name] = [_group_value(value, name) for value in given]
    return named


def _group_value(value: object, name: str) -> Any:
    found = plain(value)
    if found is None or found != found:  # NaN
        return None
    if not isinstance(found, str | int | float | bool | bytes | tuple):
        raise DataError(
            f"a group is a text or a number; one of '{name}' is a {type(found).__name__}. Name it instead."
        )
    return found


def join(group_of: GroupOf, row: int, value: Any, where: str) -> None:
    """Enter the group of the input whose first row is ``row``.

    Raises:
        DataError: It is known to be of another group.
    """
    if value is None:
        return
    known, first = group_of.setdefault(row, (value, where))
    if known != value:
        raise DataError(
            f"an input belongs to one group; {first} and {where} are the same input, but of the groups "
            f"{known!r} and {value!r}. Mend the groups, or take one of the two out."
        )


def grouped(
    input_of: Sequence[int], group_of: GroupOf, *, asked: bool, notes: list[str]
) -> NDArray[np.intp] | None:
    """The group ``(N,)`` of each row: the one its input was named for, else its input alone.

    None where no groups were asked for and no input has several rows (``input_of`` ``(N,)``, first rows).

    Raises:
        DataError: There is only one group.
    """
    if not asked and len(set(input_of)) == len(input_of):
        return None
    codes: dict[tuple[str, Any], int] = {}
    keys = [("named", group_of[row][0]) if row in group_of else ("own", row) for row in input_of]
    found = np.array([codes.setdefault(key, len(codes)) for key in keys], dtype=np.intp)
    alone = sum(origin == "own" for origin, _ in codes)
    if asked and len(codes) < 2:
        raise DataError(
            "groups are kept whole across a split, so there must be two; the datasets name 1. "
            "Name finer groups, or leave them out."
        )
    if asked and alone:
        notes.append(f"{counted(alone, 'input')} without a group, each taken as a group of its own.")
    return found
