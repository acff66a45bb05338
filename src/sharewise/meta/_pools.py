"""Where episodes are drawn from: labelled classes, or a long table of tasks.

A pool is split by whole classes or tasks, so that what is tested has not been trained on; `check_apart` refuses
examples that stand in two pools byte for byte.

Symbols: `N` examples, `P` the shape of an input, `E` episodes, `W` ways.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sharewise.errors import DataError, OptionError
from sharewise.meta._episodes import Episodes

Codes = NDArray[np.int64]


class Pool(Protocol):
    """What the splits and checks need of a pool."""

    inputs: Tensor

    @property
    def units(self) -> Codes:
        """Codes of the classes or tasks in the pool, rising."""

    @property
    def rows(self) -> Codes:
        """Places in `inputs` of the pool's examples."""


class ClassPool:
    """Labelled classes, from which tasks of W of them are drawn: an omniglot of characters, intents, faces.

    Attributes:
        inputs: (N, *P), not copied by `only`.
        labels: (N,) class codes.
    """

    def __init__(self, inputs: Tensor, labels: ArrayLike, rows: dict[int, Codes] | None = None) -> None:
        self.inputs = inputs
        self.labels = np.asarray(labels)
        if len(self.labels) != len(inputs):
            raise DataError(
                f"Each example has a label; got {len(inputs)} examples and {len(self.labels)} labels."
            )
        self._rows = _rows_by(self.labels) if rows is None else rows

    @property
    def units(self) -> Codes:
        """Class codes in the pool, rising."""
        return np.array(sorted(self._rows), np.int64)

    @property
    def rows(self) -> Codes:
        """Places in `inputs` of the pool's examples."""
        return np.concatenate(list(self._rows.values()))

    def only(self, units: ArrayLike) -> ClassPool:
        """The pool with these classes alone."""
        return ClassPool(self.inputs, self.labels, _chosen(self._rows, units, "class"))

    def draw(
        self, rng: np.random.Generator, *, ways: int, shots: int, queries: int, episodes: int = 1
    ) -> Episodes:
        """Tasks of `ways` classes with `shots` support and `queries` query rows each; all differ within a task.

        Raises:
            OptionError: There are more ways than classes, or a way, shot or query fewer than needed.
            DataError: A drawn class has too few rows.
        """
        units = self.units
        if ways > len(units):
            raise OptionError(
                f"An episode has at most as many ways as there are classes; got {ways} ways and {len(units)} "
                "classes. Lower the ways."
            )
        if ways < 2 or min(shots, queries, episodes) < 1:
            raise OptionError(
                "An episode has two or more ways and one or more shots and queries; got "
                f"ways={ways}, shots={shots}, queries={queries}, episodes={episodes}. Raise them."
            )
        each = shots + queries
        picked = np.empty((episodes, ways, each), np.int64)
        for episode in range(episodes):
            for way, unit in enumerate(rng.choice(units, ways, replace=False)):
                rows = self._rows[int(unit)]
                if len(rows) < each:
                    raise DataError(
                        f"A class has a row for each shot and query; class {unit} has {len(rows)} rows for "
                        f"{shots} shots and {queries} queries. Lower them or leave the class out."
                    )
                picked[episode, way] = rng.choice(rows, each, replace=False)
        y = torch.arange(ways)[None, :, None].expand(episodes, ways, each)
        sides: list[tuple[Tensor, Tensor, Tensor]] = []
        for side in (slice(None, shots), slice(shots, None)):
            places = torch.from_numpy(picked[:, :, side].reshape(episodes, -1))
            labels = y[:, :, side].reshape(episodes, -1)
            sides.append((self.inputs[places], labels, torch.ones_like(labels, dtype=torch.bool)))
        return Episodes(*sides[0], *sides[1], ways=torch.full((episodes,), ways))


class TaskPool:
    """Many tasks over one kind of input, from long data: schools, patients, users.

    Classes, where labels are integers, are the same for all tasks (places 0 … W−1).

    Attributes:
        tasks: (N,) task codes.
        inputs: (N, *P).
        y: (N,) numbers, or class places as integers.
    """

    def __init__(
        self, tasks: ArrayLike, inputs: Tensor, y: Tensor, rows: dict[int, Codes] | None = None
    ) -> None:
        self.tasks, self.inputs, self.y = np.asarray(tasks), inputs, y
        if not len(self.tasks) == len(inputs) == len(y):
            raise DataError(
                f"Each row has a task, inputs and a label; got {len(self.tasks)} tasks, {len(inputs)} inputs and "
                f"{len(y)} labels."
            )
        self.ways = None if y.is_floating_point() else int(y.max()) + 1
        self._rows = _rows_by(self.tasks) if rows is None else rows

    @property
    def units(self) -> Codes:
        """Task codes in the pool, rising."""
        return np.array(sorted(self._rows), np.int64)

    @property
    def rows(self) -> Codes:
        """Places in `inputs` of the pool's examples."""
        return np.concatenate(list(self._rows.values()))

    def only(self, units: ArrayLike) -> TaskPool:
        """The pool with these tasks alone; its classes stay those of all tasks."""
        pool = TaskPool(self.tasks, self.inputs, self.y, _chosen(self._rows, units, "task"))
        pool.ways = self.ways
        return pool

    def draw(
        self, rng: np.random.Generator, *, shots: int, queries: int | None = None, episodes: int = 1
    ) -> Episodes:
        """Tasks drawn at random, each with `shots` support rows and at most `queries` of the rest as query rows.

        For classes the support has a row of each class of the pool. Episodes are of different tasks as long as
        there are as many.

        Raises:
            DataError: A drawn task has no query row left, or lacks rows of some class.
        """
        units = self.units
        chosen = rng.choice(units, episodes, replace=episodes > len(units))
        return self.of(rng, [int(unit) for unit in chosen], shots=shots, queries=queries)

    def of(
        self, rng: np.random.Generator, units: Sequence[int], *, shots: int, queries: int | None = None
    ) -> Episodes:
        """As `draw`, for tasks of one's choice."""
        sides: tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]] = ([], [])
        for unit in units:
            order = self._shuffled(rng, unit, shots)
            if len(order) <= shots:
                raise DataError(
                    f"A task needs query rows beside its support; task {unit} has {len(order)} rows for {shots} "
                    "shots. Lower the shots or leave the task out."
                )
            end = None if queries is None else shots + queries
            for side, rows in zip(sides, (order[:shots], order[shots:end]), strict=True):
                places = torch.from_numpy(rows)
                side.append((self.inputs[places], self.y[places]))
        return Episodes.of(*sides, None if self.ways is None else [self.ways] * len(units))

    def _shuffled(self, rng: np.random.Generator, unit: int, shots: int) -> Codes:
        """The task's rows at random; for classes those of one row a class come first."""
        rows = rng.permutation(_chosen(self._rows, [unit], "task")[unit])
        if self.ways is None:
            return rows
        labels = self.y[torch.from_numpy(rows)].numpy()
        found, first = np.unique(labels, return_index=True)
        if len(found) < self.ways or shots < self.ways:
            raise DataError(
                f"A support set holds a row of each of the {self.ways} classes; task {unit} has rows of "
                f"{len(found)} classes for {shots} shots. Raise the shots or leave the task out."
            )
        return np.concatenate([rows[first], np.delete(rows, first)])


def split(pool: Pool, share: float, *, seed: int, groups: ArrayLike | None = None) -> tuple[Codes, Codes]:
    """Classes or tasks on two sides, the second with about `share` of them; decides, and draws nothing.

    Args:
        groups: Of each unit, in the order of `pool.units`, what must stay together (its alphabet, say).

    Raises:
        OptionError: A side would be empty.
    """
    units = pool.units
    kinds = units if groups is None else np.asarray(groups)
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(kinds))
    taken = np.zeros(len(units), bool)
    for name in names[:-1]:
        if taken.sum() >= share * len(units):
            break
        taken |= kinds == name
    if not 0 < taken.sum() < len(units):
        raise OptionError(
            f"Both sides of a split hold something; a share of {share} of {len(units)} classes or tasks in "
            f"{len(names)} groups leaves one empty. Choose another share."
        )
    return units[~taken], units[taken]


def check_apart(train: Pool, test: Pool) -> None:
    """Refuses pools that share an example.

    Raises:
        DataError: Inputs stand in both, byte for byte.
    """
    shared = _fingerprints(train) & _fingerprints(test)
    if shared:
        raise DataError(
            f"Training and test tasks share no example; {len(shared)} inputs stand in both, byte for byte. "
            "Put classes or tasks that share examples on one side."
        )


def _fingerprints(pool: Pool) -> set[bytes]:
    inputs = pool.inputs.detach().cpu().contiguous().numpy()
    return {hashlib.blake2b(inputs[row].tobytes(), digest_size=16).digest() for row in pool.rows}


def _rows_by(codes: Codes) -> dict[int, Codes]:
    order = np.argsort(codes, kind="stable")
    names, starts = np.unique(codes[order], return_index=True)
    return {int(name): rows for name, rows in zip(names, np.split(order, starts[1:]), strict=True)}


def _chosen(rows: dict[int, Codes], units: ArrayLike, what: str) -> dict[int, Codes]:
    names = [int(unit) for unit in np.asarray(units)]
    strange = [name for name in names if name not in rows]
    if strange:
        raise OptionError(f"A {what} to choose is in the pool; {strange[0]} is not. Choose among its units.")
    return {name: rows[name] for name in names}
