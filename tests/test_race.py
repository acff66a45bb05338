"""Who leaves the race, on predictions made to measure."""

from __future__ import annotations

import numpy as np
import pytest

from sharewise.families import Configuration
from sharewise.problems import Problem
from sharewise.studies import Plan, Protocol, Recipe, Result, Spec, make_round
from sharewise.studies._held_out import HeldOut
from sharewise.studies._race import ERROR_RATE, LOOKS, Left, Side, composite_leaves, leavers
from sharewise.tasks import Array

PROTOCOL = Protocol("known", 0, ("separate", "joint", "grouped"), ("linear",))
FLOOR = Recipe("constant", "none", Configuration("mean"))
TOLERANCE = 0.01


def _recipe(name: str, strategy: str = "separate") -> Recipe:
    return Recipe(strategy, "linear", Configuration(name))


def _problem(n: int, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem.from_frame(
        {"x": rng.normal(size=n), "a": rng.normal(size=n), "b": rng.normal(size=n)}, targets=["a", "b"]
    )


def _round(
    problem: Problem, predictions: dict[Recipe, Array], steps: dict[Recipe, int] | None = None
) -> HeldOut:
    """A round in which each recipe predicts ``(N, 2)``; the constant predicts 0."""
    around = make_round(problem, PROTOCOL, Plan(0, 1), 0)
    results = []
    for recipe, values in ({FLOOR: np.zeros((len(problem), 2))} | predictions).items():
        spec = Spec(0, 0, None, recipe.strategy, recipe.family, recipe.configuration)
        work = (steps or {}).get(recipe, 1)
        held, test = ([values[rows, [d]][:, None] for d in range(2)] for rows in (around.train, around.test))
        results.append(Result(spec, "done", 1.0, 1, work, 1, 1, 1.0, None, held, test))
    return HeldOut(problem, around, results)


def _off(problem: Problem, by: float, seed: int) -> Array:
    """The labels with noise of their own."""
    labels: Array = problem.labels + by * np.random.default_rng(seed).normal(size=problem.labels.shape)
    return labels


def _leave(
    evidence: HeldOut, *leaving: Recipe, slack: float = 0.0, kept: tuple[Recipe, ...] = ()
) -> list[Left]:
    side = Side(leaving, (FLOOR,))
    return leavers(
        [evidence], side, tolerance=TOLERANCE, slack=dict.fromkeys(leaving, slack), kept=frozenset(kept)
    )


GOOD, WORSE, HELPFUL = _recipe("good"), _recipe("worse"), _recipe("helpful")


def test_who_is_far_behind_and_adds_nothing_leaves() -> None:
    problem = _problem(400)
    good = _off(problem, 0.5, 1)
    worse = good + np.random.default_rng(2).normal(size=good.shape)  # the same errors and more
    (left,) = _leave(_round(problem, {GOOD: good, WORSE: worse}), GOOD, WORSE)
    assert left.recipe == WORSE
    assert left.after == 1
    assert left.interval[0] < left.behind < left.interval[1]
    assert left.behind == pytest.approx(4.0, rel=0.3), "a loss of 0.25 against 1.25"
    assert abs(left.cost) < TOLERANCE


def test_who_is_behind_but_helps_the_ensemble_stays() -> None:
    problem = _problem(400)
    good, helpful = _off(problem, 0.5, 1), _off(problem, 0.6, 2)  # errors of its own average out
    assert _leave(_round(problem, {GOOD: good, HELPFUL: helpful}), GOOD, HELPFUL) == []


def test_of_two_alike_the_costlier_leaves() -> None:
    problem = _problem(400)
    good = _off(problem, 0.5, 1)
    twin = good + 1e-6
    evidence = _round(problem, {GOOD: good, WORSE: twin}, {GOOD: 9, WORSE: 1})
    leader = min((GOOD, WORSE), key=lambda r: np.mean((evidence.held[0][1 if r == GOOD else 2] - 0) ** 2))
    gone = {left.recipe for left in _leave(evidence, GOOD, WORSE)}
    assert len(gone) == 1
    assert leader in (GOOD, WORSE)
    assert _leave(evidence, GOOD, WORSE, kept=(GOOD, WORSE)) == []


def test_who_may_still_be_tuned_needs_to_be_further_behind() -> None:
    problem = _problem(2000)
    good = _off(problem, 0.5, 1)
    worse = good + 0.1 * np.random.default_rng(2).normal(size=good.shape)  # a loss 4% higher
    evidence = _round(problem, {GOOD: good, WORSE: worse})
    assert [left.recipe for left in _leave(evidence, GOOD, WORSE)] == [WORSE]
    assert _leave(evidence, GOOD, WORSE, slack=0.1) == []


def test_a_dozen_rows_send_nobody_home_on_a_small_difference() -> None:
    problem = _problem(24)
    good, worse = _off(problem, 0.5, 1), _off(problem, 0.6, 2)
    assert _leave(_round(problem, {GOOD: good, WORSE: worse}), GOOD, WORSE) == []


def test_a_task_that_only_one_predicts_well_keeps_it() -> None:
    problem = _problem(400)
    good = _off(problem, 0.5, 1)
    one = np.column_stack(
        [good[:, 0] + 3 * np.random.default_rng(3).normal(size=400), _off(problem, 0.1, 4)[:, 1]]
    )
    assert _leave(_round(problem, {GOOD: good, HELPFUL: one}), GOOD, HELPFUL) == []


def test_leaving_wrongly_is_as_rare_as_stated() -> None:
    # The entrant's errors are in truth 3% lower than the leader's, correlated with them, so that losing it
    # would matter. How often does one look send it home?
    looks, wrong = 300, 0
    for seed in range(looks):
        problem = _problem(120, seed)
        rng = np.random.default_rng(1000 + seed)
        common = rng.normal(size=problem.labels.shape)
        first = problem.labels + 0.5 * common + 0.35 * rng.normal(size=common.shape)
        better = problem.labels + 0.485 * common + 0.345 * rng.normal(size=common.shape)
        gone = {left.recipe for left in _leave(_round(problem, {GOOD: first, WORSE: better}), GOOD, WORSE)}
        wrong += WORSE in gone
    assert wrong / looks <= ERROR_RATE / len(LOOKS) + 0.02


def test_groups_leave_together_or_not_at_all() -> None:
    problem = Problem.from_frame(
        {
            "x": np.zeros(300) + np.arange(300),
            **{n: np.random.default_rng(i).normal(size=300) for i, n in enumerate("abc")},
        },
        targets=["a", "b", "c"],
    )
    around = make_round(problem, PROTOCOL, Plan(0, 1), 0)

    def evidence(by: float) -> tuple[HeldOut, tuple[Recipe, ...], tuple[Recipe, ...]]:
        parts = (Recipe("grouped", "linear", Configuration("g", (("tasks", "0-1"),))),)
        alone, joint = _recipe("ridge"), _recipe("together", "joint")
        rng = np.random.default_rng(5)
        results = []
        for recipe, noise in ((FLOOR, None), (alone, 0.6), (joint, 0.6), (parts[0], by)):
            spec = Spec(0, 0, None, recipe.strategy, recipe.family, recipe.configuration)
            values = (
                np.zeros((300, 3)) if noise is None else problem.labels + noise * rng.normal(size=(300, 3))
            )
            if recipe in parts:
                values[:, 2] = np.nan
            held, test = ([values[r, [d]][:, None] for d in range(3)] for r in (around.train, around.test))
            results.append(Result(spec, "done", 1.0, 1, 1, 1, 1, 1.0, None, held, test))
        return HeldOut(problem, around, results), parts, (FLOOR, alone, joint)

    good, parts, others = evidence(0.1)
    assert composite_leaves([good], parts, others, tolerance=TOLERANCE) == []
    bad, parts, others = evidence(3.0)
    assert [left.recipe for left in composite_leaves([bad], parts, others, tolerance=TOLERANCE)] == list(
        parts
    )
