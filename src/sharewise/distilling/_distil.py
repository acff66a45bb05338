"""Distilling a finished study's winner: teach, examine, measure, choose.

Symbols: ``J`` rounds, ``S`` students, ``H`` ways of teaching, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from sharewise.distilling._boosted import BoostedStudent
from sharewise.distilling._choice import Found, best_ways, choose
from sharewise.distilling._exam import sit
from sharewise.distilling._linear import LinearStudent
from sharewise.distilling._record import told_of
from sharewise.distilling._school import School, within
from sharewise.distilling._student import Student
from sharewise.distilling._teacher import Teacher
from sharewise.errors import OptionError
from sharewise.serving import Cost, DeployedModel
from sharewise.studies import Bench, Findings, Limits
from sharewise.tasks import Array
from sharewise.verdicts import Difference, difference, gains
from sharewise.verdicts._distillable import refusal
from sharewise.verdicts._statistics import mean_over_tasks

STUDENTS: tuple[Student, ...] = (
    LinearStudent(),
    LinearStudent(slopes=True),
    BoostedStudent(leaves=4, rounds=60, rate=0.15),
    BoostedStudent(leaves=8, rounds=150, rate=0.1),
    BoostedStudent(leaves=16, rounds=200, rate=0.1),
)
"""The ladder, from what is usually smallest up; what they measure decides."""


@dataclass(frozen=True)
class Distilled:
    """A student that stands in for a study's winner, and what was lost.

    Attributes:
        outcome: ``equivalent``: it loses no more than the region of practical equivalence, as sure as the study asks to
            be; ``worse``: it loses more; ``undecided``: the folds cannot tell.
        sentence: What was lost, and what for.
        because: Measured reasons.
        model: The student, fitted on everything; predicts, saves, exports and serves as any other.
        before, after: What the winner and the student cost, measured alike.
        details: The whole record, as written to ``distilled.json``.
    """

    outcome: Found
    sentence: str
    because: tuple[str, ...] = field(repr=False)
    model: DeployedModel = field(repr=False)
    before: Cost
    after: Cost
    details: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return self.sentence

    def table(self) -> Any:
        """A line a student: gain over the winner with its interval, gain of having been taught, size, latency."""
        import pandas

        return pandas.DataFrame(self.details["students"])


def distil(
    bench: Bench, findings: Findings, details: dict[str, Any], winner: DeployedModel, limits: Limits
) -> Distilled:
    """The smallest student that keeps up with the winner, within limits.

    Args:
        bench: The study's, its trials all kept.
        findings: What it found.
        details: Its verdict's record.
        winner: Its model.
        limits: On the student, as measured on it.

    Raises:
        OptionError: The problem cannot be distilled, or no student is smaller and keeps the limits.
        NotFittedError: Fewer than two rounds are complete.
    """
    problem, protocol = bench.problem, bench.protocol
    told = refusal(problem)
    if told is not None:
        raise OptionError(told)
    names = [
        "{strategy}/{family}".format(**details["per_task"][task.name]["choice"]) for task in problem.tasks
    ]
    teacher = Teacher.of(bench, findings, names)
    school = School.of(bench, findings, teacher, winner, details)
    suited = [student for student in STUDENTS if student.suits(problem)]
    rough = [school.fitted(student, 0) for student in suited]
    students = [suited[place] for place in sorted(within(rough, school.before, limits))]
    scores = _examined(bench, findings, teacher, students)
    reference = np.array([one.scores for one in teacher.rounds])
    found = _gains(bench, scores, reference)
    repeats = np.array([findings.repeats[place] for place in teacher.places], dtype=np.intp)

    def summarise(values: Array, rounds: Any) -> Difference:
        return difference(
            values,
            overlap=findings.overlap,
            rope=protocol.rope,
            confidence=protocol.confidence,
            repeats=repeats[rounds],
        )

    ways = best_ways(found)
    fitted = [school.fitted(student, int(way)) for student, way in zip(students, ways, strict=True)]
    order = within(fitted, school.before, limits)
    choice = choose(found, np.array(order), summarise, confidence=protocol.confidence, rope=protocol.rope)
    record = {
        "from": details["choice"]["describe"],
        "limits": limits.as_dict() | {"text": str(limits)},
        "rope": protocol.rope,
        "confidence": protocol.confidence,
        "rounds": len(teacher.rounds),
        "filled": school.filled(),
        **told_of(choice, found, fitted, order, summarise),
        "per_task": _per_task(bench, scores[:, choice.student, choice.way], reference),
        "before": school.before.as_dict(),
        "left_out": [student.name for student in suited if student not in students],
    }
    model, after = school.graduated(fitted[choice.student], record)
    return Distilled(
        choice.outcome, record["sentence"], tuple(record["because"]), model, school.before, after, record
    )


def _examined(bench: Bench, findings: Findings, teacher: Teacher, students: Sequence[Student]) -> Array:
    """Scores ``(J, S, H, T)``."""
    jobs = [partial(sit, bench.protocol, findings.plan, one, students) for one in teacher.rounds]
    bench.progress.phase("Examining students", len(jobs))
    found: dict[int, Array] = {}
    for place, scores in bench.workers.map(jobs, lambda: None):
        found[place] = scores
        bench.progress.advance(f"outer fold {place + 1}")
    return np.array([found[place] for place in range(len(jobs))])


def _gains(bench: Bench, scores: Array, reference: Array) -> Array:
    """``(J, S, H)`` gains over the teacher's scores ``(J, T)``, mean over tasks."""
    metrics = [bench.problem.targets[task.target].metric for task in bench.problem.tasks]
    found = np.empty(scores.shape[:3])
    for student, way in np.ndindex(*scores.shape[1:3]):
        found[:, student, way] = mean_over_tasks(gains(scores[:, student, way], reference, metrics))
    return found


def _per_task(bench: Bench, scores: Array, reference: Array) -> dict[str, Any]:
    """Mean scores of the winner and the student ``(J, T)``, task by task."""
    found = {}
    for place, task in enumerate(bench.problem.tasks):
        known = ~np.isnan(scores[:, place]) & ~np.isnan(reference[:, place])
        before, after = (
            float(values[known, place].mean()) if known.any() else None for values in (reference, scores)
        )
        metric = bench.problem.targets[task.target].metric
        found[task.name] = {"metric": metric.name, "before": before, "after": after}
    return found
