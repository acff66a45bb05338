"""Committees of perceptrons that go on from given weights, one a task, all trained as one stacked program.

Symbols: ``n`` rows, ``K`` inner folds, ``D`` targets, ``L`` levels (1 in a wide problem); cells as in
`sharewise.families._network`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sharewise.families._network import EPOCHS, Cell, Owned, Scales, _assemble
from sharewise.families._parts import FEWEST_ROWS
from sharewise.families._sample import Fit, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.tasks import Array, Classification

if TYPE_CHECKING:
    from torch import Tensor

    from sharewise.training import Data, Member, Trained

Weights = Mapping[str, "Tensor"]
"""Of one network, by name, as `sharewise.networks.StackedMLP` names them."""


@dataclass(frozen=True)
class Stage:
    """How networks go on.

    Attributes:
        width: Of both hidden layers.
        learning_rate, weight_decay, dropout: As members of a population have them.
        pull: As there: shares of the way back to the start, of the hidden layers and of the head.
        patience: Epochs without a better one after which a task's networks stop.
        whole: Whether a start is a whole network, which serves as it is where a task has too few rows to go on; such
            a task is otherwise served by its constant.
    """

    width: int
    learning_rate: float
    weight_decay: float
    dropout: float
    pull: tuple[float, float]
    patience: int
    whole: bool


@dataclass(frozen=True)
class Ready:
    """Rows as networks learn them.

    Attributes:
        X: ``(n, P)`` float32.
        data: The same with the labels, every target once for each inner fold (column ``fold * D + target``).
        mean, spread: ``(D * L, K)`` by which each cell's labels are standardised on each fold.
    """

    encoder: TabularEncoder
    X: NDArray[np.float32]
    data: Data
    mean: Array
    spread: Array

    @classmethod
    def of(cls, sample: Sample, *, by_cell: bool) -> Ready:
        """The rows of a sample, numbers standardised by an inner fold's training rows alone.

        Args:
            by_cell: Whether each cell is standardised by its own labels, or all levels of a target by the target's.
        """
        import torch

        from sharewise.training import Data

        encoder = TabularEncoder.fit(sample.table, "network")
        X = encoder.transform(sample.table).astype(np.float32)
        count, folds = len(sample.targets), len(sample.folds)
        cells = [(target, rows) for target, _, rows in sample.cells()]
        mean, spread = np.zeros((len(cells), folds)), np.ones((len(cells), folds))
        Y = np.tile(sample.labels, (1, folds))
        is_class = [isinstance(target.kind, Classification) for target in sample.targets]
        for fold, (train, _) in enumerate(sample.folds):
            for place, (target, rows) in enumerate(cells):
                if is_class[target]:
                    continue
                seen = sample.labels[np.intersect1d(train, rows) if by_cell else train, target]
                seen = seen[~np.isnan(seen)]
                if len(seen):
                    mean[place, fold], spread[place, fold] = seen.mean(), seen.std() or 1.0
                own = (sample.labels[rows, target] - mean[place, fold]) / spread[place, fold]
                Y[rows, fold * count + target] = own
        stops = np.cumsum([target.kind.width for target in sample.targets] * folds).tolist()
        data = Data(
            torch.from_numpy(X),
            torch.from_numpy(Y.astype(np.float32)),
            None if sample.level is None else torch.from_numpy(sample.level.astype(np.int64)),
            tuple(itertools.pairwise([0, *stops])),
            tuple(is_class) * folds,
        )
        return cls(encoder, X, data, mean, spread)


def go_on(
    sample: Sample, ready: Ready, starts: Mapping[tuple[int, int], Weights], stage: Stage, run: Run
) -> Fit:
    """A committee a task, each network from a start of its own.

    Every task keeps the epoch that the other inner folds' held-out rows prefer, the start being epoch 0.

    Args:
        starts: By cell (``target * L + level``) and fold, whole networks or parts of them; a network that has none is
            left out, a cell without any is served by its constant.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    from sharewise.training import Recipe, train_population

    cells = [Cell((target,), level or 0, rows) for target, level, rows in sample.cells()]
    owned = _members(sample, cells, starts, stage, run)
    goes = [_learns(sample, cells[place], member) for place, _, member in owned]
    trained = iter(
        train_population(
            ready.data,
            [member for (*_, member), going in zip(owned, goes, strict=True) if going],
            Recipe(stage.width, epochs=EPOCHS[run.effort], patience=stage.patience),
            on_step=lambda members: run.tick(steps=members),
        )
    )
    run.tick(fits=sum(goes))
    found, kept = [], []
    for one, going in zip(owned, goes, strict=True):
        if going:
            found.append(_counted(next(trained)))
            kept.append(one)
        elif stage.whole:
            found.append(_as_it_is(one[2].start or {}))
            kept.append(one)
    targets = (1, 1, len(sample.targets))  # a cell has but one of them
    scales = Scales(np.tile(ready.mean[..., None], targets), np.tile(ready.spread[..., None], targets))
    return _assemble(sample, ready.encoder, ready.X, cells, kept, found, scales, sample.n_levels)


def _members(
    sample: Sample,
    cells: Sequence[Cell],
    starts: Mapping[tuple[int, int], Weights],
    stage: Stage,
    run: Run,
) -> Owned:
    """One member a cell and inner fold that has a start."""
    from sharewise.training import Member

    count, found = len(sample.targets), []
    for place, cell in enumerate(cells):
        for fold, parts in enumerate(sample.folds):
            if (place, fold) not in starts:
                continue
            train, valid = (np.intersect1d(part, cell.rows) for part in parts)
            member = Member(
                train,
                valid,
                (fold * count + cell.targets[0],),
                group=place,
                seed=int(np.random.SeedSequence([run.seed, place, fold]).generate_state(1)[0]),
                learning_rate=stage.learning_rate,
                weight_decay=stage.weight_decay,
                dropout=stage.dropout,
                start=starts[place, fold],
                pull=stage.pull,
            )
            found.append((place, fold, member))
    return found


def _learns(sample: Sample, cell: Cell, member: Member) -> bool:
    """Whether there are rows of the task to learn from, and some that are held out."""
    labels = sample.labels[cell.rows, cell.targets[0]]
    enough = len(cell.rows) >= FEWEST_ROWS and len(np.unique(labels)) > 1
    return enough and len(member.train) > 0 and len(member.valid) > 0


def _counted(trained: Trained) -> Trained:
    """Epochs counted from 1, the start being the first: it is a network like all others."""
    return replace(trained, epochs=tuple(epoch + 1 for epoch in trained.epochs))


def _as_it_is(start: Weights) -> Trained:
    """A network that nothing is added to."""
    from sharewise.training import Trained

    kept = {name: value[None] for name, value in start.items()}
    return Trained((1,), kept, (0,), ((0, start["head"].shape[-1]),))
