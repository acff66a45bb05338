"""The verdict on new tasks: who is compared, what is claimed, where curves cross, and what is deployed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from sharewise.errors import NotFittedError
from sharewise.problems import Problem
from sharewise.studies import Protocol
from sharewise.studies.new_tasks import Entry, NewFindings, NewRound
from sharewise.tasks import METRICS
from sharewise.verdicts import difference
from sharewise.verdicts.new_tasks import (
    NewConclusion,
    NewEvidence,
    conclude_new,
    decide_new,
    meetings,
    serving,
)
from sharewise.verdicts.new_tasks._changes import tasks_factor
from sharewise.verdicts.new_tasks._describe import describe_new, labels_words
from sharewise.verdicts.new_tasks._leaders import handovers

SHOTS = (1, 2, 5, 10, 20, 50)
PROTOCOL = Protocol("new", 0, ("separate", "joint"), ("linear", "network"))
CONTEXT = {"protocol": {"question": "new"}, "profile": {}, "warnings": [], "versions": {}}
NAMES = ("separate", "neighbours", "constant")

Curves = Mapping[tuple[str, str, str], Sequence[float]]
"""True error by strategy, family and configuration, one a number of labels; NaN where it does not serve."""


def make_findings(
    curves: Curves,
    *,
    shots: Sequence[int] = SHOTS,
    rounds: int = 5,
    tasks: int = 12,
    noise: float = 0.02,
    common: float = 0.1,
    metric: str = "rmse",
    ways: int | None = None,
    seed: int = 0,
) -> NewFindings:
    """Rounds whose test tasks scatter around the curves: `common` to all entries, `noise` their own."""
    rng = np.random.default_rng(seed)
    scale = METRICS[metric]
    found = []
    for index in range(rounds):
        hardness = np.exp(common * rng.normal(size=(1, tasks)))
        entries = []
        for (strategy, family, configuration), curve in curves.items():
            true = np.array(curve, dtype=float)[:, None]
            test = true * hardness * np.exp(noise * rng.normal(size=(len(shots), tasks)))
            valid = (true * np.exp(noise / 3 * rng.normal(size=(len(shots), 1))))[:, 0]
            score = test if scale.perfect == 0.0 else scale.perfect - test
            entries.append(
                Entry(strategy, family, configuration, strategy not in NAMES, valid, test, score, 10.0 + len(entries), 2.5,
                      1.2, 1000 * (1 + len(entries)), 3, 100)
            )  # fmt: skip
        found.append(NewRound(index, 0, tuple(entries), (tasks,) * len(shots)))
    return NewFindings(
        tuple(shots), ways, tuple(found), 0.33, rounds, (), ("a note",), scale, 30.0
    )  # fmt: skip


CROSSING = 12.0


def crossing_curves() -> dict[tuple[str, str, str], list[float]]:
    """Sharing gains 20% at one label and as much less as the logarithm grows: nothing at `CROSSING` labels."""
    own = [1.0, 0.95, 0.85, 0.75, 0.65, 0.55]
    gain = [0.2 * (1 - math.log(k) / math.log(CROSSING)) for k in SHOTS]
    return {
        ("constant", "none", "constant"): [1.1] * 6,
        ("separate", "linear", "ridge"): own,
        ("joint", "linear", "ridge"): [1.05] * 6,
        ("meta-learned", "network", "prototypes"): [e * (1 - g) for e, g in zip(own, gain, strict=True)],
    }


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(0)
    frame = {"school": np.repeat(np.arange(8), 10), "x": rng.normal(size=80), "score": rng.normal(size=80)}
    return Problem.from_frame(frame, targets="score", task="school")


def conclude(problem: Problem, findings: NewFindings, protocol: Protocol = PROTOCOL) -> NewConclusion:
    return conclude_new(problem, protocol, findings, CONTEXT)


def evidence_of(findings: NewFindings, rope: float = 0.01) -> NewEvidence:
    return NewEvidence(findings, rope, 0.95)


# --- who is compared -----------------------------------------------------------------------------------------


def test_validation_chooses_and_test_measures() -> None:
    """The configuration of lower validation error stands, though the other is better on the test tasks."""
    findings = make_findings(
        {("joint", "linear", "a"): [1.0] * 6, ("joint", "linear", "b"): [0.5] * 6}, noise=0.0
    )
    swapped = tuple(
        replace(one, entries=tuple(replace(e, valid=1.5 - e.valid) for e in one.entries))
        for one in findings.rounds
    )
    chosen = evidence_of(replace(findings, rounds=swapped)).line(("joint", "linear"))
    assert {entry.configuration for row in chosen for entry in row if entry} == {"a"}


def test_a_rounds_gain_is_that_of_the_means_over_common_tasks() -> None:
    """(2 + 4) / 2 = 3 against (1 + 2) / 2 = 1.5 on the two tasks that both serve: half of the error is saved."""
    findings = make_findings(
        {("separate", "linear", ""): [1.0], ("joint", "linear", ""): [1.0]}, shots=[5], rounds=1, tasks=3
    )
    own, shared = findings.rounds[0].entries
    own = replace(own, score=np.array([[2.0, 4.0, 9.0]]), test=np.array([[2.0, 4.0, 9.0]]))
    shared = replace(shared, score=np.array([[1.0, 2.0, np.nan]]), test=np.array([[1.0, 2.0, np.nan]]))
    evidence = evidence_of(replace(findings, rounds=(replace(findings.rounds[0], entries=(own, shared)),)))
    gains = evidence.gains(evidence.side(shares=True), evidence.side(shares=False))
    assert gains == pytest.approx(np.array([[0.5]]))


def test_accuracy_gains_are_shares_of_the_accuracy() -> None:
    """From 50% to 75% right is a gain of half, not of half the error."""
    curves = {("separate", "linear", ""): [0.5], ("joint", "linear", ""): [0.25]}
    evidence = evidence_of(make_findings(curves, shots=[5], noise=0.0, common=0.0, metric="accuracy"))
    gains = evidence.gains(evidence.side(shares=True), evidence.side(shares=False))
    assert gains == pytest.approx(np.full((5, 1), 0.5))


def test_without_validation_at_a_number_the_next_smaller_chooses() -> None:
    findings = make_findings({("joint", "linear", "a"): [1.0] * 6, ("joint", "linear", "b"): [0.5] * 6})
    blind = tuple(
        replace(
            one,
            entries=tuple(
                replace(e, valid=np.where(np.arange(6) == 5, np.nan, e.valid)) for e in one.entries
            ),
        )
        for one in findings.rounds
    )
    evidence = evidence_of(replace(findings, rounds=blind))
    assert {row[5].configuration for row in evidence.line(("joint", "linear")) if row[5]} == {"b"}
    assert serving(evidence, decide_new(evidence)) == ((1, "joint", "linear", "b"),)


# --- the outcome ---------------------------------------------------------------------------------------------


def test_sharing_better_below_a_known_crossing_is_routed(problem: Problem) -> None:
    found = conclude(problem, make_findings(crossing_curves()))
    details = found.verdict.details
    assert found.verdict.outcome == "route"
    assert [shot["outcome"] for shot in details["shots"]][:3] == ["share"] * 3
    assert details["shots"][-1]["outcome"] == "separate"
    zero = [one for one in details["crossings"] if one["of"] == "sharing" and one["level"] == 0]
    assert len(zero) == 1
    assert zero[0]["falling"]
    low, high = zero[0]["interval"]
    assert low < zero[0]["labels"] < high
    assert zero[0]["labels"] == pytest.approx(CROSSING, rel=0.25)
    assert low < CROSSING < high
    assert found.serve[0] == (1, "meta-learned", "network", "prototypes")
    assert found.serve[-1][1:] == ("separate", "linear", "ridge")
    assert found.serve[-1][0] == pytest.approx(CROSSING, abs=4)
    assert found.verdict.choice.strategy == "route"
    assert "Route by the number of labels" in str(found.verdict)
    assert "prototypes" in str(found.verdict)


def test_the_interval_of_a_crossing_keeps_its_promise() -> None:
    """Of 100 studies at least 90% hold the true crossing in their 95% interval."""
    held = 0
    for seed in range(100):
        evidence = evidence_of(make_findings(crossing_curves(), noise=0.2, tasks=8, seed=seed))
        zero = meetings(SHOTS, decide_new(evidence).gains, level=0.0, summarise=evidence.summarise)
        held += any((m.low or 0.0) <= CROSSING <= (m.high or math.inf) for m in zero)
    assert held >= 90


def test_nulls_are_never_told_apart_more_often_than_the_error_rate() -> None:
    """300 studies without any difference: a claim about any number of labels in at most 5% (and three deviations)."""
    curves = {("separate", "linear", "ridge"): [1.0] * 6, ("joint", "linear", "ridge"): [1.0] * 6}
    outcomes = [
        decide_new(evidence_of(make_findings(curves, noise=0.15, seed=seed))).outcome for seed in range(300)
    ]
    claims = sum(outcome in ("share", "separate", "route") for outcome in outcomes)
    assert claims <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)
    assert {"undecided"} <= set(outcomes)


def test_no_difference_measured_well_is_equivalent(problem: Problem) -> None:
    curves = {("separate", "linear", "ridge"): [1.0] * 6, ("joint", "linear", "ridge"): [1.0] * 6}
    found = conclude(problem, make_findings(curves, noise=0.003))
    assert found.verdict.outcome == "equivalent"
    assert found.serve == ((1, "separate", "linear", "ridge"),)  # the smaller of the two


@pytest.mark.parametrize(
    ("factor", "outcome", "serves"), [(0.8, "share", "joint"), (1.2, "separate", "separate")]
)
def test_one_side_better_everywhere(problem: Problem, factor: float, outcome: str, serves: str) -> None:
    curves = {("separate", "linear", "ridge"): [1.0] * 6, ("joint", "linear", "ridge"): [factor] * 6}
    found = conclude(problem, make_findings(curves))
    assert found.verdict.outcome == outcome
    assert found.serve == ((1, serves, "linear", "ridge"),)
    assert "whether that lasts beyond 50 labels was not measured" in str(found.verdict)
    assert not found.verdict.details["crossings"]


def test_a_small_certain_gain_is_no_claim_to_share() -> None:
    curves = {("separate", "linear", "ridge"): [1.0] * 6, ("joint", "linear", "ridge"): [0.995] * 6}
    assert decide_new(evidence_of(make_findings(curves, noise=0.001))).outcome == "equivalent"


def test_single_numbers_are_corrected_for_looking_at_all() -> None:
    """The least p-value counts six times, the next five times and no less (Holm)."""
    decision = decide_new(evidence_of(make_findings(crossing_curves(), noise=0.2)))
    raw = sorted((shot.difference.p_value or 0.0, shot.p_adjusted or 0.0) for shot in decision.shots)
    assert raw[0][1] == pytest.approx(min(1.0, 6 * raw[0][0]))
    assert raw[1][1] == pytest.approx(max(raw[0][1], min(1.0, 5 * raw[1][0])))


def test_a_single_round_decides_nothing(problem: Problem) -> None:
    found = conclude(problem, make_findings(crossing_curves(), rounds=1))
    assert found.verdict.outcome == "undecided"
    assert "fewer than two rounds" in str(found.verdict)
    assert found.serve[0][1] == "meta-learned"
    assert all(one["interval"] == [None, None] for one in found.verdict.details["crossings"])


def test_a_strategy_missing_at_many_labels(problem: Problem) -> None:
    """It serves as far as it was measured, and leaves no gap behind."""
    curves = crossing_curves()
    lost = ("meta-learned", "network", "prototypes")
    curves[lost] = [*curves[lost][:4], math.nan, math.nan]
    found = conclude(problem, make_findings(curves))
    details = found.verdict.details
    assert found.serve[0][1:] == lost
    assert found.serve[-1][1] == "separate"
    own = next(line for line in details["strategies"] if line["name"] == "meta-learned")
    assert own["by_shots"][-1]["score"] is None
    assert own["by_shots"][0]["score"] is not None
    assert own["note"] == "served no task with 20, 50 labels"
    assert details["shots"][-1]["shared"]["strategy"] == "joint"


def test_without_a_side_there_is_no_claim(problem: Problem) -> None:
    alone = {key: curve for key, curve in crossing_curves().items() if key[0] in NAMES}
    found = conclude(problem, make_findings(alone))
    assert found.verdict.outcome == "undecided"
    assert "no strategy that shares" in str(found.verdict)
    assert found.verdict.details["contrast"] is None


def test_nothing_finished_is_refused(problem: Problem) -> None:
    with pytest.raises(NotFittedError, match="at least one complete round"):
        conclude(problem, make_findings({}))
    with pytest.raises(NotFittedError, match="Name smaller ones with --shots"):
        conclude(problem, make_findings({("joint", "linear", "a"): []}, shots=[]))


# --- crossings -----------------------------------------------------------------------------------------------

SAY = partial(difference, overlap=0.33, rope=0.01, confidence=0.95)


def test_meetings_by_hand() -> None:
    """Straight from +0.1 at 1 label to -0.1 at 100 over the logarithm: zero at 10."""
    gains = np.array([[0.1, -0.1]] * 3) + np.array([[-0.01], [0.0], [0.01]])
    (one,) = meetings([1, 100], gains, level=0.0, summarise=SAY)
    assert one.labels == pytest.approx(10.0, rel=1e-6)
    assert one.falling
    assert one.clear
    (upper,) = meetings([1, 100], gains, level=0.05, summarise=SAY)
    assert upper.labels == pytest.approx(100**0.25, rel=1e-3)


def test_noise_around_zero_is_no_crossing() -> None:
    """Two turns inside one stretch that cannot be told from zero cancel."""
    around = np.array([[-0.2], [0.0], [0.2]])
    gains = np.array([[0.01, -0.01, 0.01]] * 3) + around
    assert meetings([1, 10, 100], gains, level=0.0, summarise=SAY) == ()


def test_a_crossing_that_rises() -> None:
    gains = np.array([[-0.1, 0.1]] * 3) + np.array([[-0.01], [0.0], [0.01]])
    (one,) = meetings([1, 100], gains, level=0.0, summarise=SAY)
    assert not one.falling


def test_leaders_hand_over() -> None:
    """Prototypes lead with few labels, fine-tuning with many; both share."""
    curves = {
        ("separate", "linear", "ridge"): [1.0] * 6,
        ("meta-learned", "network", "prototypes"): [0.6] * 6,
        ("transfer", "network", "whole"): [0.8, 0.75, 0.65, 0.55, 0.45, 0.4],
    }
    (one,) = handovers(evidence_of(make_findings(curves)))
    assert (one.first[0], one.then[0]) == ("meta-learned", "transfer")
    assert 5 < one.meeting.labels < 10
    assert one.meeting.clear


# --- what is deployed ----------------------------------------------------------------------------------------


def test_one_within_the_rope_of_the_best_everywhere_serves_alone() -> None:
    """Two others are best somewhere, but never by as much as the ROPE."""
    curves = {
        ("joint", "linear", "steady"): [0.500, 0.500],
        ("joint", "linear", "early"): [0.497, 0.600],
        ("joint", "linear", "late"): [0.600, 0.497],
        ("separate", "linear", "ridge"): [1.0, 1.0],
    }
    evidence = evidence_of(make_findings(curves, shots=[1, 10], noise=0.0))
    assert serving(evidence, decide_new(evidence)) == ((1, "joint", "linear", "steady"),)


def test_the_change_comes_where_validation_errors_cross() -> None:
    """0.4 behind at 1 label, 0.4 ahead at 100: they are even at 10."""
    curves = {("joint", "linear", "a"): [0.2, 0.8], ("joint", "linear", "b"): [0.6, 0.4]}
    evidence = evidence_of(make_findings(curves, shots=[1, 100], noise=0.0))
    assert serving(evidence, decide_new(evidence)) == (
        (1, "joint", "linear", "a"),
        (10, "joint", "linear", "b"),
    )


def test_what_failed_in_a_round_is_not_deployed_for_its_luck_in_the_others() -> None:
    findings = make_findings({("joint", "linear", "a"): [0.5] * 6, ("joint", "linear", "b"): [0.6] * 6})
    first = replace(findings.rounds[0], entries=findings.rounds[0].entries[1:])
    evidence = evidence_of(replace(findings, rounds=(first, *findings.rounds[1:])))
    assert serving(evidence, decide_new(evidence)) == ((1, "joint", "linear", "b"),)


# --- the record ----------------------------------------------------------------------------------------------


def holds_nan(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_nan(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(holds_nan(item) for item in value)
    return (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, str) and "nan" in value.split()
    )


@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize("ways", [None, 5])
def test_the_record_is_plain_and_complete(problem: Problem, rounds: int, ways: int | None) -> None:
    curves = crossing_curves()
    curves[("transfer", "network", "head")] = [math.nan] * 3 + [0.7] * 3
    metric = "rmse" if ways is None else "accuracy"
    shrunk = {key: [0.5 * error for error in curve] for key, curve in curves.items()}
    found = conclude(problem, make_findings(shrunk, rounds=rounds, ways=ways, metric=metric))
    details = found.verdict.as_dict()
    assert json.loads(json.dumps(details, allow_nan=False)) is not None
    assert not holds_nan(details)
    assert {
        "outcome", "sentence", "choice", "contrast", "per_task", "strategies", "because", "would_change", "shots", "curve",
        "crossings", "serve", "protocol", "profile", "warnings", "versions",
    } <= set(details)  # fmt: skip
    assert [line["name"] for line in details["strategies"]] == [key[0] for key in shrunk]
    assert [shot["k"] for shot in details["shots"]] == list(SHOTS)
    assert all(len(line["by_shots"]) == 6 for line in details["strategies"])
    assert sum(one["best"] for line in details["strategies"] for one in line["by_shots"]) == 6
    assert details["per_task"] == {}
    assert details["serve"][0]["from"] == 1


def test_what_is_no_better_than_a_constant_is_said(problem: Problem) -> None:
    curves = crossing_curves() | {("transfer", "network", "head"): [1.2] * 6}
    because = conclude(problem, make_findings(curves)).verdict.because
    floor = next(line for line in because if line.startswith("Not clearly better than a constant"))
    assert "transfer/network with 1, 2, 5, 10, 20 and 50" in floor
    assert "separate" not in floor


def test_what_was_never_finished_has_a_line(problem: Problem) -> None:
    findings = replace(
        make_findings(crossing_curves()), unfinished=("transfer/network", "joint/linear"), planned=10
    )
    verdict = conclude(problem, findings).verdict
    lost = [line for line in verdict.details["strategies"] if line["status"] == "cut"]
    assert [(line["name"], line["family"]) for line in lost] == [("transfer", "network")]
    assert any("Only 5 of 10 planned rounds" in line for line in verdict.would_change)


def test_more_tasks_settle_what_is_nearly_settled() -> None:
    """Noise that hides a gain of 10% takes few more tasks; no gain at all is settled by many."""
    near = difference(np.array([0.02, 0.18, 0.10, 0.04, 0.16]), overlap=0.33, rope=0.01, confidence=0.95)
    far = difference(np.array([-0.18, 0.18, 0.02, -0.14, 0.16]), overlap=0.33, rope=0.01, confidence=0.95)
    few, many = (tasks_factor(one, rope=0.01, confidence=0.95, looks=6) for one in (near, far))
    assert 1 < few < 10 < many


def test_words() -> None:
    assert labels_words(1, None) == "1 label"
    assert labels_words(1000, 5) == "1,000 labels of each class"
    assert describe_new("meta-learned", "network", "prototypes(width=3)").endswith("(networks: prototypes)")
    assert describe_new("constant", "none", "constant") == "a constant"
    assert describe_new("mine", "own") == "mine (own)"
