"""From kept trials to the complete rounds a verdict may rest on, and what else a study found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharewise.studies._assemble import Candidate, assemble
from sharewise.studies._course import Course
from sharewise.studies._curve import CurveRounds, curve_rounds
from sharewise.studies._diagnosis import Diagnosis, diagnosis_of
from sharewise.studies._group_record import GroupsFound
from sharewise.studies._protocol import Plan, make_round
from sharewise.studies._race import Left
from sharewise.studies._trial import CONSTANT


@dataclass(frozen=True)
class Findings:
    """What a study has to show.

    Attributes:
        plan: What was run.
        planned: Rounds that were to be run.
        rounds: Candidates of each complete round; those who left are absent from later ones.
        repeats: Which repeat of the outer folds each round belongs to.
        unfinished: Rows of the table that no complete round has, with the reason.
        overlap: Test rows per training row.
        notes: Sentences the user should read.
        left: Who left the race, in that order.
        proposals: Configurations proposed for each strategy and family.
        spent: Trials and seconds of each strategy, over all stages.
        groups: The search over task groups, or None.
        curve: The learning curve's rounds, or None.
        diagnosis: What was seen of gradients, or None; hints only.
    """

    plan: Plan
    planned: int
    rounds: tuple[tuple[Candidate, ...], ...]
    repeats: tuple[int, ...]
    unfinished: dict[str, str]
    overlap: float
    notes: tuple[str, ...]
    left: tuple[Left, ...] = ()
    proposals: int = 0
    spent: tuple[tuple[str, int, float], ...] = ()
    groups: GroupsFound | None = None
    curve: CurveRounds | None = None
    diagnosis: Diagnosis | None = None


def gather(course: Course) -> Findings:
    """Assemble every complete round. Where not even one is, what finished of the first."""
    bench, plan = course.bench, course.plan
    problem = bench.problem
    rounds: list[tuple[Candidate, ...]] = []
    repeats: list[int] = []
    overlaps: list[float] = []
    notes: list[str] = []
    unfinished: dict[str, str] = {}
    failures: dict[str, str] = {}
    for index, specs in enumerate(course.wanted):
        keys = {spec.key for spec in specs}
        results = course.results(index)
        cut = keys - {r.spec.key for r in results if r.status != "cut"}
        for spec in specs:
            if spec.key in cut:
                unfinished.setdefault(f"{spec.strategy}/{spec.family}", "its trials were cut by the budget")
        if cut and (rounds or not any(r.spec.strategy != CONSTANT and r.status == "done" for r in results)):
            continue  # incomplete rounds would favour what happened to finish
        around = make_round(problem, bench.protocol, plan, index)
        rounds.append(tuple(assemble(problem, around, results)))
        repeats.append(around.repeat)
        overlaps.append(len(around.test) / max(len(around.train), 1))
        for result in results:
            if result.status == "failed":
                name = f"{result.spec.strategy}/{result.spec.family}"
                notes.append(f"{name} {result.spec.configuration} failed: {result.message}")
                failures.setdefault(name, str(result.message))
    have = {candidate.name for candidates in rounds for candidate in candidates}
    wanted = {f"{spec.strategy}/{spec.family}" for specs in course.wanted for spec in specs}
    missing = {
        name: unfinished.get(name) or failures.get(name, "its trials failed")
        for name in sorted(wanted - have)
    }
    diagnosis, failed = diagnosis_of(bench)
    if failed is not None:
        notes.append(f"There are no hints from gradients: {failed}")
    notes += _shortfalls(course, len(rounds))
    overlap = float(np.mean(overlaps)) if overlaps else 0.0
    return Findings(
        plan,
        course.planned,
        tuple(rounds),
        tuple(repeats),
        missing,
        overlap,
        tuple(dict.fromkeys(notes)),
        tuple(course.left),
        course.proposals,
        _spent(course),
        course.groups,
        curve_rounds(course),
        diagnosis,
    )


def _shortfalls(course: Course, rounds: int) -> list[str]:
    """What the budget did not allow."""
    plan, total = course.plan, len(course.bench.problem)
    notes = []
    if rounds < course.planned:
        notes.append(f"{rounds} of {course.planned} planned rounds were finished within the budget.")
    if plan.cap is not None:
        notes.append(
            f"The budget allowed only {plan.cap:,} training rows a round; with all rows sharing may matter less. "
            "Give a larger --budget."
        )
    if plan.refit is not None:
        notes.append(
            f"The budget allows fitting the winner on {plan.refit:,} of {total:,} rows. Give a larger --budget."
        )
    return notes


def _spent(course: Course) -> tuple[tuple[str, int, float], ...]:
    found: dict[str, tuple[int, float]] = {}
    for result in course.bench.store.results(predictions=False):
        count, seconds = found.get(result.spec.strategy, (0, 0.0))
        found[result.spec.strategy] = count + 1, seconds + result.seconds
    return tuple((name, count, seconds) for name, (count, seconds) in found.items())
