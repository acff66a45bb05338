"""Studies of new tasks: whole tasks on one side, the same draws for everybody, and what a budget buys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from sharewise.errors import DataError, OptionError
from sharewise.families import Part, Run
from sharewise.families._parts import ConstantPart
from sharewise.problems import Problem, Table
from sharewise.strategies.new_tasks import Adapter, draws_of
from sharewise.studies import Clock, Protocol
from sharewise.studies.new_tasks import check_apart, check_form, make_task_round, units_of, ways_of
from sharewise.studies.new_tasks._plan import LEARNING, Cheap, choose_plan
from sharewise.studies.new_tasks._tasks import rounds_at_most
from sharewise.studies.new_tasks._trial import Judge

PROTOCOL = Protocol("new", 3, (), ())


def schools(count: int = 12, rows: int = 14, seed: int = 0, **more: Any) -> Problem:
    return Problem.from_frame(school_frame(count, rows, seed), targets=["score"], task="school", **more)


def school_frame(count: int = 12, rows: int = 14, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(count), rows)
    x = rng.normal(size=(count * rows, 3))
    weights = rng.normal(1.0, 0.5, size=(count, 3))
    score = (x * weights[school]).sum(axis=1) + rng.normal(scale=0.3, size=len(x))
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    return frame.assign(school=[f"s{code}" for code in school], score=score, district=school // 2)


def intent_frame(classes: int = 10, rows: int = 9, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(classes), rows)
    x = rng.normal(size=(classes, 4))[code] + 0.3 * rng.normal(size=(classes * rows, 4))
    return pd.DataFrame(x, columns=list("abcd")).assign(intent=[f"i{c}" for c in code])


def intents(classes: int = 10, rows: int = 9, **more: Any) -> Problem:
    frame = intent_frame(classes, rows)
    if more:  # two classes a domain
        frame["domain"] = np.arange(len(frame)) // (2 * rows)
    return Problem.from_frame(frame, targets=["intent"], **more)


@pytest.mark.parametrize(
    "problem", [schools(), intents(), schools(group="district"), intents(14, group="domain")]
)
def test_every_task_is_tested_once_a_repeat_and_stands_on_one_side(problem: Problem) -> None:
    tasks, units = units_of(problem)
    unit = dict(zip(tasks.tolist(), units.tolist(), strict=True))
    rounds = rounds_at_most(problem, PROTOCOL)
    tested: list[int] = []
    for index in range(rounds):
        around = make_task_round(problem, PROTOCOL, index)
        sides = [{unit[task] for task in side.tolist()} for side in (around.train, around.valid, around.test)]
        assert all(sides)
        assert len(set.union(*sides)) == sum(map(len, sides))
        assert sorted([*around.train, *around.valid, *around.test]) == tasks.tolist()
        tested += around.test.tolist()
    assert sorted(tested) == sorted(tasks.tolist() * PROTOCOL.repeats)


def test_rounds_have_seeds_of_their_own_and_stay_as_they_are() -> None:
    problem = schools()
    seeds = [make_task_round(problem, PROTOCOL, index).seed for index in range(10)]
    assert len(set(seeds)) == 10
    again = make_task_round(problem, PROTOCOL, 7)
    assert again.seed == seeds[7]
    assert again.test.tolist() == make_task_round(problem, PROTOCOL, 7).test.tolist()


def test_a_group_joins_its_tasks() -> None:
    _, units = units_of(schools(group="district"))
    assert len(np.unique(units)) == 6
    assert (units[::2] == units[1::2]).all()


def test_ways_are_what_the_smallest_side_has() -> None:
    assert ways_of(intents(10), PROTOCOL) == 2  # two of ten classes a fold
    assert ways_of(intents(60), PROTOCOL) == 5
    assert ways_of(schools(), PROTOCOL) is None


def test_supports_are_nested_and_apart_from_the_query() -> None:
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(4), [30, 5, 2, 1])
    y = rng.normal(size=len(task))
    draws = draws_of(
        task, y, np.arange(len(task)), shots=(1, 3, 10), ways=None, classes=None, queries=8, count=3, seed=1
    )
    assert sorted({draw.task for draw in draws}) == [0, 1, 2]  # a single row has no query beside it
    for draw in draws:
        assert (task[draw.query] == draw.task).all()
        assert np.array_equal(draw.query_y, y[draw.query])
        assert len(draw.query) == {0: 8, 1: 1, 2: 1}[draw.task]
        held: set[int] = set()
        for k, rows, labels in zip((1, 3, 10), draw.supports, draw.support_y, strict=True):
            if rows is None or labels is None:
                assert (task == draw.task).sum() - len(draw.query) < k
                continue
            assert len(rows) == k == len(set(rows.tolist()))
            assert held <= set(rows.tolist())
            assert not set(rows.tolist()) & set(draw.query.tolist())
            assert np.array_equal(labels, y[rows])
            held = set(rows.tolist())


def test_tasks_with_classes_have_each_in_their_support() -> None:
    task = np.repeat(np.arange(3), 20)
    y = np.tile([0.0] * 18 + [1.0] * 2, 3)
    y[40:] = 0.0  # the third task has one class only
    draws = draws_of(
        task, y, np.arange(60), shots=(1, 2, 6), ways=None, classes=2, queries=5, count=20, seed=0
    )
    assert all(draw.supports[0] is None for draw in draws)
    for draw in draws:
        for labels in draw.support_y[1:]:
            assert labels is None or set(labels) == {0.0, 1.0}
    assert all(draw.supports[2] is None for draw in draws if draw.task == 2)
    assert any(draw.supports[1] is not None for draw in draws)


def test_a_pool_draws_classes_and_names_them_by_place() -> None:
    code = np.repeat(np.arange(6), 8)
    draws = draws_of(
        code, code.astype(float), np.arange(48), shots=(1, 3), ways=3, classes=3, queries=4, count=30, seed=2
    )
    assert len(draws) == 30
    seen = set()
    for draw in draws:
        first, y = draw.supports[1], draw.support_y[1]
        assert first is not None
        assert y is not None
        assert np.bincount(y.astype(int)).tolist() == [3, 3, 3]
        of_place = [code[first][y == place] for place in range(3)]
        assert all(len(set(classes)) == 1 for classes in of_place)
        names = [classes[0] for classes in of_place]
        assert len(set(names)) == 3
        assert [code[draw.query][draw.query_y == place][0] for place in range(3)] == names
        assert not set(first.tolist()) & set(draw.query.tolist())
        seen |= set(names)
    assert seen == set(range(6))


def test_forms_that_no_new_tasks_can_follow() -> None:
    wide = Problem.from_frame(school_frame().drop(columns="school"), targets=["score", "a"])
    with pytest.raises(DataError, match="further classes of one target; got 2 targets"):
        check_form(wide)
    with pytest.raises(DataError, match=r"at least 6 tasks, .* got 5"):
        units_of(schools(5))
    with pytest.raises(DataError, match=r"at least 6 classes.*got 3 \(6 classes, those that share a group"):
        units_of(intents(6, group="domain"))


def test_examples_in_two_classes_are_refused() -> None:
    frame = intent_frame()
    frame.loc[20, list("abcd")] = frame.loc[3, list("abcd")].to_numpy()
    problem = Problem.from_frame(frame, targets=["intent"])
    with pytest.raises(DataError, match="1 stand in two classes, such as one of 'i0' in 'i2' too"):
        check_apart(problem)
    check_apart(intents())
    frame["side"] = np.where(frame["intent"].isin(["i0", "i2"]), "both", frame["intent"])
    check_apart(Problem.from_frame(frame, targets=["intent"], group="side"))


def test_copied_tasks_are_refused_and_equal_rows_are_not() -> None:
    frame = school_frame()
    copy = frame[frame["school"] == "s3"].assign(school="s3 again")
    with pytest.raises(DataError, match=r"14 of 14 different rows of 's3.*' stand in 's3.*' too"):
        check_apart(Problem.from_frame(pd.concat([frame, copy]), targets=["score"], task="school"))
    films = pd.DataFrame({"film": np.tile(np.arange(30) % 7, 8), "user": np.repeat(np.arange(8), 30)})
    films["old"] = films["film"] % 2 * 1.5
    films["rating"] = np.random.default_rng(0).integers(1, 6, len(films)).astype(float)
    check_apart(Problem.from_frame(films, targets=["rating"], task="user", kinds={"rating": "regression"}))


def test_more_budget_buys_more_effort_and_then_seconds() -> None:
    counts = (2, 6, 12)
    plans = [
        choose_plan(Clock(budget), counts, workers=2, most_rounds=10, draws=(5, 5, 20), cheap=Cheap(1.0, 1.0))
        for budget in (15.0, 60.0, 200.0, 600.0, 6_000.0, None)
    ]
    efforts = [plan.effort for plan in plans]
    assert efforts == sorted(efforts)
    assert efforts[0] == 0
    assert efforts[-2:] == [2, 2]
    for plan in plans:
        assert plan.effort == 0 or plan.seconds >= LEARNING[plan.effort]
    assert plans[-1].rounds == 10
    busy = choose_plan(
        Clock(200.0), counts, workers=2, most_rounds=10, draws=(5, 5, 20), cheap=Cheap(1.0, 4.0)
    )
    assert counts[busy.effort] * busy.seconds < counts[plans[2].effort] * plans[2].seconds


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"question": "later"}, "a question is 'known' .* or 'new'"),
        ({"question": "known", "shots": (1, 5)}, "shots are asked about new tasks"),
        ({"question": "new", "shots": ()}, "got none"),
        ({"question": "new", "shots": (0, 5)}, "from 1 to .* got 0"),
        ({"question": "new", "shots": (1, 2.5)}, "got 2.5"),
        ({"question": "new", "shots": (True,)}, "got True"),
        ({"question": "new", "ways": 1}, "2 or more; got 1"),
        ({"question": "new", "strategies": ("grouped",)}, "strategies are some of constant"),
    ],
)
def test_options_that_do_not_fit(given: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        sw.compare(schools(), budget="20s", quiet=True, **given)


def test_a_pool_of_classes_is_no_question_of_known_tasks() -> None:
    with pytest.raises(DataError, match=r"at least two tasks; got 1 \('intent'\).*question='new'"):
        sw.compare(intents(), budget="20s", quiet=True)


def test_rows_without_a_label_are_kept_for_pretraining() -> None:
    frame = school_frame()
    frame.loc[frame.index[:25], "score"] = np.nan
    problem = Problem.from_frame(frame, targets=["score"], task="school")
    assert problem.unlabelled is not None
    assert len(problem.unlabelled) == 25
    assert np.array_equal(problem.unlabelled.columns[0].values, frame["a"].to_numpy()[:25])
    assert schools().unlabelled is None


def test_nobody_is_asked_about_numbers_of_labels_that_no_task_has() -> None:
    problem = schools(rows=9)
    protocol = Protocol("new", 3, (), (), shots=(1, 100))
    draws = draws_of(
        problem.level, problem.labels[:, 0], np.arange(len(problem)), shots=protocol.shots, ways=None,
        classes=None, queries=5, count=1, seed=0,
    )  # fmt: skip
    asked: list[int] = []

    class Counting(Adapter):
        def encode(self, table: Table) -> Any:
            return np.zeros((len(table), 0))

        def adapt(self, X: Any, y: Any, classes: int | None) -> Part:
            return ConstantPart(np.array([y.mean()]))

        def predict_each(self, X: Any, jobs: Any, classes: int | None) -> Any:
            asked.append(len(jobs))
            return super().predict_each(X, jobs, classes)

    errors = Judge(problem, protocol, 0, Counting(), Run(0)).errors(draws)
    assert asked == [12]
    assert errors.shape == (2, 2, 12)
    assert np.isfinite(errors[:, 0]).all()
    assert np.isnan(errors[:, 1]).all()
