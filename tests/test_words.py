"""Words that are true of their numbers: descriptions, the race, what would change the verdict."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from sharewise.families import Configuration
from sharewise.problems import Problem
from sharewise.verdicts import NOTHING, Insight, decide
from sharewise.verdicts._changes import ROPES, changes, near_limits, needed_text, rope_turns, task_power
from sharewise.verdicts._course import groups_sentence, left_note, race_sentence, tuning_sentence
from sharewise.verdicts._curve import CurvePoint, learning_curve
from sharewise.verdicts._describe import describe, settings
from sharewise.verdicts._harm import harm
from sharewise.verdicts._phrases import listed, percent, quoted
from sharewise.verdicts._words import reasons, sentence
from test_decide import WIGGLE, _candidate, _evidence, _rounds

RACE = {
    "rule": "cannot lead its side",
    "error_rate": 0.05,
    "left": [
        {"strategy": "joint", "family": "trees", "configuration": "forest(depth=3)", "after_round": 2, "behind": 0.083,
         "interval": [0.05, 0.11], "why": "not needed"},
        {"strategy": "chained", "family": "linear", "configuration": "ridge", "after_round": 1, "behind": 0.21,
         "interval": None, "why": ""},
    ],
}  # fmt: skip
GROUPS = {
    "family": "trees", "trained": 40, "gain_picked": 0.052, "gain_shrunk": 0.031,
    "groups": [{"tasks": ["ada", "ben"], "serves": ["ada"]}, {"tasks": ["cleo"], "serves": ["cleo"]}],
}  # fmt: skip


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(0)
    frame = {name: rng.normal(size=40) for name in ("x", "ada", "ben", "cleo")}
    return Problem.from_frame(frame, targets=["ada", "ben", "cleo"])


def _noisy(gain: float, noise: float) -> list[list]:
    rounds = _rounds([gain] * 3)
    for index, candidates in enumerate(rounds):
        candidates[2].scores[:] = 1 - gain + noise * WIGGLE[index]
    return rounds


# --- phrases and descriptions -------------------------------------------------------------------------------


def test_phrases() -> None:
    assert [percent(value) for value in (0.034, -0.0001, 1.5)] == ["3.4%", "0.0%", "150.0%"]
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert quoted(["a", "b"]) == "'a' and 'b'"


def test_groups_are_written_out() -> None:
    grouped = _candidate("grouped", "trees", [1, 1, 1], shares=True)
    assert describe(grouped) == "tasks that learn in groups (trees)"
    named = describe(grouped, [["a", "b"], ["c", "d", "e", "f", "g"]])
    assert named == "tasks that learn in groups (trees): {a, b} and {c, d, e, … 2 more}"


def test_settings_are_readable() -> None:
    tuned = Configuration("boosting", (("depth", 6), ("learning_rate", 0.0317234), ("tasks", "0-2")))
    assert settings(tuned, hidden=["tasks"]) == "boosting (depth 6, learning rate 0.0317)"
    assert settings(Configuration("ridge")) == "ridge"


# --- the course of the study --------------------------------------------------------------------------------


def test_who_left_the_race_in_the_order_of_leaving() -> None:
    told = race_sentence(RACE)
    assert told == (
        "2 contenders left the race early: chained/linear ridge after round 1, 21.0% behind the leader of its side and "
        "joint/trees forest after round 2, 8.3% behind the leader of its side; "
        "the rule: cannot lead its side (error rate 5.0%)."
    )
    assert race_sentence({**RACE, "left": []}).startswith("Nobody left")
    assert left_note(RACE["left"][0]) == "left after round 2: 8.3% behind the leader of its side"


def test_tuning_counts_what_each_strategy_got() -> None:
    told = tuning_sentence(
        {"proposals": 12, "trials": {"joint": 36, "separate": 1}, "seconds": {"joint": 41.0}}
    )
    assert (
        told
        == "Tuning tried 12 proposals for each strategy in each family: joint 36 trials in 41.0 s and separate 1 trial."
    )
    assert "good by default" in tuning_sentence({"proposals": 0, "trials": {}, "seconds": {}})


def test_groups_promise_the_shrunken_gain() -> None:
    told = groups_sentence(GROUPS)
    assert "40 trained groups" in told
    assert "{ada, ben}" in told
    assert "cleo" not in told, "who learns alone is in no group"
    assert "a gain of 5.2%, 3.1% after shrinking" in told
    alone = {**GROUPS, "groups": [{"tasks": ["ada"], "serves": ["ada"]}]}
    assert "worth keeping" in groups_sentence(alone)


# --- what would change the verdict --------------------------------------------------------------------------


def test_ropes_that_turn_the_verdict_do_turn_it(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.06] * 3))
    decision = decide(evidence)
    assert decision.outcome == "share"
    turns = rope_turns(evidence, decision)
    assert turns
    for rope, outcome in turns:
        assert rope in ROPES
        assert decide(replace(evidence, rope=rope)).outcome == outcome != decision.outcome
        nearer = [each for each in ROPES if min(rope, 0.01) < each < max(rope, 0.01)]
        assert all(decide(replace(evidence, rope=each)).outcome == decision.outcome for each in nearer)
    told = changes(problem, evidence, decision)
    assert any(f"--rope {turns[0][0]:g}" in line and f"'{turns[0][1]}'" in line for line in told)


def test_a_curve_replaces_the_rule_of_thumb(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.05] * 3))
    decision = decide(evidence)
    assert any("usually shrinks" in line for line in changes(problem, evidence, decision))
    points = [
        CurvePoint(
            n / 40, n, np.full(3, 0.8), np.full(3, 0.7), 0.3 - 0.05 * np.log(n) + np.array([0, 0.001, -0.001])
        )
        for n in (5.0, 10.0, 20.0, 40.0)
    ]
    curve = learning_curve(points, rope=0.01, confidence=0.95, overlap=0.25)
    told = changes(problem, evidence, decision, Insight(curve=curve))
    assert curve.text in told
    assert not any("usually shrinks" in line for line in told)


def test_more_labels_change_the_gain_too(problem: Problem) -> None:
    evidence = _evidence(problem, _noisy(0.02, 0.03))
    decision = decide(evidence)
    assert decision.outcome == "undecided"
    plain = needed_text(problem, evidence, decision)
    points = [
        CurvePoint(n / 32, n, np.full(3, 0.8), np.full(3, 0.7), 0.2 * n**-0.5 + np.array([0, 0.001, -0.001]))
        for n in (4.0, 8.0, 16.0, 32.0)
    ]
    curve = learning_curve(points, rope=0.01, confidence=0.95, overlap=0.25)
    told = needed_text(problem, evidence, decision, Insight(curve=curve))
    assert told.startswith(plain)
    assert "learning curve" in told[len(plain) :]


def test_a_question_that_no_labels_settle_does_not_break(problem: Problem) -> None:
    evidence = _evidence(problem, _noisy(0.01, 0.05))
    decision = decide(evidence)
    assert decision.overall is not None
    for mean in (0.0, 0.0099, 0.01, 0.0101, 0.5):
        leaning = replace(decision, overall=replace(decision.overall, mean=mean))
        told = needed_text(problem, evidence, leaning)
        assert told[0].isupper()
        assert "inf" not in told
        assert "nan" not in told


def test_tasks_near_their_limits_are_named_with_their_p(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.05] * 3))
    decision = decide(evidence)
    tasks = [
        replace(decision.tasks[0], leaning="share", p_adjusted=0.04),
        replace(decision.tasks[1], leaning="unclear", p_adjusted=0.09),
        replace(decision.tasks[2], leaning="unclear", p_adjusted=0.5),
    ]
    certain = replace(decision, tasks=(replace(tasks[0], p_adjusted=0.001),))
    assert near_limits(certain, 0.95) == []
    near = replace(decision, tasks=tuple(tasks))
    assert near_limits(near, 0.95) == [0, 1]
    (line,) = [line for line in changes(problem, evidence, near) if line.startswith("Near the limit")]
    assert "'ada' (share, 0.040) and 'ben' (unclear, 0.090)" in line
    assert "cleo" not in line


def test_power_of_a_task() -> None:
    assert task_power("x", 1400).startswith("About 1,400 more labels for task 'x'")
    assert "no number of labels" in task_power("x", None)
    assert "close to being settled" in task_power("x", 0)


def test_unfinished_rounds_are_named(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.05] * 3))
    told = changes(problem, evidence, decide(evidence), Insight(planned_rounds=10))
    assert any("Only 5 of 10 planned rounds" in line for line in told)
    finished = changes(problem, evidence, decide(evidence), Insight(planned_rounds=5))
    assert not any("planned" in line for line in finished)


# --- sentence and reasons -----------------------------------------------------------------------------------


def test_everything_learnt_is_among_the_reasons(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.05] * 3))
    gains = np.zeros((3, 3, 5))
    gains[0, 1] = -0.1 + 0.001 * WIGGLE
    insight = Insight(
        harm=harm(gains, ["ada", "ben", "cleo"], rope=0.01, confidence=0.95, overlap=0.25),
        race=RACE,
        tuning={"proposals": 12, "trials": {}, "seconds": {}},
        groups=GROUPS,
    )
    told = reasons(problem, evidence, decide(evidence), insight)
    for words in ("'ada' harms 'ben'", "left the race", "Tuning tried 12", "The best groups found"):
        assert any(words in line for line in told), words
    bare = reasons(problem, evidence, decide(evidence), NOTHING)
    assert len(told) == len(bare) + 4
    assert set(insight.as_dict()) == {"race", "tuning", "groups", "learning_curve", "harm", "hints"}
    assert all(value is None for value in NOTHING.as_dict().values())


def test_a_route_says_what_serves_the_unclear(problem: Problem) -> None:
    evidence = _evidence(problem, _rounds([0.10, 0.10, -0.05]))
    decision = decide(evidence)
    unclear = replace(decision.tasks[2], leaning="unclear")
    shared, own = decision.deploy[0], decision.deploy[2]
    told = replace(decision, outcome="route", tasks=(*decision.tasks[:2], unclear))
    assert "they keep their own models" in sentence(
        problem, evidence, replace(told, deploy=(shared, shared, own))
    )
    assert "so they share" in sentence(problem, evidence, replace(told, deploy=(shared,) * 3))
    two = replace(told, tasks=(decision.tasks[0], unclear, unclear), deploy=(shared, shared, own))
    words = sentence(problem, evidence, two)
    assert re.search("where nothing is clear 'cleo' keeps its own model and 1 other task shares", words)
