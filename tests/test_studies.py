"""The protocol, the plan, the store, the workers, and what is assembled from trials."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sharewise.errors import OptionError, StorageError
from sharewise.families import Configuration
from sharewise.problems import Problem
from sharewise.studies import (
    BEST,
    BLEND,
    CONSTANT,
    Candidate,
    Clock,
    Plan,
    Protocol,
    Result,
    Round,
    Spec,
    TrialStore,
    assemble,
    check_same_study,
    make_round,
    parse_budget,
    run_trial,
    specs_for,
)
from sharewise.studies._execution import InProcess, Pool
from sharewise.studies._held_out import HeldOut
from sharewise.studies._plan import LADDER, LEAST_CAP, Scouted, choose_plan
from sharewise.studies._protocol import rounds_at_most
from sharewise.tasks import METRICS
from worker_jobs import fail, kill_always, kill_once, seconds_left, square, wait_for_the_end

PROTOCOL = Protocol("known", 0, ("separate", "joint", "chained", "ensemble"), ("linear",))
PLAN = Plan(0, 3)


def _frame(n: int, seed: int = 0) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    return {"x": x, "z": z, "a": x + rng.normal(size=n), "b": x - z + rng.normal(size=n)}


@pytest.fixture(scope="module")
def wide() -> Problem:
    return Problem.from_frame(_frame(80), targets=["a", "b"])


@pytest.fixture(scope="module")
def long() -> Problem:
    rng = np.random.default_rng(1)
    frame = _frame(120)
    del frame["b"]
    frame["school"] = [f"s{code}" for code in rng.integers(0, 6, size=120)]
    return Problem.from_frame(frame, targets=["a"], task="school")


@pytest.fixture(scope="module")
def grouped() -> Problem:
    frame = _frame(90) | {"family": [f"f{i // 4}" for i in range(90)]}
    return Problem.from_frame(frame, targets=["a", "b"], group="family")


@pytest.fixture(scope="module")
def timed() -> Problem:
    day = np.random.default_rng(2).integers(0, 50, size=90).astype(float)
    return Problem.from_frame(_frame(90) | {"day": day}, targets=["a", "b"], time="day")


# --- budgets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("5min", 300), ("1.5h", 5400), ("1h30min", 5400), ("2 m", 120), ("0.5H", 1800),
        (" 20 ", 20), ("1d", 86400), (42, 42), (12.5, 12.5), (None, None),
    ],
)  # fmt: skip
def test_budgets_as_people_write_them(text: str | float | None, seconds: float | None) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "soon",
        "5 apples",
        "5min!",
        "-5min",
        "1s",
        0,
        -3,
        True,
        float("inf"),
        float("nan"),
        "s5",
        "5m x",
    ],
)
def test_other_budgets_are_refused_with_a_way_out(text: str | float) -> None:
    with pytest.raises(OptionError, match="a budget is"):
        parse_budget(text)


# --- rounds -------------------------------------------------------------------------------------------------


def _rounds(problem: Problem, **plan: object) -> Iterator[Round]:
    for index in range(rounds_at_most(problem, PROTOCOL)):
        yield make_round(problem, PROTOCOL, replace(PLAN, **plan), index)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["wide", "long", "grouped", "timed"])
@pytest.mark.parametrize("effort", [0, 3])
def test_rounds_never_mix_rows(name: str, effort: int, request: pytest.FixtureRequest) -> None:
    problem: Problem = request.getfixturevalue(name)
    tests = []
    for around in _rounds(problem, effort=effort):
        assert not set(around.train) & set(around.test)
        inner = [row for _, valid in around.folds for row in valid]
        assert len(inner) == len(set(inner)), "a row is held out once"
        for train, valid in around.folds:
            assert not set(train) & set(valid)
            assert set(train) | set(valid) <= set(around.train), "inner folds never see a test row"
        tests.append(np.sort(around.test))
    if problem.time is None:
        for repeat in (tests[:5], tests[5:]):
            np.testing.assert_array_equal(np.sort(np.concatenate(repeat)), np.arange(len(problem)))
        assert not all(np.array_equal(a, b) for a, b in zip(tests[:5], tests[5:], strict=True))


def test_groups_stay_whole(grouped: Problem) -> None:
    assert grouped.group is not None
    for around in _rounds(grouped):
        for train, other in ((around.train, around.test), *around.folds):
            assert not set(grouped.group[train]) & set(grouped.group[other])


def test_past_before_future(timed: Problem) -> None:
    assert timed.time is not None
    assert rounds_at_most(timed, PROTOCOL) == 5, "nothing to shuffle, so one repeat"
    for around in _rounds(timed):
        for train, later in ((around.train, around.test), *around.folds):
            assert timed.time[train].max() < timed.time[later].min()


def test_a_cap_takes_training_rows_only(wide: Problem) -> None:
    for whole, capped in zip(_rounds(wide), _rounds(wide, cap=30), strict=True):
        assert len(capped.train) == 30
        assert set(capped.train) <= set(whole.train)
        np.testing.assert_array_equal(capped.test, whole.test)


def test_rounds_repeat_with_the_seed(wide: Problem) -> None:
    one, same, other = (make_round(wide, replace(PROTOCOL, seed=seed), PLAN, 1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.test, same.test)
    assert one.seed == same.seed != other.seed
    assert not np.array_equal(one.test, other.test)


def test_rounds_tell_no_task_its_share_of_classes() -> None:
    # Labels are noise. A small task's own share of classes, learnt from training rows, must not beat the
    # share over all tasks on test rows; it does where folds deal each task's classes out evenly.
    own, pooled = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        frame = {
            "x": rng.normal(size=240),
            "y": rng.integers(0, 2, 240),
            "t": [f"t{i // 8}" for i in range(240)],
        }
        problem = Problem.from_frame(frame, targets=["y"], task="t")
        y, level = problem.labels[:, 0], problem.level
        assert level is not None
        for index in range(5):
            around = make_round(problem, replace(PROTOCOL, seed=seed), PLAN, index)
            ones = np.bincount(level[around.train], weights=y[around.train], minlength=30)
            share = (ones + 0.5) / (np.bincount(level[around.train], minlength=30) + 1)
            truth, at = y[around.test], level[around.test]
            own.append(np.mean((truth - share[at]) ** 2))
            pooled.append(np.mean((truth - y[around.train].mean()) ** 2))
    # Eight rows a task: knowing the task's six others costs about 1/8 of the variance, it cannot help.
    assert np.mean(own) > np.mean(pooled)


# --- trials -------------------------------------------------------------------------------------------------


def test_specs_start_with_the_floor_and_have_keys_of_their_own(wide: Problem) -> None:
    specs = [spec for index in range(3) for spec in specs_for(wide, PROTOCOL, PLAN, index)]
    assert specs[0].strategy == CONSTANT
    assert len({spec.key for spec in specs}) == len(specs)
    assert {spec.strategy for spec in specs} == {CONSTANT, "separate", "joint", "chained"}


def test_a_long_problem_has_no_chain(long: Problem) -> None:
    assert {spec.strategy for spec in specs_for(long, PROTOCOL, PLAN, 0)} == {CONSTANT, "separate", "joint"}


def test_a_trial_is_done_cut_or_failed(wide: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = specs_for(wide, PROTOCOL, PLAN, 0)[1]
    done = run_trial(wide, PROTOCOL, spec, None)
    assert (done.status, done.message) == ("done", None)
    assert done.fits > 0
    assert done.size_bytes > 0
    assert done.peak_memory_bytes > 1e6
    around = make_round(wide, PROTOCOL, PLAN, 0)
    assert [len(values) for values in done.held_out] == [len(around.train)] * 2
    assert [len(values) for values in done.test] == [len(around.test)] * 2
    cut = run_trial(wide, PROTOCOL, spec, time.monotonic() - 1)
    assert (cut.status, cut.test) == ("cut", [])

    def fails(*_: object) -> None:
        raise ValueError("no such luck")

    monkeypatch.setattr("sharewise.studies._trial.fit_recipes", fails)
    failed = run_trial(wide, PROTOCOL, spec, None)
    assert failed.status == "failed"
    assert failed.message == "ValueError: no such luck"


# --- the plan -----------------------------------------------------------------------------------------------


def _result(spec: Spec, *, seconds: float = 1.0, status: str = "done", **values: object) -> Result:
    return Result(spec, status, seconds, 1, 1, 1000, 100, 1.0, None, [], [], **values)  # type: ignore[arg-type]


def _scouted(seconds: float, rows: int = 1500) -> Scouted:
    """A scouting round in which every trial took ``seconds``."""
    families = ("linear", "trees", "network")
    specs = [Spec(0, 0, None, "separate", family, Configuration("c")) for family in families]
    results = [_result(spec, seconds=seconds) for spec in specs]
    return Scouted.of(results, specs, rows=rows, workers=2)


@dataclass
class _Stopped:
    """A clock that stands still."""

    budget: float | None

    def left(self, *, reserve: float = 0.0) -> float | None:
        return None if self.budget is None else self.budget - reserve


def _plan(budget: float | None, *, seconds: float = 1.0, rows: int = 4000, most: int = 10) -> Plan:
    scouted = _scouted(seconds, min(rows, 1500))
    clock: Clock = _Stopped(budget)  # type: ignore[assignment]
    return choose_plan(scouted, clock, most_rounds=most, all_rows=rows * 5 // 4, train_rows=rows)


def test_more_budget_never_buys_less() -> None:
    plans = [_plan(budget) for budget in np.geomspace(5, 50_000, 60)]
    rows = [plan.cap or 4000 for plan in plans]
    assert rows == sorted(rows)
    whole = [plan for plan in plans if plan.cap is None]
    ladder = [(plan.effort, plan.rounds) for plan in whole]
    assert [LADDER.index(rung) for rung in ladder] == sorted((LADDER.index(r) for r in ladder), reverse=True)
    work = [plan.effort * plan.rounds for plan in whole]
    assert work == sorted(work)
    assert ladder[-1] == LADDER[0]


def test_without_a_bound_everything_is_tried() -> None:
    plan = _plan(None, seconds=1e6)
    assert (plan.effort, plan.rounds, plan.cap) == (3, 10, None)
    assert _plan(None, most=4).rounds == 4


def test_a_tiny_budget_takes_fewer_rows_but_at_least_two_rounds() -> None:
    plan = _plan(6, seconds=2.0)
    assert plan.effort == 0
    assert plan.cap is not None
    assert LEAST_CAP <= plan.cap < 4000
    assert plan.rounds >= 2
    assert _plan(6, seconds=100.0, rows=200).cap is None, "a small table is not cut further"


def test_the_plan_fits_its_own_estimate() -> None:
    for budget in (30, 100, 300, 1000, 3000):
        plan = _plan(budget)
        if plan.cap is None:
            assert _scouted(1.0).rounds_seconds(plan.effort, 4000, plan.rounds) <= budget


# --- the store ----------------------------------------------------------------------------------------------


def _full(spec: Spec) -> Result:
    rng = np.random.default_rng(0)
    held, test = rng.normal(size=(7, 1)).astype(np.float32), rng.random(size=(3, 2)).astype(np.float32)
    held[2] = np.nan
    return Result(
        spec, "done", 1.25, 3, 40, 10_000, 512, 0.75, None,
        [held.astype(float), held.astype(float) * 2], [test.astype(float), test.astype(float)], 0.25,
    )  # fmt: skip


@pytest.fixture
def specs(wide: Problem) -> list[Spec]:
    return specs_for(wide, PROTOCOL, PLAN, 0) + specs_for(wide, PROTOCOL, replace(PLAN, cap=30), 1)


def test_trials_come_back_to_the_bit(tmp_path: Path, specs: list[Spec]) -> None:
    store = TrialStore(tmp_path / "trials.sqlite")
    for spec in specs:
        store.add(_full(spec))
    store.add(
        replace(_full(specs[1]), status="cut", test=[], held_out=[], predict_ms_per_1000_rows=float("nan"))
    )
    store.put("plan", {"effort": 2})
    store.close()
    again = TrialStore(tmp_path / "trials.sqlite")
    assert again.get("plan") == {"effort": 2}
    assert again.get("nothing") is None
    found = {result.spec.key: result for result in again.results()}
    assert set(found) == {spec.key for spec in specs}
    assert again.statuses() == {spec.key: "cut" if spec == specs[1] else "done" for spec in specs}
    kept, given = found[specs[0].key], _full(specs[0])
    assert replace(kept, held_out=[], test=[]) == replace(given, held_out=[], test=[])
    assert kept.spec == specs[0]
    for one, other in zip(kept.held_out + kept.test, given.held_out + given.test, strict=True):
        np.testing.assert_array_equal(one, other)
    cut = found[specs[1].key]
    assert np.isnan(cut.predict_ms_per_1000_rows)
    assert cut.test == []
    assert {result.spec.index for result in again.results(index=1)} == {1}
    assert all(result.test == [] for result in again.results(predictions=False))
    again.close()


def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, specs: list[Spec]) -> None:
    path = tmp_path / "trials.sqlite"
    store = TrialStore(path)
    store.add(_full(specs[0]))
    store.close()
    whole = path.read_bytes()
    for place in (0, 30, len(whole) // 2, len(whole) - 40):
        damaged = bytearray(whole)
        damaged[place : place + 16] = os.urandom(16)
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match="move it away"):
            _read(path)
        assert path.read_bytes() == damaged
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(StorageError):
        _read(path)


def _read(path: Path) -> None:
    store = TrialStore(path)
    try:
        store.results()
        store.get("settings")
    finally:
        store.close()


def test_another_study_is_refused_by_what_differs(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "trials.sqlite")
    check_same_study(store, {"data": "abc", "seed": 0})
    check_same_study(store, {"data": "abc", "seed": 0})
    with pytest.raises(StorageError, match="other seed; choose another"):
        check_same_study(store, {"data": "abc", "seed": 1})
    with pytest.raises(StorageError, match="other data, seed"):
        check_same_study(store, {"data": "xyz", "seed": 1})
    store.close()


# --- workers ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool(wide: Problem) -> Iterator[Pool]:
    pool = Pool(wide, 2)
    yield pool
    pool.close()


def _never() -> None:
    return None


def test_a_pool_gives_what_one_process_gives(wide: Problem, pool: Pool) -> None:
    jobs = [partial(square, value) for value in range(7)]
    here = {place: result[:2] for place, result in InProcess(wide).map(jobs, _never)}
    there = dict(pool.map(jobs, _never))
    assert here == {place: result[:2] for place, result in there.items()}
    assert here == {place: (place * place, 80) for place in range(7)}
    assert os.getpid() not in {result[2] for result in there.values()}


def test_trials_are_the_same_wherever_they_run(wide: Problem, pool: Pool) -> None:
    from sharewise.studies._jobs import trial_jobs

    jobs = trial_jobs(PROTOCOL, specs_for(wide, PROTOCOL, PLAN, 0))
    here, there = dict(InProcess(wide).map(jobs, _never)), dict(pool.map(jobs, _never))
    assert len(here) == len(jobs)
    for place, results in here.items():
        for result, twin in zip(results, there[place], strict=True):
            assert result.status == twin.status == "done"
            for one, other in zip(result.held_out + result.test, twin.held_out + twin.test, strict=True):
                np.testing.assert_array_equal(one, other)


def test_a_jobs_own_error_is_passed_on(wide: Problem, pool: Pool) -> None:
    for workers in (InProcess(wide), pool):
        with pytest.raises(ValueError, match="own fault"):
            list(workers.map([fail], _never))


def test_jobs_are_told_their_deadline_and_none_begins_after_it(wide: Problem, pool: Pool) -> None:
    for workers in (InProcess(wide), pool):
        (told,) = [result for _, result in workers.map([seconds_left], lambda: 30.0)]
        assert told is not None
        assert 29 < told <= 30
        assert list(workers.map([seconds_left], lambda: 0.0)) == []


def test_a_killed_worker_loses_only_its_job(wide: Problem, pool: Pool, tmp_path: Path) -> None:
    killer: Callable[..., object] = partial(kill_once, str(tmp_path / "flag"))
    jobs = [partial(square, 1), killer, *[partial(square, value) for value in range(2, 6)]]
    found = list(pool.map(jobs, _never))  # type: ignore[arg-type]
    assert sorted(place for place, _ in found) == list(range(6)), "each exactly once"
    assert dict(found)[1] == "survived"


@pytest.mark.slow
def test_a_worker_killed_between_jobs_is_replaced(pool: Pool, tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    jobs = [partial(wait_for_the_end, str(waiting)), *[partial(square, value) for value in range(1, 5)]]
    found = {}
    for place, result in pool.map(jobs, _never):  # type: ignore[arg-type]
        found[place] = result
        if len(found) == 1:  # while we look at this result, the worker that still waits is killed
            _until(waiting.exists)
            os.kill(int(waiting.read_text()), signal.SIGKILL)
            _until(lambda: any(seat._flags.broken is not None for seat in pool._seats.values()))
    assert sorted(found) == list(range(5))
    assert found[0] == "run again"


def _until(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


@pytest.mark.slow
def test_a_job_that_always_kills_its_worker_ends_in_a_clear_error(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharewise.studies._execution.MOST_DEATHS", 2)
    with pytest.raises(Exception, match=r"(?is)worker.*(terminated|killed|died)|memory"):
        list(pool.map([kill_always, partial(square, 1)], _never))  # type: ignore[list-item]
    assert dict(pool.map([partial(square, 3)], _never))[0][0] == 9, "the pool goes on"


# --- what is assembled --------------------------------------------------------------------------------------


def _noise_results(problem: Problem, around: Round, count: int) -> list[Result]:
    """The constant, and separate and joint "models" that guess at random."""
    rng = np.random.default_rng(5)

    def result(spec: Spec, guess: Callable[[int], np.ndarray]) -> Result:
        held = [guess(len(around.train)) for _ in problem.targets]
        return replace(_result(spec), held_out=held, test=[guess(len(around.test)) for _ in problem.targets])

    floor = Spec(0, 0, None, CONSTANT, "none", Configuration("mean"))
    found = [result(floor, lambda n: np.zeros((n, 1)))]
    for place in range(count):
        strategy = ("separate", "joint")[place % 2]
        spec = Spec(0, 0, None, strategy, "linear", Configuration(f"c{place}"))
        found.append(result(spec, lambda n: 0.5 * rng.normal(size=(n, 1))))
    return found


def _noise(n: int = 100) -> Problem:
    rng = np.random.default_rng(6)
    return Problem.from_frame(
        {"x": rng.normal(size=n), "a": rng.normal(size=n), "b": rng.normal(size=n)}, targets=["a", "b"]
    )


def test_choosing_among_many_guesses_is_not_rewarded() -> None:
    problem = _noise()
    around = make_round(problem, PROTOCOL, PLAN, 0)
    found = {c.name: c for c in assemble(problem, around, _noise_results(problem, around, 40))}
    assert found["constant/none"].inner == pytest.approx(1.0)
    for name in (
        f"ensemble/{BLEND}",
        f"separate/{BLEND}",
        f"separate/{BEST}",
        "separate/linear",
        "joint/linear",
    ):
        assert found[name].inner > 0.99, name


def test_candidates_of_a_wide_and_a_long_problem(wide: Problem, long: Problem) -> None:
    own = {
        "constant/none",
        "separate/linear",
        "separate/best",
        "separate/blend",
        "joint/linear",
        "ensemble/blend",
    }
    for problem, names in ((wide, own | {"chained/linear"}), (long, own)):
        found = _assembled(problem)
        assert {candidate.name for candidate in found} == names
        assert found[0].name == "constant/none"
        for candidate in found:
            assert candidate.weights.shape == (len(problem.tasks), len(candidate.recipes))
            np.testing.assert_allclose(candidate.weights.sum(axis=1), 1)
            assert candidate.scores.shape == (len(problem.tasks),)
            assert candidate.shares == (candidate.strategy in ("joint", "chained", "ensemble"))
            if candidate.strategy == "separate":
                strategies = {
                    candidate.recipes[p].strategy for p in np.flatnonzero(candidate.weights.any(axis=0))
                }
                assert strategies <= {"separate", CONSTANT}, "models apart never use a shared one"


def _assembled(problem: Problem) -> list[Candidate]:
    around = make_round(problem, PROTOCOL, PLAN, 0)
    results = [run_trial(problem, PROTOCOL, spec, None) for spec in specs_for(problem, PROTOCOL, PLAN, 0)]
    assert {result.status for result in results} == {"done"}
    return assemble(problem, around, results)


def test_scores_are_those_of_the_test_rows(wide: Problem) -> None:
    around = make_round(wide, PROTOCOL, PLAN, 0)
    specs = specs_for(wide, PROTOCOL, PLAN, 0)
    results = [run_trial(wide, PROTOCOL, spec, None) for spec in specs]
    (joint,) = [c for c in assemble(wide, around, results) if c.name == "joint/linear"]
    (place,) = [p for p, spec in enumerate(specs) if spec.strategy == "joint"]
    for task, target in enumerate(wide.targets):
        y = wide.labels[around.test, task]
        assert joint.scores[task] == pytest.approx(METRICS[target.metric.name](y, results[place].test[task]))


def test_failed_and_cut_trials_are_left_out(wide: Problem) -> None:
    around = make_round(wide, PROTOCOL, PLAN, 0)
    results = [run_trial(wide, PROTOCOL, spec, None) for spec in specs_for(wide, PROTOCOL, PLAN, 0)]
    lost = [
        replace(r, status="failed", held_out=[], test=[]) if r.spec.strategy == "joint" else r
        for r in results
    ]
    names = {candidate.name for candidate in assemble(wide, around, lost)}
    assert "joint/linear" not in names
    assert {"separate/linear", "chained/linear", "ensemble/blend"} <= names


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy"])
def test_scores_that_are_undefined_somewhere_break_nothing(metric: str) -> None:
    # Few ones: in some inner folds and tasks the area under the curve does not exist, and a constant
    # may be perfectly accurate.
    rng = np.random.default_rng(8)
    y = np.zeros(60, dtype=int)
    y[[0, 7, 20, 33, 41, 55]] = 1
    frame = {"x": rng.normal(size=60), "y": y, "task": [f"t{i // 20}" for i in range(60)]}
    problem = Problem.from_frame(frame, targets=["y"], task="task", metric=metric)
    for candidate in _assembled(problem):
        assert np.isfinite(candidate.inner)


def test_a_trial_that_says_nothing_of_some_rows_wins_no_weight() -> None:
    problem = _noise()
    around = make_round(problem, PROTOCOL, PLAN, 0)
    results = _noise_results(problem, around, 2)
    for values in results[1].held_out:
        values[::3] = np.nan
    for candidate in assemble(problem, around, results):
        assert not candidate.weights[:, 1].any() or candidate.name == "separate/linear"


# --- what is known inside a round ---------------------------------------------------------------------------


def test_a_constant_that_is_right_by_chance_makes_no_denominator(long: Problem) -> None:
    around = make_round(long, PROTOCOL, PLAN, 0)
    evidence = HeldOut(
        long, around, [run_trial(long, PROTOCOL, spec, None) for spec in specs_for(long, PROTOCOL, PLAN, 0)]
    )
    floor, rows = np.array([1.0, 1.0, 1.0, 0.001, 1.0, 1.0]), np.array([400.0, 2, 2, 2, 2, 2])
    steady = evidence.steadied(floor, rows)
    assert steady[0] == pytest.approx(1.0, abs=0.01)
    assert steady[3] == pytest.approx(0.9, abs=0.05), "two rows say little: it takes after the others"
    everything = np.arange(evidence.n_folds)
    ratios, _ = evidence.ratios(everything)
    np.testing.assert_allclose(ratios[:, evidence.constant].mean(), 1.0, atol=0.2)
