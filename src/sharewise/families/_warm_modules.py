"""Torch networks that have learnt all tasks go on one task at a time: for encoders of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.families._base import Configuration
from sharewise.families._module_fit import Course, Learnt, Scale, labels_of
from sharewise.families._module_nets import name_of
from sharewise.families._module_train import Recorder, adamw, labelled_rows, seeded, train_module
from sharewise.families._sample import Run, Sample
from sharewise.networks import MultiTaskNetwork, StackedHeads
from sharewise.tasks import Array, Classification, Kind
from sharewise.tasks._torch_loss import loss_sum

Weights = dict[str, NDArray[Any]]
"""Of one network, by parameter or buffer name."""
JUDGED = 1024
"""Held-out rows that a start is judged by at once."""


@dataclass(frozen=True)
class OneByOne:
    """Takes joint networks on: on every inner fold each task's own, from the joint trunk and the task's head at the
    epoch that is best for it. The start counts as an epoch, so that a task never ends worse than it on the other inner
    folds' held-out rows.

    Attributes:
        configuration: Of the second stage, its own rate among it.
        pull: Shares of the way back to the start that weights go after each step: the trunk's, the head's. What a
            normalisation layer counts along the way is not held.
        epochs: At most.
    """

    sample: Sample
    run: Run
    configuration: Configuration
    pull: tuple[float, float]
    epochs: int

    def __call__(
        self, learnt: Sequence[Learnt], course: Course, X: Tensor, scale: Scale
    ) -> Iterator[list[Learnt]]:
        for cell in sorted({cell for one in learnt for cell in one.cells}):
            found = []
            for one in learnt:
                if cell in one.cells:
                    start = one.record.weights[one.epoch(cell, learnt)]
                    joint = one.record.network
                    found.append(self._gone_on(one.fold, cell, start, joint, course, X, scale))
            yield found

    def _gone_on(
        self, fold: int, cell: int, start: Weights, joint: MultiTaskNetwork, course: Course, X: Tensor,
        scale: Scale,
    ) -> Learnt:  # fmt: skip
        sample, name = self.sample, name_of(cell)
        kind = sample.targets[cell // sample.n_levels].kind
        seed = int(np.random.SeedSequence([self.run.seed, 1, cell, fold]).generate_state(1)[0])
        with seeded(seed):
            network = course.network(fold, {name: kind.outputs}, X, self.configuration)
        weights = own_part(start, joint, name)
        network.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in weights.items()})
        train, valid = sample.folds[fold]
        labels = labels_of(sample, cell)
        if not isinstance(kind, Classification):
            labels = (labels - scale.mean[cell, fold]) / scale.spread[cell, fold]
        targets = {cell: labels}
        judged = labelled_rows(valid, targets)
        record = Recorder(self.run, network, {name: [judge(network, name, kind, X[judged], labels[judged])]})
        record.weights.append(weights)
        if len(judged):  # with nothing to judge by it stays as it is
            train_module(
                self.configuration,
                record,
                {cell: kind},
                X,
                targets,
                (train, valid),
                self.epochs,
                seed,
                pulled(adamw(self.configuration), network, self.pull) if any(self.pull) else None,
            )
            self.run.tick(fits=1)
        return Learnt(fold, (cell,), record)


def own_part(weights: Weights, joint: MultiTaskNetwork, task: str) -> Weights:
    """Of a joint network's weights those of a network of one task: all heads are one parameter, of which it has its
    own rows."""
    assert isinstance(joint.heads, StackedHeads)
    order = joint.heads.order
    first = sum(joint.heads.outputs[other] for other in order[: order.index(task)])
    rows = slice(first, first + joint.heads.outputs[task])
    return {key: value[rows] if key.startswith("heads.") else value for key, value in weights.items()}


@torch.inference_mode()
def judge(network: MultiTaskNetwork, name: str, kind: Kind, X: Tensor, labels: Array) -> float:
    """Mean loss of a task on labelled rows, in evaluation mode; infinite where there are none."""
    if not len(X):
        return float("inf")
    modes = network.training
    network.eval()
    truth = torch.from_numpy(labels.astype(np.float32))
    parts = [slice(at, at + JUDGED) for at in range(0, len(X), JUDGED)]
    total = sum(float(loss_sum(kind, network(X[part])[name], truth[part]).total) for part in parts)
    network.train(modes)
    return total / len(X)


def pulled(
    make: Callable[[Any], torch.optim.Optimizer], network: MultiTaskNetwork, pull: tuple[float, float]
) -> Callable[[Any], torch.optim.Optimizer]:
    """An optimizer after each of whose steps weights go back to where they now are by a share of the way (L2-SP, see
    `sharewise.training`; 1 keeps them there): the trunk's, and the heads'."""
    heads = {id(weight) for weight in network.heads.parameters()}
    held = [
        (weight, weight.detach().clone(), share)
        for weight in network.parameters()
        if (share := pull[1] if id(weight) in heads else pull[0])
    ]

    @torch.no_grad()
    def back(*_: object) -> None:
        for weight, start, share in held:
            weight.lerp_(start, share)

    def build(parameters: Any) -> torch.optim.Optimizer:
        optimizer = make(parameters)
        optimizer.register_step_post_hook(back)
        return optimizer

    return build


def slower(configuration: Configuration, rate: float, decay: float) -> Configuration:
    """The configuration at other rates."""
    options = {**dict(configuration.options), "learning_rate": rate, "weight_decay": decay}
    return replace(configuration, options=tuple(sorted(options.items())))
