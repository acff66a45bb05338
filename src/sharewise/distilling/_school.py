"""Students on everything: fitted to all rows, and measured as users will call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sharewise.distilling._lesson import WAYS, Lesson
from sharewise.distilling._measured import Measured, cost_of, size_of
from sharewise.distilling._questions import Answered, questions
from sharewise.distilling._record import in_short
from sharewise.distilling._student import Student
from sharewise.distilling._teacher import Teacher, gaps_of
from sharewise.distilling._words import because, sentence
from sharewise.errors import OptionError
from sharewise.families import Predictions, Run, Sample
from sharewise.problems import split
from sharewise.serving import Cost, DeployedModel
from sharewise.studies import INNER_FOLDS, Bench, Findings, Limits, in_bytes
from sharewise.studies._protocol import derived_seed
from sharewise.verdicts._conclude import plain

SPACE = " " * 2_000
"""Kept in a card while students are measured, for what will be told of the one that is taken."""


@dataclass(frozen=True)
class School:
    """All rows, what the winner says of them, and what it costs itself.

    Attributes:
        told: By models that did not learn from the row's label; of gaps that no trial was asked about by the winner.
        asked: Made-up rows, answered by the winner as it serves.
        before: The winner's cost.
    """

    bench: Bench
    effort: int
    seed: int
    sample: Sample
    told: Predictions
    asked: Answered
    winner: DeployedModel
    before: Cost

    @classmethod
    def of(
        cls,
        bench: Bench,
        findings: Findings,
        teacher: Teacher,
        winner: DeployedModel,
        details: dict[str, Any],
    ) -> School:
        """Of a study's winner."""
        problem, effort = bench.problem, findings.plan.effort
        seed, rows = derived_seed(bench.protocol.seed, 10_000), np.arange(len(problem))
        sample = Sample.of(problem, rows, split(problem, rows, folds=INNER_FOLDS[effort], seed=seed))
        table, level = questions(sample, seed)
        assert winner.model is not None  # which a study of known tasks always has
        asked = Answered(table, level, winner.model.predict(table, level))
        retrained = (details.get("serving") or {}).get("retrained", len(problem.tasks))
        before = cost_of(problem, winner, retrained)
        told = teacher.of_all_rows(bench, findings)
        gaps = gaps_of(problem, rows, told)
        if any(gap.any() for gap in gaps):
            fresh = winner.model.predict(problem.table, problem.level)
            for values, own, gap in zip(told, fresh, gaps, strict=True):
                values[gap] = own[gap]
        return cls(bench, effort, seed, sample, told, asked, winner, before)

    def fitted(self, student: Student, way: int) -> Measured:
        """A student that learnt from all rows, in one of the `WAYS`."""
        lesson = Lesson.of(self.sample, self.told, WAYS[way], self.asked)
        model = student.fit(lesson, Run(self.seed, None, self.effort))
        card = self.winner.card | {"distilled": SPACE}
        deployed = replace(self.winner, model=model, adapted={}, card=card)
        return Measured(student, deployed, cost_of(self.bench.problem, deployed, self.before.retrained))

    def graduated(self, one: Measured, record: dict[str, Any]) -> tuple[DeployedModel, Cost]:
        """A student with its card, which says what it was distilled from and what was lost, and its cost with that.

        Args:
            record: Gets ``after``, the sentence and its reasons, and is made plain.
        """
        after, model = one.cost, one.model
        for _ in range(2):  # the card tells the size that it is part of
            record |= plain(record | {"after": after.as_dict()})
            record |= {"sentence": sentence(record), "because": because(record)}
            own = {"distilled": in_short(record), "serving": after.as_dict()}
            model = replace(one.model, card=one.model.card | own)
            after = replace(after, size_bytes=size_of(model))
        return model, after

    def filled(self) -> dict[str, int]:
        """How many labels are missing, and how many of them the teacher answered."""
        gaps = np.isnan(self.sample.labels)
        answered = np.column_stack([~np.isnan(values).any(axis=1) for values in self.told])
        return {"gaps": int(gaps.sum()), "answered": int((gaps & answered).sum())}


def missed(limits: Limits, cost: Cost) -> list[str]:
    """What a student misses of the limits, in words."""
    return limits.missed(latency_ms=cost.row_ms_p50, size_bytes=cost.size_bytes, shares=False)


def within(fitted: Sequence[Measured], before: Cost, limits: Limits) -> list[int]:
    """Places of the students that may serve, the smallest first: within the limits, and smaller than the winner, or
    faster where it is too slow.

    Raises:
        OptionError: There is none.
    """
    costs = [one.cost for one in fitted]
    keep = [place for place, cost in enumerate(costs) if not missed(limits, cost)]
    if not keep:
        least = min(range(len(costs)), key=lambda p: (len(missed(limits, costs[p])), costs[p].size_bytes))
        raise OptionError(
            f"a student must keep your limits ({limits}), and none does: the nearest, {fitted[least].student.name}, takes "
            f"{costs[least].row_ms_p50:.3g} ms a row and {in_bytes(costs[least].size_bytes)}. Loosen them."
        )
    too_slow = limits.latency_ms is not None and before.row_ms_p50 > limits.latency_ms
    smaller = [p for p in keep if costs[p].size_bytes < before.size_bytes or too_slow]
    if not smaller:
        raise OptionError(
            f"a student is smaller than what it is distilled from, and what serves ({in_bytes(before.size_bytes)}, "
            f"{before.row_ms_p50:.3g} ms a row) is as small as any student. Deploy it as it is."
        )
    return sorted(smaller, key=lambda p: (costs[p].size_bytes, costs[p].row_ms_p50))
