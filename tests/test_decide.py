"""The decision on hand-made evidence: nothing is fitted here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from sharewise.errors import NotFittedError
from sharewise.families import Configuration
from sharewise.problems import Problem
from sharewise.studies import BLEND, CONSTANT, Candidate, Protocol, Recipe
from sharewise.verdicts import Conclusion, conclude
from sharewise.verdicts._decide import Decision, cheapest, decide
from sharewise.verdicts._deploy import deployment
from sharewise.verdicts._evidence import Evidence, frequent
from sharewise.verdicts._words import percent

ROUNDS = 5
OVERLAP = 0.25
WIGGLE = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
"""How rounds differ, in units of a tenth of a percent: too little to hide a gain of a percent."""
PROTOCOL = Protocol("known", 0, ("separate", "joint", "ensemble"), ("linear", "trees"))
FLOOR = Recipe(CONSTANT, "none", Configuration("mean"))
OWN = Recipe("separate", "linear", Configuration("ridge"))
TREE = Recipe("separate", "trees", Configuration("boosting"))
JOINT = Recipe("joint", "linear", Configuration("low-rank ridge"))
RECIPES = (FLOOR, OWN, TREE, JOINT)


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Three number tasks, each scored by RMSE."""
    rng = np.random.default_rng(0)
    frame = {name: rng.normal(size=40) for name in ("x", "ada", "ben", "cleo")}
    return Problem.from_frame(frame, targets=["ada", "ben", "cleo"])


def _weights(*recipes: Recipe | Sequence[float], tasks: int = 3) -> np.ndarray:
    """``(T, C)``: one recipe for all tasks, or a row of shares."""
    rows = []
    for one in recipes:
        rows.append([float(r == one) for r in RECIPES] if isinstance(one, Recipe) else list(one))
    return np.array(rows * (tasks if len(rows) == 1 else 1))


def _candidate(
    strategy: str,
    family: str,
    scores: Sequence[float],
    *,
    shares: bool = False,
    inner: float = 0.8,
    size: int = 100,
    weights: np.ndarray | None = None,
) -> Candidate:
    recipe = next((r for r in RECIPES if (r.strategy, r.family) == (strategy, family)), OWN)
    return Candidate(
        strategy,
        family,
        shares,
        RECIPES,
        _weights(recipe) if weights is None else weights,
        inner,
        np.array(scores, dtype=float),
        train_seconds=1.0,
        fits=3,
        steps=10,
        size_bytes=size,
        predict_ms_per_1000_rows=2.0,
        peak_memory_bytes=1000,
    )


def _rounds(
    gains: Sequence[float],
    *,
    noise: float = 0.001,
    rounds: int = ROUNDS,
    joint_size: int = 50,
    joint_inner: float = 0.7,
) -> list[list[Candidate]]:
    """Separate models err by 1 on every task; the joint one by ``1 - gain``, a little more or less by round."""
    found = []
    for index in range(rounds):
        wiggle = noise * WIGGLE[index % ROUNDS]
        found.append(
            [
                _candidate(CONSTANT, "none", [2, 2, 2], inner=1.0, size=8),
                _candidate("separate", "linear", [1, 1, 1]),
                _candidate(
                    "joint",
                    "linear",
                    [1 - gain + wiggle * (1, -1, 1)[task] for task, gain in enumerate(gains)],
                    shares=True,
                    inner=joint_inner,
                    size=joint_size,
                ),
            ]
        )
    return found


def _evidence(problem: Problem, rounds: Sequence[Sequence[Candidate]], rope: float = 0.01) -> Evidence:
    return Evidence.of(problem, replace(PROTOCOL, rope=rope), rounds, OVERLAP)


def _conclude(problem: Problem, rounds: Sequence[Sequence[Candidate]], **options: object) -> Conclusion:
    unfinished: Mapping[str, str] = options.get("unfinished", {})  # type: ignore[assignment]
    context = {"protocol": {"seed": 0}, "profile": {}, "warnings": [], "versions": {}}
    return conclude(problem, PROTOCOL, rounds, overlap=OVERLAP, unfinished=unfinished, context=context)


def _names(evidence: Evidence, decision: Decision) -> list[str]:
    return [evidence.candidates[row].name for row in decision.deploy]


# --- the five outcomes --------------------------------------------------------------------------------------


def test_share(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.05, 0.06, 0.07]))
    decision = decide(evidence)
    assert decision.outcome == "share"
    assert decision.overall is not None
    assert decision.overall.mean == pytest.approx(0.06)
    assert [task.leaning for task in decision.tasks] == ["share"] * 3
    assert _names(evidence, decision) == ["joint/linear"] * 3


def test_separate(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([-0.05, -0.06, -0.07]))
    decision = decide(evidence)
    assert decision.outcome == "separate"
    assert [task.leaning for task in decision.tasks] == ["separate"] * 3
    assert _names(evidence, decision) == ["separate/linear"] * 3


def test_route_when_sharing_helps_on_average_and_harms_one(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.10, 0.10, -0.05]))
    decision = decide(evidence)
    assert decision.outcome == "route"
    assert _names(evidence, decision) == ["joint/linear", "joint/linear", "separate/linear"]


def test_route_when_sharing_harms_on_average_and_helps_one(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([-0.10, -0.10, 0.05]))
    decision = decide(evidence)
    assert decision.outcome == "route"
    assert _names(evidence, decision) == ["separate/linear", "separate/linear", "joint/linear"]


def test_route_gives_unclear_tasks_what_holds_on_average(problem: Problem) -> None:
    noisy = _rounds([0.10, -0.10, 0.0])
    for index, candidates in enumerate(noisy):
        candidates[2].scores[2] = 1 + 0.05 * WIGGLE[index]  # a task about which nothing is clear
    evidence = _evidence(problem, noisy)
    decision = decide(evidence)
    assert decision.outcome == "route"
    assert [task.leaning for task in decision.tasks] == ["share", "separate", "unclear"]
    assert decision.overall is not None
    assert decision.overall.interval is not None
    assert decision.overall.interval[0] < 0 < decision.overall.interval[1]
    assert _names(evidence, decision) == ["joint/linear", "separate/linear", "separate/linear"]


def test_one_harmed_task_alone_keeps_all_apart(problem: Problem) -> None:
    noisy = _rounds([0.0, 0.0, -0.06])
    for index, candidates in enumerate(noisy):
        candidates[2].scores[:2] = 1 + 0.05 * WIGGLE[index]
    decision = decide(_evidence(problem, noisy))
    assert [task.leaning for task in decision.tasks] == ["unclear", "unclear", "separate"]
    assert decision.outcome == "separate"


def test_equivalent_takes_the_smallest_within_the_rope(problem: Problem) -> None:
    rounds = _rounds([0.001, -0.001, 0.0], joint_inner=0.801)
    evidence = _evidence(problem, rounds)
    decision = decide(evidence)
    assert decision.outcome == "equivalent"
    assert _names(evidence, decision) == ["joint/linear"] * 3, "50 bytes beat 100"
    larger = _evidence(problem, _rounds([0.001, -0.001, 0.0], joint_inner=0.801, joint_size=200))
    assert _names(larger, decide(larger)) == ["separate/linear"] * 3


def test_a_clear_but_tiny_gain_is_equivalent(problem: Problem) -> None:
    decision = decide(_evidence(problem, _rounds([0.004] * 3, noise=0.0005)))
    assert decision.overall is not None
    assert decision.overall.interval is not None
    assert decision.overall.interval[0] > 0
    assert decision.outcome == "equivalent"
    assert [task.leaning for task in decision.tasks] == ["unclear"] * 3


def test_undecided_leans_to_the_better_estimate(problem: Problem) -> None:
    for gain, chosen in ((0.02, "joint/linear"), (-0.02, "separate/linear")):
        rounds = _rounds([gain] * 3)
        for index, candidates in enumerate(rounds):
            candidates[2].scores[:] = 1 - gain + 0.05 * WIGGLE[index]
        evidence = _evidence(problem, rounds)
        decision = decide(evidence)
        assert decision.outcome == "undecided"
        assert _names(evidence, decision) == [chosen] * 3


def test_one_round_decides_nothing(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.5] * 3, rounds=1))
    decision = decide(evidence)
    assert decision.outcome == "undecided"
    assert "fewer than two rounds" in decision.reason
    assert [task.p_adjusted for task in decision.tasks] == [None] * 3
    assert _names(evidence, decision) == ["joint/linear"] * 3


def test_without_a_sharing_strategy_there_is_nothing_to_decide(problem: Problem) -> None:
    rounds = [[c for c in candidates if not c.shares] for candidates in _rounds([0.1] * 3)]
    decision = decide(_evidence(problem, rounds))
    assert decision.outcome == "undecided"
    assert decision.overall is None
    assert decision.shared is None
    conclusion = _conclude(problem, rounds)
    assert "no strategy that shares" in conclusion.verdict.sentence
    assert conclusion.verdict.details["contrast"] is None


def test_the_rope_is_the_users(problem: Problem) -> None:
    rounds = _rounds([0.03] * 3)
    assert decide(_evidence(problem, rounds, rope=0.01)).outcome == "share"
    assert decide(_evidence(problem, rounds, rope=0.10)).outcome == "equivalent"


def test_looking_at_many_tasks_is_corrected_for(problem: Problem) -> None:
    # Alone each task's p is below 5%; with three of them Holm's is not.
    rounds = _rounds([0.02] * 3)
    for index, candidates in enumerate(rounds):
        candidates[2].scores[:] = 1 - 0.02 + 0.009 * WIGGLE[index]
    decision = decide(_evidence(problem, rounds))
    for task in decision.tasks:
        assert task.difference.p_value is not None
        assert task.p_adjusted is not None
        assert task.difference.p_value < 0.05 < task.p_adjusted
        assert task.leaning == "unclear"


def test_a_task_unknown_in_every_round_stays_unclear(problem: Problem) -> None:
    rounds = _rounds([0.05, 0.05, 0.05])
    for candidates in rounds:
        for candidate in candidates:
            candidate.scores[2] = np.nan
    decision = decide(_evidence(problem, rounds))
    assert decision.outcome == "share"
    assert decision.tasks[2].p_adjusted is None
    assert decision.tasks[2].leaning == "unclear"
    json.dumps(_conclude(problem, rounds).verdict.as_dict(), allow_nan=False)


# --- who pays for the mean ----------------------------------------------------------------------------------


def _uneven(gains: Sequence[float], wiggle: float) -> list[list[Candidate]]:
    """Tasks of which each has its own scatter over rounds, none in step with another."""
    rng = np.random.default_rng(0)
    rounds = _rounds(gains, rounds=10)
    for candidates in rounds:
        candidates[2].scores[:] += wiggle * rng.normal(size=len(gains))
    return rounds


def test_weak_tasks_that_look_alike_share_what_the_mean_gains(problem: Problem) -> None:
    # Alone none of them is clear; nothing says that they differ.
    decision = decide(_evidence(problem, _uneven([0.03, 0.03, 0.03], 0.045)))
    assert [task.leaning for task in decision.tasks] == ["unclear"] * 3
    assert decision.outcome == "share"
    assert all(task.losing is not None and task.losing < 0.05 for task in decision.tasks)
    spread = np.ptp([task.expected for task in decision.tasks])
    assert spread < np.ptp([task.difference.mean for task in decision.tasks]), "pooled"


def test_a_task_that_probably_pays_for_the_others_is_served_apart(problem: Problem) -> None:
    rounds = _uneven([0.12, 0.12, -0.04], 0.08)
    evidence = _evidence(problem, rounds)
    decision = decide(evidence)
    assert decision.overall is not None
    assert decision.overall.interval is not None
    assert decision.overall.interval[0] > 0
    assert decision.tasks[2].leaning == "unclear", "no claim of harm"
    assert decision.tasks[2].losing is not None
    assert decision.tasks[2].losing > 0.3
    assert decision.outcome == "route"
    assert _names(evidence, decision) == ["joint/linear", "joint/linear", "separate/linear"]


def test_equivalence_on_average_hides_no_clear_harm(problem: Problem) -> None:
    decision = decide(_evidence(problem, _rounds([0.025, 0.025, -0.045])))
    assert decision.overall is not None
    assert decision.overall.equivalent is not None
    assert decision.overall.equivalent > 0.95
    assert [task.leaning for task in decision.tasks] == ["share", "share", "separate"]
    assert decision.outcome == "route"


def test_open_tasks_are_told_what_they_need_and_clear_ones_are_not(problem: Problem) -> None:
    rounds = _rounds([0.06, 0.06, 0.02])
    for index, candidates in enumerate(rounds):
        candidates[2].scores[2] = 0.98 + 0.03 * WIGGLE[index]
    tasks = decide(_evidence(problem, rounds)).tasks
    assert [task.leaning for task in tasks] == ["share", "share", "unclear"]
    assert [task.need is None for task in tasks] == [True, True, False]
    assert tasks[2].need is not None
    assert tasks[2].need.factor > 1


# --- champions ----------------------------------------------------------------------------------------------


def test_sides_are_represented_by_inner_error_not_by_the_outer_one(problem: Problem) -> None:
    rounds = _rounds([0.05] * 3)
    for candidates in rounds:  # better outside, worse inside: must not be chosen
        candidates.append(_candidate("separate", "trees", [0.5, 0.5, 0.5], inner=0.9))
    evidence = _evidence(problem, rounds)
    assert evidence.candidates[decide(evidence).separate].name == "separate/linear"
    assert decide(evidence).outcome == "share"


def test_parsimony_takes_the_smaller_of_two_close_ones(problem: Problem) -> None:
    rounds = _rounds([0.05] * 3)
    for candidates in rounds:
        candidates.append(_candidate("separate", "trees", [1, 1, 1], inner=0.801, size=10))  # 0.125% behind
    evidence = _evidence(problem, rounds)
    champions = evidence.champions(evidence.side(shares=False))
    assert [evidence.candidates[row].name for row in champions] == ["separate/trees"] * ROUNDS
    for candidates in rounds:
        candidates[-1] = replace(candidates[-1], inner=0.82)  # 2.5% behind
    evidence = _evidence(problem, rounds)
    champions = evidence.champions(evidence.side(shares=False))
    assert [evidence.candidates[row].name for row in champions] == ["separate/linear"] * ROUNDS


def test_the_constant_represents_nobody(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.05] * 3))
    assert [evidence.candidates[row].name for row in evidence.side(shares=False)] == ["separate/linear"]
    assert [evidence.candidates[row].name for row in evidence.side(shares=True)] == ["joint/linear"]


def test_frequent_breaks_ties_by_inner_error() -> None:
    inner = np.array([[0.5, 0.4, 0.9], [0.5, 0.4, 0.9]])
    assert frequent(np.array([0, 0, 1]), inner) == 0
    assert frequent(np.array([0, 1]), inner) == 1


def test_cheapest_looks_at_all_rows_within_the_rope(problem: Problem) -> None:
    rounds = _rounds([0.0] * 3, joint_inner=0.8)
    for candidates in rounds:
        candidates.append(_candidate("separate", "trees", [1, 1, 1], inner=0.807, size=5))
    evidence = _evidence(problem, rounds)
    assert evidence.candidates[cheapest(evidence, 1, 2)].name == "separate/trees"


def test_who_left_represents_a_side_only_while_it_was_there(problem: Problem) -> None:
    rounds = _rounds([0.05] * 3)
    rounds[0].append(_candidate("separate", "trees", [1.0] * 3, inner=0.1))
    evidence = _evidence(problem, rounds)
    place = evidence.place("separate/trees")
    assert place is not None
    champions = evidence.champions(evidence.side(shares=False))
    assert champions[0] == place
    assert place not in champions[1:]
    assert decide(evidence).outcome == "share"


# --- deployment ---------------------------------------------------------------------------------------------


def test_a_pick_becomes_the_most_frequent_pick(problem: Problem) -> None:
    rounds = _rounds([0.05] * 3)
    for index, candidates in enumerate(rounds):
        pick = TREE if index < 2 else OWN
        weights = np.vstack([_weights(pick)[:1], _weights(TREE)[:2]])
        candidates.append(_candidate("separate", "best", [1] * 3, weights=weights))
    evidence = _evidence(problem, rounds)
    recipes, weights = deployment(evidence, (3, 3, 3))
    assert recipes == (OWN, TREE)
    np.testing.assert_array_equal(weights, [[1, 0], [0, 1], [0, 1]])


def test_a_blend_is_averaged_pruned_and_weighed_anew(problem: Problem) -> None:
    rounds = _rounds([0.05] * 3)
    for index, candidates in enumerate(rounds):
        share = [0.0, 0.5, 0.02, 0.48] if index else [0.0, 0.4, 0.12, 0.48]  # trees: 0.04 on average
        candidates.append(_candidate("ensemble", BLEND, [0.9] * 3, shares=True, weights=_weights(share)))
    evidence = _evidence(problem, rounds)
    recipes, weights = deployment(evidence, (3, 3, 3))
    assert recipes == (JOINT, OWN)
    np.testing.assert_allclose(weights, [[0.48 / 0.96, 0.48 / 0.96]] * 3)


def test_a_blend_of_many_small_shares_keeps_its_largest(problem: Problem) -> None:
    rounds = _rounds([0.05] * 3, rounds=2)
    for candidates in rounds:
        blend = _candidate("ensemble", BLEND, [0.9] * 3, shares=True)
        crowd = tuple(Recipe("separate", "linear", Configuration(f"r{i}")) for i in range(40))
        candidates.append(replace(blend, recipes=crowd, weights=np.full((3, 40), 1 / 40)))
    recipes, weights = deployment(_evidence(problem, rounds), (3, 3, 3))
    assert len(recipes) == 40
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_routes_serve_each_task_from_its_own_row(problem: Problem) -> None:
    recipes, weights = deployment(_evidence(problem, _rounds([0.1, 0.1, -0.1])), (2, 2, 1))
    assert recipes == (JOINT, OWN)
    np.testing.assert_array_equal(weights, [[1, 0], [1, 0], [0, 1]])


# --- words --------------------------------------------------------------------------------------------------


def test_words_of_share(problem: Problem) -> None:
    verdict = _conclude(problem, _rounds([0.05, 0.06, 0.07])).verdict
    low, high = verdict.details["contrast"]["interval"]
    assert verdict.sentence.startswith("Share")
    for text in ("6.0%", percent(low), percent(high), "95% interval", "one joint model", "linear models"):
        assert text in verdict.sentence
    assert str(verdict) == verdict.sentence
    assert any("probability" in line for line in verdict.because)
    assert any("'cleo' 7.0%" in line for line in verdict.because)
    assert verdict.would_change


def test_words_of_separate(problem: Problem) -> None:
    verdict = _conclude(problem, _rounds([-0.05, -0.06, -0.07])).verdict
    assert verdict.sentence.startswith("Keep them separate")
    assert "costs 6.0%" in verdict.sentence
    assert "a model of its own for each task" in verdict.sentence


def test_words_of_separate_for_one_harmed_task(problem: Problem) -> None:
    rounds = _rounds([0.0, 0.0, -0.06])
    for index, candidates in enumerate(rounds):
        candidates[2].scores[:2] = 1 + 0.05 * WIGGLE[index]
    assert "clearly harms 'cleo'" in _conclude(problem, rounds).verdict.sentence


def test_words_of_route(problem: Problem) -> None:
    conclusion = _conclude(problem, _rounds([0.10, 0.10, -0.05]))
    verdict = conclusion.verdict
    assert verdict.sentence.startswith("Route")
    helped, harmed = verdict.sentence.split("harms")
    assert "'ada'" in helped
    assert "'ben'" in helped
    assert "'cleo'" in harmed
    assert verdict.choice.strategy == "route"
    assert [verdict.per_task[name]["choice"]["strategy"] for name in ("ada", "ben", "cleo")] == [
        "joint",
        "joint",
        "separate",
    ]
    assert [verdict.per_task[name]["decision"] for name in ("ada", "ben", "cleo")] == [
        "share",
        "share",
        "separate",
    ]


def test_words_of_equivalent(problem: Problem) -> None:
    verdict = _conclude(problem, _rounds([0.001, -0.001, 0.0], joint_inner=0.801)).verdict
    assert verdict.sentence.startswith("Equivalent")
    assert "1.0%" in verdict.sentence, "the region of equivalence"
    assert "one joint model" in verdict.sentence


def test_words_of_undecided_say_what_is_needed(problem: Problem) -> None:
    rounds = _rounds([0.02] * 3)
    for index, candidates in enumerate(rounds):
        candidates[2].scores[:] = 0.98 + 0.03 * WIGGLE[index]
    verdict = _conclude(problem, rounds).verdict
    assert verdict.outcome == "undecided"
    assert "2.0%" in verdict.sentence
    needed = verdict.details["needed"]
    assert needed["labels"] >= 1
    assert f"{needed['labels']:,} more labels" in needed["text"]
    assert needed["text"] in verdict.would_change
    assert needed["rounds"] is None or str(needed["rounds"]) in needed["text"]


def test_needed_is_said_only_where_something_is_open(problem: Problem) -> None:
    assert _conclude(problem, _rounds([0.05] * 3)).verdict.details["needed"] is None


# --- the record ---------------------------------------------------------------------------------------------


def test_the_record_is_plain_and_has_its_keys(problem: Problem) -> None:
    details = _conclude(problem, _rounds([0.05] * 3), unfinished={"joint/trees": "cut"}).verdict.as_dict()
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    assert set(details) >= {
        "outcome", "sentence", "choice", "per_task", "strategies", "because", "would_change", "protocol", "versions",
    }  # fmt: skip
    assert details["choice"]["strategy"] == "joint"
    assert details["choice"]["members"] == ["joint/linear/low-rank ridge"]
    rows = {f"{row['name']}/{row['family']}": row for row in details["strategies"]}
    assert set(rows) == {"constant/none", "separate/linear", "joint/linear", "joint/trees"}
    for row in rows.values():
        assert set(row) >= {"name", "family", "score", "interval", "delta", "probability_better", "cost"}
        assert set(row["cost"]) >= {"train_seconds", "predict_ms_per_1000_rows", "size_bytes"}
    assert rows["joint/trees"]["status"] == "cut"
    assert rows["joint/trees"]["note"] == "cut"
    assert rows["joint/trees"]["score"] is None
    assert set(details["per_task"]) == {"ada", "ben", "cleo"}


def test_scores_of_the_record_by_hand(problem: Problem) -> None:
    details = _conclude(problem, _rounds([0.05] * 3)).verdict.details
    rows = {f"{row['name']}/{row['family']}": row for row in details["strategies"]}
    assert rows["constant/none"]["score"] == 0.0
    assert rows["separate/linear"]["score"] == pytest.approx(0.5)  # errs by 1 where the constant errs by 2
    assert rows["separate/linear"]["delta"] == 0.0
    assert rows["joint/linear"]["score"] == pytest.approx(0.525)
    assert rows["joint/linear"]["delta"] == pytest.approx(0.05)
    assert rows["joint/linear"]["within"]["delta"] == pytest.approx(0.05)
    assert rows["joint/linear"]["tasks"]["ben"]["score"] == pytest.approx(0.95)
    assert details["per_task"]["ben"]["scores"] == pytest.approx(
        {"constant": 2.0, "separate": 1.0, "shared": 0.95}
    )


def test_no_round_no_verdict(problem: Problem) -> None:
    with pytest.raises(NotFittedError, match="at least one complete round"):
        _conclude(problem, [])
