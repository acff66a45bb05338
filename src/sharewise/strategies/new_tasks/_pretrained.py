"""Pretrained: an encoder learns from inputs alone, and a head in closed form serves a new task on top of it.

The objective sees the training tasks' rows and those that no task has labelled, never a label. Labels of training tasks
teach the head's penalty (or prior) alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from sharewise.errors import OptionError
from sharewise.families import Configuration, Run, configuration
from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._learners import Option, make_learner
from sharewise.strategies.new_tasks._sample import TaskSample

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sharewise.meta import MetaLearner
    from sharewise.meta._objective import Objective
    from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
    from sharewise.strategies.new_tasks._network_training import Prepared

TABLES, PICTURES = ("scarf", "masked"), ("contrastive", "rotations")
"""Best guess first; the last of pictures wants them square."""
ENCODER = {"hidden": 64, "depth": 2}
HEADS: dict[str, dict[str, Option]] = {
    "numbers": {"head": "bayes", "meta_rate": 0.05, "spread": 4.0},
    "classes": {"head": "logistic"},
    "pool": {"head": "lda"},
}
"""Closed forms: ridge towards a learnt prior (plain ridge knows nothing of a task's level before its first labels),
logistic regression with a learnt penalty, and discriminant analysis with a learnt covariance."""
HEAD_SHARE = 0.4
"""Of the seconds, what learning the head's penalty or prior takes."""
BATCH, RATE = 128, 1e-3
LONGEST_GRADIENT = 10.0
PENALTY_RATE = 0.01
EVERY = 0.2
"""Share of an objective's seconds between validations."""
HELD_OUT = 512
"""Rows of validation tasks at most, by whose loss the encoder's weights are chosen."""


@final
class Pretrained(NewTaskStrategy):
    """Self-supervised objectives of `sharewise.meta`: for tables of two columns or more, and for pictures, which the
    user's own encoder reads."""

    name: ClassVar[str] = "pretrained"
    shares: ClassVar[bool] = True

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        if family != "network":
            return ()
        form = "numbers" if sample.classes is None else "pool" if sample.ways is not None else "classes"
        head = HEADS[form]
        tensors = sample.table.of_kind("tensor")
        if tensors:
            shape, kind = tensors[0].values.shape[1:], tensors[0].values.dtype.kind
            if len(shape) != 3 or kind != "f":
                return ()
            named = PICTURES if shape[1] == shape[2] else PICTURES[:1]
            return tuple(configuration(name, **head) for name in named[: 1 + (effort >= 1)])
        if len(sample.table.columns) < 2:
            return ()
        return tuple(configuration(name, **head, **ENCODER) for name in TABLES[: 1 + (effort >= 1)])

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter
        from sharewise.strategies.new_tasks._network_training import LEAST_SHARE, prepare

        began = time.process_time()
        options: dict[str, Option] = dict(configuration.options)
        course: dict[str, Option] = {
            "updates": options.pop("updates", 0), "meta_rate": options.pop("meta_rate", PENALTY_RATE)
        }  # fmt: skip
        updates, head = int(course["updates"]), str(options.pop("head"))
        data = prepare(sample)
        learner = make_learner(
            head, options, shape=data.inputs.shape, width=sample.width,
            own_encoder=sample.encoder, dtype=data.inputs.dtype, seed=run.seed,
        )  # fmt: skip
        left = (1 - HEAD_SHARE) * seconds - (time.process_time() - began)
        left = max(left, LEAST_SHARE * seconds)
        learn_inputs(learner, configuration.learner, sample, data, run, updates, left)
        left = max(began + seconds - time.process_time(), LEAST_SHARE * HEAD_SHARE * seconds)
        learn_penalty(learner, sample, data, run, course, left)
        return NetworkAdapter.of(
            learner, head, options, data.inputs,
            width=sample.width, scale=data.scale, own_encoder=sample.encoder,
        )  # fmt: skip


def learn_inputs(
    learner: MetaLearner,
    objective: str,
    sample: TaskSample,
    data: Prepared,
    run: Run,
    updates: int,
    seconds: float,
) -> None:
    """Trains the learner's encoder in place, on inputs alone; the weights of the least loss on validation tasks' rows.

    Raises:
        OptionError: Training diverged before its first validation.
        OutOfTime: The run's deadline has passed.
    """
    import torch

    from sharewise.meta._pretrain import pretrain
    from sharewise.strategies.new_tasks._network_adapter import as_tensor

    encoder = learnt_part(learner)
    inputs = data.X[np.flatnonzero(sample.train)]
    if sample.unlabelled is not None and len(sample.unlabelled):
        inputs = torch.cat([inputs, as_tensor(data.inputs.transform(sample.unlabelled))])
    aside = np.random.default_rng(run.seed).permutation(np.flatnonzero(~sample.train))[:HELD_OUT]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        chosen = make_objective(objective, encoder, data.inputs)
    found = pretrain(
        encoder,
        chosen,
        inputs,
        steps=updates or None,
        seconds=None if updates else seconds,
        batch=BATCH,
        rate=RATE,
        clip=LONGEST_GRADIENT,
        held_out=data.X[aside] if len(aside) >= 2 else None,
        every=EVERY,
        seed=run.seed,
        progress=lambda step, share, loss: run.tick(steps=1),
    )
    run.tick(fits=1)
    if found.status == "diverged" and not found.judged:
        raise OptionError(f"Pretraining came to nothing: {found.because}")


def learn_penalty(
    learner: MetaLearner,
    sample: TaskSample,
    data: Prepared,
    run: Run,
    course: Mapping[str, Option],
    seconds: float,
) -> None:
    """Trains what the learner has beside its encoder, on episodes of features that are computed once."""
    import torch

    from sharewise.strategies.new_tasks._network_adapter import most_rows
    from sharewise.strategies.new_tasks._network_training import train

    encoder: Any = learner.get_submodule("encoder")
    learner.eval()
    with torch.no_grad():
        step = most_rows(data.X)
        parts = [encoder(data.X[at : at + step]).flatten(1) for at in range(0, len(data.X), step)]
    light = copy(learner)
    light._modules = {**learner._modules, "encoder": torch.nn.Identity()}
    train(light, sample, replace(data, X=torch.cat(parts)), run, course, seconds)


def learnt_part(learner: MetaLearner) -> nn.Module:
    """What an objective trains: of inputs beside a perceptron the perceptron, else the whole encoder."""
    from sharewise.strategies.new_tasks._encoders import LinearBeside

    encoder = learner.get_submodule("encoder")
    if isinstance(encoder, LinearBeside) and encoder.deep is not None:
        return encoder.deep
    return encoder


def make_objective(name: str, encoder: nn.Module, inputs: NetworkInputs) -> Objective:
    """An objective for features of this encoder.

    Raises:
        OptionError: The name is none of a strategy's.
    """
    import torch

    from sharewise.meta._pretrain import OBJECTIVES

    if name not in (*TABLES, *PICTURES):
        known = ", ".join((*TABLES, *PICTURES))
        raise OptionError(f"An objective is one of {known}; got '{name}'. Correct the name.")
    modes = encoder.training
    with torch.no_grad():
        example: Tensor = torch.zeros((2, *inputs.shape), dtype=getattr(torch, inputs.dtype))
        width = encoder.eval()(example).flatten(1).shape[1]
    encoder.train(modes)
    kind: Any = OBJECTIVES[name]
    if name in TABLES:
        return kind(inputs.shape[0], width, columns=columns_of(inputs))  # type: ignore[no-any-return]
    return kind(width)  # type: ignore[no-any-return]


def columns_of(inputs: NetworkInputs) -> list[int]:
    """Of each coordinate the column that it came from: a number, its indicator of gaps, a category's levels; a text's
    coordinates each for itself."""
    found: list[int] = []
    if inputs.columns is not None:
        numbers, categories = inputs.columns.numbers, inputs.columns.categories
        if numbers is not None:
            found += numbers.columns
        if categories is not None:
            first = max(found, default=-1) + 1
            found += [first + column for column in categories.columns]
    first = max(found, default=-1) + 1
    return [*found, *range(first, first + inputs.shape[0] - len(found))]
