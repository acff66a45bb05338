"""Training a meta-learner across a sample's tasks, one learner for all numbers of labels.

Every step draws its number of labels among those that will be asked for, so that no learner is tied to one; validation
is over all of them. Rates, rows a step and the validation's size are the same for every learner.

Symbols: ``n`` rows, ``E`` episodes, ``K`` numbers of labels (shots).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sharewise.errors import DataError, OptionError
from sharewise.families import Configuration, Run
from sharewise.strategies.new_tasks._learners import Option, make_learner
from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter, as_tensor
from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
from sharewise.strategies.new_tasks._sample import Draw, TaskSample
from sharewise.tasks import Array

if TYPE_CHECKING:
    from torch import Tensor

    from sharewise.meta import ClassPool, Episodes, MetaLearner, TaskPool

ROWS_A_STEP, TENSORS_A_STEP = 512, 384
"""Rows that the episodes of a step hold together, of numbers or of tensors: from them follows ``E``."""
MOST_EPISODES = 16
VALIDATION_DRAWS = 24
"""Draws of validation tasks for each number of labels; of tensors a third."""
RATE = 3e-3
LONGEST_GRADIENT = 10.0
EVERY = 0.2
"""Share of the seconds between validations."""
LEAST_SHARE = 0.25
"""Of the seconds, what is left for learning however long it took to read the rows."""
TRAINING_OPTIONS = ("updates", "meta_rate")
"""Options of a configuration that training reads: a number of updates in place of the seconds, and Adam's rate."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A sample as learners read it.

    Attributes:
        inputs: Fitted on training rows.
        X: ``(n, *P)``.
        y: ``(n,)`` class places as int64, or standardised numbers.
        scale: Mean and spread of the training tasks' numbers; 0 and 1 for classes.
    """

    inputs: NetworkInputs
    X: Tensor
    y: Tensor
    scale: tuple[float, float]


def fit_learner(sample: TaskSample, configuration: Configuration, run: Run, seconds: float) -> NetworkAdapter:
    """The configuration's learner, trained on the sample's training tasks.

    Raises:
        DataError: No training task has rows enough.
        OptionError: Training diverged before its first validation.
        OutOfTime: The run's deadline has passed.
    """
    began = time.process_time()
    given: Mapping[str, Option] = dict(configuration.options)
    options = {key: value for key, value in given.items() if key not in TRAINING_OPTIONS}
    data = prepare(sample)
    learner = make_learner(
        configuration.learner, options, shape=data.inputs.shape, width=sample.width,
        own_encoder=sample.encoder, dtype=data.inputs.dtype, seed=run.seed,
    )  # fmt: skip
    left = max(seconds - (time.process_time() - began), LEAST_SHARE * seconds)
    train(learner, sample, data, run, given, left)
    return NetworkAdapter.of(
        learner, configuration.learner, options, data.inputs,
        width=sample.width, scale=data.scale, own_encoder=sample.encoder,
    )  # fmt: skip


def prepare(sample: TaskSample) -> Prepared:
    """Inputs and labels as tensors; what is fitted for that is fitted on training tasks."""
    import torch

    rows = np.flatnonzero(sample.train)
    inputs = NetworkInputs.fit(sample.table.take(rows))
    X = as_tensor(inputs.transform(sample.table))
    if sample.classes is not None:
        return Prepared(inputs, X, torch.from_numpy(sample.y.astype(np.int64)), (0.0, 1.0))
    mean, spread = float(sample.y[rows].mean()), float(sample.y[rows].std()) or 1.0
    return Prepared(
        inputs, X, torch.from_numpy(((sample.y - mean) / spread).astype(np.float32)), (mean, spread)
    )


def train(
    learner: MetaLearner,
    sample: TaskSample,
    data: Prepared,
    run: Run,
    options: Mapping[str, Option],
    seconds: float,
) -> None:
    """Trains in place, for so many CPU seconds or for the option ``updates``.

    Raises:
        DataError: No training task has rows enough.
        OptionError: Training diverged before its first validation.
        OutOfTime: The run's deadline has passed.
    """
    from sharewise.meta import meta_train

    source = Source(sample, data)
    updates = int(options.get("updates", 0))
    found = meta_train(
        learner,
        source.draw,
        steps=updates or None,
        seconds=None if updates else seconds,
        rate=float(options.get("meta_rate", RATE)),
        clip=LONGEST_GRADIENT,
        every=EVERY,
        validate=validation(sample, data, run.seed),
        seed=run.seed,
        progress=lambda step, share, loss: run.tick(steps=1),
    )
    run.tick(fits=1)
    if found.status == "diverged" and not found.judged:
        raise OptionError(f"Training came to nothing: {found.because}")


class Source:
    """Where the episodes of a step come from: for each number of labels the training tasks that have enough rows.

    Raises:
        DataError: No training task has rows enough for any number of labels.
    """

    def __init__(self, sample: TaskSample, data: Prepared) -> None:
        self.sample = sample
        self.rows = TENSORS_A_STEP if data.inputs.raw else ROWS_A_STEP
        build = _pool_of_tasks if sample.ways is None else _pool_of_classes
        found = [(k, build(sample, data, k)) for k in sample.shots]
        self.pools = [(k, pool) for k, pool in found if pool is not None]
        if not self.pools:
            raise DataError(
                f"Learning across tasks needs training tasks with rows for {sample.shots[0]} labels and a query; "
                "none has. Ask for fewer labels, or bring larger tasks."
            )

    def draw(self, rng: np.random.Generator) -> Episodes:
        """Episodes of one number of labels, drawn at random."""
        k, (pool, queries) = self.pools[rng.integers(len(self.pools))]
        ways = self.sample.ways
        size = (k + queries) * (ways or 1)
        episodes = int(np.clip(self.rows // size, 1, MOST_EPISODES))
        own = {} if ways is None else {"ways": ways}
        drawn: Episodes = pool.draw(rng, shots=k, queries=queries, episodes=episodes, **own)
        return drawn


def _pool_of_classes(sample: TaskSample, data: Prepared, k: int) -> tuple[Any, int] | None:
    """Classes with ``k`` rows and as many queries as a draw has, or fewer where too few classes have these."""
    from sharewise.meta import ClassPool

    assert sample.ways is not None
    codes, counts = np.unique(sample.task[sample.train], return_counts=True)
    for queries in (sample.queries, 5, 1):
        enough = codes[counts >= k + queries]
        if queries <= sample.queries and len(enough) >= sample.ways:
            pool: ClassPool = ClassPool(data.X, sample.task).only(enough)
            return pool, min(queries, 5) if data.inputs.raw else queries
    return None


def _pool_of_tasks(sample: TaskSample, data: Prepared, k: int) -> tuple[Any, int] | None:
    """Tasks with more than ``k`` rows, and for classes rows of each."""
    from sharewise.meta import TaskPool

    classes = sample.classes
    if classes is not None and k < classes:
        return None
    codes, place = np.unique(sample.task[sample.train], return_inverse=True)
    enough = np.bincount(place) > k
    if classes is not None:
        cells = np.unique(place * classes + sample.y[sample.train].astype(np.intp))
        enough &= np.bincount(cells // classes, minlength=len(codes)) == classes
    if not enough.any():
        return None
    pool: TaskPool = TaskPool(sample.task, data.X, data.y).only(codes[enough])
    pool.ways = classes
    return pool, sample.queries


def validation(sample: TaskSample, data: Prepared, seed: int) -> list[Episodes]:
    """Draws of the validation tasks, a batch for each number of labels that some of them serve."""
    most = VALIDATION_DRAWS // 3 if data.inputs.raw else VALIDATION_DRAWS
    tasks = len(np.unique(sample.task[~sample.train]))
    if not tasks or (sample.ways is not None and tasks < sample.ways):
        return []
    draws = sample.draws(train=False, count=most if sample.ways else max(most // tasks, 1), seed=seed)
    batches = [episodes_of(draws, at, sample, data) for at in range(len(sample.shots))]
    return [batch for batch in batches if batch is not None]


def episodes_of(draws: list[Draw], at: int, sample: TaskSample, data: Prepared) -> Episodes | None:
    """The draws that serve the number of labels at that place, as one batch; None where none does."""
    from sharewise.meta import Episodes

    served = [
        (support, y, draw)
        for draw in draws
        if (support := draw.supports[at]) is not None and (y := draw.support_y[at]) is not None
    ]
    if not served:
        return None
    return Episodes.of(
        [(data.X[support], labels_of(y, sample, data)) for support, y, _ in served],
        [(data.X[draw.query], labels_of(draw.query_y, sample, data)) for *_, draw in served],
        None if sample.classes is None else [sample.classes] * len(served),
    )


def labels_of(y: Array, sample: TaskSample, data: Prepared) -> Tensor:
    """``(n,)`` labels of a draw as learners read them."""
    import torch

    if sample.classes is not None:
        return torch.from_numpy(y.astype(np.int64))
    mean, spread = data.scale
    return torch.from_numpy(((y - mean) / spread).astype(np.float32))
