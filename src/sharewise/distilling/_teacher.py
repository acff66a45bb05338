"""The teacher: what the study's winner says of rows that it did not learn from, out of the study's own trials.

Every trial keeps its predictions for training rows by models that did not see them (inner folds) and for its test rows.
So a student can be taught in every outer fold by what the winner would have been there. Its members are fitted again only
to answer what trials were not asked: rows without a label, and made-up rows.

Symbols: ``J`` rounds, ``N`` rows of the problem, ``T`` tasks, ``W`` columns of a target's prediction, ``M`` members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sharewise.distilling._questions import Answered, questions
from sharewise.errors import NotFittedError
from sharewise.families import Predictions, Run, Sample
from sharewise.families._sample import blank
from sharewise.problems import Problem, Table
from sharewise.strategies import mix
from sharewise.studies import Bench, Candidate, Findings, Recipe, Round, Spec, make_round
from sharewise.studies._trial import fit_recipes
from sharewise.tasks import Array

LEAST_ROUNDS = 2
"""Outer folds below which nothing can be told of a loss."""


@dataclass(frozen=True)
class TaughtRound:
    """One outer fold as the teacher saw it.

    Attributes:
        index: Of the round.
        members: The ``M`` recipes that the teacher is mixed of in this round.
        weights: ``(T, M)``.
        held_out, test: What it says of training and test rows, for each target ``(n, W)``; NaN where it is silent.
        scores: ``(T,)`` on the test rows.
    """

    index: int
    members: tuple[Recipe, ...]
    weights: Array
    held_out: Predictions = field(repr=False)
    test: Predictions = field(repr=False)
    scores: Array


@dataclass(frozen=True)
class Teacher:
    """The winner in every round that has it.

    Attributes:
        names: ``(T,)`` row of the table that serves each task.
        rounds: The ``J`` rounds.
        places: ``(J,)`` of the rounds among those of the findings.
    """

    names: tuple[str, ...]
    rounds: tuple[TaughtRound, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, bench: Bench, findings: Findings, names: Sequence[str]) -> Teacher:
        """Out of a finished study.

        Raises:
            NotFittedError: It has too few complete rounds.
        """
        rounds, places = [], []
        for place, candidates in enumerate(findings.rounds):
            found = {candidate.name: candidate for candidate in candidates}
            if all(name in found for name in names):
                rounds.append(_round(bench, findings, place, [found[name] for name in names]))
                places.append(place)
        if len(rounds) < LEAST_ROUNDS:
            raise NotFittedError(
                f"what distilling loses is measured on {LEAST_ROUNDS} outer folds at least; the study finished "
                f"{len(rounds)}. Give it a larger --budget."
            )
        return cls(tuple(names), tuple(rounds), tuple(places))

    def of_all_rows(self, bench: Bench, findings: Findings) -> Predictions:
        """What it says of each of the ``N`` rows, by models that did not learn from the row: where a round tested on
        it what it said there, else what inner folds say."""
        problem, kinds = bench.problem, [target.kind for target in bench.problem.targets]
        tested, held = [[_Mean.of(blank(kind, len(problem))) for kind in kinds] for _ in range(2)]
        for one in self.rounds:
            around = make_round(problem, bench.protocol, findings.plan, one.index)
            for target in range(len(kinds)):
                tested[target].add(around.test, one.test[target])
                held[target].add(around.train, one.held_out[target])
        return [
            np.where(np.isnan(first.mean()), second.mean(), first.mean())
            for first, second in zip(tested, held, strict=True)
        ]


@dataclass
class _Mean:
    """Of what is known of each row."""

    total: Array
    count: Array

    @classmethod
    def of(cls, empty: Array) -> _Mean:
        return cls(np.zeros_like(empty), np.zeros_like(empty))

    def add(self, rows: NDArray[np.intp], values: Array) -> None:
        known = ~np.isnan(values)
        self.total[rows] += np.where(known, values, 0.0)
        self.count[rows] += known

    def mean(self) -> Array:
        with np.errstate(invalid="ignore"):
            found: Array = self.total / np.where(self.count > 0, self.count, np.nan)
        return found


def _round(bench: Bench, findings: Findings, place: int, serving: Sequence[Candidate]) -> TaughtRound:
    """The teacher of one round, mixed from its trials by the weights that the round itself found."""
    problem, plan = bench.problem, findings.plan
    # Rounds are complete from the first on; an incomplete one is the last.
    recipes = serving[0].recipes
    weights = np.array([candidate.weights[task] for task, candidate in enumerate(serving)])
    used = np.flatnonzero(weights.any(axis=0))
    members = tuple(recipes[member] for member in used)
    keys = [Spec(place, plan.effort, plan.cap, r.strategy, r.family, r.configuration).key for r in members]
    kept = {result.spec.key: result for result in bench.store.results(index=place)}
    around = make_round(problem, bench.protocol, plan, place)
    scores = np.array([candidate.scores[task] for task, candidate in enumerate(serving)])

    def say(rows: NDArray[np.intp], said: Sequence[Predictions]) -> Predictions:
        return mixed(problem, None if problem.level is None else problem.level[rows], weights[:, used], said)

    held = say(around.train, [kept[key].held_out for key in keys])
    test = say(around.test, [kept[key].test for key in keys])
    return TaughtRound(place, members, weights[:, used], held, test, scores)


def mixed(
    problem: Problem, level: NDArray[np.intp] | None, weights: Array, said: Sequence[Predictions]
) -> Predictions:
    """What the members say of rows, mixed by each task's weights ``(T, M)``; NaN where one with weight is silent.

    Args:
        level: Codes of the rows, or None in a wide problem.
    """
    found = [np.full_like(values, np.nan) for values in said[0]]
    for place, task in enumerate(problem.tasks):
        own = np.arange(len(found[0])) if level is None else np.flatnonzero(level == task.level)
        used = np.flatnonzero(weights[place])
        values = np.stack([said[int(member)][task.target][own] for member in used])
        found[task.target][own] = mix(weights[place][used], values, problem.targets[task.target].kind)
    return found


def gaps_of(problem: Problem, rows: NDArray[np.intp], told: Predictions) -> list[NDArray[np.bool_]]:
    """For each target ``(n,)`` the rows of tasks that have neither a label nor an answer."""
    found = [np.zeros(len(rows), dtype=bool) for _ in told]
    for task in problem.tasks:
        own = np.ones(len(rows), dtype=bool) if problem.level is None else problem.level[rows] == task.level
        silent = np.isnan(told[task.target]).any(axis=1) & np.isnan(problem.labels[rows, task.target])
        found[task.target] |= own & silent
    return found


def asked_again(
    problem: Problem, around: Round, sample: Sample, one: TaughtRound, run: Run
) -> tuple[Predictions, Answered]:
    """What the teacher says of training rows, gaps in the labels included, and of made-up rows.

    Its members are fitted again for that, as in their trials. A missing label flatters nobody, as no model learnt from
    it; answers for rows that have one remain those that the trials gave while they held the row out.
    """
    members = [
        fit_recipes(sample, [recipe], Run(around.seed, run.deadline, run.effort))[0].model
        for recipe in one.members
    ]
    run.tick(fits=len(members))
    table, level = questions(sample, around.seed)

    def say(table: Table, level: NDArray[np.intp] | None) -> Predictions:
        return mixed(problem, level, one.weights, [model.predict(table, level) for model in members])

    told = [values.copy() for values in one.held_out]
    gaps = gaps_of(problem, around.train, told)
    if any(gap.any() for gap in gaps):
        for values, fresh, gap in zip(told, say(sample.table, sample.level), gaps, strict=True):
            values[gap] = fresh[gap]
    return told, Answered(table, level, say(table, level))
