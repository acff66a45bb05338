"""The network family: multilayer perceptrons over embedded numbers and categories.

Alone, every task has its own networks; together, all tasks share a trunk and have a head each (wide), or
share a trunk conditioned on a task embedding with a head correction each (long). Either way the
predictor is a committee of one network an inner fold, stopped early by the folds' held-out rows, and all
networks of a fit train as one stacked program.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration, Family, configuration
from sharewise.families._linear_wide import indicators
from sharewise.families._net import Net, NetworkModel
from sharewise.families._parts import FEWEST_ROWS
from sharewise.families._sample import Fit, Rows, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.problems import Problem
from sharewise.tasks import Array, Classification

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
        cells = [(target, level or 0, rows) for target, level, rows in sample.cells()]
        return _fit(sample, configuration, run, cells, levels=0)

    def together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        levels = 0 if sample.level is None else sample.n_levels
        return _fit(sample, configuration, run, None, levels=levels)


def _fit(
    sample: Sample,
    configuration: Configuration,
    run: Run,
    cells: list[tuple[int, int, Rows]] | None,
    *,
    levels: int,
) -> Fit:
    """Networks for each of ``cells`` (target, group, rows), or for all targets at once where None."""
    import torch

    from sharewise.training import Data, Member, Recipe, train_population

    encoder = TabularEncoder.fit(sample.table, "network")
    X = encoder.transform(sample.table).astype(np.float32)
    Z, mean, spread, places = indicators(sample.labels, sample.targets)
    is_class = tuple(isinstance(target.kind, Classification) for target in sample.targets)
    Y = np.column_stack(
        [sample.labels[:, d] if is_class[d] else Z[:, places[d].start] for d in range(len(places))]
    )
    data = Data(
        torch.from_numpy(X),
        torch.from_numpy(Y.astype(np.float32)),
        None if sample.level is None else torch.from_numpy(sample.level.astype(np.int64)),
        tuple((p.start, p.stop) for p in places),
        is_class,
    )
    recipe = Recipe(
        width=int(configuration.get("width", 64)),
        dropout=configuration.get("dropout", 0.1),
        learning_rate=configuration.get("learning_rate", 2e-3),
        weight_decay=configuration.get("weight_decay", 1e-2),
        epochs=EPOCHS[run.effort],
    )
    members: list[Member] = []
    owner: list[tuple[int, int]] = []  # (target or -1 for all, group)
    if cells is None:
        everything = tuple(range(len(sample.targets)))
        for train, valid in sample.folds:
            members.append(Member(train, valid, everything, group=0))
            owner.append((-1, 0))
    else:
        for number, (target, group, rows) in enumerate(cells):
            if len(rows) < FEWEST_ROWS or len(np.unique(sample.labels[rows, target])) < 2:
                continue
            for train, valid in sample.folds_within(rows):
                members.append(Member(rows[train], rows[valid], (target,), group=number))
                owner.append((target, group))

    trained: list[dict[str, NDArray[np.float32]]] = []
    epochs: list[NDArray[np.int64]] = []
    for start, stop in _chunks(members, X.shape[1]):
        part = train_population(
            data,
            members[start:stop],
            recipe,
            levels=levels,
            seed=run.seed + start,
            on_step=lambda: run.tick(steps=1),
        )
        trained.append({name: value.numpy() for name, value in part.weights.items()})
        epochs.append(part.epochs.numpy())
        run.tick(fits=stop - start)
    weights = {name: np.concatenate([t[name] for t in trained]) for name in trained[0]} if trained else {}
    reached = np.concatenate(epochs) if epochs else np.zeros((0, 1), dtype=np.int64)

    groups = 1 if cells is None else max(group for _, group, _ in cells) + 1
    held_out = sample.blank()
    nets: list[Net] = []
    for place, target in enumerate(sample.targets):
        chosen = [m for m, (own, _) in enumerate(owner) if own in (place, -1)]
        slot = 0 if cells is not None else place
        chosen = [m for m in chosen if reached[m, slot] > 0]
        serves = np.full((groups, len(sample.folds)), -1, dtype=np.int64)
        for index, m in enumerate(chosen):
            row = serves[owner[m][1]]
            row[np.flatnonzero(row < 0)[0]] = index
        net = Net(
            **_own_columns(weights, chosen, slot, places[place], X.shape[1], recipe.width),
            serves=serves,
            constant=_constants(sample, place, groups),
            mean=0.0 if is_class[place] else float(mean[places[place].start]),
            spread=1.0 if is_class[place] else float(spread[places[place].start]),
            kind=target.kind,
        )
        nets.append(net)
        if groups > 1 or not chosen:
            served = np.zeros(groups, dtype=bool) if not chosen else (serves >= 0).any(axis=1)
            code = np.zeros(len(sample), dtype=np.intp) if sample.level is None else sample.level
            code = code if groups > 1 else np.zeros(len(sample), dtype=np.intp)
            rows = ~served[code] & sample.known(place)
            held_out[place][rows] = net.constant[code[rows]]
        for index, m in enumerate(chosen):
            rows = members[m].valid
            level = None if sample.level is None else sample.level[rows]
            held_out[place][rows] = net.member(index, X[rows], level)
    return Fit(NetworkModel(encoder, tuple(nets)), held_out)


def _chunks(members: list, width: int) -> list[tuple[int, int]]:  # type: ignore[type-arg]
    """Consecutive members whose batches stay within `CELLS` numbers."""
    if not members:
        return []
    longest = max(max(len(m.train), len(m.valid)) for m in members)
    most = max(1, int(CELLS // (longest * max(width, 1))))
    return [(start, min(start + most, len(members))) for start in range(0, len(members), most)]


def _own_columns(
    weights: dict[str, NDArray[np.float32]],
    chosen: list[int],
    slot: int,
    columns: slice,
    inputs: int,
    width: int,
) -> dict[str, NDArray[np.float32] | None]:
    """The chosen members' weights with only one target's output columns."""
    if not chosen:
        size = columns.stop - columns.start
        shapes = {
            "first": (0, inputs, width),
            "first_bias": (0, 1, width),
            "second": (0, width, width),
            "second_bias": (0, 1, width),
            "head": (0, width, size),
            "head_bias": (0, 1, size),
        }
        empty: dict[str, NDArray[np.float32] | None] = {n: np.zeros(s, np.float32) for n, s in shapes.items()}
        return empty | {"level_embedding": None, "level_head": None, "level_bias": None}
    own: dict[str, NDArray[np.float32] | None] = {}
    for name in ("first", "first_bias", "second", "second_bias", "level_embedding"):
        own[name] = np.ascontiguousarray(weights[name][chosen, slot]) if name in weights else None
    for name in ("head", "head_bias", "level_head", "level_bias"):
        own[name] = (
            np.ascontiguousarray(weights[name][chosen, slot][..., columns]) if name in weights else None
        )
    return own


def _constants(sample: Sample, place: int, groups: int) -> Array:
    kind = sample.targets[place].kind
    y = sample.labels[:, place]
    known = ~np.isnan(y)
    if groups == 1 or sample.level is None:
        return kind.constant(y[known])[None]
    found = []
    for code in range(groups):
        own = y[known & (sample.level == code)]
        found.append(kind.constant(own if len(own) else y[known]))
    return np.array(found)
