"""Where a run is, and all that it needs to go on from there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sharewise.tasks import Array
from sharewise.training._fitted import Status
from sharewise.training._record import BadStep, EpochRow, EpochSums

MOST_BAD = 100
"""Skipped steps that are kept with their reasons."""


@dataclass(eq=False)
class State:
    """Of a run.

    Attributes:
        epoch: The one under way, from zero.
        at: Micro-batches of it that are done.
        steps: Updates tried, over the whole run.
        in_a_row: Skipped steps since the last one taken.
        sums: Over this epoch's steps.
        earlier: Seconds of earlier sittings.
        status: None while it goes on.
    """

    sums: EpochSums
    epoch: int = 0
    at: int = 0
    steps: int = 0
    in_a_row: int = 0
    skipped: int = 0
    bad: list[BadStep] = field(default_factory=list)
    history: list[EpochRow] = field(default_factory=list)
    cosines: list[Array] = field(default_factory=list)
    earlier: float = 0.0
    status: Status | None = None
    because: str = ""
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Wall-clock time, over all sittings."""
        return self.earlier + time.monotonic() - self.begun

    def skip(self, why: str, *, grave: bool) -> None:
        """Notes a step that was not taken."""
        self.skipped += 1
        self.in_a_row += grave
        if len(self.bad) < MOST_BAD:
            self.bad.append(BadStep(self.epoch, self.steps, why))

    def next_epoch(self) -> None:
        """Ends an epoch."""
        self.epoch, self.at = self.epoch + 1, 0
        self.sums = EpochSums.empty(len(self.sums.rows))

    def saved(self) -> dict[str, Any]:
        """For a checkpoint."""
        plain = ("epoch", "at", "steps", "in_a_row", "skipped", "cosines", "status", "because")
        return {
            **{name: getattr(self, name) for name in plain},
            "sums": self.sums.state(),
            "bad": [tuple(one) for one in self.bad],
            "history": [tuple(row) for row in self.history],
            "earlier": self.seconds,
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> State:
        """What `saved` gave."""
        changed = {
            "sums": EpochSums(**{name: np.array(value) for name, value in saved["sums"].items()}),
            "bad": [BadStep(*one) for one in saved["bad"]],
            "history": [EpochRow(*row) for row in saved["history"]],
        }
        return cls(**{**saved, **changed})
