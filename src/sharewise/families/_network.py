"""The network family: multilayer perceptrons over embedded numbers and categories.

Alone, every task has its own networks; together, all tasks share a trunk and have a head each (wide), or
share a trunk conditioned on a task embedding with a head correction each (long). Either way the
predictor is a committee of one network an inner fold, stopped early by the folds' held-out rows, and all
networks of a fit train as one stacked program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration, Family, configuration
from sharewise.families._net import Net, NetworkModel
from sharewise.families._parts import FEWEST_ROWS, fit_constant
from sharewise.families._sample import Fit, Rows, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.problems import Problem
from sharewise.tasks import Array, Classification

if TYPE_CHECKING:
    from sharewise.training import Data, Member, Recipe

Weights = dict[str, NDArray[np.float32]]

EPOCHS = (25, 80, 200, 400)
"""Epochs at most, by effort."""
CELLS = 30_000_000
"""Inputs of one batch over all members are kept below this many numbers by splitting the population."""

SMALL = configuration("mlp", width=64, dropout=0.1, learning_rate=0.002, weight_decay=0.01)
LARGE = configuration("mlp", width=128, dropout=0.3, learning_rate=0.002, weight_decay=0.1)


class Network(Family):
    """MLPs trained with AdamW and early stopping."""

    name: ClassVar[str] = "network"

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        return (SMALL, LARGE) if effort >= 3 else (SMALL,)

    def alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        cells = [Cell((target,), level or 0, rows) for target, level, rows in sample.cells()]
        return _fit(sample, configuration, run, cells, groups=sample.n_levels, levels=0)

    def together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        levels = 0 if sample.level is None else sample.n_levels
        everything = Cell(tuple(range(len(sample.targets))), 0, np.arange(len(sample)))
        return _fit(sample, configuration, run, [everything], groups=1, levels=levels)


@dataclass(frozen=True)
class Cell:
    """What one committee learns: some targets, on some rows, for the rows of one group at prediction."""

    targets: tuple[int, ...]
    group: int
    rows: Rows


def _fit(
    sample: Sample, configuration: Configuration, run: Run, cells: Sequence[Cell], *, groups: int, levels: int
) -> Fit:
    """A committee a cell, all trained at once.

    Args:
        groups: Levels that have committees of their own (1 where one serves all rows).
        levels: Levels that a network is conditioned on (0 for none).
    """
    from sharewise.training import Recipe

    encoder = TabularEncoder.fit(sample.table, "network")
    X = encoder.transform(sample.table).astype(np.float32)
    recipe = Recipe(
        width=int(configuration.get("width", 64)),
        dropout=configuration.get("dropout", 0.1),
        learning_rate=configuration.get("learning_rate", 2e-3),
        weight_decay=configuration.get("weight_decay", 1e-2),
        epochs=EPOCHS[run.effort],
    )
    data, mean, spread = _data(sample, X, cells)
    members, owner = _members(sample, cells)
    weights, reached = _trained(data, members, recipe, levels, run)

    held_out = sample.blank()
    nets: list[Net] = []
    for target, what in enumerate(sample.targets):
        serves = np.full((groups, len(sample.folds)), -1, dtype=np.int64)
        constant = np.zeros((groups, what.kind.width))
        chosen: list[int] = []
        slot = 0
        for place, cell in enumerate(cells):
            if target not in cell.targets:
                continue
            slot = cell.targets.index(target)
            mine = [m for m in range(len(members)) if owner[m] == place and reached[m, slot] > 0]
            serves[cell.group, : len(mine)] = np.arange(len(chosen), len(chosen) + len(mine))
            chosen += mine
            rows = cell.rows[sample.known(target)[cell.rows]]
            part, own = fit_constant(sample, target, rows)
            constant[cell.group] = part.predict(np.zeros((1, 0)))[0]
            if not mine:
                held_out[target][rows] = own
        net = Net(
            **_read_off(
                weights,
                chosen,
                slot,
                slice(*data.columns[target]),
                mean[[owner[m] for m in chosen], target],
                spread[[owner[m] for m in chosen], target],
            ),
            serves=serves,
            constant=constant,
            kind=what.kind,
        )
        nets.append(net)
        for place, m in enumerate(chosen):
            rows = members[m].valid
            held_out[target][rows] = net.member(
                place, X[rows], None if sample.level is None else sample.level[rows]
            )
    return Fit(NetworkModel(encoder, tuple(nets)), held_out)


def _data(sample: Sample, X: NDArray[np.float32], cells: Sequence[Cell]) -> tuple[Data, Array, Array]:
    """Common tensors; mean and spread ``(cells, D)`` by which each cell's numbers are standardised (0 and 1
    for classes). A row belongs to one cell of each target."""
    import torch

    from sharewise.training import Data

    is_class = np.array([isinstance(target.kind, Classification) for target in sample.targets])
    mean, spread = np.zeros((len(cells), len(is_class))), np.ones((len(cells), len(is_class)))
    Y = sample.labels.copy()
    for place, cell in enumerate(cells):
        for target in cell.targets:
            own = sample.labels[cell.rows, target]
            if is_class[target] or np.isnan(own).all():
                continue
            mean[place, target] = np.nanmean(own)
            spread[place, target] = np.nanstd(own) or 1.0
            Y[cell.rows, target] = (own - mean[place, target]) / spread[place, target]
    stops = np.cumsum([target.kind.width for target in sample.targets])
    data = Data(
        torch.from_numpy(X),
        torch.from_numpy(Y.astype(np.float32)),
        None if sample.level is None else torch.from_numpy(sample.level.astype(np.int64)),
        tuple(
            (int(stop) - target.kind.width, int(stop))
            for stop, target in zip(stops, sample.targets, strict=True)
        ),
        tuple(bool(one) for one in is_class),
    )
    return data, mean, spread


def _members(sample: Sample, cells: Sequence[Cell]) -> tuple[list[Member], list[int]]:
    """One member a cell and inner fold, with the cell of each; too small a cell has none."""
    from sharewise.training import Member

    members: list[Member] = []
    owner: list[int] = []
    for place, cell in enumerate(cells):
        labels = sample.labels[cell.rows][:, list(cell.targets)]
        if len(cell.rows) < FEWEST_ROWS or len(np.unique(labels[~np.isnan(labels)])) < 2:
            continue
        for train, valid in sample.folds_within(cell.rows):
            members.append(Member(cell.rows[train], cell.rows[valid], cell.targets, group=place))
            owner.append(place)
    return members, owner


def _trained(
    data: Data, members: Sequence[Member], recipe: Recipe, levels: int, run: Run
) -> tuple[Weights, NDArray[np.int64]]:
    """Best weights by name ``(M, S, …)`` and the epochs ``(M, S)`` they come from."""
    from sharewise.training import train_population

    def on_step() -> None:
        run.tick(steps=1)

    weights: list[Weights] = []
    epochs: list[NDArray[np.int64]] = []
    for start, stop in _chunks(members, data.X.shape[1]):
        part = train_population(
            data, members[start:stop], recipe, levels=levels, seed=run.seed + start, on_step=on_step
        )
        weights.append({name: value.numpy() for name, value in part.weights.items()})
        epochs.append(part.epochs.numpy())
        run.tick(fits=stop - start)
    if not weights:
        return {}, np.zeros((0, 1), dtype=np.int64)
    return {name: np.concatenate([w[name] for w in weights]) for name in weights[0]}, np.concatenate(epochs)


def _chunks(members: Sequence[Member], width: int) -> list[tuple[int, int]]:
    """Consecutive members whose batches stay within `CELLS` numbers; folds of a cell stay together."""
    found: list[tuple[int, int]] = []
    start = 0
    for place in range(1, len(members) + 1):
        ends = place == len(members)
        if ends or members[place].group != members[place - 1].group:
            longest = max(max(len(m.train), len(m.valid)) for m in members[start:place])
            if ends or (place - start) * longest * max(width, 1) > CELLS:
                found.append((start, place))
                start = place
    return found


def _read_off(
    weights: Weights, chosen: list[int], slot: int, columns: slice, mean: Array, spread: Array
) -> dict[str, Any]:
    """The chosen members' weights with only one target's output columns, outputs in the target's own units;
    None where nothing serves.

    Args:
        mean, spread: ``(len(chosen),)`` scale of each member's target.
    """
    names = ("first", "first_bias", "second", "second_bias", "level_embedding")
    heads = ("head", "head_bias", "level_head", "level_bias")
    own: dict[str, Any] = dict.fromkeys((*names, *heads))
    if not chosen:
        return own
    for name in names:
        if name in weights:
            own[name] = np.ascontiguousarray(weights[name][chosen, slot])
    for name in heads:
        if name in weights:
            values = weights[name][chosen, slot][..., columns]
            scaled = values * spread.reshape(-1, *[1] * (values.ndim - 1))
            own[name] = np.ascontiguousarray(scaled, dtype=np.float32)
    bias = weights["head_bias"][chosen, slot][..., columns].astype(np.float64)
    own["head_bias"] = bias * spread[:, None, None] + mean[:, None, None]
    return own
