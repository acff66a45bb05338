"""The decision as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["share", "separate", "route", "equivalent", "undecided"]
OUTCOMES: tuple[Outcome, ...] = ("share", "separate", "route", "equivalent", "undecided")


@dataclass(frozen=True)
class Choice:
    """What to deploy, for all tasks or for one.

    Attributes:
        strategy, family: As in the table.
    """

    strategy: str
    family: str

    @property
    def name(self) -> str:
        return f"{self.strategy}/{self.family}"


@dataclass(frozen=True)
class Verdict:
    """Should these tasks share a model?

    Attributes:
        outcome: ``share``, ``separate``, ``route`` (task by task), ``equivalent`` (so the cheapest) or
            ``undecided`` (not enough evidence).
        choice: What to deploy.
        per_task: By task name: decision, choice, gain and interval, scores.
        because: Measured reasons.
        would_change: What would change the verdict.
        details: The whole record, as written to ``verdict.json``.
    """

    outcome: Outcome
    sentence: str
    choice: Choice
    per_task: dict[str, dict[str, Any]] = field(repr=False)
    because: tuple[str, ...] = field(repr=False)
    would_change: tuple[str, ...] = field(repr=False)
    details: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return self.sentence

    def as_dict(self) -> dict[str, Any]:
        """The record of ``verdict.json``."""
        return self.details
