"""What a watched network learns, and how it is built: as `sharewise.families` does it, on one inner fold.

Symbols: ``n`` rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.families import Configuration, Sample
from sharewise.families._architectures import build_network
from sharewise.families._module_fit import Scale, enough, labels_of, width_of
from sharewise.families._module_nets import as_inputs, name_of, perceptron
from sharewise.families._module_train import Rows, adamw, batch_size, labelled_rows, seeded
from sharewise.modalities import TabularEncoder
from sharewise.networks import MultiTaskNetwork
from sharewise.problems import Problem
from sharewise.tasks import Kind
from sharewise.training import fit

MOST_ROWS, MOST_HELD_OUT = 2048, 1024
"""Of more, so many are drawn: hints need no more."""
MEASURED = 256
"""Held-out rows of a batch that affinities are measured on."""


@dataclass(frozen=True)
class Timed:
    """Rows in batches; before each the clock is looked at."""

    rows: Rows
    tick: Callable[[], None]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        for batch in self.rows:
            self.tick()
            yield batch


@dataclass(frozen=True)
class Lesson:
    """What networks learn here, and how they are built.

    Attributes:
        names: Of the tasks, as the user calls them.
        kinds: By the name that networks have for a task (users' own may be unfit), in the same order.
        X: Inputs of the ``n`` rows.
        y: ``(n,)`` labels, as networks learn them.
        train, held_out: Rows.
    """

    configuration: Configuration
    encoder: Any
    names: tuple[str, ...]
    kinds: Mapping[str, Kind]
    X: Tensor
    y: Mapping[str, Tensor]
    train: NDArray[np.intp]
    held_out: NDArray[np.intp]
    seed: int

    @classmethod
    def of(cls, problem: Problem, sample: Sample, configuration: Configuration, seed: int) -> Lesson:
        """From the fold with most training rows; tasks with too few labels there are left out."""
        tables = TabularEncoder.fit(sample.table, "network") if sample.encoder is None else None
        cells = [task.target * sample.n_levels + (task.level or 0) for task in problem.tasks]
        labels = {cell: labels_of(sample, cell) for cell in cells}
        fold = max(sample.folds, key=lambda one: len(one[0]))
        rng = np.random.default_rng(seed)
        train, held_out = (
            rng.permutation(labelled_rows(rows, labels))[:most]
            for rows, most in zip(fold, (MOST_ROWS, MOST_HELD_OUT), strict=True)
        )
        scale = Scale(np.zeros((len(cells), 1)), np.ones((len(cells), 1)))
        names, kinds, y = [], {}, {}
        for place, (task, cell) in enumerate(zip(problem.tasks, cells, strict=True)):
            kind = problem.targets[task.target].kind
            if enough(labels[cell][train]):
                names.append(task.name)
                kinds[name_of(cell)] = kind
                values = scale.standardise(place, 0, kind, labels[cell], train)
                y[name_of(cell)] = torch.from_numpy(values.astype(np.float32))
        X = as_inputs(sample.table, tables)
        return cls(configuration, sample.encoder, tuple(names), kinds, X, y, train, held_out, seed)

    def network(self, tasks: Sequence[str]) -> MultiTaskNetwork:
        """A new one; the encoder's first weights are the same whatever the tasks."""
        width = int(self.configuration.get("width", 64))
        dropout = self.configuration.get("dropout", 0.0)
        with seeded(self.seed):
            if self.encoder is None:
                encoder, features = perceptron(self.X.shape[1], (width, width), dropout), width
            else:
                encoder, features = deepcopy(self.encoder), width_of(self.encoder, self.X)
            outputs = {task: self.kinds[task].outputs for task in tasks}
            return build_network(self.configuration, encoder, outputs, features, self.X[:2])

    def teach(self, network: MultiTaskNetwork, epochs: int, tick: Callable[[], None], **options: Any) -> None:
        """Train a network on its tasks.

        Raises:
            OutOfTime: By ``tick``.
        """
        known = torch.stack([~self.y[task].isnan() for task in network.tasks]).any(dim=0).numpy()
        train = self.train[known[self.train]]
        labels = {task: self.y[task][train] for task in network.tasks}
        rows = Rows(self.X[train], labels, batch_size(len(train)), shuffled=True)
        fit(
            network,
            Timed(rows, tick),
            {task: self.kinds[task] for task in network.tasks},
            epochs=epochs,
            optimizer=adamw(self.configuration),
            keep="last",
            seed=self.seed,
            progress=False,
            **options,
        )

    def exam(self) -> Rows:
        """The rows held out, in batches."""
        labels = {task: y[self.held_out] for task, y in self.y.items()}
        return Rows(self.X[self.held_out], labels, MEASURED, shuffled=False)
