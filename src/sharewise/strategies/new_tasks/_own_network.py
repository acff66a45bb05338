"""A network from scratch on the support alone.

Steps start at drawn weights with a head of zeros, the same for every task, and are held near them by a penalty: with a
linear map beside the hidden layer that is close to ridge, and the more so the fewer the labels. Numbers are standardised
by the support itself, so that nothing of other tasks' labels comes in; scales of inputs are read from their rows.

Symbols: ``k`` support rows, ``n`` rows, ``W`` columns of a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run, configuration
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.strategies.new_tasks._learners import Option, make_learner
from sharewise.strategies.new_tasks._network_adapter import Job, NetworkAdapter
from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
from sharewise.strategies.new_tasks._sample import TaskSample
from sharewise.tasks import Array

LEARNER: dict[str, Option] = {"tune": "l2-sp", "optimizer": "adam", "rate": 0.03}
OWN_NETWORK = (
    configuration("fresh", hidden=32, pull=0.1, steps=20),
    configuration("fresh", hidden=32, pull=0.01, steps=20),
)
"""How strongly weights are held where they start, in long tables."""
OWN_POOL = (
    configuration("fresh", hidden=32, pull=0.01, steps=20, unit=0),
    configuration("fresh", hidden=32, pull=0.001, steps=40),
)
"""In pools, whose rows have up to a thousand numbers: inputs of their own length, or more steps."""
OWN_TENSORS = (configuration("fresh", pull=0.02, steps=15),)
"""Over the user's own encoder, each task by itself: dear, so from effort 2 on."""


def own_network_configurations(sample: TaskSample, effort: int) -> tuple[Configuration, ...]:
    """What to try, best guess first."""
    if sample.table.reads_tensors:
        return OWN_TENSORS if effort >= 2 else ()
    if sample.ways is not None:
        return OWN_POOL[: 1 if effort < 2 else None]
    return OWN_NETWORK[: 1 if effort == 0 else None]


def fit_own_network(sample: TaskSample, configuration: Configuration, run: Run, seconds: float) -> OwnNetwork:
    """Weights to start from; nothing is learnt."""
    import torch

    inputs = NetworkInputs.fit(sample.table.take(np.flatnonzero(sample.train)))
    options = {**LEARNER, **dict(configuration.options), "outputs": sample.width}
    learner = make_learner(
        "transfer", options, shape=inputs.shape, width=sample.width,
        own_encoder=sample.encoder, dtype=inputs.dtype, seed=run.seed,
    )  # fmt: skip
    with torch.no_grad():
        for weight in learner.get_submodule("network.head").parameters():
            weight.zero_()
    run.tick(fits=1)
    found = NetworkAdapter.of(
        learner, "transfer", options, inputs, width=sample.width, own_encoder=sample.encoder
    )
    return OwnNetwork(found)


@final
@dataclass(frozen=True)
class OwnNetwork(Adapter):
    """The start, as an adapter that standardises numbers by the support."""

    start: NetworkAdapter

    def encode(self, table: Table) -> NDArray[Any]:
        return self.start.encode(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        mean, spread = scale_of(y, classes)
        return Rescaled(self.start.adapt(X, (y - mean) / (spread or 1.0), classes), mean, spread)

    def predict_each(self, X: NDArray[Any], jobs: Sequence[Job], classes: int | None) -> list[Array]:
        scales = [scale_of(y, classes) for _, y, _ in jobs]
        own = [(s, (y - m) / (d or 1.0), q) for (s, y, q), (m, d) in zip(jobs, scales, strict=True)]
        found = self.start.predict_each(X, own, classes)
        return [values * d + m for values, (m, d) in zip(found, scales, strict=True)]


@final
@dataclass(frozen=True)
class Rescaled(Part):
    """A part in the labels' own units."""

    part: Part
    mean: float
    spread: float

    def predict(self, X: NDArray[Any]) -> Array:
        return self.part.predict(X) * self.spread + self.mean


def scale_of(y: Array, classes: int | None) -> tuple[float, float]:
    """Mean and spread of the support's numbers; a single label is all that is known. Classes stay as they are."""
    return (0.0, 1.0) if classes is not None else (float(np.mean(y)), float(np.std(y)))
