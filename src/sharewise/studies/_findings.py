"""From kept trials to the complete rounds a verdict may rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharewise.problems import Problem
from sharewise.studies._assemble import Candidate, assemble
from sharewise.studies._protocol import Plan, Protocol, make_round
from sharewise.studies._storage import TrialStore
from sharewise.studies._trial import CONSTANT, specs_for


@dataclass(frozen=True)
class Findings:
    """What a study has to show.

    Attributes:
        plan: What was run.
        rounds: Candidates of each complete round.
        unfinished: Rows of the table that no complete round has, with the reason.
        overlap: Test rows per training row.
        notes: Sentences the user should read.
    """

    plan: Plan
    rounds: tuple[tuple[Candidate, ...], ...]
    unfinished: dict[str, str]
    overlap: float
    notes: tuple[str, ...]


def gather(problem: Problem, protocol: Protocol, store: TrialStore, plan: Plan) -> Findings:
    """Assemble every complete round of the plan. Where not even one is, what finished of the first."""
    rounds: list[tuple[Candidate, ...]] = []
    overlaps: list[float] = []
    notes: list[str] = []
    unfinished: dict[str, str] = {}
    failures: dict[str, str] = {}
    wanted: set[str] = set()
    for index in range(plan.rounds):
        specs = specs_for(problem, protocol, plan, index)
        keys = {spec.key for spec in specs}
        wanted |= {f"{spec.strategy}/{spec.family}" for spec in specs}
        results = [r for r in store.results(index=index) if r.spec.key in keys]
        done = {r.spec.key for r in results if r.status != "cut"}
        cut = keys - done
        for spec in specs:
            if spec.key in cut:
                unfinished.setdefault(f"{spec.strategy}/{spec.family}", "its trials were cut by the budget")
        if cut and (rounds or not any(r.spec.strategy != CONSTANT and r.status == "done" for r in results)):
            continue  # incomplete rounds would favour what happened to finish
        around = make_round(problem, protocol, plan, index)
        order = {spec.key: place for place, spec in enumerate(specs)}
        results.sort(key=lambda r: order[r.spec.key])
        rounds.append(tuple(assemble(problem, around, results)))
        overlaps.append(len(around.test) / max(len(around.train), 1))
        for result in results:
            if result.status == "failed":
                note = f"{result.spec.strategy}/{result.spec.family} {result.spec.configuration} failed: {result.message}"
                notes.append(note)
                failures.setdefault(f"{result.spec.strategy}/{result.spec.family}", str(result.message))
    have = set.intersection(*[{c.name for c in candidates} for candidates in rounds]) if rounds else set()
    missing = {
        name: unfinished.get(name) or failures.get(name, "its trials failed")
        for name in sorted(wanted - have)
    }
    if len(rounds) < plan.rounds:
        notes.append(f"{len(rounds)} of {plan.rounds} planned rounds were finished within the budget.")
    if plan.cap is not None:
        notes.append(
            f"The budget allowed only {plan.cap:,} training rows a round; with all rows sharing may matter less. "
            "Give a larger --budget."
        )
    if plan.refit is not None:
        notes.append(
            f"The budget allows fitting the winner on {plan.refit:,} of {len(problem):,} rows. Give a larger --budget."
        )
    overlap = float(np.mean(overlaps)) if overlaps else 0.0
    return Findings(plan, tuple(rounds), missing, overlap, tuple(dict.fromkeys(notes)))
