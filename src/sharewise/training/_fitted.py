"""What `fit` gives back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from sharewise.errors import OptionError
from sharewise.networks import MultiTaskNetwork
from sharewise.tasks import Array, Kind
from sharewise.training._keeper import Weights
from sharewise.training._record import BadStep, EpochRow

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["finished", "stopped", "diverged"]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A run of `fit`: what was learnt, how it went, what it cost.

    Attributes:
        network: The network given to `fit`, with its last weights, or, where one best epoch was kept for all
            tasks, with those.
        tasks: Their kinds by name.
        status: ``finished``: all epochs. ``stopped``: no task improved any more. ``diverged``: too many steps
            in a row were not finite; what was learnt before is here.
        because: One sentence where it diverged, else empty.
        history: A row a task and epoch.
        cosines: ``(E, T, T)`` mean cosines between the tasks' gradients by epoch, NaN where the balancer looks
            at none. A hint at conflict, no more.
        best: Each task's best epoch; empty without validation rows.
        stopped: Tasks that had stopped.
        bad_steps: The steps that were skipped, the first hundred.
        skipped: How many steps were skipped.
        scales: What each task's loss was divided by.
        epochs: Epochs begun.
        steps: Updates, the skipped ones included.
        seconds: Wall-clock time, over all sittings.
        weights: Kept weights by epoch.
    """

    network: MultiTaskNetwork
    tasks: Mapping[str, Kind]
    status: Status
    because: str
    history: tuple[EpochRow, ...]
    cosines: Array
    best: Mapping[str, int]
    stopped: frozenset[str]
    bad_steps: tuple[BadStep, ...]
    skipped: int
    scales: Mapping[str, float]
    epochs: int
    steps: int
    seconds: float
    weights: Mapping[int, Weights] = field(repr=False)

    def network_of(self, task: str) -> MultiTaskNetwork:
        """A copy of the network with the best weights for a task, ready to predict (``eval``).

        The weights are the last ones where none were kept.

        Raises:
            OptionError: No task of that name.
        """
        if task not in self.tasks:
            raise OptionError(f"the tasks are {', '.join(map(repr, self.tasks))}; got '{task}'.")
        found = copy.deepcopy(self.network)
        kept = self.weights.get(self.best.get(task, -1))
        if kept is not None:
            found.load_state_dict(kept)
        found.eval()
        return found

    def table(self) -> pd.DataFrame:
        """The history as a table."""
        import pandas as pd

        return pd.DataFrame(list(self.history), columns=list(EpochRow._fields))

    def curve(self, task: str, what: str = "loss") -> Array:
        """One column of the history for a task, ``(E,)``."""
        return np.array([getattr(row, what) for row in self.history if row.task == task], dtype=float)

    def __str__(self) -> str:
        last = {row.task: row for row in self.history}
        lines = [f"{self.status} after {self.epochs} epochs, {self.steps} steps, {self.seconds:.1f} s"]
        lines += [self.because] if self.because else []
        for task, row in last.items():
            best = f", best epoch {self.best[task]}" if task in self.best else ""
            lines.append(f"  {task}: loss {row.loss:.4g}, validation {row.validation_loss:.4g}{best}")
        return "\n".join(lines)
