"""What studies of known truth say of the verdict: coverage, false verdicts, power, harm, and labels asked for.

Everything here is computed from finished `Studied` records; nothing is fitted.

Symbols: ``S`` studies of a setting, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sharewise.tasks import Array
from sharewise.verdicts import Decision, Evidence, decide

from simulated import Setting

ROPE = 0.01
SHARING = ("share", "route")


@dataclass(frozen=True)
class Studied:
    """A setting, its truth, and ``S`` studies of it.

    Attributes:
        asked: Studies run again with the labels that one of their tasks was said to need.
    """

    setting: Setting
    truth: Evidence
    studies: tuple[Evidence, ...]
    asked: tuple[Asked, ...] = ()

    @cached_property
    def gains(self) -> Array:
        """``(T,)`` true gain of the shared side over the separate one."""
        return true_gains(self.truth)

    @property
    def gain(self) -> float:
        """Mean over tasks."""
        return float(self.gains.mean())

    @cached_property
    def gain_error(self) -> float:
        """Monte Carlo standard error of `gain`."""
        apart, together = _sides(self.truth)
        values = self.truth.gains(together, apart).mean(axis=1)
        return float(values.std(ddof=1) / np.sqrt(len(values)))

    def decisions(self, *, rope: float = ROPE, confidence: float = 0.95) -> list[Decision]:
        return [decide(replace(study, rope=rope, confidence=confidence)) for study in self.studies]


@dataclass(frozen=True)
class Asked:
    """An open question said to need ``factor`` times its labels, in a fresh study that has them.

    Attributes:
        what: ``verdict`` or ``task``.
    """

    what: str
    factor: float
    settled: bool


@dataclass(frozen=True)
class Rate:
    """A share of cases with its Monte Carlo standard error."""

    hits: int
    cases: int

    @property
    def share(self) -> float:
        return self.hits / self.cases if self.cases else float("nan")

    @property
    def error(self) -> float:
        """Of a share that may be 0 or 1 by chance (Agresti and Coull 1998)."""
        middle = (self.hits + 2) / (self.cases + 4)
        return float(np.sqrt(middle * (1 - middle) / (self.cases + 4)))

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.hits + other.hits, self.cases + other.cases)

    def __str__(self) -> str:
        return f"{100 * self.share:5.1f}% ± {100 * self.error:.1f} ({self.hits} of {self.cases})"


NONE = Rate(0, 0)


def total(rates: Sequence[Rate]) -> Rate:
    return sum(rates, start=NONE)


def _sides(evidence: Evidence) -> tuple[Array, Array]:
    apart = evidence.scores_of(evidence.champions(evidence.side(shares=False)))
    together = evidence.scores_of(evidence.champions(evidence.side(shares=True)))
    return apart, together


def true_gains(evidence: Evidence) -> Array:
    """``(T,)`` relative gains of the mean scores over independent training sets."""
    apart, together = (side.mean(axis=0) for side in _sides(evidence))
    return np.array([m.gain(b, a) for m, a, b in zip(evidence.metrics, apart, together, strict=True)])


def coverage(studied: Studied, *, confidence: float = 0.9) -> tuple[Rate, Rate]:
    """How often the interval holds the truth: of the mean over tasks, and of single tasks."""
    overall, tasks = [], []
    for decision in studied.decisions(confidence=confidence):
        if decision.overall is not None and decision.overall.interval is not None:
            low, high = decision.overall.interval
            overall.append(low <= studied.gain <= high)
        for found, gain in zip(decision.tasks, studied.gains, strict=True):
            if found.difference.interval is not None:
                tasks.append(found.difference.interval[0] <= gain <= found.difference.interval[1])
    return Rate(sum(overall), len(overall)), Rate(sum(tasks), len(tasks))


def told(decision: Decision) -> list[int]:
    """Tasks that a verdict of sharing tells to share."""
    if decision.outcome not in SHARING:
        return []
    return [task for task, row in enumerate(decision.deploy) if row == decision.shared]


def is_false(decision: Decision, gains: Array, rope: float) -> bool:
    """Whether the verdict claims a gain or a loss that matters where the truth is smaller.

    ``share`` and ``route`` claim a gain, on average, of the tasks they tell to share; ``separate`` claims a
    loss on average or, where it says so, of single tasks.
    """
    if decision.outcome in SHARING:
        places = told(decision)
        return bool(places) and float(gains[places].mean()) < rope
    if decision.outcome == "separate":
        harmed = [place for place, task in enumerate(decision.tasks) if task.leaning == "separate"]
        worst = min([float(gains.mean()), *(float(gains[place]) for place in harmed)])
        return worst > -rope
    return False


def false_verdicts(studied: Studied) -> Rate:
    found = [is_false(decision, studied.gains, ROPE) for decision in studied.decisions()]
    return Rate(sum(found), len(found))


def power(studied: Studied) -> Rate:
    """How often sharing is credited when its true gain is twice the ROPE: told to at least half the tasks."""
    decisions = studied.decisions(rope=studied.gain / 2)
    found = [len(told(decision)) * 2 >= studied.setting.tasks for decision in decisions]
    return Rate(sum(found), len(found))


def ratio(studied: Studied) -> float:
    """True gain in units of the standard deviation of a study's estimate of it."""
    means = [d.overall.mean for d in studied.decisions() if d.overall is not None]
    return studied.gain / float(np.std(means, ddof=1))


def harmed(studied: Studied, *, rope: float = ROPE) -> Rate:
    """Of the tasks told to share, those that lose more than the ROPE in truth."""
    places = [place for decision in studied.decisions(rope=rope) for place in told(decision)]
    return Rate(int((studied.gains[places] < -rope).sum()), len(places))


def width(studied: Studied) -> float:
    """Variance of a study's mean gain as a share of the rounds' variance within a repeat; what `difference`
    takes for granted."""
    found = [decision.overall for decision in studied.decisions() if decision.overall is not None]
    means, spreads = np.array([one.mean for one in found]), np.array([one.spread for one in found])
    return float(means.var(ddof=1) / np.mean(spreads**2))
