"""Committees of taggers: the networks of all inner folds learn side by side, epoch by epoch.

Each task keeps the weights of the epoch that the *other* folds' held-out sentences prefer, so that a network is not
chosen by sentences that it then predicts. As all folds stand at the same epoch, the best so far is all that is kept.

Symbols: ``F`` inner folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration
from sharewise.families._sample import Fit, Run, Sample
from sharewise.families.sentences._cells import constants_of, enough, kinds_of, sentences_of
from sharewise.families.sentences._nets import SentenceNet, SentenceNets
from sharewise.families.sentences._student import Lesson, Student
from sharewise.tasks import cells

EPOCHS = (6, 14, 24, 40)
"""Epochs at most, by effort."""
PATIENCE = 5
"""Epochs without a better one for any fold and task, after which learning ends."""


@dataclass
class Kept:
    """What a network keeps for one task.

    Attributes:
        value: The other folds' error at its epoch.
        epoch: The epoch.
        shares: What it says there of the sentences held out.
    """

    value: float
    epoch: int
    shares: NDArray[np.object_]


@dataclass
class Member:
    """A fold's network and what it keeps.

    Attributes:
        weights: By epoch, of those epochs that some task keeps.
    """

    fold: int
    student: Student
    kept: dict[int, Kept] = field(default_factory=dict)
    weights: dict[int, dict[str, NDArray[Any]]] = field(default_factory=dict)

    def keep(self, epoch: int, errors: Sequence[dict[int, float]], place: int) -> bool:
        """Keeps this epoch for the tasks for which the others prefer it to those before; whether there is one."""
        better = []
        for target in self.student.targets:
            value = _others(errors, place, target)
            before = self.kept.get(target)
            # Where nobody can say, the last epoch is as good as any.
            if before is None or value < before.value or not np.isfinite(value):
                better.append(target)
                self.kept[target] = Kept(value, epoch, cells(self.student.held_out[target]))
        if better:
            self.weights[epoch] = self.student.tagger.weights()
            wanted = {one.epoch for one in self.kept.values()}
            self.weights = {at: weights for at, weights in self.weights.items() if at in wanted}
        return any(np.isfinite(self.kept[target].value) for target in better)


def _others(errors: Sequence[dict[int, float]], place: int, target: int) -> float:
    """Mean error on the other folds' held-out sentences; its own where no other says anything."""
    others = [one[target] for at, one in enumerate(errors) if at != place and target in one]
    finite = [value for value in others if np.isfinite(value)]
    return float(np.mean(finite)) if finite else errors[place][target]


def fit_committees(
    sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
) -> Fit:
    """Networks of groups of targets, one an inner fold.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    kinds = kinds_of(sample)
    constants, held_out = constants_of(sample)
    serves = np.full((len(kinds), len(sample.folds)), -1, dtype=np.int64)
    nets: list[SentenceNet] = []
    for place, group in enumerate(groups):
        members = _members(sample, configuration, group, place, run)
        _learn(members, run)
        for one in members:
            place_of: dict[int, int] = {}
            for epoch, weights in one.weights.items():
                place_of[epoch] = len(nets)
                nets.append(SentenceNet(one.student.targets, one.student.tagger.lexicon, weights))
            for target, kept in one.kept.items():
                serves[target, one.fold] = place_of[kept.epoch]
                held_out[target][sample.folds[one.fold][1], 0] = kept.shares
        run.tick(fits=len(members))
    return Fit(
        SentenceNets(configuration.learner, configuration.options, kinds, tuple(nets), serves, constants),
        held_out,
    )


def _members(
    sample: Sample, configuration: Configuration, group: Sequence[int], place: int, run: Run
) -> list[Member]:
    sentences = sentences_of(sample.table)
    members = []
    for fold, (train, valid) in enumerate(sample.folds):
        taught = {target: enough(sample, target, train) for target in group}
        taught = {target: rows for target, rows in taught.items() if len(rows)}
        if not taught:
            continue
        lesson = Lesson(sample, sentences, taught, valid, EPOCHS[run.effort])
        seed = int(np.random.SeedSequence([run.seed, place, fold]).generate_state(1)[0])
        members.append(Member(fold, Student(configuration, lesson, seed)))
    return members


def _learn(members: Sequence[Member], run: Run) -> None:
    """All networks, until nothing gets better or the epochs are over."""
    stale = 0
    for epoch in range(EPOCHS[run.effort] if members else 0):
        for one in members:
            one.student.learn(epoch, run)
        errors = [one.student.judge(run) for one in members]
        better = [one.keep(epoch, errors, place) for place, one in enumerate(members)]
        stale = 0 if any(better) else stale + 1
        if stale >= PATIENCE:
            return
