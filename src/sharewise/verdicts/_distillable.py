"""Whether a verdict's winner can be distilled, and when a verdict speaks of it."""

from __future__ import annotations

from collections.abc import Sequence

from sharewise.problems import Problem
from sharewise.studies import BLEND
from sharewise.verdicts._evidence import Evidence
from sharewise.verdicts._limited import Limited
from sharewise.verdicts._phrases import percent

WAY = "study.distil() or 'sharewise distil' on its folder"


def refusal(problem: Problem) -> str | None:
    """Why a problem's winner cannot be distilled, in one sentence; None where it can."""
    ragged = [target.name for target in problem.targets if target.kind.ragged]
    table = problem.table
    if problem.encoder is None and not table.reads_tensors and not table.of_kind("sentence") and not ragged:
        return None
    rows = "sentences" if table.of_kind("sentence") else "pictures or tensors"
    return (
        f"students learn from tables, and predict numbers and classes; this problem's rows are {rows}. Deploy its winner, "
        "or compare again with the cheapest family alone."
    )


def offer(problem: Problem, evidence: Evidence, deploy: Sequence[int], kept: Limited | None) -> list[str]:
    """What a verdict says of distilling: where what serves is an ensemble, or where limits cost more than the ROPE."""
    if refusal(problem) is not None:
        return []
    if kept is not None and kept.best in kept.missing and kept.price.mean < -evidence.rope:
        lost = percent(-kept.price.mean)
        return [
            f"A student of what wins without limits may keep them at less than the {lost} that they cost: distil it with "
            f"them, in a study without limits, by {WAY}."
        ]
    if any(evidence.candidates[row].family == BLEND for row in deploy):
        return [
            f"A student may predict as well as the ensemble at a fraction of its size: {WAY} says what is lost."
        ]
    return []
