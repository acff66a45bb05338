"""How one network of any architecture is trained on an inner fold, by the general training loop.

Symbols: ``n`` rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration
from sharewise.families._module_nets import name_of
from sharewise.families._sample import Run
from sharewise.tasks import Array, Kind

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sharewise.networks import MultiTaskNetwork

SMALLEST_BATCH, LARGEST_BATCH = 32, 128
BATCHES = 16
"""Batches an epoch, within those sizes."""
PATIENCE = 16


@dataclass(frozen=True)
class Rows:
    """Rows in memory, read in batches: in random order, or as they are."""

    X: Tensor
    labels: Mapping[str, Tensor]
    batch: int
    shuffled: bool

    def __len__(self) -> int:
        return -(-len(self.X) // self.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        import torch

        count = len(self.X)
        order = torch.randperm(count) if self.shuffled else torch.arange(count)
        for start in range(0, count, self.batch):
            rows = order[start : start + self.batch]
            # A batch of one row says nothing to a normalisation layer.
            if len(rows) > 1 or count == 1:
                yield self.X[rows], {task: values[rows] for task, values in self.labels.items()}


@dataclass
class Recorder:
    """Follows a run of the training loop: its steps go to the study's ledger, and every epoch is kept.

    Attributes:
        losses: By task the validation loss after each epoch.
        weights: After each epoch.
    """

    run: Run
    network: MultiTaskNetwork
    losses: dict[str, list[float]]
    weights: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    steps: int = 0

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Called by the loop after every epoch.

        Raises:
            OutOfTime: The study's deadline has passed.
        """
        self.run.tick(steps=step - self.steps)
        self.steps = step
        for task, curve in self.losses.items():
            curve.append(values.get(f"validation/loss/{task}", np.inf))
        state = self.network.state_dict()
        self.weights.append({name: value.detach().cpu().numpy().copy() for name, value in state.items()})


def train_module(
    configuration: Configuration, record: Recorder, tasks: Mapping[int, Kind], X: Tensor,
    targets: Mapping[int, Array], fold: tuple[NDArray[np.intp], NDArray[np.intp]], epochs: int, seed: int,
    optimizer: Callable[[Any], torch.optim.Optimizer] | None = None,
) -> None:  # fmt: skip
    """Train a network on a fold, the recorder watching.

    Args:
        targets: ``(n,)`` labels by cell, as networks learn them.
        optimizer: From parameters; None for AdamW at the configuration's rates.
    """
    import torch

    from sharewise.balancing import BALANCERS
    from sharewise.training import fit

    y = {name_of(cell): torch.from_numpy(values.astype(np.float32)) for cell, values in targets.items()}
    train, valid = (labelled_rows(rows, targets) for rows in fold)

    def rows(which: NDArray[np.intp], batch: int, *, shuffled: bool) -> Rows:
        return Rows(X[which], {task: values[which] for task, values in y.items()}, batch, shuffled)

    fit(
        record.network,
        rows(train, batch_size(len(train)), shuffled=True),
        {name_of(cell): kind for cell, kind in tasks.items()},
        validation=rows(valid, 1024, shuffled=False) if len(valid) else None,
        epochs=epochs,
        balancer=BALANCERS[configuration.word("balancing", "sum")](),
        optimizer=adamw(configuration) if optimizer is None else optimizer,
        patience=PATIENCE,
        keep="last",
        loggers=(record,),
        seed=seed,
        progress=False,
    )


def batch_size(rows: int) -> int:
    """Rows of a batch, by those that there are."""
    return int(np.clip(rows // BATCHES, SMALLEST_BATCH, LARGEST_BATCH))


def adamw(configuration: Configuration) -> Callable[[Any], torch.optim.Optimizer]:
    """The optimizer at a configuration's rates."""
    import torch

    rate, decay = configuration.get("learning_rate", 2e-3), configuration.get("weight_decay", 1e-2)
    return partial(torch.optim.AdamW, lr=rate, weight_decay=decay, fused=True)


def labelled_rows(rows: NDArray[np.intp], targets: Mapping[int, Array]) -> NDArray[np.intp]:
    """Those with a label of any cell."""
    known = np.any([~np.isnan(values[rows]) for values in targets.values()], axis=0)
    found: NDArray[np.intp] = rows[known]
    return found


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's randomness from a seed inside, as it was before outside."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
