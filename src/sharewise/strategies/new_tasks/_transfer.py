"""Transfer: one network learns the training tasks' rows, and is fine-tuned to a new task's few labels.

What fine-tuning moves tells the configurations apart; what comes before is the same for all of them: one seed, one course
of training, weights chosen before any fine-tuning. Each trial pays for its own, as trials share nothing. How many steps a
task takes, and of what length, is then chosen on the validation tasks, for each number of labels by itself.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np

from sharewise.errors import OptionError
from sharewise.families import Configuration, Run, configuration
from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._learners import Option, make_learner
from sharewise.strategies.new_tasks._sample import TaskSample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sharewise.meta import Episodes, MetaLearner
    from sharewise.meta._transfer import Transfer as Learner
    from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter
    from sharewise.strategies.new_tasks._network_training import Prepared

LISTED = ((0, "head"), (0, "whole"), (1, "l2-sp"), (1, "gradual"))
"""From which effort on, and what is tuned; of tensors one effort later, as whole encoders move, but for the head."""
POOL_ENCODER = {"reach": 128, "hidden": 64}
"""Inputs themselves say little where tasks differ in their classes; a learnt map of them takes their place."""

STEPS = {
    "sgd": ((0, 0.1), (3, 0.1), (10, 0.1), (30, 0.1), (1, 0.1), (100, 0.1), (30, 0.5)),
    "adam": ((0, 1e-3), (5, 1e-2), (25, 1e-3), (25, 1e-2), (5, 1e-3), (100, 1e-2), (100, 1e-3)),
}
"""Steps of fine-tuning and their rate that are tried on the validation tasks, in this order as far as time allows.

Where tasks have a head in common, plain descent: it moves what tasks differ in most, their levels, faster than the weights
of single features, and stopped early it leaves a task's level near the common one. Adam would move all alike."""
CHOOSING = 0.2
"""Of the seconds, at most what these trials take."""
BATCH, RATE = 64, 3e-3
LONGEST_GRADIENT = 10.0
EVERY = 0.2
"""Share of the training's seconds between validations."""


@final
class TransferStrategy(NewTaskStrategy):
    """Sequential transfer; see `sharewise.meta` for the ways of fine-tuning."""

    name: ClassVar[str] = "transfer"
    shares: ClassVar[bool] = True

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        if family != "network":
            return ()
        tensors = sample.table.reads_tensors
        options: dict[str, Option] = {} if tensors else {"hidden": 64}
        if sample.ways is not None and not tensors:
            options = dict(POOL_ENCODER)
        options["optimizer"] = "sgd" if sample.ways is None else "adam"
        return tuple(
            configuration("transfer", tune=tune, **options)
            for least, tune in LISTED
            if effort >= least + (tensors and tune != "head")
        )

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        from sharewise.strategies.new_tasks._by_labels import ByLabels
        from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter
        from sharewise.strategies.new_tasks._network_training import LEAST_SHARE, prepare, validation

        began = time.process_time()
        options: dict[str, Option] = dict(configuration.options)
        updates = int(options.pop("updates", 0))
        if sample.ways is None:
            options["outputs"] = sample.width
        data = prepare(sample)
        learner = cast(
            "Learner",
            make_learner(
                configuration.learner, options, shape=data.inputs.shape, width=sample.width,
                own_encoder=sample.encoder, dtype=data.inputs.dtype, seed=run.seed,
            ),
        )  # fmt: skip
        batches = validation(sample, data, run.seed)
        left = (1 - CHOOSING) * seconds - (time.process_time() - began)
        learn_source(learner, sample, data, batches, run, updates, max(left, LEAST_SHARE * seconds))
        base = NetworkAdapter.of(
            learner, configuration.learner, options, data.inputs,
            width=sample.width, scale=data.scale, own_encoder=sample.encoder,
        )  # fmt: skip
        until = max(began + seconds, time.process_time() + LEAST_SHARE * CHOOSING * seconds)
        chosen = choose_steps(learner, batches, run, until)
        rungs = [
            (least, with_options(base, {**options, "steps": steps, "rate": rate}))
            for least, steps, rate in chosen
        ]
        return ByLabels(tuple(rungs))


def learn_source(
    learner: Learner,
    sample: TaskSample,
    data: Prepared,
    batches: Sequence[Episodes],
    run: Run,
    updates: int,
    seconds: float,
) -> None:
    """Trains in place on the training tasks' rows; the weights that serve validation tasks best before any step.

    Raises:
        OptionError: Training diverged before its first validation.
        OutOfTime: The run's deadline has passed.
    """
    import torch

    from sharewise.meta._transfer_train import transfer_train

    rows = np.flatnonzero(sample.train)
    labels = torch.from_numpy(sample.task) if sample.ways is not None else data.y
    learner.steps = 0
    found = transfer_train(
        learner,
        data.X[rows],
        labels[rows],
        None if sample.ways is not None else sample.task[rows],
        steps=updates or None,
        seconds=None if updates else seconds,
        batch=BATCH,
        rate=RATE,
        clip=LONGEST_GRADIENT,
        validate=batches,
        every=EVERY,
        seed=run.seed,
        progress=lambda step, share, loss: run.tick(steps=1),
    )
    run.tick(fits=1)
    if found.status == "diverged" and not found.judged:
        raise OptionError(f"Training came to nothing: {found.because}")


def choose_steps(
    learner: Learner, batches: Sequence[Episodes], run: Run, until: float
) -> list[tuple[int, int, float]]:
    """For supports of at least so many rows, how many steps of what rate serve validation tasks best; the fewer where
    two tie. A number of rows for which time is up keeps the best so far, the first entry of `STEPS` at least.

    Args:
        batches: One a number of support rows.
        until: CPU time of this process.

    Returns:
        (least rows, steps, rate), rising.
    """
    learner, batches = _read_once(learner, batches)
    sizes = [int(batch.support_mask.sum(1).max()) for batch in batches]
    best: dict[int, tuple[float, int, float]] = {}
    for size, batch, (steps, rate) in _trials(STEPS[learner.optimizer], sizes, batches):
        if time.process_time() > until and size in best:
            continue
        run.tick()
        learner.steps, learner.rate = steps, rate
        score = _score(learner, batch)
        if size not in best or (score, -steps) > (best[size][0], -best[size][1]):
            best[size] = score, steps, rate
    if not best:
        return [(1, *STEPS[learner.optimizer][0])]
    return [(size, steps, rate) for size, (_, steps, rate) in sorted(best.items())]


def _trials(
    entries: Sequence[tuple[int, float]], sizes: Sequence[int], batches: Sequence[Episodes]
) -> Iterator[tuple[int, Episodes, tuple[int, float]]]:
    """Every entry for every number of rows, the first entries first."""
    for entry in entries:
        for size, batch in zip(sizes, batches, strict=True):
            yield size, batch, entry


def _read_once(learner: Learner, batches: Sequence[Episodes]) -> tuple[Learner, Sequence[Episodes]]:
    """Where no step moves the encoder, a learner that reads features, and episodes of these."""
    import torch

    from sharewise.meta._base import encode

    split = learner.over_features()
    if split is None:
        return learner, batches
    encoder, light = split
    with torch.no_grad():
        features = [
            replace(batch, support_x=encode(encoder, batch.support_x), query_x=encode(encoder, batch.query_x))
            for batch in batches
        ]
    return cast("Learner", light), features


def _score(learner: MetaLearner, batch: Episodes) -> float:
    from sharewise.meta import evaluate

    result = evaluate(learner, [batch])
    score = result.mean if result.metric == "accuracy" else -result.mean
    return score if np.isfinite(score) else -np.inf


def with_options(base: NetworkAdapter, options: dict[str, Option]) -> NetworkAdapter:
    """The same trained weights, adapted with other options."""
    found = replace(base, options=options)
    return found if base.own is None else found.with_encoder(base.own)
