"""What a study learnt beside its rounds: how the race went, groups, the learning curve, who harms whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.verdicts._curve import Curve
from sharewise.verdicts._harm import Harm
from sharewise.verdicts._hints import Hints


@dataclass(frozen=True)
class Insight:
    """Everything optional that words and records are made of; what is None was not looked at.

    Attributes:
        curve, harm: Of learning-curve trials and of drop-one trainings.
        race: Who left early: ``rule``, ``error_rate`` and ``left``, a list of ``strategy``, ``family``,
            ``configuration``, ``after_round``, ``behind``, ``interval``, ``why``.
        tuning: ``proposals`` (a strategy and family), ``trials`` and ``seconds`` by strategy.
        groups: ``family``, ``trained`` (groups), ``groups`` (a list of ``tasks`` and ``serves``),
            ``gain_picked`` and ``gain_shrunk``.
        planned_rounds: Rounds that were planned, whether or not they were finished.
        hints: From gradients; no reason rests on them.
    """

    curve: Curve | None = None
    harm: Harm | None = None
    race: Mapping[str, Any] | None = None
    tuning: Mapping[str, Any] | None = None
    groups: Mapping[str, Any] | None = None
    planned_rounds: int | None = None
    hints: Hints | None = None

    @property
    def learnt_together(self) -> list[Sequence[str]]:
        """Names of the tasks of each group that learns together; those served alone are left out."""
        groups = [entry["tasks"] for entry in (self.groups or {}).get("groups", ())]
        return [names for names in groups if len(names) > 1]

    def as_dict(self) -> dict[str, Any]:
        """Entries of ``verdict.json``."""
        return {
            "race": self.race,
            "tuning": self.tuning,
            "groups": self.groups,
            "learning_curve": None if self.curve is None else self.curve.as_dict(),
            "harm": None if self.harm is None else self.harm.as_dict(),
            "hints": None if self.hints is None else self.hints.as_dict(),
        }


NOTHING = Insight()
"""No insight: the rounds alone speak."""
