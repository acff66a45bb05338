"""Map-style datasets, one a task, read item by item into one pool of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.problems._input_groups import GroupOf, grouped, join, read_groups
from sharewise.problems._items import LabelReader, array_of, item_of, pair_of
from sharewise.problems._names import counted, listed
from sharewise.problems._pool import Pool
from sharewise.tasks import Array, Binary, Kind, Multiclass, Ordinal, Regression

READ_TWICE = 8
"""Items of each dataset that are read a second time, to see that they stay as they are."""


@dataclass(frozen=True)
class Gathered:
    """What the datasets hold together.

    Attributes:
        inputs: ``(N, *shape)`` float32, uint8 or int64.
        labels: ``(N, T)`` numbers or places of classes, NaN where a task says nothing.
        group: ``(N,)`` codes of rows to be kept together, or None.
        notes: Sentences.
    """

    inputs: NDArray[Any]
    labels: Array
    group: NDArray[np.intp] | None
    notes: tuple[str, ...]


def check_tasks(tasks: object) -> dict[str, tuple[Any, Kind]]:
    """The datasets with their kinds, by task.

    Raises:
        OptionError: They are not given as ``{"task": (dataset, kind)}``.
        DataError: There are fewer than two, or one is no map-style dataset, or empty.
    """
    form = '{"task": (dataset, sw.tasks.Multiclass(10)), …}'
    if not isinstance(tasks, Mapping):
        raise OptionError(f"datasets are given by task, as in {form}; got a {type(tasks).__name__}.")
    for name, given in tasks.items():
        if not isinstance(name, str) or not name.strip():
            raise OptionError(f"a task's name is a text, as in {form}; got {name!r}.")
        if not isinstance(given, tuple | list) or len(given) != 2 or not isinstance(given[1], Kind):
            raise OptionError(
                f"a task is a pair of its dataset and its kind, as in {form}; '{name}' is a "
                f"{type(given).__name__}{_inside(given)}."
            )
        if type(given[1]) not in (Regression, Binary, Multiclass, Ordinal):
            raise OptionError(
                f"a task of datasets is Regression, Binary, Multiclass or Ordinal; '{name}' is {type(given[1]).__name__}."
            )
        _check_dataset(name, given[0])
    # One alone may be a pool of classes, the tasks to come.
    if not tasks or (len(tasks) == 1 and not isinstance(next(iter(tasks.values()))[1], Multiclass)):
        raise DataError(
            f"datasets must hold at least two tasks; got {listed(list(tasks)) or 'none'}. Bring another dataset."
        )
    return {name: (given[0], given[1]) for name, given in tasks.items()}


def _inside(given: object) -> str:
    if not isinstance(given, tuple | list):
        return ""
    return f" of {', '.join(getattr(part, '__name__', type(part).__name__) for part in given) or 'nothing'}"


def _check_dataset(name: str, dataset: object) -> None:
    try:
        size = len(dataset)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        size = -1
    if size < 0 or not hasattr(dataset, "__getitem__") or isinstance(dataset, Mapping | str):
        raise DataError(
            "a dataset knows its length and gives item i as dataset[i]; "
            f"that of '{name}' is a {type(dataset).__name__}. "
            "Wrap it in a map-style torch.utils.data.Dataset, or list its items."
        )
    if size == 0:
        raise DataError(f"a dataset must hold items; that of '{name}' is empty. Check how it was made.")


def gather(tasks: Mapping[str, tuple[Any, Kind]], groups: object) -> Gathered:
    """All labelled items as rows; what is the same input in several datasets is one row.

    Raises:
        DataError: Items are no pairs, inputs differ in shape or type or change from one reading to the next,
            labels or groups do not fit.
        OptionError: ``groups`` name no tasks.
    """
    named = read_groups(groups, {name: len(dataset) for name, (dataset, _) in tasks.items()})
    room = max(len(dataset) for dataset, _ in tasks.values())
    pool: Pool | None = None
    first = ""
    group_of: GroupOf = {}
    notes: list[str] = []
    for t, (name, (dataset, kind)) in enumerate(tasks.items()):
        gaps = 0
        for place, (x, label, where) in enumerate(_examples(name, dataset, kind)):
            if pool is None:
                _refuse_void(x, where)
                pool, first = Pool(x.shape, x.dtype, len(tasks), room), where
            _refuse_other(x, where, pool, first)
            if math.isnan(label):
                gaps += 1
                continue
            row = pool.add(x, t, label)
            if name in named:
                join(group_of, row, named[name][place], where)
        if gaps:
            notes.append(f"{counted(gaps, 'item')} of '{name}' without a label left out.")
    if pool is None or len(pool) == 0:
        raise DataError("a study needs labelled rows; no item of any dataset has a label. Check the labels.")
    notes += _repeats(pool, list(tasks))
    group = grouped(pool.input_of, group_of, asked=bool(named), notes=notes)
    return Gathered(pool.inputs(), pool.labels(), group, tuple(notes))


def _examples(name: str, dataset: Any, kind: Kind) -> Iterator[tuple[NDArray[Any], float, str]]:
    """Input, label (NaN for a gap) and place of each item, the place in words."""
    reader = LabelReader(name, kind)
    for place in range(len(dataset)):
        where = f"item {place} of '{name}'"
        given, label = pair_of(item_of(dataset, place, where), where)
        x = array_of(given, where)
        if place < READ_TWICE:
            again, _ = pair_of(item_of(dataset, place, where), where)
            _refuse_changing(x, array_of(again, where), where)
        yield x, reader.read(label, where), where


def _refuse_void(x: NDArray[Any], where: str) -> None:
    if x.ndim == 0 or x.size == 0:
        raise DataError(
            f"an input holds values along at least one axis; {where} has shape {x.shape}. "
            "Give a vector of one number where there is only one."
        )


def _refuse_other(x: NDArray[Any], where: str, pool: Pool, first: str) -> None:
    if x.shape != pool.shape:
        raise DataError(
            f"inputs of all datasets have one shape; {first} has {pool.shape} and {where} has {x.shape}. "
            "Resize, crop or pad in the dataset."
        )
    if x.dtype != pool.dtype:
        raise DataError(
            f"inputs of all datasets are of one type; {first} is read as {pool.dtype} and {where} as {x.dtype}. "
            "Convert in the dataset."
        )


def _refuse_changing(x: NDArray[Any], again: NDArray[Any], where: str) -> None:
    if not np.array_equal(x, again):
        raise DataError(
            "an item must be the same whenever it is read, or one example could stand on both sides of a split; "
            f"{where} changed. Take random augmentation out of the dataset and into the encoder's training mode."
        )


def _repeats(pool: Pool, names: Sequence[str]) -> list[str]:
    notes = []
    for t, name in enumerate(names):
        if pool.again[t]:
            notes.append(
                f"{counted(pool.again[t], 'item')} of '{name}' repeated an earlier one, label and all: counted once."
            )
        if pool.conflicts[t]:
            notes.append(
                f"{counted(pool.conflicts[t], 'item')} of '{name}' repeated an earlier input with another label: "
                "both count, on one side of every split."
            )
    return notes
