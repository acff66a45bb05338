"""The networks of one group of cells, one an inner fold, trained side by side epoch by epoch.

Side by side, because each one's best epoch is chosen by what the others' held-out rows say: only weights that may still
be chosen are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.families._base import Configuration
from sharewise.families._module_train import seeded
from sharewise.families._sample import Run
from sharewise.families.pictures._answers import Answers
from sharewise.families.pictures._build import PictureNet
from sharewise.families.pictures._choice import chosen, is_over, judged, possible
from sharewise.families.pictures._inputs import CHUNK, Inputs

BATCHES, SMALLEST_BATCH, LARGEST_BATCH = 12, 8, 64
"""Batches an epoch, within those sizes."""
LONGEST_GRADIENT = 10.0
WARM_UP = 0.05
"""Share of all steps in which the rate rises; then it falls to nothing as half a cosine."""

Weights = dict[str, NDArray[Any]]


@dataclass
class Learner:
    """One inner fold's network on its way.

    Attributes:
        fold: Place of the inner fold.
        answers: By cell.
        train, valid: Rows (n,) of the sample.
        curves: By cell the loss on ``valid`` after each epoch.
        kept: Weights after the epochs that may still be chosen.
    """

    fold: int
    network: PictureNet
    answers: Mapping[int, Answers]
    train: Tensor
    valid: Tensor
    seed: int
    configuration: Configuration
    curves: dict[int, list[float]] = field(default_factory=dict)
    kept: dict[int, Weights] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)
        self.curves = {cell: [] for cell in self.answers}
        body = {id(p) for p in self.network.backbone.parameters()}
        rate = self.configuration.get("learning_rate", 2e-3)
        own = [p for p in self.network.parameters() if p.requires_grad and id(p) not in body]
        groups: list[dict[str, Any]] = [{"params": own, "lr": rate}]
        slower = [p for p in self.network.parameters() if p.requires_grad and id(p) in body]
        if slower:
            groups.append({"params": slower, "lr": rate * self.configuration.get("backbone_rate", 1.0)})
        self.rates: list[float] = [group["lr"] for group in groups]
        decay = self.configuration.get("weight_decay", 0.05)
        self.optimizer = torch.optim.AdamW(groups, weight_decay=decay, fused=True)
        self.step = 0

    @property
    def batch(self) -> int:
        return int(np.clip(len(self.train) // BATCHES, SMALLEST_BATCH, LARGEST_BATCH))

    def learn(self, inputs: Inputs, steps: int, run: Run, *, mirror: bool) -> None:
        """One epoch of a training of so many steps in all."""
        self.network.train()
        order = self.train[torch.randperm(len(self.train), generator=self.generator)]
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * pace(self.step / max(steps, 1))
            change = inputs.draw(len(rows), self.generator, mirror=mirror)
            outputs = self.network(inputs.maps(self.network, rows, change))
            losses = [self.answers[cell].loss(outputs[cell], rows, change) for cell in self.answers]
            total = torch.stack([loss for loss, count in losses if count] or [losses[0][0]]).sum()
            self.step += 1
            if bool(total.isfinite()):
                self.optimizer.zero_grad()
                total.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
                self.optimizer.step()
            run.tick(steps=1)

    def judge(self, inputs: Inputs) -> None:
        """Add each cell's loss on the rows held out."""
        totals, counts = dict.fromkeys(self.answers, 0.0), dict.fromkeys(self.answers, 0)
        for rows, outputs in self.outputs(inputs, self.valid):
            for cell, answers in self.answers.items():
                loss, count = answers.loss(outputs[cell], rows, None)
                totals[cell] += float(loss) * count
                counts[cell] += count
        for cell, total in totals.items():
            self.curves[cell].append(total / counts[cell] if counts[cell] else float("nan"))

    def outputs(self, inputs: Inputs, rows: Tensor) -> list[tuple[Tensor, dict[int, Tensor]]]:
        """Raw outputs of some rows, in parts of `CHUNK`."""
        self.network.eval()
        with torch.no_grad():
            return [
                (part, self.network(inputs.maps(self.network, part, None)))
                for part in torch.split(rows, CHUNK)
                if len(part)
            ]

    def keep(self, epochs: set[int], trained: Sequence[str]) -> None:
        """Weights after the last epoch where they may be chosen; those of others go."""
        last = len(next(iter(self.curves.values()))) - 1
        self.kept = {epoch: weights for epoch, weights in self.kept.items() if epoch in epochs}
        if last in epochs:
            state = self.network.state_dict()
            self.kept[last] = {name: state[name].numpy().copy() for name in trained}


def pace(done: float) -> float:
    """The factor of the rates where a share of all steps is done."""
    return min(1.0, (done + 1e-3) / WARM_UP) * (1 + float(np.cos(np.pi * min(done, 1.0)))) / 2


def train(
    learners: Sequence[Learner],
    inputs: Inputs,
    run: Run,
    *,
    epochs: int,
    patience: int,
    mirror: bool,
    trained: Sequence[str],
) -> list[dict[int, int]]:
    """Train all until nothing improves or the epochs are over; gives each one's epoch by cell.

    Args:
        trained: Names in the networks' state that are kept; the others never change.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    for epoch in range(epochs):
        for learner in learners:
            with seeded(learner.seed + epoch):  # dropout
                steps = epochs * -(-len(learner.train) // learner.batch)
                learner.learn(inputs, steps, run, mirror=mirror)
            learner.judge(inputs)
        curves = [_judged(learner, learners) for learner in learners]
        for learner, own in zip(learners, curves, strict=True):
            learner.keep(possible(own), trained)
        if all(is_over(own, patience) for own in curves):
            break
    run.tick(fits=len(learners))
    return [chosen(_judged(learner, learners)) for learner in learners]


def _judged(learner: Learner, learners: Sequence[Learner]) -> dict[int, Any]:
    return judged(learner.curves, [other.curves for other in learners if other is not learner])
