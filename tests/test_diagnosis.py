"""The diagnosis: what is seen of a network's gradients, what the study keeps of it, and what the page says."""

from __future__ import annotations

import json
import pickle
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from sharewise.errors import WorkerError
from sharewise.families import FAMILIES, Configuration, OutOfTime, Run, Sample
from sharewise.problems import Problem
from sharewise.reports import render
from sharewise.reports._diagnosis import read_hints, tone
from sharewise.studies import Bench, Clock, Plan, Protocol, TrialStore, conduct, make_progress, make_round
from sharewise.studies._diagnosis import (
    KEY,
    MOST_SECONDS,
    SHARE,
    Diagnosis,
    diagnose,
    diagnosis_job,
    diagnosis_of,
    diagnosis_seconds,
)
from sharewise.studies._spend import Spend
from sharewise.tasks import Multiclass, Regression
from sharewise.verdicts import insight_of
from sharewise.verdicts._harm import Harm, harm
from sharewise.verdicts._hints import FEWEST_PAIRS, hints
from test_reports_data import TWELVE, make_hints, make_verdict

PROTOCOL = Protocol("known", 0, ("separate", "joint"), ("linear", "network"))
PLAN = Plan(1, 5)
PLAIN = Configuration("mlp", (("learning_rate", 0.002), ("width", 16)))


def _twins(rows: int = 160) -> dict[str, Any]:
    """``a`` and ``b`` are the same, ``c`` is their opposite, and ``d`` is a class."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, rows))
    signal = x + 0.5 * z**2
    return {"x": x, "z": z, "a": signal, "b": signal + 0.01 * rng.normal(size=rows), "c": -signal, "d": z > 0}


@pytest.fixture(scope="module")
def wide() -> Problem:
    return Problem.from_frame(_twins(), targets=["a", "b", "c", "d"], kinds={"d": "binary"})


@pytest.fixture(scope="module")
def long() -> Problem:
    frame = _twins()
    clinics = np.array([f"c{i % 3}.{i % 3}" for i in range(160)])  # networks refuse a name with a point
    return Problem.from_frame(
        {"x": frame["x"], "z": frame["z"], "y": frame["a"], "clinic": clinics}, targets=["y"], task="clinic"
    )


def _seen(problem: Problem, deadline: float | None = None) -> Diagnosis:
    record = diagnosis_job(PROTOCOL, PLAN, problem, deadline)
    assert record["status"] == "done", record
    return Diagnosis.of(json.loads(json.dumps(record["seen"], allow_nan=False)))


@pytest.fixture(scope="module")
def seen(wide: Problem) -> Diagnosis:
    return _seen(wide)


# --- what is seen -------------------------------------------------------------------------------------------


def test_every_number_has_its_shape_and_range(seen: Diagnosis) -> None:
    assert seen.tasks == ("a", "b", "c", "d")
    assert seen.lengths.shape == (seen.epochs, 4)
    assert (seen.lengths > 0).all()
    assert seen.cosine.shape == seen.conflict.shape == (seen.epochs,)
    assert (np.abs(seen.cosine) <= 1).all()
    assert ((seen.conflict >= 0) & (seen.conflict <= 1)).all()
    assert seen.steps >= seen.epochs
    for matrix in (seen.cosines, seen.similarity):
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-4)
        np.testing.assert_allclose(matrix.diagonal(), 1.0, atol=1e-4)
    np.testing.assert_array_equal(seen.apart, seen.apart.T)
    assert np.isnan(seen.apart.diagonal()).all()


def test_tasks_that_are_the_same_look_the_same(seen: Diagnosis) -> None:
    off = seen.apart[0, [2, 3]]
    assert seen.apart[0, 1] < off.min(), "twins pull apart least"
    assert seen.cosines[0, 1] > seen.cosines[0, 3]
    assert seen.lookahead[0, 1] > 0, "a step on a helps its twin"
    assert seen.lookahead[0, 1] > seen.lookahead[0, 3]


def test_the_mean_over_pairs_is_what_the_pairs_say(seen: Diagnosis) -> None:
    # Wide rows without gaps: every step has every pair, so plain means agree.
    upper = np.triu_indices(4, 1)
    assert seen.conflict.mean() == pytest.approx(seen.apart[upper].mean(), abs=1e-3)


def test_the_same_seed_sees_the_same(wide: Problem, seen: Diagnosis) -> None:
    again = replace(_seen(wide), seconds=seen.seconds)
    assert again.as_dict() == seen.as_dict()


def test_levels_of_a_long_problem_are_tasks(long: Problem) -> None:
    seen = _seen(long)
    assert seen.tasks == tuple(task.name for task in long.tasks)
    assert np.isfinite(seen.lookahead).all()


def test_the_users_own_encoder_is_watched_and_left_as_it_was() -> None:
    rows = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    encoder = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh())
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    problem = Problem.from_datasets(
        {
            "size": (TensorDataset(rows, rows[:, 0]), Regression()),
            "side": (TensorDataset(rows, (rows[:, 1] > 0).long()), Multiclass(2)),
        },
        encoder,
    )
    seen = _seen(problem)
    assert seen.tasks == ("size", "side")
    assert np.isfinite(seen.similarity).all()
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_a_task_without_labels_to_learn_from_is_left_out(wide: Problem) -> None:
    labels = wide.labels.copy()
    labels[3:, 2] = np.nan
    seen = _seen(replace(wide, labels=labels))
    assert seen.tasks == ("a", "b", "d")


def test_the_onlooker_is_the_plain_sum_and_counts_by_hand() -> None:
    from sharewise.studies._watch import Onlooker

    onlooker = Onlooker()
    onlooker.start(3)
    gramian = np.array([[4.0, -3.0], [-3.0, 9.0]])  # lengths 2 and 3, cosine -1/2
    present = np.array([True, False, True])
    np.testing.assert_array_equal(onlooker(gramian, present=present), [1.0, 1.0])
    np.testing.assert_array_equal(onlooker(np.abs(gramian), present=present), [1.0, 1.0])
    onlooker.after_epoch()
    (notes,) = onlooker.epochs
    np.testing.assert_allclose(notes.lengths, [4.0, 0.0, 6.0])
    np.testing.assert_allclose(notes.told, [2.0, 0.0, 2.0])
    assert notes.over_pairs(notes.cosines) == pytest.approx(0.0)
    assert notes.over_pairs(notes.apart) == pytest.approx(0.5)
    assert notes.met[0, 1] == 0


def test_little_time_leaves_out_what_comes_last(wide: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    from sharewise.studies import _watch

    around = make_round(wide, PROTOCOL, PLAN, 0)
    sample = Sample.of(wide, around.train, around.folds)
    with pytest.raises(OutOfTime):
        _watch.watch(wide, sample, PLAIN, Run(seed=0, deadline=time.monotonic() - 1.0))
    monkeypatch.setattr(_watch, "_similarity", lambda lesson, run: np.full((4, 4), np.nan))
    found = _watch.watch(wide, sample, PLAIN, Run(seed=0))
    assert found is not None
    again = Diagnosis.of(json.loads(json.dumps(found.as_dict(), allow_nan=False)))
    assert np.isnan(again.similarity).all()
    assert np.isfinite(again.lookahead).all()


# --- what the study makes of it -----------------------------------------------------------------------------


@dataclass
class Runner:
    """Runs jobs here; counts them."""

    problem: Problem
    error: Exception | None = None
    jobs: int = 0
    count: int = 1

    def map(self, jobs: Any, time_left: Any) -> Iterator[tuple[int, Any]]:
        self.jobs += len(jobs)
        if self.error is not None:
            raise self.error
        left = time_left()
        for place, job in enumerate(jobs):
            yield place, job(self.problem, None if left is None else time.monotonic() + left)

    def close(self) -> None:
        """Nothing."""


def _bench(problem: Problem, budget: float | None = None, before: float = 0.0, **protocol: Any) -> Bench:
    rules = replace(PROTOCOL, budget=budget, **protocol)
    clock = Clock(budget, before)
    return Bench(problem, rules, TrialStore(None), Runner(problem), clock, make_progress(quiet=True))


def test_it_is_made_once_and_kept(wide: Problem) -> None:
    bench = _bench(wide)
    diagnose(bench, PLAN, 1.0)
    first, failed = diagnosis_of(bench)
    assert first is not None
    assert failed is None
    diagnose(bench, PLAN, 1.0)
    again, _ = diagnosis_of(bench)
    assert again is not None
    assert again.as_dict() == first.as_dict()
    assert bench.workers.jobs == 1  # type: ignore[attr-defined]


def test_without_time_there_is_none_also_later(wide: Problem) -> None:
    bench = _bench(wide, budget=60.0, before=58.0)
    diagnose(bench, PLAN, 2.0)
    assert bench.store.get(KEY) == {"status": "cut"}
    assert diagnosis_of(bench) == (None, None)
    later = replace(bench, clock=Clock(600.0))
    diagnose(later, PLAN, 2.0)
    assert bench.workers.jobs == 0  # type: ignore[attr-defined]


def test_a_failure_harms_nobody(wide: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = replace(_bench(wide), workers=Runner(wide, WorkerError("it died.")))
    diagnose(bench, PLAN, 1.0)
    assert diagnosis_of(bench) == (None, "it died.")

    def broken(*_: object, **__: object) -> tuple[Configuration, ...]:
        raise ValueError("no network today")

    monkeypatch.setattr(FAMILIES["network"], "configurations", broken)
    assert diagnosis_job(PROTOCOL, PLAN, wide, None) == {
        "status": "failed",
        "why": "ValueError: no network today",
    }


@pytest.mark.parametrize(
    ("plan", "protocol", "seconds"),
    [
        (PLAN, {}, 60 * SHARE),
        (replace(PLAN, effort=0), {}, 0.0),
        (PLAN, {"families": ("linear", "trees")}, 0.0),
        (PLAN, {"budget": None}, MOST_SECONDS),
        (PLAN, {"budget": 1e6}, MOST_SECONDS),
    ],
)
def test_when_it_is_made(wide: Problem, plan: Plan, protocol: dict[str, Any], seconds: float) -> None:
    bench = _bench(wide, **{"budget": 60.0, **protocol})
    assert diagnosis_seconds(bench, plan) == pytest.approx(seconds)


def test_many_tasks_have_none() -> None:
    rng = np.random.default_rng(0)
    frame = {f"t{i}": rng.normal(size=40) for i in range(18)}
    for count, seconds in ((16, MOST_SECONDS), (17, 0.0)):
        problem = Problem.from_frame(frame, targets=[f"t{i}" for i in range(count)])
        assert diagnosis_seconds(_bench(problem), PLAN) == seconds


def test_the_job_travels_to_a_worker(wide: Problem) -> None:
    job = pickle.loads(pickle.dumps(partial(diagnosis_job, PROTOCOL, PLAN)))
    assert job(wide, time.monotonic() - 1.0) == {"status": "cut"}


@pytest.mark.slow
def test_a_study_carries_it_to_the_record_and_walks_the_same_way_again(wide: Problem) -> None:
    bench = _bench(wide)
    bench.store.put("plan", asdict(Plan(1, 2)))
    bench.store.put("spend", asdict(Spend(0, 0, 2, False)))
    records = []
    for _ in range(2):
        found = conduct(bench)
        assert found.diagnosis is not None
        assert not found.notes
        records.append(
            json.dumps(insight_of(wide, bench.protocol, found).as_dict()["hints"], allow_nan=False)
        )
    assert records[0] == records[1]
    assert '"rank_correlation": null' in records[0], "nothing was left out of a joint model here"
    bench.store.put(KEY, {"status": "failed", "why": "it died."})
    assert conduct(bench).notes == ("There are no hints from gradients: it died.",)


# --- what the trainings say of it ---------------------------------------------------------------------------

NAMES = ("ada", "ben", "cleo")


def _diagnosis(lookahead: list[list[float]]) -> Diagnosis:
    count = len(lookahead)
    names = NAMES[:count]
    square = np.full((count, count), 0.25)
    np.fill_diagonal(square, np.nan)
    return Diagnosis(
        names, "mlp()", 90, 30, 2, 10, 1.0, np.ones((2, count)), np.array([0.2, 0.1]), np.array([0.2, 0.3]),
        square, np.array(lookahead), np.eye(count), np.full((count, count), np.nan),
    )  # fmt: skip


def _harm(effects: dict[tuple[int, int], float], count: int = 3) -> Harm:
    gains = np.zeros((count, count, 5)) + 0.0001 * np.array([-2, -1, 0, 1, 2])
    for (giver, receiver), effect in effects.items():
        gains[giver, receiver] += effect
    gains[np.arange(count), np.arange(count)] = np.nan
    return harm(gains, NAMES[:count], rope=0.01, confidence=0.95, overlap=0.25)


HELPFUL = [[0.5, 0.2, 0.1], [0.2, 0.5, 0.1], [0.1, 0.1, 0.5]]


def test_a_contradiction_is_named() -> None:
    found = hints(_diagnosis(HELPFUL), _harm({(0, 1): -0.1}))
    pairs = [(one.giver, one.receiver) for one in found.against]
    assert ("ada", "ben") in pairs
    assert "by training, 'ada' harms 'ben' by 10.0%, where the lookahead sees help" in found.verdict
    assert found.verdict.startswith("The drop-one trainings contradict these hints in")
    assert found.as_dict()["against"][-1]["to"] == "ben"


def test_agreement_contradicts_nothing() -> None:
    found = hints(_diagnosis(HELPFUL), _harm({(0, 1): 0.1}))
    assert found.against == ()
    assert found.clear
    assert "contradicts these hints" in found.verdict
    assert found.pairs == FEWEST_PAIRS
    assert found.agreement is not None


def test_the_rank_correlation_by_hand() -> None:
    # Effects 1 to 6 in the order of the lookahead, and in the opposite order.
    places = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    ahead = np.eye(3)
    for rank, place in enumerate(places, start=1):
        ahead[place] = 0.1 * rank
    for sign in (1, -1):
        effects = {place: sign * 0.02 * rank for rank, place in enumerate(places, start=1)}
        found = hints(_diagnosis(ahead.tolist()), _harm(effects))
        assert found.agreement == pytest.approx(sign)


def test_a_faint_hint_contradicts_nothing() -> None:
    faint = [[0.5, 0.001, 0.1], [0.2, 0.5, 0.1], [0.1, 0.1, 0.5]]
    found = hints(_diagnosis(faint), _harm({(0, 1): -0.1}))
    assert ("ada", "ben") not in [(one.giver, one.receiver) for one in found.against]


def test_without_trainings_nothing_bears_them_out() -> None:
    found = hints(_diagnosis([[0.5, 0.1], [0.1, 0.5]]), None)
    assert found.clear is None
    assert "nothing bears these hints out" in found.verdict
    nothing = hints(_diagnosis([[0.5, 0.1], [0.1, 0.5]]), _harm({}, 2))
    assert nothing.clear == 0
    assert nothing.agreement is None, "two pairs have no rank correlation worth telling"
    assert "found no clear effect" in nothing.verdict


# --- the page -----------------------------------------------------------------------------------------------


def test_the_section_warns_draws_and_maps() -> None:
    tasks = ["lang", "arith", "reading"]
    page = render(make_verdict(tasks, TWELVE) | {"hints": make_hints(tasks)}, [])
    section = page[page.index('<section id="hints"') : page.index('<section id="cost"')]
    assert "known to mislead" in section
    assert section.index("known to mislead") < section.index("<svg"), "the warning comes first"
    assert section.count("<svg") == 2 + len(tasks)
    assert section.count('class="heat"') == 3
    for points in re.findall(r'points="([^"]*)"', section):
        for pair in points.split():
            x, y = (float(part) for part in pair.split(","))
            assert 34 <= x <= 154
            assert 8 <= y <= 84


def test_maps_leave_out_what_a_task_does_to_itself() -> None:
    found = read_hints({"hints": make_hints(["a", "b"])})
    assert found is not None
    assert found.ahead is not None
    cells = [[cell.step for cell in row] for _, row in found.ahead.rows]
    assert [cells[i][i] for i in range(2)] == ["n", "n"]
    assert [tone(value, 1.0) for value in (None, 0.05, 0.2, 0.6, -0.2, -1.0)] == [
        "n", "z", "g1", "g2", "h1", "h2"
    ]  # fmt: skip


def test_many_tasks_and_damaged_records_are_drawn_as_far_as_they_go() -> None:
    many = read_hints({"hints": make_hints([f"t{i}" for i in range(30)])})
    assert many is not None
    assert (many.panels, many.ahead, many.maps) == ((), None, ())
    bare = read_hints({"hints": {"tasks": ["a", "b"], "lengths": [[1.0], None], "lookahead": "no"}})
    assert bare is not None
    assert (bare.panels, bare.ahead, bare.maps) == ((), None, ())
    assert [row.cells[1] for row in bare.table.rows] == ["1.000", "–"]
