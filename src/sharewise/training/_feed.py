"""The batches of an epoch: from one loader with all tasks, or from one loader a task.

A batch is ``(x, {task: labels (B,)})``; with inputs of their own ``x`` is ``{task: x}`` over the tasks whose
turn it is. What is read depends on the seed and the place in the run alone, so that a resumed run, and every
process of a run on many devices, sees the same order.

Symbols: ``T`` tasks, ``S`` steps an epoch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sharewise.errors import DataError
from sharewise.tasks import Kind
from sharewise.tasks._torch_loss import check_labels
from sharewise.training._sampling import quotas, turns
from sharewise.training._seeds import number_of, seed_all
from sharewise.training._share import share

Loader = Iterable[Any]


class Batch(NamedTuple):
    """Rows as they come from a loader, labels checked.

    Attributes:
        x: A tree of tensors, or ``{task: tree}``.
        targets: Labels ``(B,)`` of the tasks whose turn it is.
    """

    x: Any
    targets: dict[str, Tensor]


class Feed(ABC):
    """Abstract: the batches of every epoch."""

    steps: int | None
    """Batches an epoch, where that is known beforehand."""

    @abstractmethod
    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the ``start``-th on."""

    @abstractmethod
    def first(self) -> Batch:
        """A first batch of every task, to look at."""

    @abstractmethod
    def every_row(self) -> Iterator[Batch]:
        """All rows once, in the loaders' own order."""

    @abstractmethod
    def describe(self) -> list[object]:
        """What another run must share to go on from this one, for JSON."""

    def generators(self) -> list[torch.Generator]:
        """Of the loaders; they are reseeded on the way."""
        return [generator for reading in self._readings() for generator in reading.generators]

    @abstractmethod
    def _readings(self) -> list[Reading]:
        """One a loader."""


class Reading:
    """One loader, read in an order that a key decides.

    A loader whose sampler draws from torch, NumPy or Python, or from a ``torch.Generator`` given to it, is
    repeatable; ``set_epoch`` is called where the sampler has it. Workers that persist between epochs keep
    randomness of their own.
    """

    def __init__(self, loader: Loader, rank: int, world: int) -> None:
        self.loader = share(loader, rank, world)
        self.rank = rank
        self.generators = _generators(loader)
        # A generator keeps the say that its user's seed gave it.
        self._seeds = [generator.initial_seed() for generator in self.generators]

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def read(self, *key: object, epoch: int) -> Iterator[Any]:
        """The items of one pass."""
        for generator, own in zip(self.generators, self._seeds, strict=True):
            generator.manual_seed(number_of(own, *key))
        for sampler in (getattr(self.loader, "sampler", None), getattr(self.loader, "batch_sampler", None)):
            if sampler is not None and hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)
        # Samplers draw their order when the first batch is asked for: the same on all devices.
        seed_all(*key, "order")
        items = iter(self.loader)
        place = 0
        while True:
            if place:
                seed_all(*key, place, self.rank)
            try:
                item = next(items)
            except StopIteration:
                break
            place += 1
            yield item
        if not place:
            raise DataError(
                "a loader yields at least one batch; got none. Give it rows, or a batch size no larger than its "
                "rows where it drops the last batch."
            )


class Together(Feed):
    """One loader gives all tasks' labels for the same rows."""

    def __init__(self, loader: Loader, kinds: Mapping[str, Kind], seed: int, rank: int, world: int) -> None:
        self._reading, self._kinds, self._seed = Reading(loader, rank, world), kinds, seed
        self.steps = _length(self._reading)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for item in islice(self._reading.read(self._seed, epoch, epoch=epoch), start, None):
            yield self._batch(item)

    def first(self) -> Batch:
        return next(self.epoch(0))

    def every_row(self) -> Iterator[Batch]:
        for item in self._reading.read(self._seed, "once", epoch=0):
            yield self._batch(item)

    def describe(self) -> list[object]:
        return ["together", self.steps]

    def _readings(self) -> list[Reading]:
        return [self._reading]

    def _batch(self, item: Any) -> Batch:
        x, y = _pair(item, "(x, {task: labels})")
        if not isinstance(y, Mapping):
            raise DataError(
                f"a loader for all tasks yields (x, {{task: labels}}); its labels are a {type(y).__name__}. "
                "Collate them by task, or give one loader a task as {task: loader}."
            )
        missing = [task for task in self._kinds if task not in y]
        if missing:
            raise DataError(
                f"a batch holds labels for every task, with gaps where there are none; '{missing[0]}' is "
                f"missing among {', '.join(map(repr, y)) or 'none'}. Add the column, or leave the task out."
            )
        return Batch(x, {task: _labels(kind, y[task], task) for task, kind in self._kinds.items()})


class Apart(Feed):
    """One loader a task, each with its own rows.

    Every task's loader is read on from where the last epoch left it, and begun again when it ends.
    """

    def __init__(
        self,
        loaders: Mapping[str, Loader],
        kinds: Mapping[str, Kind],
        seed: int,
        rank: int,
        world: int,
        exponent: float,
    ) -> None:
        unnamed = [task for task in kinds if task not in loaders] + [t for t in loaders if t not in kinds]
        if unnamed:
            raise DataError(
                f"there is one loader for every task; '{unnamed[0]}' is not among both: loaders for "
                f"{', '.join(map(repr, loaders)) or 'none'}, tasks {', '.join(map(repr, kinds))}."
            )
        self._kinds, self._seed = kinds, seed
        self._by_task = {task: Reading(loaders[task], rank, world) for task in kinds}
        lengths = []
        for task, reading in self._by_task.items():
            length = _length(reading)
            if not length:
                found = "none" if length is None else "0"
                raise DataError(
                    f"the loader of task '{task}' has a length of at least one batch; got {found}. Give it "
                    "rows, from a dataset that knows how many it has."
                )
            lengths.append(length)
        self._quotas = quotas(lengths, exponent)
        self._lengths = lengths
        self.steps = max(self._quotas)
        self._open: dict[str, tuple[int, Iterator[Any]]] = {}

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        rng = np.random.default_rng(number_of(self._seed, "turns", epoch))
        due = turns(self._quotas, rng)
        done = due[:start].sum(axis=0)
        for row in due[start:]:
            x, targets = {}, {}
            for place, task in enumerate(self._kinds):
                if row[place]:
                    position = epoch * self._quotas[place] + int(done[place])
                    x[task], targets[task] = self._next(place, task, position)
            done = done + row
            yield Batch(x, targets)

    def first(self) -> Batch:
        pairs = {task: self._next(place, task, 0) for place, task in enumerate(self._kinds)}
        return Batch({task: x for task, (x, _) in pairs.items()}, {task: y for task, (_, y) in pairs.items()})

    def every_row(self) -> Iterator[Batch]:
        for task, reading in self._by_task.items():
            for item in reading.read(self._seed, "once", task, epoch=0):
                x, y = _pair(item, "(x, labels)", task)
                yield Batch({task: x}, {task: _labels(self._kinds[task], y, task)})

    def describe(self) -> list[object]:
        return ["apart", list(self._lengths), list(self._quotas)]

    def _readings(self) -> list[Reading]:
        return list(self._by_task.values())

    def _next(self, place: int, task: str, position: int) -> tuple[Any, Tensor]:
        """The batch at a position counted over all epochs; positions are asked for in order, so that only a
        resumed run has any to pass over."""
        cycle, offset = divmod(position, self._lengths[place])
        at, items = self._open.get(task, (-1, iter(())))
        if at != position:
            key = (self._seed, "task", place, cycle)
            items = islice(self._by_task[task].read(*key, epoch=cycle), offset, None)
        try:
            item = next(items)
        except StopIteration:
            raise DataError(
                f"a loader yields as many batches as its length says; that of task '{task}' ended at batch "
                f"{offset} of {self._lengths[place]}."
            ) from None
        following = position + 1
        self._open[task] = (following if following % self._lengths[place] else -1, items)
        x, y = _pair(item, "(x, labels)", task)
        return x, _labels(self._kinds[task], y, task)


def make_feed(
    loaders: Loader | Mapping[str, Loader],
    kinds: Mapping[str, Kind],
    *,
    seed: int,
    rank: int = 0,
    world: int = 1,
    exponent: float = 1.0,
) -> Feed:
    """The feed that fits what the user gave."""
    if isinstance(loaders, Mapping):
        return Apart(loaders, kinds, seed, rank, world, exponent)
    return Together(loaders, kinds, seed, rank, world)


def _pair(item: Any, form: str, task: str = "") -> tuple[Any, Any]:
    if not isinstance(item, Sequence) or len(item) != 2:
        of = f" of task '{task}'" if task else ""
        raise DataError(f"the loader{of} yields pairs {form}; got a {type(item).__name__}.")
    return item[0], item[1]


def _labels(kind: Kind, labels: Any, task: str) -> Tensor:
    found = torch.as_tensor(labels)
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    check_labels(kind, found, task)
    return found


def _length(reading: Reading) -> int | None:
    try:
        return len(reading)
    except TypeError:
        return None


def _generators(loader: Loader) -> list[torch.Generator]:
    if not isinstance(loader, DataLoader):
        return []
    places = (loader, loader.sampler, getattr(loader.batch_sampler, "sampler", None), loader.batch_sampler)
    found = [getattr(place, "generator", None) for place in places]
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())
