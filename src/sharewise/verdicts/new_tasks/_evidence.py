"""What the rounds of a study of new tasks say, and who stands for whom.

In every round and for each number of labels a strategy is represented by its configuration of least *validation*
error, and a side (whatever uses other tasks; whatever does not) by its least strategy. Test tasks only measure, so
that no gain carries the luck of having been chosen on the tasks that measure it. The constant predictor and the
nearest neighbours belong to the side that uses no other tasks: sharing has to beat the best of that side.

Symbols: ``J`` rounds, ``K`` numbers of labels (shots), ``M`` test tasks of a round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sharewise.studies.new_tasks import Entry, NewFindings
from sharewise.tasks import Array
from sharewise.verdicts._difference import Difference, difference

CONSTANT = "constant"
"""The floor: a strategy that is no better has learnt nothing of use."""
LEAST, MOST = -1.0, 10.0
"""A round's gain is held inside these, so that a reference that is almost exact, or almost worthless, does not
outweigh all other rounds."""

Picks = tuple[tuple[Entry | None, ...], ...]
"""``(J, K)`` representatives; None where nobody serves."""
Line = tuple[str, str]
"""A strategy and its family."""


@dataclass(frozen=True)
class NewEvidence:
    """Complete rounds under a protocol's ROPE and confidence."""

    findings: NewFindings
    rope: float
    confidence: float

    @property
    def shots(self) -> tuple[int, ...]:
        return self.findings.shots

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every strategy in every family, in the order of its first round."""
        return tuple(dict.fromkeys((e.strategy, e.family) for r in self.findings.rounds for e in r.entries))

    def shares(self, line: Line) -> bool:
        """Whether a line serves new tasks with what other tasks taught."""
        return any(e.shares for e in self.entries(line))

    def entries(self, line: Line) -> list[Entry]:
        """A line's configurations in all rounds."""
        return [e for r in self.findings.rounds for e in r.entries if (e.strategy, e.family) == line]

    def side(self, *, shares: bool) -> Picks:
        """Who represents a side."""
        return self.picks(lambda entry: entry.shares is shares)

    def line(self, line: Line) -> Picks:
        """Who represents a strategy in a family."""
        return self.picks(lambda entry: (entry.strategy, entry.family) == line)

    def strategy(self, name: str) -> Picks:
        """Who represents a strategy, whatever its family."""
        return self.picks(lambda entry: entry.strategy == name)

    def picks(self, keep: Callable[[Entry], bool]) -> Picks:
        """The kept entry of least validation error in every round, for each number of labels.

        Where no validation task of the round has so many labels, the choice of the next smaller number stands.
        """
        found = []
        for one in self.findings.rounds:
            known = [any(np.isfinite(e.valid[k]) for e in one.entries) for k in range(len(self.shots))]
            kept = [entry for entry in one.entries if keep(entry)]
            found.append(tuple(_least(kept, known, k) for k in range(len(self.shots))))
        return tuple(found)

    def gains(self, picks: Picks, reference: Picks) -> Array:
        """Relative gains ``(J, K)`` over the test tasks that both serve; NaN where there are none."""
        found = np.full((len(picks), len(self.shots)), np.nan)
        for j, (row, other) in enumerate(zip(picks, reference, strict=True)):
            for k, (one, base) in enumerate(zip(row, other, strict=True)):
                if one is not None and base is not None:
                    found[j, k] = self._gain(one.score[k], base.score[k])
        return found

    def _gain(self, score: Array, reference: Array) -> float:
        both = np.isfinite(score) & np.isfinite(reference)
        if not both.any():
            return float("nan")
        gain = self.findings.metric.gain(float(score[both].mean()), float(reference[both].mean()))
        return float(np.clip(gain, LEAST, MOST))

    def scores(self, picks: Picks) -> Array:
        """Mean scores ``(J, K)`` over the test tasks served."""
        return np.array(
            [[mean_known(e.score[k]) if e else np.nan for k, e in enumerate(row)] for row in picks]
        )

    def errors(self, picks: Picks) -> Array:
        """Mean errors ``(J, K)`` over the test tasks served."""
        return np.array(
            [[mean_known(e.test[k]) if e else np.nan for k, e in enumerate(row)] for row in picks]
        )

    def summarise(self, values: Array, *, absolute: bool = False) -> Difference:
        """`difference` of ``(J,)`` values; of `absolute` ones, such as scores, the ROPE is a share of their mean."""
        known = values[np.isfinite(values)]
        rope = self.rope * abs(float(known.mean())) if absolute and len(known) else self.rope
        return difference(
            values,
            overlap=self.findings.overlap,
            rope=rope,
            confidence=self.confidence,
            repeats=np.array(self.findings.repeats, dtype=np.intp),
        )

    def tasks(self, k: int) -> int:
        """Test tasks behind the ``k``-th number of labels, each counted once: those of the first repeat."""
        first = min(self.findings.repeats)
        return int(sum(r.tasks[k] for r in self.findings.rounds if r.repeat == first))


def frequent(picks: Picks, k: int) -> Entry | None:
    """Who represents most often at a number of labels; of equally frequent ones that of the least validation error."""
    present = [row[k] for row in picks]
    known = [entry for entry in present if entry is not None]
    if not known:
        return None
    counts = Counter(_name(entry) for entry in known)

    def rank(entry: Entry) -> tuple[int, float]:
        own = [e.valid[k] for e in known if _name(e) == _name(entry)]
        return -counts[_name(entry)], mean_known(np.array(own))

    return min(known, key=rank)


def mean_over_shots(values: Array) -> Array:
    """``(J, K) -> (J,)``, numbers of labels weighing the same; an unknown one is left out of its round."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _name(entry: Entry) -> tuple[str, str, str]:
    return entry.strategy, entry.family, entry.configuration


def mean_known(values: Array) -> float:
    """Mean of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _least(entries: Sequence[Entry], validated: Sequence[bool], k: int) -> Entry | None:
    served = [entry for entry in entries if np.isfinite(entry.score[k]).any()]
    at = k
    while at > 0 and not validated[at]:
        at -= 1
    known = [entry for entry in served if np.isfinite(entry.valid[at])]
    return min(known, key=lambda entry: float(entry.valid[at])) if known else None
