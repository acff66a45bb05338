"""Torch networks of any architecture, fitted fold by fold by the general training loop.

For what the stacked program does not do: other architectures than hard sharing, balanced losses, encoders of the
user's own. Every network is trained on an inner fold's training rows and keeps each task's best epoch on its
held-out rows.

Symbols: ``n`` rows, ``K`` inner folds, ``D`` targets, ``L`` levels (1 in a wide problem); cells as in
`sharewise.families._module_nets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sharewise.families._architectures import build_network
from sharewise.families._base import Configuration
from sharewise.families._module_nets import (
    ModuleNets,
    Snapshot,
    as_inputs,
    as_said,
    name_of,
    outputs_of,
    perceptron,
)
from sharewise.families._module_train import Recorder, seeded, train_module
from sharewise.families._parts import FEWEST_ROWS, fit_constant
from sharewise.families._sample import Fit, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.tasks import Array, Classification, Kind

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sharewise.networks import MultiTaskNetwork


@dataclass(frozen=True)
class Learnt:
    """One network's way: the fold it was trained on, the cells it learnt."""

    fold: int
    cells: tuple[int, ...]
    record: Recorder

    def epoch(self, cell: int, others: Sequence[Learnt]) -> int:
        """The epoch to keep for a cell, by what it did for the *other* folds' held-out rows: a network chosen by
        rows that it then predicts would look better on them than it is. By its own where no other says
        anything, the last where none does.
        """
        own = self.record.losses[name_of(cell)]
        theirs = [one.record.losses[name_of(cell)] for one in others if one is not self and cell in one.cells]
        curves = [curve for curve in theirs if np.isfinite(curve).any()] or [own]
        length = min([len(own), *map(len, curves)])
        mean: Array = np.mean([curve[:length] for curve in curves], axis=0)
        return int(np.argmin(mean)) if np.isfinite(mean).any() else len(own) - 1


@dataclass(frozen=True)
class Scale:
    """By which networks' numbers are standardised: ``(cells, K)`` each, learnt from training rows alone."""

    mean: Array
    spread: Array

    def standardise(self, cell: int, fold: int, kind: Kind, labels: Array, train: NDArray[np.intp]) -> Array:
        """Labels ``(n,)`` as a network learns them, noting their scale; classes stay as they are."""
        if isinstance(kind, Classification):
            return labels
        seen = labels[train][~np.isnan(labels[train])]
        self.mean[cell, fold], self.spread[cell, fold] = seen.mean(), seen.std() or 1.0
        found: Array = (labels - self.mean[cell, fold]) / self.spread[cell, fold]
        return found


def fit_modules(
    sample: Sample,
    configuration: Configuration,
    run: Run,
    *,
    encoder: nn.Module | None,
    widths: tuple[int, ...],
    epochs: int,
    groups: Sequence[tuple[int, ...]],
    starts: Sequence[nn.Module] | None = None,
    onwards: Onwards | None = None,
) -> Fit:
    """Networks that learn some cells together.

    Args:
        encoder: The user's own, copied for every network with the weights it has; None for a perceptron of
            ``widths`` over the table.
        epochs: At most.
        groups: The cells of each network: all in one, or one in each.
        starts: An encoder for each inner fold, to be copied instead of ``encoder``.
        onwards: What the networks of a group are taken on to before they serve; None where they are done.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    tables = TabularEncoder.fit(sample.table, "network") if encoder is None else None
    X = as_inputs(sample.table, tables)
    cells = len(sample.targets) * sample.n_levels
    scale = Scale(np.zeros((cells, len(sample.folds))), np.ones((cells, len(sample.folds))))
    held_out, constants = _floor(sample)
    features = widths[-1] if encoder is None else width_of(encoder, X)
    serves = np.full((cells, len(sample.folds)), -1, dtype=np.int64)
    snapshots: list[Snapshot] = []
    for place, group in enumerate(groups):
        encoders = [encoder] * len(sample.folds) if starts is None else starts
        course = Course(configuration, encoders, widths, features, epochs, place)
        learnt = learn(sample, group, course, X, scale, run)
        for committee in [learnt] if onwards is None else onwards(learnt, course, X, scale):
            for one in committee:
                _keep(sample, one, committee, X, scale, serves, snapshots, held_out)
    model = ModuleNets(
        learner=configuration.learner,
        widths=widths if encoder is None else (),
        encoder=tables,
        shape=tuple(X.shape[1:]),
        dtype=str(X.numpy().dtype),
        features=features,
        kinds=tuple(target.kind for target in sample.targets),
        snapshots=tuple(snapshots),
        serves=serves,
        mean=scale.mean,
        spread=scale.spread,
        constant=constants,
    )
    return Fit(model if encoder is None else model.with_encoder(encoder), held_out)


@dataclass(frozen=True)
class Course:
    """How the networks of a group are trained.

    Attributes:
        encoders: To be copied on each inner fold; None for a perceptron.
        widths, epochs: As `fit_modules` is given them.
        features: Numbers that the encoder gives a row.
        place: Of the group, for its seeds.
    """

    configuration: Configuration
    encoders: Sequence[nn.Module | None]
    widths: tuple[int, ...]
    features: int
    epochs: int
    place: int

    def network(
        self, fold: int, outputs: dict[str, int], X: Tensor, configuration: Configuration
    ) -> MultiTaskNetwork:
        """A network before its first step; torch's randomness gives what is not copied."""
        encoder = self.encoders[fold]
        dropout = configuration.get("dropout", 0.0)
        net = perceptron(X.shape[1], self.widths, dropout) if encoder is None else deepcopy(encoder)
        return build_network(configuration, net, outputs, self.features, X[:2])


Onwards = Callable[[Sequence[Learnt], Course, "Tensor", Scale], Iterable[Sequence[Learnt]]]
"""From networks that have learnt a group, with how, their inputs and their labels' scale, to committees that serve."""


def learn(
    sample: Sample, group: tuple[int, ...], course: Course, X: Tensor, scale: Scale, run: Run
) -> list[Learnt]:
    """Train a network of a group's cells on each inner fold that has labels of some, noting the labels' scale."""
    labels = {cell: labels_of(sample, cell) for cell in group}
    learnt = []
    for fold, (train, valid) in enumerate(sample.folds):
        known = tuple(cell for cell in group if enough(labels[cell][train]))
        if not known:
            continue
        seed = int(np.random.SeedSequence([run.seed, course.place, fold]).generate_state(1)[0])
        tasks = {cell: sample.targets[cell // sample.n_levels].kind for cell in known}
        targets = {c: scale.standardise(c, fold, tasks[c], labels[c], train) for c in known}
        with seeded(seed):
            outputs = {name_of(cell): kind.outputs for cell, kind in tasks.items()}
            network = course.network(fold, outputs, X, course.configuration)
        record = Recorder(run, network, {name_of(cell): [] for cell in known})
        train_module(course.configuration, record, tasks, X, targets, (train, valid), course.epochs, seed)
        run.tick(fits=1)
        learnt.append(Learnt(fold, known, record))
    return learnt


def width_of(encoder: nn.Module, X: Tensor) -> int:
    """Numbers that an encoder gives a row."""
    import torch

    from sharewise.errors import OptionError

    with torch.inference_mode():
        out = deepcopy(encoder).eval()(X[:2])
    if not isinstance(out, torch.Tensor) or out.ndim != 2:
        shape = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise OptionError(
            f"an encoder gives one vector a row, (B, D); got {shape}. End it with pooling and nn.Flatten()."
        )
    return int(out.shape[1])


def _floor(sample: Sample) -> tuple[list[Array], tuple[Array, ...]]:
    """Held-out predictions and constants, before any network says better."""
    held_out = sample.blank()
    constants = [np.zeros((sample.n_levels, target.kind.width)) for target in sample.targets]
    for target, level, rows in sample.cells():
        part, own = fit_constant(sample, target, rows)
        constants[target][level or 0] = part.predict(np.zeros((1, 0)))[0]
        held_out[target][rows] = own
    return held_out, tuple(constants)


def labels_of(sample: Sample, cell: int) -> Array:
    """``(n,)``, NaN for rows of other levels too."""
    target, level = divmod(cell, sample.n_levels)
    labels = sample.labels[:, target]
    return labels if sample.level is None else np.where(sample.level == level, labels, np.nan)


def enough(labels: Array) -> bool:
    """Whether there is something to learn."""
    known = labels[~np.isnan(labels)]
    return len(known) >= FEWEST_ROWS and len(np.unique(known)) > 1


def _keep(
    sample: Sample, one: Learnt, learnt: Sequence[Learnt], X: Tensor, scale: Scale, serves: NDArray[np.int64],
    snapshots: list[Snapshot], held_out: list[Array],
) -> None:  # fmt: skip
    """Take over each cell's weights, equal ones once, and what they say of the rows held out."""
    import torch

    valid, network = sample.folds[one.fold][1], one.record.network.eval()
    cells_of: dict[int, list[int]] = {}
    for cell in one.cells:
        cells_of.setdefault(one.epoch(cell, learnt), []).append(cell)
    for epoch, cells in cells_of.items():
        weights = one.record.weights[epoch]
        network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        raw = outputs_of(network, X[valid])
        for cell in cells:
            target, level = divmod(cell, sample.n_levels)
            serves[cell, one.fold] = len(snapshots)
            inside = np.flatnonzero(sample.level[valid] == level) if sample.level is not None else slice(None)
            said = as_said(
                raw[name_of(cell)][inside],
                sample.targets[target].kind,
                scale.mean[cell, one.fold],
                scale.spread[cell, one.fold],
            )
            held_out[target][valid[inside]] = said
        snapshots.append(Snapshot(one.cells, weights))
