"""One pass over the training labels before training: is every task there, and how large are losses.

Symbols: ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from sharewise.errors import DataError
from sharewise.tasks import Classification, Kind
from sharewise.tasks._torch_loss import labelled, loss_sum
from sharewise.training._devices import Devices
from sharewise.training._feed import Feed


@dataclass
class Tally:
    """Of one task's labels.

    Attributes:
        rows: Labelled rows.
        values: Of classes their counts ``(classes,)``; of numbers their sum and sum of squares, in float64.
    """

    rows: int = 0
    values: torch.Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))

    def constant_loss(self, kind: Kind) -> float:
        """The loss of the best constant prediction: the variance of numbers, of classes that of their shares (for
        cross-entropy the entropy in nats).

        One where a constant is perfect, so that dividing by it changes nothing.
        """
        if isinstance(kind, Classification):
            shares = self.values / self.rows
            scores = shares.clamp(min=np.finfo(np.float64).tiny).log()[None]
            seen = shares.nonzero()[:, 0]
            loss = sum(float(shares[code] * loss_sum(kind, scores, code[None]).total) for code in seen)
        else:
            mean = float(self.values[0]) / self.rows
            loss = float(self.values[1]) / self.rows - mean**2
        return loss if loss > 1e-12 else 1.0


def survey(feed: Feed, kinds: Mapping[str, Kind], devices: Devices) -> dict[str, Tally]:
    """Tallies by task, over all processes.

    Raises:
        DataError: A task has no label at all; labels out of range; a loader yields nothing.
    """
    found = {task: Tally() for task in kinds}
    for task, kind in kinds.items():
        if isinstance(kind, Classification):
            found[task].values = torch.zeros(kind.width, dtype=torch.float64)
    for batch in feed.every_row():
        for task, target in batch.targets.items():
            kind, tally = kinds[task], found[task]
            values = target[labelled(kind, target)].cpu()
            tally.rows += len(values)
            if isinstance(kind, Classification):
                tally.values += torch.bincount(values.long(), minlength=kind.width)
            elif len(values):
                values = values.double()
                tally.values += torch.stack([values.sum(), values.square().sum()])
    for task, tally in found.items():
        together = devices.sum(torch.cat([tally.values, torch.tensor([float(tally.rows)]).double()]))
        tally.values, tally.rows = together[:-1].cpu(), int(together[-1])
        if not tally.rows:
            raise empty_task(task, "training")
    return found


def empty_task(task: str, where: str) -> DataError:
    """The error for a task without labels."""
    return DataError(
        f"every task needs labels; all {where} labels of task '{task}' are gaps. Leave the task out, or look "
        "at how its labels were read."
    )
