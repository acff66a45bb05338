"""The network family: multilayer perceptrons over embedded numbers and categories.

Alone, every task has its own networks; together, all tasks share a trunk and have a head each (wide), or
share a trunk conditioned on a task embedding with a head correction each (long). Either way the
predictor is a committee of one network an inner fold, stopped early by the folds' held-out rows, and all
networks of a fit, and of fits that differ in rates only, train as one stacked program.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.families._architectures import FEWEST, MOST, Rates, fitting_architectures, sharing_space
from sharewise.families._base import Configuration, Dimension, Space, configuration
from sharewise.families._net import Net, NetworkModel, committee
from sharewise.families._parts import FEWEST_ROWS, fit_constant
from sharewise.families._sample import Fit, Rows, Run, Sample
from sharewise.families._stacked_family import StackedFamily
from sharewise.modalities import TabularEncoder
from sharewise.problems import Problem
from sharewise.tasks import Array, Classification

if TYPE_CHECKING:
    from sharewise.training import Data, Member, Trained

EPOCHS = (25, 80, 200, 400)
"""Epochs at most, by effort."""

MORE_TOGETHER = 3
"""Times these epochs at most for a network of several tasks: it has the steps of all to learn them in, and would
otherwise be stopped by the bound, not by its own held-out rows, before networks of one task are."""

SMALL = configuration("mlp", width=64, dropout=0.1, learning_rate=0.002, weight_decay=0.01)
LARGE = configuration("mlp", width=128, dropout=0.3, learning_rate=0.002, weight_decay=0.1)

OWN = (configuration("encoder", learning_rate=0.001, weight_decay=0.01),)
"""A user's own encoder, as it is."""
MORE_OF_OWN = (configuration("encoder", learning_rate=0.003, weight_decay=0.01),)

# The width is no dimension: what differs in rates only trains as one program, several proposals at once.
RATES: Rates = {
    "dropout": Dimension(0.0, 0.5),
    "learning_rate": Dimension(0.0005, 0.01, log=True),
    "weight_decay": Dimension(0.001, 0.3, log=True),
}
OWN_RATES: Rates = {
    "learning_rate": Dimension(0.0001, 0.01, log=True),
    "weight_decay": Dimension(0.001, 0.3, log=True),
}
"""Of a user's own encoder, whose dropout is its own affair."""


class Network(StackedFamily):
    """MLPs trained with AdamW and early stopping; of other architectures, or over the user's own encoder, by the
    general training loop."""

    name: ClassVar[str] = "network"
    takes_encoders: ClassVar[bool] = True

    def table_configurations(
        self, problem: Problem, *, effort: int, together: bool
    ) -> tuple[Configuration, ...]:
        if problem.encoder is not None:
            return OWN + MORE_OF_OWN if effort >= 3 else OWN
        return (SMALL, LARGE) if effort >= 3 else (SMALL,)

    def table_space(self, problem: Problem, *, together: bool) -> Space:
        return {"mlp": RATES} if problem.encoder is None else {"encoder": OWN_RATES}

    def table_further_space(self, problem: Problem) -> Space:
        if not FEWEST <= len(problem.tasks) <= MOST:
            return {}
        rates = RATES if problem.encoder is None else OWN_RATES
        return sharing_space(rates, _fitting(problem))

    def shape(self, configuration: Configuration) -> Hashable:
        return int(configuration.get("width", 64)) if configuration.learner == "mlp" else configuration

    def alone_stacked(self, sample: Sample, configurations: Sequence[Configuration], run: Run) -> list[Fit]:
        if not self._stacks(configurations):
            groups = [
                (target * sample.n_levels + (level or 0),)
                for target, level, rows in sample.cells()
                if len(rows)
            ]
            return [_fit_modules(sample, one, groups, run) for one in configurations]
        cells = [Cell((target,), level or 0, rows) for target, level, rows in sample.cells()]
        return _fit(sample, configurations, self._width(configurations), run, cells, sample.n_levels, 0)

    def together_stacked(
        self, sample: Sample, configurations: Sequence[Configuration], run: Run
    ) -> list[Fit]:
        if not self._stacks(configurations):
            everyone = tuple(range(len(sample.targets) * sample.n_levels))
            return [_fit_modules(sample, one, [everyone], run) for one in configurations]
        levels = 0 if sample.level is None else sample.n_levels
        everything = Cell(tuple(range(len(sample.targets))), 0, np.arange(len(sample)))
        return _fit(sample, configurations, self._width(configurations), run, [everything], 1, levels)

    def _stacks(self, configurations: Sequence[Configuration]) -> bool:
        return all(one.learner == "mlp" for one in configurations)

    def _width(self, configurations: Sequence[Configuration]) -> int:
        widths = {int(one.get("width", 64)) for one in configurations}
        if len(widths) != 1:
            raise OptionError(
                f"configurations that are fitted at once have one width; got {sorted(widths)}. "
                "Fit each width by itself."
            )
        return widths.pop()


def _fit_modules(
    sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
) -> Fit:
    from sharewise.families._module_fit import fit_modules

    width = int(configuration.get("width", 64))
    return fit_modules(
        sample,
        configuration,
        run,
        encoder=sample.encoder,
        widths=(width, width),
        epochs=EPOCHS[run.effort] * min(max(map(len, groups)), MORE_TOGETHER),
        groups=groups,
    )


_FITTING: WeakKeyDictionary[Any, tuple[str, ...]] = WeakKeyDictionary()
"""Architectures by the user's encoder, found out once."""


def _fitting(problem: Problem) -> tuple[str, ...]:
    """The architectures that can be built for a problem."""
    if problem.encoder is None:
        from sharewise.networks import ARCHITECTURES

        return tuple(ARCHITECTURES)
    if problem.encoder not in _FITTING:
        from sharewise.families._module_fit import width_of
        from sharewise.families._module_nets import as_inputs

        X = as_inputs(problem.table.take(np.arange(min(2, len(problem)))), None)
        encoder: Any = problem.encoder
        _FITTING[encoder] = fitting_architectures(encoder, width_of(encoder, X), X)
    return _FITTING[problem.encoder]


@dataclass(frozen=True)
class Cell:
    """What one committee learns: some targets, on some rows, for the rows of one group at prediction."""

    targets: tuple[int, ...]
    group: int
    rows: Rows


@dataclass(frozen=True)
class Scales:
    """By which each network's numbers are standardised, learnt from its training rows alone: ``mean`` and
    ``spread``, ``(cells, K, D)`` for the ``K`` inner folds; 0 and 1 for classes.

    The mean of a handful of rows that holds the held-out one would tell a network its label."""

    mean: Array
    spread: Array


Owned = list[tuple[int, int, "Member"]]
"""Members with the cell and the place of the fold of each."""


def _fit(
    sample: Sample,
    configurations: Sequence[Configuration],
    width: int,
    run: Run,
    cells: Sequence[Cell],
    groups: int,
    levels: int,
) -> list[Fit]:
    """A committee a configuration and cell, all trained at once.

    Args:
        groups: Levels that have committees of their own (1 where one serves all rows).
        levels: Levels that a network is conditioned on (0 for none).
    """
    from sharewise.training import Recipe, train_population

    encoder = TabularEncoder.fit(sample.table, "network")
    X = encoder.transform(sample.table).astype(np.float32)
    data, scales = _data(sample, X, cells)
    owned = [_members(sample, cells, place, one, run) for place, one in enumerate(configurations)]
    trained = train_population(
        data,
        [member for own in owned for *_, member in own],
        Recipe(width, epochs=EPOCHS[run.effort]),
        levels=levels,
        on_step=lambda members: run.tick(steps=members),
    )
    run.tick(fits=len(trained))
    each = len(trained) // len(configurations)
    return [
        _assemble(sample, encoder, X, cells, own, trained[place * each : (place + 1) * each], scales, groups)
        for place, own in enumerate(owned)
    ]


def _data(sample: Sample, X: NDArray[np.float32], cells: Sequence[Cell]) -> tuple[Data, Scales]:
    """Common tensors, every target once for each inner fold; a row belongs to one cell of each target."""
    import torch

    from sharewise.training import Data

    is_class = np.array([isinstance(target.kind, Classification) for target in sample.targets])
    count, folds = len(is_class), len(sample.folds)
    mean, spread = np.zeros((len(cells), folds, count)), np.ones((len(cells), folds, count))
    Y = np.tile(sample.labels, (1, folds))
    for place, cell in enumerate(cells):
        for fold, (train, _) in enumerate(sample.folds_within(cell.rows)):
            for target in cell.targets:
                own = sample.labels[cell.rows, target]
                seen = own[train][~np.isnan(own[train])]
                if is_class[target] or not len(seen):
                    continue
                scale = mean[place, fold, target], spread[place, fold, target] = (
                    seen.mean(),
                    seen.std() or 1.0,
                )
                Y[cell.rows, fold * count + target] = (own - scale[0]) / scale[1]
    widths = [target.kind.width for target in sample.targets] * folds
    data = Data(
        torch.from_numpy(X),
        torch.from_numpy(Y.astype(np.float32)),
        None if sample.level is None else torch.from_numpy(sample.level.astype(np.int64)),
        tuple((int(stop) - width, int(stop)) for stop, width in zip(np.cumsum(widths), widths, strict=True)),
        tuple(bool(one) for one in is_class) * folds,
    )
    return data, Scales(mean, spread)


def _members(
    sample: Sample, cells: Sequence[Cell], number: int, configuration: Configuration, run: Run
) -> Owned:
    """One member a cell and inner fold; too small a cell has none.

    Its seed is that of the cell and fold: the same for every configuration, wherever it stands in the
    call.
    """
    from sharewise.training import Member

    found: Owned = []
    for place, cell in enumerate(cells):
        labels = sample.labels[cell.rows][:, list(cell.targets)]
        if len(cell.rows) < FEWEST_ROWS or len(np.unique(labels[~np.isnan(labels)])) < 2:
            continue
        for fold, (train, valid) in enumerate(sample.folds_within(cell.rows)):
            member = Member(
                cell.rows[train],
                cell.rows[valid],
                tuple(fold * len(sample.targets) + target for target in cell.targets),
                group=number * len(cells) + place,
                seed=int(np.random.SeedSequence([run.seed, place, fold]).generate_state(1)[0]),
                learning_rate=configuration.get("learning_rate", 2e-3),
                weight_decay=configuration.get("weight_decay", 1e-2),
                dropout=configuration.get("dropout", 0.1),
            )
            found.append((place, fold, member))
    return found


def _assemble(
    sample: Sample,
    encoder: TabularEncoder,
    X: NDArray[np.float32],
    cells: Sequence[Cell],
    owned: Owned,
    trained: Sequence[Trained],
    scales: Scales,
    groups: int,
) -> Fit:
    """One configuration's networks as a model, with what each says of the rows it held out."""
    held_out = sample.blank()
    nets: list[Net] = []
    mine_of: dict[int, list[int]] = {}
    for m, (place, *_) in enumerate(owned):
        mine_of.setdefault(place, []).append(m)
    for target, what in enumerate(sample.targets):
        serves = np.full((groups, len(sample.folds)), -1, dtype=np.int64)
        constant = np.zeros((groups, what.kind.width))
        chosen: list[tuple[int, int]] = []
        for place, cell in enumerate(cells):
            if target not in cell.targets:
                continue
            slot = cell.targets.index(target)
            mine = [(m, slot) for m in mine_of.get(place, ()) if trained[m].epochs[slot] > 0]
            serves[cell.group, : len(mine)] = np.arange(len(chosen), len(chosen) + len(mine))
            chosen += mine
            rows = cell.rows[sample.known(target)[cell.rows]]
            part, own = fit_constant(sample, target, rows)
            constant[cell.group] = part.predict(np.zeros((1, 0)))[0]
            if not mine:
                held_out[target][rows] = own
        net = Net(
            **committee(
                [trained[m].weights(slot) for m, slot in chosen],
                np.array([scales.mean[*owned[m][:2], target] for m, _ in chosen]),
                np.array([scales.spread[*owned[m][:2], target] for m, _ in chosen]),
            ),
            serves=serves,
            constant=constant,
            kind=what.kind,
        )
        nets.append(net)
        for place, (m, _) in enumerate(chosen):
            rows = owned[m][2].valid
            held_out[target][rows] = net.member(
                place, X[rows], None if sample.level is None else sample.level[rows]
            )
    return Fit(NetworkModel(encoder, tuple(nets)), held_out)
