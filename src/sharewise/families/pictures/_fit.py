"""Groups of cells, each learnt by one network an inner fold.

Symbols: ``n`` rows, ``K`` inner folds; cells as in `_design`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sharewise.families._base import Configuration
from sharewise.families._module_fit import enough, labels_of
from sharewise.families._module_nets import Snapshot
from sharewise.families._module_train import seeded
from sharewise.families._parts import FEWEST_ROWS, fit_constant
from sharewise.families._sample import Fit, Predictions, Run, Sample
from sharewise.families.pictures._answers import Numbers, answers_of, said
from sharewise.families.pictures._build import PictureNet, backbone_of
from sharewise.families.pictures._design import Design
from sharewise.families.pictures._inputs import Frozen, Inputs, Learning, pixels_of
from sharewise.families.pictures._model import PictureNets
from sharewise.families.pictures._train import Learner, Weights, train
from sharewise.modalities.images import Backbone
from sharewise.tasks import Array, RaggedKind


def fit_pictures(
    sample: Sample,
    design: Design,
    configuration: Configuration,
    groups: Sequence[tuple[int, ...]],
    run: Run,
    *,
    epochs: int,
    more_together: int,
    patience: int,
) -> Fit:
    """A committee a group.

    Args:
        epochs: At most, for a network of one task.
        more_together: Times as many at most for one of several: it has the steps of all to learn them in.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    held_out, constant = _floor(sample)
    found = Found.nothing(sample, design, held_out)
    pixels = pixels_of(sample.table)
    frozen = backbone_of(design, pretrained=True).requires_grad_(False) if design.frozen else None
    seen: dict[bool, Inputs] = {}
    for place, group in enumerate(groups):
        mirror = _mirrors(design, configuration, group)
        if mirror not in seen:
            seen[mirror] = (
                Learning(design, pixels)
                if frozen is None
                else Frozen(design, pixels, frozen, mirror=mirror, tick=run.tick)
            )
        inputs = seen[mirror]
        learners = _learners(sample, design, configuration, group, place, run, frozen)
        if not learners:
            continue
        common = set() if frozen is None else _names(learners[0].network)
        choices = train(
            learners,
            inputs,
            run,
            epochs=epochs * min(len(group), more_together),
            patience=patience,
            mirror=mirror,
            trained=[name for name in learners[0].network.state_dict() if name not in common],
        )
        for learner, choice in zip(learners, choices, strict=True):
            for epoch in sorted(set(choice.values())):
                own = tuple(cell for cell, at in choice.items() if at == epoch)
                found.take(learner, learner.kept[epoch], own, inputs)
    kept = {} if frozen is None else {name: own.numpy().copy() for name, own in frozen.state_dict().items()}
    model = PictureNets(
        design, kept, tuple(found.snapshots), found.serves, found.mean, found.spread, constant
    )
    return Fit(model, found.held_out)


@dataclass
class Found:
    """What serves so far, as `PictureNets` has it, and what it says of rows held out."""

    sample: Sample
    design: Design
    held_out: Predictions
    serves: NDArray[np.int64]
    mean: Array
    spread: Array
    snapshots: list[Snapshot] = field(default_factory=list)

    @classmethod
    def nothing(cls, sample: Sample, design: Design, held_out: Predictions) -> Found:
        shape = len(design.kinds) * design.levels, len(sample.folds)
        serves = np.full(shape, -1, dtype=np.int64)
        return cls(sample, design, held_out, serves, np.zeros(shape), np.ones(shape))

    def take(self, learner: Learner, weights: Weights, cells: tuple[int, ...], inputs: Inputs) -> None:
        """A network with some of its weights serves these cells."""
        network = learner.network
        state = {name: torch.from_numpy(value) for name, value in weights.items()}
        network.load_state_dict(state, strict=not self.design.frozen)
        for cell in cells:
            self.serves[cell, learner.fold] = len(self.snapshots)
            answers = learner.answers[cell]
            if isinstance(answers, Numbers):
                self.mean[cell, learner.fold] = answers.mean
                self.spread[cell, learner.fold] = answers.spread
        self.snapshots.append(Snapshot(network.cells, weights))
        for part, outputs in learner.outputs(inputs, learner.valid):
            rows = part.numpy()
            for cell in cells:
                target, level = divmod(cell, self.design.levels)
                inside = _inside(self.sample, rows, level)
                scale = float(self.mean[cell, learner.fold]), float(self.spread[cell, learner.fold])
                told = said(self.design.kinds[target], outputs[cell][inside], self.design, *scale)
                self.held_out[target][rows[inside]] = told


def _mirrors(design: Design, configuration: Configuration, group: tuple[int, ...]) -> bool:
    """Whether pictures may be mirrored: unless told otherwise not where a number or a class is learnt, which may say
    left or right."""
    dense = all(design.kind(cell).ragged for cell in group)
    return configuration.get("mirror", float(dense)) > 0


def _learners(
    sample: Sample,
    design: Design,
    configuration: Configuration,
    group: tuple[int, ...],
    place: int,
    run: Run,
    frozen: Backbone | None,
) -> list[Learner]:
    """One an inner fold that has something of the group to learn."""
    found = []
    for fold, (train_rows, valid_rows) in enumerate(sample.folds):
        known = tuple(cell for cell in group if _teaches(sample, design, cell, train_rows))
        if not known:
            continue
        answers = {cell: answers_of(sample, design, cell, train_rows) for cell in known}
        labelled = torch.stack([own.known for own in answers.values()]).any(0)
        seed = int(np.random.SeedSequence([run.seed, place, fold]).generate_state(1)[0])
        with seeded(seed):
            body = backbone_of(design, pretrained=True) if frozen is None else frozen
            network = PictureNet(design, known, body)
        train_at, valid_at = torch.from_numpy(train_rows), torch.from_numpy(valid_rows)
        found.append(
            Learner(fold, network, answers, train_at[labelled[train_at]], valid_at, seed, configuration)
        )
    return found


def _teaches(sample: Sample, design: Design, cell: int, rows: NDArray[np.intp]) -> bool:
    """Whether some rows hold enough labels of a cell."""
    own = labels_of(sample, cell)[rows]
    return int((~np.isnan(own)).sum()) >= FEWEST_ROWS if design.kind(cell).ragged else enough(own)


def _inside(sample: Sample, rows: NDArray[np.intp], level: int) -> NDArray[np.intp]:
    found: NDArray[np.intp] = (
        np.arange(len(rows)) if sample.level is None else np.flatnonzero(sample.level[rows] == level)
    )
    return found


def _names(network: PictureNet) -> set[str]:
    """What the network's state calls its backbone's weights."""
    prefix = next(name for name, module in network.named_modules() if module is network.backbone)
    return {name for name in network.state_dict() if name.startswith(f"{prefix}.")}


def _floor(sample: Sample) -> tuple[Predictions, tuple[NDArray[Any], ...]]:
    """Held-out predictions and constants, before any network says better."""
    held_out = sample.blank()
    constants: list[NDArray[Any]] = []
    for place, target in enumerate(sample.targets):
        kind = target.kind
        if isinstance(kind, RaggedKind):
            known = sample.known(place)
            constants.append(kind.template(sample.truths(place, np.flatnonzero(known))))
            for train_rows, valid_rows in sample.folds:
                own = sample.truths(place, train_rows[known[train_rows]])
                if len(own):
                    held_out[place][valid_rows] = kind.spread(kind.template(own), [1] * len(valid_rows))
        else:
            constants.append(np.zeros((sample.n_levels, kind.width)))
    for place, level, rows in sample.cells():
        if not sample.targets[place].kind.ragged:
            part, own = fit_constant(sample, place, rows)
            constants[place][level or 0] = part.predict(np.zeros((1, 0)))[0]
            held_out[place][rows] = own
    return held_out, tuple(constants)
